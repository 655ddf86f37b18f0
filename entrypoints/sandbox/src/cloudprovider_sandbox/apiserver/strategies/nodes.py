"""Nodes: what may change after creation, taints and addresses."""

# ruff: noqa: ARG002 - hooks get more than each kind needs
from __future__ import annotations

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
from cloudprovider_sandbox.apiserver.strategies.base import Json, Strategy

EFFECTS = ("NoSchedule", "PreferNoSchedule", "NoExecute")
_FIXED = (
    "node updates may only change labels, taints, or capacity (or configSource, if the "
    "DynamicKubeletConfig feature gate is enabled)"
)


class NodeStrategy(Strategy):
    """Node. The kubelet creates nodes with a status, so create keeps it."""

    def default(self, obj: Json) -> None:
        obj.setdefault("spec", {})
        obj.setdefault("status", {})
        status = obj["status"]
        if "capacity" in status and "allocatable" not in status:
            status["allocatable"] = status["capacity"]

    def prepare_create(self, obj: Json) -> None:
        pass

    def validate(self, obj: Json) -> list[FieldError]:
        return _taints(obj["spec"].get("taints") or []) + _addresses(obj["status"])

    def validate_update(self, new: Json, old: Json) -> list[FieldError]:
        errors = []
        after, before = new["spec"], old.get("spec") or {}
        for name in ("providerID", "podCIDR"):
            if before.get(name) and after.get(name) != before[name]:
                errors.append(forbidden_field(f"spec.{name}", _FIXED))
        if before.get("podCIDRs") and after.get("podCIDRs") != before["podCIDRs"]:
            why = 'node updates may not change podCIDR except from "" to valid'
            errors.append(forbidden_field("spec.podCIDRs", why))
        return errors

    def validate_status(self, new: Json, old: Json) -> list[FieldError]:
        return _addresses(new.get("status") or {})


def _addresses(status: Json) -> list[FieldError]:
    seen: list[Any] = []
    errors = []
    for index, address in enumerate(status.get("addresses") or []):
        if address in seen:
            errors.append(duplicate(f"status.addresses[{index}]", address))
        seen.append(address)
    return errors


def _taints(taints: list[Json]) -> list[FieldError]:
    errors = []
    seen = set()
    for index, taint in enumerate(taints):
        field = f"metadata.taints[{index}]"
        key, effect, value = taint.get("key", ""), taint.get("effect", ""), taint.get("value") or ""
        if problem := metadata.qualified_problem(key):
            errors.append(invalid_value(f"{field}.key", key, problem))
        if problem := metadata.label_value_problem(value):
            errors.append(invalid_value(f"{field}.value", value, problem))
        if not effect:
            errors.append(required(f"{field}.effect"))
        elif effect not in EFFECTS:
            errors.append(unsupported(f"{field}.effect", effect, EFFECTS))
        if (key, effect) in seen:
            errors.append(duplicate(field, taint))
        seen.add((key, effect))
    return errors
