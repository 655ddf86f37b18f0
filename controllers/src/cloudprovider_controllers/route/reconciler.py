"""One pass: list the cloud's routes, compare them with the nodes, delete, create, tell.

The cloud is listed once per pass and written in bulk. Source: ``spec/ccm-core.md`` 3.5.3.
"""

from __future__ import annotations

import dataclasses
import logging
import math
from collections import defaultdict
from collections.abc import Mapping, Sequence

from cloudprovider.concurrency import Event, current
from cloudprovider.errors import CloudProviderError
from cloudprovider.interface import Routes
from cloudprovider.models import Node
from cloudprovider_controllers.context import ControllerContext, write_guard
from cloudprovider_controllers.provider_calls import guarded
from cloudprovider_controllers.route import decisions
from cloudprovider_controllers.route.bulk import outcomes_of
from cloudprovider_controllers.route.conditions import Conditions, vouched_for
from cloudprovider_controllers.route.decisions import Listed, RoutePlan
from cloudprovider_controllers.route.deletions import Deletions
from cloudprovider_controllers.route.demand import (
    Demand,
    Key,
    Wanted,
    WantedId,
    demand,
    pod_cidrs,
)
from cloudprovider_controllers.route.events import RouteEvents
from cloudprovider_controllers.route.metrics import RouteMetrics
from cloudprovider_controllers.route.networks import Ranges
from cloudprovider_controllers.route.pacing import Retries
from cloudprovider_controllers.route.reporting import Reporter
from cloudprovider_controllers.runtime.client import Client
from cloudprovider_controllers.runtime.errors import ApiError
from cloudprovider_controllers.runtime.resources import NODES
from cloudprovider_controllers.runtime.transport import TransportError

logger = logging.getLogger(__name__)

#: Why a route is not in force, by route.
Failures = Mapping[WantedId, CloudProviderError]


@dataclasses.dataclass(frozen=True)
class Parts:
    """What the reconciler works with."""

    client: Client
    events: RouteEvents
    metrics: RouteMetrics
    ranges: Ranges


class Reconciler:
    """See the module. Not safe for threads: one pass at a time.

    Args:
        context: What it stands on.
        routes: The cloud's routes.
        parts: Clients and the like.
        stop: No write is begun once it is set.

    """

    def __init__(
        self, context: ControllerContext, routes: Routes, parts: Parts, stop: Event
    ) -> None:
        self._context = context
        self._routes = routes
        self._parts = parts
        self._check = write_guard(context, stop)
        self._concurrency = concurrency = context.concurrency or current()
        options = context.options
        self._deletions = Deletions(
            self._send_deletions,
            self._check,
            metrics=parts.metrics,
            options=options,
            concurrency=concurrency,
        )
        self._creations: Retries[tuple[WantedId, Key]] = Retries(
            options.retry_base, options.retry_cap
        )
        self._reporter = Reporter(
            Conditions(parts.client, self._check, concurrency),
            workers=options.concurrent_node_syncs,
            retries=Retries(options.retry_base, options.retry_cap),
            concurrency=concurrency,
        )
        #: Routes that nodes were seen to need, as far as the cloud still has them.
        self._seen: set[Key] = set()
        self._strangers: frozenset[Key] = frozenset()
        self._wake = math.inf  # when a node has waited long enough for a podCIDR

    def run(self) -> float:
        """Make a pass; the monotonic time at which the next one is due (infinite: none is).

        Raises:
            CloudProviderError: the routes cannot be listed; nothing was changed.
            WritesStopped: nothing may be written any more.

        """
        self._parts.metrics.syncs.inc()
        self._wake = math.inf
        listed = self._list()
        wants = self._demand(self._context.informers.nodes.store.list())
        there, keys = {item.key for item in listed}, wants.keys()
        plan = self._plan(wants, listed)
        self._seen = (self._seen | keys) & (there | keys)
        self._explain(plan)
        undeleted = self._deletions.run(
            plan,
            total=sum(self._parts.ranges.contain(item.network) for item in listed),
            look_again=lambda: self._plan_anew(listed),
        )
        failures = self._create(plan, undeleted)
        self._tell(wants, plan)
        routed = self._routed(wants, plan, failures, listed)
        self._parts.metrics.failing.set(sum(not well for well in routed.values()))
        self._reporter.report(wants.nodes, routed)
        again = self._creations.next(self._concurrency.monotonic())
        return min(self._wake, again, self._deletions.next(), self._reporter.next())

    # -- looking ---------------------------------------------------------------------------

    def _list(self) -> list[Listed]:
        answer: object = guarded(lambda: self._routes.list_routes(self._context.cluster_name))
        if not isinstance(answer, list | tuple):
            raise CloudProviderError(f"the provider answered {type(answer).__name__}, not routes")
        listed, unreadable = decisions.readable(answer)
        if unreadable:
            logger.error("routes that cannot be read are ignored: %s", ", ".join(unreadable[:10]))
        return listed

    def _demand(self, nodes: Sequence[Node]) -> Demand:
        return demand(nodes, self._context.cloud, self._routes)

    def _plan(self, wants: Demand, listed: Sequence[Listed]) -> RoutePlan:
        return decisions.plan(wants, listed, ranges=self._parts.ranges, seen=self._seen)

    def _explain(self, plan: RoutePlan) -> None:
        actions = plan.actions()
        if actions:
            logger.info("routes to change: %d", len(actions))
            logger.debug("%s", actions)
        strangers = frozenset(item.key for item in plan.strangers)
        if strangers - self._strangers:
            shown = ", ".join(sorted(map(str, strangers))[:10])
            logger.info("routes in the cluster's range that are not provably ours: %s", shown)
        self._strangers = strangers
        self._parts.metrics.strangers.set(len(strangers))

    # -- deleting --------------------------------------------------------------------------

    def _send_deletions(self, items: Sequence[Listed]) -> object:
        return self._routes.delete_routes(
            self._context.cluster_name, [item.route for item in items]
        )

    def _plan_anew(self, listed: Sequence[Listed]) -> RoutePlan | None:
        """The plan for the nodes that the API server has right now."""
        try:
            nodes = self._parts.client.list(NODES)
        except (ApiError, TransportError) as error:
            logger.warning("no route is deleted, for nodes cannot be listed: %s", error)
            return None
        return self._plan(self._demand(nodes), listed)

    # -- creating --------------------------------------------------------------------------

    def _create(
        self, plan: RoutePlan, undeleted: Mapping[str, CloudProviderError]
    ) -> dict[WantedId, CloudProviderError]:
        """Create what the plan says; why routes are not in force."""
        started = self._concurrency.monotonic()
        self._creations.keep((item.id, item.key) for item in plan.creates)
        failures: dict[WantedId, CloudProviderError] = {}
        todo: list[Wanted] = []
        for item in plan.creates:
            # First the deletion, then the creation of one destination.
            error = undeleted.get(item.key.cidr) or self._creations.waits(
                (item.id, item.key), started
            )
            if isinstance(error, CloudProviderError):
                failures[item.id] = error
            else:
                todo.append(item)
        outcomes = outcomes_of(self._send_creations, todo, self._check)
        now = self._concurrency.monotonic()
        for item, outcome in zip(todo, outcomes, strict=True):
            if outcome is None:
                self._creations.succeeded((item.id, item.key))
                logger.info("created route %s for node %s", item.key, item.id.node)
            else:
                failures[item.id] = outcome
                self._creations.failed((item.id, item.key), outcome, now)
                self._parts.events.failed(item.node, item.id.cidr, outcome, now - started)
        return failures

    def _send_creations(self, items: Sequence[Wanted]) -> object:
        return self._routes.create_routes(
            self._context.cluster_name, [(item.node.metadata.uid, item.route) for item in items]
        )

    # -- telling ---------------------------------------------------------------------------

    def _tell(self, wants: Demand, plan: RoutePlan) -> None:
        """Events about what was not even tried."""
        events = self._parts.events
        nodes = {node.metadata.name: node for node in wants.nodes}
        refused = {
            **{WantedId(name, _ranges(nodes[name])): why for name, why in wants.errors.items()},
            **plan.refused,
        }
        events.keep({*refused, *(item.id for item in plan.creates)})
        for item, error in refused.items():
            events.refused(nodes[item.node], item.cidr, error)

    def _routed(
        self, wants: Demand, plan: RoutePlan, failures: Failures, listed: Sequence[Listed]
    ) -> dict[str, bool]:
        """Whether a node has all its routes, by name; not in it: nothing can be said."""
        outcomes: dict[str, list[bool]] = defaultdict(list)
        for item in plan.creates:
            outcomes[item.id.node].append(item.id not in failures)
        for one in plan.satisfied:
            outcomes[one.node].append(True)
        for one in plan.refused:
            outcomes[one.node].append(False)
        for name in wants.errors:
            outcomes[name].append(False)
        routed = {name: all(found) for name, found in outcomes.items()}
        targets = {item.route.target_node for item in listed}
        for node in wants.nodes:
            name = node.metadata.name
            if name not in routed and self._lacks_range(node, has_route=name in targets):
                routed[name] = False
        return routed

    def _lacks_range(self, node: Node, *, has_route: bool) -> bool:
        """Whether ``node`` has waited too long for a podCIDR.

        A node whose network somebody else vouches for is left alone: a network plugin with an
        address management of its own needs no podCIDR.
        """
        if pod_cidrs(node) or vouched_for(node):
            return False
        created = node.metadata.creation_timestamp
        age = (self._concurrency.now() - created).total_seconds() if created else math.inf
        missing = self._context.options.pod_cidr_grace - age
        if missing > 0 and not has_route:
            self._wake = min(self._wake, self._concurrency.monotonic() + missing)
            return False
        return True


def _ranges(node: Node) -> str:
    return ",".join(pod_cidrs(node)) or "(none)"
