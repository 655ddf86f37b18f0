"""What the provider writes on Services: the id label, and an end to another manager's finalizer.

Through the status subresource, as the finalizer of the controller is: less permission is needed.
Source: ``spec/alicloud.md`` 3.7.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from cloudprovider.errors import CloudProviderError
from cloudprovider.interface import KubernetesClient, KubernetesResponse
from cloudprovider.models import Service
from cloudprovider_alicloud.clb.names import LABEL_ID

#: What the Go manager puts on a Service whose load balancer it made. Nobody takes it away after a
#: take-over, unless we do.
GO_FINALIZER = "service.k8s.alibaba/resources"
_CONFLICT = 409
#: Conflict, and Invalid: the answers to a patch that names the UID of another object.
_REFUSED = frozenset((_CONFLICT, 422))
#: How often a label is sent, if the Service changes each time.
_TRIES = 5


def is_marked(service: Service) -> bool:
    """Whether ``service`` has a load balancer's id or the Go manager's finalizer."""
    labels = service.metadata.labels or {}
    return bool(labels.get(LABEL_ID)) or GO_FINALIZER in (service.metadata.finalizers or ())


class ServiceMarks:
    """Patches Services with ``client``. The UID in each patch guards a namesake."""

    def __init__(self, client: KubernetesClient) -> None:
        self._client = client

    def label(self, service: Service, labels: Mapping[str, str | None]) -> None:
        """Set ``labels``; None removes one. No error if ``service`` is gone.

        A value is set only while the Service has the type and class of ``service``: one that is
        another controller's by now gets no marks of ours.

        Raises:
            CloudProviderError: the API server refused.

        """
        version = service.metadata.resource_version if any(labels.values()) else None
        self._patch(service, {"labels": dict(labels)}, f"labels {sorted(labels)}", version)

    def release(self, service: Service) -> None:
        """Take the Go manager's finalizer away; nothing is written where there is none.

        Raises:
            CloudProviderError: the API server refused.

        """
        if GO_FINALIZER in (service.metadata.finalizers or ()):
            change = {"$deleteFromPrimitiveList/finalizers": [GO_FINALIZER]}
            self._patch(service, change, f"the removal of finalizer {GO_FINALIZER}")

    def _patch(
        self,
        service: Service,
        metadata: Mapping[str, Any],
        what: str,
        version: str | None = None,
    ) -> None:
        """Patch ``service``; with ``version`` that one, or a later one of its type and class."""
        for _ in range(_TRIES):
            answer = self._send(service, metadata, version)
            if answer.status < 400 or answer.status == 404:
                return
            if answer.status not in _REFUSED:
                break
            # The UID is refused like any other value: only the live object says what it was.
            found = self._live(service)
            if _is_another(service, found):
                return
            if not found or not version or answer.status != _CONFLICT:
                break
            if found.spec != _Spec(service.spec.type, service.spec.load_balancer_class):
                return
            version = found.metadata.resource_version
        why = _message(answer.data)
        raise CloudProviderError(
            f"the API server answered {answer.status} to {what} of Service {service.key}"
            + (f": {why}" if why else "")
        )

    def _send(
        self, service: Service, metadata: Mapping[str, Any], version: str | None
    ) -> KubernetesResponse:
        condition = {"uid": service.metadata.uid, "resourceVersion": version}
        named = {name: value for name, value in condition.items() if value}
        return self._client.raw(
            "PATCH",
            f"{_path(service)}/status",
            body=msgspec.json.encode({"metadata": {**named, **metadata}}),
            content_type="application/strategic-merge-patch+json",
        )

    def _live(self, service: Service) -> _Found | None:
        """What has its name now, without UID if nothing has; None if that cannot be said."""
        answer = self._client.raw("GET", _path(service))
        if answer.status == 404:
            return _Found(_Meta(""))
        if answer.status >= 400:
            return None
        try:
            return msgspec.json.decode(answer.data, type=_Found)
        except msgspec.DecodeError:
            return None


class _Meta(msgspec.Struct, rename="camel"):
    uid: str
    resource_version: str | None = None


class _Spec(msgspec.Struct, rename="camel", frozen=True):
    type: str = "ClusterIP"
    load_balancer_class: str | None = None


class _Found(msgspec.Struct):
    metadata: _Meta
    spec: _Spec = _Spec()


def _is_another(service: Service, found: _Found | None) -> bool:
    """Whether ``service`` is gone, be it that another one has its name now."""
    return found is not None and found.metadata.uid != service.metadata.uid


class _Status(msgspec.Struct):
    message: str | None = None


def _message(data: bytes) -> str:
    """What a Status says, e.g. which admission webhook refused; empty if ``data`` is none."""
    try:
        return msgspec.json.decode(data, type=_Status).message or ""
    except msgspec.DecodeError:
        return ""


def _path(service: Service) -> str:
    meta = service.metadata
    return f"/api/v1/namespaces/{meta.namespace}/services/{meta.name}"
