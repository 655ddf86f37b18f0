"""What should be in the cloud for a Service: from Kubernetes objects and configuration alone. Pure.

Source: ``spec/alicloud.md`` 3, 4.2, 4.4, 4.6. Only what an annotation says is ever compared with an
existing load balancer; defaults count when it is created.
"""

from __future__ import annotations

import dataclasses
import zlib
from collections.abc import Mapping, Sequence

from cloudprovider.errors import InvalidConfiguration
from cloudprovider.models import Node, Service, ServicePort
from cloudprovider.toolkit.annotations import Values
from cloudprovider.toolkit.ownership import Owner
from cloudprovider.toolkit.service import (
    allows_all,
    default_load_balancer_name,
    health_check_path_port,
    requests_only_local_traffic,
    source_ranges,
)
from cloudprovider_alicloud import annotations as keys
from cloudprovider_alicloud.api.slb import Backend
from cloudprovider_alicloud.clb import listener_attributes, names
from cloudprovider_alicloud.clb.backends import backend_servers, group_members
from cloudprovider_alicloud.config import AlicloudConfig

#: What upstream's manager gives as the reason of a protection that it chose itself.
PROTECTION_REASON = "managed.by.ack"


@dataclasses.dataclass(frozen=True)
class Group:
    """A server group."""

    name: str
    backends: tuple[Backend, ...]


@dataclasses.dataclass(frozen=True)
class Listener:
    """A listener; ``attributes`` holds what annotations ask for, by the wire's names."""

    protocol: str
    port: int
    group: str  #: name of its server group
    description: str
    attributes: Mapping[str, str] = dataclasses.field(default_factory=dict)


@dataclasses.dataclass(frozen=True)
class Balancer:
    """What annotations say about the load balancer itself; None = they say nothing."""

    name: str | None = None
    address_type: str | None = None
    spec: str | None = None
    instance_charge_type: str | None = None
    internet_charge_type: str | None = None
    bandwidth: int | None = None
    delete_protection: str | None = None
    modification_protection: str | None = None
    resource_group_id: str | None = None
    master_zone_id: str | None = None
    slave_zone_id: str | None = None
    network_type: str | None = None
    ip_version: str | None = None
    address: str | None = None


@dataclasses.dataclass(frozen=True)
class Desired:
    """Everything of one Service."""

    owner: Owner
    tags: Mapping[str, str]  #: of an own load balancer, or the one tag of a reused
    balancer: Balancer = Balancer()
    create: Mapping[str, object] = dataclasses.field(default_factory=dict)  #: of the create call
    reuse_id: str = ""
    manage_listeners: bool = True
    take_over: bool = False  #: listeners made by hand on our ports become ours
    keep_weights: bool = False
    groups: tuple[Group, ...] = ()
    listeners: tuple[Listener, ...] = ()


def desired_state(
    service: Service, nodes: Sequence[Node], values: Values, config: AlicloudConfig
) -> Desired:
    """The desired state of ``service``.

    Raises:
        InvalidConfiguration: an annotation or a field of the spec cannot be done.

    """
    values.raise_for_problems()
    owner = Owner.of(config.cluster_id, service)
    reuse_id = values[keys.ID] or ""
    _check_exposure(service, values, config)
    protocols = _protocols(service, values)
    own_tags = names.balancer_tags(owner, service)
    return Desired(
        owner=owner,
        tags={names.TAG_REUSED: "true"} if reuse_id else own_tags,
        balancer=_balancer(values),
        create={} if reuse_id else _create_params(service, values, config),
        reuse_id=reuse_id,
        manage_listeners=not reuse_id or values[keys.FORCE_OVERRIDE],
        take_over=bool(reuse_id) and values[keys.FORCE_OVERRIDE],
        keep_weights=values[keys.IGNORE_WEIGHT_UPDATE],
        groups=desired_groups(service, nodes, values, config),
        listeners=tuple(
            Listener(
                protocol=protocol,
                port=port.port,
                group=names.GROUP_NAME.format(_node_port(port, index), owner),
                description=names.LISTENER_NAME.format(port.port, owner),
                attributes=_attributes(service, values, protocol),
            )
            for index, (port, protocol) in enumerate(protocols)
        ),
    )


def desired_groups(
    service: Service, nodes: Sequence[Node], values: Values, config: AlicloudConfig
) -> tuple[Group, ...]:
    """The server groups alone: all that a change of nodes can touch.

    Raises:
        InvalidConfiguration: an annotation about backends cannot be done, or a port has no
            node port.

    """
    values.raise_for_problems(*keys.BACKEND_FIELDS)
    _check_backend_type(values, config)
    owner = Owner.of(config.cluster_id, service)
    servers = sorted(backend_servers(nodes, values))
    groups: dict[str, Group] = {}
    for index, port in enumerate(service.spec.ports or ()):
        node_port = _node_port(port, index)
        name = names.GROUP_NAME.format(node_port, owner)
        members = group_members(
            servers, port=node_port, weight=values[keys.DEFAULT_WEIGHT], description=name
        )
        groups[name] = Group(name, members)  # ports with one node port share the group
    return tuple(groups.values())


def nothing(owner: Owner) -> Desired:
    """Desired state of a Service that is to leave a load balancer it does not own."""
    return Desired(owner=owner, tags={})


def _node_port(port: ServicePort, index: int) -> int:
    if not port.node_port:
        raise InvalidConfiguration(
            "a load balancer reaches nodes through a node port, and this port has none",
            field=f"spec.ports[{index}].nodePort",
            value=port.node_port or "",
            accepted="allocateLoadBalancerNodePorts: true",
        )
    return port.node_port


def _protocols(service: Service, values: Values) -> list[tuple[ServicePort, str]]:
    """The listener protocol of every port of ``service``."""
    chosen = values[keys.PROTOCOL_PORT]
    local = requests_only_local_traffic(service)
    found = []
    for index, port in enumerate(service.spec.ports or ()):
        protocol = chosen.get(port.port, port.protocol.lower())
        field = f"spec.ports[{index}].protocol"
        if protocol not in ("tcp", "udp"):
            raise InvalidConfiguration(
                "a CLB has no such listener",
                field=field,
                value=port.protocol,
                accepted="TCP or UDP",
            )
        if local and protocol == "udp":
            raise InvalidConfiguration(
                "with externalTrafficPolicy Local a UDP listener cannot tell which nodes have "
                "endpoints, and would lose traffic",
                field=field,
                value=port.protocol,
                accepted="TCP, or externalTrafficPolicy Cluster",
            )
        found.append((port, protocol))
    if not found:
        raise InvalidConfiguration("there is nothing to listen on", field="spec.ports", value="")
    return found


def _check_backend_type(values: Values, config: AlicloudConfig) -> None:
    if config.service_backend_type == "eni" and keys.BACKEND_TYPE not in values:
        raise InvalidConfiguration(
            "pods as backends are not supported yet, and nodes would take their place",
            field="Global.serviceBackendType",
            value="eni",
            accepted=f"empty, or the annotation {keys.BACKEND_TYPE.key}: ecs",
        )


def _check_exposure(service: Service, values: Values, config: AlicloudConfig) -> None:
    """Refuse what would be open to more than the user wants."""
    internet = values[keys.ADDRESS_TYPE] == "internet" and not values[keys.ID]
    if internet and config.disable_public_slb:
        raise InvalidConfiguration(
            "create public address slb is not allowed",
            field=keys.ANNOTATIONS.full_key(keys.ADDRESS_TYPE),
            value="internet",
            accepted="intranet",
        )
    _check_families(service)
    restricted = not allows_all(source_ranges(service))
    if restricted and values[keys.ACL_STATUS] != "on":
        raise InvalidConfiguration(
            "a CLB restricts clients by access lists only, and would be open to all",
            field="spec.loadBalancerSourceRanges",
            value=",".join(service.spec.load_balancer_source_ranges or ("(annotation)",)),
            accepted="no ranges, or the annotations acl-status: on, acl-type and acl-id",
        )


def _check_families(service: Service) -> None:
    """A CLB has one address, of one family (``spec/alicloud.md`` 3, row 26)."""
    if service.spec.ip_family_policy == "RequireDualStack":
        raise InvalidConfiguration(
            "a CLB has one address, of one family",
            field="spec.ipFamilyPolicy",
            value="RequireDualStack",
            accepted="SingleStack or PreferDualStack",
        )


def _attributes(service: Service, values: Values, protocol: str) -> dict[str, str]:
    """What annotations ask of a listener, and the health check that policy Local needs."""
    path, port = health_check_path_port(service)
    local = listener_attributes.local_check(path, port) if port and protocol == "tcp" else {}
    return {**local, **listener_attributes.from_annotations(values, protocol)}


def _balancer(values: Values) -> Balancer:
    by_bandwidth = values[keys.CHARGE_TYPE] == "paybybandwidth"
    return Balancer(
        name=values[keys.NAME],
        address_type=values.given(keys.ADDRESS_TYPE),
        spec=values[keys.SPEC],
        instance_charge_type=values[keys.INSTANCE_CHARGE_TYPE],
        internet_charge_type=values[keys.CHARGE_TYPE],
        bandwidth=values[keys.BANDWIDTH] if by_bandwidth else None,
        delete_protection=values[keys.DELETE_PROTECTION],
        modification_protection=values[keys.MODIFICATION_PROTECTION],
        resource_group_id=values[keys.RESOURCE_GROUP_ID],
        master_zone_id=values[keys.MASTER_ZONE],
        slave_zone_id=values[keys.SLAVE_ZONE],
        network_type=values[keys.NETWORK_TYPE],
        ip_version=values[keys.IP_VERSION],
        address=values[keys.IP],
    )


def _create_params(service: Service, values: Values, config: AlicloudConfig) -> dict[str, object]:
    """Parameters of CreateLoadBalancer, the same at every attempt. None is not sent."""
    modification = values[keys.MODIFICATION_PROTECTION]
    spec = values[keys.SPEC]
    # A specification means something only when it is what is paid for.
    paid = values[keys.INSTANCE_CHARGE_TYPE] or ("PayBySpec" if spec else "PayByCLCU")
    tags = names.balancer_tags(Owner.of(config.cluster_id, service), service)
    return {
        "LoadBalancerName": values[keys.NAME] or default_load_balancer_name(service),
        "AddressType": values[keys.ADDRESS_TYPE],
        "InstanceChargeType": paid,
        "LoadBalancerSpec": (spec or "slb.s1.small") if paid == "PayBySpec" else None,
        "InternetChargeType": values[keys.CHARGE_TYPE],
        "Bandwidth": values[keys.BANDWIDTH],
        "MasterZoneId": values[keys.MASTER_ZONE],
        "SlaveZoneId": values[keys.SLAVE_ZONE],
        "AddressIPVersion": values[keys.IP_VERSION] or "ipv4",
        "Address": values[keys.IP],
        "ResourceGroupId": values[keys.RESOURCE_GROUP_ID] or config.resource_group_id or None,
        "DeleteProtection": values[keys.DELETE_PROTECTION] or "on",
        "ModificationProtectionStatus": modification or "ConsoleProtection",
        "ModificationProtectionReason": None if modification else PROTECTION_REASON,
        **_network(service, values, config),
        "Tag": [{"Key": key, "Value": value} for key, value in tags.items()],
    }


def _network(service: Service, values: Values, config: AlicloudConfig) -> dict[str, object]:
    """VPC and vSwitch of a private address.

    The vSwitch is drawn by the UID, not at random: repeated with another one, the create call
    would be refused because its client token was used with other parameters.
    """
    if values[keys.ADDRESS_TYPE] != "intranet":
        return {}
    if values[keys.NETWORK_TYPE] == "classic":
        return {"VpcId": config.vpc_id or None}
    vswitch = values[keys.VSWITCH]
    if not vswitch:
        if not config.vswitches:
            raise InvalidConfiguration(
                "a private address needs a vSwitch, and none is configured",
                field=keys.ANNOTATIONS.full_key(keys.VSWITCH),
                accepted="a vSwitch id here, or Global.vswitchid in the cloud config",
            )
        index = zlib.crc32(service.metadata.uid.encode()) % len(config.vswitches)
        vswitch = config.vswitches[index].vswitch_id
    return {"VpcId": config.vpc_id or None, "VSwitchId": vswitch}
