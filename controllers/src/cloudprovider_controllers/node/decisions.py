"""What to change on a Node. Pure.

Source: ``spec/ccm-core.md`` 3.2.
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Mapping, Sequence

from cloudprovider.errors import CloudProviderError, InvalidConfiguration
from cloudprovider.interface import InstanceMetadata, MetadataOutcome
from cloudprovider.models import Node, Taint
from cloudprovider.owners import recorded
from cloudprovider_controllers.node.addresses import (
    PROVIDED_NODE_IP,
    filter_by_node_ip,
    provided_node_ip,
)

#: Set by the kubelet under ``--cloud-provider=external``; its removal makes the node usable.
UNINITIALIZED = "node.cloudprovider.kubernetes.io/uninitialized"

INSTANCE_TYPE = "node.kubernetes.io/instance-type"
ZONE = "topology.kubernetes.io/zone"
REGION = "topology.kubernetes.io/region"
BETA_INSTANCE_TYPE = "beta.kubernetes.io/instance-type"
BETA_ZONE = "failure-domain.beta.kubernetes.io/zone"
BETA_REGION = "failure-domain.beta.kubernetes.io/region"

#: (source of truth, copy): upstream keeps the stable label equal to the beta one.
LABEL_PAIRS = ((BETA_ZONE, ZONE), (BETA_REGION, REGION), (BETA_INSTANCE_TYPE, INSTANCE_TYPE))

#: Domains that are Kubernetes' own: a provider may not set labels there.
_RESERVED = re.compile(r"(^|\.)(kubernetes|k8s)\.io/")


def has_taint(node: Node, key: str) -> bool:
    """Whether ``node`` carries a taint with ``key``, of any value and effect."""
    return any(taint.key == key for taint in node.spec.taints or ())


def without_taint(taints: Sequence[Taint] | None, key: str) -> tuple[Taint, ...]:
    """``taints`` without every one with ``key``, of any value and effect."""
    return tuple(taint for taint in taints or () if taint.key != key)


def is_uninitialized(node: Node) -> bool:
    """Whether ``node`` waits for this controller."""
    return has_taint(node, UNINITIALIZED)


def identity(node: Node) -> tuple[str, str]:
    """What an answer of the cloud is about: a Node of this UID, with this provider id."""
    return node.metadata.uid, node.spec.provider_id or ""


def stable_label_changes(node: Node) -> dict[str, str]:
    """The stable labels to set so that they equal their beta forms (3.2.5)."""
    labels = node.metadata.labels or {}
    return {
        stable: labels[beta]
        for beta, stable in LABEL_PAIRS
        if beta in labels and labels.get(stable) != labels[beta]
    }


def needs_work(node: Node) -> bool:
    """Whether this controller has something to do for ``node``."""
    return is_uninitialized(node) or bool(stable_label_changes(node))


def work_changed(old: Node, new: Node) -> bool:
    """Whether an update of a Node gives a new reason to work on it.

    A node that fails is retried by its back-off, not by each status write of its kubelet.
    """
    if not needs_work(new):
        return False
    return _inputs(old) != _inputs(new) or stable_label_changes(old) != stable_label_changes(new)


def identity_changed(old: Node, new: Node) -> bool:
    """Whether an update of a Node may change whose it is."""
    return (old.spec.provider_id, old.metadata.labels) != (
        new.spec.provider_id,
        new.metadata.labels,
    )


def _inputs(node: Node) -> tuple[object, ...]:
    meta = node.metadata
    addresses = node.status.addresses
    identity = (meta.uid, node.spec.provider_id, is_uninitialized(node))
    return (*identity, recorded(node), provided_node_ip(node), addresses)


def split_labels(
    node: Node, additional: Mapping[str, str]
) -> tuple[dict[str, str], list[str], list[str]]:
    """A provider's additional labels as (to set, refused, kept as the node has them) (3.2.3)."""
    present = node.metadata.labels or {}
    wanted: dict[str, str] = {}
    refused: list[str] = []
    kept: list[str] = []
    for key, value in additional.items():
        if _RESERVED.search(key):
            refused.append(key)
        elif key not in present:
            wanted[key] = value
        elif present[key] != value:
            kept.append(key)
    return wanted, refused, kept


def cloud_labels(metadata: InstanceMetadata) -> dict[str, str]:
    """The type, zone and region labels, stable and beta, as far as the cloud knows them."""
    facts = (
        (metadata.instance_type, INSTANCE_TYPE, BETA_INSTANCE_TYPE),
        (metadata.zone, ZONE, BETA_ZONE),
        (metadata.region, REGION, BETA_REGION),
    )
    return {key: value for value, *keys in facts if value for key in keys}


@dataclasses.dataclass(frozen=True)
class Initialization:
    """What turns an uninitialised Node into a usable one, beside its addresses."""

    provider_id: str | None  #: to set; None if the node has one or needs none
    labels: Mapping[str, str]  #: to set; empty if all are there
    taints: tuple[Taint, ...]  #: the whole list that stays
    refused_labels: Sequence[str] = ()  #: not the provider's to set
    kept_labels: Sequence[str] = ()  #: left as the node has them


def with_provider_id(node: Node, metadata: InstanceMetadata) -> MetadataOutcome:
    """``metadata``, or the error that neither it nor ``node`` has a provider id (3.2.6)."""
    if node.spec.provider_id or metadata.provider_id:
        return metadata
    name = node.metadata.name
    return CloudProviderError(f"cloud provider does not set node provider ID for node {name}")


def initialization(node: Node, metadata: InstanceMetadata) -> Initialization:
    """How to initialise ``node``, which is not, with ``metadata`` of its instance (3.2.3).

    Raises:
        InvalidConfiguration: the annotation with the kubelet's address cannot be read, or the
            cloud does not know that address.

    """
    name = node.metadata.name
    provided = provided_node_ip(node)
    if provided is not None:
        try:
            filter_by_node_ip(provided, metadata.node_addresses)
        except CloudProviderError as error:
            raise InvalidConfiguration(
                f'provided node ip for node "{name}" is not valid: {error.message}',
                field=f"metadata.annotations[{PROVIDED_NODE_IP}]",
                value=provided,
                accepted="an address that the cloud gives for this instance",
            ) from error
    additional, refused, kept = split_labels(node, metadata.additional_labels)
    present = node.metadata.labels or {}
    wanted = {**additional, **cloud_labels(metadata)}
    # The copies of the beta labels, so that the next pass finds nothing to reconcile.
    for beta, stable in LABEL_PAIRS:
        if stable not in wanted and beta in present:
            wanted[stable] = present[beta]
    return Initialization(
        provider_id=None if node.spec.provider_id else metadata.provider_id or None,
        labels={key: value for key, value in wanted.items() if present.get(key) != value},
        taints=without_taint(node.spec.taints, UNINITIALIZED),
        refused_labels=refused,
        kept_labels=kept,
    )


def refreshed_labels(node: Node, metadata: InstanceMetadata) -> dict[str, str]:
    """Labels of an initialised node that the cloud contradicts: type, zone and region.

    An instance is resized, or moves to another zone and its disks with it: the scheduler would
    place Pods by what is no longer true. What the cloud does not know is left alone.
    """
    present = node.metadata.labels or {}
    wanted = cloud_labels(metadata)
    return {key: value for key, value in wanted.items() if present.get(key) != value}
