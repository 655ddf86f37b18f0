"""VPC 2016-04-28: networks, vSwitches and routes (``spec/alicloud.md`` 6.1, 7.2)."""

from __future__ import annotations

from typing import Any

from cloudprovider_alicloud.emulator.actions import (
    PAGE,
    Action,
    Call,
    compact,
    has_tags,
    page,
    tag_filter,
)
from cloudprovider_alicloud.emulator.errors import ApiError
from cloudprovider_alicloud.emulator.params import objects, text
from cloudprovider_alicloud.emulator.resources import Tags, Vpc, VSwitch

TAG = objects("Tag", text("Key"), text("Value"), high=20)


def tag_list(tags: Tags) -> list[dict[str, str]]:
    """``tags`` as VPC answers them."""
    return [{"Key": key, "Value": value} for key, value in tags.items()]


def describe_vpcs(call: Call) -> dict[str, Any]:
    """DescribeVpcs, by id (comma list), name or tag."""
    ids = [item for item in call.text("VpcId").split(",") if item]
    items = [
        vpc
        for vpc in call.state.vpcs.values()
        if vpc.region == call.region
        and (not ids or vpc.id in ids)
        and call.text("VpcName", vpc.name) == vpc.name
        and has_tags(vpc.tags, tag_filter(call))
    ]
    chosen, told = page(call, items, default=call.settings.limits.default_page, largest=50)
    return {"Vpcs": {"Vpc": [_vpc(call, item) for item in chosen]}, **told}


def _vpc(call: Call, vpc: Vpc) -> dict[str, Any]:
    switches = [item.id for item in call.state.vswitches.values() if item.vpc == vpc.id]
    tables = [item.id for item in call.state.route_tables.values() if item.vpc == vpc.id]
    return compact(
        {
            "VpcId": vpc.id,
            "VpcName": vpc.name,
            "RegionId": vpc.region,
            "Status": "Available",
            "CidrBlock": vpc.cidr,
            "Ipv6CidrBlock": vpc.ipv6_cidr,
            "SecondaryCidrBlocks": {"SecondaryCidrBlock": list(vpc.secondary_cidrs)},
            "VRouterId": vpc.router,
            "CreationTime": vpc.created,
            "VSwitchIds": {"VSwitchId": switches},
            "RouterTableIds": {"RouterTableIds": tables},
            "Tags": {"Tag": tag_list(vpc.tags)},
        }
    )


def describe_vpc_attribute(call: Call) -> dict[str, Any]:
    """DescribeVpcAttribute: one VPC with its CIDR blocks."""
    vpc = call.state.vpcs.get(call.text("VpcId"))
    if vpc is None or vpc.region != call.region:
        raise ApiError(404, "InvalidVpcId.NotFound", "The specified VPC does not exist.")
    body = _vpc(call, vpc)
    del body["RouterTableIds"]
    ipv6 = [{"Ipv6CidrBlock": vpc.ipv6_cidr}] if vpc.ipv6_cidr else []
    return {
        **body,
        "Ipv6CidrBlocks": {"Ipv6CidrBlock": ipv6},
        "UserCidrs": {"UserCidr": []},
        "IsDefault": False,
    }


def describe_vswitches(call: Call) -> dict[str, Any]:
    """DescribeVSwitches, by id (comma list), VPC, zone, name or tag."""
    ids = [item for item in call.text("VSwitchId").split(",") if item]
    items = [
        item
        for item in call.state.vswitches.values()
        if item.region == call.region
        and (not ids or item.id in ids)
        and call.text("VpcId", item.vpc) == item.vpc
        and call.text("ZoneId", item.zone) == item.zone
        and call.text("VSwitchName", item.name) == item.name
        and has_tags(item.tags, tag_filter(call))
    ]
    chosen, told = page(call, items, default=call.settings.limits.default_page, largest=50)
    return {"VSwitches": {"VSwitch": [_vswitch(call, item) for item in chosen]}, **told}


def _vswitch(call: Call, item: VSwitch) -> dict[str, Any]:
    tables = [table for table in call.state.route_tables.values() if table.vpc == item.vpc]
    table = {"RouteTableId": tables[0].id, "RouteTableType": tables[0].type} if tables else None
    return compact(
        {
            "VSwitchId": item.id,
            "VSwitchName": item.name,
            "VpcId": item.vpc,
            "ZoneId": item.zone,
            "Status": "Available",
            "CidrBlock": item.cidr,
            "AvailableIpAddressCount": item.available,
            "CreationTime": item.created,
            "RouteTable": table,
            "Tags": {"Tag": tag_list(item.tags)},
        }
    )


def describe_eip_addresses(call: Call) -> dict[str, Any]:
    """DescribeEipAddresses, by id, address or what they are bound to."""
    items = [
        item
        for item in call.state.eips.values()
        if item.region == call.region
        and call.text("AllocationId", item.id) == item.id
        and call.text("EipAddress", item.address) == item.address
        and call.text("AssociatedInstanceId", item.instance) == item.instance
        and call.text("AssociatedInstanceType", item.instance_type) == item.instance_type
        and call.text("Status", item.status) == item.status
    ]
    chosen, told = page(call, items, default=call.settings.limits.default_page, largest=100)
    addresses = [
        compact(
            {
                "AllocationId": item.id,
                "IpAddress": item.address,
                "Status": item.status,
                "InstanceId": item.instance,
                "InstanceType": item.instance_type,
                "RegionId": item.region,
                "Bandwidth": str(item.bandwidth),
                "AllocationTime": item.created,
                "Tags": {"Tag": tag_list(item.tags)},
            }
        )
        for item in chosen
    ]
    return {"EipAddresses": {"EipAddress": addresses}, **told}


def _texts(*names: str) -> tuple[Any, ...]:
    return tuple(text(name) for name in names)


ACTIONS = (
    Action(
        "vpc",
        "DescribeVpcs",
        describe_vpcs,
        (*_texts("VpcId", "VpcName"), TAG, *PAGE),
        key="VpcId",
        lists=True,
        by_id=("VpcId",),
    ),
    Action(
        "vpc",
        "DescribeVpcAttribute",
        describe_vpc_attribute,
        (text("VpcId", required=True),),
        key="VpcId",
    ),
    Action(
        "vpc",
        "DescribeVSwitches",
        describe_vswitches,
        (*_texts("VSwitchId", "VpcId", "ZoneId", "VSwitchName"), TAG, *PAGE),
        key="VSwitchId",
        lists=True,
        by_id=("VSwitchId",),
    ),
    Action(
        "vpc",
        "DescribeEipAddresses",
        describe_eip_addresses,
        (
            *_texts("AllocationId", "EipAddress", "AssociatedInstanceId"),
            *_texts("AssociatedInstanceType", "Status"),
            *PAGE,
        ),
        key="AllocationId",
        lists=True,
        by_id=("AllocationId",),
    ),
)
