"""Upstream's other tables of the node controller (``spec/ccm-core.md`` 5.2) and of taints (5.5)."""

import dataclasses

import pytest
from prometheus_client import CollectorRegistry

from cloudprovider.errors import CloudProviderError, NotSupported
from cloudprovider.interface import InstanceMetadata
from cloudprovider.legacy import Instances, InstancesAdapter
from cloudprovider.testing.builders import make_addresses, make_node
from cloudprovider.testing.fake import FakeCloud
from cloudprovider_controllers.node.controller import NodeController
from cloudprovider_controllers.node.decisions import with_provider_id
from cloudprovider_controllers.node.lookup import metadata_of

UNINITIALIZED = "node.cloudprovider.kubernetes.io/uninitialized"
ADDRESSES = [
    ("Hostname", "node0.internal"),
    ("InternalIP", "10.0.0.1"),
    ("ExternalIP", "132.143.154.163"),
]


class Old(Instances):
    """The interface of 2017, every instance the same; ``calls`` are the methods called."""

    def __init__(self, *, instance_id="12345", by_name="t1.micro", by_id=""):
        self.id, self.by_name, self.by_id = instance_id, by_name, by_id
        self.calls = []
        self.latency = lambda: None

    def _called(self, method):
        self.calls.append(method)
        self.latency()

    def instance_id(self, node_name):
        self._called("instance_id")
        if isinstance(self.id, Exception):
            raise self.id
        return self.id

    def node_addresses(self, node_name):
        self._called("node_addresses")
        return make_addresses(*ADDRESSES)

    def node_addresses_by_provider_id(self, provider_id):
        self._called("node_addresses_by_provider_id")
        if not provider_id:
            raise CloudProviderError("an empty id")
        return make_addresses(*ADDRESSES)

    def instance_type(self, node_name):
        self._called("instance_type")
        return self.by_name

    def instance_type_by_provider_id(self, provider_id):
        self._called("instance_type_by_provider_id")
        if not provider_id:
            raise CloudProviderError("an empty id")
        return self.by_id

    def instance_exists_by_provider_id(self, provider_id):
        raise AssertionError

    instance_shutdown_by_provider_id = instance_exists_by_provider_id


# -- labels -------------------------------------------------------------------------------------

BETA = {
    "failure-domain.beta.kubernetes.io/zone": "foo",
    "failure-domain.beta.kubernetes.io/region": "bar",
    "beta.kubernetes.io/instance-type": "best",
}
STABLE = {
    "topology.kubernetes.io/zone": "foo",
    "topology.kubernetes.io/region": "bar",
    "node.kubernetes.io/instance-type": "best",
}


def reconciled(case):
    return pytest.mark.upstream(f"Test_reconcileNodeLabels/{case}")


@pytest.mark.parametrize(
    ("stable", "written"),
    [
        pytest.param({}, STABLE, marks=reconciled("requires reconcile"), id="missing"),
        pytest.param(STABLE, {}, marks=reconciled("doesn't require reconcile"), id="equal"),
        pytest.param(
            dict.fromkeys(STABLE, "wrong"),
            STABLE,
            marks=reconciled("require reconcile -- secondary labels are different from primary"),
            id="different",
        ),
    ],
)
def test_the_stable_labels_are_copies_of_the_beta_ones(play, sent, stable, written):
    def scene(world):
        world.start("node", node_status_update_frequency=10_000.0)
        writes = sent(world)
        node = world.add_node("node01", labels={**BETA, **stable})
        world.wait(1)
        assert dict(world.node("node01").metadata.labels) == {**BETA, **STABLE}
        body = {"metadata": {"uid": node.metadata.uid, "labels": written}}
        assert [(write.op, write.body) for write in writes] == (
            [("PATCH nodes/node01", body)] if written else []
        )
        assert world.cloud.calls == []
        assert world.events() == []

    play(scene)


# -- metadata -----------------------------------------------------------------------------------

NAMELESS = NotSupported()
KNOWN = InstanceMetadata(provider_id="fake://12345", node_addresses=make_addresses(*ADDRESSES))
BY_NAME = InstanceMetadata(
    provider_id="", instance_type="t1.micro", node_addresses=make_addresses(*ADDRESSES)
)


def got(case):
    return pytest.mark.upstream(f"TestGetInstanceMetadata/cloud implemented with {case}")


@pytest.mark.parametrize(
    ("old", "on_node", "expected"),
    [
        pytest.param(
            Old(), None, KNOWN, marks=got("Instances and provider ID"), id="the cloud has ids"
        ),
        pytest.param(
            Old(instance_id=NAMELESS),
            None,
            BY_NAME,
            marks=pytest.mark.upstream(
                "TestGetInstanceMetadata/"
                "cloud implemented with Instances (providerID not implemented)",
                instead="the contract makes a cloud refuse an empty id, so it is asked by name;"
                " upstream's fake answers even without one",
            ),
            id="the cloud has no ids",
        ),
        pytest.param(
            Old(instance_id=NAMELESS),
            "fake://asdasd",
            dataclasses.replace(KNOWN, provider_id="fake://asdasd"),
            marks=got("Instances (providerID not implemented) and node with providerID"),
            id="only the node has one",
        ),
    ],
)
def test_metadata_from_the_old_interface(old, on_node, expected):
    node = make_node("node0", provider_id=on_node, taints=[UNINITIALIZED])
    assert metadata_of(InstancesAdapter("fake", old), [node]) == {"node0": expected}


@pytest.mark.parametrize(
    ("from_cloud", "on_node", "expected"),
    [
        pytest.param(
            "fake://12345",
            None,
            "fake://12345",
            marks=got("InstancesV2 (with providerID)"),
            id="the cloud has one",
        ),
        pytest.param(
            "",
            None,
            "cloud provider does not set node provider ID for node node0",
            marks=got("InstancesV2 (without providerID)"),
            id="nobody has one",
        ),
        pytest.param(
            "",
            "fake://12345",
            "",
            marks=got("InstancesV2 (without providerID) and node with providerID"),
            id="only the node has one",
        ),
    ],
)
def test_metadata_from_the_new_interface(from_cloud, on_node, expected):
    cloud = FakeCloud()
    cloud.add_instance("node0", provider_id=from_cloud, addresses=ADDRESSES, zone="", region="")
    node = make_node("node0", provider_id=on_node, taints=[UNINITIALIZED])
    found = with_provider_id(node, metadata_of(cloud.instances_v2(), [node])["node0"])
    if isinstance(found, CloudProviderError):
        assert str(found) == expected
    else:
        assert found == InstanceMetadata(
            provider_id=expected,
            instance_type="t1.micro",
            node_addresses=make_addresses(*ADDRESSES),
        )


# -- the status loop ----------------------------------------------------------------------------


def one_pass(world, **options):
    """A node controller that only looks at the nodes that are there, when told to."""
    manager = world.start("service")
    context = dataclasses.replace(
        manager.context,
        registry=CollectorRegistry(),
        options=dataclasses.replace(manager.context.options, **options),
    )
    return NodeController(context, world.cloud.instances_v2(), manager.stop)


@pytest.mark.parametrize(
    "old",
    [
        pytest.param(True, marks=pytest.mark.upstream("TestNodeAddressesNotUpdate"), id="old"),
        pytest.param(False, marks=pytest.mark.upstream("TestNodeAddressesNotUpdateV2"), id="new"),
    ],
)
def test_a_tainted_node_gets_no_addresses_from_the_status_loop(play, sent, old):
    def scene(world):
        instances = Old()
        adapter = InstancesAdapter("fake", instances)
        world.cloud.add_instance("node0", addresses=ADDRESSES)
        if old:
            world.cloud.instances_v2 = lambda: adapter
        before = world.add_node("node0", taints=[UNINITIALIZED], ready="Unknown")
        controller = one_pass(world)
        writes = sent(world)
        controller.refresh()
        assert world.node("node0") == before
        assert writes == []
        assert (instances.calls, world.cloud.calls) == ([], [])
        # It is the taint alone that keeps them away.
        world.patch_node({"spec": {"taints": None}}, "node0")
        world.wait(1)
        controller.refresh()
        assert world.node("node0").status.addresses == make_addresses(*ADDRESSES)

    play(scene)


def updated(case):
    return pytest.mark.upstream(
        f"TestUpdateNodeStatus/{case}",
        instead="each node is asked about once, and for its type as well as its addresses; a"
        " provider with a bulk form is asked about a hundred nodes at once",
    )


@pytest.mark.parametrize(
    "workers",
    [
        pytest.param(1, marks=updated("single thread"), id="1"),
        pytest.param(5, marks=updated("5 workers"), id="5"),
        pytest.param(10, marks=updated("10 workers"), id="10"),
        pytest.param(30, marks=updated("30 workers"), id="30"),
    ],
)
class TestAHundredNodesInTheStatusLoop:
    def test_a_provider_that_answers_for_one_is_asked_by_all_workers(self, play, sent, workers):
        def scene(world):
            old = Old()
            old.latency = lambda: world.hub.sleep(0.01)
            world.cloud.claims_node = lambda node: True
            world.cloud.instances_v2 = lambda: InstancesAdapter("fake", old)
            for index in range(100):
                world.add_node(f"node{index:03}", provider_id=f"fake://{index}")
            controller = one_pass(world, concurrent_node_status_updates=workers)
            writes, started = sent(world), world.hub.monotonic()
            controller.refresh()
            questions = ["node_addresses_by_provider_id", "instance_type_by_provider_id"]
            assert sorted(old.calls) == sorted(questions * 100)
            rounds = -(-100 // workers)
            assert world.hub.monotonic() - started == pytest.approx(rounds * 2 * 0.01)
            assert {write.op for write in writes} == {
                f"PATCH nodes/node{index:03}/status" for index in range(100)
            }
            assert len(writes) == 100

        play(scene)

    def test_a_provider_with_a_bulk_form_is_asked_once(self, play, sent, workers):
        def scene(world):
            world.cloud.latency["instance_metadata_many"] = 0.01
            for index in range(100):
                world.cloud.add_instance(f"node{index:03}", addresses=ADDRESSES)
                world.add_node(f"node{index:03}", provider_id=f"fake://{index}")
            controller = one_pass(world, concurrent_node_status_updates=workers)
            writes = sent(world)
            controller.refresh()
            [call] = world.cloud.calls
            assert len(call.nodes) == 100
            addressed = [write.op for write in writes if write.op.endswith("/status")]
            assert len(set(addressed)) == len(addressed) == 100

        play(scene)
