"""At most one leader: the race for a Lease, and knowing when it is lost.

Only the local monotonic clock counts: a lease is ours until ``renew_deadline`` after we *sent* the
last renewal that succeeded, and somebody else's until its duration after we last saw it change. As
the deadline is shorter than the duration, a leader has stopped before anybody else may start.
Source: ``spec/ccm-core.md`` 4.6 and 6.2 (27, 37), ``spec/kubernetes-client.md`` 4.
"""

from __future__ import annotations

import datetime
import logging
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Protocol

import msgspec

from cloudprovider.concurrency import Concurrency, Event, current
from cloudprovider_controllers.runtime import lease as leases
from cloudprovider_controllers.runtime.client import Client
from cloudprovider_controllers.runtime.codec import decode_object
from cloudprovider_controllers.runtime.errors import (
    ApiError,
    MalformedResponse,
    NotFound,
    api_error,
)
from cloudprovider_controllers.runtime.resources import LEASES
from cloudprovider_controllers.runtime.transport import TransportError

if TYPE_CHECKING:
    from cloudprovider_controllers.runtime.metrics import ElectionMetrics
    from cloudprovider_controllers.runtime.recorder import EventRecorder

logger = logging.getLogger(__name__)

#: A candidate whose attempt failed waits between one retry period and this many more, each anew.
JITTER = 1.2
#: One that saw another lead looks again after between this part of a retry period and a whole one:
#: looking is cheap, and a lease that is given back should not lie there.
LOOK = 0.4
#: Seconds beyond the lease's duration after which an unrenewed leader is unhealthy.
HEALTH_MARGIN = 20.0
_NEVER = float("-inf")


class _HeldByOther(Exception):
    """Somebody else holds the lease that we led with."""


class Deadman(Protocol):
    """Ends this process from outside: what is stopped or frozen cannot end itself."""

    def arm(self, seconds: float) -> None:
        """End it after ``seconds``, unless this is called again before."""

    def disarm(self) -> None:
        """Do not end it."""


class LeaderElector:
    """Takes part in one race. :meth:`run` may be called once.

    Args:
        client: Best one of its own (user agent ``…/leader-election``), so that nothing delays it.
        identity: Unique to this process, e.g. host name and a random UUID.
        namespace, name: Of the Lease.
        lease_duration: Seconds for which others believe a record that does not change.
        renew_deadline: Seconds without renewal after which this process has lost.
        retry_period: Seconds between renewals; candidates wait up to 2.2 times as long after an
            attempt that failed, and no longer than this while another leads.
        recorder: Gets an event on the Lease when leadership begins or ends.
        metrics: Gets the status.
        deadman: Armed while leading. It strikes half-way between the end of our proof and the
            moment at which another may lead.

    Raises:
        ValueError: the times do not fit together.

    """

    def __init__(  # noqa: PLR0913 - each is a flag of the manager
        self,
        client: Client,
        *,
        identity: str,
        namespace: str = "kube-system",
        name: str = "cloud-controller-manager",
        lease_duration: float = 15.0,
        renew_deadline: float = 10.0,
        retry_period: float = 2.0,
        recorder: EventRecorder | None = None,
        metrics: ElectionMetrics | None = None,
        deadman: Deadman | None = None,
        concurrency: Concurrency | None = None,
    ) -> None:
        check_times(lease_duration, renew_deadline, retry_period)
        self._concurrency = concurrency or current()
        self._client = client
        self.identity = identity
        self._namespace = namespace
        self._name = name
        self._duration = lease_duration
        self._deadline = renew_deadline
        self._period = retry_period
        self._recorder = recorder
        self._metrics = metrics
        self._deadman = deadman
        self._requests = self._concurrency.rlock()  # one attempt or release at a time
        self._state = self._concurrency.lock()
        self._leading = False
        self._over = False  # led once, and will not again
        self._valid_until = _NEVER
        self._renewed_at: datetime.datetime | None = None
        self._ended = self._concurrency.event()
        self._lease: dict[str, Any] | None = None  # as the server last answered it
        self._observed = leases.Record()
        self._observed_at = _NEVER
        self._other_leads = False  # at the last attempt; only of the thread that races
        self._on_lost: Callable[[], None] = _nothing
        self.lost_reason = ""  #: why leadership was lost, for ``on_lost`` to log

    # -- what others ask -----------------------------------------------------------------------

    def is_leader(self) -> bool:
        """Whether this process provably holds the lease at this moment.

        False for up to a retry period after the wall clock jumped ahead: the machine may have been
        suspended, which stops the monotonic clock.
        """
        with self._state:
            renewed = self._renewed_at
            if not self._leading or renewed is None:
                return False
            if self._concurrency.monotonic() >= self._valid_until:
                return False
        return (self._concurrency.now() - renewed).total_seconds() < self._duration

    def valid_until(self) -> float:
        """When the proof of leadership ends, on the monotonic clock; past if there is none."""
        with self._state:
            return self._valid_until

    def holder(self) -> str:
        """Who held the lease when it was last seen; empty if nobody."""
        with self._state:
            return self._observed.holder

    def healthy(self) -> bool:
        """False if this process leads but has not renewed for far too long."""
        with self._state:
            last = self._valid_until - self._deadline
            leading = self._leading
        age = self._concurrency.monotonic() - last
        return not leading or age <= self._duration + HEALTH_MARGIN

    # -- the race ------------------------------------------------------------------------------

    def run(self, stop: Event, on_started: Callable[[], None], on_lost: Callable[[], None]) -> None:
        """Race until won, lead until ``stop`` is set or leadership is lost; then return.

        ``on_started`` runs in a thread of its own. ``on_lost`` is called once, at once, from any
        thread, if leadership is lost while leading; the caller must see to it that no write goes
        out after that, best by ending the process. Set ``stop`` only when all work has ended:
        the lease is released then.
        """
        while not stop.is_set():
            if self._try("acquire"):
                self._lead(stop, on_started, on_lost)
                return
            stop.wait(self._pause())

    def _pause(self) -> float:
        """Seconds until a candidate's next attempt."""
        chance = self._concurrency.random.random()
        if self._other_leads:
            return self._period * (LOOK + (1.0 - LOOK) * chance)
        return self._period * (1.0 + JITTER * chance)

    def _lead(
        self, stop: Event, on_started: Callable[[], None], on_lost: Callable[[], None]
    ) -> None:
        self._on_lost = on_lost
        start = self._concurrency.start_thread
        start(self._watch_deadline, name="leader-deadline")
        start(lambda: self._work(on_started), name="leading")
        logger.info("became leader: %s holds %s/%s", self.identity, self._namespace, self._name)
        self._tell(True)
        while not stop.wait(self._period) and not self._ended.is_set():
            self._try("renew")
        self.release()
        self._ended.set()

    def _work(self, on_started: Callable[[], None]) -> None:
        try:
            on_started()
        except Exception:
            logger.exception("the leader's work could not be started")
            self._lose("the leader's work could not be started")

    def _watch_deadline(self) -> None:
        """Lose when the deadline passes, whatever the renewing thread is stuck in."""
        while not self._ended.is_set():
            remaining = self.valid_until() - self._concurrency.monotonic()
            if remaining <= 0:
                self._lose(f"not renewed within {self._deadline:g} s")
                return
            self._ended.wait(remaining)

    def _lose(self, reason: str) -> None:
        with self._state:
            if not self._leading:
                return
            self._give_up()
            self.lost_reason = reason
        # Nothing that may block comes before this.
        self._on_lost()
        self._ended.set()
        logger.error("leader election lost: %s", reason)
        self._tell(False)

    def release(self) -> None:
        """Let go of the lease, if it is held, so that another can take it at once.

        Only when no work that needs it is going on any more. Called by :meth:`run`.
        """
        if not self._leads():
            return  # without waiting for a request that may hang
        with self._requests:
            with self._state:
                if not self._leading:
                    return
                self._give_up()
            self._ended.set()
            try:
                self._write_release()
            except (ApiError, TransportError) as error:
                logger.warning("the lease could not be released: %s", error)
            if self._deadman is not None:
                self._deadman.disarm()
        logger.info("stopped leading: %s released the lease", self.identity)
        self._tell(False)

    def _leads(self) -> bool:
        with self._state:
            return self._leading

    def _give_up(self) -> None:
        self._leading = False
        self._over = True
        self._valid_until = _NEVER

    def _write_release(self) -> None:
        for lease in (self._lease, None):
            found = lease or self._get()
            if found is None or leases.read(found).holder != self.identity:
                return
            try:
                self._put({**found, "spec": leases.released(found, self._concurrency.now())})
            except ApiError as error:
                if lease is None or error.status != 409:
                    raise
            else:
                return

    # -- one attempt ---------------------------------------------------------------------------

    def _try(self, purpose: str) -> bool:
        """Acquire or renew; whether it succeeded."""
        with self._requests:
            if self._ended.is_set():
                return False
            try:
                if self._renew_fast():
                    return True
                return self._acquire()
            except _HeldByOther as error:
                self._lose(str(error))
            except (ApiError, TransportError) as error:
                logger.warning("could not %s the lease %s: %s", purpose, self._name, error)
            return False

    def _renew_fast(self) -> bool:
        """Renew without reading first. On any failure the lease must be read."""
        if not self._leads() or self._lease is None:
            return False
        try:
            return self._hold(self._lease)
        except (ApiError, TransportError) as error:
            logger.info("renewal without a read failed: %s", error)
            if self._metrics is not None:
                self._metrics.slow()
            return False

    def _acquire(self) -> bool:
        self._other_leads = False
        lease = self._get()
        if lease is None:
            return self._hold(None)
        now = self._concurrency.monotonic()
        record = leases.read(lease)
        with self._state:
            before = self._observed.holder
            if record != self._observed:
                self._observed, self._observed_at = record, now
            leading, expires = self._leading, self._observed_at + record.lifetime(self._duration)
        if record.holder and record.holder != self.identity:
            if leading:
                raise _HeldByOther(f"{record.holder} holds the lease")
            if record.holder != before:
                logger.info("waiting: %s holds %s/%s", record.holder, self._namespace, self._name)
            if now < expires:
                self._other_leads = True
                return False
        return self._hold(lease)

    def _hold(self, lease: dict[str, Any] | None) -> bool:
        """Write ourselves into ``lease``; whether that is proven, in time."""
        spec = leases.held(lease, self.identity, self._duration, self._concurrency.now())
        sent = self._concurrency.monotonic()
        wall = self._concurrency.now()
        if lease is None:
            metadata = {"name": self._name, "namespace": self._namespace}
            self._lease = self._post({"metadata": metadata, "spec": spec})
        else:
            self._lease = self._put({**lease, "spec": spec})
        with self._state:
            self._observed = leases.read(self._lease)
            self._observed_at = now = self._concurrency.monotonic()
            lapsed = self._leading and now >= self._valid_until
            in_time = now < sent + self._deadline and not lapsed and not self._over
            if in_time:
                if self._deadman is not None:  # before anybody may write
                    margin = (self._duration - self._deadline) / 2
                    self._deadman.arm(sent + self._deadline + margin - now)
                self._leading = True
                self._valid_until, self._renewed_at = sent + self._deadline, wall
        return in_time

    # -- requests ------------------------------------------------------------------------------

    def _get(self) -> dict[str, Any] | None:
        try:
            return self._send("GET", LEASES.path(self._namespace, self._name), None)
        except NotFound:
            return None

    def _post(self, lease: dict[str, Any]) -> dict[str, Any]:
        return self._send("POST", LEASES.path(self._namespace), lease)

    def _put(self, lease: dict[str, Any]) -> dict[str, Any]:
        return self._send("PUT", LEASES.path(self._namespace, self._name), lease)

    def _send(self, method: str, path: str, lease: dict[str, Any] | None) -> dict[str, Any]:
        body = None
        if lease is not None:
            kind = {"apiVersion": LEASES.api_version, "kind": LEASES.kind}
            body = msgspec.json.encode({**kind, **lease})
        response = self._client.raw(method, path, body=body, timeout=self._timeout(), urgent=True)
        if response.status >= 400:
            raise api_error(response)
        try:
            return msgspec.json.decode(response.data, type=dict[str, Any])
        except msgspec.DecodeError as error:
            raise MalformedResponse(
                response.status, "", f"lease not understood: {error}"
            ) from error

    def _timeout(self) -> float:
        """Half the deadline, and never beyond what is left of it while leading."""
        timeout = max(1.0, self._deadline / 2)
        with self._state:
            if self._leading:
                remaining = self._valid_until - self._concurrency.monotonic()
                return min(timeout, max(0.05, remaining))
        return timeout

    def _tell(self, leads: bool) -> None:
        if self._metrics is not None:
            self._metrics.leading(leads)
        if self._recorder is not None and self._lease is not None:
            obj = decode_object(LEASES, msgspec.json.encode(self._lease))
            verb = "became leader" if leads else "stopped leading"
            self._recorder.event(obj, "Normal", "LeaderElection", f"{self.identity} {verb}")


def check_times(lease_duration: float, renew_deadline: float, retry_period: float) -> None:
    """Raise ValueError, in upstream's words, if the times do not fit together."""
    if lease_duration <= renew_deadline:
        raise ValueError("leaseDuration must be greater than renewDeadline")
    if renew_deadline <= JITTER * retry_period:
        raise ValueError("renewDeadline must be greater than retryPeriod*JitterFactor")
    if retry_period <= 0:
        raise ValueError("retryPeriod must be greater than zero")
    if lease_duration < 1:
        raise ValueError("leaseDuration must be at least one second")


def _nothing() -> None:
    """What is called on loss before anybody leads."""
