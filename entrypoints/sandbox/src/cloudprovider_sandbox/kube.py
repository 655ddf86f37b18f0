"""A small Kubernetes client for the sandbox's own parts: what kubectl would send, as JSON."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec
import urllib3

_TABLE = "application/json;as=Table;v=v1;g=meta.k8s.io,application/json"
_PATCH_TYPES = {
    "strategic": "application/strategic-merge-patch+json",
    "merge": "application/merge-patch+json",
}


class KubeError(Exception):
    """The API server refused. ``status`` is the HTTP status, ``reason`` Kubernetes' word."""

    def __init__(self, status: int, reason: str, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.reason = reason


@dataclasses.dataclass(frozen=True)
class Table:
    """What ``kubectl get`` shows: column names and cells."""

    columns: Sequence[str]
    rows: Sequence[Sequence[str]]


class Kube:
    """Talks to one API server.

    Args:
        url: Of the API server.
        token: Bearer token, or empty.
        ca: PEM of its authority, for https.
        user_agent: Who this is, for the journal.

    """

    def __init__(self, url: str, *, user_agent: str, token: str = "", ca: bytes = b"") -> None:
        headers = {"User-Agent": user_agent, "Accept": "application/json"}
        if token:
            headers["Authorization"] = f"Bearer {token}"
        self._url = url.rstrip("/")
        self._headers = headers
        self._pool = urllib3.PoolManager(
            num_pools=4,
            retries=False,
            timeout=urllib3.Timeout(10.0),
            ca_cert_data=ca.decode() or None,
        )

    def get(self, path: str) -> dict[str, Any]:
        """The object or list at ``path``."""
        return self._json("GET", path)

    def items(self, path: str) -> list[dict[str, Any]]:
        """The objects of the list at ``path``."""
        found: list[dict[str, Any]] = self.get(path).get("items") or []
        return found

    def exists(self, path: str) -> bool:
        """Whether something is at ``path``."""
        try:
            self.get(path)
        except KubeError as error:
            if error.status == 404:
                return False
            raise
        return True

    def create(self, path: str, body: Mapping[str, Any]) -> dict[str, Any]:
        """Create ``body`` in the collection at ``path``."""
        return self._json("POST", path, body)

    def replace(self, path: str, body: Mapping[str, Any]) -> dict[str, Any]:
        """Put ``body`` in the place of what is at ``path``."""
        return self._json("PUT", path, body)

    def patch(
        self, path: str, body: Mapping[str, Any], *, patch_type: str = "strategic"
    ) -> dict[str, Any]:
        """Patch the object at ``path``; ``patch_type`` is ``strategic`` or ``merge``."""
        return self._json("PATCH", path, body, content_type=_PATCH_TYPES[patch_type])

    def delete(self, path: str) -> None:
        """Delete the object at ``path``; no error if it is gone."""
        try:
            self._json("DELETE", path)
        except KubeError as error:
            if error.status != 404:
                raise

    def table(self, path: str, *, wide: bool = False) -> Table:
        """The server's own Table of ``path``, with the columns that ``kubectl get`` shows."""
        reply = self._json("GET", path, accept=_TABLE)
        definitions = reply.get("columnDefinitions") or []
        shown = [i for i, column in enumerate(definitions) if wide or not column.get("priority")]
        return Table(
            columns=[str(definitions[i]["name"]).upper() for i in shown],
            rows=[[_cell(row["cells"][i]) for i in shown] for row in reply.get("rows") or []],
        )

    def _json(
        self,
        method: str,
        path: str,
        body: Mapping[str, Any] | None = None,
        *,
        content_type: str = "application/json",
        accept: str = "application/json",
    ) -> dict[str, Any]:
        response = self._pool.request(
            method,
            self._url + path,
            body=None if body is None else msgspec.json.encode(body),
            headers={**self._headers, "Content-Type": content_type, "Accept": accept},
        )
        if response.status >= 400:
            raise _error(response.status, response.data)
        reply: dict[str, Any] = msgspec.json.decode(response.data)
        return reply


def _error(status: int, data: bytes) -> KubeError:
    try:
        reply = msgspec.json.decode(data)
        return KubeError(status, str(reply.get("reason", "")), str(reply.get("message", "")))
    except (msgspec.DecodeError, AttributeError):
        return KubeError(status, "", data[:200].decode(errors="replace"))


def _cell(value: Any) -> str:
    return "<none>" if value is None or value == "" else str(value)
