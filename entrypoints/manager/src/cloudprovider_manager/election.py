"""Leadership of this process: the race for the lease, and whether writing is allowed.

Source: ``spec/ccm-core.md`` 4.6.
"""

from __future__ import annotations

import logging
from collections.abc import Callable

from cloudprovider.concurrency import Concurrency, Thread
from cloudprovider_controllers.runtime.elector import Deadman, LeaderElector
from cloudprovider_controllers.runtime.recorder import EventRecorder
from cloudprovider_manager.access import Access
from cloudprovider_manager.monitoring import Monitoring
from cloudprovider_manager.options import Options

_log = logging.getLogger(__name__)

_COMPONENT = "cloud-controller-manager"


class Election:
    """Takes part in the race for the lease; without ``--leader-elect`` it is won at once."""

    def __init__(
        self,
        options: Options,
        access: Access,
        monitoring: Monitoring,
        *,
        deadman: Deadman | None = None,
        concurrency: Concurrency,
    ) -> None:
        self._concurrency = concurrency
        self._deadman = deadman
        self._stop = concurrency.event()
        self._events_stop = concurrency.event()
        self._thread: Thread | None = None
        self._recorder: EventRecorder | None = None
        self._elector: LeaderElector | None = None
        self.lost = False  #: whether this process led and does so no more
        if options.leader_elect:
            self._recorder = EventRecorder(
                access.own.client("leader-election-events"),
                component=_COMPONENT,
                host=concurrency.hostname(),
                concurrency=concurrency,
            )
            self._elector = self._new_elector(options, access, monitoring, self._recorder)

    def _new_elector(
        self, options: Options, access: Access, monitoring: Monitoring, recorder: EventRecorder
    ) -> LeaderElector:
        return LeaderElector(
            access.own.client("leader-election"),
            identity=f"{self._concurrency.hostname()}_{self._concurrency.uuid()}",
            namespace=options.leader_elect_resource_namespace,
            name=options.leader_elect_resource_name,
            lease_duration=options.leader_elect_lease_duration,
            renew_deadline=options.leader_elect_renew_deadline,
            retry_period=options.leader_elect_retry_period,
            recorder=recorder,
            metrics=monitoring.runtime.election(options.leader_elect_resource_name),
            deadman=self._deadman,
            concurrency=self._concurrency,
        )

    def start(self, on_won: Callable[[], None], on_lost: Callable[[], None]) -> None:
        """Race in the background. ``on_won`` may block; ``on_lost`` must not."""
        elector = self._elector
        if elector is None:
            self._concurrency.start_thread(on_won, name="leading")
            return

        def lost() -> None:
            self.lost = True
            on_lost()

        def run() -> None:
            try:
                elector.run(self._stop, on_won, lost)
            except Exception:  # noqa: BLE001 - without a lease this process must end
                _log.exception("the leader election failed")
                lost()

        if self._recorder is not None:
            self._recorder.start(self._events_stop)
        self._thread = self._concurrency.start_thread(run, name="leader-election")

    def may_write(self) -> bool:
        """Whether this process may write right now, by its own clock alone (rule R5)."""
        if self.lost:
            return False
        return self._elector is None or self._elector.is_leader()

    def healthy(self) -> bool:
        """False if this process leads but has not renewed the lease for far too long."""
        return self._elector is None or self._elector.healthy()

    def release(self, timeout: float) -> None:
        """Leave the race; a lease that is held is given back. Only when all work has ended."""
        deadline = self._concurrency.monotonic() + timeout
        self._stop.set()
        if self._thread is not None:
            self._thread.join(timeout)
        if self._recorder is not None:
            self._recorder.flush(max(0.0, deadline - self._concurrency.monotonic()))
        self._events_stop.set()
