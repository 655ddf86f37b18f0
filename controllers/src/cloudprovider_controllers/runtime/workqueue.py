"""Keys that wait to be worked on (``spec/ccm-core.md`` 3.1.2).

A key is held once, however often it is added; it is never given to two workers at a time; a key
added while it is being worked on comes again afterwards.
"""

from __future__ import annotations

import collections
import heapq
import itertools
from typing import TYPE_CHECKING

from cloudprovider.concurrency import Concurrency, current
from cloudprovider_controllers.runtime.limiters import (
    BucketLimiter,
    ExponentialLimiter,
    Limiter,
    MaxLimiter,
    default_limiter,
)

if TYPE_CHECKING:
    from cloudprovider_controllers.runtime.metrics import QueueMetrics

__all__ = [
    "BucketLimiter",
    "ExponentialLimiter",
    "Limiter",
    "MaxLimiter",
    "WorkQueue",
    "default_limiter",
]


class WorkQueue:
    """Keys to work on, in the order they became due. Safe for threads.

    Args:
        name: Label of its metrics.
        limiter: Decides how long :meth:`add_rate_limited` delays a key.
        metrics: Where it is measured.

    """

    def __init__(
        self,
        name: str,
        *,
        limiter: Limiter | None = None,
        metrics: QueueMetrics | None = None,
        concurrency: Concurrency | None = None,
    ) -> None:
        self.name = name
        self._concurrency = concurrency or current()
        self._limiter = limiter or default_limiter(self._concurrency)
        self._condition = self._concurrency.condition(self._concurrency.lock())
        self._ready: collections.deque[str] = collections.deque()
        self._added: dict[str, float] = {}  # wanted: in _ready, or being worked on and added again
        self._started: dict[str, float] = {}  # being worked on, since when
        self._due: dict[str, float] = {}  # delayed, until when
        self._timers: list[tuple[float, int, str]] = []  # a heap over _due; may hold stale entries
        self._sequence = itertools.count()
        self._closed = False
        self._succeeded = self._concurrency.monotonic()
        self._metrics = metrics
        if metrics is not None:
            metrics.attach(self)

    # -- adding ----------------------------------------------------------------------------

    def add(self, key: str) -> None:
        """``key`` is to be worked on now."""
        with self._condition:
            if not self._closed:
                self._promote()
                self._add(key)

    def add_after(self, key: str, seconds: float) -> None:
        """``key`` is to be worked on in ``seconds``. If it is delayed already, the earlier wins."""
        with self._condition:
            if self._closed:
                return
            if self._metrics is not None:
                self._metrics.retried()
            self._promote()
            if seconds <= 0:
                self._add(key)
                return
            due = self._concurrency.monotonic() + seconds
            if due < self._due.get(key, due + 1.0):
                self._due[key] = due
                heapq.heappush(self._timers, (due, next(self._sequence), key))
                self._condition.notify()  # a waiting worker must wait less long now

    def add_rate_limited(self, key: str) -> None:
        """``key`` failed; it is to be worked on again after what the limiter says."""
        self.add_after(key, self._limiter.when(key))

    def forget(self, key: str) -> None:
        """``key`` succeeded: its failures count no more."""
        self._limiter.forget(key)

    def failures(self, key: str) -> int:
        """How often ``key`` failed since it was last forgotten."""
        return self._limiter.failures(key)

    # -- working ---------------------------------------------------------------------------

    def get(self) -> str | None:
        """The next key, blocking until there is one; None when the queue is shut down and empty.

        The caller must call :meth:`done` with it.
        """
        with self._condition:
            while True:
                self._promote()
                if self._ready:
                    return self._take()
                if self._closed:
                    return None
                self._condition.wait(self._until_next())

    def succeeded(self) -> None:
        """Work on some key ended well."""
        self._succeeded = self._concurrency.monotonic()

    def done(self, key: str) -> None:
        """Work on ``key`` ended, well or badly. If it was added meanwhile, it is ready now."""
        with self._condition:
            started = self._started.pop(key, None)
            if started is not None and self._metrics is not None:
                self._metrics.finished(self._concurrency.monotonic() - started)
            if key in self._added:
                self._ready.append(key)
                self._condition.notify()

    def shut_down(self, *, drain: bool = True) -> None:
        """Accept no more keys and drop delayed ones.

        Keys that are ready are still given out, unless ``drain`` is false.
        """
        with self._condition:
            self._closed = True
            self._due.clear()
            self._timers.clear()
            if not drain:
                self._ready.clear()
                self._added.clear()
            self._condition.notify_all()

    # -- looking ---------------------------------------------------------------------------

    def __len__(self) -> int:
        """Keys that are ready, without those being worked on or delayed."""
        with self._condition:
            self._promote()
            return len(self._ready)

    def pending(self) -> int:
        """Keys that are ready, being worked on or delayed; 0 means quiet."""
        with self._condition:
            return len({*self._ready, *self._started, *self._due, *self._added})

    def processing(self) -> dict[str, float]:
        """Seconds for which each key being worked on has been so."""
        with self._condition:
            now = self._concurrency.monotonic()
            return {key: now - started for key, started in self._started.items()}

    def oldest(self) -> float:
        """Seconds for which the oldest key that is ready has waited; 0 if there is none."""
        with self._condition:
            self._promote()
            now = self._concurrency.monotonic()
            return max((now - self._added[key] for key in self._ready), default=0.0)

    def success_age(self) -> float:
        """Seconds since :meth:`succeeded` was called, or since this queue was made."""
        return self._concurrency.monotonic() - self._succeeded

    def next_due(self) -> float | None:
        """Seconds until the next delayed key is ready, or None."""
        with self._condition:
            return self._until_next()

    # -- inside, with the lock held ----------------------------------------------------------

    def _add(self, key: str) -> None:
        if key in self._added:
            return
        self._added[key] = self._concurrency.monotonic()
        if self._metrics is not None:
            self._metrics.added()
        if key not in self._started:
            self._ready.append(key)
            self._condition.notify()

    def _take(self) -> str:
        key = self._ready.popleft()
        now = self._concurrency.monotonic()
        waited = now - self._added.pop(key)
        self._started[key] = now
        if self._metrics is not None:
            self._metrics.taken(waited)
        if self._ready or self._timers:
            self._condition.notify()  # pass on: somebody must watch what is left
        return key

    def _promote(self) -> None:
        """Make delayed keys whose time has come ready."""
        now = self._concurrency.monotonic()
        while self._timers and self._timers[0][0] <= now:
            due, _, key = heapq.heappop(self._timers)
            if self._due.get(key) == due:
                del self._due[key]
                self._add(key)

    def _until_next(self) -> float | None:
        while self._timers and self._due.get(self._timers[0][2]) != self._timers[0][0]:
            heapq.heappop(self._timers)  # an earlier deadline took its place
        if not self._timers:
            return None
        return max(0.0, self._timers[0][0] - self._concurrency.monotonic())
