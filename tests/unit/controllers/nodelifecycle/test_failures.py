"""Errors of the cloud, of the API server and of this process: none deletes, none is final."""

import itertools

import pytest

from cloudprovider.errors import CloudProviderError, InstanceNotFound, Throttled
from cloudprovider.testing.faults import Fault


def refuse(world, *, status=403, times=0, op="DELETE nodes", kind="error"):
    world.server.faults.add(Fault(kind=kind, api="k8s", op=op, status=status, times=times))


# -- errors -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("method", "error"),
    [
        pytest.param("instance_states", CloudProviderError("down"), id="one node"),
        pytest.param("instance_states_many", CloudProviderError("down"), id="the whole call"),
        pytest.param(
            "instance_states_many", InstanceNotFound("?"), id="the whole call is not found"
        ),
        pytest.param("instance_states_many", Throttled("slow", after=7), id="throttled"),
        pytest.param("instance_states_many", KeyError("x"), id="a crash"),
        pytest.param("instance_states_many", SystemExit(3), id="an exit"),
    ],
)
def test_an_error_never_deletes(stage, method, error):
    def scene(world, cluster):
        for name in ("a", "b"):
            cluster.join(name, instance=False)
        world.cloud.fail(method, error)
        manager = cluster.start()
        world.wait(1000)
        assert cluster.names() == ["a", "b"]
        assert world.requests() == []
        assert manager.running[0].healthy()
        assert manager.metric("node_lifecycle_controller_instance_lookup_errors_total") >= 2

    stage(scene)


@pytest.mark.parametrize(
    "nonsense",
    [None, False, {}, {"node-1": None}, {"node-1": False}, {"node-1": "gone"}, [], "x"],
    ids=str,
)
def test_nonsense_never_deletes(stage, nonsense):
    def scene(world, cluster):
        cluster.join(instance=False)
        world.cloud.instances_v2().instance_states_many = lambda nodes: nonsense
        manager = cluster.start()
        cluster.passes(20)
        assert cluster.names() == ["node-1"]
        assert manager.running[0].healthy()

    stage(scene)


def test_one_node_that_the_provider_cannot_answer_for_does_not_keep_the_others(stage):
    def scene(world, cluster):
        plain = world.cloud.instances_v2().instance_states_many

        def many(nodes):
            if any(node.metadata.name == "bad" for node in nodes):
                raise KeyError("bad")
            return plain(nodes)

        world.cloud.instances_v2().instance_states_many = many
        cluster.join_many(9)
        cluster.join("bad")
        cluster.lose("n0003", "bad")
        cluster.start()
        cluster.passes(2)
        assert "n0003" not in cluster.names()
        assert "bad" in cluster.names()

    stage(scene)


def test_an_error_between_two_answers_begins_the_count_anew(stage):
    def scene(world, cluster):
        cluster.join(instance=False)
        cluster.start()
        world.cloud.fail("instance_states", CloudProviderError("down"), times=1)
        cluster.passes(1)
        world.wait(2 * cluster.period)
        assert cluster.names() == ["node-1"]
        cluster.passes(2)
        assert cluster.names() == []

    stage(scene)


# -- deletions that fail ------------------------------------------------------------------------


def test_a_deletion_that_fails_is_told_and_tried_again_ever_later(stage):
    def scene(world, cluster):
        cluster.join(instance=False)
        refuse(world)
        manager = cluster.start()
        world.wait(1000)
        times = [round(record.t) for record in cluster.records("DELETE nodes")]
        waits = [later - earlier for earlier, later in itertools.pairwise(times)]
        assert waits == [5, 10, 20, 40, 80, 160, 300, 300]
        kind, reason, message = world.events("node-1")[-1]
        assert (kind, reason) == ("Warning", "DeletingNodeFailed")
        assert message.startswith("Failed deleting node node-1: ")
        assert "403" in message
        assert manager.metric("node_lifecycle_controller_node_deletion_errors_total") == 9
        world.server.faults.clear()
        world.wait(600)
        assert cluster.names() == []
        assert manager.metric("node_lifecycle_controller_deleted_nodes_total") == 1

    stage(scene)


def test_nodes_that_cannot_be_deleted_do_not_keep_the_others_waiting(stage):
    def scene(world, cluster):
        cluster.join_many(10)
        cluster.lose("n0000", "n0001")
        world.server.faults.add(Fault(kind="error", api="k8s", op="DELETE nodes", key="n0000",
                                      status=403, times=0))  # fmt: skip
        cluster.start()
        cluster.passes(3)
        assert "n0001" not in cluster.names()
        assert "n0000" in cluster.names()

    stage(scene)


@pytest.mark.parametrize("kind", ["lost_answer", "not_sent", "error"])
@pytest.mark.parametrize("op", ["GET nodes", "DELETE nodes"])
def test_whatever_happens_to_a_call_the_node_goes_in_the_end(stage, kind, op):
    def scene(world, cluster):
        cluster.join(instance=False)
        cluster.join("other")
        refuse(world, kind=kind, op=op, status=500, times=1)
        cluster.start()
        cluster.passes(6)
        assert cluster.names() == ["other"]
        assert world.events("other") == []

    stage(scene)


@pytest.mark.parametrize("op", ["GET nodes", "DELETE nodes"])
def test_killed_at_any_call_it_converges_when_started_again(play, op):
    def scene(world):
        world.add_node("gone", ready="Unknown", provider_id="fake://gone")
        world.cloud.add_instance("there")
        world.add_node("there", ready="Unknown", provider_id="fake://there")
        world.server.faults.add(Fault(kind="crash_after", api="k8s", op=op, times=1))
        world.start_mortal("lifecycle")
        world.wait(12)
        assert world.server.faults.fired() == [1]
        world.start("lifecycle", settle=12)
        assert [node.metadata.name for node in world.nodes()] == ["there"]

    play(scene)


# -- leadership ---------------------------------------------------------------------------------


@pytest.mark.parametrize("how", ["lease lost", "stopped"])
def test_nothing_is_deleted_or_announced_once_this_process_may_not_write(stage, how):
    def scene(world, cluster):
        cluster.join(instance=False)
        manager = cluster.start()

        def end():
            if how == "stopped":
                manager.stop.set()
            manager.leading = False

        world.cloud.on("instance_states_many", lambda call: end())
        world.wait(60)
        assert cluster.names() == ["node-1"]
        assert cluster.records("DELETE nodes") == []
        assert world.events() == []

    stage(scene)


def test_a_new_leader_asks_twice_itself(stage):
    def scene(world, cluster):
        cluster.join(instance=False)
        cluster.start().stop.set()
        world.wait(1)
        cluster.start()
        assert cluster.names() == ["node-1"]
        cluster.passes(1)
        assert cluster.names() == []

    stage(scene)


def test_stopping_ends_the_thread(stage):
    def scene(world, cluster):
        cluster.join()
        manager = cluster.start()
        manager.stop.set()
        world.wait(0.1)
        [running] = manager.running
        assert running.name == "cloud-node-lifecycle-controller"
        assert not any(thread.is_alive() for thread in running.threads.values())
        assert running.healthy()

    stage(scene)


def test_a_cloud_without_instances_has_no_need_of_it(play):
    from cloudprovider_controllers.nodelifecycle import controller

    def scene(world):
        world.cloud.instances_v2 = lambda: None
        manager = world.start("service")
        assert controller.start(manager.context, manager.stop) is None

    play(scene)


def test_it_is_unhealthy_while_the_provider_does_not_answer(stage):
    def scene(world, cluster):
        cluster.join()
        world.cloud.latency["instance_states_many"] = 200
        manager = cluster.start(stuck_after=60.0)
        world.wait(50)
        assert manager.running[0].healthy()
        world.wait(20)
        assert not manager.running[0].healthy()
        world.cloud.latency.clear()
        world.wait(200)
        assert manager.running[0].healthy()

    stage(scene)
