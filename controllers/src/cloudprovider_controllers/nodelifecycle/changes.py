"""What the node lifecycle controller writes: taints, deletions, and the events that tell of them.

Everything is decided once more on the Node as the API server has it when it is written.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence

from cloudprovider.models import Node, Taint
from cloudprovider_controllers.context import WritesStopped
from cloudprovider_controllers.node.api import NodeApi, NodeGone
from cloudprovider_controllers.node.decisions import identity
from cloudprovider_controllers.nodelifecycle.decisions import (
    Concern,
    with_shutdown,
    without_shutdown,
)
from cloudprovider_controllers.nodelifecycle.metrics import LifecycleMetrics
from cloudprovider_controllers.runtime.errors import ApiError
from cloudprovider_controllers.runtime.recorder import EventRecorder
from cloudprovider_controllers.runtime.transport import TransportError

logger = logging.getLogger(__name__)

#: Nodes that the event about a pause names.
_NAMED = 10


class NodeChanges:
    """Changes one Node at a time. Safe for threads.

    Args:
        api: Writes Nodes.
        recorder: Events on Nodes.
        metrics: Where deletions are counted.
        check: Called before an event announces a write; raises if this process may not write.
        concern: What a Node, as it is now, needs.

    """

    def __init__(
        self,
        api: NodeApi,
        *,
        recorder: EventRecorder,
        metrics: LifecycleMetrics,
        check: Callable[[], None],
        concern: Callable[[Node], Concern],
    ) -> None:
        self._api = api
        self._recorder = recorder
        self._metrics = metrics
        self._check = check
        self._concern = concern

    def taint(self, node: Node) -> None:
        """Say on ``node`` that its instance is shut down. Writes nothing if it says so already."""
        self._change_taints(node, with_shutdown)

    def untaint(self, node: Node) -> None:
        """Take that back from ``node``, which is Ready again."""
        self._change_taints(node, without_shutdown)

    def _change_taints(self, node: Node, plan: Callable[[Node], list[Taint] | None]) -> None:
        try:
            self._api.change_taints(node, plan)
        except (ApiError, TransportError) as error:
            logger.warning("the taints of node %s could not be changed: %s", node.key, error)
        except (NodeGone, WritesStopped) as reason:
            logger.info("%s", reason)

    def delete(self, node: Node) -> bool:
        """Delete ``node``, whose instance is gone, unless it is Ready again or another one.

        Returns:
            False if that failed and is to be tried again; an event says why.

        """
        name = node.metadata.name
        announced = False

        def approve(live: Node) -> bool:
            nonlocal announced
            if identity(live) != identity(node) or self._concern(live) is not Concern.ASK:
                logger.info("node %s is not deleted, it has changed", name)
                return False
            self._check()
            if not announced:
                announced = True
                message = f"Deleting node {name} because it does not exist in the cloud provider"
                self._recorder.event(live, "Normal", "DeletingNode", message, with_version=False)
            return True

        try:
            if self._api.delete(node, approve):
                self._metrics.deleted.inc()
        except NodeGone as reason:
            logger.info("%s", reason)
        except WritesStopped as reason:
            logger.info("%s", reason)
        except (ApiError, TransportError) as error:
            self._metrics.failed.inc()
            message = f"Failed deleting node {name}: {error}"
            self._recorder.event(node, "Warning", "DeletingNodeFailed", message, with_version=False)
            return False
        return True

    def tell_of_pause(self, missing: Sequence[Node], *, ours: int) -> None:
        """Say in one event, on the first of ``missing``, why none of them is deleted."""
        names = ", ".join(node.metadata.name for node in missing[:_NAMED])
        more = f" and {len(missing) - _NAMED} more" if len(missing) > _NAMED else ""
        self._recorder.event(
            missing[0],
            "Warning",
            "DeletingNodesPaused",
            f"{len(missing)} of {ours} nodes do not exist in the cloud provider, which is more than"
            " --missing-nodes-threshold allows at once, so no node is deleted. If they are gone"
            f" indeed, delete them by hand: {names}{more}",
            with_version=False,
        )
