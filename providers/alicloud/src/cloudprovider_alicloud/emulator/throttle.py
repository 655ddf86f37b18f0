"""Token buckets per (access key, region, action)."""

from __future__ import annotations

import fnmatch
from collections.abc import Sequence

from cloudprovider_alicloud.emulator.errors import ApiError
from cloudprovider_alicloud.emulator.settings import Rate


class Throttle:
    """The buckets. The caller holds a lock."""

    def __init__(self) -> None:
        self._buckets: dict[tuple[str, str, str, str], tuple[float, float]] = {}

    def take(
        self, rates: Sequence[Rate], action: str, access_key_id: str, region: str, now: float
    ) -> None:
        """Take one token from each bucket of ``action``. Raises ApiError when one is empty."""
        for rate in rates:
            if not fnmatch.fnmatchcase(action, rate.pattern):
                continue
            key = (rate.pattern, access_key_id, region, action)
            tokens, since = self._buckets.get(key, (float(rate.burst), now))
            tokens = min(float(rate.burst), tokens + (now - since) * rate.per_second)
            if tokens < 1.0:
                self._buckets[key] = (tokens, now)
                raise ApiError(
                    400,
                    rate.code,
                    "Request was denied due to user flow control.",
                    retry_after=rate.retry_after,
                )
            self._buckets[key] = (tokens - 1.0, now)

    def clear(self) -> None:
        """All buckets full again."""
        self._buckets.clear()
