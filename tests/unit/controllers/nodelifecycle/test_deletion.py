"""Nodes whose instances are gone are deleted, and no others."""

import pytest

from cloudprovider.errors import InstanceNotFound
from cloudprovider.interface import InstanceState
from cloudprovider_controllers.runtime.errors import NotFound

UNINITIALIZED = "node.cloudprovider.kubernetes.io/uninitialized"
DELETING = (
    "Normal",
    "DeletingNode",
    "Deleting node node-1 because it does not exist in the cloud provider",
)


def test_a_node_whose_instance_is_gone_is_deleted_in_the_second_pass(stage):
    def scene(world, cluster):
        node = cluster.join()
        cluster.lose("node-1")
        cluster.start()
        assert cluster.names() == ["node-1"]
        assert cluster.asked() == [("node-1",)]
        cluster.passes(1)
        assert cluster.names() == []
        assert cluster.asked() == [("node-1",)] * 2
        assert world.events("node-1") == [DELETING]
        [record] = cluster.records("DELETE nodes")
        meta = node.metadata
        assert record.pre == f"uid={meta.uid},resourceVersion={meta.resource_version}"
        assert world.requests() == ["GET nodes node-1", "DELETE nodes node-1"]

    stage(scene)


def test_the_event_is_in_the_default_namespace_and_names_no_version(stage):
    def scene(world, cluster):
        node = cluster.join(instance=False)
        cluster.start()
        cluster.passes(1)
        [created] = cluster.records("POST events")
        event = world.user.raw("GET", "/api/v1/namespaces/default/events").data
        assert created.key.startswith("default/node-1.")
        assert b'"source":{"component":"cloud-node-lifecycle-controller"}' in event
        assert node.metadata.uid.encode() in event
        assert b'"involvedObject":{"kind":"Node","name":"node-1","uid"' in event
        assert b'"resourceVersion"' not in event.partition(b"involvedObject")[2].partition(b"}")[0]

    stage(scene)


def test_a_second_pass_with_nothing_changed_writes_nothing(stage):
    def scene(world, cluster):
        cluster.join("running")
        cluster.join("stopped")
        world.cloud.instances["stopped"].shutdown = True
        cluster.join("ready", ready="True")
        cluster.join("foreign", provider_id="other://1", instance=False)
        cluster.start()
        world.wait(60)
        world.forget()
        events = len(world.events())
        world.wait(600)
        assert world.requests() == []
        assert len(world.events()) == events

    stage(scene)


# -- whose nodes --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "fields",
    [
        pytest.param({"provider_id": "aws:///eu-1a/i-1"}, id="another cloud"),
        pytest.param({"provider_id": "ack-hybrid://1"}, id="in a data centre"),
        pytest.param({"provider_id": ""}, id="no providerID"),
        pytest.param({"provider_id": "", "taints": [UNINITIALIZED]}, id="not initialised, no id"),
        pytest.param({"taints": [UNINITIALIZED]}, id="not initialised, registered just now"),
    ],
)
def test_nodes_of_others_and_new_ones_are_left_alone_and_never_asked_about(stage, fields):
    def scene(world, cluster):
        cluster.join(instance=False, **fields)
        cluster.start()
        world.wait(50)
        assert cluster.names() == ["node-1"]
        assert cluster.asked() == []
        assert world.requests() == []

    stage(scene)


def test_a_node_that_died_before_its_initialisation_is_deleted_after_the_grace_period(stage):
    def scene(world, cluster):
        cluster.join(instance=False, taints=[UNINITIALIZED])
        cluster.start(node_startup_grace_period=30.0)
        world.wait(29)
        assert cluster.asked() == []
        world.wait(15)
        assert cluster.names() == []

    stage(scene)


@pytest.mark.parametrize("claim", [False, None, RuntimeError("x"), SystemExit(1)], ids=str)
def test_a_node_that_the_provider_does_not_claim_is_left_alone(stage, claim):
    def claims(node):
        if isinstance(claim, BaseException):
            raise claim
        return claim

    def scene(world, cluster):
        world.cloud.claims_node = claims
        cluster.join(instance=False)
        manager = cluster.start()
        world.wait(60)
        assert cluster.names() == ["node-1"]
        assert cluster.asked() == []
        assert manager.running[0].healthy()

    stage(scene)


# -- right before the deletion ------------------------------------------------------------------


def between(world, change):
    """Run ``change`` right before the controller reads the Node that it is about to delete."""
    original = world.server.answer
    state = {"done": False}

    def answer(route, request):
        mine = request.proc == "manager" and route.verb == "get"
        if mine and route.resource.plural == "nodes" and not state["done"]:
            state["done"] = True
            change()
        return original(route, request)

    world.server.answer = answer


def test_a_node_that_became_ready_meanwhile_is_kept(stage):
    def scene(world, cluster):
        cluster.join(instance=False)
        between(world, lambda: cluster.set_ready("node-1", "True"))
        cluster.start()
        world.wait(60)
        assert cluster.names() == ["node-1"]
        assert world.events() == []
        assert cluster.records("DELETE nodes") == []

    stage(scene)


def test_a_node_that_was_made_anew_under_the_name_is_kept(stage):
    def scene(world, cluster):
        first = cluster.join(instance=False)

        def replace():
            world.delete_node()
            cluster.join()

        between(world, replace)
        cluster.start()
        world.wait(60)
        assert cluster.names() == ["node-1"]
        assert world.node().metadata.uid != first.metadata.uid
        assert world.events() == []
        assert cluster.records("DELETE nodes") == []

    stage(scene)


def test_a_node_that_became_ready_between_reading_and_deleting_is_kept(stage):
    def scene(world, cluster):
        cluster.join(instance=False)
        original = world.server.answer
        seen = []

        def answer(route, request):
            if route.verb == "delete" and not seen:
                seen.append(route)
                cluster.set_ready("node-1", "True")
            return original(route, request)

        world.server.answer = answer
        cluster.start()
        world.wait(60)
        assert cluster.names() == ["node-1"]
        assert [record.outcome for record in cluster.records("DELETE nodes")] == ["Conflict"]
        assert world.events("node-1") == [DELETING]  # it was announced, as it could not be known

    stage(scene)


@pytest.mark.parametrize(
    "change",
    [
        pytest.param({"metadata": {"labels": {"theirs": "1"}}}, id="not claimed any more"),
        pytest.param({"metadata": {"finalizers": ["x/y"]}}, id="being deleted"),
    ],
)
def test_a_node_that_changed_hands_meanwhile_is_kept(stage, change):
    def scene(world, cluster):
        world.cloud.claims_node = lambda node: "theirs" not in (node.metadata.labels or {})
        cluster.join(instance=False)

        def happen():
            world.patch_node(change)
            if "finalizers" in change["metadata"]:
                world.delete_node()

        between(world, happen)
        cluster.start()
        world.wait(60)
        assert cluster.names() == ["node-1"]
        assert cluster.records("DELETE nodes") == []

    stage(scene)


def test_a_node_that_somebody_else_deletes_meanwhile_is_no_failure(stage):
    def scene(world, cluster):
        cluster.join(instance=False)
        between(world, world.delete_node)
        manager = cluster.start()
        cluster.passes(3)
        assert world.events() == []
        assert manager.metric("node_lifecycle_controller_deleted_nodes_total") == 0
        assert manager.metric("node_lifecycle_controller_node_deletion_errors_total") == 0

    stage(scene)


def test_a_node_that_comes_back_begins_anew(stage):
    def scene(world, cluster):
        cluster.join(instance=False)
        cluster.start()
        cluster.set_ready("node-1", "True")
        cluster.passes(1)
        cluster.set_ready("node-1", "Unknown")
        cluster.passes(1)
        assert cluster.names() == ["node-1"]
        cluster.passes(1)
        assert cluster.names() == []

    stage(scene)


def test_an_answer_of_a_provider_that_raises_not_found_counts_like_no(stage):
    def scene(world, cluster):
        cluster.join()
        world.cloud.fail("instance_states", InstanceNotFound("no instance node-1"))
        cluster.start()
        cluster.passes(1)
        with pytest.raises(NotFound):
            world.node()

    stage(scene)


def test_an_instance_that_is_shut_down_and_gone_is_gone(stage):
    def scene(world, cluster):
        cluster.join()
        world.cloud.answer("instance_states", InstanceState(exists=False, shutdown=True))
        cluster.start()
        cluster.passes(1)
        assert cluster.names() == []

    stage(scene)
