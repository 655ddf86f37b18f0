"""The old pair ``Instances`` and ``Zones``, and the adapter that makes ``InstancesV2`` of it.

Providers written after the documents of 2017-2018 implement this pair; the controllers know only
``InstancesV2``. Source: ``spec/ccm-core.md`` 1.4, 1.6, 1.10, 3.2.6, 3.3.
"""

from __future__ import annotations

import abc
import dataclasses
from collections.abc import Callable, Sequence
from typing import TypeVar

from cloudprovider.errors import (
    CloudProviderError,
    InstanceNotFound,
    NotSupported,
    RetryLater,
    unexpected,
)
from cloudprovider.interface import InstanceMetadata, InstancesV2
from cloudprovider.models import Node, NodeAddress

_T = TypeVar("_T")


class Instances(abc.ABC):
    """Instances, asked for one fact at a time."""

    @abc.abstractmethod
    def node_addresses(self, node_name: str) -> Sequence[NodeAddress]:
        """Addresses of the instance called ``node_name``."""

    @abc.abstractmethod
    def node_addresses_by_provider_id(self, provider_id: str) -> Sequence[NodeAddress]:
        """Addresses by ``spec.providerID``; an error for an empty id."""

    @abc.abstractmethod
    def instance_id(self, node_name: str) -> str:
        """The id, without the scheme. Stopped instances exist.

        Raises:
            InstanceNotFound: not there.
            NotSupported: this cloud has no ids.

        """

    @abc.abstractmethod
    def instance_type(self, node_name: str) -> str:
        """The type; empty means no label."""

    @abc.abstractmethod
    def instance_type_by_provider_id(self, provider_id: str) -> str:
        """The type, by ``spec.providerID``."""

    @abc.abstractmethod
    def instance_exists_by_provider_id(self, provider_id: str) -> bool:
        """Whether it exists; true for a stopped one."""

    @abc.abstractmethod
    def instance_shutdown_by_provider_id(self, provider_id: str) -> bool:
        """Whether it is shut down. Raises NotSupported where the cloud cannot tell."""

    def add_ssh_key_to_all_instances(self, user: str, key_data: bytes) -> None:  # noqa: ARG002
        """Kept for completeness; no controller calls it."""
        raise NotSupported(f"no SSH keys for {user}")

    def current_node_name(self, hostname: str) -> str:
        """Kept for completeness; no controller calls it."""
        return hostname


@dataclasses.dataclass(frozen=True)
class Zone:
    """Where an instance is."""

    failure_domain: str
    region: str


class Zones(abc.ABC):
    """Zones, deprecated upstream. ``GetZone`` (the manager's own zone) is left out on purpose."""

    @abc.abstractmethod
    def get_zone_by_provider_id(self, provider_id: str) -> Zone:
        """The zone, by ``spec.providerID``."""

    @abc.abstractmethod
    def get_zone_by_node_name(self, node_name: str) -> Zone:
        """The zone, by node name."""


class InstancesAdapter(InstancesV2):
    """``InstancesV2`` made of the old pair: by provider id first, then by name.

    Args:
        provider_name: Scheme of the provider ids, ``NAME://ID``.
        instances: The old interface.
        zones: The old zones, or None: then there are no zone and region labels.

    """

    def __init__(
        self, provider_name: str, instances: Instances, zones: Zones | None = None
    ) -> None:
        self._provider_name = provider_name
        self._instances = instances
        self._zones = zones

    def instance_exists(self, node: Node) -> bool:
        try:
            provider_id = self._provider_id(node)
        except InstanceNotFound:
            return False
        return self._instances.instance_exists_by_provider_id(provider_id)

    def instance_shutdown(self, node: Node) -> bool:
        try:
            return self._instances.instance_shutdown_by_provider_id(self._provider_id(node))
        except (InstanceNotFound, NotSupported):
            return False

    def instance_metadata(self, node: Node) -> InstanceMetadata:
        name = node.metadata.name
        provider_id = self._known_provider_id(node)
        addresses = _either(
            lambda: self._instances.node_addresses_by_provider_id(provider_id),
            lambda: self._instances.node_addresses(name),
            "error fetching node by provider ID: {}, and error by node name: {}",
        )
        instance_type = _either(
            lambda: self._instances.instance_type_by_provider_id(provider_id),
            lambda: self._instances.instance_type(name),
            "InstanceType: Error fetching by providerID: {} Error fetching by NodeName: {}",
        )
        zone = self._zone(provider_id, name)
        return InstanceMetadata(
            provider_id=provider_id,
            instance_type=instance_type,
            node_addresses=tuple(addresses),
            zone=zone.failure_domain,
            region=zone.region,
        )

    def _zone(self, provider_id: str, name: str) -> Zone:
        zones = self._zones
        if zones is None:
            return Zone("", "")
        return _either(
            lambda: zones.get_zone_by_provider_id(provider_id),
            lambda: zones.get_zone_by_node_name(name),
            "failed to get zone from cloud provider: Zone: Error fetching by providerID: {}"
            " Error fetching by NodeName: {}",
        )

    def _provider_id(self, node: Node) -> str:
        if node.spec.provider_id:
            return node.spec.provider_id
        try:
            instance_id = self._instances.instance_id(node.metadata.name)
        except (InstanceNotFound, NotSupported):
            raise
        except CloudProviderError as error:
            raise CloudProviderError(
                f"failed to get instance ID from cloud provider: {error.message}",
                code=error.code,
                request_id=error.request_id,
            ) from error
        return f"{self._provider_name}://{instance_id}"

    def _known_provider_id(self, node: Node) -> str:
        try:
            return self._provider_id(node)
        except NotSupported:
            return ""


def _either(by_id: Callable[[], _T], by_name: Callable[[], _T], failure: str) -> _T:
    """What one of the lookups says; ``failure`` has places for what both raised."""
    id_error = _attempt(by_id)
    if not isinstance(id_error, CloudProviderError):
        return id_error
    name_error = _attempt(by_name)
    if not isinstance(name_error, CloudProviderError):
        return name_error
    message = failure.format(id_error.message, name_error.message)
    # Only where both lookups say so is the instance known to be gone.
    gone = isinstance(id_error, InstanceNotFound) and isinstance(name_error, InstanceNotFound)
    # "Later" is read from the cause.
    cause = id_error if isinstance(id_error, RetryLater) else name_error
    raise (InstanceNotFound if gone else CloudProviderError)(
        message, code=cause.code, request_id=cause.request_id
    ) from cause


def _attempt(lookup: Callable[[], _T]) -> _T | CloudProviderError:
    try:
        return lookup()
    except CloudProviderError as error:
        return error
    except Exception as error:  # noqa: BLE001 - a provider may raise anything; the other lookup is left
        return unexpected(error)
