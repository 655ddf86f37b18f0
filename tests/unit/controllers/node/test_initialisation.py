"""Nodes that register with the taint, on the embedded API server and the fake cloud."""

import itertools

import pytest
from new_nodes import ADDRESSES, LABELS, PROVIDED, TAINT, taints

from cloudprovider.errors import CloudProviderError, InstanceNotFound, RetryLater
from cloudprovider.testing.builders import make_addresses


def test_a_node_is_initialised(play):
    def scene(world):
        world.cloud.add_instance("node-1", addresses=ADDRESSES, labels={"mine/x": "1"})
        world.start("node")
        world.forget()
        world.add_node(taints=[TAINT, "other"], labels={"keep": "me"})
        world.wait(1)
        node = world.node()
        assert taints(node) == ["other"]
        assert node.spec.provider_id == "fake://node-1"
        assert dict(node.metadata.labels) == {**LABELS, "mine/x": "1", "keep": "me"}
        assert node.status.addresses == make_addresses(*ADDRESSES)
        assert world.events("node-1") == [("Normal", "Synced", "Node synced successfully")]
        assert world.requests() == ["PATCH nodes/status node-1", "PATCH nodes node-1"]
        assert world.cloud.count() == 1

    play(scene)


def test_all_taints_with_the_key_go_and_none_is_left_as_an_empty_list(play):
    def scene(world):
        world.cloud.add_instance("node-1")
        world.start("node")
        world.add_node(taints=[TAINT])
        world.patch_node(
            {
                "spec": {
                    "taints": [
                        {"key": TAINT, "effect": "NoSchedule", "value": "true"},
                        {"key": TAINT, "effect": "NoExecute"},
                    ]
                }
            }
        )
        world.wait(1)
        assert world.node().spec.taints is None

    play(scene)


def test_a_node_without_the_taint_is_left_alone(play):
    def scene(world):
        world.cloud.add_instance("node-1", addresses=ADDRESSES)
        world.start("node", node_status_update_frequency=10_000.0)
        world.forget()
        world.add_node(labels={"a": "b"})
        world.wait(5)
        assert world.cloud.calls == []
        assert world.requests() == []

    play(scene)


@pytest.mark.parametrize(
    ("kubelet", "cloud", "expected"),
    [
        pytest.param([("Hostname", "k")], ADDRESSES, ADDRESSES, id="host name from the cloud"),
        pytest.param(
            [("Hostname", "k")], ADDRESSES[1:], [*ADDRESSES[1:], ("Hostname", "k")],
            id="kubelet's host name is kept",
        ),
        pytest.param([("InternalIP", "10.0.0.9")], [], [("InternalIP", "10.0.0.9")],
                     id="cloud without addresses clears none"),
    ],
)  # fmt: skip
def test_addresses(play, kubelet, cloud, expected):
    def scene(world):
        world.cloud.add_instance("node-1", addresses=cloud)
        world.start("node")
        world.add_node(taints=[TAINT], addresses=kubelet)
        world.wait(1)
        assert world.node().status.addresses == make_addresses(*expected)
        assert taints(world.node()) == []

    play(scene)


def test_the_kubelets_node_ip_is_honoured(play):
    def scene(world):
        cloud = [("InternalIP", "10.0.0.1"), ("InternalIP", "10.0.0.2"), *ADDRESSES[2:]]
        world.cloud.add_instance("node-1", addresses=cloud)
        world.start("node")
        world.add_node(taints=[TAINT], annotations={PROVIDED: "10.0.0.2"})
        world.wait(1)
        assert world.node().status.addresses == make_addresses(*cloud[1:])

    play(scene)


@pytest.mark.parametrize("provided", ["invalid-ip", "10.9.9.9"])
def test_a_wrong_node_ip_keeps_the_taint_and_says_so_once(play, provided):
    def scene(world):
        world.cloud.add_instance("node-1", addresses=ADDRESSES)
        world.start("node")
        world.forget()
        world.add_node(taints=[TAINT], annotations={PROVIDED: provided})
        world.wait(60)
        assert taints(world.node()) == [TAINT]
        assert world.requests() == []
        [(kind, reason, text)] = world.events("node-1")
        assert (kind, reason) == ("Warning", "FailedToInitialize")
        assert 'provided node ip for node "node-1" is not valid' in text
        # Mended: no back-off has to be waited for.
        world.patch_node({"metadata": {"annotations": {PROVIDED: "10.0.0.1"}}})
        world.wait(1)
        assert taints(world.node()) == []

    play(scene)


@pytest.mark.parametrize(
    ("of_cloud", "of_node"),
    [
        pytest.param(None, "fake://mine", id="both have one"),
        pytest.param("", "fake://x", id="only the node has one"),
    ],
)
def test_a_provider_id_that_is_there_is_kept(play, of_cloud, of_node):
    def scene(world):
        world.cloud.add_instance("node-1", provider_id=of_cloud)
        world.start("node")
        world.add_node(taints=[TAINT], provider_id=of_node)
        world.wait(1)
        assert world.node().spec.provider_id == of_node
        assert taints(world.node()) == []

    play(scene)


def test_no_provider_id_anywhere_keeps_the_taint(play):
    def scene(world):
        world.cloud.add_instance("node-1", provider_id="")
        world.start("node")
        world.add_node(taints=[TAINT])
        world.wait(1)
        assert taints(world.node()) == [TAINT]
        assert "does not set node provider ID for node node-1" in world.events()[0][2]

    play(scene)


def test_a_node_that_the_cloud_does_not_know_stays_untouched_and_is_told_why(play):
    def scene(world):
        error = InstanceNotFound("no instance with the private name node-1, none with 10.0.0.1")
        world.cloud.fail("instance_metadata", error)
        world.start("node")
        before = world.add_node(taints=[TAINT])
        world.forget()
        world.wait(300)
        assert world.requests() == []
        assert world.node() == before
        assert world.events("node-1") == [
            (
                "Warning",
                "FailedToInitialize",
                f"failed to get instance metadata for node node-1: {error}",
            )
        ]
        times = [call.started for call in world.cloud.calls]
        waits = [round(b - a) for a, b in itertools.pairwise(times)]
        assert waits[:6] == [1, 2, 4, 8, 16, 32]
        world.cloud.heal()
        world.cloud.add_instance("node-1")
        world.wait(300)
        assert taints(world.node()) == []

    play(scene)


def test_heartbeats_do_not_shorten_the_back_off(play):
    def scene(world):
        world.cloud.fail("instance_metadata", CloudProviderError("x"))
        world.start("node")
        world.add_node(taints=[TAINT])
        for beat in range(120):
            world.patch_node(
                {"status": {"conditions": [{"type": "Ready", "status": f"{beat}"}]}},
                subresource="status",
            )
            world.wait(1)
        assert world.cloud.count() <= 8

    play(scene)


def test_null_metadata_leaves_the_node_alone_without_retry(play):
    def scene(world):
        world.cloud.answer("instance_metadata", None)
        world.start("node")
        world.forget()
        world.add_node(taints=[TAINT])
        world.wait(60)
        assert world.cloud.count() == 1
        assert world.requests() == []
        assert world.events() == []

    play(scene)


def test_later_is_asked_again_when_it_says(play):
    def scene(world):
        world.cloud.add_instance("node-1")
        world.cloud.fail("instance_metadata", RetryLater("booting", after=20), times=2)
        world.start("node")
        world.add_node(taints=[TAINT])
        world.wait(60)
        assert taints(world.node()) == []
        assert world.reasons("node-1") == ["Synced"]
        assert world.cloud.count() == 3

    play(scene)


def test_a_node_of_another_provider_is_left_alone(play):
    def scene(world):
        world.cloud.add_instance("node-1", addresses=ADDRESSES)
        world.start("node", node_status_update_frequency=10.0)
        world.forget()
        world.add_node(taints=[TAINT], provider_id="other://node-1")
        world.add_node("node-2", provider_id="other://node-2")
        world.wait(60)
        assert world.cloud.calls == []
        assert world.requests() == []
        assert world.events() == []

    play(scene)


def test_delays_are_measured_from_the_creation_of_the_node(play):
    def scene(world):
        world.cloud.add_instance("node-1")
        world.cloud.latency["instance_metadata_many"] = 10
        manager = world.start("node")
        world.add_node(taints=[TAINT])
        world.wait(20)
        for name in ("cloud_provider_taint_removal_delay", "initial_node_sync_delay"):
            assert manager.metric(f"node_controller_{name}_seconds_count") == 1
            assert 10 <= manager.metric(f"node_controller_{name}_seconds_sum") < 12

    play(scene)
