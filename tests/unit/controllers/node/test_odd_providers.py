"""Providers of the old interface, and providers that answer nonsense."""

import pytest
from new_nodes import TAINT, taints

from cloudprovider.errors import CloudProviderError, NotSupported
from cloudprovider.interface import InstanceMetadata
from cloudprovider.legacy import Instances, InstancesAdapter, Zone, Zones
from cloudprovider.models import NodeAddress


class OldInstances(Instances):
    """The interface of 2017."""

    def node_addresses(self, node_name):
        return [NodeAddress(type="InternalIP", address="10.0.0.1")]

    def node_addresses_by_provider_id(self, provider_id):
        if not provider_id:
            raise CloudProviderError("empty id")
        return self.node_addresses("")

    def instance_id(self, node_name):
        return "12345"

    def instance_type(self, node_name):
        return "t1"

    def instance_type_by_provider_id(self, provider_id):
        return "t1"

    def instance_exists_by_provider_id(self, provider_id):
        return True

    def instance_shutdown_by_provider_id(self, provider_id):
        return False


class OldInstancesWithoutIds(OldInstances):
    def instance_id(self, node_name):
        raise NotSupported


class OldZones(Zones):
    def get_zone_by_provider_id(self, provider_id):
        return Zone("zone-b", "region-2")

    def get_zone_by_node_name(self, node_name):
        return Zone("zone-b", "region-2")


@pytest.mark.parametrize(
    ("old", "provider_id"),
    [
        pytest.param(OldInstances(), "fake://12345", id="with ids"),
        pytest.param(OldInstancesWithoutIds(), None, id="without ids"),
    ],
)
def test_a_provider_of_the_old_interface(play, old, provider_id):
    def scene(world):
        adapter = InstancesAdapter("fake", old, OldZones())
        world.cloud.instances_v2 = lambda: adapter
        world.start("node")
        world.add_node(taints=[TAINT], addresses=[("Hostname", "node-1")])
        world.wait(1)
        node = world.node()
        assert taints(node) == []
        assert node.spec.provider_id == provider_id
        assert node.metadata.labels["topology.kubernetes.io/zone"] == "zone-b"
        assert [item.address for item in node.status.addresses] == ["10.0.0.1", "node-1"]

    play(scene)


def test_odd_answers_fail_only_their_node(play):
    def scene(world):
        for name in ("good", "odd", "missing"):
            world.cloud.add_instance(name)
        instances = world.cloud.instances_v2()
        plain = instances.instance_metadata_many

        def many(nodes):
            answers = plain(nodes)
            answers.pop("missing", None)
            if "odd" in answers:
                answers["odd"] = "text"
            return answers

        instances.instance_metadata_many = many
        world.start("node")
        for name in ("good", "odd", "missing"):
            world.add_node(name, taints=[TAINT])
        world.wait(1)
        assert taints(world.node("good")) == []
        assert "answered str for node odd" in world.events("odd")[0][2]
        assert "no answer for node missing" in world.events("missing")[0][2]

    play(scene)


def test_a_node_that_makes_the_provider_crash_does_not_stop_the_others(play):
    def scene(world):
        instances = world.cloud.instances_v2()
        plain = instances.instance_metadata_many

        def many(nodes):
            if any(node.metadata.name == "n13" for node in nodes):
                raise KeyError("n13")
            return plain(nodes)

        instances.instance_metadata_many = many
        manager = world.start("node")
        for index in range(20):
            world.cloud.add_instance(f"n{index}")
            world.add_node(f"n{index}", taints=[TAINT])
        world.wait(1)
        waiting = [node.metadata.name for node in world.nodes() if taints(node)]
        assert waiting == ["n13"]
        assert "unexpected KeyError in the provider" in world.events("n13")[0][2]
        assert manager.running[0].healthy()

    play(scene)


def test_metadata_is_a_dataclass_the_provider_may_share(play):
    shared = InstanceMetadata(provider_id="fake://same", zone="z")

    def scene(world):
        world.cloud.answer("instance_metadata", shared)
        world.start("node")
        for name in ("a", "b"):
            world.add_node(name, taints=[TAINT])
        world.wait(1)
        assert {node.spec.provider_id for node in world.nodes()} == {"fake://same"}

    play(scene)


def test_a_label_that_the_api_server_refuses_is_told_to_the_node(play):
    def scene(world):
        world.cloud.add_instance("node-1", labels={"mine/x": "not a label's value"})
        world.cloud.add_instance("node-2")
        world.start("node")
        for name in ("node-1", "node-2"):
            world.add_node(name, taints=[TAINT])
        world.wait(60)
        assert taints(world.node("node-1")) == [TAINT]
        [(kind, reason, text)] = world.events("node-1")
        assert (kind, reason) == ("Warning", "FailedToInitialize")
        assert "not a label's value" in text
        assert taints(world.node("node-2")) == []
        world.cloud.add_instance("node-1")
        world.wait(120)
        assert taints(world.node("node-1")) == []

    play(scene)
