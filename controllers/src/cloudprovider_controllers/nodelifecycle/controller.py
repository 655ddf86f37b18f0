"""The node lifecycle controller: what becomes of a Node whose instance is gone or shut down.

Once a period it asks the cloud, in bulk, about the Nodes that are not Ready. A Node whose instance
is shut down gets a taint, which goes when it is Ready again; a Node whose instance is gone is
deleted, under the conditions of ``design.md`` 5 (R2).

Source: ``spec/ccm-core.md`` 3.3.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence

from cloudprovider.concurrency import Event, Thread, current
from cloudprovider.interface import InstancesV2
from cloudprovider.models import Node
from cloudprovider.toolkit.sharing import chunks
from cloudprovider_controllers.context import (
    ControllerContext,
    Running,
    write_guard,
)
from cloudprovider_controllers.node.api import NodeApi
from cloudprovider_controllers.node.decisions import identity
from cloudprovider_controllers.node.lookup import Askers, states_of
from cloudprovider_controllers.node.parallel import for_each
from cloudprovider_controllers.nodelifecycle.answers import Known, Verdict, reason
from cloudprovider_controllers.nodelifecycle.changes import NodeChanges
from cloudprovider_controllers.nodelifecycle.decisions import (
    Concern,
    Missing,
    choose,
    concern,
    may_concern,
    mixed,
)
from cloudprovider_controllers.nodelifecycle.metrics import LifecycleMetrics
from cloudprovider_controllers.runtime.recorder import EventRecorder
from cloudprovider_controllers.runtime.reminder import REMIND

logger = logging.getLogger(__name__)

NAME = "cloud-node-lifecycle-controller"
#: Client and ServiceAccount; the event source has the canonical name (``spec/ccm-core.md`` 3.0).
COMPONENT = "node-controller"


def start(context: ControllerContext, stop: Event) -> Running | None:
    """Start the controller; None if the cloud has no instances."""
    instances = context.cloud.instances_v2()
    if instances is None:
        logger.warning("%s has no instances", context.cloud.provider_name())
        return None
    return NodeLifecycleController(context, instances, stop).start()


class NodeLifecycleController:
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
        self._recorder: EventRecorder = context.recorder_factory(NAME)
        self._metrics = LifecycleMetrics(context.registry, context.provider)
        check = write_guard(context, stop)
        self._changes = NodeChanges(
            NodeApi(context.client_builder.client(COMPONENT), check, concurrency),
            recorder=self._recorder,
            metrics=self._metrics,
            check=check,
            concern=self._concern,
        )
        self._known: dict[tuple[str, str], Known] = {}  # by identity
        self._passes = 0
        self._told: float | None = None  # when an event told of the pause
        self._progress = context.loop("node-lifecycle")
        self._silent = False  # whether the cloud left a question of this pass unanswered
        self._threads: dict[str, Thread] = {}

    # -- life ------------------------------------------------------------------------------

    def start(self) -> Running:
        """Start the thread; it waits for the cache."""
        self._recorder.start(self._stop)
        name = "node-lifecycle"
        self._threads[name] = self._concurrency.start_thread(self._run, name=name)
        return Running(NAME, self._threads, self.healthy)

    def healthy(self) -> bool:
        """Whether the thread lives and is not stuck in a pass."""
        if self._stop.is_set():
            return True
        stuck = self._progress.running() > self._options.stuck_after
        return not stuck and all(thread.is_alive() for thread in self._threads.values())

    def _run(self) -> None:
        if not self._nodes.wait_for_sync(self._stop):
            return
        while not self._stop.is_set():
            self._progress.begin()
            succeeded = False
            try:
                self.look()
                succeeded = not self._silent
            except Exception:
                logger.exception("the nodes that are not ready could not be looked at")
            self._progress.end(succeeded=succeeded)
            self._pause()

    def _pause(self) -> None:
        """Wait a whole period: two answers that far apart are what a deletion stands on."""
        until = self._concurrency.monotonic() + self._options.node_monitor_period
        while (left := until - self._concurrency.monotonic()) > 0:
            if self._stop.wait(left):
                return

    # -- one pass --------------------------------------------------------------------------

    def look(self) -> None:
        """One pass over all Nodes."""
        self._passes += 1
        nodes = self._nodes.store.list()
        concerns = {node.key: self._concern(node) for node in nodes if may_concern(node)}
        unready = [node for node in nodes if concerns.get(node.key) is Concern.ASK]
        # Forgets those that are Ready again, gone or another one.
        self._known = {identity(node): self._of(node) for node in unready}
        well = [node for node in nodes if concerns.get(node.key) is Concern.UNTAINT]
        self._for_each(well, self._changes.untaint)
        asked = self._ask(unready)
        stopped = [node for node in asked if self._of(node).verdict is Verdict.STOPPED]
        self._for_each(stopped, self._changes.taint)
        self._delete_missing(nodes, unready, asked)

    def _concern(self, node: Node) -> Concern:
        return concern(
            node,
            claimed=self._is_ours(node),
            now=self._concurrency.now(),
            grace=self._options.node_startup_grace_period,
        )

    def _is_ours(self, node: Node) -> bool:
        owner = self._context.cloud.node_owner(node)
        return bool(owner.name) and owner.proven

    def _of(self, node: Node) -> Known:
        return self._known.get(identity(node), Known())

    # -- asking ----------------------------------------------------------------------------

    def _ask(self, unready: Sequence[Node]) -> list[Node]:
        """Ask about those that are due; they."""
        due = self._due(unready)
        asked: list[Node] = []
        silent: list[str] = []
        for batch in chunks(mixed(due), self._options.node_batch_size):
            if self._stop.is_set():
                break
            silent += self._ask_batch(batch)
            asked += batch
        self._silent = bool(silent)
        if silent:
            self._metrics.unanswered.inc(len(silent))
            logger.warning("no answer for %d of %d nodes: %s", len(silent), len(due), silent[0])
        return asked

    def _due(self, unready: Sequence[Node]) -> Sequence[Node]:
        now = self._concurrency.monotonic()
        due = [node for node in unready if self._of(node).is_due(self._passes, now)]
        if any(self._of(node).verdict is Verdict.MISSING for node in due):
            # A deletion may follow. Whether too many are missing must not be judged by old answers.
            return [node for node in unready if now >= self._of(node).not_before]
        return due

    def _ask_batch(self, batch: Sequence[Node]) -> list[str]:
        """Ask about ``batch`` at once; why there is no answer, for each node that has none."""
        asked = self._concurrency.monotonic()
        askers = Askers(self._options.concurrent_node_syncs, self._concurrency)
        outcomes = states_of(self._instances, batch, askers)
        answered = self._concurrency.monotonic()
        silent = []
        for node in batch:
            outcome = outcomes[node.metadata.name]
            self._known[identity(node)] = self._of(node).learn(
                outcome, asked=asked, answered=answered, period=self._options.node_monitor_period
            )
            if why := reason(outcome):
                silent.append(f"{node.key}: {why}")
        return silent

    # -- writing ---------------------------------------------------------------------------

    def _delete_missing(
        self, nodes: Sequence[Node], unready: Sequence[Node], asked: Sequence[Node]
    ) -> None:
        fresh = {node.key for node in asked}
        missing = [
            Missing(node, self._of(node), node.key in fresh)
            for node in unready
            if self._of(node).verdict is Verdict.MISSING
        ]
        ours = sum(map(self._is_ours, nodes)) if missing else 0
        choice = choose(missing, ours=ours, threshold=self._options.missing_nodes_threshold)
        self._metrics.missing.set(len(missing))
        self._metrics.waiting.set(choice.waiting)
        self._metrics.paused.set(choice.paused)
        self._tell_of_pause([item.node for item in missing], ours, paused=choice.paused)
        period = self._options.node_monitor_period
        for item in missing:
            self._known[identity(item.node)] = item.known.kept(period, paused=choice.paused)
        self._for_each(choice.delete, self._delete)

    def _delete(self, node: Node) -> None:
        known = self._known.pop(identity(node))
        if not self._changes.delete(node):
            options = self._options
            now = self._concurrency.monotonic()
            # Another thread's node never has this key.
            self._known[identity(node)] = known.failed(
                now, base=options.retry_base, cap=options.retry_cap
            )

    def _tell_of_pause(self, missing: Sequence[Node], ours: int, *, paused: bool) -> None:
        """Once when a pause begins, and again when the API server has forgotten the event."""
        now = self._concurrency.monotonic()
        if not paused:
            self._told = None
        elif self._told is None or now - self._told >= REMIND:
            self._told = now
            self._changes.tell_of_pause(missing, ours=ours)

    def _for_each(self, nodes: Sequence[Node], change: Callable[[Node], None]) -> None:
        for_each(
            nodes,
            change,
            workers=self._options.concurrent_node_syncs,
            name="node-lifecycle-worker",
            concurrency=self._concurrency,
        )
