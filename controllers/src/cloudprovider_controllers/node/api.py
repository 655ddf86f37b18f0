"""The Node as the API server has it: the writes of the node controllers.

Source: ``spec/ccm-core.md`` 3.1.4. Upstream replaces the whole Node (PUT) to initialise it. We
patch labels, provider id and taints on the version that was read: the same object results, fields
that we do not know stay, and a conflict is answered by reading the Node anew.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from cloudprovider.concurrency import Concurrency
from cloudprovider.models import Node, NodeAddress, Taint, to_builtins
from cloudprovider_controllers.node.decisions import Initialization
from cloudprovider_controllers.runtime import errors, patches
from cloudprovider_controllers.runtime.client import Client, PatchType
from cloudprovider_controllers.runtime.resources import NODES
from cloudprovider_controllers.runtime.retry import (
    UPDATE_NODE_SPEC,
    UPDATE_TAINT,
    retry_on_conflict,
)


class NodeGone(Exception):
    """The Node was deleted, or another one has its name."""


class NodeApi:
    """Conditional writes of Nodes.

    Args:
        client: Access to the API server.
        check: Called before each write; raises if this process may not write.
        concurrency: For waits between tries.

    """

    def __init__(self, client: Client, check: Callable[[], None], concurrency: Concurrency) -> None:
        self._client = client
        self._check = check
        self._concurrency = concurrency

    def set_addresses(self, node: Node, addresses: Sequence[NodeAddress]) -> Node:
        """Replace ``status.addresses`` in order; the Node then.

        A JSON merge patch, not upstream's strategic one: that one merges by the address type,
        which is not unique, and depends on what the cache says was there before.

        Raises:
            NodeGone: it is not there any more.

        """
        body = {"status": {"addresses": [to_builtins(address) for address in addresses]}}
        return self._patch(node, body, subresource="status", patch_type="merge")

    def set_labels(self, node: Node, labels: Mapping[str, str]) -> Node:
        """Set labels, keep all others. Raises NodeGone."""
        return self._patch(node, patches.node_labels(labels))

    def initialize(self, node: Node, plan: Callable[[Node], Initialization | None]) -> bool:
        """Do what ``plan`` says for ``node``; after a conflict, for the Node as it is then.

        ``plan`` answers None if there is nothing left to do.

        Returns:
            Whether this call initialised it.

        Raises:
            NodeGone: it is not there any more.

        """
        versions: list[Node] = [node]

        def attempt() -> bool:
            current = versions.pop() if versions else self._live(node)
            wanted = plan(current)
            if wanted is None:
                return False
            body = patches.node_initialise(
                current.metadata.resource_version,
                provider_id=wanted.provider_id or "",
                labels=wanted.labels,
                taints=wanted.taints,
            )
            self._patch(current, body)
            return True

        return retry_on_conflict(attempt, UPDATE_NODE_SPEC, concurrency=self._concurrency)

    def change_taints(
        self, node: Node, plan: Callable[[Node], Sequence[Taint] | None]
    ) -> Node | None:
        """Replace the taints of ``node`` by what ``plan`` says for the Node as it is now.

        Starts from ``node``; only a Conflict costs a read. ``plan`` answers None if there is
        nothing to do.

        Returns:
            The Node then; None if nothing was to do.

        Raises:
            NodeGone: it is not there any more.

        """
        versions: list[Node] = [node]

        def attempt() -> Node | None:
            current = versions.pop() if versions else self._live(node)
            taints = plan(current)
            if taints is None:
                return None
            body = patches.node_taints(taints, current.metadata.resource_version)
            return self._patch(current, body)

        return retry_on_conflict(attempt, UPDATE_TAINT, concurrency=self._concurrency)

    def delete(self, node: Node, approve: Callable[[Node], bool]) -> bool:
        """Delete ``node`` if ``approve`` says so of the Node as it is right now.

        Its UID and the version that was approved are conditions of the deletion: what changes
        in between is looked at again.

        Returns:
            Whether this call deleted it.

        Raises:
            NodeGone: it is not there any more.
            ApiError: the API server refused.

        """

        def attempt() -> bool:
            live = self._live(node)
            if not approve(live):
                return False
            meta = live.metadata
            self._check()
            try:
                self._client.delete(
                    NODES, meta.name, uid=meta.uid, resource_version=meta.resource_version
                )
            except errors.NotFound as error:
                raise NodeGone(f"node {node.key} is gone") from error
            return True

        return retry_on_conflict(attempt, UPDATE_TAINT, concurrency=self._concurrency)

    def _live(self, node: Node) -> Node:
        try:
            found: Node = self._client.get(NODES, node.metadata.name)
        except errors.NotFound as error:
            raise NodeGone(f"node {node.key} is gone") from error
        if found.metadata.uid != node.metadata.uid:
            raise NodeGone(f"node {node.key} is another one now")
        return found

    def _patch(
        self,
        node: Node,
        body: patches.Body,
        *,
        subresource: str = "",
        patch_type: PatchType = "strategic",
    ) -> Node:
        # The UID makes the API server refuse the patch for a Node that was made anew.
        body = {**body, "metadata": {**body.get("metadata", {}), "uid": node.metadata.uid}}
        self._check()
        try:
            found: Node = self._client.patch(
                NODES, node.metadata.name, body, subresource=subresource, patch_type=patch_type
            )
        except errors.NotFound as error:
            raise NodeGone(f"node {node.key} is gone") from error
        except errors.Invalid:
            self._live(node)  # says NodeGone if the UID was the reason
            raise
        return found
