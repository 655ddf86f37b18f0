"""The SLB API (2014-05-15), as far as we call it: one method per action, frozen dataclasses out.

Source of fields and limits: ``spec/alicloud.md`` 7.2, 7.5, Appendix A.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from cloudprovider_alicloud.api.caller import json_text
from cloudprovider_alicloud.api.client import CloudApi
from cloudprovider_alicloud.api.replies import integer, items, text

#: Largest page of DescribeLoadBalancers and DescribeLoadBalancerListeners.
PAGE_SIZE = 100
#: Most load balancers that one DescribeLoadBalancerListeners takes.
BALANCERS_PER_CALL = 10
#: Part of the listener actions' names.
_WIRE_PROTOCOL = {"tcp": "TCP", "udp": "UDP", "http": "HTTP", "https": "HTTPS"}


@dataclasses.dataclass(frozen=True, slots=True)
class LoadBalancer:
    """A classic load balancer."""

    id: str
    name: str = ""
    address: str = ""
    address_type: str = ""  #: internet or intranet
    ip_version: str = ""
    network_type: str = ""
    master_zone_id: str = ""
    slave_zone_id: str = ""
    spec: str = ""
    instance_charge_type: str = ""
    internet_charge_type: str = ""
    bandwidth: int = 0  #: Mbit/s
    delete_protection: str = ""  #: on or off
    modification_protection: str = ""
    resource_group_id: str = ""
    tags: Mapping[str, str] = dataclasses.field(default_factory=dict)


@dataclasses.dataclass(frozen=True, slots=True)
class Listener:
    """A listener. (protocol, port) identify it on its load balancer."""

    balancer_id: str
    protocol: str  #: tcp, udp, http or https
    port: int
    status: str = ""  #: running, stopped, …
    group_id: str = ""
    description: str = ""
    #: Everything else by the reply's names, e.g. Scheduler, HealthCheckInterval; lists with commas.
    attributes: Mapping[str, str] = dataclasses.field(default_factory=dict)


@dataclasses.dataclass(frozen=True, order=True, slots=True)
class Backend:
    """A server in a server group. (server_id, server_ip, port) identify it there."""

    server_id: str
    port: int
    weight: int = 100  #: 0 to 100
    description: str = ""
    server_ip: str = ""
    type: str = "ecs"

    @property
    def key(self) -> tuple[str, str, int]:
        return self.server_id, self.server_ip, self.port


@dataclasses.dataclass(frozen=True, slots=True)
class ServerGroup:
    """A vServer group; ``backends`` are sorted."""

    id: str
    name: str
    backends: tuple[Backend, ...] = ()


class SlbApi:
    """SLB actions through ``cloud_api``. Errors: :mod:`cloudprovider_alicloud.api.errors`."""

    def __init__(self, cloud_api: CloudApi) -> None:
        self._api = cloud_api

    # -- load balancers --------------------------------------------------------------------

    def create_load_balancer(self, params: Mapping[str, object], *, token: str) -> LoadBalancer:
        """Create one; only id and address of the result are known. Action CreateLoadBalancer.

        The same ``token`` with the same ``params`` gives the same load balancer.
        """
        reply = self._write("CreateLoadBalancer", {**params, "ClientToken": token}, idempotent=True)
        return LoadBalancer(id=text(reply, "LoadBalancerId"), address=text(reply, "Address"))

    def describe_load_balancers(
        self, *, tags: Mapping[str, str] | None = None, name: str = "", address: str = ""
    ) -> tuple[tuple[LoadBalancer, ...], int]:
        """Those with all ``tags``, or a name, or an address; and how many pages that took.

        Action DescribeLoadBalancers.
        """
        wanted = [{"TagKey": key, "TagValue": value} for key, value in (tags or {}).items()]
        params: dict[str, object] = {
            "Tags": json_text(wanted) if wanted else None,
            "LoadBalancerName": name or None,
            "Address": address or None,
            "PageSize": PAGE_SIZE,
        }
        found: dict[str, LoadBalancer] = {}
        number = 1
        while True:
            page = self._read("DescribeLoadBalancers", {**params, "PageNumber": number})
            entries = items(page, "LoadBalancers", "LoadBalancer")
            found.update(
                (text(entry, "LoadBalancerId"), _load_balancer(entry)) for entry in entries
            )
            if not entries or number * PAGE_SIZE >= integer(page, "TotalCount"):
                return tuple(found.values()), number
            number += 1

    def describe_load_balancer(self, balancer_id: str) -> LoadBalancer:
        """One by its id. Action DescribeLoadBalancerAttribute.

        Raises:
            ResourceNotFound: there is none with this id.

        """
        reply = self._read("DescribeLoadBalancerAttribute", {"LoadBalancerId": balancer_id})
        return _load_balancer(reply)

    def delete_load_balancer(self, balancer_id: str) -> None:
        """Delete it with its listeners and groups. Action DeleteLoadBalancer."""
        self._write("DeleteLoadBalancer", {"LoadBalancerId": balancer_id}, idempotent=True)

    def set_delete_protection(self, balancer_id: str, value: str) -> None:
        """``on`` or ``off``. Action SetLoadBalancerDeleteProtection."""
        params = {"LoadBalancerId": balancer_id, "DeleteProtection": value}
        self._write("SetLoadBalancerDeleteProtection", params, idempotent=True)

    def set_modification_protection(self, balancer_id: str, status: str, *, reason: str) -> None:
        """ConsoleProtection or NonProtection. Action SetLoadBalancerModificationProtection."""
        params = {
            "LoadBalancerId": balancer_id,
            "ModificationProtectionStatus": status,
            "ModificationProtectionReason": reason or None,
        }
        self._write("SetLoadBalancerModificationProtection", params, idempotent=True)

    def set_name(self, balancer_id: str, name: str) -> None:
        """1 to 80 characters. Action SetLoadBalancerName."""
        params = {"LoadBalancerId": balancer_id, "LoadBalancerName": name}
        self._write("SetLoadBalancerName", params, idempotent=True)

    def modify_spec(self, balancer_id: str, spec: str) -> None:
        """E.g. ``slb.s2.small``. Action ModifyLoadBalancerInstanceSpec."""
        params = {"LoadBalancerId": balancer_id, "LoadBalancerSpec": spec}
        self._write("ModifyLoadBalancerInstanceSpec", params, idempotent=True)

    def modify_instance_charge_type(self, balancer_id: str, kind: str, *, spec: str) -> None:
        """PayBySpec with a spec, or PayByCLCU. Action ModifyLoadBalancerInstanceChargeType."""
        params = {
            "LoadBalancerId": balancer_id,
            "InstanceChargeType": kind,
            "LoadBalancerSpec": spec or None,
        }
        self._write("ModifyLoadBalancerInstanceChargeType", params, idempotent=True)

    def modify_internet_spec(self, balancer_id: str, kind: str, *, bandwidth: int | None) -> None:
        """``paybytraffic`` or ``paybybandwidth``. Action ModifyLoadBalancerInternetSpec."""
        params = {
            "LoadBalancerId": balancer_id,
            "InternetChargeType": kind or None,
            "Bandwidth": bandwidth,
        }
        self._write("ModifyLoadBalancerInternetSpec", params, idempotent=True)

    def tag(self, balancer_id: str, tags: Mapping[str, str]) -> None:
        """Set up to 20 tags. Action TagResources."""
        params = {
            "ResourceType": "instance",
            "ResourceId": [balancer_id],
            "Tag": [{"Key": key, "Value": value} for key, value in tags.items()],
        }
        self._write("TagResources", params, idempotent=True)

    def untag(self, balancer_id: str, keys: Sequence[str]) -> None:
        """Remove up to 20 tags. Action UntagResources."""
        params = {"ResourceType": "instance", "ResourceId": [balancer_id], "TagKey": list(keys)}
        self._write("UntagResources", params, idempotent=True)

    # -- listeners -------------------------------------------------------------------------

    def describe_listeners(self, balancer_ids: Sequence[str]) -> tuple[Listener, ...]:
        """All listeners of up to 10 load balancers. Action DescribeLoadBalancerListeners."""
        params: dict[str, object] = {"LoadBalancerId": list(balancer_ids), "MaxResults": PAGE_SIZE}
        return tuple(
            _listener(item)
            for page in self._token_pages("DescribeLoadBalancerListeners", params)
            for item in items(page, "Listeners")
        )

    def create_listener(
        self, balancer_id: str, protocol: str, port: int, params: Mapping[str, object]
    ) -> None:
        """Create a listener, which is stopped. Actions CreateLoadBalancer{TCP,UDP}Listener."""
        action = f"CreateLoadBalancer{_WIRE_PROTOCOL[protocol]}Listener"
        full = {"LoadBalancerId": balancer_id, "ListenerPort": port, **params}
        self._write(action, full)

    def set_listener(
        self, balancer_id: str, protocol: str, port: int, params: Mapping[str, object]
    ) -> None:
        """Change a listener. Actions SetLoadBalancer{TCP,UDP}ListenerAttribute."""
        action = f"SetLoadBalancer{_WIRE_PROTOCOL[protocol]}ListenerAttribute"
        full = {"LoadBalancerId": balancer_id, "ListenerPort": port, **params}
        self._write(action, full, idempotent=True)

    def start_listener(self, balancer_id: str, protocol: str, port: int) -> None:
        """Let a listener take traffic. Action StartLoadBalancerListener."""
        self._listener_action("StartLoadBalancerListener", balancer_id, protocol, port)

    def delete_listener(self, balancer_id: str, protocol: str, port: int) -> None:
        """Delete a listener. Action DeleteLoadBalancerListener."""
        self._listener_action("DeleteLoadBalancerListener", balancer_id, protocol, port)

    def _listener_action(self, action: str, balancer_id: str, protocol: str, port: int) -> None:
        params = {
            "LoadBalancerId": balancer_id,
            "ListenerPort": port,
            "ListenerProtocol": protocol,
        }
        self._write(action, params, idempotent=True)

    # -- server groups ---------------------------------------------------------------------

    def describe_server_groups(self, balancer_id: str) -> tuple[ServerGroup, ...]:
        """All groups of a load balancer, without backends. Action DescribeVServerGroups."""
        reply = self._read("DescribeVServerGroups", {"LoadBalancerId": balancer_id})
        return tuple(
            ServerGroup(id=text(item, "VServerGroupId"), name=text(item, "VServerGroupName"))
            for item in items(reply, "VServerGroups", "VServerGroup")
        )

    def describe_server_group(self, group_id: str) -> ServerGroup:
        """One with its backends. Action DescribeVServerGroupAttribute.

        Raises:
            ResourceNotFound: there is none with this id.

        """
        reply = self._read("DescribeVServerGroupAttribute", {"VServerGroupId": group_id})
        backends = sorted(
            _backend(item) for item in items(reply, "BackendServers", "BackendServer")
        )
        return ServerGroup(
            id=group_id, name=text(reply, "VServerGroupName"), backends=tuple(backends)
        )

    def create_server_group(self, balancer_id: str, name: str, backends: Sequence[Backend]) -> str:
        """Create a group with its first backends; its id. Action CreateVServerGroup."""
        params = {
            "LoadBalancerId": balancer_id,
            "VServerGroupName": name,
            "BackendServers": _backends_text(backends) if backends else None,
        }
        return text(self._write("CreateVServerGroup", params), "VServerGroupId")

    def add_backends(self, group_id: str, backends: Sequence[Backend]) -> None:
        """Action AddVServerGroupBackendServers; 20 at once are documented."""
        self._backends_action("AddVServerGroupBackendServers", group_id, backends)

    def remove_backends(self, group_id: str, backends: Sequence[Backend]) -> None:
        """Action RemoveVServerGroupBackendServers."""
        self._backends_action("RemoveVServerGroupBackendServers", group_id, backends)

    def set_backends(self, group_id: str, backends: Sequence[Backend]) -> None:
        """Set weight and description of members. Action SetVServerGroupAttribute."""
        params = {"VServerGroupId": group_id, "BackendServers": _backends_text(backends)}
        self._write("SetVServerGroupAttribute", params, idempotent=True)

    def delete_server_group(self, group_id: str) -> None:
        """Refused while a listener uses it. Action DeleteVServerGroup."""
        self._write("DeleteVServerGroup", {"VServerGroupId": group_id}, idempotent=True)

    def _backends_action(self, action: str, group_id: str, backends: Sequence[Backend]) -> None:
        params = {"VServerGroupId": group_id, "BackendServers": _backends_text(backends)}
        self._write(action, params)

    # -- calling ---------------------------------------------------------------------------

    def _read(self, action: str, params: Mapping[str, object]) -> dict[str, Any]:
        return self._api.call("slb", action, params, idempotent=True, write=False)

    def _write(
        self, action: str, params: Mapping[str, object], *, idempotent: bool = False
    ) -> dict[str, Any]:
        return self._api.call("slb", action, params, idempotent=idempotent, write=True)

    def _token_pages(self, action: str, params: Mapping[str, object]) -> Iterator[dict[str, Any]]:
        token = ""
        while True:
            page = self._read(action, {**params, "NextToken": token or None})
            yield page
            following = text(page, "NextToken")
            if not following or following == token:
                return
            token = following


def _load_balancer(entry: Mapping[str, Any]) -> LoadBalancer:
    return LoadBalancer(
        id=text(entry, "LoadBalancerId"),
        name=text(entry, "LoadBalancerName"),
        address=text(entry, "Address"),
        address_type=text(entry, "AddressType"),
        ip_version=text(entry, "AddressIPVersion"),
        network_type=text(entry, "NetworkType"),
        master_zone_id=text(entry, "MasterZoneId"),
        slave_zone_id=text(entry, "SlaveZoneId"),
        spec=text(entry, "LoadBalancerSpec"),
        instance_charge_type=text(entry, "InstanceChargeType"),
        # The list has a number in InternetChargeType and the words in its alias.
        internet_charge_type=text(entry, "InternetChargeTypeAlias")
        or text(entry, "InternetChargeType"),
        bandwidth=integer(entry, "Bandwidth"),
        delete_protection=text(entry, "DeleteProtection"),
        modification_protection=text(entry, "ModificationProtectionStatus"),
        resource_group_id=text(entry, "ResourceGroupId"),
        tags={text(tag, "TagKey"): text(tag, "TagValue") for tag in items(entry, "Tags", "Tag")},
    )


def _listener(item: Mapping[str, Any]) -> Listener:
    protocol = text(item, "ListenerProtocol").lower()
    config = item.get(f"{_WIRE_PROTOCOL.get(protocol, '')}ListenerConfig") or {}
    return Listener(
        balancer_id=text(item, "LoadBalancerId"),
        protocol=protocol,
        port=integer(item, "ListenerPort"),
        status=text(item, "Status"),
        group_id=text(item, "VServerGroupId"),
        description=text(item, "Description"),
        attributes={
            name: _plain(value)
            for name, value in {**item, **config}.items()
            if value is not None and not isinstance(value, dict)
        },
    )


def _plain(value: object) -> str:
    if isinstance(value, list):
        return ",".join(str(item) for item in value)
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value)


def _backend(item: Mapping[str, Any]) -> Backend:
    return Backend(
        server_id=text(item, "ServerId"),
        port=integer(item, "Port"),
        weight=integer(item, "Weight", 100),
        description=text(item, "Description"),
        server_ip=text(item, "ServerIp") if text(item, "Type") in ("eni", "eci") else "",
        type=text(item, "Type") or "ecs",
    )


def _backends_text(backends: Sequence[Backend]) -> str:
    """The JSON text that the backend actions take; numbers quoted, as documented."""
    return json_text(
        [
            {
                "ServerId": backend.server_id,
                "Port": str(backend.port),
                "Weight": str(backend.weight),
                "Type": backend.type,
                "Description": backend.description,
                **({"ServerIp": backend.server_ip} if backend.server_ip else {}),
            }
            for backend in backends
        ]
    )
