"""When routes are switched off: the condition that the controller set must not stay.

A node that says NetworkUnavailable is tainted. Switched on by mistake and off again, the route
controller would leave every node without Pods (``spec/user-documents.md`` D1, FAQ 1).
"""

from __future__ import annotations

import logging
from collections.abc import Callable

from cloudprovider.concurrency import Event, Thread, current
from cloudprovider.models import Node
from cloudprovider_controllers.context import ControllerContext, WritesStopped
from cloudprovider_controllers.route.conditions import Conditions, is_our_complaint
from cloudprovider_controllers.route.demand import left_alone
from cloudprovider_controllers.runtime.errors import ApiError, Conflict
from cloudprovider_controllers.runtime.transport import TransportError

logger = logging.getLogger(__name__)

_TRIES = 5
#: Seconds between two tries: the cache catches up meanwhile.
_PAUSE = 2.0


class Cleanup:
    """Removes the condition from each node of ours that has it in our words, then ends.

    Once, at the start: if another manager sets it again, routes are its business.

    Args:
        context: What it stands on.
        conditions: Gives the writer; asked only if there is something to write.

    """

    def __init__(self, context: ControllerContext, conditions: Callable[[], Conditions]) -> None:
        self._context = context
        self._conditions = conditions
        self._writer: Conditions | None = None
        self._concurrency = context.concurrency or current()

    def start(self, stop: Event) -> Thread:
        """Start; the thread waits for the cache and ends by itself."""
        return self._concurrency.start_thread(lambda: self._run(stop), name="route-cleanup")

    def _run(self, stop: Event) -> None:
        nodes = self._context.informers.nodes
        if not nodes.wait_for_sync(stop):
            return
        names = [node.key for node in nodes.store.list() if self._concerns(node)]
        if not names:
            return
        logger.info("routes are off: %d nodes lose the condition NetworkUnavailable", len(names))
        for _ in range(_TRIES):
            names = [name for name in names if not self._clear(name)]
            if not names or stop.wait(_PAUSE):
                return
        logger.error("still NetworkUnavailable: %s", ", ".join(names))

    def _concerns(self, node: Node) -> bool:
        return is_our_complaint(node) and not left_alone(self._context.cloud, node)

    def _clear(self, name: str) -> bool:
        """Whether nothing is left to do for the node ``name``."""
        node = self._context.informers.nodes.store.get(name)
        if node is None or not self._concerns(node):
            return True
        try:
            if self._writer is None:
                self._writer = self._conditions()
            self._writer.clear(node)
        except WritesStopped:
            return False
        except Conflict:
            return False  # it changed meanwhile: look at it again
        except (ApiError, TransportError) as error:
            logger.warning("node %s: its condition cannot be removed: %s", name, error)
            return False
        return True
