"""SLB 2014-05-15: reading load balancers."""

from __future__ import annotations

from typing import Any

from cloudprovider_alicloud.emulator.actions import (
    PAGE,
    Action,
    Call,
    compact,
    has_tags,
    matcher,
    minute_stamp,
    page,
)
from cloudprovider_alicloud.emulator.ecs import tag_list
from cloudprovider_alicloud.emulator.errors import invalid
from cloudprovider_alicloud.emulator.params import Param, choice, json_text, text
from cloudprovider_alicloud.emulator.resources import LoadBalancer
from cloudprovider_alicloud.emulator.slb.common import LOAD_BALANCER_ID, TAG, load_balancer


def describe_load_balancers(call: Call) -> dict[str, Any]:
    """DescribeLoadBalancers: by ids, names (comma lists), address, VPC, tags."""
    tags, matches = _json_tags(call), matcher(call, _FILTERS)
    ids, names = _comma_list(call, "LoadBalancerId"), _comma_list(call, "LoadBalancerName")
    items = [
        item
        for item in call.state.load_balancers.values()
        if item.region == call.region
        and (not ids or item.id in ids)
        and (not names or item.name in names)
        and has_tags(item.tags, tags)
        and matches(item)
    ]
    chosen, told = page(call, items, default=call.settings.limits.default_page, largest=100)
    return {"LoadBalancers": {"LoadBalancer": [_summary(item) for item in chosen]}, **told}


def _comma_list(call: Call, name: str) -> list[str]:
    values = [item.strip() for item in call.text(name).split(",") if item.strip()]
    if len(values) > 10:
        raise invalid(name, "may hold 10 items at most")
    return values


def _json_tags(call: Call) -> list[tuple[str, str | None]]:
    """The parameter ``Tags``: a JSON list of TagKey and TagValue."""
    value = call["Tags"]
    if value is None:
        return []
    if not isinstance(value, list) or not all(isinstance(item, dict) for item in value):
        raise invalid("Tags", "must be a JSON array of objects with TagKey and TagValue")
    if len(value) > 10:
        raise invalid("Tags", "may hold 10 items at most")
    return [(str(item.get("TagKey", "")), item.get("TagValue")) for item in value]


_FILTERS = {
    "Address": "address",
    "AddressType": "address_type",
    "AddressIPVersion": "ip_version",
    "NetworkType": "network_type",
    "VpcId": "vpc",
    "VSwitchId": "vswitch",
    "LoadBalancerStatus": "status",
    "ResourceGroupId": "resource_group",
    "InternetChargeType": "internet_charge_type",
    "MasterZoneId": "master_zone",
    "SlaveZoneId": "slave_zone",
}


def _summary(item: LoadBalancer) -> dict[str, Any]:
    """The fields that a list and the attribute call have in common."""
    return compact(
        {
            "LoadBalancerId": item.id,
            "LoadBalancerName": item.name,
            "LoadBalancerStatus": item.status,
            "Address": item.address,
            "AddressType": item.address_type,
            "AddressIPVersion": item.ip_version,
            "NetworkType": item.network_type,
            "VpcId": item.vpc,
            "VSwitchId": item.vswitch,
            "Bandwidth": item.bandwidth,
            # The numbers are the old form; the words stand in the alias (spec/alicloud.md 7.3).
            "InternetChargeType": "4" if item.internet_charge_type == "paybytraffic" else "3",
            "InternetChargeTypeAlias": item.internet_charge_type,
            "InstanceChargeType": item.instance_charge_type,
            "PayType": item.pay_type,
            "LoadBalancerSpec": item.spec,
            "MasterZoneId": item.master_zone,
            "SlaveZoneId": item.slave_zone,
            "RegionId": item.region,
            "RegionIdAlias": item.region,
            "ResourceGroupId": item.resource_group,
            "DeleteProtection": item.delete_protection,
            "ModificationProtectionStatus": item.modification_protection,
            "ModificationProtectionReason": item.modification_reason,
            "CreateTime": minute_stamp(item.created),
            "CreateTimeStamp": round(item.created * 1000),
            "Tags": {"Tag": tag_list(item.tags)},
        }
    )


def describe_load_balancer_attribute(call: Call) -> dict[str, Any]:
    """DescribeLoadBalancerAttribute: one load balancer, always up to date."""
    item = load_balancer(call)
    listeners = [call.state.listeners[key] for key in item.listeners]
    detailed = [
        compact(
            {
                "ListenerPort": listener.port,
                "ListenerProtocol": listener.protocol,
                "Description": listener.attributes.get("Description"),
                "ListenerForward": listener.attributes.get("ListenerForward"),
                "ForwardPort": listener.attributes.get("ForwardPort"),
            }
        )
        for listener in listeners
    ]
    short = [
        {"ListenerPort": listener.port, "ListenerProtocal": listener.protocol}
        for listener in listeners
    ]
    body = _summary(item)
    body.pop("InternetChargeTypeAlias")
    return {
        **body,
        "InternetChargeType": item.internet_charge_type,
        "BackendServers": {"BackendServer": []},
        "ListenerPorts": {"ListenerPort": [listener.port for listener in listeners]},
        "ListenerPortsAndProtocal": {"ListenerPortAndProtocal": short},
        "ListenerPortsAndProtocol": {"ListenerPortAndProtocol": detailed},
    }


_IP_VERSION = choice("AddressIPVersion", "ipv4", "ipv6")
_ADDRESS_TYPE = choice("AddressType", "internet", "intranet")
_CHARGE = choice("InternetChargeType", "paybytraffic", "paybybandwidth")


def _texts(*names: str) -> tuple[Param, ...]:
    return tuple(text(name) for name in names)


DESCRIBE = Action(
    "slb",
    "DescribeLoadBalancers",
    describe_load_balancers,
    (
        *_texts("LoadBalancerId", "LoadBalancerName", "Address", "VpcId", "VSwitchId"),
        *_texts("LoadBalancerStatus", "ResourceGroupId", "NetworkType"),
        *_texts("MasterZoneId", "SlaveZoneId"),
        _ADDRESS_TYPE,
        _IP_VERSION,
        _CHARGE,
        json_text("Tags"),
        TAG,
        *PAGE,
    ),
    lists=True,
    by_id=("LoadBalancerId",),
)


ACTIONS = (
    DESCRIBE,
    Action(
        "slb",
        "DescribeLoadBalancerAttribute",
        describe_load_balancer_attribute,
        (LOAD_BALANCER_ID,),
        key="LoadBalancerId",
    ),
)
