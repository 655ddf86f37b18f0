"""A whole small world on virtual time: API server, fake cloud, informers, controllers."""

from __future__ import annotations

import dataclasses
import datetime
import itertools
import json
from collections.abc import Callable
from typing import Any

import pytest
from prometheus_client import CollectorRegistry

from cloudprovider.testing.builders import make_node, make_service
from cloudprovider.testing.fake import FakeCloud
from cloudprovider.testing.virtual import VirtualConcurrency
from cloudprovider_controllers.context import ControllerContext, ControllerOptions, Informers
from cloudprovider_controllers.node import controller as node_controller
from cloudprovider_controllers.nodelifecycle import controller as lifecycle_controller
from cloudprovider_controllers.route import controller as route_controller
from cloudprovider_controllers.runtime.client import Client
from cloudprovider_controllers.runtime.informer import Informer
from cloudprovider_controllers.runtime.metrics import RuntimeMetrics
from cloudprovider_controllers.runtime.recorder import EventRecorder
from cloudprovider_controllers.runtime.resources import EVENTS, NODES, SERVICES
from cloudprovider_controllers.service import controller as service_controller

STARTERS = {
    "service": service_controller.start,
    "node": node_controller.start,
    "lifecycle": lifecycle_controller.start,
}
#: Started only by name.
MORE_STARTERS = {
    "route": route_controller.start,
    "route-cleanup": route_controller.start_cleanup,
}


class Manager:
    """One process: caches and controllers."""

    def __init__(self, world: World, controllers: tuple[str, ...], **options: Any) -> None:
        self.stop = world.hub.event()
        self.leading = True
        self.registry = CollectorRegistry()
        reader = world.client("manager", "informers")
        informers = Informers(
            nodes=Informer(reader, NODES, concurrency=world.hub),
            services=Informer(reader, SERVICES, concurrency=world.hub),
        )
        self.context = ControllerContext(
            cloud=world.cloud,
            client_builder=_Clients(world),
            informers=informers,
            recorder_factory=lambda component: EventRecorder(
                world.client("manager", "events"), component=component, concurrency=world.hub
            ),
            registry=self.registry,
            runtime_metrics=RuntimeMetrics(self.registry),
            cluster_cidrs=("10.244.0.0/16", "fd00:244::/48"),
            options=ControllerOptions(**options),
            may_write=lambda: self.leading,
            concurrency=world.hub,
        )
        starters = {**STARTERS, **MORE_STARTERS}
        self.running = [starters[name](self.context, self.stop) for name in controllers]
        informers.nodes.start(self.stop)
        informers.services.start(self.stop)

    def metric(self, name: str, /, **labels: str) -> float | None:
        """The value of a metric."""
        return self.registry.get_sample_value(name, labels)


@dataclasses.dataclass
class _Clients:
    world: World

    def client(self, name: str) -> Client:
        return self.world.client("manager", name)


class World:
    """What a test plays with. ``user`` is a client that stands for everybody else."""

    def __init__(self, hub: VirtualConcurrency) -> None:
        from cloudprovider_sandbox.apiserver.server import ApiServer

        self.hub = hub
        # Names of events contain the time: real clocks move between two of them, virtual ones not.
        ticks, now = itertools.count(), hub.now
        hub.now = lambda: now() + datetime.timedelta(microseconds=next(ticks))
        self.server = ApiServer(concurrency=hub)
        self.cloud = FakeCloud(concurrency=hub)
        self.user = self.client("user", "kubectl")

    def client(self, proc: str, name: str) -> Client:
        from cloudprovider_sandbox.apiserver.inprocess import InProcessTransport

        transport = InProcessTransport(self.server, proc=proc, user_agent=name)
        return Client(transport, qps=0, burst=1, concurrency=self.hub)

    def start(self, *controllers: str, settle: float = 2.0, **options: Any) -> Manager:
        """Start a manager with these controllers (all by default) and let it settle."""
        manager = Manager(self, controllers or tuple(STARTERS), **options)
        self.wait(settle)
        return manager

    def start_mortal(self, *controllers: str) -> None:
        """Start a manager in a process that the faults ``crash_*`` of the server kill."""
        self.server.on_crash = self.hub.kill

        def main() -> None:
            Manager(self, controllers)
            self.hub.event().wait()

        self.hub.start_process(main, process="manager")

    def wait(self, seconds: float) -> None:
        """Let virtual time pass."""
        self.hub.sleep(seconds)

    # -- objects ---------------------------------------------------------------------------

    def add_node(self, name: str = "node-1", **fields: Any):
        """Register a Node, initialised unless ``taints`` say otherwise."""
        body = to_body(make_node(name, **fields))
        status = body.pop("status", {})
        self.user.create(NODES, body)
        if status:
            self.user.patch(NODES, name, {"status": status}, subresource="status")
        return self.node(name)

    def add_service(self, name: str = "web", **fields: Any):
        """Create a Service of type LoadBalancer."""
        body = to_body(make_service(name, **fields))
        body.pop("status", None)
        for port in body["spec"].get("ports", ()):
            port.pop("nodePort", None)
        return self.user.create(SERVICES, body, body["metadata"]["namespace"])

    def node(self, name: str = "node-1"):
        """The Node now."""
        return self.user.get(NODES, name)

    def service(self, name: str = "web"):
        """The Service now."""
        return self.user.get(SERVICES, name, "default")

    def services(self):
        """All Services now, without the API server's own."""
        return [item for item in self.user.list(SERVICES) if item.metadata.name != "kubernetes"]

    def nodes(self):
        """All Nodes now."""
        return self.user.list(NODES)

    def patch_service(self, body: dict[str, Any], name: str = "web", **kwargs: Any):
        """Change a Service as a user would."""
        return self.user.patch(
            SERVICES, name, body, namespace="default", patch_type="merge", **kwargs
        )

    def patch_node(self, body: dict[str, Any], name: str = "node-1", **kwargs: Any):
        """Change a Node as a kubelet or a user would."""
        return self.user.patch(NODES, name, body, patch_type="merge", **kwargs)

    def delete_service(self, name: str = "web") -> None:
        """Delete a Service as a user would."""
        self.user.delete(SERVICES, name, namespace="default")

    def delete_node(self, name: str = "node-1") -> None:
        """Delete a Node as a user would."""
        self.user.delete(NODES, name)

    # -- looking back ----------------------------------------------------------------------

    def requests(self, *, writes: bool | None = None, effect: bool | None = None) -> list[str]:
        """What the manager asked of the API server, without watches, lists and events."""
        found = []
        for record in self.server.journal.records():
            method, _, what = record.op.partition(" ")
            if record.proc != "manager" or what.startswith("events"):
                continue
            if method in ("LIST", "WATCH"):
                continue
            if writes in (None, record.write) and effect in (None, record.effect):
                found.append(f"{record.op} {record.key}")
        return found

    def events(self, name: str = "") -> list[tuple[str, str, str]]:
        """(type, reason, message) of the events, each as often as it was counted."""
        found = []
        for event in self.user.list(EVENTS):
            raw = self.user.get_raw(EVENTS, event.metadata.name, event.metadata.namespace)
            if name in ("", raw["involvedObject"]["name"]):
                found += [(raw["type"], raw["reason"], raw["message"])] * raw.get("count", 1)
        return found

    def reasons(self, name: str = "") -> list[str]:
        """The reasons of the events, oldest first."""
        return [reason for _, reason, _ in self.events(name)]

    def forget(self) -> None:
        """Start counting anew."""
        self.server.journal.clear()
        self.cloud.forget_calls()


def to_body(obj: Any) -> dict[str, Any]:
    """What a client would send to create ``obj``."""
    from cloudprovider.models import to_builtins

    body = to_builtins(obj)
    for field in ("uid", "resourceVersion", "deletionTimestamp"):
        body["metadata"].pop(field, None)
    return body


@pytest.fixture
def play() -> Callable[..., None]:
    """Run a function on virtual time with a :class:`World` of its own."""

    def run(scene: Callable[[World], None], *, seed: int | None = None) -> None:
        hub = VirtualConcurrency(seed=seed)
        hub.run(lambda: scene(World(hub)))
        unexpected = hub.errors()
        assert not unexpected, unexpected

    return run


@dataclasses.dataclass(frozen=True)
class Sent:
    """One write of the manager to the API server."""

    op: str  #: ``PATCH nodes/node-1/status``
    content_type: str
    body: Any
    version: str  #: resourceVersion of the object right before, if there was one


@pytest.fixture
def sent() -> Callable[[World], list[Sent]]:
    """Record what the manager writes about Nodes, from now on: ``writes = sent(world)``."""

    def start(world: World) -> list[Sent]:
        found: list[Sent] = []
        handle = world.server.handle

        def recording(request: Any) -> Any:
            path = request.path.removeprefix("/api/v1/")
            if request.proc == "manager" and request.method != "GET" and path.startswith("nodes/"):
                now = {node.metadata.name: node for node in world.nodes()}
                node = now.get(path.split("/")[1])
                found.append(
                    Sent(
                        op=f"{request.method} {path}",
                        content_type=request.headers.get("content-type", ""),
                        body=json.loads(request.body or b"null"),
                        version=node.metadata.resource_version if node else "",
                    )
                )
            return handle(request)

        world.server.handle = recording
        return found

    return start
