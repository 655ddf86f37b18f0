"""Authorization in the sandbox: the roles that every API server brings, and a manifest's own.

Shows whether the RBAC that a manifest grants is enough. Source of the roles and their bindings:
``spec/ccm-core.md`` 4.9.
"""

from __future__ import annotations

import pathlib
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import yaml

from cloudprovider_sandbox.kube import Kube, KubeError

_API = "rbac.authorization.k8s.io"
_PLURALS = {
    "ClusterRole": "clusterroles",
    "ClusterRoleBinding": "clusterrolebindings",
    "Role": "roles",
    "RoleBinding": "rolebindings",
    "ServiceAccount": "serviceaccounts",
}

Rule = tuple[str, str, str]  #: API group, resources, verbs; each blank-separated

_EVENTS: Rule = ("core events.k8s.io", "events", "create update patch")
_CONTROLLERS: Mapping[str, tuple[Rule, ...]] = {
    "node-controller": (
        ("core", "nodes", "get list watch update delete patch"),
        ("core", "nodes/status", "patch update"),
        ("core", "pods/status", "patch update"),
        ("core", "pods", "get list watch delete"),
        _EVENTS,
    ),
    "service-controller": (
        ("core", "services", "get list watch"),
        ("core", "services/status", "patch update"),
        ("core", "nodes", "list watch"),
        _EVENTS,
    ),
    "route-controller": (
        ("core", "nodes", "list watch"),
        ("core", "nodes/status", "patch"),
        _EVENTS,
    ),
}
#: What a component needs that asks the API server about its own callers, and what monitoring reads.
_DELEGATOR: tuple[Rule, ...] = (
    ("authentication.k8s.io", "tokenreviews", "create"),
    ("authorization.k8s.io", "subjectaccessreviews", "create"),
)
_MONITORED = (
    "/flagz", "/healthz", "/healthz/*", "/livez", "/livez/*", "/metrics", "/metrics/slis",
    "/readyz", "/readyz/*", "/statusz",
)  # fmt: skip
_AUTHENTICATION = "extension-apiserver-authentication"


def apply_rbac(kube: Kube, manifest: pathlib.Path) -> None:
    """Create the built-in roles of the controllers and everything that ``manifest`` holds.

    Raises:
        OSError: the file cannot be read.
        ValueError: it holds something else than roles, bindings and ServiceAccounts.

    """
    documents = yaml.safe_load_all(manifest.read_text(encoding="utf-8"))
    for body in (*built_in(), *(document for document in documents if document)):
        try:
            kube.create(_collection(body), body)
        except KubeError as error:
            if error.status != 409:
                raise


def built_in() -> Iterator[dict[str, Any]]:
    """The roles and bindings that every API server brings for controllers and their ports."""
    for account, rules in _CONTROLLERS.items():
        name = f"system:controller:{account}"
        metadata = _metadata(name)
        role = {"kind": "ClusterRole", "metadata": metadata, "rules": list(_rules(rules))}
        subject = {"kind": "ServiceAccount", "name": account, "namespace": "kube-system"}
        binding = {
            "kind": "ClusterRoleBinding",
            "metadata": metadata,
            "roleRef": {"apiGroup": _API, "kind": "ClusterRole", "name": name},
            "subjects": [subject],
        }
        yield {"apiVersion": f"{_API}/v1", **role}
        yield {"apiVersion": f"{_API}/v1", **binding}
    yield from _of_secure_ports()


def _of_secure_ports() -> Iterator[dict[str, Any]]:
    kind = {"apiVersion": f"{_API}/v1", "kind": "ClusterRole"}
    yield {
        **kind, "metadata": _metadata("system:auth-delegator"), "rules": list(_rules(_DELEGATOR))
    }  # fmt: skip
    reads = {"verbs": ["get"], "nonResourceURLs": list(_MONITORED)}
    kubelets = next(_rules([("core", "nodes/metrics", "get")]))
    yield {**kind, "metadata": _metadata("system:monitoring"), "rules": [reads, kubelets]}
    rule = next(_rules([("core", "configmaps", "get list watch")]))
    yield {
        **kind,
        "kind": "Role",
        "metadata": {
            **_metadata(f"{_AUTHENTICATION}-reader"), "namespace": "kube-system"
        },
        "rules": [{**rule, "resourceNames": [_AUTHENTICATION]}],
    }  # fmt: skip


def _metadata(name: str) -> dict[str, Any]:
    return {
        "name": name,
        "annotations": {f"{_API.replace('k8s.io', 'kubernetes.io')}/autoupdate": "true"},
        "labels": {"kubernetes.io/bootstrapping": "rbac-defaults"},
    }


def _rules(rules: Iterable[Rule]) -> Iterator[dict[str, list[str]]]:
    for groups, resources, verbs in rules:
        yield {
            "apiGroups": ["" if group == "core" else group for group in groups.split()],
            "resources": resources.split(),
            "verbs": sorted(verbs.split()),
        }


def _collection(body: Mapping[str, Any]) -> str:
    plural = _PLURALS.get(body["kind"])
    if plural is None:
        raise ValueError(f"{body['kind']} {body['metadata']['name']}: only RBAC belongs here")
    group, _, version = body["apiVersion"].rpartition("/")
    root = f"/apis/{group}/{version}" if group else f"/api/{version}"
    namespace = body["metadata"].get("namespace", "")
    return f"{root}/namespaces/{namespace}/{plural}" if namespace else f"{root}/{plural}"
