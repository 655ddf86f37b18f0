"""The VPC API (2016-04-28), as far as we call it: one method per action, frozen dataclasses out.

Source of fields and limits: ``spec/alicloud.md`` 7.2, Appendix A.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping
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
