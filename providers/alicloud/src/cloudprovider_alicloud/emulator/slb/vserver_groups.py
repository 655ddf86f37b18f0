"""SLB 2014-05-15: vServer groups and their backends (``spec/alicloud.md`` 4.5, 7.2)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec

from cloudprovider_alicloud.emulator.actions import (
    Action,
    Call,
    compact,
    has_tags,
    minute_stamp,
    tag_filter,
)
from cloudprovider_alicloud.emulator.ecs import tag_list
from cloudprovider_alicloud.emulator.errors import ApiError, invalid, missing
from cloudprovider_alicloud.emulator.params import boolean, json_text, text
from cloudprovider_alicloud.emulator.resources import Backend, Listener, LoadBalancer, VServerGroup
from cloudprovider_alicloud.emulator.slb.common import (
    LOAD_BALANCER_ID,
    NAME_LENGTH,
    TAG,
    load_balancer,
    merge_tags,
    tags_of,
    vserver_group,
)

_Key = tuple[str, str, int]


def create_vserver_group(call: Call) -> dict[str, Any]:
    """CreateVServerGroup, empty or with BackendServers."""
    parent = load_balancer(call)
    backends = _backends(call, "BackendServers") if call["BackendServers"] is not None else []
    _check_servers(call, parent, backends)
    members = _added((), backends)
    _check_quota(call, parent, members)
    group = call.state.put(
        VServerGroup(
            id=call.state.new_id("rsp"),
            load_balancer=parent.id,
            name=call.text("VServerGroupName", "auto_named_rsp"),
            backends=members,
            created=call.time,
            tags=merge_tags(call, {}, tags_of(call)),
        )
    )
    call.state.change(parent, vserver_groups=(*parent.vserver_groups, group.id))
    return _answer(group)


def _backends(call: Call, name: str) -> list[Backend]:
    """The parameter ``name``: JSON objects, keys without case, numbers quoted or not."""
    value = call[name]
    if not isinstance(value, list) or not all(isinstance(item, dict) for item in value):
        raise _malformed()
    limit = call.settings.limits.backends
    if len(value) > limit:
        raise ApiError(
            400,
            "TooManyBackendServers",
            f"The total number of input real servers exceeds max supported number: {limit}.",
        )
    return [_backend({str(k).lower(): v for k, v in item.items()}) for item in value]


def _malformed() -> ApiError:
    return ApiError(
        400, "BackendServersMalformed", "The specified parameter BackendServers is not valid."
    )


def _backend(item: dict[str, Any]) -> Backend:
    server = str(item.get("serverid") or "")
    if not server:
        raise missing("ServerId")
    description = str(item.get("description") or "")
    if len(description) > NAME_LENGTH:
        raise invalid("Description", f"may have {NAME_LENGTH} characters at most")
    return Backend(
        server=server,
        ip=str(item.get("serverip") or ""),
        port=_integer(item, "port", 1, 65535, default=None),
        weight=_integer(item, "weight", 0, 100, default=100),
        type=_type(item),
        description=description,
    )


def _integer(item: dict[str, Any], name: str, low: int, high: int, *, default: int | None) -> int:
    value = item.get(name)
    if value in (None, ""):
        if default is None:
            raise missing(name.capitalize())
        return default
    try:
        number = int(str(value))
    except ValueError:
        raise invalid(name.capitalize(), "must be an integer") from None
    if not low <= number <= high:
        raise invalid(name.capitalize(), f"must be from {low} to {high}")
    return number


def _type(item: dict[str, Any]) -> str:
    kind = str(item.get("type") or "ecs").lower()
    if kind not in ("ecs", "eni", "eci"):
        raise invalid("Type", "must be ecs, eni or eci")
    return kind


def _check_servers(call: Call, parent: LoadBalancer, backends: list[Backend]) -> None:
    """Each server exists, and in the VPC of an intranet load balancer."""
    for backend in backends:
        if backend.type == "eni":
            interface = call.state.network_interfaces.get(backend.server)
            found = interface is not None and (
                not backend.ip or backend.ip in (*interface.private_ips, *interface.ipv6)
            )
            vpc = interface.vpc if interface is not None else ""
        elif backend.type == "ecs":
            instance = call.state.instances.get(backend.server)
            found = instance is not None
            vpc = instance.vpc if instance is not None else ""
        else:
            continue  # container instances are not emulated
        if not found:
            raise ApiError(
                404, "InvalidServerId.NotFound", "The specified ServerId does not exist."
            )
        if parent.vpc and vpc != parent.vpc:
            raise ApiError(
                400, "InvalidServerId.NotFound", "The specified ServerId is not in the VPC."
            )


def _identity(backend: Backend) -> _Key:
    return backend.server, backend.ip, backend.port


def _added(members: tuple[Backend, ...], backends: list[Backend]) -> tuple[Backend, ...]:
    """Adding what is there already changes its weight and description."""
    merged = {_identity(member): member for member in members}
    merged.update({_identity(backend): backend for backend in backends})
    return tuple(merged.values())


def _without(members: tuple[Backend, ...], backends: list[Backend]) -> tuple[Backend, ...]:
    """Removing what is not there changes nothing. An entry without an IP names every IP."""
    gone = {_identity(backend) for backend in backends}
    return tuple(
        member
        for member in members
        if _identity(member) not in gone and (member.server, "", member.port) not in gone
    )


def _updated(members: tuple[Backend, ...], backends: list[Backend]) -> tuple[Backend, ...]:
    """Weight and description of existing members; others are ignored."""
    changes = {_identity(backend): backend for backend in backends}
    return tuple(
        msgspec.structs.replace(
            member,
            weight=changes[_identity(member)].weight,
            description=changes[_identity(member)].description or member.description,
        )
        if _identity(member) in changes
        else member
        for member in members
    )


def _check_quota(call: Call, parent: LoadBalancer, members: tuple[Backend, ...]) -> None:
    quota = call.settings.quotas.backends_per_load_balancer
    if not quota:
        return
    groups = (call.state.vserver_groups[key] for key in parent.vserver_groups)
    servers = {(b.server, b.ip) for group in groups for b in group.backends}
    servers |= {(member.server, member.ip) for member in members}
    if len(servers) > quota:
        raise ApiError(
            400,
            "InstanceBackendServerNumberOverLimit",
            "The number of backend servers of the instance exceeds the limit.",
        )


def _parent(call: Call, group: VServerGroup) -> LoadBalancer:
    return call.state.load_balancers[group.load_balancer]


def _answer(group: VServerGroup) -> dict[str, Any]:
    return {
        "VServerGroupId": group.id,
        "BackendServers": {"BackendServer": [_member(item) for item in group.backends]},
    }


def _member(backend: Backend) -> dict[str, Any]:
    return compact(
        {
            "ServerId": backend.server,
            "ServerIp": backend.ip,
            "Port": backend.port,
            "Weight": backend.weight,
            "Type": backend.type,
            "Description": backend.description,
        }
    )


def add_backend_servers(call: Call) -> dict[str, Any]:
    """AddVServerGroupBackendServers; all or nothing."""
    group = vserver_group(call)
    backends = _backends(call, "BackendServers")
    _check_servers(call, _parent(call, group), backends)
    members = _added(group.backends, backends)
    _check_quota(call, _parent(call, group), members)
    return _answer(call.state.change(group, backends=members))


def remove_backend_servers(call: Call) -> dict[str, Any]:
    """RemoveVServerGroupBackendServers."""
    group = vserver_group(call)
    backends = _backends(call, "BackendServers")
    return _answer(call.state.change(group, backends=_without(group.backends, backends)))


def set_vserver_group_attribute(call: Call) -> dict[str, Any]:
    """SetVServerGroupAttribute: name, and weight and description of members."""
    group = vserver_group(call)
    backends = _backends(call, "BackendServers") if call["BackendServers"] is not None else []
    group = call.state.change(
        group,
        name=call.text("VServerGroupName", group.name),
        backends=_updated(group.backends, backends),
    )
    return {**_answer(group), "VServerGroupName": group.name}


def modify_backend_servers(call: Call) -> dict[str, Any]:
    """ModifyVServerGroupBackendServers: some go, others come."""
    group = vserver_group(call)
    old, new = _backends(call, "OldBackendServers"), _backends(call, "NewBackendServers")
    _check_servers(call, _parent(call, group), new)
    members = _added(_without(group.backends, old), new)
    _check_quota(call, _parent(call, group), members)
    return _answer(call.state.change(group, backends=members))


def delete_vserver_group(call: Call) -> dict[str, Any]:
    """DeleteVServerGroup; refused while a listener uses it."""
    group = vserver_group(call)
    parent = _parent(call, group)
    if _users(call, parent, group):
        raise ApiError(400, "RspoolVipExist", "there are vips associating with this vServer group.")
    call.state.remove(group)
    rest = tuple(key for key in parent.vserver_groups if key != group.id)
    call.state.change(parent, vserver_groups=rest)
    return {}


def _users(call: Call, parent: LoadBalancer, group: VServerGroup) -> list[Listener]:
    listeners = (call.state.listeners[key] for key in parent.listeners)
    return [listener for listener in listeners if listener.vserver_group == group.id]


def describe_vserver_groups(call: Call) -> dict[str, Any]:
    """DescribeVServerGroups of one load balancer; not paged."""
    parent = load_balancer(call)
    name, tags = call.text("Description"), tag_filter(call)
    groups = [
        _listed(call, parent, group)
        for group in (call.state.vserver_groups[key] for key in parent.vserver_groups)
        if name in ("", group.name) and has_tags(group.tags, tags)
    ]
    return {"VServerGroups": {"VServerGroup": groups}}


def _listed(call: Call, parent: LoadBalancer, group: VServerGroup) -> dict[str, Any]:
    body: dict[str, Any] = {
        "VServerGroupId": group.id,
        "VServerGroupName": group.name,
        "ServerCount": len(group.backends),
        "CreateTime": minute_stamp(group.created),
        "Tags": {"Tag": tag_list(group.tags)},
    }
    if call["IncludeListener"]:
        users = [
            {"Port": user.port, "Protocol": user.protocol} for user in _users(call, parent, group)
        ]
        body["AssociatedObjects"] = {"Listeners": {"Listener": users}, "Rules": {"Rule": []}}
    return body


def describe_vserver_group_attribute(call: Call) -> dict[str, Any]:
    """DescribeVServerGroupAttribute: the members."""
    group = vserver_group(call)
    return {
        **_answer(group),
        "VServerGroupName": group.name,
        "LoadBalancerId": group.load_balancer,
        "CreateTime": minute_stamp(group.created),
        "Tags": {"Tag": tag_list(group.tags)},
    }


_NAME = text("VServerGroupName", low=1, high=NAME_LENGTH)
_BACKENDS = json_text("BackendServers", required=True)


def _row(name: str, handler: Callable[[Call], dict[str, Any]], *params: Any) -> Action:
    group_id = text("VServerGroupId", required=True)
    return Action("slb", name, handler, (group_id, *params), key="VServerGroupId")


ACTIONS = (
    Action(
        "slb",
        "CreateVServerGroup",
        create_vserver_group,
        (LOAD_BALANCER_ID, _NAME, json_text("BackendServers"), TAG),
        key="VServerGroupId",
    ),
    Action(
        "slb",
        "DescribeVServerGroups",
        describe_vserver_groups,
        (
            LOAD_BALANCER_ID,
            text("Description"),
            boolean("IncludeListener"),
            boolean("IncludeRule"),
            TAG,
        ),
        key="LoadBalancerId",
        lists=True,
    ),
    _row("DescribeVServerGroupAttribute", describe_vserver_group_attribute),
    _row("AddVServerGroupBackendServers", add_backend_servers, _BACKENDS),
    _row("RemoveVServerGroupBackendServers", remove_backend_servers, _BACKENDS),
    _row(
        "SetVServerGroupAttribute",
        set_vserver_group_attribute,
        _NAME,
        json_text("BackendServers"),
    ),
    _row(
        "ModifyVServerGroupBackendServers",
        modify_backend_servers,
        json_text("OldBackendServers", required=True),
        json_text("NewBackendServers", required=True),
    ),
    _row("DeleteVServerGroup", delete_vserver_group),
)
