"""For O14: the state that is reached by any way, and the one that is reached from nothing.

What users declare in the end is declared in a fresh cluster at once, and what comes of it is
compared, ids, addresses and times left out.
"""

from __future__ import annotations

import functools
import re

import msgspec
from cluster import CLUSTER_ID

from cloudprovider_alicloud.provider import CLB_CLASS
from cloudprovider_controllers.runtime.resources import NAMESPACES, SERVICES

_EXCLUDE = "node.kubernetes.io/exclude-from-external-load-balancers"
_OF_A_USER = (
    "type",
    "selector",
    "ports",
    "sessionAffinity",
    "externalTrafficPolicy",
    "loadBalancerClass",
)


def declared(world):
    """What users want, as text that tells different wishes apart."""
    services = [
        {
            "namespace": service["metadata"]["namespace"],
            "metadata": {
                "name": service["metadata"]["name"],
                "annotations": service["metadata"].get("annotations") or {},
            },
            "spec": {k: v for k, v in service["spec"].items() if k in _OF_A_USER},
        }
        for service in _services(world)
    ]
    nodes = [
        {
            "name": node.metadata.name,
            "excluded": _EXCLUDE in (node.metadata.labels or {}),
            "cordoned": bool(node.spec.unschedulable),
            "stopped": node.metadata.name in world.stopped,
        }
        for node in world.server_objects("nodes")
    ]
    nodes.sort(key=lambda node: node["name"])
    return msgspec.json.encode({"services": services, "nodes": nodes}, order="sorted")


def reached(world):
    """What came of it: Services, Nodes and load balancers without what is never the same."""
    services = _services(world)
    nodes = [_node(node) for node in world.server_objects("nodes")]
    found = [*map(_service, services), *nodes, *_balancers(world)]
    text = msgspec.json.encode(found, order="sorted").decode()
    for balancer in world.core.state.load_balancers.values():
        text = text.replace(balancer.id, "<load balancer>").replace(balancer.address, "<address>")
    for group in world.core.state.vserver_groups.values():
        text = text.replace(group.id, f"<group {group.name}>")
    for name, instance in world.instances.items():
        text = text.replace(instance.id, f"<instance of {name}>")
        for address in instance.private_ips:
            text = text.replace(f'"{address}"', f'"<address of {name}>"')
    for service in services:
        uid = service["metadata"]["uid"]
        for known in (f"a{uid.replace('-', '')}"[:32], uid):
            text = text.replace(known, f"<uid of {service['metadata']['name']}>")
        port = service["spec"].get("healthCheckNodePort")
        if port:
            text = re.sub(rf"\b{port}\b", '"<port for health checks>"', text)
    return frozenset(
        msgspec.json.encode(item, order="sorted").decode() for item in msgspec.json.decode(text)
    )


@functools.cache
def from_nothing(declaration):
    """What comes of a declaration in a fresh cluster."""
    from world import World  # it compares with us

    wanted = msgspec.json.decode(declaration)

    def scenario(world):
        for node in wanted["nodes"]:
            _join(world, node)
        namespaces = {service["namespace"] for service in wanted["services"]} - {"default"}
        for name in sorted(namespaces):
            world.client.create(NAMESPACES, {"metadata": {"name": name}})
        for service in wanted["services"]:
            made = {"metadata": service["metadata"], "spec": service["spec"]}
            world.client.create(SERVICES, made, service["namespace"])
        world.settle()
        world.outcome = reached(world)

    return World(nodes=0).play(scenario).outcome


def _join(world, node):
    name = node["name"]
    world.join(name)
    if node["excluded"]:
        world.exclude(name)
    if node["cordoned"]:
        world.cordon(name)
    if node["stopped"]:
        world.stop(name)


def _services(world):
    """Those that are ours to serve, or nobody's."""
    found = [
        msgspec.json.decode(entry.data) for entry in world.server.store.table("services").entries()
    ]
    return sorted(
        (
            service
            for service in found
            if service["spec"] != "nonsense"
            and service["metadata"]["name"] != "kubernetes"
            and service["spec"].get("loadBalancerClass") in {None, CLB_CLASS}
        ),
        key=lambda service: (service["metadata"]["namespace"], service["metadata"]["name"]),
    )


def _service(service):
    meta, spec = service["metadata"], service["spec"]
    return {
        "service": meta["name"],
        "labels": meta.get("labels") or {},
        "annotations": meta.get("annotations") or {},
        "finalizers": sorted(meta.get("finalizers") or ()),
        "spec": {k: v for k, v in spec.items() if k not in {"clusterIP", "clusterIPs"}},
        "status": service["status"],
    }


def _node(node):
    return {
        "node": node.metadata.name,
        "labels": node.metadata.labels or {},
        "provider": node.spec.provider_id,
        "taints": sorted((taint.key, taint.effect) for taint in node.spec.taints or ()),
        "addresses": node.status.addresses,
    }


def _balancers(world):
    """Every load balancer of ours with all its parts."""
    state = world.core.state
    for balancer in state.load_balancers.values():
        if balancer.tags.get("ack.aliyun.com") != CLUSTER_ID:
            continue
        groups = [state.vserver_groups[item] for item in balancer.vserver_groups]
        listeners = [_plain(state.listeners[item], "id") for item in balancer.listeners]
        for listener in listeners:
            if listener["attributes"].get("HealthCheckType") == "tcp":
                listener["attributes"].pop("HealthCheckURI", None)  # without effect
        made = _plain(balancer, "created", "listeners", "vserver_groups")
        made["listeners"] = sorted(listeners, key=lambda item: (item["port"], item["protocol"]))
        made["groups"] = sorted(
            (_group(world, group) for group in groups), key=lambda group: group["name"]
        )
        yield made


def _group(world, group):
    order = {instance.id: name for name, instance in world.instances.items()}
    found = _plain(group, "created")
    found["backends"].sort(key=lambda item: (order.get(item["server"], ""), item["port"]))
    return found


def _plain(record, *without):
    found = msgspec.json.decode(msgspec.json.encode(record))
    return {name: value for name, value in found.items() if name not in without}
