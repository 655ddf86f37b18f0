"""What exists, for people; what is wrong, for checks."""

from __future__ import annotations

import collections
from collections.abc import Container, Iterable, Iterator

import msgspec

from cloudprovider.testing.emulation import InventoryItem
from cloudprovider_alicloud.emulator.core import EmulatorCore
from cloudprovider_alicloud.emulator.resources import (
    LoadBalancer,
    Record,
    Tags,
    VServerGroup,
)
from cloudprovider_alicloud.emulator.state import State

#: Tags of a cluster's load balancer (``spec/alicloud.md`` 4.2).
CLUSTER_TAG = "ack.aliyun.com"
NAME_TAG = "kubernetes.do.not.delete"


def inventory(core: EmulatorCore) -> list[InventoryItem]:
    """Every resource, instances first, each parent before its children."""
    with core.lock:
        core.state.settle(core.concurrency.monotonic())
        return [*_instances(core.state), *_load_balancers(core.state), *_routes(core.state)]


def _instances(state: State) -> Iterator[InventoryItem]:
    for item in state.instances.values():
        details = {
            "status": item.status,
            "zone": item.zone,
            "ip": ", ".join(item.private_ips),
        }
        yield InventoryItem("instance", item.id, item.name, details=details)


def _load_balancers(state: State) -> Iterator[InventoryItem]:
    for item in state.load_balancers.values():
        details = {"address": item.address, "type": item.address_type, "status": item.status}
        yield InventoryItem("load balancer", item.id, item.name, _owner(state, item), details)
        for key in item.listeners:
            listener = state.listeners[key]
            name = str(listener.attributes.get("Description", ""))
            details = {
                "port": f"{listener.port}/{listener.protocol}",
                "status": listener.status,
                "server group": listener.vserver_group,
            }
            yield InventoryItem("listener", key, name, service_of(name), details)
        for key in item.vserver_groups:
            group = state.vserver_groups[key]
            details = {"backends": ", ".join(_backends(group))}
            yield InventoryItem("server group", key, group.name, service_of(group.name), details)


def _backends(group: VServerGroup) -> list[str]:
    return [f"{b.ip or b.server}:{b.port} weight {b.weight}" for b in group.backends]


def _routes(state: State) -> Iterator[InventoryItem]:
    for item in state.route_entries.values():
        if item.type == "Custom":
            hops = ", ".join(hop.id for hop in item.next_hops)
            details = {"table": item.table, "next hop": hops, "status": item.status}
            yield InventoryItem("route", item.id, item.cidr, details=details)


def service_of(name: str) -> str:
    """``namespace/service`` from ``k8s/PORT/SERVICE/NAMESPACE/CLUSTER``, or an empty string."""
    parts = name.split("/")
    return f"{parts[3]}/{parts[2]}" if len(parts) == 5 and parts[0] == "k8s" else ""


def _owner(state: State, item: LoadBalancer) -> str:
    if NAME_TAG not in item.tags:
        return ""
    names = [state.vserver_groups[key].name for key in item.vserver_groups]
    names += [str(state.listeners[key].attributes.get("Description")) for key in item.listeners]
    return next((owner for owner in map(service_of, names) if owner), "")


def problems(core: EmulatorCore) -> list[str]:
    """Broken invariants, as sentences: duplicates, leftovers, pointers to nothing."""
    with core.lock:
        state = core.state
        return [
            *_duplicate_load_balancers(state),
            *_untagged(state),
            *_broken_listeners(state),
            *_broken_groups(state),
            *_broken_routes(state),
        ]


def _repeated(keys: Iterable[object]) -> list[object]:
    return [key for key, count in collections.Counter(keys).items() if count > 1]


def _duplicate_load_balancers(state: State) -> Iterator[str]:
    names = (
        (item.tags.get(CLUSTER_TAG), item.tags[NAME_TAG])
        for item in state.load_balancers.values()
        if NAME_TAG in item.tags
    )
    for key in _repeated(names):
        yield f"more than one load balancer is tagged {key}"


def _untagged(state: State) -> Iterator[str]:
    for item in state.load_balancers.values():
        if (CLUSTER_TAG in item.tags) != (NAME_TAG in item.tags):
            yield f"load balancer {item.id} has one of the tags {CLUSTER_TAG}, {NAME_TAG} only"


def _broken_listeners(state: State) -> Iterator[str]:
    for item in state.listeners.values():
        parent = state.load_balancers.get(item.load_balancer)
        if parent is None or item.id not in parent.listeners:
            yield f"listener {item.id} belongs to no load balancer"
        elif item.vserver_group and not (
            item.vserver_group in parent.vserver_groups
            and item.vserver_group in state.vserver_groups
        ):
            yield f"listener {item.id} uses {item.vserver_group}, which is not there"


def _servers(state: State, kind: str) -> Container[str] | None:
    """The ids that backends of ``kind`` may have; None where they are not emulated."""
    if kind == "ecs":
        return state.instances
    return state.network_interfaces if kind == "eni" else None


def _broken_groups(state: State) -> Iterator[str]:
    for item in state.vserver_groups.values():
        parent = state.load_balancers.get(item.load_balancer)
        if parent is None or item.id not in parent.vserver_groups:
            yield f"server group {item.id} belongs to no load balancer"
        for backend in item.backends:
            known = _servers(state, backend.type)
            if known is not None and backend.server not in known:
                yield f"server group {item.id} has backend {backend.server}, which is gone"
    names = (
        (group.load_balancer, group.name)
        for group in state.vserver_groups.values()
        if service_of(group.name)
    )
    for key in _repeated(names):
        yield f"more than one server group is called {key}"


def _broken_routes(state: State) -> Iterator[str]:
    customs = [item for item in state.route_entries.values() if item.type == "Custom"]
    for key in _repeated((item.table, item.cidr) for item in customs):
        yield f"more than one route leads to {key}"
    for item in customs:
        for hop in item.next_hops:
            if hop.type == "Instance" and hop.id not in state.instances:
                yield f"route {item.cidr} leads to {hop.id}, which is gone"


def foreign(core: EmulatorCore, cluster_id: str) -> dict[str, Record]:
    """Everything that is not provably of cluster ``cluster_id``, by id.

    Two of these are equal when nobody's resources were touched. Ours are: a load balancer by its
    tags, with all it holds; a listener, group or backend by its name, wherever it is; a route
    without a name. What we own inside a foreign resource is left out of that resource.
    """
    with core.lock:
        state = core.state
        found: dict[str, Record] = {**state.security_groups}
        ours = {k for k, v in state.load_balancers.items() if _is_ours(v.tags, cluster_id)}
        for key, item in state.load_balancers.items():
            if key not in ours:
                found[key] = msgspec.structs.replace(item, listeners=(), vserver_groups=())
        for key, listener in state.listeners.items():
            name = str(listener.attributes.get("Description", ""))
            if listener.load_balancer not in ours and not _is_named(name, cluster_id):
                found[key] = listener
        for key, group in state.vserver_groups.items():
            if group.load_balancer not in ours and not _is_named(group.name, cluster_id):
                theirs = [b for b in group.backends if not _is_named(b.description, cluster_id)]
                found[key] = msgspec.structs.replace(group, backends=tuple(theirs))
        for key, route in state.route_entries.items():
            if route.type != "Custom" or route.name:
                found[key] = route
        return found


def _is_ours(tags: Tags, cluster_id: str) -> bool:
    return tags.get(CLUSTER_TAG) == cluster_id and NAME_TAG in tags


def _is_named(name: str, cluster_id: str) -> bool:
    return bool(service_of(name)) and name.endswith(f"/{cluster_id}")
