"""Services: what is refused, in the words of Kubernetes 1.32 (``core/validation``)."""

from __future__ import annotations

import ipaddress
from typing import Any

from cloudprovider_sandbox.apiserver import metadata
from cloudprovider_sandbox.apiserver.status import (
    FieldError,
    duplicate,
    forbidden_field,
    invalid_value,
    required,
    unsupported,
)
from cloudprovider_sandbox.apiserver.strategies import service_rules as rules
from cloudprovider_sandbox.apiserver.strategies.base import Json

_FAMILIES = ("IPv4", "IPv6")
_DISTRIBUTIONS = ("PreferClose", "PreferSameZone", "PreferSameNode")
PROTOCOLS = ("SCTP", "TCP", "UDP")
_PORT_RANGE = "must be between 1 and 65535, inclusive"
_ONLY_LB = "may only be used when `type` is 'LoadBalancer'"
_IMMUTABLE = "field is immutable"


def validate(service: Json) -> list[FieldError]:
    """The errors of a Service with defaults filled in."""
    spec = service["spec"]
    errors = _type_rules(spec, service)
    for index, port in enumerate(spec.get("ports") or []):
        errors += _port(port, f"spec.ports[{index}]", multiple=len(spec["ports"]) > 1)
    errors += _repeated_ports(spec.get("ports") or [], spec["type"])
    errors += metadata.validate_labels(spec.get("selector"), "spec.selector")
    errors += _affinity(spec) + _policies(spec, service) + _load_balancer_fields(spec)
    for index, address in enumerate(spec.get("externalIPs") or []):
        errors += _external_ip(address, f"spec.externalIPs[{index}]")
    distribution = spec.get("trafficDistribution")
    if distribution is not None and distribution not in _DISTRIBUTIONS:
        errors.append(unsupported("spec.trafficDistribution", distribution, _DISTRIBUTIONS))
    return errors


def _type_rules(spec: Json, service: Json) -> list[FieldError]:
    errors = []
    kind, ports = spec["type"], spec.get("ports")
    if kind not in rules.TYPES:
        return [unsupported("spec.type", kind, sorted(rules.TYPES))]
    if not ports and not rules.is_headless(service) and kind != rules.EXTERNAL_NAME:
        errors.append(required("spec.ports"))
    if kind in {rules.LOAD_BALANCER, rules.NODE_PORT} and rules.is_headless(service):
        why = f"may not be set to 'None' for {kind} services"
        errors.append(invalid_value("spec.clusterIPs[0]", "None", why))
    if kind == rules.EXTERNAL_NAME:
        errors += _external_name(spec)
    if kind == rules.CLUSTER_IP:
        errors += [
            forbidden_field(
                f"spec.ports[{index}].nodePort", "may not be used when `type` is 'ClusterIP'"
            )
            for index, port in enumerate(ports or [])
            if port.get("nodePort")
        ]
    return errors + _cluster_ips(spec)


def _external_name(spec: Json) -> list[FieldError]:
    errors = []
    if spec.get("clusterIPs"):
        why = "may not be set when `type` is 'ExternalName'"
        errors.append(forbidden_field("spec.clusterIPs", why))
    name = spec.get("externalName", "")
    if not name:
        errors.append(required("spec.externalName"))
    elif problem := metadata.dns_problem(name.rstrip("."), "subdomain"):
        errors.append(invalid_value("spec.externalName", name, problem))
    return errors


def _cluster_ips(spec: Json) -> list[FieldError]:
    listed, field = spec.get("clusterIPs") or [], "spec.clusterIPs"
    errors = []
    if listed and listed[0] != spec.get("clusterIP", ""):
        given = "first value must match `clusterIP`"
        missing = "must be empty when `clusterIP` is not specified"
        errors.append(invalid_value(field, listed, given if spec.get("clusterIP") else missing))
    for index, address in enumerate(listed):
        if address != "None":
            errors += _address(address, f"{field}[{index}]")
    if not errors and len(listed) > len({":" in address for address in listed}):
        why = "may specify no more than one IP for each IP family"
        errors.append(invalid_value(field, listed, why))
    for index, family in enumerate(spec.get("ipFamilies") or []):
        if family not in _FAMILIES:
            errors.append(unsupported(f"spec.ipFamilies[{index}]", family, _FAMILIES))
    return errors


def _address(address: str, field: str) -> list[FieldError]:
    try:
        ipaddress.ip_address(address)
    except ValueError:
        why = "must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)"
        return [invalid_value(field, address, why)]
    return []


def _external_ip(address: str, field: str) -> list[FieldError]:
    if errors := _address(address, field):
        return errors
    found = ipaddress.ip_address(address)
    for wrong, why in (
        (found.is_unspecified, f"may not be unspecified ({address})"),
        (found.is_loopback, "may not be in the loopback range (127.0.0.0/8, ::1/128)"),
        (found.is_link_local, "may not be in the link-local range (169.254.0.0/16, fe80::/10)"),
    ):
        if wrong:
            errors.append(invalid_value(field, address, why))
    return errors


def _port(port: Json, field: str, *, multiple: bool) -> list[FieldError]:
    errors = []
    name = port.get("name", "")
    if multiple and not name:
        errors.append(required(f"{field}.name"))
    elif name and (problem := metadata.dns_problem(name, "label")):
        errors.append(invalid_value(f"{field}.name", name, problem))
    if not 1 <= port.get("port", 0) <= 65535:
        errors.append(invalid_value(f"{field}.port", port.get("port", 0), _PORT_RANGE))
    if port["protocol"] not in PROTOCOLS:
        errors.append(unsupported(f"{field}.protocol", port["protocol"], PROTOCOLS))
    errors += _target_port(port.get("targetPort", 0), f"{field}.targetPort")
    app = port.get("appProtocol")
    for problem in [] if app is None else metadata.qualified_problems(app):
        errors.append(invalid_value(f"{field}.appProtocol", app, problem))
    return errors


def _target_port(target: int | str, field: str) -> list[FieldError]:
    if isinstance(target, int):
        return [] if 1 <= target <= 65535 else [invalid_value(field, target, _PORT_RANGE)]
    if len(target) > 15:
        return [invalid_value(field, target, "must be no more than 15 characters")]
    if metadata.dns_problem(target, "label") or not any(c.isalpha() for c in target):
        why = "must contain only alpha-numeric characters (a-z, 0-9), and hyphens (-)"
        return [invalid_value(field, target, why)]
    return []


def _repeated_ports(ports: list[Json], kind: str) -> list[FieldError]:
    errors: list[FieldError] = []
    names: set[str] = set()
    seen: set[tuple[Any, ...]] = set()
    nodes: set[tuple[Any, ...]] = set()
    for index, port in enumerate(ports):
        field = f"spec.ports[{index}]"
        name, pair = port.get("name", ""), (port["protocol"], port.get("port"))
        if name and name in names:
            errors.append(duplicate(f"{field}.name", name))
        if pair in seen:
            errors.append(duplicate(field, _as_go(pair)))
        node = (port["protocol"], port.get("nodePort"))
        if kind != rules.CLUSTER_IP and node[1] and node in nodes:
            errors.append(duplicate(f"{field}.nodePort", node[1]))
        names.add(name)
        seen.add(pair)
        nodes.add(node)
    return errors


def _as_go(pair: tuple[str, Any]) -> Json:
    """How kube-apiserver shows a repeated port: only protocol and number are filled in."""
    shown = {"Name": "", "Protocol": pair[0], "AppProtocol": None, "Port": pair[1]}
    return shown | {"TargetPort": 0, "NodePort": 0}


def _affinity(spec: Json) -> list[FieldError]:
    affinity = spec["sessionAffinity"]
    if affinity not in {"ClientIP", "None"}:
        return [unsupported("spec.sessionAffinity", affinity, ("ClientIP", "None"))]
    if affinity == "ClientIP":
        seconds = spec["sessionAffinityConfig"]["clientIP"]["timeoutSeconds"]
        if not 0 < seconds <= 86400:
            field = "spec.sessionAffinityConfig.clientIP.timeoutSeconds"
            return [invalid_value(field, seconds, "must be greater than 0 and less than 86400")]
    return []


def _policies(spec: Json, service: Json) -> list[FieldError]:
    errors = []
    allowed = ("Cluster", "Local")
    external = spec.get("externalTrafficPolicy")
    if external is not None:
        if not rules.needs_external_policy(service):
            why = "may only be set for externally-accessible services"
            errors.append(invalid_value("spec.externalTrafficPolicy", external, why))
        elif external not in allowed:
            errors.append(unsupported("spec.externalTrafficPolicy", external, allowed))
    internal = spec.get("internalTrafficPolicy")
    if internal is not None and internal not in allowed:
        errors.append(unsupported("spec.internalTrafficPolicy", internal, allowed))
    port = spec.get("healthCheckNodePort")
    if port and not rules.needs_health_check_port(service):
        why = "may only be set when `type` is 'LoadBalancer' and `externalTrafficPolicy` is 'Local'"
        errors.append(invalid_value("spec.healthCheckNodePort", port, why))
    policies = ("SingleStack", "PreferDualStack", "RequireDualStack")
    policy = spec.get("ipFamilyPolicy")
    if policy is not None and policy not in policies:
        errors.append(unsupported("spec.ipFamilyPolicy", policy, sorted(policies)))
    return errors


def _load_balancer_fields(spec: Json) -> list[FieldError]:
    errors = []
    is_balancer = spec["type"] == rules.LOAD_BALANCER
    if spec.get("loadBalancerSourceRanges"):
        if not is_balancer:
            errors.append(forbidden_field("spec.LoadBalancerSourceRanges", _ONLY_LB))
        for index, cidr in enumerate(spec["loadBalancerSourceRanges"]):
            errors += _cidr(cidr, f"spec.LoadBalancerSourceRanges[{index}]")
    if spec.get("allocateLoadBalancerNodePorts") is not None and not is_balancer:
        errors.append(forbidden_field("spec.allocateLoadBalancerNodePorts", _ONLY_LB))
    name = spec.get("loadBalancerClass")
    if name is not None:
        if not is_balancer:
            errors.append(forbidden_field("spec.loadBalancerClass", _ONLY_LB))
        else:
            problems = metadata.qualified_problems(name)
            errors += [invalid_value("spec.loadBalancerClass", name, text) for text in problems]
    return errors


def _cidr(text: str, field: str) -> list[FieldError]:
    try:
        ipaddress.ip_network(text.strip(), strict=False)
    except ValueError:
        valid = False
    else:
        valid = "/" in text
    why = "must be a valid CIDR value, (e.g. 10.9.8.0/24 or 2001:db8::/64)"
    return [] if valid else [invalid_value(field, text, why)]


def validate_update(new: Json, old: Json) -> list[FieldError]:
    """The errors of a change."""
    errors = []
    after, before = new["spec"], old["spec"]
    held = before.get("clusterIPs") or []
    if rules.needs_cluster_ip(old) and rules.needs_cluster_ip(new) and held:
        wanted = after.get("clusterIPs") or []
        if not wanted or wanted[0] != held[0]:
            errors.append(invalid_value("spec.clusterIPs[0]", wanted, "may not change once set"))
        families = after.get("ipFamilies") or []
        if families[:1] != (before.get("ipFamilies") or [])[:1]:
            errors.append(invalid_value("spec.ipFamilies[0]", families, "may not change once set"))
    if rules.needs_health_check_port(old) and rules.needs_health_check_port(new):
        port = after.get("healthCheckNodePort")
        if port != before.get("healthCheckNodePort"):
            errors.append(forbidden_field("spec.healthCheckNodePort", _IMMUTABLE))
    if rules.kind_of(old) == rules.kind_of(new) == rules.LOAD_BALANCER:
        name = after.get("loadBalancerClass")
        if name != before.get("loadBalancerClass"):
            errors.append(invalid_value("spec.loadBalancerClass", name, "may not change once set"))
    return errors


def validate_status(service: Json) -> list[FieldError]:
    """The errors of ``status.loadBalancer``."""
    listed = ((service.get("status") or {}).get("loadBalancer") or {}).get("ingress") or []
    if listed and rules.kind_of(service) != rules.LOAD_BALANCER:
        why = "may only be used when `spec.type` is 'LoadBalancer'"
        return [forbidden_field("status.loadBalancer.ingress", why)]
    errors = []
    for index, ingress in enumerate(listed):
        errors += _ingress(ingress, f"status.loadBalancer.ingress[{index}]")
    return errors


def _ingress(ingress: Json, field: str) -> list[FieldError]:
    errors = []
    if ingress.get("ip"):
        errors += _address(ingress["ip"], f"{field}.ip")
    mode = ingress.get("ipMode")
    if ingress.get("ip") and mode is None:
        errors.append(required(f"{field}.ipMode", "must be specified when `ip` is set"))
    if mode is not None and not ingress.get("ip"):
        errors.append(
            forbidden_field(f"{field}.ipMode", "may not be specified when `ip` is not set")
        )
    elif mode is not None and mode not in {"VIP", "Proxy"}:
        errors.append(unsupported(f"{field}.ipMode", mode, ("Proxy", "VIP")))
    name = ingress.get("hostname", "")
    if name:
        if problem := metadata.dns_problem(name, "subdomain"):
            errors.append(invalid_value(f"{field}.hostname", name, problem))
        elif not any(part.isalpha() for part in name.replace(".", "")):
            errors.append(
                invalid_value(f"{field}.hostname", name, "must be a DNS name, not an IP address")
            )
    return errors
