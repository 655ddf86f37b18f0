"""The route controller: a route in the cloud to the Pods of each node.

It makes a pass whenever what a node needs changes, bursts taken together, and a slow one every
``route_reconciliation_period``. Upstream lists the cloud's routes every ten seconds instead.

Source: ``spec/ccm-core.md`` 3.5, 6.2 #3 to #6, #20.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Callable

from cloudprovider.concurrency import Event, Thread, current
from cloudprovider.errors import CloudProviderError, RetryLater
from cloudprovider.interface import Routes
from cloudprovider.models import Node
from cloudprovider_controllers.context import (
    ControllerContext,
    Running,
    WritesStopped,
    write_guard,
)
from cloudprovider_controllers.route.cleanup import Cleanup
from cloudprovider_controllers.route.conditions import Conditions
from cloudprovider_controllers.route.demand import left_alone, pod_cidrs, wanted_by
from cloudprovider_controllers.route.events import RouteEvents
from cloudprovider_controllers.route.metrics import RouteMetrics
from cloudprovider_controllers.route.networks import Ranges
from cloudprovider_controllers.route.reconciler import Parts, Reconciler
from cloudprovider_controllers.runtime.informer import Handler
from cloudprovider_controllers.runtime.limiters import ExponentialLimiter
from cloudprovider_controllers.runtime.worker import Result, process

logger = logging.getLogger(__name__)

NAME = "node-route-controller"
#: Client and ServiceAccount; events have another one (``spec/ccm-core.md`` 3.0).
COMPONENT = "route-controller"
EVENT_SOURCE = "route_controller"

#: The one key of the queue.
_KEY = "routes"


def start(context: ControllerContext, stop: Event) -> Running | None:
    """Start the controller; None if the cloud has no routes.

    Raises:
        ValueError: ``context.cluster_cidrs`` is empty or holds no ranges.

    """
    routes = context.cloud.routes()
    if routes is None:
        logger.warning(
            "--configure-cloud-routes is set, but cloud provider does not support routes. "
            "Will not configure cloud provider routes."
        )
        return None
    if not context.cluster_cidrs:
        raise ValueError("routes need the cluster's address ranges")
    return RouteController(context, routes, stop).start()


def start_cleanup(context: ControllerContext, stop: Event) -> Running:
    """Routes are switched off: take back what the controller wrote on Nodes before. Once."""

    def conditions() -> Conditions:
        concurrency = context.concurrency or current()
        client = context.client_builder.client(COMPONENT)
        return Conditions(client, write_guard(context, stop), concurrency)

    thread = Cleanup(context, conditions).start(stop)
    return Running(NAME, {"route-cleanup": thread}, lambda: True)


class RouteController:
    """See the module.

    Args:
        context: What it stands on.
        routes: The cloud's routes.
        stop: Ends it.

    """

    def __init__(self, context: ControllerContext, routes: Routes, stop: Event) -> None:
        self._context = context
        self._routes = routes
        self._stop = stop
        self._concurrency = concurrency = context.concurrency or current()
        self._options = options = context.options
        self._nodes = context.informers.nodes
        limiter = ExponentialLimiter(options.retry_base, options.retry_cap, concurrency=concurrency)
        self.queue = context.queue("Routes", limiter)
        self._recorder = context.recorder_factory(EVENT_SOURCE)
        parts = Parts(
            client=context.client_builder.client(COMPONENT),
            events=RouteEvents(self._recorder),
            metrics=RouteMetrics(context.registry, context.provider),
            ranges=Ranges(context.cluster_cidrs),
        )
        self._reconciler = Reconciler(context, routes, parts, stop)
        self._last_change = -math.inf
        self._threads: dict[str, Thread] = {}

    # -- life ------------------------------------------------------------------------------

    def start(self) -> Running:
        """Start the threads; they wait for the cache."""
        self._recorder.start(self._stop)
        self._nodes.add_handler(Handler(self._on_add, self._on_update, self._on_delete))
        self._thread("route-controller", self._run)
        self._thread("route-controller-stop", self._wait_for_stop)
        return Running(NAME, self._threads, self.healthy)

    def healthy(self) -> bool:
        """Whether all threads live and no pass takes too long."""
        if self._stop.is_set():
            return True
        stuck = max(self.queue.processing().values(), default=0.0) > self._options.stuck_after
        return not stuck and all(thread.is_alive() for thread in self._threads.values())

    def _thread(self, name: str, target: Callable[[], None]) -> None:
        self._threads[name] = self._concurrency.start_thread(target, name=name)

    def _wait_for_stop(self) -> None:
        self._stop.wait()
        self.queue.shut_down(drain=False)

    def _run(self) -> None:
        if not self._nodes.wait_for_sync(self._stop):
            return
        self.queue.add(_KEY)
        while (key := self.queue.get()) is not None:
            self._collect()
            process(self.queue, self._reconcile, key)

    # -- passes ----------------------------------------------------------------------------

    def _collect(self) -> None:
        """Wait until the burst of changes is over or lasts too long."""
        window = self._options.node_burst_window
        deadline = self._concurrency.monotonic() + self._options.node_burst_limit
        while True:
            now = self._concurrency.monotonic()
            until = min(self._last_change + window, deadline)
            if until <= now or self._stop.wait(until - now):
                return

    def _reconcile(self, key: str) -> Result:
        started = self._concurrency.monotonic()
        try:
            due = self._reconciler.run()
        except WritesStopped:
            return Result(after=1.0)
        except RetryLater as error:
            logger.info("routes cannot be listed yet: %s", error)
            return Result(after=error.after)
        except CloudProviderError as error:
            raise CloudProviderError(f"error listing routes: {error}") from error
        self.queue.forget(key)
        self.queue.succeeded()
        full = started + self._options.route_reconciliation_period
        return Result(after=min(due, full) - self._concurrency.monotonic())

    # -- what asks for a pass --------------------------------------------------------------

    def _on_add(self, node: Node, initial: bool) -> None:
        if not initial and not left_alone(self._context.cloud, node):
            # Before the node has its range there is nothing to compare with the cloud.
            after = 0.0 if pod_cidrs(node) else self._options.pod_cidr_grace
            self._ask(after)

    def _on_update(self, old: Node, new: Node) -> None:
        if self._needs(old) != self._needs(new):
            self._ask()

    def _on_delete(self, node: Node) -> None:
        if pod_cidrs(node) and not left_alone(self._context.cloud, node):
            self._ask()

    def _ask(self, after: float = 0.0) -> None:
        if after:
            self.queue.add_after(_KEY, after)
            return
        self._last_change = self._concurrency.monotonic()
        self.queue.add(_KEY)

    def _needs(self, node: Node) -> object:
        """What a pass goes by, as far as it is the node's."""
        cloud = self._context.cloud
        if left_alone(cloud, node):
            return "left alone", pod_cidrs(node)
        try:
            return node.metadata.uid, tuple(item.route for item in wanted_by(self._routes, node))
        except CloudProviderError as error:
            return node.metadata.uid, pod_cidrs(node), type(error), error.message
