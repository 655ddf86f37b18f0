"""The taint of nodes whose instance is shut down."""

import json

import pytest

from cloudprovider.errors import CloudProviderError
from cloudprovider.testing.faults import Fault

SHUTDOWN = "node.cloudprovider.kubernetes.io/shutdown"
TAINT = {"key": SHUTDOWN, "effect": "NoSchedule"}


def stop(world, name="node-1"):
    world.cloud.instances[name].shutdown = True


def patches_of(world):
    """Bodies of the manager's patches of Nodes, from here on."""
    bodies = []
    original = world.server.answer

    def answer(route, request):
        if request.proc == "manager" and route.verb == "patch" and route.resource.plural == "nodes":
            bodies.append(json.loads(request.body))
        return original(route, request)

    world.server.answer = answer
    return bodies


def test_a_stopped_node_gets_the_taint_in_one_guarded_patch(stage):
    def scene(world, cluster):
        meta = cluster.join(taints=["other"]).metadata
        stop(world)
        bodies = patches_of(world)
        cluster.start()
        assert cluster.taints() == ["other", SHUTDOWN]
        assert bodies == [
            {
                "metadata": {"resourceVersion": meta.resource_version, "uid": meta.uid},
                "spec": {"taints": [{"key": "other", "effect": "NoSchedule"}, TAINT]},
            }
        ]
        assert world.requests() == ["PATCH nodes node-1"]
        world.wait(100)
        assert len(bodies) == 1
        assert world.events() == []

    stage(scene)


@pytest.mark.gap("shutdown taint removal")
def test_it_goes_when_the_node_is_ready_again_without_a_call_to_the_cloud(stage):
    def scene(world, cluster):
        cluster.join()
        stop(world)
        cluster.start()
        bodies = patches_of(world)
        world.cloud.instances["node-1"].shutdown = False
        cluster.passes(10)
        assert cluster.taints() == [SHUTDOWN]  # the cloud alone does not take it away
        cluster.set_ready("node-1", "True")
        world.forget()
        cluster.passes(1)
        assert cluster.taints() == []
        meta = world.node().metadata
        [body] = bodies
        assert body["spec"] == {"taints": None}
        assert body["metadata"]["uid"] == meta.uid
        assert world.cloud.calls == []
        world.wait(100)
        assert len(bodies) == 1

    stage(scene)


@pytest.mark.parametrize("taint", [TAINT, {**TAINT, "value": "true"}], ids=["bare", "valued"])
def test_a_taint_that_is_there_is_not_written_again(stage, taint):
    def scene(world, cluster):
        cluster.join()
        world.patch_node({"spec": {"taints": [taint]}})
        stop(world)
        cluster.start()
        world.wait(100)
        assert world.requests() == []

    stage(scene)


def test_a_ready_node_keeps_its_other_taints_and_their_times(stage):
    def scene(world, cluster):
        cluster.join(ready="True")
        other = {
            "key": "node.kubernetes.io/unreachable",
            "effect": "NoExecute",
            "timeAdded": "2026-01-01T00:00:00Z",
        }
        world.patch_node({"spec": {"taints": [other, TAINT]}})
        bodies = patches_of(world)
        cluster.start()
        assert bodies[0]["spec"] == {"taints": [other]}

    stage(scene)


@pytest.mark.parametrize("provider_id", ["other://1", ""], ids=["another cloud", "nobody's"])
def test_the_taints_of_others_nodes_are_left_alone(stage, provider_id):
    def scene(world, cluster):
        cluster.join(ready="True", provider_id=provider_id)
        world.patch_node({"spec": {"taints": [TAINT]}})
        cluster.start()
        world.wait(60)
        assert world.requests() == []

    stage(scene)


@pytest.mark.parametrize("ready", ["True", "Unknown"])
def test_a_conflict_is_answered_by_reading_the_node_anew(stage, ready):
    def scene(world, cluster):
        cluster.join(ready=ready)
        stop(world)
        if ready == "True":
            world.patch_node({"spec": {"taints": [TAINT]}})
        faults = world.server.faults
        faults.add(Fault(kind="error", api="k8s", op="PATCH nodes", status=409, times=2))
        cluster.start()
        world.wait(2)
        assert cluster.taints() == ([] if ready == "True" else [SHUTDOWN])
        assert world.requests() == [
            "PATCH nodes node-1",
            *["GET nodes node-1", "PATCH nodes node-1"] * 2,
        ]

    stage(scene)


def test_a_taint_that_somebody_adds_meanwhile_is_kept(stage):
    def scene(world, cluster):
        cluster.join()
        stop(world)
        theirs = {"key": "theirs", "effect": "NoSchedule"}
        calls = []

        def meddle(call):
            if not calls:
                world.patch_node({"spec": {"taints": [theirs]}})
            calls.append(call)

        world.cloud.on("instance_states_many", meddle)
        cluster.start()
        world.wait(2)
        assert cluster.taints() == ["theirs", SHUTDOWN]

    stage(scene)


@pytest.mark.parametrize("change", ["ready", "gone", "another"])
def test_a_node_that_changed_meanwhile_is_not_tainted(stage, change):
    def scene(world, cluster):
        cluster.join()
        stop(world)

        def happen(call):
            if len(cluster.asked()) > 1:
                return
            if change == "ready":
                cluster.set_ready("node-1", "True")
                return
            world.delete_node()
            if change == "another":
                cluster.join(ready="True")

        world.cloud.on("instance_states_many", happen)
        manager = cluster.start()
        world.wait(30)
        assert cluster.names() == ([] if change == "gone" else ["node-1"])
        if change != "gone":
            assert cluster.taints() == []
        assert manager.running[0].healthy()

    stage(scene)


@pytest.mark.parametrize("kind", ["error", "lost_answer", "not_sent"])
def test_a_taint_that_cannot_be_written_is_written_later(stage, kind):
    def scene(world, cluster):
        cluster.join()
        stop(world)
        world.server.faults.add(Fault(kind=kind, api="k8s", op="PATCH nodes", status=500, times=1))
        manager = cluster.start()
        world.wait(60)
        assert cluster.taints() == [SHUTDOWN]
        assert manager.running[0].healthy()

    stage(scene)


def test_a_power_state_that_cannot_be_told_taints_nothing(stage):
    def scene(world, cluster):
        cluster.join()
        stop(world)
        world.cloud.fail("instance_states", CloudProviderError("down"))
        cluster.start()
        world.wait(60)
        assert cluster.taints() == []
        assert cluster.names() == ["node-1"]

    stage(scene)


def test_a_stopped_instance_that_is_released_loses_its_node(stage):
    def scene(world, cluster):
        cluster.join()
        stop(world)
        cluster.start()
        cluster.lose("node-1")
        world.wait(60)
        assert cluster.names() == []

    stage(scene)


def test_nothing_is_tainted_once_the_lease_is_lost(stage):
    def scene(world, cluster):
        cluster.join()
        manager = cluster.start()
        manager.leading = False
        stop(world)
        world.wait(60)
        assert cluster.taints() == []
        assert world.requests(writes=True) == []

    stage(scene)
