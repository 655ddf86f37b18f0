"""Deleting routes: first those in the way of a node's route, then, slowly, those no node wants."""

from __future__ import annotations

import logging
import math
from collections.abc import Callable, Sequence

from cloudprovider.concurrency import Concurrency
from cloudprovider.errors import CloudProviderError
from cloudprovider_controllers.context import ControllerOptions
from cloudprovider_controllers.route.bulk import outcomes_of
from cloudprovider_controllers.route.decisions import Listed, RoutePlan
from cloudprovider_controllers.route.demand import Key
from cloudprovider_controllers.route.metrics import RouteMetrics
from cloudprovider_controllers.route.pacing import DeletionGuard, Retries

logger = logging.getLogger(__name__)


class Deletions:
    """Carries out the deletions of plans.

    Args:
        send: Deletes routes in the cloud, as ``Routes.delete_routes``.
        check: Called before each write; raises if this process may not write.
        metrics: Where deletions that wait are counted.
        options: Times.
        concurrency: The clock.

    """

    def __init__(
        self,
        send: Callable[[Sequence[Listed]], object],
        check: Callable[[], None],
        *,
        metrics: RouteMetrics,
        options: ControllerOptions,
        concurrency: Concurrency,
    ) -> None:
        self._send = send
        self._check = check
        self._metrics = metrics
        self._window = options.route_delete_window
        self._concurrency = concurrency
        self._retries: Retries[Key] = Retries(options.retry_base, options.retry_cap)
        self._guard = DeletionGuard(options.route_delete_window)
        self._more = math.inf  # when further stale routes may be deleted

    def next(self) -> float:
        """When something is to be done again, seconds on the monotonic clock."""
        return min(self._retries.next(self._concurrency.monotonic()), self._more)

    def run(
        self, plan: RoutePlan, *, total: int, look_again: Callable[[], RoutePlan | None]
    ) -> dict[str, CloudProviderError]:
        """Delete what ``plan`` says; by destination, why routes are still there.

        Args:
            plan: What to do.
            total: How many routes there are in the cluster's range.
            look_again: Makes the plan anew with nodes straight from the API server; None if that
                cannot be done.

        """
        self._retries.keep(item.key for item in (*plan.in_the_way, *plan.stale))
        left: dict[str, CloudProviderError] = {}
        ready = [item for item in plan.stale if not self._waits(item, left)]
        stale = self._allowed(plan, ready, total, look_again)
        todo = [item for item in plan.in_the_way if not self._waits(item, left)]
        todo += stale
        outcomes = outcomes_of(self._send, todo, self._check)
        for item, outcome in zip(todo, outcomes, strict=True):
            if outcome is not None:
                left[item.key.cidr] = outcome
            self._note(item, outcome)
        gone = sum(outcome is None for outcome in outcomes[len(outcomes) - len(stale) :])
        self._guard.deleted(gone, self._concurrency.monotonic())
        return left

    def _waits(self, item: Listed, left: dict[str, CloudProviderError]) -> bool:
        """Whether it is too early to try ``item`` again; then ``left`` says why it is there."""
        error = self._retries.waits(item.key, self._concurrency.monotonic())
        if isinstance(error, CloudProviderError):
            left[item.key.cidr] = error
            return True
        return False

    def _note(self, item: Listed, outcome: CloudProviderError | None) -> None:
        if outcome is None:
            self._retries.succeeded(item.key)
            logger.info("deleted route %s", item.key)
        else:
            self._retries.failed(item.key, outcome, self._concurrency.monotonic())
            logger.warning("could not delete route %s: %s", item.key, outcome)

    def _allowed(
        self,
        plan: RoutePlan,
        ready: Sequence[Listed],
        total: int,
        look_again: Callable[[], RoutePlan | None],
    ) -> Sequence[Listed]:
        """Those of the stale routes ``ready`` for deletion that may go now."""
        now = self._concurrency.monotonic()
        room = self._guard.room(total, now)
        allowed = ready[:room]
        unusual = len(plan.stale) > room or (plan.stale and not plan.satisfied)
        if unusual:
            logger.warning(
                "%d of %d routes belong to no node; %d may be deleted now, further ones after %g s",
                len(plan.stale), total, room, self._window,
            )  # fmt: skip
            if allowed and not _confirms(look_again(), plan):
                allowed = ready[:0]
        waiting = len(ready) - len(allowed)
        self._metrics.withheld.set(waiting)
        # Without a deletion in the window nothing makes room by itself: look again after one.
        freed = self._guard.next()
        self._more = math.inf
        if waiting:
            self._more = now + self._window if freed == math.inf else freed
        return allowed


def _confirms(again: RoutePlan | None, plan: RoutePlan) -> bool:
    """Whether the plan made ``again`` has all deletions of ``plan``."""
    if again is None:
        return False
    missed = {item.key for item in plan.stale} - {item.key for item in again.stale}
    if missed:
        shown = ", ".join(sorted(map(str, missed))[:10])
        logger.warning("no route is deleted, for the cache misses nodes: %s", shown)
    return not missed
