"""How node changes reach load balancers: who is asked, how often, and what a change costs."""

import itertools

import pytest

from cloudprovider.errors import CloudProviderError, ImplementedElsewhere, RetryLater
from cloudprovider.testing.fake import FakeLoadBalancer

EXCLUDE = "node.kubernetes.io/exclude-from-external-load-balancers"
AUTOSCALER = [{"key": "ToBeDeletedByClusterAutoscaler", "effect": "NoSchedule"}]
UNINITIALIZED = "node.cloudprovider.kubernetes.io/uninitialized"


def started(world, *, services=3, nodes=2):
    for index in range(nodes):
        world.add_node(f"n{index}", provider_id=f"fake://n{index}")
    manager = world.start("service")
    for index in range(services):
        policy = "Local" if index < 2 else "Cluster"
        world.add_service(f"s{index}", external_traffic_policy=policy)
    world.wait(3)
    world.forget()
    return manager


def backends(world):
    return {balancer.nodes for balancer in world.cloud.balancers.values()}


def exclude(world):
    world.patch_node({"metadata": {"labels": {EXCLUDE: ""}}}, "n0")


CHANGES = {
    "nothing": (lambda _: None, 0),
    "a node joins": (lambda world: world.add_node("n9", provider_id="fake://n9"), 3),
    "a node goes": (lambda world: world.delete_node("n0"), 3),
    "excluded": (exclude, 3),
    "autoscaler taint": (lambda w: w.patch_node({"spec": {"taints": AUTOSCALER}}, "n0"), 3),
    "another taint": (
        lambda w: w.patch_node({"spec": {"taints": [{"key": "x", "effect": "NoExecute"}]}}, "n0"),
        0,
    ),
    "cordoned": (lambda w: w.patch_node({"spec": {"unschedulable": True}}, "n0"), 0),
    "labelled": (lambda w: w.patch_node({"metadata": {"labels": {"a": "b"}}}, "n0"), 0),
    "not ready": (
        lambda w: w.patch_node(
            {"status": {"conditions": [{"type": "Ready", "status": "False"}]}},
            "n0",
            subresource="status",
        ),
        0,
    ),
    "joins uninitialised": (lambda w: w.add_node("n9", taints=[UNINITIALIZED]), 0),
}


@pytest.mark.parametrize("name", CHANGES)
def test_each_concerned_service_is_updated_once(play, name):
    change, calls = CHANGES[name]

    def scene(world):
        started(world)
        change(world)
        world.wait(10)
        assert world.cloud.count("update_load_balancer") == calls
        assert world.cloud.count() == calls
        assert world.requests() == []
        assert world.reasons("s0").count("UpdatedLoadBalancer") == (1 if calls else 0)

    play(scene)


@pytest.mark.parametrize("services", [0, 1, 3, 4])
@pytest.mark.parametrize("workers", [1, 2, 3])
def test_every_service_is_reached_with_any_number_of_workers(play, services, workers):
    def scene(world):
        world.add_node("n0")
        world.start("service", concurrent_service_syncs=workers)
        for index in range(services):
            world.add_service(f"s{index}")
        world.add_service("other", type="NodePort")
        world.wait(3)
        world.forget()
        world.add_node("n1")
        world.wait(3)
        called = [call.key for call in world.cloud.called("update_load_balancer")]
        assert sorted(called) == [f"default/s{index}" for index in range(services)]

    play(scene)


def test_a_burst_of_nodes_is_one_update_for_each_service(play):
    def scene(world):
        started(world)
        for index in range(100, 130):
            world.add_node(f"n{index}")
            world.wait(0.1)
        world.wait(3)
        assert world.cloud.count("update_load_balancer") == 3
        assert {len(nodes) for nodes in backends(world)} == {32}

    play(scene)


def test_a_burst_without_end_is_cut(play):
    def scene(world):
        started(world, services=1)
        for index in range(100, 200):
            world.add_node(f"n{index}")
            world.wait(0.1)
        world.wait(3)
        assert 2 <= world.cloud.count("update_load_balancer") <= 3

    play(scene)


def test_an_initialised_node_joins_in_one_update(play):
    def scene(world):
        started(world)
        world.add_node("n9", taints=[UNINITIALIZED])
        world.wait(3)
        world.patch_node({"spec": {"taints": None, "providerID": "fake://n9"}}, "n9")
        world.wait(3)
        assert world.cloud.count("update_load_balancer") == 3

    play(scene)


def test_a_provider_id_set_later_is_an_update(play):
    def scene(world):
        started(world)
        world.add_node("n9")
        world.wait(3)
        world.forget()
        world.patch_node({"spec": {"providerID": "fake://n9"}}, "n9")
        world.wait(3)
        assert world.cloud.count("update_load_balancer") == 3

    play(scene)


def test_a_node_replaced_under_its_name_is_an_update(play):
    def scene(world):
        started(world)
        world.delete_node("n0")
        world.add_node("n0", provider_id="fake://other")
        world.wait(3)
        assert world.cloud.count("update_load_balancer") == 3

    play(scene)


def test_a_failed_update_is_told_and_retried_with_back_off(play):
    def scene(world):
        started(world)
        error = CloudProviderError("down")
        world.cloud.fail("update_load_balancer", error, key="default/s0", times=3)
        world.add_node("n9")
        world.wait(120)
        times = [call.started for call in world.cloud.called("*", "default/s0")]
        waits = [round(b - a) for a, b in itertools.pairwise(times)]
        assert waits == [5, 10, 20]
        assert world.cloud.count("update_load_balancer", "default/s1") == 1
        assert world.cloud.count("ensure_load_balancer") == 0
        [text] = {text for kind, _, text in world.events("s0") if kind == "Warning"}
        assert text == (
            "Error updating load balancer with new hosts [n0 n1 n9] "
            "[node names limited, total number of nodes: 3], error: down"
        )
        assert backends(world) == {("n0", "n1", "n9")}

    play(scene)


def test_node_changes_do_not_shorten_the_back_off_of_a_failing_service(play):
    def scene(world):
        started(world, services=1)
        world.cloud.fail("update_load_balancer", CloudProviderError("throttled"))
        world.add_node("n9")
        for index in range(10, 40):
            world.wait(2)
            world.add_node(f"n{index}")
        assert world.cloud.count("update_load_balancer") == 4  # at 0, 5, 15 and 35 s

    play(scene)


def test_an_update_in_progress_is_asked_again_when_it_says(play):
    def scene(world):
        started(world, services=1)
        error = RetryLater("attaching", after=3)
        world.cloud.fail("update_load_balancer", error, times=1)
        world.add_node("n9")
        world.wait(10)
        assert world.cloud.count("update_load_balancer") == 2
        assert "UpdateLoadBalancerFailed" not in world.reasons("s0")

    play(scene)


def test_a_balancer_that_vanished_is_made_anew(play):
    def scene(world):
        started(world, services=1)
        world.cloud.balancers.clear()
        world.add_node("n9")
        world.wait(5)
        assert backends(world) == {("n0", "n1", "n9")}
        address = next(iter(world.cloud.balancers.values())).status.ingress[0].ip
        assert world.service("s0").status.load_balancer.ingress[0].ip == address

    play(scene)


def test_implemented_elsewhere_is_success(play):
    def scene(world):
        started(world, services=1)
        world.cloud.fail("update_load_balancer", ImplementedElsewhere())
        world.add_node("n9")
        world.wait(60)
        assert world.cloud.count("update_load_balancer") == 1
        assert "UpdatedLoadBalancer" not in world.reasons("s0")

    play(scene)


def test_the_last_node_leaving_is_a_warning(play):
    def scene(world):
        started(world, services=1, nodes=1)
        world.delete_node("n0")
        world.wait(5)
        assert backends(world) == {()}
        assert world.reasons("s0")[-1] == "UnAvailableLoadBalancer"

    play(scene)


def test_a_node_that_comes_during_a_slow_ensure_is_not_forgotten(play):
    def scene(world):
        started(world, services=1)
        world.cloud.latency["ensure_load_balancer"] = 10
        world.patch_service({"metadata": {"annotations": {"a": "b"}}}, "s0")
        world.wait(1)
        world.add_node("n9")
        world.wait(30)
        assert backends(world) == {("n0", "n1", "n9")}
        assert world.cloud.most_at_once("*", "default/s0") == 1

    play(scene)


def test_a_stale_pass_never_shrinks_a_newer_set_of_nodes(play):
    def scene(world):
        started(world, services=1)
        world.cloud.latency["update_load_balancer"] = 10
        world.add_node("n8")
        world.wait(1)
        world.add_node("n9")
        world.patch_service({"metadata": {"annotations": {"a": "b"}}}, "s0")
        world.wait(30)
        assert backends(world) == {("n0", "n1", "n8", "n9")}
        assert [len(call.nodes) for call in world.cloud.calls] == [3, 4]

    play(scene)


def test_a_service_that_failed_for_want_of_nodes_does_not_wait_for_its_back_off(play):
    def scene(world):
        world.start("service")
        world.cloud.fail("ensure_load_balancer", CloudProviderError("no nodes"), times=5)
        world.add_service()
        world.wait(100)  # the next try is due 155 s after the first
        world.add_node()
        world.wait(2)
        assert backends(world) == {("node-1",)}

    play(scene)


def test_a_provider_decides_what_changes_its_backends(play):
    def scene(world):
        class Picky(FakeLoadBalancer):
            def backend_nodes_changed(self, service, old, new):
                return [n.spec.unschedulable for n in old] != [n.spec.unschedulable for n in new]

        world.cloud.load_balancer = lambda: Picky(world.cloud)
        started(world, nodes=1)
        world.add_node("n9")
        world.wait(3)
        world.forget()
        world.patch_node({"spec": {"unschedulable": True}}, "n0")
        world.wait(3)
        assert world.cloud.count("update_load_balancer") == 3

    play(scene)


def test_a_provider_that_cannot_compare_costs_an_update_and_nobody_else_anything(play):
    def scene(world):
        class Broken(FakeLoadBalancer):
            def backend_nodes_changed(self, service, old, new):
                if service.metadata.name == "s0":
                    raise ZeroDivisionError
                return False

        world.cloud.load_balancer = lambda: Broken(world.cloud)
        started(world)
        world.patch_node({"metadata": {"labels": {"a": "b"}}}, "n0")
        world.wait(3)
        assert [call.key for call in world.cloud.calls] == ["default/s0"]

    play(scene)


def test_metrics_count_syncs_and_failed_updates(play):
    def scene(world):
        manager = started(world, services=2)
        world.cloud.fail("update_load_balancer", CloudProviderError("x"), key="*/s0", times=1)
        world.add_node("n9")
        world.wait(20)
        assert manager.metric("service_controller_loadbalancer_sync_total") == 2 + 3
        assert manager.metric("service_controller_nodesync_error_total") == 1
        assert manager.metric("service_controller_nodesync_latency_seconds_count") >= 1
        name = "service_controller_update_loadbalancer_host_latency_seconds_count"
        assert manager.metric(name) == 2

    play(scene)
