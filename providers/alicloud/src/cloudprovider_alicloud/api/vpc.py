"""The VPC API (2016-04-28), as far as we call it: one method per action, frozen dataclasses out.

Source of fields and limits: ``spec/alicloud.md`` 7.2, Appendix A.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from cloudprovider_alicloud.api.client import CloudApi
from cloudprovider_alicloud.api.replies import integer, items, text


@dataclasses.dataclass(frozen=True)
class VSwitch:
    """A vSwitch: a subnet in one zone."""

    vswitch_id: str
    zone_id: str
    cidr_block: str
    available_ip_count: int


@dataclasses.dataclass(frozen=True)
class EipAddress:
    """An elastic IP address."""

    ip_address: str
    allocation_id: str


@dataclasses.dataclass(frozen=True)
class Vpc:
    """The address ranges of a VPC; the IPv6 one is empty without IPv6."""

    vpc_id: str
    cidr_blocks: tuple[str, ...]
    ipv6_cidr_block: str


@dataclasses.dataclass(frozen=True)
class RouteEntry:
    """A custom entry of a route table."""

    destination_cidr: str
    status: str  #: ``Pending``, ``Available``, ``Modifying``, ``Deleting``
    next_hops: tuple[tuple[str, str], ...]  #: (type, id); several share the traffic
    description: str = ""


@dataclasses.dataclass(frozen=True)
class InstanceRoute:
    """An entry that leads to one instance, as it is created and deleted."""

    destination_cidr: str
    instance_id: str


@dataclasses.dataclass(frozen=True)
class Refusal:
    """Why one entry of a batch was not created or deleted."""

    code: str
    message: str
    request_id: str


class VpcApi:
    """VPC actions through ``cloud_api``. Errors: :mod:`cloudprovider_alicloud.api.errors`."""

    def __init__(self, cloud_api: CloudApi) -> None:
        self._api = cloud_api

    def describe_vswitches(self, *, vpc_id: str = "", vswitch_id: str = "") -> tuple[VSwitch, ...]:
        """The vSwitches of a VPC, or the one with an id. Action DescribeVSwitches, all pages."""
        params = {"VpcId": vpc_id or None, "VSwitchId": vswitch_id or None}
        pages = self._pages("DescribeVSwitches", params)
        return tuple(
            VSwitch(
                vswitch_id=text(item, "VSwitchId"),
                zone_id=text(item, "ZoneId"),
                cidr_block=text(item, "CidrBlock"),
                available_ip_count=integer(item, "AvailableIpAddressCount"),
            )
            for page in pages
            for item in items(page, "VSwitches", "VSwitch")
        )

    def describe_eip_addresses(
        self, *, instance_id: str, instance_type: str
    ) -> tuple[EipAddress, ...]:
        """The addresses bound to ``instance_id``. Action DescribeEipAddresses, all pages.

        Args:
            instance_id: E.g. a load balancer's id.
            instance_type: ``SlbInstance``, ``EcsInstance``, ``NetworkInterface``, …

        """
        params = {"AssociatedInstanceId": instance_id, "AssociatedInstanceType": instance_type}
        pages = self._pages("DescribeEipAddresses", params)
        return tuple(
            EipAddress(ip_address=text(item, "IpAddress"), allocation_id=text(item, "AllocationId"))
            for page in pages
            for item in items(page, "EipAddresses", "EipAddress")
        )

    def describe_vpc(self, vpc_id: str) -> Vpc:
        """Address ranges of a VPC. Action DescribeVpcAttribute.

        Raises:
            InvalidConfiguration: there is no such VPC.

        """
        reply = self._api.read("vpc", "DescribeVpcAttribute", {"VpcId": vpc_id})
        blocks = (
            text(reply, "CidrBlock"),
            *items(reply, "SecondaryCidrBlocks", "SecondaryCidrBlock"),
        )
        return Vpc(
            vpc_id=vpc_id,
            cidr_blocks=tuple(str(block) for block in blocks if block),
            ipv6_cidr_block=text(reply, "Ipv6CidrBlock"),
        )

    def describe_route_tables(self, vpc_id: str) -> tuple[str, ...]:
        """Ids of the route tables of a VPC. Action DescribeRouteTableList, all pages."""
        pages = self._pages("DescribeRouteTableList", {"VpcId": vpc_id})
        return tuple(
            text(item, "RouteTableId")
            for page in pages
            for item in items(page, "RouterTableList", "RouterTableListType")
        )

    def describe_route_entries(self, table_id: str) -> tuple[RouteEntry, ...]:
        """The custom entries of a table. Action DescribeRouteEntryList, all pages of 100.

        Raises:
            InvalidConfiguration: there is no such table.

        """
        params: dict[str, object] = {
            "RouteTableId": table_id,
            "RouteEntryType": "Custom",
            "MaxResult": ENTRY_PAGE_SIZE,
        }
        found: list[RouteEntry] = []
        while True:
            page = self._api.read("vpc", "DescribeRouteEntryList", params)
            found.extend(_entry(item) for item in items(page, "RouteEntrys", "RouteEntry"))
            token = text(page, "NextToken")
            if not token:
                return tuple(found)
            params = {**params, "NextToken": token}

    def create_route_entries(
        self, table_id: str, routes: Mapping[InstanceRoute, str]
    ) -> dict[InstanceRoute, Refusal]:
        """Create at most :data:`BATCH` entries; what was refused. Action CreateRouteEntries.

        Asynchronous: an entry is Pending for a while. A VPC takes one batch at a time.

        Args:
            table_id: The route table.
            routes: The entries with their descriptions of 1 to 256 characters.

        Raises:
            RetryLater: another batch is being carried out.

        """
        rows = [
            {
                "RouteTableId": table_id,
                "DstCidrBlock": route.destination_cidr,
                "NextHop": route.instance_id,
                "NextHopType": "Instance",
                "IpVersion": 6 if ":" in route.destination_cidr else 4,
                "Description": description,
            }
            for route, description in routes.items()
        ]
        params = {"RouteEntries": rows}
        reply = self._api.call("vpc", "CreateRouteEntries", params, idempotent=False, write=True)
        return _refusals(reply)

    def delete_route_entries(
        self, table_id: str, routes: Sequence[InstanceRoute]
    ) -> dict[InstanceRoute, Refusal]:
        """Delete at most :data:`BATCH` entries; what was refused. Action DeleteRouteEntries."""
        rows = [
            {
                "RouteTableId": table_id,
                "DstCidrBlock": route.destination_cidr,
                "NextHop": route.instance_id,
            }
            for route in routes
        ]
        params = {"RouteEntries": rows}
        reply = self._api.call("vpc", "DeleteRouteEntries", params, idempotent=False, write=True)
        return _refusals(reply)

    def _pages(self, action: str, params: Mapping[str, object]) -> Iterator[dict[str, Any]]:
        """Every page of a list with PageNumber, PageSize (at most 50) and TotalCount."""
        number, seen = 1, 0
        while True:
            page = self._api.read(
                "vpc", action, {**params, "PageNumber": number, "PageSize": PAGE_SIZE}
            )
            yield page
            seen += PAGE_SIZE
            if seen >= integer(page, "TotalCount"):
                return
            number += 1


#: The largest page that every VPC list takes (``spec/alicloud.md`` 7.2, VPC 1 and 7).
PAGE_SIZE = 50
#: The largest page of route entries (VPC 2; longer ones are documented as refused).
ENTRY_PAGE_SIZE = 100
#: Route entries in one call (VPC 4 and 6).
BATCH = 50


def _entry(item: Mapping[str, Any]) -> RouteEntry:
    hops = items(item, "NextHops", "NextHop")
    return RouteEntry(
        destination_cidr=text(item, "DestinationCidrBlock"),
        status=text(item, "Status"),
        next_hops=tuple((text(hop, "NextHopType"), text(hop, "NextHopId")) for hop in hops),
        description=text(item, "Description"),
    )


def _refusals(reply: Mapping[str, Any]) -> dict[InstanceRoute, Refusal]:
    """By destination and next hop: a next hop alone is not unique (``spec/alicloud.md`` 12 #26)."""
    request_id = text(reply, "RequestId")
    return {
        InstanceRoute(text(item, "DstCidrBlock"), text(item, "NextHop")): Refusal(
            text(item, "FailedCode"), text(item, "FailedMessage"), request_id
        )
        for item in items(reply, "FailedRouteEntries")
    }
