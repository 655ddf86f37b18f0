"""Which strategy rules which kind."""

from __future__ import annotations

from collections.abc import Sequence

from cloudprovider_sandbox.apiserver.resources import Catalogue
from cloudprovider_sandbox.apiserver.strategies import others
from cloudprovider_sandbox.apiserver.strategies.base import Strategy
from cloudprovider_sandbox.apiserver.strategies.nodes import NodeStrategy
from cloudprovider_sandbox.apiserver.strategies.services import ServiceStrategy

_SPECIAL: dict[str, type[Strategy]] = {
    "nodes": NodeStrategy,
    "namespaces": others.NamespaceStrategy,
    "secrets": others.SecretStrategy,
    "events": others.EventStrategy,
    "roles.rbac.authorization.k8s.io": others.RoleStrategy,
    "clusterroles.rbac.authorization.k8s.io": others.RoleStrategy,
    "rolebindings.rbac.authorization.k8s.io": others.BindingStrategy,
    "clusterrolebindings.rbac.authorization.k8s.io": others.BindingStrategy,
    "pods": others.PodStrategy,
    "endpointslices.discovery.k8s.io": others.EndpointSliceStrategy,
    "leases.coordination.k8s.io": others.LeaseStrategy,
    "deployments.apps": others.WorkloadStrategy,
    "replicasets.apps": others.WorkloadStrategy,
    "daemonsets.apps": others.WorkloadStrategy,
    "statefulsets.apps": others.WorkloadStrategy,
}


def strategies(
    catalogue: Catalogue, *, cidrs: Sequence[str], node_ports: tuple[int, int]
) -> dict[str, Strategy]:
    """A strategy for each stored resource, by storage name."""
    made: dict[str, Strategy] = {}
    for resource in catalogue.resources:
        if not resource.stored or resource.stored_as:
            continue
        if resource.storage == "services":
            made["services"] = ServiceStrategy(resource, cidrs, node_ports)
        else:
            made[resource.storage] = _SPECIAL.get(resource.storage, Strategy)(resource)
    return made
