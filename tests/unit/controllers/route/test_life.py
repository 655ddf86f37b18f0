"""Nodes join, change and leave: their routes on the embedded API server and the fake cloud."""

import dataclasses

import pytest
from route_cluster import ROUTED, UNROUTED, cidr, join, network, table

from cloudprovider.errors import CloudProviderError
from cloudprovider.interface import Route
from cloudprovider_controllers.route.controller import COMPONENT, EVENT_SOURCE, NAME
from cloudprovider_controllers.runtime.resources import NODES


def test_names_are_upstreams():
    assert (NAME, COMPONENT, EVENT_SOURCE) == (
        "node-route-controller",
        "route-controller",
        "route_controller",
    )


class TestLife:
    def test_nodes_join_and_leave(self, play):
        def scene(world):
            join(world, 1)
            manager = world.start("route")
            assert table(world) == {cidr(1): "node-1"}
            assert network(world) == ROUTED
            join(world, 2)
            world.wait(1)
            assert table(world) == {cidr(1): "node-1", cidr(2): "node-2"}
            assert network(world, "node-2") == ROUTED
            world.delete_node("node-1")
            world.wait(1)
            assert table(world) == {cidr(2): "node-2"}
            assert world.events() == []
            assert manager.running[0].healthy()

        play(scene)

    def test_the_hint_is_the_nodes_uid(self, play):
        def scene(world):
            node = join(world, 1)
            world.start("route")
            assert world.cloud.route_table[0].name == f"{node.metadata.uid}-{cidr(1)}"

        play(scene)

    def test_a_restart_changes_nothing(self, play):
        def scene(world):
            for number in range(1, 4):
                join(world, number)
            first = world.start("route")
            first.stop.set()
            world.wait(1)
            world.forget()
            world.start("route")
            assert [call.method for call in world.cloud.calls] == ["list_routes"]
            assert world.requests(writes=True) == []

        play(scene)

    def test_without_a_change_the_cloud_is_listed_once_a_period_and_nothing_is_written(self, play):
        def scene(world):
            for number in range(1, 4):
                join(world, number)
            world.start("route", route_reconciliation_period=100.0)
            world.forget()
            world.wait(1000)
            assert [call.method for call in world.cloud.calls] == ["list_routes"] * 10
            assert world.requests() == []

        play(scene)

    def test_a_hundred_nodes_that_join_at_once_are_one_pass(self, play):
        def scene(world):
            world.start("route")
            world.forget()
            for number in range(100):
                join(world, number)
            world.wait(3)
            assert [call.method for call in world.cloud.calls] == ["list_routes", "create_routes"]
            assert len(table(world)) == 100
            assert len(world.requests(writes=True)) == 100

        play(scene)

    def test_an_endless_burst_is_cut_into_passes(self, play):
        def scene(world):
            world.start("route")
            world.forget()
            for number in range(60):
                join(world, number)
                world.wait(0.3)
            assert 3 <= world.cloud.count("list_routes") <= 6
            assert len(table(world)) > 40

        play(scene)

    def test_drift_is_repaired_at_the_next_period(self, play):
        def scene(world):
            join(world, 1)
            world.start("route", route_reconciliation_period=60.0)
            world.cloud.route_table.clear()
            world.wait(61)
            assert table(world) == {cidr(1): "node-1"}

        play(scene)


class TestWhatAsksForAPass:
    @pytest.mark.parametrize(
        ("change", "passes"),
        [
            pytest.param({"metadata": {"labels": {"a": "b"}}}, 0, id="a label"),
            pytest.param({"spec": {"unschedulable": True}}, 0, id="unschedulable"),
            pytest.param({"spec": {"providerID": "fake://node-1"}}, 0, id="a providerID of ours"),
            pytest.param({"spec": {"providerID": "other://x"}}, 1, id="another's providerID"),
            pytest.param(
                {"spec": {"taints": [{"key": "k", "effect": "NoSchedule"}]}}, 0, id="a taint"
            ),
        ],
    )
    def test_a_change_of_the_node(self, play, change, passes):
        def scene(world):
            join(world, 1)
            world.start("route")
            world.forget()
            world.patch_node(change)
            world.wait(10)
            assert world.cloud.count("list_routes") == passes
            assert world.cloud.writes == 0

        play(scene)

    @pytest.mark.parametrize(
        ("status", "passes"),
        [
            pytest.param({"addresses": [{"type": "InternalIP", "address": "10.0.0.9"}]}, 1,
                         id="addresses"),
            pytest.param({"conditions": [{"type": "Ready", "status": "Unknown"}]}, 0, id="Ready"),
            pytest.param({"nodeInfo": {"machineID": "x"}}, 0, id="a heartbeat"),
        ],
    )  # fmt: skip
    def test_a_change_of_its_status(self, play, status, passes):
        def scene(world):
            join(world, 1)
            world.start("route")
            world.forget()
            world.user.patch(NODES, "node-1", {"status": status}, subresource="status")
            world.wait(10)
            assert world.cloud.count("list_routes") == passes

        play(scene)

    def test_its_range(self, play):
        def scene(world):
            world.add_node("node-1")
            world.start("route")
            world.forget()
            world.patch_node({"spec": {"podCIDR": cidr(1), "podCIDRs": [cidr(1)]}})
            world.wait(1)
            assert table(world) == {cidr(1): "node-1"}
            assert world.cloud.count("list_routes") == 1

        play(scene)


class TestOrder:
    def test_a_range_that_moves_to_another_node_is_deleted_before_it_is_created(self, play):
        def scene(world):
            join(world, 1)
            world.start("route")
            world.forget()
            world.delete_node("node-1")
            world.add_node("node-9", pod_cidrs=[cidr(1)])
            world.wait(1)
            assert table(world) == {cidr(1): "node-9"}
            assert [call.method for call in world.cloud.calls] == [
                "list_routes", "delete_routes", "create_routes",
            ]  # fmt: skip
            assert world.events() == []

        play(scene)

    def test_a_deletion_that_fails_holds_back_the_creation_of_that_range_alone(self, play):
        def scene(world):
            world.cloud.route_table += [Route("old", "gone", cidr(1))]
            world.cloud.fail("delete_route", CloudProviderError("locked"), times=1)
            join(world, 1)
            join(world, 2)
            world.start("route")
            assert table(world) == {cidr(1): "gone", cidr(2): "node-2"}
            assert (network(world), network(world, "node-2")) == (UNROUTED, ROUTED)
            world.wait(5)
            assert table(world)[cidr(1)] == "node-1"
            assert network(world) == ROUTED

        play(scene)

    def test_changed_addresses_replace_the_route(self, play):
        def scene(world):
            join(world, 1, addresses=[("InternalIP", "10.0.0.1")])
            world.start("route")
            [made] = world.cloud.route_table
            opted_in = dataclasses.replace(made, enable_node_addresses=True)
            world.cloud.route_table[:] = [opted_in]
            status = {"addresses": [{"type": "InternalIP", "address": "10.0.0.9"}]}
            world.forget()
            world.user.patch(
                NODES, "node-1", {"status": status}, subresource="status", patch_type="merge"
            )
            world.wait(1)
            [found] = world.cloud.route_table
            assert [item.address for item in found.target_node_addresses] == ["10.0.0.9"]
            assert world.cloud.writes == 2

        play(scene)


def test_a_node_made_anew_under_its_name_gets_a_condition_of_its_own(play):
    def scene(world):
        join(world, 1)
        world.start("route")
        for _ in range(3):
            world.delete_node("node-1")
            join(world, 1)
            world.wait(2)
            assert network(world) == ROUTED
        assert table(world) == {cidr(1): "node-1"}

    play(scene)


@pytest.mark.parametrize("seed", range(8))
def test_whatever_the_order_of_threads_nodes_end_with_their_routes(play, seed):
    def scene(world):
        world.cloud.latency["create_routes"] = 0.2
        world.start("route", settle=0.0)
        for number in range(6):
            join(world, number)
            if number % 2:
                world.delete_node(f"node-{number - 1}")
            world.wait(0.1 * (seed % 3))
        world.wait(400)
        assert set(table(world).values()) == {"node-1", "node-3", "node-5"}
        assert all(network(world, f"node-{number}") == ROUTED for number in (1, 3, 5))

    play(scene, seed=seed)
