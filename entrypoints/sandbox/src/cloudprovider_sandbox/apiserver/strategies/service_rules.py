"""Services: defaults, and what follows from a change of type.

Sources: Kubernetes ``pkg/apis/core/v1/defaults.go`` and ``pkg/registry/core/service`` (1.32).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from cloudprovider_sandbox.apiserver.strategies.base import Json

CLUSTER_IP, NODE_PORT = "ClusterIP", "NodePort"
LOAD_BALANCER, EXTERNAL_NAME = "LoadBalancer", "ExternalName"
TYPES = (CLUSTER_IP, NODE_PORT, LOAD_BALANCER, EXTERNAL_NAME)


def kind_of(service: Json) -> str:
    """``spec.type``."""
    return str(service["spec"].get("type") or CLUSTER_IP)


def needs_cluster_ip(service: Json) -> bool:
    """Whether it has a cluster IP (or says None)."""
    return kind_of(service) != EXTERNAL_NAME


def is_headless(service: Json) -> bool:
    """Whether its cluster IP is None."""
    spec = service["spec"]
    return "None" in {spec.get("clusterIP"), (spec.get("clusterIPs") or [""])[0]}


def has_foreign_endpoints(service: Json) -> bool:
    """Whether it is headless and somebody else says what its endpoints are."""
    return is_headless(service) and not service["spec"].get("selector")


def needs_node_ports(service: Json) -> bool:
    """Whether its ports get node ports."""
    kind = kind_of(service)
    if kind == LOAD_BALANCER:
        return service["spec"].get("allocateLoadBalancerNodePorts") is not False
    return kind == NODE_PORT


def may_have_node_ports(service: Json) -> bool:
    """Whether its type has node ports at all; those that it names are kept."""
    return kind_of(service) in {NODE_PORT, LOAD_BALANCER}


def needs_health_check_port(service: Json) -> bool:
    """Whether it gets a health check node port: type LoadBalancer with local traffic."""
    policy = service["spec"].get("externalTrafficPolicy")
    return kind_of(service) == LOAD_BALANCER and policy == "Local"


def needs_external_policy(service: Json) -> bool:
    """Whether ``externalTrafficPolicy`` means something."""
    has_ips = kind_of(service) == CLUSTER_IP and service["spec"].get("externalIPs")
    return kind_of(service) in {NODE_PORT, LOAD_BALANCER} or bool(has_ips)


def set_defaults(service: Json) -> None:
    """What does not depend on the cluster."""
    spec = service.setdefault("spec", {})
    spec.setdefault("sessionAffinity", "None")
    if spec["sessionAffinity"] == "None":
        spec.pop("sessionAffinityConfig", None)
    elif spec["sessionAffinity"] == "ClientIP":
        config = spec.setdefault("sessionAffinityConfig", {}).setdefault("clientIP", {})
        config.setdefault("timeoutSeconds", 10800)
    spec.setdefault("type", CLUSTER_IP)
    _default_ports(spec)
    if needs_external_policy(service):
        spec.setdefault("externalTrafficPolicy", "Cluster")
    if needs_cluster_ip(service):
        spec.setdefault("internalTrafficPolicy", "Cluster")
    if kind_of(service) == LOAD_BALANCER:
        spec.setdefault("allocateLoadBalancerNodePorts", True)
        _default_ingress(service)


def _default_ports(spec: Json) -> None:
    for port in spec.get("ports") or []:
        port.setdefault("protocol", "TCP")
        if port.get("targetPort") in {None, 0, ""} and "port" in port:
            port["targetPort"] = port["port"]


def _default_ingress(service: Json) -> None:
    for ingress in service.get("status", {}).get("loadBalancer", {}).get("ingress") or []:
        if ingress.get("ip"):
            ingress.setdefault("ipMode", "VIP")


def fill_cluster_ips(service: Json) -> None:
    """``clusterIPs`` from ``clusterIP``."""
    spec = service["spec"]
    if spec.get("clusterIP") and not spec.get("clusterIPs"):
        spec["clusterIPs"] = [spec["clusterIP"]]


def set_families(service: Json, families: Sequence[str], old: Json | None = None) -> None:
    """``ipFamilyPolicy`` and ``ipFamilies`` for a cluster that has ``families``."""
    spec = service["spec"]
    if not needs_cluster_ip(service):
        return
    if has_foreign_endpoints(service):
        # Its endpoints are somebody else's business: any family may come.
        spec.setdefault("ipFamilyPolicy", "RequireDualStack")
        families = [*families, *(name for name in ("IPv4", "IPv6") if name not in families)]
    if "ipFamilyPolicy" not in spec:
        many = max(len(spec.get("clusterIPs") or []), len(spec.get("ipFamilies") or []))
        spec["ipFamilyPolicy"] = "RequireDualStack" if many > 1 else "SingleStack"
    chosen = list(spec.get("ipFamilies") or [])
    for address in spec.get("clusterIPs") or []:
        family = "IPv6" if ":" in address else "IPv4"
        if address != "None" and family not in chosen:
            chosen.append(family)
    wanted = 1 if spec["ipFamilyPolicy"] == "SingleStack" else len(families)
    if old is None or spec["ipFamilyPolicy"] != old["spec"].get("ipFamilyPolicy"):
        if spec["ipFamilyPolicy"] == "SingleStack" and old is not None:
            chosen = chosen[:1]
            spec["clusterIPs"] = (spec.get("clusterIPs") or [])[:1]
        chosen += [family for family in families if family not in chosen][: wanted - len(chosen)]
    spec["ipFamilies"] = chosen or list(families[:1])


def keep_allocated(new: Json, old: Json) -> None:
    """Give ``new`` the allocated values that it does not mention, where it still needs them."""
    after, before = new["spec"], old["spec"]
    if needs_cluster_ip(new) and needs_cluster_ip(old):
        _keep_addresses(after, before)
    if needs_node_ports(new) and needs_node_ports(old):
        _keep_node_ports(after.get("ports") or [], before.get("ports") or [])
    if needs_health_check_port(new) and needs_health_check_port(old):
        _keep(after, before, "healthCheckNodePort")


def _keep_addresses(after: Json, before: Json) -> None:
    if "clusterIP" not in after and "clusterIPs" not in after:
        _keep(after, before, "clusterIP")
        _keep(after, before, "clusterIPs")
    elif "clusterIP" in after and after["clusterIP"] != before.get("clusterIP"):
        if after.get("clusterIPs") == before.get("clusterIPs"):
            after["clusterIPs"] = [after["clusterIP"]]
    elif after.get("clusterIPs") and "clusterIP" not in after:
        after["clusterIP"] = after["clusterIPs"][0]
    elif "clusterIP" in after and "clusterIPs" not in after:
        _keep(after, before, "clusterIPs")
    _keep(after, before, "ipFamilies")
    _keep(after, before, "ipFamilyPolicy")


def _keep_node_ports(after: list[Json], before: list[Json]) -> None:
    by_name = {port.get("name", ""): port.get("nodePort") for port in before}
    used = {port.get("nodePort") for port in after} & set(by_name.values())
    for port in after:
        known = by_name.get(port.get("name", ""))
        if not port.get("nodePort") and known and known not in used:
            port["nodePort"] = known
            used.add(known)


def _keep(after: Json, before: Json, name: str) -> None:
    if name not in after and name in before:
        after[name] = before[name]


def drop_unneeded(new: Json, old: Json) -> None:
    """Clear what the new type does not use, unless the user has just set it."""
    after, before = new["spec"], old["spec"]
    if needs_cluster_ip(old) and not needs_cluster_ip(new):
        for name in (
            "clusterIP",
            "clusterIPs",
            "ipFamilies",
            "ipFamilyPolicy",
            "internalTrafficPolicy",
        ):
            _drop_same(after, before, name)
    if may_have_node_ports(old) and not may_have_node_ports(new):
        _drop_node_ports(after.get("ports") or [], before.get("ports") or [])
    if needs_health_check_port(old) and not needs_health_check_port(new):
        _drop_same(after, before, "healthCheckNodePort")
    if needs_external_policy(old) and not needs_external_policy(new):
        _drop_same(after, before, "externalTrafficPolicy")
    if kind_of(old) == LOAD_BALANCER and kind_of(new) != LOAD_BALANCER:
        _drop_same(after, before, "allocateLoadBalancerNodePorts")
        _drop_same(after, before, "loadBalancerClass")


def _drop_node_ports(after: list[Json], before: list[Json]) -> None:
    old_ports = {(p.get("name", ""), p.get("nodePort")) for p in before}
    if all((p.get("name", ""), p.get("nodePort")) in old_ports for p in after if p.get("nodePort")):
        for port in after:
            port.pop("nodePort", None)


def _drop_same(after: Json, before: Json, name: str) -> None:
    if name in after and after[name] == before.get(name):
        del after[name]


def node_ports(service: Json) -> set[int]:
    """Every node port it holds, the health check's too."""
    spec: dict[str, Any] = service.get("spec") or {}
    ports = {port["nodePort"] for port in spec.get("ports") or [] if port.get("nodePort")}
    return ports | ({spec["healthCheckNodePort"]} if spec.get("healthCheckNodePort") else set())


def cluster_ips(service: Json) -> set[str]:
    """Every cluster address it holds."""
    spec: dict[str, Any] = service.get("spec") or {}
    if spec.get("type") == EXTERNAL_NAME:
        return set()
    listed = spec.get("clusterIPs") or [spec.get("clusterIP")]
    return {address for address in listed if address and address != "None"}
