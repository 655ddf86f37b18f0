"""SLB 2014-05-15: listeners. A new one is stopped until StartLoadBalancerListener."""

from __future__ import annotations

import functools
from typing import Any

from cloudprovider_alicloud.emulator.actions import (
    Action,
    Call,
    compact,
    has_tags,
    tag_filter,
    token_page,
)
from cloudprovider_alicloud.emulator.ecs import tag_list
from cloudprovider_alicloud.emulator.errors import (
    ApiError,
    invalid,
    listener_not_found,
    missing,
    vserver_group_not_found,
)
from cloudprovider_alicloud.emulator.params import boolean, choice, integer, text, texts
from cloudprovider_alicloud.emulator.resources import Listener, LoadBalancer
from cloudprovider_alicloud.emulator.slb.common import (
    LOAD_BALANCER_ID,
    TAG,
    load_balancer,
    merge_tags,
    tags_of,
)
from cloudprovider_alicloud.emulator.slb.listener_table import (
    BACKEND_PORT,
    COMMON,
    CONFIGURATION,
    DEFAULTS,
    PROTOCOLS,
    REQUIRED,
    params_of,
)


def create_listener(protocol: str, call: Call) -> dict[str, Any]:
    """CreateLoadBalancer{TCP,UDP,HTTP,HTTPS}Listener."""
    parent = load_balancer(call)
    port: int = call["ListenerPort"]
    if _occupied(call, parent, port, protocol):
        raise ApiError(400, "ListenerAlreadyExists", "There is already a listener on this port.")
    if len(parent.listeners) >= call.settings.quotas.listeners_per_load_balancer > 0:
        raise ApiError(400, "ListenerNumberOverLimit", "There are too many listeners already.")
    for name in REQUIRED[protocol]:
        call.need(name)
    group = _group(call, parent)
    attributes = _with(DEFAULTS[protocol], call, protocol)
    forwards = attributes.get("ListenerForward") == "on"
    if not group and not forwards and "MasterSlaveServerGroupId" not in attributes:
        call.need("BackendServerPort")
    _check(call, attributes)
    listener = call.state.put(
        Listener(
            id=f"{parent.id}_{protocol}_{port}",
            load_balancer=parent.id,
            port=port,
            protocol=protocol,
            vserver_group=group,
            attributes=attributes,
            tags=merge_tags(call, {}, tags_of(call)),
        )
    )
    call.state.change(parent, listeners=(*parent.listeners, listener.id))
    return {}


def _occupied(call: Call, parent: LoadBalancer, port: int, protocol: str) -> bool:
    """UDP has its own ports; tcp, http and https share theirs."""
    taken = (call.state.listeners[key] for key in parent.listeners)
    return any(
        item.port == port and (item.protocol == "udp") == (protocol == "udp") for item in taken
    )


def _group(call: Call, parent: LoadBalancer) -> str:
    """The id of the group to use, which must be one of the load balancer's."""
    group_id = call.text("VServerGroupId")
    if not group_id:
        return ""
    if group_id not in parent.vserver_groups:
        raise vserver_group_not_found()
    return group_id


def _with(attributes: dict[str, Any], call: Call, protocol: str) -> dict[str, Any]:
    """``attributes`` with those that were given."""
    names = (*COMMON, *CONFIGURATION[protocol])
    given = {name: call[name] for name in names if call[name] is not None}
    merged = {**attributes, **given}
    if merged.get("HealthCheckConnectPort") == BACKEND_PORT:
        del merged["HealthCheckConnectPort"]
    return merged


def _check(call: Call, attributes: dict[str, Any]) -> None:
    """What must be given together."""
    if attributes.get("ConnectionDrain") == "on" and not attributes.get("ConnectionDrainTimeout"):
        raise missing("ConnectionDrainTimeout")
    if attributes.get("AclStatus") == "on" and not attributes.get("AclId"):
        raise missing("AclId")
    if attributes.get("StickySession") == "on" and not attributes.get("StickySessionType"):
        raise missing("StickySessionType")
    certificate = attributes.get("ServerCertificateId")
    if certificate and certificate not in call.state.certificates:
        raise ApiError(
            404,
            "CertificateNotFound",
            "The specified ServerCertificateId does not exist.",
        )


def set_listener(protocol: str, call: Call) -> dict[str, Any]:
    """SetLoadBalancer{TCP,UDP,HTTP,HTTPS}ListenerAttribute: what is not given stays."""
    parent = load_balancer(call)
    listener = _find(call, parent, call["ListenerPort"], protocol)
    _refuse_busy(listener)
    attributes = _with(listener.attributes, call, protocol)
    group = listener.vserver_group
    if call.text("VServerGroup") == "on":
        call.need("VServerGroupId")
    if call.text("VServerGroup") == "off":
        group = ""
        if not attributes.get("BackendServerPort"):
            raise missing("BackendServerPort")
    elif call.text("VServerGroupId"):
        group = _group(call, parent)
    _check(call, attributes)
    changed = call.state.change(listener, attributes=attributes, vserver_group=group)
    if changed != listener:
        _transition(call, changed, call.settings.delays.listener_change, busy="configuring")
    return {}


def _find(call: Call, parent: LoadBalancer, port: int, protocol: str) -> Listener:
    """The listener on ``port``; without ``protocol`` there must be exactly one."""
    found = [
        item
        for item in (call.state.listeners[key] for key in parent.listeners)
        if item.port == port and protocol in ("", item.protocol)
    ]
    if not found:
        raise listener_not_found()
    if len(found) > 1:
        raise missing("ListenerProtocol")
    return found[0]


def _named(call: Call) -> Listener:
    protocol = call.text("ListenerProtocol")
    return _find(call, load_balancer(call), call["ListenerPort"], protocol)


def _refuse_busy(listener: Listener) -> None:
    if listener.busy:
        raise ApiError(400, "ServiceIsConfiguring", "The specified service is being configured.")


def _transition(call: Call, listener: Listener, delay: float, *, busy: str, end: str = "") -> None:
    """Bring ``listener`` to status ``end`` (or back to its own), through ``busy`` for ``delay``."""
    end = end or listener.status
    if delay == 0:
        call.state.change(listener, status=end, busy=False)
        return
    moving = call.state.change(listener, status=busy, busy=True)
    if delay > 0:
        call.state.later(call.now + delay, moving, status=end, busy=False)


def start_listener(call: Call) -> dict[str, Any]:
    """StartLoadBalancerListener; starting a running one changes nothing."""
    listener = _named(call)
    _refuse_busy(listener)
    if listener.status != "running":
        delay = call.settings.delays.listener_start
        _transition(call, listener, delay, busy="starting", end="running")
    return {}


def stop_listener(call: Call) -> dict[str, Any]:
    """StopLoadBalancerListener; stopping a stopped one changes nothing."""
    listener = _named(call)
    _refuse_busy(listener)
    if listener.status != "stopped":
        delay = call.settings.delays.listener_stop
        _transition(call, listener, delay, busy="stopping", end="stopped")
    return {}


def delete_listener(call: Call) -> dict[str, Any]:
    """DeleteLoadBalancerListener."""
    listener = _named(call)
    _refuse_busy(listener)
    parent = load_balancer(call)
    remove_listener(call, listener)
    rest = tuple(key for key in parent.listeners if key != listener.id)
    call.state.change(parent, listeners=rest)
    return {}


def remove_listener(call: Call, listener: Listener) -> None:
    """The listener and its further domains are gone."""
    for extension in list(call.state.domain_extensions.values()):
        if extension.listener == listener.id:
            call.state.remove(extension)
    call.state.remove(listener)


def find_listener(call: Call, port: int, protocol: str) -> Listener:
    """The listener of ``LoadBalancerId``; without ``protocol`` the only one on ``port``."""
    return _find(call, load_balancer(call), port, protocol)


def describe_listeners(call: Call) -> dict[str, Any]:
    """DescribeLoadBalancerListeners of up to 10 load balancers, or of all."""
    ids = call.listed("LoadBalancerId")
    if len(ids) > 10:
        raise invalid("LoadBalancerId", "may hold 10 items at most")
    tags = tag_filter(call)
    items = [
        item
        for item in _candidates(call, ids)
        if call.text("ListenerProtocol", item.protocol) == item.protocol
        and call.number("ListenerPort", item.port) == item.port
        and call.text("Description", "") in ("", item.attributes.get("Description"))
        and has_tags(item.tags, tags)
    ]
    size = call.number("MaxResults", call.settings.limits.default_listener_page)
    chosen, token = token_page(call, items, size)
    told = compact({"MaxResults": size, "NextToken": token, "TotalCount": len(items)})
    return {"Listeners": [_detailed(item) for item in chosen], **told}


def _candidates(call: Call, ids: list[str]) -> list[Listener]:
    state = call.state
    if ids:
        parents = [state.load_balancers[i] for i in ids if i in state.load_balancers]
    else:
        parents = list(state.load_balancers.values())
    return [
        state.listeners[key]
        for parent in parents
        if parent.region == call.region
        for key in parent.listeners
    ]


def _detailed(item: Listener) -> dict[str, Any]:
    acl = item.attributes.get("AclId")
    return compact(
        {
            "LoadBalancerId": item.load_balancer,
            "ListenerPort": item.port,
            "ListenerProtocol": item.protocol,
            "Status": item.status,
            "VServerGroupId": item.vserver_group,
            **{name: item.attributes.get(name) for name in COMMON},
            "AclIds": [acl] if acl else None,
            f"{item.protocol.upper()}ListenerConfig": _configuration(item),
            "Tags": tag_list(item.tags) or None,
        }
    )


def _configuration(item: Listener) -> dict[str, Any]:
    """The protocol's own attributes; what is set as HealthCheckSwitch is read as HealthCheck."""
    given = {name: item.attributes.get(name) for name in CONFIGURATION[item.protocol]}
    if "HealthCheckSwitch" in given:
        given["HealthCheck"] = given.pop("HealthCheckSwitch")
    for name in ("healthCheckReq", "healthCheckExp"):
        if name in given:
            given[f"H{name[1:]}"] = given.pop(name)
    return compact(given)


def describe_listener(protocol: str, call: Call) -> dict[str, Any]:
    """DescribeLoadBalancer{TCP,UDP,HTTP,HTTPS}ListenerAttribute: one listener, flat.

    The flat form of UDP knows no connection draining.
    """
    item = _find(call, load_balancer(call), call["ListenerPort"], protocol)
    body = _detailed(item)
    configuration = body.pop(f"{protocol.upper()}ListenerConfig")
    del body["ListenerProtocol"]
    if protocol == "udp":
        configuration.pop("ConnectionDrain", None)
        configuration.pop("ConnectionDrainTimeout", None)
    acls = body.pop("AclIds", [])
    tags = body.pop("Tags", [])
    if "ProxyProtocolV2Enabled" in configuration:
        enabled = configuration["ProxyProtocolV2Enabled"] == "true"
        configuration["ProxyProtocolV2Enabled"] = enabled
    return {**body, **configuration, "AclIds": {"AclId": acls}, "Tags": {"Tag": tags}}


_PORT = integer("ListenerPort", 1, 65535, required=True)
_PROTOCOL = choice("ListenerProtocol", *PROTOCOLS)
_GROUP = (text("VServerGroupId"), choice("VServerGroup", "on", "off"))


def _per_protocol() -> list[Action]:
    rows = []
    for protocol in PROTOCOLS:
        word = protocol.upper()
        params = (LOAD_BALANCER_ID, _PORT, *params_of(protocol), *_GROUP)
        describe = functools.partial(describe_listener, protocol)
        rows += [
            Action(
                "slb",
                f"CreateLoadBalancer{word}Listener",
                functools.partial(create_listener, protocol),
                (*params, TAG),
                key="LoadBalancerId",
            ),
            Action(
                "slb",
                f"SetLoadBalancer{word}ListenerAttribute",
                functools.partial(set_listener, protocol),
                (*params, boolean("DryRun")),
                key="LoadBalancerId",
            ),
            Action(
                "slb",
                f"DescribeLoadBalancer{word}ListenerAttribute",
                describe,
                (LOAD_BALANCER_ID, _PORT),
                key="LoadBalancerId",
            ),
        ]
    return rows


def _one(name: str, handler: Any) -> Action:
    return Action("slb", name, handler, (LOAD_BALANCER_ID, _PORT, _PROTOCOL), key="LoadBalancerId")


ACTIONS = (
    *_per_protocol(),
    _one("StartLoadBalancerListener", start_listener),
    _one("StopLoadBalancerListener", stop_listener),
    _one("DeleteLoadBalancerListener", delete_listener),
    Action(
        "slb",
        "DescribeLoadBalancerListeners",
        describe_listeners,
        (
            texts("LoadBalancerId"),
            integer("ListenerPort", 1, 65535),
            _PROTOCOL,
            text("Description"),
            text("NextToken"),
            integer("MaxResults", 1, 100),
            TAG,
        ),
        key="LoadBalancerId.1",
        lists=True,
    ),
)
