"""VPC 2016-04-28: reading route tables and entries."""

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
    token_page,
)
from cloudprovider_alicloud.emulator.errors import ApiError
from cloudprovider_alicloud.emulator.params import Param, integer, text, texts
from cloudprovider_alicloud.emulator.resources import RouteEntry, RouteTable
from cloudprovider_alicloud.emulator.vpc import TAG, tag_list


def describe_route_table_list(call: Call) -> dict[str, Any]:
    """DescribeRouteTableList, by VPC, id, name or tag."""
    items = [
        item
        for item in call.state.route_tables.values()
        if item.region == call.region
        and call.text("VpcId", item.vpc) == item.vpc
        and call.text("RouteTableId", item.id) == item.id
        and call.text("RouteTableName", item.name) == item.name
        and call.text("RouteTableType", item.type) == item.type
        and has_tags(item.tags, tag_filter(call))
    ]
    chosen, told = page(call, items, default=call.settings.limits.default_page, largest=50)
    tables = [_table(call, item) for item in chosen]
    return {"RouterTableList": {"RouterTableListType": tables}, **told}


def _table(call: Call, item: RouteTable) -> dict[str, Any]:
    vpc = call.state.vpcs.get(item.vpc)
    switches = [one.id for one in call.state.vswitches.values() if one.vpc == item.vpc]
    return compact(
        {
            "RouteTableId": item.id,
            "RouteTableName": item.name,
            "RouteTableType": item.type,
            "RouterId": vpc.router if vpc is not None else "",
            "RouterType": "VRouter",
            "AssociateType": "VSwitch",
            "VpcId": item.vpc,
            "Status": "Available",
            "CreationTime": item.created,
            "VSwitchIds": {"VSwitchId": switches},
            "Tags": {"Tag": tag_list(item.tags)},
        }
    )


def describe_route_entry_list(call: Call) -> dict[str, Any]:
    """DescribeRouteEntryList of one table; MaxResult beyond 100 is taken as 100."""
    table = route_table(call, call.text("RouteTableId"))
    wanted = call.listed("DestCidrBlockList")
    items = [
        item
        for item in call.state.route_entries.values()
        if item.table == table.id
        and _entry_matches(call, item)
        and (not wanted or item.cidr in wanted)
    ]
    size = min(call.number("MaxResult", call.settings.limits.default_page), 100)
    chosen, token = token_page(call, items, size)
    entries = [_entry(item) for item in chosen]
    told = compact({"NextToken": token, "TotalCount": len(items)})
    return {"RouteEntrys": {"RouteEntry": entries}, **told}


def _entry_matches(call: Call, item: RouteEntry) -> bool:
    hops = {hop.id for hop in item.next_hops}
    types = {hop.type for hop in item.next_hops}
    return (
        call.text("RouteEntryType", item.type) == item.type
        and call.text("RouteEntryId", item.id) == item.id
        and call.text("DestinationCidrBlock", item.cidr) == item.cidr
        and (not call.text("NextHopId") or call.text("NextHopId") in hops)
        and (not call.text("NextHopType") or call.text("NextHopType") in types)
    )


def _entry(item: RouteEntry) -> dict[str, Any]:
    hops = [
        compact(
            {
                "NextHopId": hop.id,
                "NextHopType": hop.type,
                "Enabled": 1,
                "Weight": hop.weight,
            }
        )
        for hop in item.next_hops
    ]
    return compact(
        {
            "RouteEntryId": item.id,
            "RouteEntryName": item.name,
            "RouteTableId": item.table,
            "DestinationCidrBlock": item.cidr,
            "Type": item.type,
            "Status": item.status,
            "Description": item.description,
            "IpVersion": "IPv6" if ":" in item.cidr else "IPv4",
            "NextHops": {"NextHop": hops},
        }
    )


def route_table(call: Call, table_id: str) -> RouteTable:
    """The table with this id. Raises ApiError when there is none."""
    table = call.state.route_tables.get(table_id)
    if table is None or table.region != call.region:
        raise ApiError(
            404, "InvalidRouteTableId.NotFound", "The specified RouteTableId does not exist."
        )
    return table


def _texts(*names: str) -> tuple[Param, ...]:
    return tuple(text(name) for name in names)


ACTIONS = (
    Action(
        "vpc",
        "DescribeRouteTableList",
        describe_route_table_list,
        (
            *_texts("VpcId", "RouteTableId", "RouteTableName", "RouteTableType"),
            TAG,
            *PAGE,
        ),
        key="VpcId",
        lists=True,
        by_id=("RouteTableId",),
    ),
    Action(
        "vpc",
        "DescribeRouteEntryList",
        describe_route_entry_list,
        (
            text("RouteTableId", required=True),
            *_texts("RouteEntryType", "RouteEntryId", "DestinationCidrBlock"),
            *_texts("NextHopId", "NextHopType", "NextToken"),
            texts("DestCidrBlockList"),
            integer("MaxResult", 1),
        ),
        key="RouteTableId",
        lists=True,
        by_id=("RouteEntryId",),
    ),
)
