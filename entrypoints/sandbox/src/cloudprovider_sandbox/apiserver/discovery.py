"""``/api``, ``/apis``, ``/version`` and the root paths: what there is."""

from __future__ import annotations

from typing import Any

from cloudprovider_sandbox.apiserver.resources import Catalogue, Resource

Json = dict[str, Any]
#: The Kubernetes minor version whose behaviour the server follows.
VERSION = {
    "major": "1",
    "minor": "32",
    "gitVersion": "v1.32.4-sandbox",
    "gitCommit": "",
    "gitTreeState": "clean",
    "buildDate": "2026-01-01T00:00:00Z",
    "goVersion": "",
    "compiler": "cpython",
    "platform": "python",
}
AGGREGATED = "apidiscovery.k8s.io"


def document(path: str, catalogue: Catalogue, *, aggregated: bool) -> Json | None:
    """The discovery document at ``path``, or None."""
    parts = [part for part in path.split("/") if part]
    if parts == ["api"]:
        return _aggregated(catalogue, core=True) if aggregated else _core_versions()
    if parts == ["apis"]:
        return _aggregated(catalogue, core=False) if aggregated else _groups(catalogue)
    if parts == ["version"]:
        return dict(VERSION)
    if not parts:
        return {
            "paths": [
                "/api",
                "/api/v1",
                "/apis",
                "/healthz",
                "/livez",
                "/openapi/v3",
                "/readyz",
                "/version",
            ]
        }
    if parts[0] == "api" and len(parts) == 2:
        return _resources(catalogue, "", parts[1])
    if parts[0] == "apis" and len(parts) == 2:
        named = {group["name"]: group for group in _groups(catalogue)["groups"]}
        head = {"kind": "APIGroup", "apiVersion": "v1"}
        return head | named[parts[1]] if parts[1] in named else None
    if parts[0] == "apis" and len(parts) == 3:
        return _resources(catalogue, parts[1], parts[2])
    return None


def _core_versions() -> Json:
    return {"kind": "APIVersions", "versions": ["v1"], "serverAddressByClientCIDRs": []}


def _groups(catalogue: Catalogue) -> Json:
    groups: dict[str, list[str]] = {}
    for group, version in catalogue.group_versions():
        if group:
            groups.setdefault(group, []).append(version)
    return {
        "kind": "APIGroupList",
        "apiVersion": "v1",
        "groups": [_group(name, versions) for name, versions in groups.items()],
    }


def _group(name: str, versions: list[str]) -> Json:
    listed = [{"groupVersion": f"{name}/{version}", "version": version} for version in versions]
    return {"name": name, "versions": listed, "preferredVersion": listed[0]}


def _resources(catalogue: Catalogue, group: str, version: str) -> Json | None:
    found = catalogue.of(group, version)
    if not found:
        return None
    listed = []
    for resource in found:
        listed.append(_resource(resource))
        listed += [_subresource(resource, name) for name in resource.subresources]
    head = {"kind": "APIResourceList"} | ({"apiVersion": "v1"} if group else {})
    return head | {"groupVersion": found[0].group_version, "resources": listed}


def _resource(resource: Resource) -> Json:
    entry: Json = {
        "name": resource.plural,
        "singularName": resource.singular,
        "namespaced": resource.namespaced,
        "kind": resource.kind,
        "verbs": list(resource.verbs),
    }
    if resource.short_names:
        entry["shortNames"] = list(resource.short_names)
    if resource.categories:
        entry["categories"] = list(resource.categories)
    return entry


#: Subresources of a kind of their own: what it is, and what may be done with it.
_OTHER_KINDS: dict[str, tuple[Json, list[str]]] = {
    "token": (
        {"group": "authentication.k8s.io", "version": "v1", "kind": "TokenRequest"},
        ["create"],
    ),
    "scale": (
        {"group": "autoscaling", "version": "v1", "kind": "Scale"},
        ["get", "patch", "update"],
    ),
}
_VERBS = {"finalize": ["update"]}


def _subresource(resource: Resource, name: str) -> Json:
    entry: Json = {
        "name": f"{resource.plural}/{name}",
        "singularName": "",
        "namespaced": resource.namespaced,
        "kind": resource.kind,
        "verbs": _VERBS.get(name, ["get", "patch", "update"]),
    }
    if name in _OTHER_KINDS:
        gvk, verbs = _OTHER_KINDS[name]
        entry |= gvk | {"verbs": verbs}
    return entry


def _aggregated(catalogue: Catalogue, *, core: bool) -> Json:
    items: dict[str, Json] = {}
    for group, version in catalogue.group_versions():
        if bool(group) == core:
            continue
        item = items.setdefault(
            group, {"metadata": {"name": group, "creationTimestamp": None}, "versions": []}
        )
        resources = [_aggregated_resource(resource) for resource in catalogue.of(group, version)]
        item["versions"].append(
            {"version": version, "resources": resources, "freshness": "Current"}
        )
    return {
        "kind": "APIGroupDiscoveryList",
        "apiVersion": f"{AGGREGATED}/v2",
        "metadata": {},
        "items": list(items.values()),
    }


def _aggregated_resource(resource: Resource) -> Json:
    # Empty group and version: those of the group.
    gvk = {"group": "", "version": "", "kind": resource.kind}
    entry: Json = {
        "resource": resource.plural,
        "responseKind": gvk,
        "scope": "Namespaced" if resource.namespaced else "Cluster",
        "singularResource": resource.singular,
        "verbs": list(resource.verbs),
    }
    if resource.short_names:
        entry["shortNames"] = list(resource.short_names)
    if resource.categories:
        entry["categories"] = list(resource.categories)
    if resource.subresources:
        entry["subresources"] = []
        for name in resource.subresources:
            usual = gvk, _VERBS.get(name, ["get", "patch", "update"])
            kind, verbs = _OTHER_KINDS.get(name, usual)
            entry["subresources"].append(
                {"subresource": name, "responseKind": kind, "verbs": verbs}
            )
    return entry
