"""Growing waits with full jitter."""

from __future__ import annotations

from cloudprovider.concurrency import Concurrency, current


class Backoff:
    """A wait drawn from [0, ``base`` · 2^n) after the n-th failure in a row, at most ``cap``.

    Failures more than ``reset`` seconds apart are not in a row. Not safe for threads.
    """

    def __init__(
        self,
        base: float,
        cap: float,
        *,
        reset: float = 120.0,
        concurrency: Concurrency | None = None,
    ) -> None:
        self._concurrency = concurrency or current()
        self._base = base
        self._cap = cap
        self._reset = reset
        self._failures = 0
        self._last = float("-inf")

    def next(self) -> float:
        """Seconds to wait after one more failure."""
        now = self._concurrency.monotonic()
        if now - self._last > self._reset:
            self._failures = 0
        ceiling = min(self._cap, self._base * 2.0 ** min(self._failures, 64))
        self._failures += 1
        delay = self._concurrency.random.uniform(0.0, ceiling)
        self._last = now + delay
        return delay
