"""The API server of a benchmark, served over HTTP from this process, and what is put into it."""

from __future__ import annotations

import contextlib
import datetime
import pathlib
import time
from collections.abc import Callable, Iterator
from typing import Any

import msgspec

from benchmarks.processes import BenchmarkError
from cloudprovider.testing.emulation import EmulatedInstance
from cloudprovider.toolkit.journal import Record
from cloudprovider_sandbox.apiserver.http import ApiServerHttp
from cloudprovider_sandbox.apiserver.messages import Request
from cloudprovider_sandbox.apiserver.server import ApiServer
from cloudprovider_sandbox.apiserver.store import Change
from cloudprovider_sandbox.kubelets import UNINITIALIZED, node_body

NODES = "/api/v1/nodes"
SERVICES = "/api/v1/namespaces/default/services"
_DRIVER = "benchmark"
_MERGE = "application/merge-patch+json"


class _Taint(msgspec.Struct):
    key: str


class _Spec(msgspec.Struct):
    taints: list[_Taint] = []


class _Balancer(msgspec.Struct):
    ingress: list[dict[str, Any]] = []


class _Status(msgspec.Struct):
    loadBalancer: _Balancer = msgspec.field(default_factory=_Balancer)


class _Object(msgspec.Struct):
    """What is looked at of Nodes and Services as they change."""

    spec: _Spec = msgspec.field(default_factory=_Spec)
    status: _Status = msgspec.field(default_factory=_Status)


class Cluster:
    """An API server; notes when Services get and lose their address and nodes become usable.

    Args:
        clock: Seconds for those notes; the default is shared by all processes of this machine.

    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self.server = ApiServer()
        self._clock = clock
        self.created: dict[str, float] = {}  #: of Services and nodes, by name
        self.addressed: dict[str, float] = {}  #: Services with an address
        self.removed: dict[str, float] = {}  #: Services that are gone
        self.initialised: dict[str, float] = {}  #: nodes without the taint
        self._nodes = 0
        self.server.store.listen(self._note)

    def _note(self, storage: str, change: Change) -> None:
        if storage not in ("services", "nodes"):
            return
        now, name = self._clock(), change.entry.key[1]
        if change.type == "ADDED":
            self.created[name] = now
        if change.type == "DELETED":
            self.removed[name] = now
            return
        seen = msgspec.json.decode(change.entry.data, type=_Object)
        if storage == "services" and seen.status.loadBalancer.ingress:
            self.addressed.setdefault(name, now)
        if storage == "nodes" and all(taint.key != UNINITIALIZED for taint in seen.spec.taints):
            self.initialised.setdefault(name, now)

    # -- what users and kubelets do --------------------------------------------------------

    def request(
        self, method: str, path: str, body: object = None, kind: str = "application/json"
    ) -> dict[str, Any]:
        """A request past HTTP. Raises BenchmarkError if it is refused."""
        sent = b"" if body is None else msgspec.json.encode(body)
        reply = self.server.handle(
            Request(method, path, headers={"content-type": kind}, body=sent, proc=_DRIVER)
        )
        if reply.status >= 300:
            raise BenchmarkError(f"{method} {path}: {reply.status} {reply.body!r}")
        answer: dict[str, Any] = msgspec.json.decode(reply.body)
        return answer

    def register(self, instance: EmulatedInstance) -> None:
        """What the kubelet of ``instance`` does, started with ``--provider-id``."""
        self._nodes += 1
        now = datetime.datetime.now(datetime.UTC)
        body = node_body(instance, number=self._nodes, version="v1.33.0", now=now)
        body["spec"]["providerID"] = instance.provider_id
        self.request("POST", NODES, body)

    def expose(self, name: str, annotations: dict[str, str] | None = None) -> None:
        """A Service of type LoadBalancer with one TCP port."""
        ports = [{"port": 80, "protocol": "TCP"}]
        spec = {"type": "LoadBalancer", "selector": {"app": name}, "ports": ports}
        meta = {"name": name, "annotations": annotations or {}}
        self.request("POST", SERVICES, {"metadata": meta, "spec": spec})

    def patch(self, path: str, body: object) -> None:
        """A merge patch."""
        self.request("PATCH", path, body, _MERGE)

    def delete(self, path: str) -> None:
        self.request("DELETE", path)

    # -- what the manager did --------------------------------------------------------------

    def last(self) -> int:
        """Index of the last request in the journal."""
        records = self.server.journal.records()
        return records[-1].n if records else -1

    def requests(self, since: int = -1) -> list[Record]:
        """Requests of managers after index ``since``, those for leases left out."""
        return [
            record
            for record in self.server.journal.records(since)
            if record.proc != _DRIVER and not record.op.endswith("leases")
        ]


@contextlib.contextmanager
def serving(folder: pathlib.Path) -> Iterator[tuple[Cluster, pathlib.Path]]:
    """A cluster that is served, and its kubeconfig."""
    cluster = Cluster()
    with ApiServerHttp(cluster.server) as http:
        path = folder / "kubeconfig"
        http.write_kubeconfig(path)
        yield cluster, path
