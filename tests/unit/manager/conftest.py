"""Providers and an API server that live in this process: nothing is installed, no sockets."""

import io
import itertools
import json
import pathlib
import sys
from collections.abc import Iterator, Mapping
from typing import Any

import pytest

from cloudprovider import registry
from cloudprovider.concurrency import Concurrency
from cloudprovider.interface import Interface, LoadBalancer
from cloudprovider.testing.virtual import VirtualConcurrency
from cloudprovider_controllers.runtime.transport import Response, TransportError
from cloudprovider_manager.app import Manager
from cloudprovider_manager.options import Options

sys.path.insert(0, str(pathlib.Path(__file__).parent))  # the modules beside this one


class StubCloud(Interface):
    """A provider without any capability."""

    cluster_id = True

    def __init__(self, config: io.TextIOBase | None = None, **options: Any) -> None:
        self.config = config.read() if config else None
        self.options = options
        self.initialized_with: list[Any] = []

    def provider_name(self) -> str:
        return "stub"

    def has_cluster_id(self) -> bool:
        return self.cluster_id

    def initialize(self, client_builder: Any, stop: Any) -> None:
        self.initialized_with.append((client_builder, stop))


def new_stub(config: Any, **options: Any) -> StubCloud:
    return StubCloud(config, **options)


new_stub.flags = {  # type: ignore[attr-defined]
    "sg-batch-size": (40, "Backends per call.", range(1, 41)),
    "network": ("vpc", "Which endpoints.", ("vpc", "public")),
    "dry-run": (False, "Change nothing."),
    "zones": ((), "Zones."),
}
new_stub.old_flags = {  # type: ignore[attr-defined]
    "workers": (3, "ignored", "see --concurrent-service-syncs."),
    "simulate": (False, "refused", "it would change the cloud all the same"),
}


@pytest.fixture
def time():
    return VirtualConcurrency()


@pytest.fixture
def stub() -> Iterator[str]:
    """The name of a registered provider with flags of its own."""
    registry.register_cloud_provider("stub", new_stub)
    yield "stub"
    registry.unregister_cloud_provider("stub")


class FakeApi:
    """The smallest API server that a manager can run against, as the runtime's ``Transport``.

    Leases with versions and conflicts, events, ServiceAccounts, and lists that stay empty.
    """

    def __init__(self, concurrency: Concurrency) -> None:
        self.concurrency = concurrency
        self.objects: dict[str, dict[str, Any]] = {}
        self.calls: list[tuple[float, str, str]] = []
        self.down = False
        self._versions = itertools.count(1)

    def request(
        self,
        method: str,
        path: str,
        *,
        query: Mapping[str, str],
        headers: Mapping[str, str],
        body: bytes | None,
        timeout: float,
    ) -> Response:
        self.concurrency.sleep(0.001)
        if self.down:
            raise TransportError("the API server is down", sent=False)
        self.calls.append((self.concurrency.monotonic(), method, path))
        sent = json.loads(body) if body else {}
        return getattr(self, f"_{method.lower()}")(path, sent)

    def stream(self, path, *, query, headers, read_timeout):
        if self.down:
            raise TransportError("the API server is down", sent=False)
        return _Silence(self.concurrency)

    def lease(self, name="cloud-controller-manager"):
        path = f"/apis/coordination.k8s.io/v1/namespaces/kube-system/leases/{name}"
        return self.objects.get(path)

    def holder(self):
        lease = self.lease()
        return lease["spec"].get("holderIdentity", "") if lease else ""

    def events(self):
        return [item["message"] for path, item in self.objects.items() if "/events/" in path]

    def _get(self, path, sent):
        if path in self.objects:
            return _answer(200, self.objects[path])
        if path.rpartition("/")[2] in ("nodes", "services"):
            return _answer(200, {"metadata": {"resourceVersion": "1"}, "items": []})
        return _status(404, "NotFound")

    def _post(self, path, sent):
        full = f"{path}/{sent['metadata']['name']}"
        if full in self.objects:
            return _status(409, "AlreadyExists")
        return _answer(201, self._store(full, sent))

    def _put(self, path, sent):
        current = self.objects.get(path)
        if current is None:
            return _status(404, "NotFound")
        if sent["metadata"].get("resourceVersion") != current["metadata"]["resourceVersion"]:
            return _status(409, "Conflict")
        return _answer(200, self._store(path, sent))

    def _patch(self, path, sent):
        return _answer(200, self._store(path, {**self.objects.get(path, {}), **sent}))

    def _store(self, path, sent):
        metadata = {**sent.get("metadata", {}), "resourceVersion": str(next(self._versions))}
        self.objects[path] = {**sent, "metadata": metadata}
        return self.objects[path]


class _Silence:
    """A watch in which nothing happens."""

    status = 200
    headers: Mapping[str, str] = {}

    def __init__(self, concurrency: Concurrency) -> None:
        self._closed = concurrency.event()

    def lines(self):
        self._closed.wait()
        return iter(())

    def close(self):
        self._closed.set()


def _answer(status, body):
    return Response(status, {"content-type": "application/json"}, json.dumps(body).encode())


def _status(code, reason):
    body = {"kind": "Status", "status": "Failure", "reason": reason, "code": code}
    return _answer(code, {**body, "message": reason})


class NoBalancer(LoadBalancer):
    """Load balancers that nobody asks for here."""

    def get_load_balancer(self, cluster_name, service):
        return None

    def get_load_balancer_name(self, cluster_name, service):
        return ""

    def ensure_load_balancer(self, cluster_name, service, nodes):
        raise AssertionError

    def update_load_balancer(self, cluster_name, service, nodes):
        raise AssertionError

    def ensure_load_balancer_deleted(self, cluster_name, service):
        raise AssertionError


class Cloud(Interface):
    """A provider that says when it was initialized, and may fail then."""

    def __init__(self, *, cluster_id=True, failure=None, slow=None):
        self.initialized = 0
        self._cluster_id = cluster_id
        self._failure = failure
        self._slow = slow

    def provider_name(self):
        return "fake"

    def has_cluster_id(self):
        return self._cluster_id

    def initialize(self, client_builder, stop):
        self.initialized += 1
        if self._slow:
            self._slow()
        if self._failure:
            raise self._failure

    def load_balancer(self):
        return NoBalancer()


class World:
    """One API server and managers, each in a virtual process of its own."""

    def __init__(self):
        self.time = VirtualConcurrency()
        self.api = FakeApi(self.time)
        self.codes = {}
        self.stops = {}
        self.managers = {}

    cloud = Cloud

    def start(self, name="one", cloud=None, **fields):
        options = Options(**{"cloud_provider": "fake", "secure_port": 0, **fields})
        stop = self.time.event()
        manager = Manager(
            options, transport=self.api, cloud=cloud or Cloud(), concurrency=self.time
        )

        def run():
            self.codes[name] = manager.run(stop)

        self.stops[name], self.managers[name] = stop, manager
        self.time.start_process(run, process=name)
        return manager

    def run(self, script):
        self.time.run(script)
        assert self.time.errors() == []


@pytest.fixture
def world():
    return World()


@pytest.fixture(scope="module")
def module_world():
    """A world for a run that several tests look at."""
    return World()
