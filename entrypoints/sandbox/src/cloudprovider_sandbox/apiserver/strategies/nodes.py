"""Nodes: what may change after creation, taints and addresses."""

# ruff: noqa: ARG002 - hooks get more than each kind needs
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
from cloudprovider_sandbox.apiserver.strategies.base import Json, Strategy

_TAINT_FIELDS = ("Key", "Value", "Effect")
EFFECTS = ("NoSchedule", "PreferNoSchedule", "NoExecute")
_FIXED = 'node updates may not change {} except from "" to valid'


class NodeStrategy(Strategy):
    """Node. The kubelet creates nodes with a status, so create keeps it."""

    def default(self, obj: Json) -> None:
        spec, status = obj.setdefault("spec", {}), obj.setdefault("status", {})
        if spec.get("podCIDR") and not spec.get("podCIDRs"):
            spec["podCIDRs"] = [spec["podCIDR"]]
        if "capacity" in status and "allocatable" not in status:
            status["allocatable"] = status["capacity"]

    def prepare_create(self, obj: Json) -> None:
        pass

    def validate(self, obj: Json) -> list[FieldError]:
        spec = obj["spec"]
        errors = _pod_cidrs(spec.get("podCIDRs") or [])
        return errors + _taints(spec.get("taints") or []) + _addresses(obj["status"])

    def validate_update(self, new: Json, old: Json) -> list[FieldError]:
        errors = self.validate(new)
        after, before = new["spec"], old.get("spec") or {}
        if before.get("podCIDRs") and after.get("podCIDRs") != before["podCIDRs"]:
            errors.append(forbidden_field("spec.podCIDRs", _FIXED.format("podCIDR")))
        if before.get("providerID") and after.get("providerID") != before["providerID"]:
            errors.append(forbidden_field("spec.providerID", _FIXED.format("providerID")))
        return errors

    def validate_status(self, new: Json, old: Json) -> list[FieldError]:
        return _addresses(new.get("status") or {})


def _addresses(status: Json) -> list[FieldError]:
    seen: list[Any] = []
    errors = []
    for index, address in enumerate(status.get("addresses") or []):
        if address in seen:
            shown = {"Type": address.get("type"), "Address": address.get("address")}
            errors.append(duplicate(f"status.addresses[{index}]", shown))
        seen.append(address)
    return errors


def _pod_cidrs(cidrs: list[str]) -> list[FieldError]:
    for index, cidr in enumerate(cidrs):
        if "/" not in cidr or not _is_network(cidr):
            why = "must be a valid CIDR value, (e.g. 10.9.8.0/24 or 2001:db8::/64)"
            return [invalid_value(f"spec.podCIDRs[{index}]", cidr, why)]
    if len(cidrs) - len([cidr for cidr in cidrs if ":" in cidr]) > 1:
        why = "may specify no more than one CIDR for each IP family"
        return [invalid_value("spec.podCIDRs", cidrs, why)]
    return []


def _is_network(text: str) -> bool:
    try:
        ipaddress.ip_network(text, strict=False)
    except ValueError:
        return False
    return True


def _taints(taints: list[Json]) -> list[FieldError]:
    errors = []
    seen = set()
    for index, taint in enumerate(taints):
        field = f"metadata.taints[{index}]"
        key, effect, value = taint.get("key", ""), taint.get("effect", ""), taint.get("value") or ""
        problems = metadata.qualified_problems(key)
        errors += [invalid_value(f"{field}.key", key, problem) for problem in problems]
        if problem := metadata.label_value_problem(value):
            errors.append(invalid_value(f"{field}.value", value, problem))
        if not effect:
            errors.append(required(f"{field}.effect"))
        elif effect not in EFFECTS:
            errors.append(unsupported(f"{field}.effect", effect, EFFECTS))
        if (key, effect) in seen:
            shown = {name: taint.get(name[0].lower() + name[1:]) or "" for name in _TAINT_FIELDS}
            why = "taints must be unique by key and effect pair"
            errors.append(duplicate(field, shown | {"TimeAdded": None}, why))
        seen.add((key, effect))
    return errors
