"""Authorization by the Roles and bindings in the store, as kube-apiserver's RBAC mode."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import msgspec

from cloudprovider_sandbox.apiserver.auth import Attributes, User
from cloudprovider_sandbox.apiserver.store import Entry, Store

Json = dict[str, Any]
_GROUP = "rbac.authorization.k8s.io"
#: What every authenticated user may do (the built-in roles system:basic-user and system:discovery).
_BASIC: list[Json] = [
    {
        "verbs": ["create"],
        "apiGroups": ["authorization.k8s.io"],
        "resources": ["selfsubjectaccessreviews", "selfsubjectrulesreviews"],
    },
    {
        "verbs": ["create"],
        "apiGroups": ["authentication.k8s.io"],
        "resources": ["selfsubjectreviews"],
    },
    {
        "verbs": ["get"],
        "nonResourceURLs": ["/api", "/api/*", "/apis", "/apis/*", "/openapi", "/openapi/*"],
    },
]
_PUBLIC: list[Json] = [
    {"verbs": ["get"], "nonResourceURLs": ["/healthz*", "/livez*", "/readyz*", "/version*"]}
]


class RbacAuthorizer:
    """Allows what some rule allows. Members of ``system:masters`` may do everything."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def allowed(self, attributes: Attributes) -> bool:
        """Whether they may."""
        if "system:masters" in attributes.user.groups:
            return True
        rules = self.rules(attributes.user, attributes.namespace)
        return any(_matches(rule, attributes) for rule in rules)

    def rules(self, user: User, namespace: str) -> list[Json]:
        """What ``user`` may do in ``namespace`` and outside of any."""
        if "system:masters" in user.groups:
            everything = {"verbs": ["*"], "apiGroups": ["*"], "resources": ["*"]}
            return [everything, {"verbs": ["*"], "nonResourceURLs": ["*"]}]
        found = list(_PUBLIC)
        if "system:authenticated" in user.groups:
            found += _BASIC
        for binding in self._objects("clusterrolebindings"):
            found += self._granted(binding, user, "")
        if namespace:
            for binding in self._objects("rolebindings", namespace):
                found += self._granted(binding, user, namespace)
        return found

    def _granted(self, binding: Json, user: User, namespace: str) -> list[Json]:
        subjects = binding.get("subjects") or []
        if not any(_is_subject(user, subject, namespace) for subject in subjects):
            return []
        ref = binding["roleRef"]
        plural, where = (
            ("clusterroles", "") if ref["kind"] == "ClusterRole" else ("roles", namespace)
        )
        entry = self._store.get(f"{plural}.{_GROUP}", (where, ref["name"]))
        return [] if entry is None else _decoded(entry).get("rules") or []

    def _objects(self, plural: str, namespace: str = "") -> Iterator[Json]:
        with self._store.lock:
            entries = self._store.table(f"{plural}.{_GROUP}").entries(namespace)
        return map(_decoded, entries)


def _decoded(entry: Entry) -> Json:
    decoded: Json = msgspec.json.decode(entry.data)
    return decoded


def _is_subject(user: User, subject: Json, namespace: str) -> bool:
    kind, name = subject.get("kind"), subject.get("name")
    if kind == "User":
        return name == user.name
    if kind == "Group":
        return name in user.groups
    where = subject.get("namespace") or namespace
    return user.name == f"system:serviceaccount:{where}:{name}"


def _matches(rule: Json, wanted: Attributes) -> bool:
    if not _has(rule.get("verbs"), wanted.verb):
        return False
    if wanted.path:
        return any(_covers(path, wanted.path) for path in rule.get("nonResourceURLs") or [])
    resource = wanted.resource + (f"/{wanted.subresource}" if wanted.subresource else "")
    listed = rule.get("resources") or []
    any_kind = f"*/{wanted.subresource}" in listed if wanted.subresource else False
    if not _has(rule.get("apiGroups"), wanted.group) or not (_has(listed, resource) or any_kind):
        return False
    names = rule.get("resourceNames") or []
    return not names or wanted.name in names


def _has(values: list[str] | None, wanted: str) -> bool:
    return wanted in (values or []) or "*" in (values or [])


def _covers(pattern: str, path: str) -> bool:
    return pattern == path or (pattern.endswith("*") and path.startswith(pattern[:-1]))
