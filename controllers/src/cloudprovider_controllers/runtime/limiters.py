"""How long a key that failed waits before it is tried again (``spec/ccm-core.md`` 3.1.2)."""

from __future__ import annotations

from typing import Protocol

from cloudprovider.concurrency import Concurrency, current
from cloudprovider_controllers.runtime.ratelimit import TokenBucket


class Limiter(Protocol):
    """Safe for threads."""

    def when(self, key: str) -> float:
        """Count one more failure of ``key``; seconds until its next try."""

    def forget(self, key: str) -> None:
        """``key`` succeeded: its failures count no more."""

    def failures(self, key: str) -> int:
        """Failures of ``key`` since it was last forgotten."""


class ExponentialLimiter:
    """``base`` · 2^n seconds for the n-th failure of a key in a row, at most ``cap``."""

    def __init__(self, base: float, cap: float, *, concurrency: Concurrency | None = None) -> None:
        self._lock = (concurrency or current()).lock()
        self._base = base
        self._cap = cap
        self._failures: dict[str, int] = {}

    def when(self, key: str) -> float:
        with self._lock:
            count = self._failures.get(key, 0)
            self._failures[key] = count + 1
        return min(self._cap, self._base * 2.0 ** min(count, 64))

    def forget(self, key: str) -> None:
        with self._lock:
            self._failures.pop(key, None)

    def failures(self, key: str) -> int:
        with self._lock:
            return self._failures.get(key, 0)


class BucketLimiter:
    """All keys together: ``burst`` at once, then ``qps`` per second; no wait above ``cap``."""

    def __init__(
        self,
        qps: float,
        burst: int,
        *,
        cap: float | None = None,
        concurrency: Concurrency | None = None,
    ) -> None:
        self._bucket = TokenBucket(qps, burst, concurrency=concurrency)
        self._cap = cap

    def when(self, key: str) -> float:  # noqa: ARG002 - one bucket for all keys
        delay = self._bucket.reserve()
        return delay if self._cap is None else min(self._cap, delay)

    def forget(self, key: str) -> None:
        """Nothing: tokens are not given back."""

    def failures(self, key: str) -> int:  # noqa: ARG002 - not counted per key
        return 0


class MaxLimiter:
    """The longest wait of several limiters."""

    def __init__(self, *limiters: Limiter) -> None:
        self._limiters = limiters

    def when(self, key: str) -> float:
        # All are asked: each has to count the failure.
        return max([limiter.when(key) for limiter in self._limiters], default=0.0)

    def forget(self, key: str) -> None:
        for limiter in self._limiters:
            limiter.forget(key)

    def failures(self, key: str) -> int:
        return max((limiter.failures(key) for limiter in self._limiters), default=0)


def default_limiter(concurrency: Concurrency | None = None) -> Limiter:
    """5 ms · 2^n to 1000 s per key, and 10 per second with bursts of 100 over all keys."""
    return MaxLimiter(
        ExponentialLimiter(0.005, 1000.0, concurrency=concurrency),
        BucketLimiter(10.0, 100, concurrency=concurrency),
    )
