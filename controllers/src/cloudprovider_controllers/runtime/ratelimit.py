"""A token bucket on an injected clock."""

from __future__ import annotations

from cloudprovider.concurrency import Concurrency, current


class TokenBucket:
    """At most ``burst`` at once and ``qps`` per second in the long run. Safe for threads.

    Args:
        qps: Tokens per second; 0 or less means no limit.
        burst: Size of the bucket, at least 1. It starts full.

    """

    def __init__(self, qps: float, burst: int, *, concurrency: Concurrency | None = None) -> None:
        self._concurrency = concurrency or current()
        self._lock = self._concurrency.lock()
        self._qps = qps
        self._burst = max(1, burst)
        self._tokens = float(self._burst)
        self._updated = self._concurrency.monotonic()

    def reserve(self) -> float:
        """Take one token, if need be one of the future; seconds to wait until it is there."""
        if self._qps <= 0:
            return 0.0
        with self._lock:
            self._refill()
            self._tokens -= 1.0
            return max(0.0, -self._tokens / self._qps)

    def wait(self) -> float:
        """Take one token, blocking until it is there; seconds waited."""
        delay = self.reserve()
        if delay > 0:
            self._concurrency.sleep(delay)
        return delay

    def _refill(self) -> None:
        now = self._concurrency.monotonic()
        self._tokens = min(self._burst, self._tokens + (now - self._updated) * self._qps)
        self._updated = now
