"""Asking the provider about many nodes so that one of them cannot spoil the rest (R6, R8)."""

from __future__ import annotations

import logging
from collections.abc import Sequence

from cloudprovider.errors import CloudProviderError
from cloudprovider.interface import InstanceMetadata, InstancesV2, MetadataOutcome
from cloudprovider.models import Node
from cloudprovider_controllers.provider_calls import guarded, meaning

logger = logging.getLogger(__name__)


def metadata_of(instances: InstancesV2, nodes: Sequence[Node]) -> dict[str, MetadataOutcome | None]:
    """One outcome per node, by name: metadata, an error, or None for "leave it alone". No raise.

    A bulk call that fails as a whole with one of our errors has failed for all of its nodes: the
    cloud is down or throttles. Anything else is a mistake of the provider that some node provokes,
    so the halves are asked apart until only that node is left.
    """
    if not nodes:
        return {}
    try:
        answers: object = instances.instance_metadata_many(nodes)
    except CloudProviderError as error:
        return dict.fromkeys(_names(nodes), meaning(error))
    except (Exception, SystemExit) as error:  # noqa: BLE001 - a provider may raise anything
        if len(nodes) == 1:
            return {nodes[0].metadata.name: meaning(error)}
        logger.warning("%d nodes asked apart: provider raised %s", len(nodes), type(error).__name__)
        middle = len(nodes) // 2
        return {
            **metadata_of(instances, nodes[:middle]),
            **metadata_of(instances, nodes[middle:]),
        }
    return {name: _outcome(answers, name) for name in _names(nodes)}


def _names(nodes: Sequence[Node]) -> list[str]:
    return [node.metadata.name for node in nodes]


def _outcome(answers: object, name: str) -> MetadataOutcome | None:
    if not isinstance(answers, dict):
        return CloudProviderError(f"the provider answered {type(answers).__name__}, not a dict")
    if name not in answers:
        return CloudProviderError(f"the provider gave no answer for node {name}")
    answer = answers[name]
    if answer is None or isinstance(answer, InstanceMetadata):
        return answer
    if isinstance(answer, BaseException):
        return meaning(answer)
    return CloudProviderError(f"the provider answered {type(answer).__name__} for node {name}")


def claims(cloud_claims: object, node: Node) -> bool:
    """Whether the provider says that ``node`` is its own; a provider that fails to, does not."""
    if not callable(cloud_claims):
        return False
    try:
        return bool(guarded(lambda: cloud_claims(node)))
    except CloudProviderError as error:
        logger.warning("node %s: the provider cannot tell whose it is: %s", node.key, error)
        return False
