"""Talks to the endpoint of a running sandbox (:mod:`cloudprovider_sandbox.admin`)."""

from __future__ import annotations

from typing import Any, TypeVar
from urllib.parse import quote

import msgspec
import urllib3

from cloudprovider.testing.emulation import EmulatedInstance, InventoryItem
from cloudprovider.testing.faults import Fault
from cloudprovider.toolkit.journal import Record, from_jsonl

_T = TypeVar("_T")


class AdminError(Exception):
    """The sandbox refused, or does not answer."""


class FaultState(msgspec.Struct):
    """A rule and how often it fired."""

    fault: Fault
    fired: int


class AdminClient:
    """Client of one sandbox. Every method raises AdminError if it refuses or does not answer."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._pool = urllib3.PoolManager(retries=False, timeout=urllib3.Timeout(30.0))

    def inventory(self) -> list[InventoryItem]:
        """Every resource of the cloud."""
        return self._get("/inventory", list[InventoryItem])

    def journal(self, since: int = -1) -> list[Record]:
        """Calls after number ``since``, oldest first."""
        return from_jsonl(self._request("GET", f"/journal?since={since}"))

    def faults(self) -> list[FaultState]:
        """The rules."""
        return self._get("/faults", list[FaultState])

    def add_fault(self, fault: Fault) -> None:
        """Add a rule."""
        self._request("POST", "/faults", fault)

    def clear_faults(self) -> None:
        """Remove all rules."""
        self._request("DELETE", "/faults")

    def nodes(self) -> list[EmulatedInstance]:
        """Instances that are nodes."""
        return self._get("/nodes", list[EmulatedInstance])

    def add_node(self, name: str = "") -> EmulatedInstance:
        """Launch an instance and let it join."""
        data = self._request("POST", "/nodes", {"name": name})
        return msgspec.json.decode(data, type=EmulatedInstance)

    def remove_node(self, name: str) -> None:
        """Terminate the instance of node ``name``."""
        self._request("DELETE", f"/nodes/{quote(name, safe='')}")

    def stop_node(self, name: str) -> None:
        """Shut the instance of node ``name`` down."""
        self._request("POST", f"/nodes/{quote(name, safe='')}/stop")

    def _get(self, path: str, kind: type[_T]) -> _T:
        return msgspec.json.decode(self._request("GET", path), type=kind)

    def _request(self, method: str, path: str, body: Any = None) -> bytes:
        data = None if body is None else msgspec.json.encode(body)
        try:
            response = self._pool.request(method, self._url + path, body=data)
        except urllib3.exceptions.HTTPError as error:
            raise AdminError(f"the sandbox at {self._url} does not answer: {error}") from error
        if response.status >= 400:
            raise AdminError(_message(response.data))
        return response.data


def _message(data: bytes) -> str:
    try:
        return str(msgspec.json.decode(data, type=dict[str, str]).get("error", ""))
    except msgspec.MsgspecError:
        return data[:200].decode(errors="replace")
