"""What each part of the manager asks of the Kubernetes API, and nothing else.

The RBAC manifests in ``examples/rbac/`` are generated from this table; the end-to-end tests run
under them, and compare what was granted with what was used.

An account is the name that a part's client has. With ``--use-service-account-credentials`` it is a
ServiceAccount in kube-system; without, all parts share the manager's own.

Source: ``spec/ccm-core.md`` 1.2, 3.0, 3.1.4, 4.9.
"""

from __future__ import annotations

import dataclasses
from typing import Final

#: The account that the process itself has, whatever the flags say.
OWN: Final = "cloud-controller-manager"
#: Where leases and ServiceAccounts are.
NAMESPACE: Final = "kube-system"

_LEASES: Final = "coordination.k8s.io"


@dataclasses.dataclass(frozen=True)
class Permission:
    """One rule: ``verbs`` on ``resources`` of one API group."""

    account: str
    verbs: tuple[str, ...]
    resources: tuple[str, ...]
    why: str
    group: str = ""
    namespace: str = ""  #: empty = in all of them, and outside of any
    names: tuple[str, ...] = ()  #: only objects of these names; empty = of any
    per_controller: bool = False  #: only with ``--use-service-account-credentials``


def _events(account: str) -> Permission:
    return Permission(account, ("create", "patch"), ("events",), "events about what it does")


#: Everything, by account.
PERMISSIONS: Final = (
    Permission(OWN, ("get", "create", "update"), ("leases",), "leadership", _LEASES, NAMESPACE),
    _events(OWN),
    Permission(
        OWN,
        ("get", "create"),
        ("serviceaccounts",),
        "an account for each controller",
        namespace=NAMESPACE,
        per_controller=True,
    ),
    Permission(
        OWN,
        ("create",),
        ("serviceaccounts/token",),
        "its tokens",
        namespace=NAMESPACE,
        per_controller=True,
    ),
    Permission(
        OWN,
        ("get",),
        ("namespaces",),
        "whether the accounts' namespace is there",
        names=(NAMESPACE,),
        per_controller=True,
    ),
    Permission("shared-informers", ("list", "watch"), ("nodes", "services"), "the caches"),
    Permission(
        "node-controller",
        ("get", "patch", "delete"),
        ("nodes",),
        "labels, providerID and taints; Nodes whose instance is gone",
    ),
    Permission("node-controller", ("patch",), ("nodes/status",), "addresses"),
    Permission(
        "service-controller",
        ("get", "list"),
        ("services",),
        "whether a Service is still there, before its load balancer is made or deleted",
    ),
    Permission(
        "service-controller",
        ("patch",),
        ("services/status",),
        "the finalizer, the load balancer's id and its address",
    ),
    Permission("route-controller", ("patch",), ("nodes/status",), "NetworkUnavailable"),
    *map(
        _events,
        (
            "cloud-node-controller",
            "cloud-node-lifecycle-controller",
            "service-controller",
            "route-controller",
        ),
    ),
)
