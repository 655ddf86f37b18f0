"""Many nodes at once, and the loop that keeps initialised nodes up to date."""

import pytest
from new_nodes import TAINT

from cloudprovider.errors import CloudProviderError
from cloudprovider.testing.builders import make_addresses
from cloudprovider_controllers.node.parallel import for_each

OTHER = [("InternalIP", "10.0.0.8"), ("Hostname", "node-1")]
DUAL = [("InternalIP", "10.0.0.1"), ("InternalIP", "fd00::1"), ("Hostname", "node-1")]


def join(world, count):
    for index in range(count):
        name = f"n{index:04}"
        world.cloud.add_instance(name, addresses=[("InternalIP", f"10.0.{index // 250}.{index}")])
        world.add_node(name, taints=[TAINT])


def waiting(world):
    return [node for node in world.nodes() if node.spec.taints]


def test_ninety_nine_nodes_are_ready_in_five_seconds(play):
    def scene(world):
        world.cloud.latency["instance_metadata_many"] = 0.05
        world.start("node")
        world.forget()
        join(world, 99)
        world.wait(5)
        assert waiting(world) == []
        assert world.cloud.count() == 1
        assert len(world.requests()) == 2 * 99

    play(scene)


def test_a_thousand_nodes_cost_ten_calls(play):
    def scene(world):
        world.start("node", node_status_update_frequency=100.0)
        world.forget()
        join(world, 1000)
        world.wait(10)
        assert waiting(world) == []
        assert world.cloud.count() == 10
        world.forget()
        world.wait(100)  # one pass of the status loop
        assert world.cloud.count() == 10
        assert world.requests() == []

    play(scene)


def test_a_restart_over_initialised_nodes_writes_nothing(play):
    def scene(world):
        manager = world.start("node")
        join(world, 20)
        world.wait(5)
        manager.stop.set()
        world.wait(1)
        world.forget()
        events = len(world.events())
        world.start("node", settle=10)
        assert world.cloud.count() == 1
        assert world.requests() == []
        assert len(world.events()) == events

    play(scene)


def test_a_dual_stack_node_is_not_written_again_and_again(play):
    def scene(world):
        world.cloud.add_instance("node-1", addresses=DUAL)
        world.start("node", node_status_update_frequency=10.0)
        world.add_node(taints=[TAINT])
        world.wait(1)
        world.forget()
        world.wait(100)
        assert world.cloud.count() == 10
        assert world.requests() == []

    play(scene)


def test_a_changed_address_type_and_zone_reach_the_node(play):
    def scene(world):
        world.cloud.add_instance("node-1", addresses=DUAL)
        world.start("node", node_status_update_frequency=10.0)
        world.add_node(taints=[TAINT])
        world.wait(1)
        world.forget()
        changed = [("InternalIP", "10.0.0.7"), *DUAL[1:]]
        world.cloud.add_instance("node-1", addresses=changed, instance_type="t9", zone="zone-z")
        world.wait(10)
        node = world.node()
        assert node.status.addresses == make_addresses(*changed)
        assert node.metadata.labels["node.kubernetes.io/instance-type"] == "t9"
        assert node.metadata.labels["beta.kubernetes.io/instance-type"] == "t9"
        assert node.metadata.labels["topology.kubernetes.io/zone"] == "zone-z"
        assert world.requests() == ["PATCH nodes/status node-1", "PATCH nodes node-1"]

    play(scene)


def test_a_waiting_node_gets_no_addresses_from_the_status_loop(play):
    def scene(world):
        world.cloud.add_instance("node-1", addresses=DUAL, provider_id="")
        world.start("node", node_status_update_frequency=10.0)
        world.add_node(taints=[TAINT])
        world.wait(60)
        assert world.node().status.addresses is None

    play(scene)


@pytest.mark.parametrize("outcome", [None, CloudProviderError("x"), "text"], ids=str)
def test_odd_answers_in_the_status_loop_change_nothing_and_stop_nothing(play, outcome):
    def scene(world):
        for name in ("a", "b"):
            world.cloud.add_instance(name, addresses=DUAL)
            world.add_node(name, taints=[TAINT])
        manager = world.start("node", node_status_update_frequency=10.0)
        if isinstance(outcome, Exception):
            world.cloud.fail("instance_metadata", outcome, key="a")
        else:
            world.cloud.answer("instance_metadata", outcome, key="a")
        before = world.node("a")
        world.cloud.add_instance("b", addresses=OTHER)
        world.wait(30)
        assert world.node("a") == before
        assert world.node("b").status.addresses == make_addresses(*OTHER)
        assert manager.running[0].healthy()

    play(scene)


def test_a_cloud_that_is_down_for_a_pass_is_asked_in_the_next(play, caplog):
    def scene(world):
        for name in ("node-1", "node-2"):
            world.cloud.add_instance(name, addresses=DUAL)
            world.add_node(name, taints=[TAINT])
        manager = world.start("node", node_status_update_frequency=10.0)
        world.cloud.fail("instance_metadata_many", CloudProviderError("down"), times=1)
        world.cloud.add_instance("node-1", addresses=OTHER)
        for wait, age in ((15, 17), (10, 7)):  # a pass without any answer does not count
            world.wait(wait)
            age_of = manager.metric(
                "cloudprovider_reconcile_last_success_age_seconds", name="node-status"
            )
            assert age_of == pytest.approx(age, abs=0.1)
        assert world.node().status.addresses == make_addresses(*OTHER)
        assert manager.running[0].healthy()

    play(scene)
    assert caplog.text.count("down") == 1  # not once for each node


@pytest.mark.parametrize("workers", [1, 5, 10, 30])
def test_a_hundred_nodes_are_one_call_with_any_number_of_workers(play, workers):
    def scene(world):
        world.cloud.latency["instance_metadata_many"] = 0.01
        world.start("node", concurrent_node_status_updates=workers, node_batch_size=200)
        join(world, 100)
        world.wait(5)
        world.forget()
        for name in list(world.cloud.instances):
            world.cloud.add_instance(name, addresses=[("InternalIP", "10.9.9.9")])
        world.wait(300)
        assert world.cloud.count() == 1
        assert len(world.requests()) == 100

    play(scene)


def test_stable_labels_follow_the_beta_ones_without_asking_the_cloud(play):
    def scene(world):
        world.start("node", node_status_update_frequency=10_000.0)
        world.forget()
        world.add_node(labels={"failure-domain.beta.kubernetes.io/zone": "z"})
        world.wait(1)
        assert world.node().metadata.labels["topology.kubernetes.io/zone"] == "z"
        assert world.cloud.calls == []
        assert world.requests() == ["PATCH nodes node-1"]

    play(scene)


def test_a_taint_that_comes_back_is_taken_away_again(play):
    def scene(world):
        world.cloud.add_instance("node-1")
        world.start("node")
        world.add_node(taints=[TAINT])
        world.wait(1)
        world.patch_node({"spec": {"taints": [{"key": TAINT, "effect": "NoSchedule"}]}})
        world.wait(1)
        assert world.node().spec.taints is None

    play(scene)


def test_a_stuck_provider_makes_the_controller_unhealthy(play):
    def scene(world):
        manager = world.start("node", stuck_after=60.0, node_status_update_frequency=10_000.0)
        world.cloud.latency["instance_metadata_many"] = 100
        world.add_node(taints=[TAINT])
        world.wait(30)
        assert manager.running[0].healthy()
        world.wait(40)
        assert not manager.running[0].healthy()

    play(scene)


def test_stopping_ends_every_thread(play):
    def scene(world):
        manager = world.start("node")
        join(world, 3)
        world.wait(2)
        manager.stop.set()
        world.wait(1)
        [running] = manager.running
        assert not [name for name, thread in running.threads.items() if thread.is_alive()]

    play(scene)


def test_nodes_join_and_every_service_learns_of_them_once(play):
    def scene(world):
        world.cloud.add_instance("first")
        world.add_node("first", taints=[TAINT])
        world.start("service", "node")
        for index in range(5):
            world.add_service(f"s{index}")
        world.wait(2)
        world.forget()
        join(world, 50)
        world.wait(5)
        assert world.cloud.count("update_load_balancer") == 5
        assert {len(item.nodes) for item in world.cloud.balancers.values()} == {51}

    play(scene)


def test_for_each_survives_what_one_item_raises(play):
    def scene(world):
        seen = []

        def work(item):
            if item == 2:
                raise KeyError(item)
            seen.append(item)

        for_each(range(5), work, workers=3, name="x", concurrency=world.hub)
        assert sorted(seen) == [0, 1, 3, 4]

    play(scene)
