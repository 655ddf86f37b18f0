"""When what failed is tried again, and how fast routes may be deleted."""

from __future__ import annotations

import collections
import dataclasses
import math
from collections.abc import Hashable, Iterable
from typing import Generic, TypeVar

from cloudprovider.errors import RetryLater

_K = TypeVar("_K", bound=Hashable)

#: Of so many routes one may be deleted in a window; of fewer also one.
ROUTES_PER_DELETION = 10


@dataclasses.dataclass
class _Failure:
    count: int
    not_before: float  #: seconds, monotonic
    error: Exception


class Retries(Generic[_K]):
    """Single items back off, so that one that keeps failing does not slow the others.

    Args:
        base: Seconds after the first failure; they double with each further one.
        cap: The most seconds.

    """

    def __init__(self, base: float, cap: float) -> None:
        self._base = base
        self._cap = cap
        self._failures: dict[_K, _Failure] = {}

    def waits(self, item: _K, now: float) -> Exception | None:
        """What the last try of ``item`` came to, if it is too early at ``now`` for another one."""
        failure = self._failures.get(item)
        return failure.error if failure is not None and failure.not_before > now else None

    def failed(self, item: _K, error: Exception, now: float) -> None:
        """A try of ``item`` came to ``error``; one that says how long to wait is no failure."""
        count = self._failures[item].count if item in self._failures else 0
        if isinstance(error, RetryLater):
            self._failures[item] = _Failure(count, now + error.after, error)
        else:
            wait = min(self._cap, self._base * 2.0 ** min(count, 64))
            self._failures[item] = _Failure(count + 1, now + wait, error)

    def succeeded(self, item: _K) -> None:
        """A try of ``item`` went well."""
        self._failures.pop(item, None)

    def keep(self, items: Iterable[_K]) -> None:
        """Forget all but ``items``."""
        kept = set(items)
        self._failures = {item: entry for item, entry in self._failures.items() if item in kept}

    def next(self, now: float) -> float:
        """When, after ``now``, an item becomes due; infinite if none waits."""
        waiting = (entry.not_before for entry in self._failures.values())
        return min((due for due in waiting if due > now), default=math.inf)


class DeletionGuard:
    """Bounds how many routes vanish in one window: max(1, 10 % of those there are).

    What takes the place of another route is not counted. A wrong node list then costs a tenth of
    the routes and leaves time to see the warning, not an outage (``spec/ccm-core.md`` 6.2 #6).

    Args:
        window: Seconds.

    """

    def __init__(self, window: float) -> None:
        self._window = window
        self._deleted: collections.deque[tuple[float, int]] = collections.deque()

    def room(self, total: int, now: float) -> int:
        """How many of ``total`` routes may be deleted at ``now``."""
        while self._deleted and self._deleted[0][0] + self._window <= now:
            self._deleted.popleft()
        before = sum(count for _, count in self._deleted)
        # Those already gone count to the total: else the limit would shrink within its window.
        return max(0, max(1, (total + before) // ROUTES_PER_DELETION) - before)

    def deleted(self, count: int, now: float) -> None:
        """``count`` routes were deleted at ``now``."""
        if count:
            self._deleted.append((now, count))

    def next(self) -> float:
        """When there is more room, seconds on the monotonic clock; infinite if there is all."""
        return self._deleted[0][0] + self._window if self._deleted else math.inf
