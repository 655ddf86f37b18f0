"""Writes labels on Services: where the id of a load balancer is kept (``spec/alicloud.md`` 3.7)."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from cloudprovider.errors import CloudProviderError
from cloudprovider.interface import KubernetesClient
from cloudprovider.models import Service

MERGE_PATCH = "application/merge-patch+json"


class ServiceLabels:
    """Patches labels with ``client``. The UID in the patch guards a namesake.

    Through the status subresource, as the finalizer is: less permission is needed.
    """

    def __init__(self, client: KubernetesClient) -> None:
        self._client = client

    def __call__(self, service: Service, labels: Mapping[str, str | None]) -> None:
        """Set ``labels``; None removes one. No error if ``service`` is gone.

        Raises:
            CloudProviderError: the API server refused.

        """
        meta = service.metadata
        body = {"metadata": {"uid": meta.uid, "labels": dict(labels)}}
        answer = self._client.raw(
            "PATCH",
            f"/api/v1/namespaces/{meta.namespace}/services/{meta.name}/status",
            body=msgspec.json.encode(body),
            content_type=MERGE_PATCH,
        )
        if answer.status >= 400 and answer.status != 404:
            raise CloudProviderError(
                f"the API server answered {answer.status} to labels {sorted(labels)} of Service "
                f"{service.key}"
            )
