"""The ECS API (2014-05-26), as far as we call it: one method per action, frozen dataclasses out.

Source of fields and limits: ``spec/alicloud.md`` 7.2, Appendix A.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from cloudprovider.errors import CloudProviderError
from cloudprovider_alicloud.api.caller import json_text
from cloudprovider_alicloud.api.client import CloudApi
from cloudprovider_alicloud.api.replies import boolean, items, text

#: The most ids or addresses that one call takes, and the largest page.
BATCH = 100

#: A list with more pages than this has no end: the same page again and again.
MOST_PAGES = 1000


@dataclasses.dataclass(frozen=True, slots=True)
class Instance:
    """An instance. Addresses are text, in the cloud's order."""

    instance_id: str
    region: str
    zone: str
    instance_type: str
    status: str  #: Pending, Starting, Running, Stopping, Stopped
    host_name: str
    name: str
    charge_type: str
    spot_strategy: str
    public_ips: tuple[str, ...]
    eip: str
    inner_ips: tuple[str, ...]  #: of the classic network
    private_ips: tuple[str, ...]  #: in the VPC
    ipv6_addresses: tuple[str, ...]  #: of the primary network interface
    tags: Mapping[str, str]


@dataclasses.dataclass(frozen=True, slots=True)
class NetworkInterface:
    """An elastic network interface."""

    network_interface_id: str
    instance_id: str
    type: str  #: Primary or Secondary
    private_ips: tuple[str, ...]
    ipv6_addresses: tuple[str, ...]
    source_dest_check: bool


class EcsApi:
    """ECS actions through ``cloud_api``. Errors: :mod:`cloudprovider_alicloud.api.errors`."""

    def __init__(self, cloud_api: CloudApi) -> None:
        self._api = cloud_api

    @property
    def region(self) -> str:
        """The region that all calls are for."""
        return self._api.region

    def describe_instances(
        self,
        *,
        instance_ids: Sequence[str] = (),
        private_ips: Sequence[str] = (),
        vpc_id: str = "",
        tag_key: str = "",
    ) -> tuple[Instance, ...]:
        """Instances by id, by address in the VPC, or all. Action DescribeInstances, all pages.

        The cloud leaves out ids that it does not know, without an error.

        Args:
            instance_ids: At most 100.
            private_ips: At most 100.
            vpc_id: Only those in this VPC.
            tag_key: Only those with this tag, whatever its value.

        """
        by_address = {"InstanceNetworkType": "vpc", "PrivateIpAddresses": json_text(private_ips)}
        params = {
            "InstanceIds": json_text(instance_ids) if instance_ids else None,
            **(by_address if private_ips else {}),
            "VpcId": vpc_id or None,
            "Tag": [{"Key": tag_key}] if tag_key else None,
            "AdditionalAttributes": ["NETWORK_PRIMARY_ENI_IP"],
        }
        found: dict[str, Instance] = {}
        for page in self._pages("DescribeInstances", params):
            for item in items(page, "Instances", "Instance"):
                instance = _instance(item)
                found[instance.instance_id] = instance
            # Asking for the page after the last id would be a call for nothing.
            if instance_ids and len(found) >= len(set(instance_ids)):
                break
        return tuple(found.values())

    def any_instance(self) -> str:
        """The id of some instance that our credentials can see; empty if there is none."""
        reply = self._api.read("ecs", "DescribeInstances", {"MaxResults": 10})
        seen = items(reply, "Instances", "Instance")
        return text(seen[0], "InstanceId") if seen else ""

    def describe_network_interfaces(
        self,
        *,
        vpc_id: str = "",
        private_ips: Sequence[str] = (),
        ipv6_addresses: Sequence[str] = (),
        network_interface_ids: Sequence[str] = (),
    ) -> tuple[NetworkInterface, ...]:
        """Interfaces in use, by address or id. Action DescribeNetworkInterfaces, all pages.

        Args:
            vpc_id: Only those in this VPC.
            private_ips: At most 100.
            ipv6_addresses: At most 100.
            network_interface_ids: At most 100.

        """
        params = {
            "VpcId": vpc_id or None,
            "Status": "InUse",
            "PrivateIpAddress": list(private_ips),
            "Ipv6Address": list(ipv6_addresses),
            "NetworkInterfaceId": list(network_interface_ids),
        }
        return tuple(
            _network_interface(item)
            for page in self._pages("DescribeNetworkInterfaces", params)
            for item in items(page, "NetworkInterfaceSets", "NetworkInterfaceSet")
        )

    def set_source_dest_check(self, network_interface_id: str, *, enabled: bool) -> None:
        """Whether the interface drops foreign packets. Action ModifyNetworkInterfaceAttribute.

        The same call twice does no harm, so it is repeated when its outcome is unknown.
        """
        params = {"NetworkInterfaceId": network_interface_id, "SourceDestCheck": enabled}
        self._api.call(
            "ecs", "ModifyNetworkInterfaceAttribute", params, idempotent=True, write=True
        )

    def _pages(self, action: str, params: Mapping[str, object]) -> Iterator[dict[str, Any]]:
        """Every page of a list with MaxResults and NextToken."""
        token = ""
        for _ in range(MOST_PAGES):
            page = self._api.read(
                "ecs", action, {**params, "MaxResults": BATCH, "NextToken": token or None}
            )
            yield page
            before, token = token, text(page, "NextToken")
            if not token:
                return
            if token == before:
                break
        raise CloudProviderError(f"ecs:{action}: the list has no end")


def _instance(item: Mapping[str, Any]) -> Instance:
    primary: Mapping[str, Any] = next(
        (
            interface
            for interface in items(item, "NetworkInterfaces", "NetworkInterface")
            if text(interface, "Type") == "Primary"
        ),
        {},
    )
    return Instance(
        instance_id=text(item, "InstanceId"),
        region=text(item, "RegionId"),
        zone=text(item, "ZoneId"),
        instance_type=text(item, "InstanceType"),
        status=text(item, "Status"),
        host_name=text(item, "HostName"),
        name=text(item, "InstanceName"),
        charge_type=text(item, "InstanceChargeType"),
        spot_strategy=text(item, "SpotStrategy"),
        public_ips=_addresses(item, "PublicIpAddress", "IpAddress"),
        eip=text(item.get("EipAddress") or {}, "IpAddress"),
        inner_ips=_addresses(item, "InnerIpAddress", "IpAddress"),
        private_ips=_addresses(item, "VpcAttributes", "PrivateIpAddress", "IpAddress"),
        ipv6_addresses=_ipv6(primary),
        tags={text(tag, "TagKey"): text(tag, "TagValue") for tag in items(item, "Tags", "Tag")},
    )


def _network_interface(item: Mapping[str, Any]) -> NetworkInterface:
    private = items(item, "PrivateIpSets", "PrivateIpSet")
    return NetworkInterface(
        network_interface_id=text(item, "NetworkInterfaceId"),
        instance_id=text(item, "InstanceId"),
        type=text(item, "Type"),
        private_ips=tuple(text(address, "PrivateIpAddress") for address in private),
        ipv6_addresses=_ipv6(item),
        source_dest_check=boolean(item, "SourceDestCheck"),
    )


def _ipv6(interface: Mapping[str, Any]) -> tuple[str, ...]:
    found = (text(item, "Ipv6Address") for item in items(interface, "Ipv6Sets", "Ipv6Set"))
    return tuple(address for address in found if address)


def _addresses(item: Mapping[str, Any], *path: str) -> tuple[str, ...]:
    return tuple(str(address) for address in items(item, *path) if address)
