"""The process: what is started in which order, and how it stops.

Start: credentials, health port, election; only the leader builds the provider and starts the
controllers. Stop: no new work, calls in flight end (bounded), events go out, the lease is given
back. A lost lease ends the process, and nothing is written from that moment on.

Source: ``design.md`` 7, ``spec/ccm-core.md`` 4.8, 6.2 (#27, #28, #30, #37).
"""

from __future__ import annotations

import logging
from collections.abc import Sequence

from cloudprovider.concurrency import Concurrency, Event, current
from cloudprovider.errors import CloudProviderError
from cloudprovider.interface import Interface
from cloudprovider.registry import CloudProviderInitError
from cloudprovider_controllers.context import guard
from cloudprovider_controllers.runtime.elector import Deadman
from cloudprovider_controllers.runtime.errors import ApiError
from cloudprovider_controllers.runtime.transport import Transport, TransportError
from cloudprovider_manager import provider
from cloudprovider_manager.access import Access, AccessError
from cloudprovider_manager.election import Election
from cloudprovider_manager.health import Check, Health
from cloudprovider_manager.loops import Loops
from cloudprovider_manager.monitoring import Monitoring
from cloudprovider_manager.options import Options
from cloudprovider_manager.ports import PortError, Ports

_log = logging.getLogger(__name__)

#: Seconds for the last events, and again for giving the lease back.
_LAST_STEPS = 2.0


class Manager:
    """One manager; :meth:`run` may be called once.

    Args:
        options: Checked options.
        transport: Reaches the API server; None = as ``--kubeconfig`` and ``--master`` say.
        cloud: A ready provider, or several; None = those that ``--cloud-provider`` names.
        deadman: Ends this process if it leads and does not renew its lease.

    """

    def __init__(
        self,
        options: Options,
        *,
        transport: Transport | None = None,
        cloud: Interface | Sequence[Interface] | None = None,
        deadman: Deadman | None = None,
        concurrency: Concurrency | None = None,
    ) -> None:
        self._options = options
        self._transport = transport
        self._clouds = [cloud] if isinstance(cloud, Interface) else cloud
        self._deadman = deadman
        self._concurrency = concurrency or current()
        self.monitoring = Monitoring(options.disabled_metrics, concurrency=self._concurrency)
        self._failed = False
        self._election: Election | None = None
        #: Set while the provider and the controllers are not being started.
        self._settled = self._concurrency.event()
        self._settled.set()
        self.health = Health(observe=self.monitoring.slis.observe, concurrency=self._concurrency)
        self.ports = Ports(options, self.health, self.monitoring, concurrency=self._concurrency)

    def run(self, stop: Event) -> int:
        """Run until ``stop`` is set, which this method does itself when it cannot go on.

        Returns the exit code: 0 after an orderly stop, 1 otherwise.
        """
        try:
            access = Access.open(
                self._options,
                self._transport,
                self.monitoring.runtime,
                check=guard(self._may_write),
                concurrency=self._concurrency,
            )
            self.ports.open()
        except (AccessError, PortError) as error:
            _log.error("%s", error)
            return 1
        election = Election(
            self._options,
            access,
            self.monitoring,
            deadman=self._deadman,
            concurrency=self._concurrency,
        )
        self._election = election
        loops = Loops(
            self._options,
            access,
            self.monitoring,
            may_write=self._may_write,
            on_started=lambda running: self.health.add(Check(running.name, running.healthy)),
            concurrency=self._concurrency,
        )
        self._add_checks(election, stop)
        election.start(lambda: self._lead(loops, stop), lambda: self._fail(stop))
        stop.wait()
        return self._shut_down(election, loops)

    def _may_write(self) -> bool:
        return self._election is not None and self._election.may_write()

    def _add_checks(self, election: Election, stop: Event) -> None:
        if self._options.leader_elect:
            self.health.add(Check("leaderElection", election.healthy))
        self.health.add(Check("controllers-started", self._settled.is_set, ready_only=True))
        self.health.add(Check("shutdown", lambda: not stop.is_set(), ready_only=True))

    def _lead(self, loops: Loops, stop: Event) -> None:
        """Build the provider and start the controllers; in a thread of the election's."""
        self._settled.clear()
        try:
            if stop.is_set():
                return
            clouds = self._clouds or provider.build_all(self._options)
            loops.start(provider.route(clouds, self._options, self._concurrency), stop)
        except CloudProviderInitError as error:
            _log.error("Cloud provider could not be initialized: %s", error)
            self._fail(stop)
        except (ApiError, TransportError, CloudProviderError) as error:
            _log.error("error running controllers: %s", error)
            self._fail(stop)
        except (Exception, SystemExit) as error:  # noqa: BLE001 - a leader without controllers is worse
            # The text stays out of the log: a foreign exception may carry a credential (R7).
            _log.error("error running controllers: unexpected %s", type(error).__name__)
            _log.debug("where it happened", exc_info=True)
            self._fail(stop)
        finally:
            self._settled.set()

    def _fail(self, stop: Event) -> None:
        self._failed = True
        stop.set()

    def _shut_down(self, election: Election, loops: Loops) -> int:
        started = self._concurrency.monotonic()
        deadline = started + self._options.shutdown_timeout
        # After a lost lease there is nothing to wait for: nothing more may be written.
        finished = not election.lost and self._drain(election, loops, deadline)
        if finished:
            loops.flush(_LAST_STEPS)
            election.release(_LAST_STEPS)
        self.ports.close()
        clean = finished and not self._failed
        seconds = self._concurrency.monotonic() - started
        _log.info("stopped after %.1f s%s", seconds, "" if clean else ", not in order")
        return 0 if clean else 1

    def _drain(self, election: Election, loops: Loops, deadline: float) -> bool:
        """Wait for the work in flight; whether it ended in time and under our lease."""
        left = max(0.0, deadline - self._concurrency.monotonic())
        busy = ["the start of the controllers"] if not self._settled.wait(left) else []
        busy += loops.join(deadline, give_up=lambda: election.lost)
        if busy:
            # The lease is kept: a successor must not write while our calls are in flight (R5).
            _log.error("still busy, the lease is left to expire: %s", ", ".join(busy))
        return not busy and not election.lost
