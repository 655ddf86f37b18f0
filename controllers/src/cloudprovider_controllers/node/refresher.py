"""Keeps initialised Nodes in step with the cloud.

Source: ``spec/ccm-core.md`` 3.2.5, 3.2.7.
"""

from __future__ import annotations

import dataclasses
import logging
from collections.abc import Mapping, Sequence

from cloudprovider.errors import CloudProviderError
from cloudprovider.interface import InstanceMetadata, InstancesV2
from cloudprovider.models import Node, NodeAddress
from cloudprovider_controllers.context import WritesStopped
from cloudprovider_controllers.node.addresses import desired_addresses
from cloudprovider_controllers.node.api import NodeApi, NodeGone
from cloudprovider_controllers.node.decisions import refreshed_labels, stable_label_changes
from cloudprovider_controllers.node.lookup import Askers, metadata_of
from cloudprovider_controllers.runtime.errors import ApiError
from cloudprovider_controllers.runtime.transport import TransportError

logger = logging.getLogger(__name__)


@dataclasses.dataclass(frozen=True)
class Change:
    """What the cloud contradicts on one Node."""

    node: Node
    addresses: Sequence[NodeAddress] | None  #: the whole list; None = as it is
    labels: Mapping[str, str]  #: to set


class Refresher:
    """Compares initialised Nodes with the cloud and mends them.

    Args:
        api: Writes Nodes.
        instances: The cloud's instances.
        askers: How many are asked about at once, where they are asked about one by one.

    """

    def __init__(self, api: NodeApi, instances: InstancesV2, askers: Askers) -> None:
        self._api = api
        self._instances = instances
        self._askers = askers

    def changes(self, nodes: Sequence[Node]) -> list[Change]:
        """What has to change, with one question to the provider. Nodes with errors are skipped.

        Raises:
            CloudProviderError: there is no answer about any of them; the first error.

        """
        outcomes = metadata_of(self._instances, nodes, self._askers)
        errors = [error for error in outcomes.values() if isinstance(error, CloudProviderError)]
        if errors and len(errors) == len(outcomes):
            raise errors[0]
        found = []
        for node in nodes:
            outcome = outcomes[node.metadata.name]
            if isinstance(outcome, CloudProviderError):
                logger.warning("node %s: no metadata: %s", node.key, outcome)
            elif outcome is not None:
                change = _compare(node, outcome)
                if change.addresses is not None or change.labels:
                    found.append(change)
        return found

    def apply(self, change: Change) -> None:
        """Carry out ``change``; what fails is logged and comes again in the next pass."""
        try:
            if change.addresses is not None:
                self._api.set_addresses(change.node, change.addresses)
            if change.labels:
                self._api.set_labels(change.node, change.labels)
        except (ApiError, TransportError) as error:
            logger.warning("node %s could not be updated: %s", change.node.key, error)
        except (NodeGone, WritesStopped) as reason:
            logger.info("%s", reason)

    def copy_labels(self, node: Node) -> None:
        """Make the stable labels equal to their beta forms; the cloud is not asked.

        Raises:
            ApiError, TransportError: it failed.

        """
        labels = stable_label_changes(node)
        if not labels:
            return
        try:
            self._api.set_labels(node, labels)
        except NodeGone as reason:
            logger.info("%s", reason)


def _compare(node: Node, metadata: InstanceMetadata) -> Change:
    try:
        addresses = desired_addresses(node, metadata.node_addresses)
    except CloudProviderError as error:
        logger.warning("node %s: addresses left as they are: %s", node.key, error)
        addresses = None
    return Change(node, addresses, refreshed_labels(node, metadata))
