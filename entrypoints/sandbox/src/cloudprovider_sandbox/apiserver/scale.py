"""The ``/scale`` subresource of workloads: only the number of replicas."""

from __future__ import annotations

from typing import Any

import msgspec

from cloudprovider_sandbox.apiserver import codec, status
from cloudprovider_sandbox.apiserver.messages import Request
from cloudprovider_sandbox.apiserver.patches import jsonpatch, merge
from cloudprovider_sandbox.apiserver.registry import Edit
from cloudprovider_sandbox.apiserver.resources import Resource
from cloudprovider_sandbox.apiserver.routes import Route

Json = dict[str, Any]


def view(data: bytes) -> bytes:
    """A workload as ``autoscaling/v1`` Scale."""
    return msgspec.json.encode(_scale(msgspec.json.decode(data)))


def _scale(obj: Json) -> Json:
    meta, spec = obj["metadata"], obj["spec"]
    kept = ("name", "namespace", "uid", "resourceVersion", "creationTimestamp")
    labels = (spec.get("selector") or {}).get("matchLabels") or {}
    return {
        "kind": "Scale",
        "apiVersion": "autoscaling/v1",
        "metadata": {name: meta[name] for name in kept},
        "spec": {"replicas": spec.get("replicas", 0)},
        "status": {
            "replicas": (obj.get("status") or {}).get("replicas", 0),
            "selector": ",".join(f"{key}={value}" for key, value in sorted(labels.items())),
        },
    }


def edit(resource: Resource, route: Route, request: Request) -> Edit:
    """The change of the workload that a PUT or PATCH of its Scale asks for."""
    kind = codec.media_type(request)
    body = codec.decode(request) if route.verb == "update" else codec.decode_json(request.body)

    def change(old: Json | None) -> Json:
        if old is None:
            raise status.not_found(resource, route.name)
        wanted = body
        if route.verb == "patch":
            apply = jsonpatch.apply if kind == "application/json-patch+json" else merge.apply
            wanted = apply(_scale(old), body)
        replicas = (wanted.get("spec") or {}).get("replicas", 0)
        if not isinstance(replicas, int) or replicas < 0:
            why = "must be greater than or equal to 0"
            error = status.invalid_value("spec.replicas", replicas, why)
            raise status.invalid(resource, route.name, [error])
        version = (wanted.get("metadata") or {}).get("resourceVersion", "")
        meta = old["metadata"] | ({"resourceVersion": version} if version else {})
        return old | {"metadata": meta, "spec": old["spec"] | {"replicas": replicas}}

    return change
