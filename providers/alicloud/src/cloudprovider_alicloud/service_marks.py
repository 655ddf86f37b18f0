"""What the provider writes on Services: the id label, and an end to another manager's finalizer.

Through the status subresource, as the finalizer of the controller is: less permission is needed.
Source: ``spec/alicloud.md`` 3.7.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from cloudprovider.errors import CloudProviderError
from cloudprovider.interface import KubernetesClient
from cloudprovider.models import Service
from cloudprovider_alicloud.clb.names import LABEL_ID

#: What the Go manager puts on a Service whose load balancer it made. Nobody takes it away after a
#: take-over, unless we do.
GO_FINALIZER = "service.k8s.alibaba/resources"
#: Conflict, and Invalid: the answers to a patch that names the UID of another object.
_REFUSED = frozenset((409, 422))


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

        Raises:
            CloudProviderError: the API server refused.

        """
        self._patch(service, {"labels": dict(labels)}, f"labels {sorted(labels)}")

    def release(self, service: Service) -> None:
        """Take the Go manager's finalizer away; nothing is written where there is none.

        Raises:
            CloudProviderError: the API server refused.

        """
        if GO_FINALIZER in (service.metadata.finalizers or ()):
            change = {"$deleteFromPrimitiveList/finalizers": [GO_FINALIZER]}
            self._patch(service, change, f"the removal of finalizer {GO_FINALIZER}")

    def _patch(self, service: Service, metadata: Mapping[str, Any], what: str) -> None:
        body = {"metadata": {"uid": service.metadata.uid, **metadata}}
        answer = self._client.raw(
            "PATCH",
            f"{_path(service)}/status",
            body=msgspec.json.encode(body),
            content_type="application/strategic-merge-patch+json",
        )
        if answer.status < 400 or answer.status == 404:
            return
        # The UID is refused like any other value: only the live object says whether it was the UID.
        if answer.status not in _REFUSED or not self._is_another(service):
            why = _message(answer.data)
            raise CloudProviderError(
                f"the API server answered {answer.status} to {what} of Service {service.key}"
                + (f": {why}" if why else "")
            )

    def _is_another(self, service: Service) -> bool:
        """Whether ``service`` is gone, be it that another one has its name now."""
        answer = self._client.raw("GET", _path(service))
        if answer.status == 404:
            return True
        if answer.status >= 400:
            return False
        try:
            found = msgspec.json.decode(answer.data, type=_Found)
        except msgspec.DecodeError:
            return False
        return found.metadata.uid != service.metadata.uid


class _Meta(msgspec.Struct):
    uid: str


class _Found(msgspec.Struct):
    metadata: _Meta


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
