"""A cloud in memory that records every call and fails on demand.

For tests of controllers and of managers::

    cloud = FakeCloud()
    cloud.add_instance("node-1", addresses=[("InternalIP", "10.0.0.1")])
    cloud.latency["ensure_load_balancer"] = 0.05
    cloud.fail("ensure_load_balancer", RetryLater("creating", after=42), times=1)
    ...
    assert cloud.count("ensure_load_balancer") == 2

It behaves as a good provider does: every method is idempotent, a pass that changes nothing is no
write (:attr:`FakeCloud.writes`), and instances are described by the hundred.
"""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import TypeVar

from cloudprovider.concurrency import Concurrency, Event
from cloudprovider.errors import CloudProviderError, InstanceNotFound, ResourceNotFound
from cloudprovider.interface import (
    ClientBuilder,
    InstanceMetadata,
    InstanceState,
    InstancesV2,
    Interface,
    LoadBalancer,
    MetadataOutcome,
    Route,
    Routes,
    StateOutcome,
    Survey,
)
from cloudprovider.models import (
    LoadBalancerIngress,
    LoadBalancerStatus,
    Node,
    NodeAddress,
    Service,
)
from cloudprovider.testing.recording import CallRecorder, FakeCall
from cloudprovider.toolkit import fence

_T = TypeVar("_T")


@dataclasses.dataclass
class FakeBalancer:
    """A load balancer as the fake cloud holds it."""

    service: Service  #: as of the last ensure
    nodes: tuple[str, ...]
    status: LoadBalancerStatus


@dataclasses.dataclass
class FakeInstance:
    """An instance as the fake cloud holds it."""

    metadata: InstanceMetadata
    shutdown: bool = False


class FakeCloud(CallRecorder, Interface):
    """See the module.

    Args:
        name: The provider's name, the scheme of its provider ids.
        load_balancer: Whether the cloud has load balancers at all.
        instances: Whether it has instances.
        routes: Whether it has routes.
        concurrency: Clock and sleeps; :func:`cloudprovider.concurrency.current` by default.

    """

    #: Instances that one describe call answers for.
    page_size = 100

    def __init__(
        self,
        name: str = "fake",
        *,
        load_balancer: bool = True,
        instances: bool = True,
        routes: bool = True,
        concurrency: Concurrency | None = None,
    ) -> None:
        super().__init__(concurrency)
        self._name = name
        self._addresses = itertools.count(1)
        self.writes = 0  #: how many calls changed something in the cloud
        self.balancers: dict[str, FakeBalancer] = {}  #: by UID of the Service
        self.instances: dict[str, FakeInstance] = {}  #: by node name
        self.route_table: list[Route] = []
        self.classes: tuple[str, ...] = ()  #: load balancer classes that mean this cloud
        self.mark = ""  #: the label that it takes for its own on a Service; empty = none
        self.initialized = False
        #: Whether it can tell cheaply what changed. Recorded as one call if it can.
        self.surveys = False
        self._load_balancer = FakeLoadBalancer(self) if load_balancer else None
        self._instances_v2 = FakeInstances(self) if instances else None
        self._routes = FakeRoutes(self) if routes else None

    def provider_name(self) -> str:
        return self._name

    def has_cluster_id(self) -> bool:
        return True

    def initialize(self, client_builder: ClientBuilder, stop: Event) -> None:  # noqa: ARG002
        self.initialized = True

    def load_balancer(self) -> LoadBalancer | None:
        return self._load_balancer

    def instances_v2(self) -> InstancesV2 | None:
        return self._instances_v2

    def routes(self) -> Routes | None:
        return self._routes

    def load_balancer_classes(self) -> Collection[str]:
        return self.classes

    def claims_service(self, service: Service) -> bool:
        return bool(self.mark) and self.mark in (service.metadata.labels or {})

    def add_instance(
        self,
        name: str,
        *,
        provider_id: str | None = None,
        addresses: Sequence[tuple[str, str]] = (),
        instance_type: str = "t1.micro",
        zone: str = "zone-a",
        region: str = "region-1",
        labels: Mapping[str, str] | None = None,
    ) -> FakeInstance:
        """Launch an instance for the node ``name``; ``addresses`` are pairs (type, address)."""
        metadata = InstanceMetadata(
            provider_id=f"{self._name}://{name}" if provider_id is None else provider_id,
            instance_type=instance_type,
            node_addresses=tuple(NodeAddress(type=kind, address=text) for kind, text in addresses),
            zone=zone,
            region=region,
            additional_labels=dict(labels or {}),
        )
        self.instances[name] = FakeInstance(metadata)
        return self.instances[name]

    def forget_calls(self) -> None:
        """Start counting anew."""
        with self._lock:
            self.calls.clear()
            self.writes = 0

    def new_status(self) -> LoadBalancerStatus:
        """A status with an address that no other balancer has."""
        number = next(self._addresses)
        address = f"198.{18 + number // 62500}.{number // 250 % 250}.{number % 250 + 1}"
        return LoadBalancerStatus(ingress=(LoadBalancerIngress(ip=address),))


class FakeLoadBalancer(LoadBalancer):
    """Load balancers of a :class:`FakeCloud`."""

    def __init__(self, cloud: FakeCloud) -> None:
        self._cloud = cloud
        self._left: dict[str, tuple[str, ...]] = {}  # backends by UID, as the last call left them

    def get_load_balancer(self, cluster_name: str, service: Service) -> LoadBalancerStatus | None:  # noqa: ARG002
        def effect() -> LoadBalancerStatus | None:
            found = self._cloud.balancers.get(service.metadata.uid)
            return found.status if found else None

        return self._perform("get_load_balancer", service, (), effect)

    def get_load_balancer_name(self, cluster_name: str, service: Service) -> str:  # noqa: ARG002
        return "a" + service.metadata.uid.replace("-", "")[:31]

    def ensure_load_balancer(
        self,
        cluster_name: str,  # noqa: ARG002
        service: Service,
        nodes: Sequence[Node],
    ) -> LoadBalancerStatus:
        names = _names(nodes)

        def effect() -> LoadBalancerStatus:
            found = self._cloud.balancers.get(service.metadata.uid)
            if found is None:
                found = FakeBalancer(service, names, self._cloud.new_status())
                self._cloud.balancers[service.metadata.uid] = found
                self._cloud.writes += 1
            elif (found.nodes, _facts(found.service)) != (names, _facts(service)):
                found.service, found.nodes = service, names
                self._cloud.writes += 1
            self._left[service.metadata.uid] = names
            return found.status

        return self._perform("ensure_load_balancer", service, names, effect)

    def update_load_balancer(
        self,
        cluster_name: str,  # noqa: ARG002
        service: Service,
        nodes: Sequence[Node],
    ) -> None:
        names = _names(nodes)

        def effect() -> None:
            found = self._cloud.balancers.get(service.metadata.uid)
            if found is None:
                raise ResourceNotFound(f"{service.key} has no load balancer")
            if found.nodes != names:
                found.nodes = names
                self._cloud.writes += 1
            self._left[service.metadata.uid] = names

        self._perform("update_load_balancer", service, names, effect)

    def ensure_load_balancer_deleted(self, cluster_name: str, service: Service) -> None:  # noqa: ARG002
        def effect() -> None:
            fence.confirm()
            self._left.pop(service.metadata.uid, None)
            if self._cloud.balancers.pop(service.metadata.uid, None) is not None:
                self._cloud.writes += 1

        self._perform("ensure_load_balancer_deleted", service, (), effect)

    def survey(self, cluster_name: str, services: Sequence[Service]) -> Survey | None:
        if not self._cloud.surveys:
            return None

        def effect() -> Survey:
            balancers = self._cloud.balancers
            drifted = {
                uid: "it is gone" if uid not in balancers else "its backends were changed"
                for uid, nodes in self._left.items()
                if uid not in balancers or balancers[uid].nodes != nodes
            }
            uids = {service.metadata.uid for service in services}
            orphans = {uid: item.service.key for uid, item in balancers.items() if uid not in uids}
            return Survey(drifted, orphans, marked={uid: uid for uid in balancers if uid in uids})

        return self._cloud.perform(FakeCall("survey", cluster_name), effect)

    def _perform(
        self, method: str, service: Service, nodes: tuple[str, ...], effect: Callable[[], _T]
    ) -> _T:
        call = FakeCall(method, service.key, service.metadata.uid, nodes)
        return self._cloud.perform(call, effect)


def _names(nodes: Sequence[Node]) -> tuple[str, ...]:
    return tuple(node.metadata.name for node in nodes)


def _facts(service: Service) -> tuple[object, ...]:
    return (service.spec, dict(service.metadata.annotations or {}))


class FakeInstances(InstancesV2):
    """Instances of a :class:`FakeCloud`, described by the hundred.

    A bulk call is recorded once per page under its own name, which is what a cloud would count.
    """

    def __init__(self, cloud: FakeCloud) -> None:
        self._cloud = cloud

    def instance_exists(self, node: Node) -> bool:
        return self._one("instance_exists", node, lambda: self._states(node).exists)

    def instance_shutdown(self, node: Node) -> bool:
        return self._one("instance_shutdown", node, lambda: self._states(node).shutdown)

    def instance_metadata(self, node: Node) -> InstanceMetadata:
        return self._one("instance_metadata", node, lambda: self._metadata(node))

    def instance_metadata_many(self, nodes: Sequence[Node]) -> dict[str, MetadataOutcome]:
        return self._pages("instance_metadata", nodes, self._metadata)

    def instance_states_many(self, nodes: Sequence[Node]) -> dict[str, StateOutcome]:
        return self._pages("instance_states", nodes, self._states)

    def _one(self, method: str, node: Node, effect: Callable[[], _T]) -> _T:
        return self._cloud.perform(FakeCall(method, node.metadata.name), effect)

    def _pages(
        self, method: str, nodes: Sequence[Node], ask: Callable[[Node], _T]
    ) -> dict[str, _T | CloudProviderError]:
        answers: dict[str, _T | CloudProviderError] = {}
        for start in range(0, len(nodes), self._cloud.page_size):
            page = nodes[start : start + self._cloud.page_size]

            def effect(page: Sequence[Node] = page) -> dict[str, _T | CloudProviderError]:
                return {node.metadata.name: self._outcome(method, node, ask) for node in page}

            call = FakeCall(f"{method}_many", nodes=_names(page))
            answers.update(self._cloud.perform(call, effect))
        return answers

    def _outcome(
        self, method: str, node: Node, ask: Callable[[Node], _T]
    ) -> _T | CloudProviderError:
        try:
            return self._cloud.play(method, node.metadata.name, lambda: ask(node))
        except CloudProviderError as error:
            return error

    def _metadata(self, node: Node) -> InstanceMetadata:
        found = self._cloud.instances.get(node.metadata.name)
        if found is None:
            raise InstanceNotFound(f"no instance with the name {node.metadata.name}")
        return found.metadata

    def _states(self, node: Node) -> InstanceState:
        found = self._cloud.instances.get(node.metadata.name)
        return InstanceState(exists=found is not None, shutdown=bool(found and found.shutdown))


class FakeRoutes(Routes):
    """Routes of a :class:`FakeCloud`. A destination can be routed once."""

    def __init__(self, cloud: FakeCloud) -> None:
        self._cloud = cloud

    def list_routes(self, cluster_name: str) -> Sequence[Route]:
        call = FakeCall("list_routes", cluster_name)
        return self._cloud.perform(call, lambda: list(self._cloud.route_table))

    def create_routes(
        self, cluster_name: str, routes: Sequence[tuple[str, Route]]
    ) -> Sequence[CloudProviderError | None]:
        def effect() -> list[CloudProviderError | None]:
            return [self._outcome("create_route", hint, route) for hint, route in routes]

        targets = tuple(route.target_node for _, route in routes)
        return self._cloud.perform(FakeCall("create_routes", cluster_name, nodes=targets), effect)

    def delete_routes(
        self, cluster_name: str, routes: Sequence[Route]
    ) -> Sequence[CloudProviderError | None]:
        def effect() -> list[CloudProviderError | None]:
            return [self._outcome("delete_route", route.name, route) for route in routes]

        targets = tuple(route.target_node for route in routes)
        return self._cloud.perform(FakeCall("delete_routes", cluster_name, nodes=targets), effect)

    def _outcome(self, method: str, name: str, route: Route) -> CloudProviderError | None:
        change = self._create if method == "create_route" else self._delete
        try:
            self._cloud.play(method, route.destination_cidr, lambda: change(name, route))
        except CloudProviderError as error:
            return error
        return None

    def _create(self, hint: str, route: Route) -> None:
        table = self._cloud.route_table
        made = dataclasses.replace(route, name=f"{hint}-{route.destination_cidr}")
        for index, item in enumerate(table):
            if item.destination_cidr != route.destination_cidr:
                continue
            if item.blackhole or item.target_node != route.target_node:
                raise CloudProviderError(f"{route.destination_cidr} is routed already")
            if not item.ready:
                table[index] = made
                self._cloud.writes += 1
            return
        table.append(made)
        self._cloud.writes += 1

    def _delete(self, name: str, route: Route) -> None:  # noqa: ARG002 - as _create
        table = self._cloud.route_table
        if route in table:
            table.remove(route)
            self._cloud.writes += 1
