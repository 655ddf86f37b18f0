"""Namespaces, Secrets, Events, EndpointSlices, Leases, roles and workloads: small rules each."""

from __future__ import annotations

import base64
from typing import Any

from cloudprovider_sandbox.apiserver.status import (
    FieldError,
    invalid_value,
    required,
    unsupported,
)
from cloudprovider_sandbox.apiserver.strategies.base import Json, Strategy


class NamespaceStrategy(Strategy):
    """Namespace: phase and the ``kubernetes`` finalizer."""

    def default(self, obj: Json) -> None:
        meta = obj["metadata"]
        meta.setdefault("labels", {})
        if meta.get("name"):
            meta["labels"]["kubernetes.io/metadata.name"] = meta["name"]

    def prepare_create(self, obj: Json) -> None:
        obj["spec"] = {"finalizers": ["kubernetes"]}
        obj["status"] = {"phase": "Active"}

    def prepare_update(self, new: Json, old: Json) -> None:
        super().prepare_update(new, old)
        new["spec"] = old["spec"]


class SecretStrategy(Strategy):
    """Secret: ``stringData`` becomes ``data``; the type is fixed."""

    def default(self, obj: Json) -> None:
        if not obj.get("type"):
            obj["type"] = "Opaque"
        plain = obj.pop("stringData", None)
        if plain:
            encoded = {key: base64.b64encode(text.encode()).decode() for key, text in plain.items()}
            obj["data"] = (obj.get("data") or {}) | encoded

    def validate_update(self, new: Json, old: Json) -> list[FieldError]:
        errors = []
        if new.get("type") != old.get("type"):
            errors.append(invalid_value("type", new.get("type"), "field is immutable"))
        return errors


class EndpointSliceStrategy(Strategy):
    """EndpointSlice: address type is required and fixed; ports default to TCP."""

    def default(self, obj: Json) -> None:
        if obj.get("endpoints") is None:
            obj["endpoints"] = []
        if obj.get("ports") is None:
            obj["ports"] = []
        for port in obj["ports"]:
            port.setdefault("name", "")
            port.setdefault("protocol", "TCP")

    def validate(self, obj: Json) -> list[FieldError]:
        kinds = ("FQDN", "IPv4", "IPv6")
        if not obj.get("addressType"):
            return [required("addressType")]
        if obj["addressType"] not in kinds:
            return [unsupported("addressType", obj["addressType"], kinds)]
        return [
            required(f"endpoints[{index}].addresses", "must contain at least 1 address")
            for index, endpoint in enumerate(obj["endpoints"])
            if not endpoint.get("addresses")
        ]

    def validate_update(self, new: Json, old: Json) -> list[FieldError]:
        errors = self.validate(new)
        if new.get("addressType") != old.get("addressType"):
            why = "field is immutable"
            errors.append(invalid_value("addressType", new.get("addressType"), why))
        return errors


class EventStrategy(Strategy):
    """Event: lies in the namespace of what it is about; about others in ``default``."""

    def validate(self, obj: Json) -> list[FieldError]:
        about = (obj.get("involvedObject") or {}).get("namespace", "")
        if obj["metadata"]["namespace"] == (about or "default"):
            return []
        why = "does not match event.namespace"
        return [invalid_value("involvedObject.namespace", about, why)]


class RoleStrategy(Strategy):
    """Role, ClusterRole: every rule says what may be done."""

    def validate(self, obj: Json) -> list[FieldError]:
        return [
            required(f"rules[{index}].verbs", "verbs must contain at least one value")
            for index, rule in enumerate(obj.get("rules") or [])
            if not rule.get("verbs")
        ]


class BindingStrategy(Strategy):
    """RoleBinding, ClusterRoleBinding: bound to one role for ever."""

    def default(self, obj: Json) -> None:
        group = "rbac.authorization.k8s.io"
        if obj.get("roleRef"):
            obj["roleRef"].setdefault("apiGroup", group)
        for subject in obj.get("subjects") or []:
            if subject.get("kind") in {"User", "Group"}:
                subject.setdefault("apiGroup", group)

    def validate_update(self, new: Json, old: Json) -> list[FieldError]:
        if new.get("roleRef") == old.get("roleRef"):
            return []
        return [invalid_value("roleRef", new.get("roleRef"), "cannot change roleRef")]


class LeaseStrategy(Strategy):
    """Lease: durations and transitions are not negative."""

    def default(self, obj: Json) -> None:
        obj.setdefault("spec", {})

    def validate(self, obj: Json) -> list[FieldError]:
        spec = obj["spec"] or {}
        errors = []
        duration, moves = spec.get("leaseDurationSeconds"), spec.get("leaseTransitions")
        if duration is not None and duration <= 0:
            why = "must be greater than 0"
            errors.append(invalid_value("spec.leaseDurationSeconds", duration, why))
        if moves is not None and moves < 0:
            why = "must be greater than or equal to 0"
            errors.append(invalid_value("spec.leaseTransitions", moves, why))
        return errors


class WorkloadStrategy(Strategy):
    """Deployment, ReplicaSet, DaemonSet, StatefulSet: stored, never run."""

    def default(self, obj: Json) -> None:
        spec: dict[str, Any] = obj.setdefault("spec", {})
        if self.resource.kind != "DaemonSet":
            spec.setdefault("replicas", 1)
        obj.setdefault("status", {})

    def prepare_create(self, obj: Json) -> None:
        super().prepare_create(obj)
        obj["status"] = {}

    def validate(self, obj: Json) -> list[FieldError]:
        spec = obj["spec"]
        errors = []
        if not spec.get("selector"):
            errors.append(required("spec.selector"))
        labels = ((spec.get("template") or {}).get("metadata") or {}).get("labels") or {}
        wanted = (spec.get("selector") or {}).get("matchLabels") or {}
        if any(labels.get(key) != value for key, value in wanted.items()):
            why = "`selector` does not match template `labels`"
            errors.append(invalid_value("spec.template.metadata.labels", labels, why))
        if not ((spec.get("template") or {}).get("spec") or {}).get("containers"):
            errors.append(required("spec.template.spec.containers"))
        return errors

    def validate_update(self, new: Json, old: Json) -> list[FieldError]:
        errors = self.validate(new)
        selector = new["spec"].get("selector")
        if selector != old["spec"].get("selector"):
            errors.append(invalid_value("spec.selector", selector, "field is immutable"))
        return errors


class PodStrategy(Strategy):
    """Pod: stored, never run; starts Pending."""

    def default(self, obj: Json) -> None:
        spec = obj.setdefault("spec", {})
        spec.setdefault("restartPolicy", "Always")
        spec.setdefault("terminationGracePeriodSeconds", 30)
        spec.setdefault("dnsPolicy", "ClusterFirst")
        spec.setdefault("schedulerName", "default-scheduler")
        obj.setdefault("status", {"phase": "Pending"})

    def prepare_create(self, obj: Json) -> None:
        obj["status"] = {"phase": "Pending", "qosClass": "BestEffort"}

    def validate(self, obj: Json) -> list[FieldError]:
        if not obj["spec"].get("containers"):
            return [required("spec.containers")]
        return []
