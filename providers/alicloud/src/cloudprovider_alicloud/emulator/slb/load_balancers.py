"""SLB 2014-05-15: creating, changing and deleting load balancers."""

from __future__ import annotations

import ipaddress
from typing import Any

from cloudprovider_alicloud.emulator.actions import (
    CLIENT_TOKEN,
    Action,
    Call,
    compact,
)
from cloudprovider_alicloud.emulator.addresses import release_address, take_address
from cloudprovider_alicloud.emulator.errors import ApiError, invalid
from cloudprovider_alicloud.emulator.params import choice, integer, text
from cloudprovider_alicloud.emulator.resources import LoadBalancer, VSwitch
from cloudprovider_alicloud.emulator.slb.common import (
    AUTO_PAY,
    LOAD_BALANCER_ID,
    NAME_LENGTH,
    TAG,
    load_balancer,
    merge_tags,
    tags_of,
)
from cloudprovider_alicloud.emulator.slb.listeners import remove_listener

#: Public addresses come from the benchmark range, the classic network's from 10/8.
_PUBLIC = ipaddress.IPv4Address("198.18.0.0")
_CLASSIC = ipaddress.IPv4Address("10.200.0.0")
_PUBLIC_V6 = ipaddress.IPv6Address("2001:db8:ffff::")


def create_load_balancer(call: Call) -> dict[str, Any]:
    """CreateLoadBalancer: active at once, without listeners."""
    quota = call.settings.quotas.load_balancers
    if 0 < quota <= len(call.state.load_balancers):
        raise ApiError(400, "OverQuota", "The number of load balancers exceeds the quota.")
    tags = merge_tags(call, {}, tags_of(call))
    vswitch = _vswitch(call)
    address = _address(call, vswitch)
    lcu = call.text("InstanceChargeType") == "PayByCLCU"
    created = call.state.put(
        LoadBalancer(
            id=call.state.new_id("lb"),
            region=call.region,
            name=call.text("LoadBalancerName", "auto_named_slb"),
            address=address,
            address_type=call.text("AddressType", "internet"),
            ip_version=call.text("AddressIPVersion", "ipv4"),
            network_type="vpc" if vswitch is not None else "classic",
            vpc=vswitch.vpc if vswitch is not None else "",
            vswitch=vswitch.id if vswitch is not None else "",
            bandwidth=_bandwidth(call),
            internet_charge_type=call.text("InternetChargeType", "paybytraffic"),
            instance_charge_type=call.text("InstanceChargeType", "PayBySpec"),
            pay_type=call.text("PayType", "PayOnDemand"),
            spec="slb.lcu.elastic" if lcu else call.text("LoadBalancerSpec"),
            master_zone=call.text("MasterZoneId", vswitch.zone if vswitch else _zone(call, 0)),
            slave_zone=call.text("SlaveZoneId", _zone(call, 1)),
            delete_protection=call.text("DeleteProtection", "off"),
            modification_protection=call.text("ModificationProtectionStatus", "NonProtection"),
            modification_reason=call.text("ModificationProtectionReason"),
            resource_group=call.text("ResourceGroupId", "rg-acfmxazb4ph6aiy"),
            created=call.time,
            tags=tags,
        )
    )
    return compact(
        {
            "LoadBalancerId": created.id,
            "LoadBalancerName": created.name,
            "Address": created.address,
            "AddressIPVersion": created.ip_version,
            "NetworkType": created.network_type,
            "ResourceGroupId": created.resource_group,
            "VpcId": created.vpc,
            "VSwitchId": created.vswitch,
        }
    )


def _vswitch(call: Call) -> VSwitch | None:
    """The vSwitch of an intranet load balancer, checked."""
    vswitch_id = call.text("VSwitchId")
    if not vswitch_id or call.text("AddressType", "internet") == "internet":
        return None
    vswitch = call.state.vswitches.get(vswitch_id)
    if vswitch is None or vswitch.region != call.region:
        raise ApiError(404, "InvalidVSwitchId.NotFound", "The specified VSwitchId does not exist.")
    if call.text("VpcId", vswitch.vpc) != vswitch.vpc:
        raise invalid("VpcId", "is not the VPC of the vSwitch")
    if vswitch.available <= 0:
        raise ApiError(
            400, "VSwitchAvailableIpNotExist", "The vSwitch has no available address left."
        )
    return vswitch


def _address(call: Call, vswitch: VSwitch | None) -> str:
    wanted = call.text("Address")
    if vswitch is not None:
        return _vswitch_address(call, vswitch, wanted)
    if wanted:
        raise invalid("Address", "can be chosen in a vSwitch only")
    if call.text("AddressType", "internet") == "intranet":
        return str(_CLASSIC + call.state.count("classic address"))
    if call.text("AddressIPVersion", "ipv4") == "ipv6":
        return str(_PUBLIC_V6 + call.state.count("public ipv6"))
    return str(_PUBLIC + call.state.count("public address"))


def _vswitch_address(call: Call, vswitch: VSwitch, wanted: str) -> str:
    if not wanted:
        return take_address(call.state, vswitch)
    try:
        inside = ipaddress.ip_address(wanted) in ipaddress.ip_network(vswitch.cidr)
    except ValueError:
        inside = False
    used = any(item.address == wanted for item in call.state.load_balancers.values())
    if not inside or used:
        raise ApiError(400, "ObtainIpFail", "The specified address cannot be obtained.")
    call.state.change(vswitch, available=vswitch.available - 1)
    return wanted


def _bandwidth(call: Call) -> int:
    if call.text("InternetChargeType", "paybytraffic") == "paybytraffic":
        return 5120
    return call.number("Bandwidth", 1)


def _zone(call: Call, index: int) -> str:
    zones = [zone.id for zone in call.state.zones.values() if zone.region == call.region]
    return zones[index % len(zones)] if zones else ""


def delete_load_balancer(call: Call) -> dict[str, Any]:
    """DeleteLoadBalancer: listeners and groups go with it; refused under delete protection."""
    item = load_balancer(call)
    if item.delete_protection == "on":
        raise ApiError(
            400,
            "OperationDenied.DeleteProtectionIsOn",
            "The loadbalancer can't be deleted due to DeleteProtection is enabled.",
        )
    for key in item.listeners:
        remove_listener(call, call.state.listeners[key])
    for key in item.vserver_groups:
        call.state.remove(call.state.vserver_groups[key])
    release_address(call.state, item.vswitch)
    call.state.remove(item)
    return {}


def set_load_balancer_delete_protection(call: Call) -> dict[str, Any]:
    """SetLoadBalancerDeleteProtection."""
    call.state.change(load_balancer(call), delete_protection=call["DeleteProtection"])
    return {}


def set_load_balancer_modification_protection(call: Call) -> dict[str, Any]:
    """SetLoadBalancerModificationProtection; only ConsoleProtection has a reason."""
    status = call["ModificationProtectionStatus"]
    reason = call.text("ModificationProtectionReason") if status == "ConsoleProtection" else ""
    call.state.change(
        load_balancer(call), modification_protection=status, modification_reason=reason
    )
    return {}


def set_load_balancer_name(call: Call) -> dict[str, Any]:
    """SetLoadBalancerName."""
    call.state.change(load_balancer(call), name=call["LoadBalancerName"])
    return {}


def set_load_balancer_status(call: Call) -> dict[str, Any]:
    """SetLoadBalancerStatus."""
    call.state.change(load_balancer(call), status=call["LoadBalancerStatus"])
    return {}


def modify_load_balancer_instance_spec(call: Call) -> dict[str, Any]:
    """ModifyLoadBalancerInstanceSpec."""
    item = load_balancer(call)
    if item.instance_charge_type == "PayByCLCU":
        raise ApiError(400, "OperationUnsupported", "A PayByCLCU instance has no specification.")
    call.state.change(item, spec=call["LoadBalancerSpec"])
    return {"OrderId": call.state.count("order")}


def modify_load_balancer_instance_charge_type(call: Call) -> dict[str, Any]:
    """ModifyLoadBalancerInstanceChargeType; takes effect at once here."""
    item = load_balancer(call)
    charge = call["InstanceChargeType"]
    spec = "slb.lcu.elastic" if charge == "PayByCLCU" else call.text("LoadBalancerSpec", item.spec)
    changes: dict[str, Any] = {"instance_charge_type": charge, "spec": spec}
    if charge == "PayByCLCU":
        changes["internet_charge_type"] = "paybytraffic"
    call.state.change(item, **changes)
    return {}


def modify_load_balancer_internet_spec(call: Call) -> dict[str, Any]:
    """ModifyLoadBalancerInternetSpec: charge type and bandwidth."""
    item = load_balancer(call)
    if item.address_type != "internet":
        raise ApiError(400, "OperationUnsupported", "The instance is not Internet-facing.")
    charge = call.text("InternetChargeType", item.internet_charge_type)
    bandwidth = 5120 if charge == "paybytraffic" else call.number("Bandwidth", item.bandwidth)
    call.state.change(item, internet_charge_type=charge, bandwidth=bandwidth)
    return {"OrderId": call.state.count("order")}


_NAME = text("LoadBalancerName", low=1, high=NAME_LENGTH)
_CHARGE = choice("InternetChargeType", "paybytraffic", "paybybandwidth")
_INSTANCE_CHARGE = choice("InstanceChargeType", "PayBySpec", "PayByCLCU")
_PROTECTION = choice("ModificationProtectionStatus", "NonProtection", "ConsoleProtection")
_REASON = text("ModificationProtectionReason", low=1, high=80)
_IP_VERSION = choice("AddressIPVersion", "ipv4", "ipv6")
_ADDRESS_TYPE = choice("AddressType", "internet", "intranet")


def _texts(*names: str) -> tuple[Any, ...]:
    return tuple(text(name) for name in names)


CREATE = Action(
    "slb",
    "CreateLoadBalancer",
    create_load_balancer,
    (
        _NAME,
        _ADDRESS_TYPE,
        _IP_VERSION,
        _CHARGE,
        _INSTANCE_CHARGE,
        _PROTECTION,
        _REASON,
        choice("DeleteProtection", "on", "off"),
        choice("PayType", "PayOnDemand", "PrePay"),
        integer("Bandwidth", -1, 5120),
        integer("Duration"),
        AUTO_PAY,
        TAG,
        CLIENT_TOKEN,
        *_texts("VpcId", "VSwitchId", "MasterZoneId", "SlaveZoneId", "LoadBalancerSpec"),
        *_texts("ResourceGroupId", "Address", "PricingCycle"),
    ),
    key="LoadBalancerId",
)


def _row(name: str, handler: Any, *params: Any) -> Action:
    return Action("slb", name, handler, (LOAD_BALANCER_ID, *params), key="LoadBalancerId")


ACTIONS = (
    CREATE,
    _row("DeleteLoadBalancer", delete_load_balancer),
    _row(
        "SetLoadBalancerDeleteProtection",
        set_load_balancer_delete_protection,
        choice("DeleteProtection", "on", "off", required=True),
    ),
    _row(
        "SetLoadBalancerModificationProtection",
        set_load_balancer_modification_protection,
        choice("ModificationProtectionStatus", "NonProtection", "ConsoleProtection", required=True),
        _REASON,
    ),
    _row(
        "SetLoadBalancerName",
        set_load_balancer_name,
        text("LoadBalancerName", required=True, low=1, high=NAME_LENGTH),
    ),
    _row(
        "SetLoadBalancerStatus",
        set_load_balancer_status,
        choice("LoadBalancerStatus", "active", "inactive", required=True),
    ),
    _row(
        "ModifyLoadBalancerInstanceSpec",
        modify_load_balancer_instance_spec,
        text("LoadBalancerSpec", required=True),
        AUTO_PAY,
    ),
    _row(
        "ModifyLoadBalancerInstanceChargeType",
        modify_load_balancer_instance_charge_type,
        choice("InstanceChargeType", "PayBySpec", "PayByCLCU", required=True),
        text("LoadBalancerSpec"),
        _CHARGE,
        integer("Bandwidth", 1, 5120),
    ),
    _row(
        "ModifyLoadBalancerInternetSpec",
        modify_load_balancer_internet_spec,
        _CHARGE,
        integer("Bandwidth", 1, 5000),
        AUTO_PAY,
    ),
)
