"""The node controller: makes Nodes of a cloud usable and keeps their addresses up to date.

A Node that registers with the taint ``uninitialized`` gets its provider id, labels and addresses
from the cloud, then loses the taint. Nodes that wait at the same time are asked about together:
one thread collects them into batches, several write the results.

Source: ``spec/ccm-core.md`` 3.2.
"""

from __future__ import annotations

import logging
from collections.abc import Callable

from cloudprovider.concurrency import Event, Thread, current
from cloudprovider.errors import CloudProviderError
from cloudprovider.interface import InstancesV2
from cloudprovider.legacy import InstancesAdapter
from cloudprovider.models import Node
from cloudprovider.owners import PROVIDER_LABEL, recorded
from cloudprovider_controllers.context import (
    ControllerContext,
    Running,
    WritesStopped,
    write_guard,
)
from cloudprovider_controllers.node.api import NodeApi
from cloudprovider_controllers.node.decisions import (
    identity,
    identity_changed,
    is_uninitialized,
    needs_work,
    work_changed,
)
from cloudprovider_controllers.node.disputes import Disputes
from cloudprovider_controllers.node.initializer import Initializer
from cloudprovider_controllers.node.lookup import Askers, metadata_of
from cloudprovider_controllers.node.metrics import NodeMetrics
from cloudprovider_controllers.node.parallel import for_each
from cloudprovider_controllers.node.refresher import Refresher
from cloudprovider_controllers.runtime.informer import Handler
from cloudprovider_controllers.runtime.limiters import ExponentialLimiter
from cloudprovider_controllers.runtime.worker import Reconcile, Result, process

logger = logging.getLogger(__name__)

NAME = "cloud-node-controller"
#: Client and ServiceAccount; the event source has the canonical name (``spec/ccm-core.md`` 3.0).
COMPONENT = "node-controller"

#: Seconds to the first retry: an instance may become visible a moment after its node registers.
_RETRY_BASE = 1.0


def start(context: ControllerContext, stop: Event) -> Running | None:
    """Start the controller; None if the cloud has no instances."""
    instances = context.cloud.instances_v2()
    if instances is None:
        logger.warning("%s has no instances", context.cloud.provider_name())
        return None
    return NodeController(context, instances, stop).start()


class NodeController:
    """See the module.

    Args:
        context: What it stands on.
        instances: The cloud's instances.
        stop: Ends it.

    """

    def __init__(self, context: ControllerContext, instances: InstancesV2, stop: Event) -> None:
        self._context = context
        self._instances = instances
        self._stop = stop
        self._concurrency = concurrency = context.concurrency or current()
        self._options = context.options
        self._nodes = context.informers.nodes
        limiter = ExponentialLimiter(
            _RETRY_BASE, context.options.retry_cap, concurrency=concurrency
        )
        self.queue = context.queue("Nodes", limiter)
        client = context.client_builder.client(COMPONENT)
        self._api = NodeApi(client, write_guard(context, stop), concurrency)
        self._recorder = context.recorder_factory(NAME)
        self._metrics = NodeMetrics(context.registry, context.provider)
        self._disputes = Disputes(context.cloud, self._recorder, self._metrics)
        self._initializer = Initializer(
            api=self._api,
            recorder=self._recorder,
            metrics=self._metrics,
            needs_provider_id=not isinstance(instances, InstancesAdapter),
            concurrency=concurrency,
            asked=self._asked,
        )
        syncs = context.options.concurrent_node_syncs
        self._refreshers = context.options.concurrent_node_status_updates or syncs
        self._askers = Askers(syncs, concurrency)
        self._refresher = Refresher(self._api, instances, Askers(self._refreshers, concurrency))
        self._progress = context.loop("node-status")
        self._threads: dict[str, Thread] = {}

    # -- life ------------------------------------------------------------------------------

    def start(self) -> Running:
        """Start the threads; they wait for the cache."""
        self._recorder.start(self._stop)
        self._nodes.add_handler(Handler(self._on_add, self._on_update, self._on_delete))
        self._thread("node-controller", self._run)
        self._thread("node-controller-stop", self._wait_for_stop)
        return Running(NAME, self._threads, self.healthy)

    def healthy(self) -> bool:
        """Whether all threads live and none is stuck with one node or one pass."""
        if self._stop.is_set():
            return True
        limit = self._options.stuck_after
        slow = self._progress.running() > limit
        stuck = max(self.queue.processing().values(), default=0.0) > limit
        alive = all(thread.is_alive() for thread in list(self._threads.values()))
        return alive and not (slow or stuck)

    def _thread(self, name: str, target: Callable[[], None]) -> None:
        self._threads[name] = self._concurrency.start_thread(target, name=name)

    def _wait_for_stop(self) -> None:
        self._stop.wait()
        self.queue.shut_down(drain=False)

    def _run(self) -> None:
        if not self._nodes.wait_for_sync(self._stop):
            return
        self._thread("node-status", self._refresh_periodically)
        while (batch := self._next_batch()) and not self._stop.is_set():
            try:
                self._work_on(batch)
            except Exception:
                logger.exception("a batch of %d nodes failed", len(batch))

    # -- what queues a node ----------------------------------------------------------------

    def _on_add(self, node: Node, initial: bool) -> None:  # noqa: ARG002 - the informer's
        self._disputes.look_at(node)
        if needs_work(node):
            self.queue.add(node.key)

    def _on_update(self, old: Node, new: Node) -> None:
        if identity_changed(old, new):
            self._disputes.look_at(new)
        if work_changed(old, new):
            self.queue.add(new.key)

    def _on_delete(self, node: Node) -> None:
        self.queue.forget(node.key)
        self._initializer.forget(node.key)
        self._disputes.forget(node)

    # -- batches ---------------------------------------------------------------------------

    def _next_batch(self) -> list[str]:
        """The keys that wait, up to a batch; blocks for the first. Empty: the queue is closed."""
        first = self.queue.get()
        if first is None:
            return []
        self._stop.wait(self._options.node_batch_window)
        batch = [first]
        # No other thread takes keys from this queue, so a key that waits is ours.
        while len(batch) < self._options.node_batch_size and len(self.queue):
            key = self.queue.get()
            if key is None:
                break
            batch.append(key)
        return batch

    def _work_on(self, batch: list[str]) -> None:
        """Ask about the batch at once, then write each node's result on its own."""
        nodes = [node for key in batch if (node := self._nodes.store.get(key))]
        waiting = [node for node in nodes if is_uninitialized(node) and not self._foreign(node)]
        asked = {node.key: identity(node) for node in waiting}
        outcomes = metadata_of(self._instances, waiting, self._askers)

        def reconcile(key: str) -> Result | None:
            node = self._nodes.store.get(key)
            if node is None or self._foreign(node):
                return None
            try:
                if asked.get(key) == identity(node):
                    return self._initializer.finish(node, outcomes[key])
                if is_uninitialized(node):
                    # Tainted meanwhile, or another one now: the answer may be about its namesake.
                    return Result(after=self._options.node_batch_window)
                self._refresher.copy_labels(node)
            except WritesStopped:
                return Result(after=1.0)
            return None

        self._for_each(batch, reconcile)

    def _for_each(self, batch: list[str], reconcile: Reconcile) -> None:
        for_each(
            batch,
            lambda key: process(self.queue, reconcile, key),
            workers=self._options.concurrent_node_syncs,
            name="node-worker",
            concurrency=self._concurrency,
        )

    def _foreign(self, node: Node) -> bool:
        return not self._context.cloud.node_owner(node).name

    def _asked(self, node: Node) -> str:
        """Who was asked about ``node``, for its event, where there are several."""
        if not self._context.provider:
            return ""
        who = f" from provider {self._context.provider}"
        if recorded(node) or self._context.cloud.node_owner(node).proven:
            return who
        return (
            f"{who} (the default one; without providerID and label {PROVIDER_LABEL} no other is"
            " asked)"
        )

    # -- the status loop -------------------------------------------------------------------

    def _refresh_periodically(self) -> None:
        while not self._stop.is_set():
            self._progress.begin()
            succeeded = False
            try:
                self.refresh()
                succeeded = True
            except CloudProviderError as error:
                logger.warning("no node could be refreshed: %s", error)
            except Exception:
                logger.exception("addresses and labels of nodes could not be refreshed")
            self._progress.end(succeeded=succeeded)
            self._stop.wait(self._options.node_status_update_frequency)

    def refresh(self) -> None:
        """Bring addresses and labels of every initialised node up to date, with one question.

        Raises:
            CloudProviderError: the cloud gave no answer.

        """
        started = self._concurrency.monotonic()
        nodes = [
            node
            for node in self._nodes.store.list()
            if not is_uninitialized(node) and not self._foreign(node)
        ]
        changes = self._refresher.changes(nodes)
        for_each(
            changes,
            self._refresher.apply,
            workers=self._refreshers,
            name="node-status-worker",
            concurrency=self._concurrency,
        )
        seconds = self._concurrency.monotonic() - started
        logger.debug("%d nodes looked at, %d changed, %.3f s", len(nodes), len(changes), seconds)
