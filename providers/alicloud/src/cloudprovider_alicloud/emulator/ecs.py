"""ECS 2014-05-26: instances and network interfaces (``spec/alicloud.md`` 7.2)."""

from __future__ import annotations

from typing import Any

from cloudprovider_alicloud.emulator.actions import (
    PAGE,
    Action,
    Call,
    compact,
    has_tags,
    matcher,
    page,
    tag_filter,
    token_page,
)
from cloudprovider_alicloud.emulator.errors import ApiError, invalid
from cloudprovider_alicloud.emulator.params import (
    boolean,
    integer,
    json_list,
    json_text,
    objects,
    text,
    texts,
)
from cloudprovider_alicloud.emulator.resources import Instance, NetworkInterface, Tags

TAG = objects("Tag", text("Key", required=True), text("Value"), high=20)


def describe_instances(call: Call) -> dict[str, Any]:
    """DescribeInstances: unknown ids are simply absent."""
    limit = call.settings.limits.instance_ids
    wanted = _json_ids(call, "InstanceIds", limit)
    if wanted is not None:
        found = [
            call.state.instances[i] for i in dict.fromkeys(wanted) if i in call.state.instances
        ]
    else:
        found = list(call.state.instances.values())
    addresses = _json_ids(call, "PrivateIpAddresses", limit)
    wanted_addresses = None if addresses is None else frozenset(addresses)
    network = call.text("InstanceNetworkType")
    matches = matcher(call, _INSTANCE_FILTERS)
    items = [
        instance
        for instance in found
        if instance.region == call.region
        and matches(instance)
        and network in ("", "vpc" if instance.vpc else "classic")
        and (wanted_addresses is None or not wanted_addresses.isdisjoint(instance.private_ips))
    ]
    chosen, told = _instance_page(call, items)
    return {"Instances": {"Instance": [_instance(call, item) for item in chosen]}, **told}


def _json_ids(call: Call, name: str, limit: int) -> list[str] | None:
    if call[name] is None:
        return None
    ids = json_list(call[name], name)
    if len(ids) > limit:
        raise invalid(name, f"may hold {limit} items at most")
    return [str(item) for item in ids]


_INSTANCE_FILTERS = {
    "VpcId": "vpc",
    "VSwitchId": "vswitch",
    "ZoneId": "zone",
    "Status": "status",
    "InstanceName": "name",
    "InstanceType": "type",
    "InstanceChargeType": "charge_type",
}


def _instance_page(call: Call, items: list[Any]) -> tuple[list[Any], dict[str, Any]]:
    """Both ways of paging; PageSize stands beside NextToken (``spec/alicloud.md`` 12.1, 17)."""
    if call["MaxResults"] is None and not call.text("NextToken"):
        return page(call, items, default=call.settings.limits.default_page, largest=100)
    size = min(max(call.number("MaxResults", 10), 10), 100)
    chosen, token = token_page(call, items, size)
    told = {"PageNumber": 1, "PageSize": size, "TotalCount": len(items), "NextToken": token}
    return chosen, compact(told)


def _instance(call: Call, instance: Instance) -> dict[str, Any]:
    interface = call.state.network_interfaces.get(instance.eni)
    return compact(
        {
            "InstanceId": instance.id,
            "RegionId": instance.region,
            "ZoneId": instance.zone,
            "InstanceName": instance.name,
            "HostName": instance.host_name,
            "Status": instance.status,
            "InstanceType": instance.type,
            "InstanceTypeFamily": instance.type.rpartition(".")[0],
            "InstanceChargeType": instance.charge_type,
            "SpotStrategy": instance.spot_strategy,
            "InstanceNetworkType": "vpc" if instance.vpc else "classic",
            "CreationTime": instance.created,
            "Cpu": 4,
            "Memory": 16384,
            "OSType": "linux",
            "InnerIpAddress": {"IpAddress": list(instance.inner_ips)},
            "PublicIpAddress": {"IpAddress": list(instance.public_ips)},
            "EipAddress": _eip(call, instance),
            "VpcAttributes": {
                "VpcId": instance.vpc,
                "VSwitchId": instance.vswitch,
                "NatIpAddress": "",
                "PrivateIpAddress": {"IpAddress": list(instance.private_ips)},
            },
            "NetworkInterfaces": {
                "NetworkInterface": [_attached(interface)] if interface is not None else []
            },
            "SecurityGroupIds": {"SecurityGroupId": list(instance.security_groups)},
            "Tags": {"Tag": tag_list(instance.tags)},
        }
    )


def _eip(call: Call, instance: Instance) -> dict[str, Any]:
    eip = call.state.eips.get(instance.eip)
    if eip is None:
        return {"IpAddress": "", "AllocationId": "", "InternetChargeType": ""}
    return {
        "IpAddress": eip.address,
        "AllocationId": eip.id,
        "Bandwidth": eip.bandwidth,
        "InternetChargeType": "PayByTraffic",
    }


def _attached(interface: NetworkInterface) -> dict[str, Any]:
    return {
        "NetworkInterfaceId": interface.id,
        "Type": interface.type,
        "MacAddress": interface.mac,
        "PrimaryIpAddress": interface.private_ips[0] if interface.private_ips else "",
        "PrivateIpSets": {"PrivateIpSet": _private_ips(interface)},
        "Ipv6Sets": {"Ipv6Set": [{"Ipv6Address": address} for address in interface.ipv6]},
    }


def _private_ips(interface: NetworkInterface) -> list[dict[str, Any]]:
    return [
        {"PrivateIpAddress": address, "Primary": number == 0}
        for number, address in enumerate(interface.private_ips)
    ]


def tag_list(tags: Tags) -> list[dict[str, str]]:
    """``tags`` as SLB and ECS answer them."""
    return [{"TagKey": key, "TagValue": value} for key, value in tags.items()]


def describe_network_interfaces(call: Call) -> dict[str, Any]:
    """DescribeNetworkInterfaces, by id, address, instance, VPC, status or tag."""
    limit = call.settings.limits.network_interface_ips
    for name in ("PrivateIpAddress", "Ipv6Address", "NetworkInterfaceId"):
        if len(call.listed(name)) > limit:
            raise invalid(name, f"may hold {limit} items at most")
    ids = call.listed("NetworkInterfaceId")
    table = call.state.network_interfaces
    found = [table[i] for i in dict.fromkeys(ids) if i in table] if ids else list(table.values())
    matches = matcher(call, _INTERFACE_FILTERS)
    private = frozenset(call.listed("PrivateIpAddress"))
    ipv6 = frozenset(call.listed("Ipv6Address"))
    items = [
        item
        for item in found
        if (not private or not private.isdisjoint(item.private_ips))
        and (not ipv6 or not ipv6.isdisjoint(item.ipv6))
        and matches(item)
    ]
    chosen, told = _interface_page(call, items)
    sets = [_interface(item) for item in chosen]
    return {"NetworkInterfaceSets": {"NetworkInterfaceSet": sets}, **told}


_INTERFACE_FILTERS = {
    "RegionId": "region",
    "VpcId": "vpc",
    "VSwitchId": "vswitch",
    "InstanceId": "instance",
    "Status": "status",
    "Type": "type",
}


def _interface_page(call: Call, items: list[Any]) -> tuple[list[Any], dict[str, Any]]:
    if call["PageNumber"] is not None or call["PageSize"] is not None:
        return page(call, items, default=call.settings.limits.default_page, largest=500)
    size = min(max(call.number("MaxResults", 10), 10), 500)
    chosen, token = token_page(call, items, size)
    told = {"PageNumber": 1, "PageSize": size, "TotalCount": len(items), "NextToken": token}
    return chosen, compact(told)


def _interface(interface: NetworkInterface) -> dict[str, Any]:
    return compact(
        {
            "NetworkInterfaceId": interface.id,
            "InstanceId": interface.instance,
            "VpcId": interface.vpc,
            "VSwitchId": interface.vswitch,
            "ZoneId": interface.zone,
            "Type": interface.type,
            "Status": interface.status,
            "MacAddress": interface.mac,
            "CreationTime": interface.created,
            "SourceDestCheck": interface.source_dest_check,
            "PrivateIpAddress": interface.private_ips[0] if interface.private_ips else "",
            "PrivateIpSets": {"PrivateIpSet": _private_ips(interface)},
            "Ipv6Sets": {"Ipv6Set": [{"Ipv6Address": address} for address in interface.ipv6]},
            "SecurityGroupIds": {"SecurityGroupId": list(interface.security_groups)},
            "Tags": {"Tag": tag_list(interface.tags)},
        }
    )


def modify_network_interface_attribute(call: Call) -> dict[str, Any]:
    """ModifyNetworkInterfaceAttribute: SourceDestCheck."""
    interface = call.state.network_interfaces.get(call.text("NetworkInterfaceId"))
    if interface is None:
        raise ApiError(
            404, "InvalidEniId.NotFound", "The specified NetworkInterfaceId does not exist."
        )
    if call["SourceDestCheck"] is not None:
        call.state.change(interface, source_dest_check=call["SourceDestCheck"])
    return {}


def describe_regions(call: Call) -> dict[str, Any]:
    """DescribeRegions."""
    regions = [
        {"RegionId": name, "LocalName": name, "RegionEndpoint": f"ecs.{name}.aliyuncs.com"}
        for name in call.settings.regions
    ]
    return {"Regions": {"Region": regions}}


def describe_zones(call: Call) -> dict[str, Any]:
    """DescribeZones."""
    zones = [
        {"ZoneId": zone.id, "LocalName": zone.id, "ZoneType": "AvailabilityZone"}
        for zone in call.state.zones.values()
        if zone.region == call.region
    ]
    return {"Zones": {"Zone": zones}}


def describe_security_groups(call: Call) -> dict[str, Any]:
    """DescribeSecurityGroups, by id, VPC, name or tag."""
    items = [
        group
        for group in call.state.security_groups.values()
        if group.region == call.region
        and call.text("VpcId", group.vpc) == group.vpc
        and call.text("SecurityGroupId", group.id) == group.id
        and call.text("SecurityGroupName", group.name) == group.name
        and has_tags(group.tags, tag_filter(call))
    ]
    size = min(max(call.number("MaxResults", 10), 1), 100)
    chosen, token = token_page(call, items, size)
    groups = [
        compact(
            {
                "SecurityGroupId": group.id,
                "SecurityGroupName": group.name,
                "Description": group.description,
                "SecurityGroupType": group.type,
                "VpcId": group.vpc,
                "CreationTime": group.created,
                "Tags": {"Tag": tag_list(group.tags)},
            }
        )
        for group in chosen
    ]
    told = {"NextToken": token, "RegionId": call.region, "PageNumber": 1, "PageSize": size}
    body = {"SecurityGroups": {"SecurityGroup": groups}, "TotalCount": len(items)}
    return {**body, **compact(told)}


_TOKEN_PAGE = (integer("MaxResults"), text("NextToken"))

ACTIONS = (
    Action(
        "ecs",
        "DescribeInstances",
        describe_instances,
        (
            json_text("InstanceIds"),
            json_text("PrivateIpAddresses"),
            texts("AdditionalAttributes"),
            *(
                text(name)
                for name in (
                    "VpcId",
                    "VSwitchId",
                    "ZoneId",
                    "Status",
                    "InstanceName",
                    "InstanceType",
                    "InstanceChargeType",
                    "InstanceNetworkType",
                )
            ),
            TAG,
            *PAGE,
            *_TOKEN_PAGE,
        ),
        lists=True,
        by_id=("InstanceIds",),
    ),
    Action(
        "ecs",
        "DescribeNetworkInterfaces",
        describe_network_interfaces,
        (
            texts("NetworkInterfaceId"),
            texts("PrivateIpAddress"),
            texts("Ipv6Address"),
            *(text(name) for name in ("VpcId", "VSwitchId", "InstanceId", "Status", "Type")),
            TAG,
            *PAGE,
            *_TOKEN_PAGE,
        ),
        lists=True,
        by_id=("NetworkInterfaceId",),
    ),
    Action(
        "ecs",
        "ModifyNetworkInterfaceAttribute",
        modify_network_interface_attribute,
        (text("NetworkInterfaceId", required=True), boolean("SourceDestCheck")),
        key="NetworkInterfaceId",
    ),
    Action("ecs", "DescribeRegions", describe_regions, regional=False),
    Action("ecs", "DescribeZones", describe_zones),
    Action(
        "ecs",
        "DescribeSecurityGroups",
        describe_security_groups,
        (text("VpcId"), text("SecurityGroupId"), text("SecurityGroupName"), TAG, *_TOKEN_PAGE),
        key="SecurityGroupId",
        lists=True,
        by_id=("SecurityGroupId",),
    ),
)
