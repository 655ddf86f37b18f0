"""An emulated cloud with instances, on virtual time, and nodes for them."""

from __future__ import annotations

import pytest

from cloudprovider.models import Node, NodeAddress, NodeSpec, NodeStatus, ObjectMeta
from cloudprovider.testing.virtual import VirtualConcurrency
from cloudprovider_alicloud.api.client import CloudApi
from cloudprovider_alicloud.api.ecs import EcsApi
from cloudprovider_alicloud.config import AlicloudConfig
from cloudprovider_alicloud.emulator import world as start
from cloudprovider_alicloud.emulator.core import EmulatorCore
from cloudprovider_alicloud.emulator.inprocess import EmulatorCaller
from cloudprovider_alicloud.instances import Instances

REGION = "cn-hangzhou"


def make_node(
    name="node-1", provider_id=None, *, ips=(), hostname="", labels=None, annotations=None
):
    addresses = [NodeAddress(type="InternalIP", address=ip) for ip in ips]
    if hostname:
        addresses.append(NodeAddress(type="Hostname", address=hostname))
    return Node(
        metadata=ObjectMeta(name=name, labels=labels, annotations=annotations),
        spec=NodeSpec(provider_id=provider_id),
        status=NodeStatus(addresses=tuple(addresses)),
    )


class Cloud:
    """The emulator's core, and :class:`Instances` that call it."""

    def __init__(self, config=None):
        self.clock = VirtualConcurrency()
        self.core = EmulatorCore(seed=1, concurrency=self.clock)
        self.start = start.default_world(self.core)
        self.instances = self.connect(config)

    def connect(self, config=None):
        """New :class:`Instances`, as after a restart."""
        api = CloudApi(EmulatorCaller(self.core), region=REGION, concurrency=self.clock)
        return Instances(EcsApi(api), config or AlicloudConfig(region=REGION))

    def launch(self, name="node-1", *, status="Running"):
        launched = start.launch_instance(
            self.core.state,
            region=REGION,
            vswitch=self.start.vswitches[0],
            host_name=name,
            now=0.0,
        )
        self.core.state.change(launched, status=status)
        return launched

    def terminate(self, instance):
        start.terminate_instance(self.core.state, instance)

    def terminate_all(self):
        for instance in list(self.core.state.instances.values()):
            self.terminate(instance)

    def node(self, instance, **options):
        return make_node(instance.host_name, f"{REGION}.{instance.id}", **options)

    def calls(self):
        return [record.op for record in self.core.journal.records()]

    def run(self, main):
        self.clock.run(main)


@pytest.fixture
def cloud():
    return Cloud()


@pytest.fixture
def cloud_with():
    """A cloud whose provider has the given config fields."""
    return lambda **fields: Cloud(AlicloudConfig(region=REGION, **fields))


@pytest.fixture
def node():
    return make_node
