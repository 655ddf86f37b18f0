"""Events that the controllers' own code makes, caught by a recorder that sends nothing."""

from __future__ import annotations

import contextlib
import dataclasses
import logging
from collections.abc import Callable, Iterator
from typing import Any, cast

import prometheus_client

from cloudprovider.concurrency import current
from cloudprovider.errors import CloudProviderError
from cloudprovider.interface import InstanceMetadata
from cloudprovider.testing.builders import make_node, make_service
from cloudprovider.testing.virtual import VirtualConcurrency
from cloudprovider_controllers.node.api import NodeApi
from cloudprovider_controllers.node.initializer import InitializationFailed, Initializer
from cloudprovider_controllers.node.metrics import NodeMetrics
from cloudprovider_controllers.route.events import RouteEvents
from cloudprovider_controllers.runtime.client import Client
from cloudprovider_controllers.runtime.elector import LeaderElector
from cloudprovider_controllers.runtime.recorder import EventRecorder
from cloudprovider_controllers.service.decisions import ServiceState
from cloudprovider_controllers.service.events import ServiceEvents, SyncFailed
from cloudprovider_sandbox.apiserver.inprocess import InProcessTransport
from cloudprovider_sandbox.apiserver.server import ApiServer

UNINITIALIZED = "node.cloudprovider.kubernetes.io/uninitialized"


@dataclasses.dataclass(frozen=True)
class Event:
    """An event as somebody asked for it."""

    kind: str
    type: str
    reason: str
    message: str


class _Recorder:
    """Stands in for the runtime's recorder."""

    def __init__(self) -> None:
        self.events: list[Event] = []

    def event(self, obj: Any, type: str, reason: str, message: str, **_: Any) -> None:
        self.events.append(Event(obj.kind, type, reason, message))


def _recorder() -> tuple[_Recorder, EventRecorder]:
    fake = _Recorder()
    return fake, cast("EventRecorder", fake)


# -- Services ------------------------------------------------------------------------------------


def service_failures(cause: Exception, *, tries: int = 1, **how: Any) -> list[Event]:
    """The events of a pass that fails with ``cause``, and of its retries."""
    fake, recorder = _recorder()
    service = make_service()
    state = ServiceState(service)
    failure = SyncFailed(how.pop("doing", "failed to ensure load balancer"), cause, **how)
    for _ in range(tries):
        ServiceEvents(recorder).failed(state, service, failure)
    return fake.events


def service_successes() -> Iterator[tuple[Event, str]]:
    """Each event of a Service that is no failure, and what its method says of it."""
    service = make_service()
    for name, method in vars(ServiceEvents).items():
        if name.startswith("_") or name == "failed":
            continue
        fake, recorder = _recorder()
        tell: Callable[..., None] = getattr(ServiceEvents(recorder), name)
        tell(*([ServiceState(service), service] if name == "deleting" else [service]))
        yield fake.events[0], method.__doc__


# -- Nodes ---------------------------------------------------------------------------------------


class _Api:
    """Stands in for the writes of Nodes: every one succeeds."""

    def set_addresses(self, node: Any, _: Any) -> Any:
        return node

    def initialize(self, node: Any, plan: Callable[[Any], object]) -> bool:
        return plan(node) is not None


def node_events(outcome: InstanceMetadata | CloudProviderError) -> list[Event]:
    """The events of a Node about whose instance the provider answered ``outcome``."""
    fake, recorder = _recorder()
    initializer = Initializer(
        api=cast("NodeApi", _Api()),
        recorder=recorder,
        metrics=NodeMetrics(prometheus_client.CollectorRegistry()),
        needs_provider_id=True,
        concurrency=current(),
    )
    with contextlib.suppress(InitializationFailed):  # its event is what is wanted
        initializer.finish(make_node(taints=[UNINITIALIZED]), outcome)
    return fake.events


# -- routes --------------------------------------------------------------------------------------


def route_failures(error: CloudProviderError, *, tries: int = 1) -> list[Event]:
    """The events of a Node whose route could not be created, and of the retries."""
    fake, recorder = _recorder()
    events = RouteEvents(recorder)
    for _ in range(tries):
        events.failed(make_node(), "10.0.0.0/24", error, 1.0)
    return fake.events


# -- the lease -----------------------------------------------------------------------------------


def lease_events() -> list[Event]:
    """The events of a manager that takes the lease and gives it back."""
    fake, recorder = _recorder()
    hub = VirtualConcurrency()
    logging.disable()  # what the elector says of leading
    try:
        hub.run(lambda: _lead(recorder, hub))
    finally:
        logging.disable(logging.NOTSET)
    return fake.events


def _lead(recorder: EventRecorder, hub: VirtualConcurrency) -> None:
    server = ApiServer(concurrency=hub)
    transport = InProcessTransport(server, proc="manager", user_agent="manager")
    client = Client(transport, qps=0, concurrency=hub)
    elector = LeaderElector(client, identity="HOST_UUID", recorder=recorder, concurrency=hub)
    elector.run(hub.event(), elector.release, lambda: None)
