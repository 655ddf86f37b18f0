"""A minimal OpenAPI v3: enough for kubectl to trust the server with validation, and to explain."""

from __future__ import annotations

from typing import Any

from cloudprovider_sandbox.apiserver.resources import Catalogue, Resource
from cloudprovider_sandbox.apiserver.schema import ListOf, MapOf, Scalar, Schema, Struct

Json = dict[str, Any]


def index(catalogue: Catalogue) -> Json:
    """``/openapi/v3``."""
    paths = [
        f"apis/{group}/{version}" if group else f"api/{version}"
        for group, version in catalogue.group_versions()
    ]
    return {
        "paths": {path: {"serverRelativeURL": f"/openapi/v3/{path}?hash=sandbox"} for path in paths}
    }


def document(path: str, catalogue: Catalogue) -> Json | None:
    """``/openapi/v3/api/v1`` and ``/openapi/v3/apis/GROUP/VERSION``, or None."""
    parts = path.removeprefix("/openapi/v3").strip("/").split("/")
    if parts[0] == "api" and len(parts) == 2:
        group, version = "", parts[1]
    elif parts[0] == "apis" and len(parts) == 3:
        group, version = parts[1], parts[2]
    else:
        return None
    resources = catalogue.of(group, version)
    if not resources:
        return None
    paths: Json = {}
    for resource in resources:
        paths |= _paths(resource)
    schemas = {_name(resource): _object(resource) for resource in resources}
    return {
        "openapi": "3.0.0",
        "info": {"title": "Kubernetes", "version": "v1.32.4-sandbox"},
        "paths": paths,
        "components": {"schemas": schemas},
    }


def _name(resource: Resource) -> str:
    package = (resource.group or "core").split(".")[0]
    return f"io.k8s.api.{package}.{resource.version}.{resource.kind}"


def _gvk(resource: Resource) -> Json:
    return {"group": resource.group, "kind": resource.kind, "version": resource.version}


def _paths(resource: Resource) -> Json:
    base = (
        f"/apis/{resource.group}/{resource.version}"
        if resource.group
        else f"/api/{resource.version}"
    )
    scope = "/namespaces/{namespace}" if resource.namespaced else ""
    collection = f"{base}{scope}/{resource.plural}"
    paths: Json = {collection: {"post": _operation(resource, "post")}}
    if resource.stored:
        paths[collection]["get"] = _operation(resource, "list")
        paths[f"{collection}/{{name}}"] = {
            method: _operation(resource, method) for method in ("get", "put", "patch", "delete")
        }
    return paths


def _operation(resource: Resource, action: str) -> Json:
    text = {"schema": {"type": "string", "uniqueItems": True}}
    names = ["pretty"]
    if action in {"post", "put", "patch"}:
        names += ["dryRun", "fieldManager", "fieldValidation"]
    reference = {"$ref": f"#/components/schemas/{_name(resource)}"}
    return {
        "operationId": f"{action}{resource.kind}",
        "parameters": [{"name": name, "in": "query", **text} for name in names],
        "responses": {
            "200": {"description": "OK", "content": {"application/json": {"schema": reference}}}
        },
        "x-kubernetes-action": action,
        "x-kubernetes-group-version-kind": _gvk(resource),
    }


def _object(resource: Resource) -> Json:
    schema = describe(resource.schema)
    schema["description"] = f"{resource.kind} as the sandbox knows it."
    schema["x-kubernetes-group-version-kind"] = [_gvk(resource)]
    return schema


_FORMATS: dict[str, Json] = {
    "string": {"type": "string"},
    "integer": {"type": "integer", "format": "int32"},
    "boolean": {"type": "boolean"},
    "number": {"type": "number"},
    "int-or-string": {"type": "string", "format": "int-or-string"},
    "any": {"type": "object"},
    "quantity": {"type": "string"},
    "time": {"type": "string", "format": "date-time"},
    "microtime": {"type": "string", "format": "date-time"},
}


def describe(schema: Schema) -> Json:
    """``schema`` in OpenAPI's words, with Kubernetes' merge extensions."""
    if isinstance(schema, Scalar):
        return dict(_FORMATS[schema.type])
    if isinstance(schema, MapOf):
        made: Json = {"type": "object", "additionalProperties": describe(schema.value)}
        return made | ({"x-kubernetes-map-type": "atomic"} if schema.atomic else {})
    if isinstance(schema, ListOf):
        return _list(schema)
    assert isinstance(schema, Struct)  # noqa: S101 - the only kind left
    made = {"type": "object"}
    if schema.fields:
        made["properties"] = {name: describe(part) for name, part in schema.fields.items()}
    if schema.open:
        made["x-kubernetes-preserve-unknown-fields"] = True
    return made | ({"x-kubernetes-map-type": "atomic"} if schema.atomic else {})


def _list(schema: ListOf) -> Json:
    made: Json = {"type": "array", "items": describe(schema.item)}
    if schema.keys:
        made["x-kubernetes-list-map-keys"] = list(schema.keys)
        made["x-kubernetes-list-type"] = "map"
    else:
        made["x-kubernetes-list-type"] = "set" if schema.unique else "atomic"
    if schema.merge:
        made["x-kubernetes-patch-strategy"] = "merge"
    if schema.merge_key:
        made["x-kubernetes-patch-merge-key"] = schema.merge_key
    return made
