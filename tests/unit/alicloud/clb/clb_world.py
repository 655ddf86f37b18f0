"""A cloud on virtual time, Services and nodes to try on it, and counts of calls."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import msgspec
import pytest

from cloudprovider.models import (
    LoadBalancerStatus,
    Node,
    NodeSpec,
    ObjectMeta,
    Service,
    ServicePort,
    ServiceSpec,
    ServiceStatus,
)
from cloudprovider.testing.virtual import VirtualConcurrency
from cloudprovider_alicloud.api.client import CloudApi
from cloudprovider_alicloud.api.slb import SlbApi
from cloudprovider_alicloud.api.vpc import VpcApi
from cloudprovider_alicloud.clb.load_balancer import ClbLoadBalancer
from cloudprovider_alicloud.clb.reconcile import Settings
from cloudprovider_alicloud.config import AlicloudConfig, VSwitch
from cloudprovider_alicloud.emulator.core import EmulatorCore
from cloudprovider_alicloud.emulator.inprocess import EmulatorCaller
from cloudprovider_alicloud.emulator.world import (
    default_world,
    launch_instance,
    terminate_instance,
)

CLUSTER = "c-test"
PREFIX = "service.beta.kubernetes.io/alibaba-cloud-loadbalancer-"
LABEL = "service.k8s.alibaba/loadbalancer-id"
UID = "11111111-2222-3333-4444-555555555555"
NAME = "a1111111122223333444455555555555"


def make_node(name: str, provider_id: str = "", **fields: Any) -> Node:
    labels = fields.pop("labels", {})
    spec = NodeSpec(provider_id=provider_id or f"cn-hangzhou.i-{name}", **fields)
    return Node(metadata=ObjectMeta(name=name, uid=f"uid-{name}", labels=labels), spec=spec)


def make_service(
    *ports: ServicePort | int,
    name: str = "web",
    uid: str = UID,
    annotations: Mapping[str, str] | None = None,
    labels: Mapping[str, str] | None = None,
    **spec: Any,
) -> Service:
    """A Service; annotation keys without ``/`` get our prefix."""
    full = {k if "/" in k else PREFIX + k: v for k, v in (annotations or {}).items()}
    listed = tuple(
        port if isinstance(port, ServicePort) else ServicePort(port=port, node_port=30000 + port)
        for port in (ports or (80,))
    )
    return Service(
        metadata=ObjectMeta(
            name=name, namespace="default", uid=uid, annotations=full, labels=dict(labels or {})
        ),
        spec=ServiceSpec(type="LoadBalancer", ports=listed, **spec),
    )


def with_status(service: Service, status: LoadBalancerStatus) -> Service:
    return msgspec.structs.replace(service, status=ServiceStatus(load_balancer=status))


def with_labels(service: Service, labels: Mapping[str, str | None]) -> Service:
    merged = {**(service.metadata.labels or {}), **labels}
    kept = {key: value for key, value in merged.items() if value is not None}
    metadata = msgspec.structs.replace(service.metadata, labels=kept)
    return msgspec.structs.replace(service, metadata=metadata)


def annotated(service: Service, **changes: str | None) -> Service:
    """``service`` with annotations (``_`` for ``-``) changed; None removes one."""
    full = dict(service.metadata.annotations or {})
    for key, value in changes.items():
        name = PREFIX + key.replace("_", "-")
        if value is None:
            full.pop(name, None)
        else:
            full[name] = value
    metadata = msgspec.structs.replace(service.metadata, annotations=full)
    return msgspec.structs.replace(service, metadata=metadata)


@dataclasses.dataclass
class Cloud:
    """The emulated cloud and a cluster in it."""

    clock: VirtualConcurrency
    core: EmulatorCore
    config: AlicloudConfig
    world: Any
    recorded: list[tuple[str, dict[str, str | None]]] = dataclasses.field(default_factory=list)

    def balancer(self, **settings: Any) -> ClbLoadBalancer:
        """A manager's load balancers, as a new process has them."""
        caller = EmulatorCaller(self.core)
        api = CloudApi(caller, region="cn-hangzhou", concurrency=self.clock)
        return ClbLoadBalancer(
            SlbApi(api),
            VpcApi(api),
            self.config,
            settings=Settings(**settings),
            recorder=lambda service, labels: self.recorded.append((service.key, dict(labels))),
            concurrency=self.clock,
        )

    def nodes(self, count: int, *, start: int = 0) -> list[Node]:
        """Nodes on new instances."""
        found = []
        for index in range(start, start + count):
            instance = launch_instance(
                self.core.state,
                region="cn-hangzhou",
                vswitch=self.world.vswitches[0],
                host_name=f"node-{index:04d}",
                now=0.0,
            )
            found.append(make_node(f"node-{index:04d}", f"cn-hangzhou.{instance.id}"))
        return found

    def terminate(self, node: Node) -> None:
        instance = self.core.state.instances[(node.spec.provider_id or "").partition(".")[2]]
        terminate_instance(self.core.state, instance)

    def calls(self, do: Callable[[], Any]) -> list[str]:
        """The cloud's actions that ``do`` caused."""
        before = self.mark()
        do()
        return [record.op for record in self.core.journal.records(before)]

    def mark(self) -> int:
        records = self.core.journal.records()
        return records[-1].n if records else -1

    def writes(self, do: Callable[[], Any]) -> list[str]:
        before = self.mark()
        do()
        return [record.op for record in self.core.journal.records(before) if record.write]

    # -- what is there -----------------------------------------------------------------------

    def ours(self) -> list[Any]:
        """Load balancers with our cluster's tag."""
        balancers = self.core.state.load_balancers.values()
        return [b for b in balancers if b.tags.get("ack.aliyun.com") == CLUSTER]

    def listeners(self, balancer: Any) -> dict[str, Any]:
        balancer = self.core.state.load_balancers[balancer.id]
        found = [self.core.state.listeners[key] for key in balancer.listeners]
        return {f"{item.protocol}:{item.port}": item for item in found}

    def groups(self, balancer: Any) -> list[Any]:
        balancer = self.core.state.load_balancers[balancer.id]
        return [self.core.state.vserver_groups[key] for key in balancer.vserver_groups]

    def foreign(self) -> dict[str, Any]:
        """Everything that is not ours, to compare before and after."""
        state = self.core.state
        found: dict[str, Any] = {}
        for balancer_id in self.world.foreign:
            balancer = state.load_balancers[balancer_id]
            found[balancer_id] = balancer
            found.update({key: state.listeners[key] for key in balancer.listeners})
            found.update({key: state.vserver_groups[key] for key in balancer.vserver_groups})
        return found

    def user_balancer(self, **params: str) -> str:
        """A load balancer that a person made; its id."""
        caller = EmulatorCaller(self.core, proc="user")
        given = {"RegionId": "cn-hangzhou", "LoadBalancerName": "mine", **params}
        return str(caller.call("slb", "CreateLoadBalancer", given)["LoadBalancerId"])

    def user(self, action: str, **params: Any) -> dict[str, Any]:
        """A call by a person."""
        caller = EmulatorCaller(self.core, proc="user")
        return caller.call("slb", action, {"RegionId": "cn-hangzhou", **params})


@pytest.fixture
def clock() -> VirtualConcurrency:
    return VirtualConcurrency()


def make_cloud(clock: VirtualConcurrency) -> Cloud:
    core = EmulatorCore(seed=1, concurrency=clock)
    world = default_world(core)
    config = AlicloudConfig(
        region="cn-hangzhou",
        cluster_id=CLUSTER,
        vpc_id=world.vpc,
        vswitches=tuple(VSwitch(vswitch) for vswitch in world.vswitches),
    )
    return Cloud(clock, core, config, world)


@pytest.fixture
def cloud(clock: VirtualConcurrency) -> Cloud:
    return make_cloud(clock)


def ids(nodes: Sequence[Node]) -> set[str]:
    return {(node.spec.provider_id or "").partition(".")[2] for node in nodes}
