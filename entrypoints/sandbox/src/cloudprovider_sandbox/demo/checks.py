"""What must hold, as pure functions: each names what does not hold, or nothing."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from cloudprovider.testing.emulation import EmulatedInstance, InventoryItem

Object = Mapping[str, Any]

UNINITIALIZED = "node.cloudprovider.kubernetes.io/uninitialized"
_LABELS = (
    "topology.kubernetes.io/region",
    "topology.kubernetes.io/zone",
    "node.kubernetes.io/instance-type",
)


@dataclasses.dataclass(frozen=True)
class Balancer:
    """A load balancer as the cloud has it."""

    id: str
    address: str
    listeners: Mapping[tuple[str, int], str]  #: (protocol, port) to the id of its group
    running: frozenset[tuple[str, int]]  #: listeners that take traffic
    backends: Mapping[str, frozenset[tuple[str, int]]]  #: group id to (instance id, port)


def tainted(nodes: Iterable[Object], instances: Iterable[EmulatedInstance]) -> list[str]:
    """Every instance is a node that waits to be initialised."""
    by_name = {node["metadata"]["name"]: node for node in nodes}
    waiting = {name for name, node in by_name.items() if _waits(node)}
    names = [instance.node_name for instance in instances]
    return [
        *(f"node {name} is not there" for name in names if name not in by_name),
        *(f"node {name} has no taint" for name in names if name in by_name.keys() - waiting),
    ]


def _waits(node: Object) -> bool:
    return any(taint["key"] == UNINITIALIZED for taint in node["spec"].get("taints") or ())


def initialised(nodes: Iterable[Object], instances: Iterable[EmulatedInstance]) -> list[str]:
    """Every instance is a node with providerID, addresses and labels, and without the taint."""
    by_name = {node["metadata"]["name"]: node for node in nodes}
    problems: list[str] = []
    for instance in instances:
        node = by_name.get(instance.node_name)
        if node is None:
            problems.append(f"node {instance.node_name} is not there")
        else:
            problems += [f"node {instance.node_name}: {p}" for p in _node(node, instance)]
    return problems


def _node(node: Object, instance: EmulatedInstance) -> list[str]:
    spec = node.get("spec") or {}
    labels = node["metadata"].get("labels") or {}
    addresses = (node.get("status") or {}).get("addresses") or ()
    problems = [f"label {label} is missing" for label in _LABELS if not labels.get(label)]
    if _waits(node):
        problems.append("the uninitialized taint is still there")
    if spec.get("providerID") != instance.provider_id:
        problems.append(f"providerID is {spec.get('providerID')!r}, not {instance.provider_id!r}")
    if {"type": "InternalIP", "address": instance.internal_ip} not in addresses:
        problems.append(f"InternalIP {instance.internal_ip} is missing")
    return problems


def exposed(
    service: Object, balancers: Sequence[Balancer], instances: Iterable[EmulatedInstance]
) -> list[str]:
    """One balancer for ``service``: its address, its ports, and every instance behind each."""
    if len(balancers) != 1:
        return [f"the cloud has {len(balancers)} load balancers of this Service, not 1"]
    balancer = balancers[0]
    problems = _address(service, balancer)
    ports = {
        (port["protocol"], port["port"]): port["nodePort"] for port in service["spec"]["ports"]
    }
    if set(balancer.listeners) != set(ports):
        problems.append(f"listeners are {_ports(balancer.listeners)}, not {_ports(ports)}")
    stopped = set(balancer.listeners) - balancer.running
    if stopped:
        problems.append(f"listeners {_ports(stopped)} do not run")
    ids = sorted(instance.instance_id for instance in instances)
    for port, node_port in ports.items():
        group = balancer.backends.get(balancer.listeners.get(port, ""), frozenset())
        if group != {(instance_id, node_port) for instance_id in ids}:
            problems.append(f"the backends of {_ports([port])} are {_backends(group)}, not {ids}")
    return problems


def _address(service: Object, balancer: Balancer) -> list[str]:
    ingress = ((service.get("status") or {}).get("loadBalancer") or {}).get("ingress") or []
    addresses = [entry.get("ip") or entry.get("hostname") for entry in ingress]
    if addresses == [balancer.address]:
        return []
    return [f"the Service's address is {addresses}, the load balancer's {balancer.address}"]


def routed(
    nodes: Iterable[Object], items: Iterable[InventoryItem], instances: Iterable[EmulatedInstance]
) -> list[str]:
    """Every node's Pods are reached by one route to its instance."""
    ids = {instance.node_name: instance.instance_id for instance in instances}
    hops: dict[str, list[str]] = {}
    for item in items:
        if item.kind == "route":
            hops.setdefault(item.name, []).append(item.details.get("next hop", ""))
    problems = []
    for node in nodes:
        name, cidr = node["metadata"]["name"], node["spec"].get("podCIDR", "")
        if name in ids and hops.get(cidr) != [ids[name]]:
            problems.append(f"routes of {cidr} lead to {hops.get(cidr, [])}, not to {name}")
    return problems


def untouched(before: Iterable[InventoryItem], now: Iterable[InventoryItem]) -> list[str]:
    """Everything of ``before`` is still there as it was."""
    current = {(item.kind, item.id): item for item in now}
    problems = []
    for item in before:
        found = current.get((item.kind, item.id))
        if found is None:
            problems.append(f"{item.kind} {item.id} ({item.name}), not ours, is gone")
        elif found != item:
            problems.append(f"{item.kind} {item.id} ({item.name}), not ours, was changed")
    return problems


def same(before: Iterable[InventoryItem], now: Iterable[InventoryItem]) -> list[str]:
    """The cloud is as it was: nothing missing, changed or left behind."""
    before = list(before)
    known = {(item.kind, item.id) for item in before}
    left = [item for item in now if (item.kind, item.id) not in known]
    return [
        *untouched(before, now),
        *(f"{item.kind} {item.id} ({item.name}) was left behind" for item in left),
    ]


def without_nodes(
    items: Iterable[InventoryItem], instances: Iterable[EmulatedInstance]
) -> list[InventoryItem]:
    """``items`` without what comes and goes with nodes: instances, and routes to them."""
    ids = {instance.instance_id for instance in instances}
    return [
        item
        for item in items
        if item.kind not in ("instance", "network interface")
        and not (item.kind == "route" and item.details.get("next hop") in ids)
    ]


def _ports(ports: Iterable[tuple[str, int]]) -> str:
    return ", ".join(f"{port}/{protocol}" for protocol, port in sorted(ports)) or "none"


def _backends(group: Iterable[tuple[str, int]]) -> str:
    return ", ".join(f"{instance}:{port}" for instance, port in sorted(group)) or "none"
