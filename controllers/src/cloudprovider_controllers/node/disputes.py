"""Nodes that are nobody's although providers here have a say in them: told once, left alone."""

from __future__ import annotations

import logging

from cloudprovider.interface import Interface
from cloudprovider.models import Node
from cloudprovider_controllers.node.metrics import NodeMetrics
from cloudprovider_controllers.runtime.recorder import EventRecorder

logger = logging.getLogger(__name__)


class Disputes:
    """Tells of each such Node once per reason. For one thread: the informer's.

    Args:
        cloud: Says whose a Node is.
        recorder: Events on Nodes.
        metrics: Where they are counted.

    """

    def __init__(self, cloud: Interface, recorder: EventRecorder, metrics: NodeMetrics) -> None:
        self._cloud = cloud
        self._recorder = recorder
        self._metrics = metrics
        self._told: dict[str, str] = {}  # the reason by UID

    def look_at(self, node: Node) -> None:
        """``node`` is new, or it may have changed hands."""
        problem = self._cloud.node_owner(node).problem
        uid = node.metadata.uid
        if not problem:
            self._told.pop(uid, None)
        elif self._told.get(uid) != problem:
            self._told[uid] = problem
            logger.warning("node %s is left alone: %s", node.key, problem)
            self._recorder.event(node, "Warning", "OwnerUnclear", f"Left alone: {problem}")
        self._metrics.disputed.set(len(self._told))

    def forget(self, node: Node) -> None:
        """``node`` is gone."""
        self._told.pop(node.metadata.uid, None)
        self._metrics.disputed.set(len(self._told))
