"""How many Nodes are deleted at once, and what it costs to watch many."""

import itertools

import pytest

from cloudprovider.errors import CloudProviderError

MISSING = "node_lifecycle_controller_missing_nodes"
WAITING = "node_lifecycle_controller_waiting_nodes"
PAUSED = "node_lifecycle_controller_deletions_paused"


def deleted_in_each_pass(world, cluster):
    records = cluster.records("DELETE nodes")
    groups = itertools.groupby(records, lambda record: round(record.t / cluster.period))
    return [len(list(group)) for _, group in groups]


def test_a_tenth_is_deleted_in_each_period_and_the_others_wait(stage):
    def scene(world, cluster):
        cluster.join_many(60)
        cluster.lose(*(f"n{index:04}" for index in range(20)))
        manager = cluster.start()
        cluster.passes(1)
        assert manager.metric(MISSING) == 20
        assert manager.metric(WAITING) == 14
        assert manager.metric(PAUSED) == 0
        cluster.passes(5)
        assert deleted_in_each_pass(world, cluster) == [6, 5, 4, 4, 1]
        assert len(cluster.names()) == 40
        assert manager.metric(MISSING) == 0
        assert manager.metric(WAITING) == 0
        assert manager.metric("node_lifecycle_controller_deleted_nodes_total") == 20

    stage(scene)


def test_nodes_of_others_do_not_raise_the_limit(stage):
    def scene(world, cluster):
        cluster.join_many(6)
        cluster.lose("n0000", "n0001")
        for index in range(100):
            cluster.join(f"other-{index}", provider_id=f"other://{index}", instance=False)
        cluster.start()
        cluster.passes(2)
        assert deleted_in_each_pass(world, cluster) == [1, 1]

    stage(scene)


def test_when_more_than_a_third_is_missing_nothing_is_deleted(stage):
    def scene(world, cluster):
        cluster.join_many(30)
        cluster.lose(*(f"n{index:04}" for index in range(11)))
        manager = cluster.start()
        world.wait(3000)
        assert len(cluster.names()) == 30
        assert cluster.records("DELETE nodes") == []
        assert manager.metric(PAUSED) == 1
        assert manager.metric(WAITING) == manager.metric(MISSING) == 11
        assert world.events() == [
            (
                "Warning",
                "DeletingNodesPaused",
                "11 of 30 nodes do not exist in the cloud provider, which is more than"
                " --missing-nodes-threshold allows at once, so no node is deleted. If they are"
                " gone indeed, delete them by hand: n0000, n0001, n0002, n0003, n0004, n0005,"
                " n0006, n0007, n0008, n0009 and 1 more",
            )
        ]

    stage(scene)


def test_nodes_that_are_seldom_asked_about_are_asked_before_another_is_deleted(stage):
    def scene(world, cluster):
        for name in ("a", "b", "c"):
            cluster.join(name)
        for name in ("a", "b"):
            world.cloud.instances[name].shutdown = True
        cluster.start()
        world.wait(200)
        cluster.lose("a", "b", "c")
        world.wait(600)
        assert cluster.names() == ["a", "b", "c"]
        assert world.reasons() == ["DeletingNodesPaused"]

    stage(scene)


def test_a_pause_is_told_again_when_its_event_is_forgotten(stage):
    def scene(world, cluster):
        cluster.join("a", instance=False)
        cluster.join("b", instance=False)
        cluster.start()
        world.wait(4000)
        assert world.reasons() == ["DeletingNodesPaused"] * 2

    stage(scene)


def test_while_it_lasts_the_cloud_is_asked_less(stage):
    def scene(world, cluster):
        cluster.join_many(30)
        cluster.lose(*(f"n{index:04}" for index in range(30)))
        cluster.start()
        world.wait(100)
        world.forget()
        world.wait(400)
        assert world.cloud.count() == 10

    stage(scene)


@pytest.mark.parametrize("how", ["found again", "deleted by hand", "others join"])
def test_a_pause_ends_when_no_more_than_a_third_is_missing(stage, how):
    def scene(world, cluster):
        cluster.join_many(10)
        lost = [f"n{index:04}" for index in range(4)]
        cluster.lose(*lost)
        manager = cluster.start()
        world.wait(60)
        assert manager.metric(PAUSED) == 1
        if how == "found again":
            for name in lost:
                world.cloud.add_instance(name)
        elif how == "deleted by hand":
            world.delete_node("n0000")
        else:
            for index in range(10, 12):
                cluster.join(f"n{index:04}", ready="True")
        world.wait(100)
        assert manager.metric(PAUSED) == 0
        gone = [name for name in lost if name not in cluster.names()]
        assert gone == ([] if how == "found again" else lost)
        by_us = 4 if how == "others join" else 3
        assert len(cluster.records("DELETE nodes")) == (0 if how == "found again" else by_us)

    stage(scene)


def test_the_threshold_is_an_option(stage):
    def scene(world, cluster):
        cluster.join_many(10)
        cluster.lose(*(f"n{index:04}" for index in range(10)))
        cluster.start(missing_nodes_threshold=1.0)
        cluster.passes(11)
        assert cluster.names() == []
        assert deleted_in_each_pass(world, cluster) == [1] * 10

    stage(scene)


def test_the_last_node_may_go_too(stage):
    def scene(world, cluster):
        cluster.join(instance=False)
        cluster.start()
        cluster.passes(1)
        assert cluster.names() == []

    stage(scene)


# -- costs --------------------------------------------------------------------------------------


@pytest.mark.parametrize("state", ["running", "gone", "cloud down"])
def test_a_thousand_nodes_that_are_not_ready_cost_ten_calls_a_period(stage, state):
    def scene(world, cluster):
        cluster.join_many(1000, instance=state != "gone")
        if state == "cloud down":
            world.cloud.fail("instance_states_many", CloudProviderError("down"))
        cluster.start()
        assert sorted(map(len, cluster.asked())) == [100] * 10
        for _ in range(5):
            world.forget()
            cluster.passes(1)
            assert world.cloud.count() <= 10
            assert all(len(nodes) <= 100 for nodes in cluster.asked())
        assert world.requests() == []

    stage(scene)


def test_ready_nodes_cost_nothing(stage):
    def scene(world, cluster):
        cluster.join_many(300, ready="True", instance=False)
        cluster.start()
        world.wait(600)
        assert world.cloud.calls == []
        assert world.requests() == []

    stage(scene)


def test_stopped_nodes_are_asked_about_together_and_ever_less(stage):
    def scene(world, cluster):
        cluster.join_many(50)
        for instance in world.cloud.instances.values():
            instance.shutdown = True
        cluster.start()
        world.wait(60)
        world.forget()
        world.wait(400)
        assert world.cloud.count() == 10
        assert {len(nodes) for nodes in cluster.asked()} == {50}
        assert world.requests() == []

    stage(scene)


def test_a_stopped_instance_that_is_released_is_noticed_within_a_minute(stage):
    def scene(world, cluster):
        cluster.join()
        cluster.join("other")
        world.cloud.instances["node-1"].shutdown = True
        cluster.start()
        world.wait(200)
        cluster.lose("node-1")
        world.wait(60)
        assert cluster.names() == ["other"]

    stage(scene)


def test_a_cloud_that_is_down_for_an_hour_is_asked_once_a_minute_or_so(stage):
    def scene(world, cluster):
        cluster.join_many(100)
        world.cloud.fail("instance_states_many", CloudProviderError("region down"))
        manager = cluster.start()
        world.wait(3600)
        assert world.cloud.count() <= 3600 / 40 + 4
        assert len(cluster.names()) == 100
        assert world.requests() == []
        assert manager.running[0].healthy()

    stage(scene)


@pytest.mark.parametrize("batch", [1, 7, 100])
def test_a_question_has_no_more_nodes_than_a_batch(stage, batch):
    def scene(world, cluster):
        cluster.join_many(20)
        cluster.start(node_batch_size=batch)
        assert {len(nodes) for nodes in cluster.asked()} <= {batch, 20 % batch, 20}
        assert max(len(nodes) for nodes in cluster.asked()) <= batch
        assert sum(len(nodes) for nodes in cluster.asked()) == 20

    stage(scene)


def test_no_question_is_only_about_nodes_that_left_together(stage):
    """Where a cloud leaves out what it does not have, an answer without any is asked twice."""

    def scene(world, cluster):
        cluster.join_many(300)
        cluster.lose(*(f"n{index:04}" for index in range(150)))
        cluster.start()
        assert len(cluster.asked()) == 3
        for names in cluster.asked():
            assert 0 < sum(name < "n0150" for name in names) < len(names)

    stage(scene)
