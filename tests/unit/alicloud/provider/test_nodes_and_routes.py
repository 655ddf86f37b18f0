"""Nodes and routes of the emulated cloud under the whole manager, on virtual time.

What the cloud is asked is counted: instances by the hundred, routes by one list and batches of 50.
"""

import itertools

import pytest

from cloudprovider.testing.virtual import VirtualConcurrency
from cloudprovider_alicloud.config import AlicloudConfig
from cloudprovider_alicloud.emulator.core import EmulatorCore
from cloudprovider_alicloud.emulator.inprocess import EmulatorCaller
from cloudprovider_alicloud.emulator.world import (
    default_world,
    launch_instance,
    terminate_instance,
)
from cloudprovider_alicloud.provider import AlicloudProvider
from cloudprovider_controllers.runtime.client import Client
from cloudprovider_controllers.runtime.resources import EVENTS, NODES
from cloudprovider_manager import command
from cloudprovider_manager.app import Manager
from cloudprovider_sandbox.apiserver.inprocess import InProcessTransport
from cloudprovider_sandbox.apiserver.server import ApiServer

UNINITIALIZED = "node.cloudprovider.kubernetes.io/uninitialized"
SHUTDOWN = "node.cloudprovider.kubernetes.io/shutdown"
FLAGS = (
    "--cloud-provider=alicloud",
    "--leader-elect=false",
    "--secure-port=0",
    "--allow-untagged-cloud",
    "--cluster-cidr=172.16.0.0/15",
    "--kube-api-qps=1000",
    "--kube-api-burst=1000",
)


class World:
    """A cluster and a cloud; use inside :meth:`run`."""

    def __init__(self):
        self.time = VirtualConcurrency()
        self.core = EmulatorCore(seed=1, concurrency=self.time)
        self.cloud = default_world(self.core)
        self.server = ApiServer(concurrency=self.time)
        self.user = Client(
            InProcessTransport(self.server, proc="user"), qps=0, concurrency=self.time
        )
        self.instances = {}

    def start(self):
        config = AlicloudConfig(
            region=self.cloud.region, vpc_id=self.cloud.vpc, cluster_id="c-mine"
        )
        caller = EmulatorCaller(self.core)
        cloud = AlicloudProvider(config, caller=caller, concurrency=self.time)
        manager = Manager(
            command.read(FLAGS).options,
            transport=InProcessTransport(self.server, proc="manager"),
            cloud=cloud,
            concurrency=self.time,
        )
        stop = self.time.event()
        self.time.start_process(lambda: manager.run(stop), process="manager")
        self.time.sleep(2)
        return stop

    def join(self, count, *, ranges=False):
        for number in range(count):
            name = f"node-{number:03}"
            vswitch = self.cloud.vswitches[number % len(self.cloud.vswitches)]
            self.instances[name] = launch_instance(
                self.core.state,
                region=self.cloud.region,
                vswitch=vswitch,
                host_name=name,
                now=self.time.monotonic(),
            )
            instance = self.instances[name]
            spec = {
                "providerID": f"{self.cloud.region}.{instance.id}",
                "taints": [{"key": UNINITIALIZED, "effect": "NoSchedule"}],
            }
            if ranges:
                cidr = f"172.16.{number}.0/24"
                spec |= {"podCIDR": cidr, "podCIDRs": [cidr]}
            self.user.create(NODES, {"metadata": {"name": name}, "spec": spec})
            self.ready(name, "True")

    def ready(self, name, status):
        conditions = [{"type": "Ready", "status": status}]
        self.user.patch(NODES, name, {"status": {"conditions": conditions}}, subresource="status")

    def stop_instance(self, name):
        self.core.state.change(self.instances[name], status="Stopped")

    def release(self, name):
        terminate_instance(self.core.state, self.instances[name])

    def calls(self, since):
        found = [record.op for record in self.core.journal.records(since)]
        return {op: len(list(same)) for op, same in itertools.groupby(sorted(found))}

    def mark(self):
        records = self.core.journal.records()
        return records[-1].n if records else -1

    def taints(self, name):
        return [taint.key for taint in self.user.get(NODES, name).spec.taints or ()]

    def names(self):
        return {node.metadata.name for node in self.user.list(NODES)}

    def reasons(self, name):
        found = []
        for event in self.user.list(EVENTS):
            if event.metadata.name.startswith(f"{name}."):
                found.append(self.user.get_raw(EVENTS, event.metadata.name, "default")["reason"])
        return found

    def routes(self):
        return {
            entry.cidr: entry.next_hops[0].id
            for entry in self.core.state.route_entries.values()
            if entry.cidr.startswith("172.16.") and entry.type == "Custom"
        }


@pytest.fixture
def run():
    def play(scene):
        world = World()
        world.time.run(lambda: scene(world))
        assert world.time.errors() == []

    return play


def test_instances_that_stop_and_go(run):
    def scene(world):
        stop = world.start()
        world.join(250)
        world.time.sleep(10)
        assert all(world.taints(name) == [] for name in world.names())
        mark = world.mark()
        for name in world.names():
            world.ready(name, "Unknown")
        world.stop_instance("node-007")
        world.release("node-100")
        world.time.sleep(4.5)  # one pass: about 250 instances
        assert world.calls(mark) == {"DescribeInstances": 3}
        assert world.taints("node-007") == [SHUTDOWN]
        assert "node-100" in world.names()
        world.time.sleep(6)
        assert len(world.names()) == 249
        assert "node-100" not in world.names()
        assert world.reasons("node-100")[-1] == "DeletingNode"
        for name in world.names():
            world.ready(name, "True")
        world.time.sleep(6)
        assert world.taints("node-007") == []
        mark = world.mark()
        world.time.sleep(200)
        assert "DescribeInstances" not in world.calls(mark)  # nobody is unwell
        stop.set()
        world.time.sleep(5)

    run(scene)


def test_the_routes_of_a_table(run):
    def scene(world):
        world.join(120, ranges=True)
        mark = world.mark()
        stop = world.start()
        world.time.sleep(60)
        ids = {name: instance.id for name, instance in world.instances.items()}
        wanted = {f"172.16.{number}.0/24": ids[f"node-{number:03}"] for number in range(120)}
        assert world.routes() == wanted
        found = world.calls(mark)
        assert found["CreateRouteEntries"] == 3
        assert "CreateRouteEntry" not in found
        assert "DeleteRouteEntries" not in found
        mark = world.mark()
        world.time.sleep(300)
        # 121 custom entries are two pages.
        assert world.calls(mark)["DescribeRouteEntryList"] == 2
        # All nodes but the first are replaced: their routes stand in the way of their successors'.
        mark = world.mark()
        for number in range(1, 120):
            world.user.delete(NODES, f"node-{number:03}")
            cidr = f"172.16.{number}.0/24"
            successor = ids[f"node-{number % 119 + 1:03}"]
            spec = {
                "providerID": f"{world.cloud.region}.{successor}",
                "podCIDR": cidr,
                "podCIDRs": [cidr],
            }
            world.user.create(NODES, {"metadata": {"name": f"new-{number:03}"}, "spec": spec})
            wanted[cidr] = successor
        world.time.sleep(120)
        assert world.routes() == wanted
        found = world.calls(mark)
        assert found["DeleteRouteEntries"] == 3
        assert found["CreateRouteEntries"] == 3
        for node in world.user.list(NODES):
            said = {c.type: (c.status, c.reason) for c in node.status.conditions or ()}
            assert said["NetworkUnavailable"] == ("False", "RouteCreated")
        stop.set()
        world.time.sleep(5)

    run(scene)
