"""Writes the conditions that a pass found wrong, each once, several at a time."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence

from cloudprovider.concurrency import Concurrency
from cloudprovider.models import Node
from cloudprovider_controllers.context import WritesStopped
from cloudprovider_controllers.node.parallel import for_each
from cloudprovider_controllers.route.conditions import Conditions, needs_update
from cloudprovider_controllers.route.pacing import Retries
from cloudprovider_controllers.runtime.errors import ApiError
from cloudprovider_controllers.runtime.transport import TransportError

logger = logging.getLogger(__name__)


class Reporter:
    """Keeps NetworkUnavailable of every node as the last pass saw it.

    Args:
        conditions: Writes one.
        workers: Writes at once.
        retries: When a write that failed is tried again.
        concurrency: Clock and threads.

    """

    def __init__(
        self,
        conditions: Conditions,
        *,
        workers: int,
        retries: Retries[str],
        concurrency: Concurrency,
    ) -> None:
        self._conditions = conditions
        self._workers = workers
        self._retries = retries
        self._concurrency = concurrency
        #: What was written on which version of a node: the cache may not have it yet.
        self._written: dict[str, tuple[str, bool]] = {}

    def next(self) -> float:
        """When a failed write is due again, seconds on the monotonic clock."""
        return self._retries.next(self._concurrency.monotonic())

    def report(self, nodes: Sequence[Node], routed: Mapping[str, bool]) -> None:
        """Write the condition of each of ``nodes`` that ``routed`` contradicts."""
        now = self._concurrency.monotonic()
        names = {node.metadata.name for node in nodes}
        self._written = {name: entry for name, entry in self._written.items() if name in names}
        wrong = [
            node
            for node in nodes
            if node.metadata.name in routed
            and needs_update(node, routed=routed[node.metadata.name])
            and not self._is_written(node, routed[node.metadata.name])
        ]
        self._retries.keep(node.metadata.name for node in wrong)
        for_each(
            [node for node in wrong if self._retries.waits(node.metadata.name, now) is None],
            lambda node: self._write(node, routed[node.metadata.name]),
            workers=self._workers,
            name="route-condition",
            concurrency=self._concurrency,
        )

    def _is_written(self, node: Node, routed: bool) -> bool:
        name, version = node.metadata.name, node.metadata.resource_version
        return self._written.get(name) == (version, routed)

    def _write(self, node: Node, routed: bool) -> None:
        name = node.metadata.name
        try:
            self._conditions.set(node, routed=routed)
        except WritesStopped:
            return
        except (ApiError, TransportError) as error:
            self._retries.failed(name, error, self._concurrency.monotonic())
            logger.warning("node %s: its condition cannot be written: %s", name, error)
        else:
            self._retries.succeeded(name)
            self._written[name] = (node.metadata.resource_version, routed)
