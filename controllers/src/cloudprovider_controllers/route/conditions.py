"""The condition NetworkUnavailable of Nodes.

From it the node lifecycle of kube-controller-manager makes the taint of the same name.
Source: ``spec/ccm-core.md`` 3.5.3, ``spec/user-documents.md`` D1 FAQ 1.
"""

from __future__ import annotations

import logging
from collections.abc import Callable

from cloudprovider.concurrency import Concurrency
from cloudprovider.models import Node, NodeCondition
from cloudprovider_controllers.runtime import errors, patches
from cloudprovider_controllers.runtime.client import Client
from cloudprovider_controllers.runtime.resources import NODES

logger = logging.getLogger(__name__)

TYPE = "NetworkUnavailable"
#: Reason and message by whether the node has all its routes.
_TEXTS = {
    True: ("RouteCreated", "RouteController created a route"),
    False: ("NoRouteCreated", "RouteController failed to create a route"),
}


def condition(node: Node) -> NodeCondition | None:
    """What ``node`` says about its network, or None."""
    return next((item for item in node.status.conditions or () if item.type == TYPE), None)


def needs_update(node: Node, *, routed: bool) -> bool:
    """Whether the condition of ``node`` does not say ``routed`` in our words. Pure."""
    found = condition(node)
    status, reason = ("False" if routed else "True"), _TEXTS[routed][0]
    return found is None or (found.status, found.reason) != (status, reason)


def vouched_for(node: Node) -> bool:
    """Whether somebody else says that the network of ``node`` works, e.g. ``CalicoIsUp``. Pure."""
    found = condition(node)
    return found is not None and found.status == "False" and found.reason != _TEXTS[True][0]


def is_our_complaint(node: Node) -> bool:
    """Whether ``node`` says that a route controller failed to create its route. Pure."""
    found = condition(node)
    if found is None or found.status != "True":
        return False
    return (found.reason, found.message) == _TEXTS[False]


class Conditions:
    """Writes the condition.

    Args:
        client: Access to the API server.
        check: Called before each write; raises if this process may not write.
        concurrency: The clock.

    """

    def __init__(self, client: Client, check: Callable[[], None], concurrency: Concurrency) -> None:
        self._client = client
        self._check = check
        self._concurrency = concurrency

    def set(self, node: Node, *, routed: bool) -> None:
        """Say whether ``node`` has all its routes.

        Raises:
            ApiError: it could not be written; nothing is raised for a node that is gone.

        """
        reason, message = _TEXTS[routed]
        now = self._concurrency.now()
        body = patches.node_condition(
            TYPE, status=not routed, reason=reason, message=message, now=now
        )
        self._patch(node, body, {"uid": node.metadata.uid})

    def clear(self, node: Node) -> None:
        """Remove the condition from this version of ``node``. Raises as :meth:`set`."""
        meta = node.metadata
        version = {"uid": meta.uid, "resourceVersion": meta.resource_version}
        self._patch(node, patches.without_node_condition(TYPE), version)

    def _patch(self, node: Node, body: patches.Body, metadata: patches.Body) -> None:
        self._check()
        name = node.metadata.name
        try:
            # The UID makes the API server refuse the patch for a Node that was made anew.
            self._client.patch(NODES, name, {**body, "metadata": metadata}, subresource="status")
        except errors.NotFound:
            logger.debug("node %s is gone", name)
