"""Kubernetes objects as read-only structs: the fields this project uses, nothing else.

Attribute names are those of ``kubernetes.client.V1*``. Lists that Kubernetes may send as null are
None or a tuple. Unknown fields are ignored. Why not the official models: they take 4 to 8 times the
CPU and 5 times the memory (``spec/kubernetes-client.md`` 2). :func:`to_kubernetes` gives the
official, typed object where someone needs it.
"""

from __future__ import annotations

import datetime
from collections.abc import Mapping
from typing import Any, TypeVar

import msgspec

_T = TypeVar("_T")


class _Model(
    msgspec.Struct, frozen=True, kw_only=True, rename="camel", omit_defaults=True, gc=False
):
    """Base: immutable, keyword-only, camelCase on the wire."""


class OwnerReference(_Model, frozen=True):
    api_version: str = ""
    kind: str = ""
    name: str = ""
    uid: str = ""
    controller: bool | None = None


class ObjectMeta(_Model, frozen=True):
    name: str = ""
    namespace: str = ""
    uid: str = ""
    resource_version: str = ""
    generation: int | None = None
    creation_timestamp: datetime.datetime | None = None
    deletion_timestamp: datetime.datetime | None = None
    labels: Mapping[str, str] | None = None
    annotations: Mapping[str, str] | None = None
    finalizers: tuple[str, ...] | None = None
    owner_references: tuple[OwnerReference, ...] | None = None


class Object(_Model, frozen=True):
    """Any object, as far as the machinery needs it."""

    metadata: ObjectMeta = ObjectMeta()
    kind: str = ""
    api_version: str = ""

    @property
    def key(self) -> str:
        """``namespace/name``, or ``name`` where there is no namespace."""
        meta = self.metadata
        return f"{meta.namespace}/{meta.name}" if meta.namespace else meta.name


# -- Node ------------------------------------------------------------------------------------


class Taint(_Model, frozen=True):
    key: str = ""
    effect: str = ""
    value: str | None = None
    time_added: datetime.datetime | None = None


class NodeAddress(_Model, frozen=True):
    """``type`` is Hostname, InternalIP, ExternalIP, InternalDNS or ExternalDNS."""

    type: str
    address: str


class NodeCondition(_Model, frozen=True):
    type: str = ""
    status: str = ""
    reason: str | None = None
    message: str | None = None


class NodeSpec(_Model, frozen=True):
    provider_id: str | None = msgspec.field(name="providerID", default=None)
    pod_cidr: str | None = msgspec.field(name="podCIDR", default=None)
    pod_cidrs: tuple[str, ...] | None = msgspec.field(name="podCIDRs", default=None)
    taints: tuple[Taint, ...] | None = None
    unschedulable: bool | None = None


class NodeStatus(_Model, frozen=True):
    addresses: tuple[NodeAddress, ...] | None = None
    conditions: tuple[NodeCondition, ...] | None = None


class Node(Object, frozen=True):
    spec: NodeSpec = NodeSpec()
    status: NodeStatus = NodeStatus()


# -- Service ---------------------------------------------------------------------------------


class ServicePort(_Model, frozen=True):
    port: int
    protocol: str = "TCP"
    name: str | None = None
    node_port: int | None = None
    target_port: int | str | None = None
    app_protocol: str | None = None


class ServiceSpec(_Model, frozen=True):
    type: str = "ClusterIP"
    ports: tuple[ServicePort, ...] | None = None
    selector: Mapping[str, str] | None = None
    cluster_ip: str | None = msgspec.field(name="clusterIP", default=None)
    cluster_ips: tuple[str, ...] | None = msgspec.field(name="clusterIPs", default=None)
    external_ips: tuple[str, ...] | None = msgspec.field(name="externalIPs", default=None)
    external_traffic_policy: str | None = None
    internal_traffic_policy: str | None = None
    session_affinity: str | None = None
    session_affinity_config: Mapping[str, Any] | None = None
    load_balancer_ip: str | None = msgspec.field(name="loadBalancerIP", default=None)
    load_balancer_class: str | None = None
    load_balancer_source_ranges: tuple[str, ...] | None = None
    health_check_node_port: int | None = None
    allocate_load_balancer_node_ports: bool | None = None
    publish_not_ready_addresses: bool | None = None
    ip_families: tuple[str, ...] | None = None
    ip_family_policy: str | None = None


class PortStatus(_Model, frozen=True):
    port: int
    protocol: str
    error: str | None = None


class LoadBalancerIngress(_Model, frozen=True):
    ip: str | None = None
    hostname: str | None = None
    ip_mode: str | None = None
    ports: tuple[PortStatus, ...] | None = None


class LoadBalancerStatus(_Model, frozen=True):
    ingress: tuple[LoadBalancerIngress, ...] | None = None


class ServiceStatus(_Model, frozen=True):
    load_balancer: LoadBalancerStatus = LoadBalancerStatus()


class Service(Object, frozen=True):
    spec: ServiceSpec = ServiceSpec()
    status: ServiceStatus = ServiceStatus()


# -- EndpointSlice ---------------------------------------------------------------------------


class ObjectReference(_Model, frozen=True):
    api_version: str = ""
    kind: str = ""
    namespace: str = ""
    name: str = ""
    uid: str = ""
    resource_version: str = ""
    field_path: str = ""


class EndpointConditions(_Model, frozen=True):
    """Unset ready means ready."""

    ready: bool | None = None
    serving: bool | None = None
    terminating: bool | None = None


class Endpoint(_Model, frozen=True):
    addresses: tuple[str, ...] = ()
    conditions: EndpointConditions = EndpointConditions()
    node_name: str | None = None
    target_ref: ObjectReference | None = None
    zone: str | None = None


class EndpointPort(_Model, frozen=True):
    name: str | None = None
    port: int | None = None
    protocol: str | None = None


class EndpointSlice(Object, frozen=True):
    address_type: str = ""
    endpoints: tuple[Endpoint, ...] | None = None
    ports: tuple[EndpointPort, ...] | None = None


# -- Lease, Event ----------------------------------------------------------------------------


class LeaseSpec(_Model, frozen=True):
    """Times are text with microseconds, as the API server keeps them."""

    holder_identity: str | None = None
    lease_duration_seconds: int | None = None
    acquire_time: str | None = None
    renew_time: str | None = None
    lease_transitions: int | None = None


class Lease(Object, frozen=True):
    spec: LeaseSpec = LeaseSpec()


def decode(data: bytes, model: type[_T]) -> _T:
    """Decode JSON ``data`` as ``model``.

    Raises:
        msgspec.ValidationError: a field has the wrong type; the message names its path.
        msgspec.DecodeError: not JSON.

    """
    return msgspec.json.decode(data, type=model)


def from_builtins(value: Any, model: type[_T]) -> _T:
    """``value`` (dicts and lists, as JSON gives them) as ``model``."""
    return msgspec.convert(value, model)


def to_builtins(value: Any) -> Any:
    """``value`` as dicts and sequences with the API's names; unset fields left out."""
    return msgspec.to_builtins(value)


def to_kubernetes(value: Object) -> Any:
    """``value`` as the typed object of the official client, e.g. ``kubernetes.client.V1Node``.

    Raises:
        ImportError: the extra ``k8s-cloudprovider[kubernetes]`` is not installed.

    """
    try:
        from kubernetes import client
    except ImportError as error:
        raise ImportError("install k8s-cloudprovider[kubernetes] to get official models") from error
    name = {"EndpointSlice": "V1EndpointSlice"}.get(
        type(value).__name__, f"V1{type(value).__name__}"
    )
    response = _Response(msgspec.json.encode(value))
    return client.ApiClient().deserialize(response, name)


class _Response:
    """What the official client's deserialiser reads from."""

    def __init__(self, data: bytes) -> None:
        self.data = data.decode()
