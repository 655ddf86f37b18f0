"""A PATCH request as an edit of the stored object."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from cloudprovider_sandbox.apiserver import codec, status
from cloudprovider_sandbox.apiserver.conform import WrongType, conform
from cloudprovider_sandbox.apiserver.messages import Request
from cloudprovider_sandbox.apiserver.patches import apply, jsonpatch, merge, strategic
from cloudprovider_sandbox.apiserver.registry import Edit, Write
from cloudprovider_sandbox.apiserver.resources import Resource
from cloudprovider_sandbox.apiserver.routes import Route

Json = dict[str, Any]
JSON_PATCH = "application/json-patch+json"
MERGE_PATCH = "application/merge-patch+json"
STRATEGIC_PATCH = "application/strategic-merge-patch+json"
APPLY_PATCH = "application/apply-patch+yaml"


def patch_edit(
    resource: Resource, route: Route, request: Request, write: Write, *, now: Callable[[], str]
) -> Edit:
    """The edit that ``request`` asks for. Raises StatusError 400 or 415."""
    kind = codec.media_type(request)
    if kind == APPLY_PATCH:
        return _apply_edit(resource, route, request, write, now)
    patches: dict[str, Callable[[Json, Any], Any]] = {
        JSON_PATCH: jsonpatch.apply,
        MERGE_PATCH: merge.apply,
        STRATEGIC_PATCH: lambda old, patch: strategic.apply(old, patch, resource.schema),
    }
    if kind not in patches:
        raise status.unsupported_media_type((*patches, APPLY_PATCH))
    patch = codec.decode_json(request.body)
    if kind != JSON_PATCH and not isinstance(patch, dict):
        raise status.bad_request("json: the patch is not an object")

    def edit(old: Json | None) -> Json:
        if old is None:
            raise status.not_found(resource, route.name)
        try:
            new = patches[kind](old, patch)
        except jsonpatch.MalformedPatch as error:
            raise status.bad_request(str(error)) from error
        except jsonpatch.PatchError as error:
            raise status.scripted(422) from error
        except strategic.PatchError as error:
            # As apiserver's ``handlers/patch.go``: a bad strategic patch is its own fault.
            raise status.StatusError(500, "", str(error)) from error
        if not isinstance(new, dict) or not isinstance(new.get("metadata"), dict):
            raise status.bad_request("the patched object has no metadata")
        _check_identity(new["metadata"], route)
        return new

    return edit


def _check_identity(meta: Json, route: Route) -> None:
    """Refuse what names another object than the path does."""
    name = meta.get("name", route.name)
    if name != route.name:
        raise status.bad_request(
            f"the name of the object ({name}) does not match the name on the URL ({route.name})"
        )
    if meta.get("namespace", route.namespace) != route.namespace:
        raise status.bad_request(
            "the namespace of the provided object does not match the namespace sent on the request"
        )


def _apply_edit(
    resource: Resource, route: Route, request: Request, write: Write, now: Callable[[], str]
) -> Edit:
    config = _config(resource, route, codec.decode_yaml(request.body))

    def edit(old: Json | None) -> Json:
        if old is None and route.subresource:
            raise status.not_found(resource, route.name)
        if old is None and config["metadata"].get("uid"):
            raise status.conflict(
                resource, route.name, "uid mismatch: the provided object specified uid "
                f"{config['metadata']['uid']}, and no existing object was found"
            )  # fmt: skip
        try:
            return apply.apply(
                resource.schema,
                old or {},
                config,
                write.manager,
                force=request.flag("force"),
                now=now,
            )
        except apply.ApplyConflict as error:
            raise apply_conflict(error) from error

    return edit


def _config(resource: Resource, route: Route, body: Any) -> Json:
    if not isinstance(body, dict):
        raise status.bad_request("an apply patch is an object")
    if not body.get("kind") or not body.get("apiVersion"):
        what = f"{body.get('apiVersion', '')}, Kind={body.get('kind', '')}"
        raise status.bad_request(f"invalid object type: {what}")
    unknown: list[str] = []
    try:
        config: Json = conform(resource.schema, body, unknown)
    except WrongType as error:
        raise status.bad_request(f"failed to create typed patch object: {error}") from error
    if unknown:
        fields = ", ".join(f".{name}: field not declared in schema" for name in unknown)
        version = f"{resource.group}/{resource.version}, Kind={resource.kind}"
        meta = config.get("metadata", {})
        what = f"({meta.get('namespace', '')}/{meta.get('name', '')}; {version})"
        raise status.StatusError(500, "", f"failed to create typed patch object {what}: {fields}")
    meta = config.setdefault("metadata", {})
    if meta.get("managedFields"):
        raise status.bad_request("metadata.managedFields must be nil")
    _check_identity(meta, route)
    meta.setdefault("name", route.name)
    if resource.namespaced:
        meta.setdefault("namespace", route.namespace)
    return _without_always(body, config) | {
        "kind": resource.kind,
        "apiVersion": resource.group_version,
    }


def _without_always(body: Json, config: Json) -> Json:
    """``config`` without the empty structs that decoding adds: an apply says only what it says."""
    return {
        name: _without_always(body[name], value)
        if isinstance(value, dict) and isinstance(body.get(name), dict)
        else value
        for name, value in config.items()
        if name in body or name == "metadata"
    }


def apply_conflict(error: apply.ApplyConflict) -> status.StatusError:
    """409 with one cause per field, in kube-apiserver's words."""
    by_manager: dict[str, list[str]] = {}
    causes = []
    for entry, path in error.conflicts:
        who = f'"{entry["manager"]}"'
        if entry.get("subresource"):
            who += f' with subresource "{entry["subresource"]}"'
        text = f"conflict with {who}"
        if entry["operation"] == "Update":
            text += f" using {entry['apiVersion']}"
        by_manager.setdefault(text, []).append(path)
        causes.append({"reason": "FieldManagerConflict", "message": text, "field": path})
    count = len(error.conflicts)
    if count == 1:
        text, paths = next(iter(by_manager.items()))
        message = f"Apply failed with 1 conflict: {text}: {paths[0]}"
    else:
        parts = [
            text.replace("conflict with", "conflicts with", 1)
            + ":\n"
            + "\n".join(f"- {p}" for p in paths)
            for text, paths in by_manager.items()
        ]
        message = f"Apply failed with {count} conflicts: " + "\n".join(parts)
    return status.StatusError(409, "Conflict", message, details={"causes": causes})
