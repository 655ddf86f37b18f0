"""Short ways to make Kubernetes objects for tests."""

from __future__ import annotations

import datetime
from collections.abc import Mapping, Sequence
from typing import Any

from cloudprovider.models import (
    LoadBalancerIngress,
    LoadBalancerStatus,
    Node,
    NodeAddress,
    NodeCondition,
    NodeSpec,
    NodeStatus,
    ObjectMeta,
    Service,
    ServicePort,
    ServiceSpec,
    ServiceStatus,
    Taint,
)

#: A time in the past, for ``deletion_timestamp``.
SOME_TIME = datetime.datetime(2026, 1, 1, tzinfo=datetime.UTC)


def make_node(  # noqa: PLR0913 - a test names only what it is about
    name: str = "node-1",
    *,
    provider_id: str | None = None,
    taints: Sequence[str | Taint] = (),
    labels: Mapping[str, str] | None = None,
    annotations: Mapping[str, str] | None = None,
    addresses: Sequence[tuple[str, str]] = (),
    ready: str | None = "True",
    unschedulable: bool | None = None,
    deleted: bool = False,
    uid: str = "",
    pod_cidrs: Sequence[str] = (),
) -> Node:
    """A Node. A taint given as text is a key with the effect NoSchedule; ``ready`` None: unset."""
    return Node(
        kind="Node",
        api_version="v1",
        metadata=ObjectMeta(
            name=name,
            uid=uid or f"uid-{name}",
            labels=None if labels is None else dict(labels),
            annotations=None if annotations is None else dict(annotations),
            deletion_timestamp=SOME_TIME if deleted else None,
        ),
        spec=NodeSpec(
            provider_id=provider_id,
            pod_cidr=pod_cidrs[0] if pod_cidrs else None,
            pod_cidrs=tuple(pod_cidrs) or None,
            unschedulable=unschedulable,
            taints=tuple(
                Taint(key=item, effect="NoSchedule") if isinstance(item, str) else item
                for item in taints
            )
            or None,
        ),
        status=NodeStatus(
            addresses=make_addresses(*addresses) or None,
            conditions=(NodeCondition(type="Ready", status=ready),) if ready else None,
        ),
    )


def make_addresses(*pairs: tuple[str, str]) -> tuple[NodeAddress, ...]:
    """Node addresses from pairs (type, address)."""
    return tuple(NodeAddress(type=kind, address=text) for kind, text in pairs)


def make_service(  # noqa: PLR0913 - a test names only what it is about
    name: str = "web",
    *,
    namespace: str = "default",
    uid: str = "",
    type: str = "LoadBalancer",
    ports: Sequence[ServicePort] = (ServicePort(port=80, name="http", node_port=30080),),
    labels: Mapping[str, str] | None = None,
    annotations: Mapping[str, str] | None = None,
    finalizers: Sequence[str] = (),
    deleted: bool = False,
    addresses: Sequence[str] = (),
    **spec: Any,
) -> Service:
    """A Service; ``addresses`` are those in its status, ``spec`` further fields of its spec."""
    ingress = tuple(LoadBalancerIngress(ip=address) for address in addresses) or None
    return Service(
        kind="Service",
        api_version="v1",
        metadata=ObjectMeta(
            name=name,
            namespace=namespace,
            uid=uid or f"uid-{name}",
            labels=None if labels is None else dict(labels),
            annotations=None if annotations is None else dict(annotations),
            finalizers=tuple(finalizers) or None,
            deletion_timestamp=SOME_TIME if deleted else None,
        ),
        spec=ServiceSpec(type=type, ports=tuple(ports), **spec),
        status=ServiceStatus(load_balancer=LoadBalancerStatus(ingress=ingress)),
    )
