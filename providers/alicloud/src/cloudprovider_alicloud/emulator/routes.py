"""VPC 2016-04-28: creating and deleting route entries.

A single call is refused with an error; a batch answers per entry. Both go through
:func:`_create` and :func:`_delete`, which say what is wrong as a :class:`_Problem`.
"""

from __future__ import annotations

import ipaddress
from typing import Any

from cloudprovider_alicloud.emulator.actions import (
    CLIENT_TOKEN,
    Action,
    Call,
    compact,
)
from cloudprovider_alicloud.emulator.errors import ApiError, invalid, missing
from cloudprovider_alicloud.emulator.params import Param, boolean, objects, text
from cloudprovider_alicloud.emulator.resources import NextHop, RouteEntry, RouteTable
from cloudprovider_alicloud.emulator.route_reads import route_table

_SHARED = ipaddress.ip_network("100.64.0.0/10")


class _Problem(Exception):
    """Why an entry cannot be created or deleted: status, code of a single call and of a batch."""

    def __init__(self, status: int, single: str, batch: str, message: str) -> None:
        super().__init__(message)
        self.status, self.single, self.batch, self.message = status, single, batch, message

    def error(self) -> ApiError:
        return ApiError(self.status, self.single, self.message)


def create_route_entry(call: Call) -> dict[str, Any]:
    """CreateRouteEntry to one instance."""
    call.need("DestinationCidrBlock")
    call.need("NextHopId")
    table = route_table(call, call.text("RouteTableId"))
    _refuse_while_changing(call, table)
    try:
        entry = _create(call, table, call["DestinationCidrBlock"], call.args)
    except _Problem as problem:
        raise problem.error() from None
    return {"RouteEntryId": entry}


def create_route_entries(call: Call) -> dict[str, Any]:
    """CreateRouteEntries: every entry on its own; failures are told, not raised."""
    created: list[str] = []
    failed: list[dict[str, Any]] = []
    for table, row in _batch(call):
        fields = {**row, "NextHopId": row.get("NextHop", ""), "RouteEntryName": row.get("Name")}
        try:
            created.append(_create(call, table, row.get("DstCidrBlock", ""), fields))
        except _Problem as problem:
            failed.append(_failure(row, problem))
    return {
        "RouteEntryIds": created,
        "SuccessCount": len(created),
        "FailedCount": len(failed),
        "FailedRouteEntries": failed,
    }


def _batch(call: Call) -> list[tuple[RouteTable, dict[str, Any]]]:
    """The rows of a batch with their tables; refused as a whole while another one is running."""
    rows = call.listed("RouteEntries")
    limit = call.settings.limits.route_entries
    if len(rows) > limit:
        raise invalid("RouteEntries", f"may hold {limit} items at most")
    for number, row in enumerate(rows, 1):
        if not row.get("RouteTableId"):
            raise missing(f"RouteEntries.{number}.RouteTableId")
    pairs = [(route_table(call, row["RouteTableId"]), row) for row in rows]
    for table in {table.id: table for table, _ in pairs}.values():
        _refuse_while_changing(call, table)
    return pairs


def _failure(row: dict[str, Any], problem: _Problem) -> dict[str, Any]:
    return compact(
        {
            "DstCidrBlock": row.get("DstCidrBlock"),
            "NextHop": row.get("NextHop"),
            "RouteEntryId": row.get("RouteEntryId"),
            "FailedCode": problem.batch,
            "FailedMessage": problem.message,
        }
    )


def _refuse_while_changing(call: Call, table: RouteTable) -> None:
    """A VPC carries out one change of its routes at a time (``spec/alicloud.md`` 6.1)."""
    moving = {
        entry.table
        for entry in call.state.route_entries.values()
        if entry.status in ("Pending", "Deleting")
    }
    if any(call.state.route_tables[key].vpc == table.vpc for key in moving):
        raise ApiError(400, "TaskConflict", "The operation is too frequent, please wait a moment.")


def _create(call: Call, table: RouteTable, cidr: str, fields: dict[str, Any]) -> str:
    cidr = _checked_cidr(call, table, cidr)
    quota = call.settings.quotas.routes_per_table
    mine = [e for e in call.state.route_entries.values() if e.table == table.id]
    if any(entry.cidr == cidr for entry in mine):
        raise _Problem(
            400,
            "InvalidCIDRBlock.Duplicate",
            "VPC_ROUTE_ENTRY_CIDR_BLOCK_DUPLICATE",
            "The specified route entry already exists.",
        )
    if 0 < quota <= sum(entry.type == "Custom" for entry in mine):
        raise _Problem(
            400,
            "QuotaExceeded",
            "VPC_ROUTE_ENTRY_QUOTA_EXCEEDED",
            "The number of route entries exceeds the quota.",
        )
    _check_next_hop(call, table, fields.get("NextHopId") or "")
    if call["DryRun"]:
        return ""
    hop = NextHop(id=fields["NextHopId"], type=fields.get("NextHopType") or "Instance")
    delay = call.settings.delays.route_create
    entry = call.state.put(
        RouteEntry(
            id=call.state.new_id("rte"),
            table=table.id,
            cidr=cidr,
            status="Pending" if delay else "Available",
            name=fields.get("RouteEntryName") or "",
            description=fields.get("Description") or "",
            next_hops=(hop,),
        )
    )
    if delay > 0:
        call.state.later(call.now + delay, entry, status="Available")
    return entry.id


def _checked_cidr(call: Call, table: RouteTable, cidr: str) -> str:
    try:
        network = ipaddress.ip_network(cidr)
    except ValueError:
        raise _Problem(
            400,
            "InvalidCidrBlock.Malformed",
            "VPC_ROUTE_ENTRY_CIDR_BLOCK_INVALID",
            "The specified CidrBlock is not valid.",
        ) from None
    # Inside a vSwitch's range, or equal to it, is refused; a wider route is allowed.
    forbidden = [_SHARED, *_vswitch_networks(call, table)]
    if any(n.version == network.version and network.subnet_of(n) for n in forbidden):
        raise _Problem(
            400,
            "InvalidCidrBlock",
            "VPC_ROUTE_ENTRY_CIDR_BLOCK_INVALID",
            "The specified CidrBlock conflicts with a vSwitch or a reserved range.",
        )
    return str(network)


def _vswitch_networks(call: Call, table: RouteTable) -> list[Any]:
    switches = call.state.vswitches.values()
    return [ipaddress.ip_network(item.cidr) for item in switches if item.vpc == table.vpc]


def _check_next_hop(call: Call, table: RouteTable, next_hop: str) -> None:
    instance = call.state.instances.get(next_hop)
    if instance is None or instance.vpc != table.vpc:
        raise _Problem(
            404,
            "InvalidNextHop.NotFound",
            "VPC_ROUTE_ENTRY_NEXT_HOP_NOT_EXIST",
            "The specified next hop does not exist.",
        )


def delete_route_entry(call: Call) -> dict[str, Any]:
    """DeleteRouteEntry, by id or by destination (and next hop)."""
    if not call.text("RouteEntryId"):
        call.need("DestinationCidrBlock")
    try:
        _delete(call, call.text("RouteTableId"), call.args)
    except _Problem as problem:
        raise problem.error() from None
    return {}


def delete_route_entries(call: Call) -> dict[str, Any]:
    """DeleteRouteEntries: every entry on its own; failures are told, not raised."""
    deleted, failed = 0, []
    for table, row in _batch(call):
        fields = {
            "RouteEntryId": row.get("RouteEntryId"),
            "DestinationCidrBlock": row.get("DstCidrBlock"),
            "NextHopId": row.get("NextHop"),
        }
        try:
            _delete(call, table.id, fields)
            deleted += 1
        except _Problem as problem:
            failed.append(_failure(row, problem))
    return {"SuccessCount": deleted, "FailedCount": len(failed), "FailedRouteEntries": failed}


def _delete(call: Call, table: str, fields: dict[str, Any]) -> None:
    entry = next((e for e in call.state.route_entries.values() if _named(e, table, fields)), None)
    if entry is None:
        raise _Problem(
            404,
            "InvalidRouteEntry.NotFound",
            "VPC_ROUTER_ENTRY_NOT_EXIST",
            "The specified route entry does not exist.",
        )
    if entry.status != "Available":
        raise _Problem(
            400,
            "IncorrectRouteEntryStatus",
            "VPC_ROUTE_ENTRY_STATUS_ERROR",
            "The status of the route entry does not allow this operation.",
        )
    if call["DryRun"]:
        return
    delay = call.settings.delays.route_delete
    if delay == 0:
        call.state.remove(entry)
        return
    moving = call.state.change(entry, status="Deleting")
    if delay > 0:
        call.state.later(call.now + delay, moving)


def _named(entry: RouteEntry, table: str, fields: dict[str, Any]) -> bool:
    if entry.type != "Custom":
        return False
    if fields.get("RouteEntryId"):
        return bool(entry.id == fields["RouteEntryId"])
    hop = fields.get("NextHopId")
    return (
        entry.table == table
        and entry.cidr == fields.get("DestinationCidrBlock")
        and (not hop or any(item.id == hop for item in entry.next_hops))
    )


def _texts(*names: str) -> tuple[Param, ...]:
    return tuple(text(name) for name in names)


_NEW = objects(
    "RouteEntries",
    *_texts("RouteTableId", "DstCidrBlock", "NextHop", "NextHopType", "Name", "Description"),
    required=True,
)
_OLD = objects(
    "RouteEntries",
    *_texts("RouteTableId", "DstCidrBlock", "NextHop", "RouteEntryId"),
    required=True,
)
_TABLE = text("RouteTableId", required=True)

ACTIONS = (
    Action(
        "vpc",
        "CreateRouteEntry",
        create_route_entry,
        (
            _TABLE,
            *_texts("DestinationCidrBlock", "NextHopId", "NextHopType"),
            *_texts("RouteEntryName", "Description"),
            boolean("DryRun"),
            CLIENT_TOKEN,
        ),
        key="RouteTableId",
    ),
    Action(
        "vpc",
        "CreateRouteEntries",
        create_route_entries,
        (_NEW, boolean("DryRun")),
        key="RouteEntries.1.RouteTableId",
    ),
    Action(
        "vpc",
        "DeleteRouteEntry",
        delete_route_entry,
        (
            *_texts("RouteTableId", "RouteEntryId", "DestinationCidrBlock", "NextHopId"),
            boolean("DryRun"),
        ),
        key="RouteTableId",
    ),
    Action(
        "vpc",
        "DeleteRouteEntries",
        delete_route_entries,
        (_OLD, boolean("DryRun")),
        key="RouteEntries.1.RouteTableId",
    ),
)
