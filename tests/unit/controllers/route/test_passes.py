"""The controller on the embedded API server and the fake cloud."""

import dataclasses
import itertools

import pytest

from cloudprovider.errors import (
    CloudProviderError,
    InvalidConfiguration,
    QuotaExceeded,
    RetryLater,
    Throttled,
)
from cloudprovider.interface import Route
from cloudprovider.testing.fake import FakeCloud, FakeRoutes
from cloudprovider.testing.faults import Fault
from cloudprovider_controllers.route.controller import COMPONENT, EVENT_SOURCE, NAME
from cloudprovider_controllers.runtime.resources import EVENTS, NODES


def cidr(number):
    return f"10.244.{number}.0/24"


def join(world, number, **fields):
    """A node with a range of its own."""
    return world.add_node(f"node-{number}", pod_cidrs=[cidr(number)], **fields)


def table(world):
    """What the cloud routes: target by destination."""
    return {route.destination_cidr: route.target_node for route in world.cloud.route_table}


def network(world, name="node-1"):
    """Status and reason of the condition, or None."""
    found = [i for i in world.node(name).status.conditions if i.type == "NetworkUnavailable"]
    return (found[0].status, found[0].reason) if found else None


ROUTED, UNROUTED = ("False", "RouteCreated"), ("True", "NoRouteCreated")


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


class TestFailures:
    def test_one_nodes_failure_is_its_own(self, play):
        def scene(world):
            world.cloud.fail("create_route", CloudProviderError("boom", code="E1"), key=cidr(2))
            for number in range(1, 4):
                join(world, number)
            world.start("route")
            assert table(world) == {cidr(1): "node-1", cidr(3): "node-3"}
            assert [network(world, f"node-{n}") for n in (1, 2, 3)] == [ROUTED, UNROUTED, ROUTED]
            [(kind, reason, text)] = world.events()
            assert (kind, reason) == ("Warning", "FailedToCreateRoute")
            uid = world.node("node-2").metadata.uid
            assert text == (
                f"Could not create route {uid} {cidr(2)} for node node-2 after 0s: boom (code E1)"
            )

        play(scene)

    def test_the_event_is_about_the_node(self, play):
        def scene(world):
            world.cloud.fail("create_route", CloudProviderError("boom"))
            node = join(world, 1)
            world.start("route")
            [event] = world.user.list(EVENTS)
            raw = world.user.get_raw(EVENTS, event.metadata.name, event.metadata.namespace)
            assert raw["involvedObject"] == {
                "apiVersion": "v1",
                "kind": "Node",
                "name": "node-1",
                "uid": node.metadata.uid,
            }
            assert raw["source"]["component"] == raw["reportingComponent"] == "route_controller"
            assert raw["metadata"]["namespace"] == "default"

        play(scene)

    def test_it_is_tried_again_with_longer_and_longer_waits(self, play):
        def scene(world):
            tries = []
            world.cloud.on("create_routes", lambda call: tries.append(world.hub.monotonic()))
            world.cloud.fail("create_route", CloudProviderError("boom"))
            join(world, 1)
            world.start("route", route_reconciliation_period=10_000.0)
            world.wait(700)
            waits = [round(after - before) for before, after in itertools.pairwise(tries)]
            assert waits == [5, 10, 20, 40, 80, 160, 300]
            assert world.events()  # told again: it may come to something else each time
            world.cloud.heal()
            world.wait(300)
            assert network(world) == ROUTED

        play(scene)

    def test_others_that_join_do_not_hurry_it(self, play):
        def scene(world):
            world.cloud.fail("create_route", CloudProviderError("boom"), key=cidr(1))
            join(world, 1)
            world.start("route")
            world.wait(100)
            world.forget()
            for number in range(2, 7):
                join(world, number)
                world.wait(5)
            tried = [call for call in world.cloud.called("create_routes") if "node-1" in call.nodes]
            assert len(tried) <= 1
            assert len(table(world)) == 5

        play(scene)

    @pytest.mark.parametrize(
        "error",
        [
            QuotaExceeded("the table is full", code="Q", request_id="r1"),
            InvalidConfiguration("bad", field="x"),
        ],
        ids=["quota", "configuration"],
    )
    def test_what_lasts_is_told_once(self, play, error):
        def scene(world):
            world.cloud.fail("create_route", error)
            join(world, 1)
            world.start("route")
            world.wait(2000)
            assert world.reasons() == ["FailedToCreateRoute"]

        play(scene)

    @pytest.mark.parametrize(
        "error", [RetryLater("pending", after=3.0), Throttled("slow", after=3.0)]
    )
    def test_waiting_is_no_failure(self, play, error):
        def scene(world):
            world.cloud.fail("create_route", error, times=2)
            join(world, 1)
            world.start("route")
            assert network(world) == UNROUTED
            world.wait(7)
            assert network(world) == ROUTED
            assert world.events() == []

        play(scene)

    def test_a_listing_that_fails_changes_nothing(self, play):
        def scene(world):
            join(world, 1)
            world.start("route", route_reconciliation_period=50.0)
            world.forget()
            world.cloud.fail("list_routes", CloudProviderError("down"))
            world.wait(200)
            assert 4 <= world.cloud.count("list_routes") <= 8
            assert world.cloud.count("create_routes") == world.cloud.count("delete_routes") == 0
            assert world.requests() == []
            world.cloud.heal()
            world.wait(300)
            world.forget()
            world.wait(500)
            assert world.cloud.count("list_routes") == 10

        play(scene)

    def test_a_cloud_that_says_when_is_listed_then(self, play):
        def scene(world):
            world.cloud.fail("list_routes", RetryLater("later", after=7.0), times=1)
            join(world, 1)
            world.start("route")
            assert table(world) == {}
            world.wait(6)
            assert table(world) == {cidr(1): "node-1"}

        play(scene)

    @pytest.mark.parametrize(
        "answer", [None, 42, "routes", [None], [object()]], ids=["none", "number", "text", "a", "b"]
    )
    def test_a_listing_of_nonsense_deletes_nothing(self, play, answer):
        def scene(world):
            join(world, 1)
            manager = world.start("route", route_reconciliation_period=50.0)
            world.cloud.answer("list_routes", answer)
            world.wait(100)
            assert table(world) == {cidr(1): "node-1"}
            assert manager.running[0].healthy()

        play(scene)

    @pytest.mark.parametrize("error", [KeyError("x"), SystemExit(3)], ids=["exception", "exit"])
    def test_a_provider_that_falls_over_one_route_makes_the_others(self, play, error):
        def scene(world):
            def fall(call):
                if "node-2" in call.nodes:
                    raise error

            world.cloud.on("create_routes", fall)
            for number in range(1, 5):
                join(world, number)
            manager = world.start("route")
            assert set(table(world).values()) == {"node-1", "node-3", "node-4"}
            assert "unexpected" in world.events("node-2")[0][2]
            assert manager.running[0].healthy()

        play(scene)

    def test_a_condition_that_cannot_be_written_is_tried_again(self, play):
        def scene(world):
            join(world, 1)
            world.server.faults.add(
                Fault(kind="error", op="PATCH nodes/status", status=500, times=1)
            )
            world.start("route")
            assert network(world) is None
            world.wait(6)
            assert network(world) == ROUTED
            assert world.cloud.count("create_routes") == 1

        play(scene)

    def test_a_bad_range_is_told_and_stops_nobody(self, play):
        def scene(world):
            world.add_node("node-1", pod_cidrs=["192.168.0.0/24"])
            join(world, 2)
            world.start("route")
            assert table(world) == {cidr(2): "node-2"}
            assert network(world) == UNROUTED
            assert "--cluster-cidr" in world.events("node-1")[0][2]
            world.forget()
            world.wait(1000)
            assert world.requests() == []
            assert len(world.reasons("node-1")) == 1

        play(scene)


class OddRoutes(FakeRoutes):
    """A provider whose view of one node is broken."""

    answer: object = None

    def desired_routes(self, node):
        if node.metadata.name == "node-2":
            if isinstance(self.answer, BaseException):
                raise self.answer
            return self.answer
        return super().desired_routes(node)


@pytest.mark.parametrize(
    "answer",
    [
        pytest.param(KeyError("secret"), id="exception"),
        pytest.param(SystemExit(1), id="exit"),
        pytest.param(None, id="nothing"),
        pytest.param([None], id="no route"),
        pytest.param([Route("", "node-2", "nonsense")], id="no range"),
        pytest.param(CloudProviderError("no instance"), id="our error"),
    ],
)
def test_a_node_that_the_provider_cannot_judge_keeps_its_route(play, answer):
    def scene(world):
        routes = OddRoutes(world.cloud)
        world.cloud.routes = lambda: routes
        join(world, 1)
        join(world, 2)
        world.cloud.route_table.append(Route("r", "node-2", cidr(2)))
        routes.answer = answer
        world.start("route")
        assert table(world) == {cidr(1): "node-1", cidr(2): "node-2"}
        assert network(world, "node-2") == UNROUTED
        world.wait(1000)
        assert len(world.events("node-2")) == 1
        assert "secret" not in str(world.events())

    play(scene)


class TestNodesThatAreNotOurs:
    def test_they_are_left_alone(self, play):
        def scene(world):
            world.add_node("dc-1", pod_cidrs=[cidr(7)], provider_id="other://x")
            world.add_node("dc-2", provider_id="other://y")
            world.cloud.route_table.append(Route("person's", "gateway", cidr(7)))
            join(world, 1, provider_id="fake://node-1")
            world.start("route")
            world.wait(1000)
            assert table(world) == {cidr(7): "gateway", cidr(1): "node-1"}
            assert network(world, "dc-1") is network(world, "dc-2") is None
            assert world.events() == []
            world.forget()
            world.delete_node("dc-1")
            world.wait(10)
            assert world.cloud.calls == []

        play(scene)

    def test_a_provider_that_cannot_tell_gets_no_work(self, play):
        def scene(world):
            def claims_node(node):
                raise KeyError("x")

            world.cloud.claims_node = claims_node
            join(world, 1, provider_id="fake://node-1")
            world.cloud.route_table.append(Route("r", "node-1", cidr(1)))
            world.start("route")
            assert table(world) == {cidr(1): "node-1"}
            assert world.cloud.writes == 0

        play(scene)


class TestMassDeletion:
    def grow(self, world, count, **options):
        for number in range(count):
            join(world, number)
        manager = world.start("route", **options)
        world.forget()
        return manager

    def leave(self, world, count):
        for number in range(count):
            world.delete_node(f"node-{number}")

    def test_a_tenth_goes_at_once_and_a_tenth_of_the_rest_each_minute(self, play):
        def scene(world):
            manager = self.grow(world, 40)
            self.leave(world, 20)
            left = []
            for seconds in (2, 60, 60, 60):
                world.wait(seconds)
                left.append(len(table(world)))
            assert left == [36, 33, 30, 27]
            assert manager.metric("route_controller_withheld_deletions") == 7
            world.wait(600)
            assert len(table(world)) == 20
            assert manager.metric("route_controller_withheld_deletions") == 0

        play(scene)

    def test_nodes_that_go_one_after_the_other_are_held_back_all_the_same(self, play):
        def scene(world):
            self.grow(world, 40)
            for number in range(10):
                world.delete_node(f"node-{number}")
                world.wait(2)
            assert len(table(world)) == 36

        play(scene)

    def test_one_of_few_may_always_go(self, play):
        def scene(world):
            self.grow(world, 3)
            self.leave(world, 1)
            world.wait(1)
            assert len(table(world)) == 2

        play(scene)

    def test_what_makes_room_for_another_route_is_not_held_back(self, play):
        def scene(world):
            self.grow(world, 20)
            self.leave(world, 20)
            for number in range(20):
                world.add_node(f"new-{number}", pod_cidrs=[cidr(number)])
            world.wait(2)
            assert set(table(world).values()) == {f"new-{number}" for number in range(20)}

        play(scene)

    def test_a_cache_that_misses_nodes_deletes_nothing(self, play):
        def scene(world):
            manager = self.grow(world, 30, route_reconciliation_period=30.0)
            store = manager.context.informers.nodes.store
            for key in store.keys()[:15]:
                store.remove(key)
            world.wait(200)
            assert len(table(world)) == 30
            assert manager.metric("route_controller_withheld_deletions") == 15

        play(scene)

    def test_an_empty_cache_deletes_not_even_one(self, play):
        def scene(world):
            manager = self.grow(world, 1, route_reconciliation_period=30.0)
            manager.context.informers.nodes.store.remove("node-1")
            manager.context.informers.nodes.store.remove("node-0")
            world.wait(100)
            assert len(table(world)) == 1

        play(scene)

    def test_without_an_answer_of_the_api_server_nothing_is_deleted(self, play):
        def scene(world):
            self.grow(world, 30)
            world.server.faults.add(Fault(kind="error", op="LIST nodes", status=500, times=None))
            self.leave(world, 15)
            world.wait(30)
            assert len(table(world)) == 30

        play(scene)

    def test_one_that_cannot_be_deleted_does_not_hold_up_the_others(self, play):
        def scene(world):
            world.cloud.fail("delete_route", CloudProviderError("locked"), key=cidr(0))
            self.grow(world, 5)
            self.leave(world, 3)
            world.wait(400)
            assert len(table(world)) == 3
            assert cidr(0) in table(world)

        play(scene)


class TestWhatIsNotProvablyOurs:
    def test_a_route_without_a_mark_goes_with_its_node(self, play):
        def scene(world):
            for number in (1, 2):
                world.cloud.route_table.append(
                    Route(f"go-{number}", f"node-{number}", cidr(number), owned=None)
                )
            join(world, 1)
            manager = world.start("route")
            assert world.cloud.writes == 0
            assert manager.metric("route_controller_foreign_routes") == 1
            world.delete_node("node-1")
            world.wait(1)
            assert table(world) == {cidr(2): "node-2"}

        play(scene)

    def test_anothers_in_the_way_is_told_and_stays(self, play):
        def scene(world):
            world.cloud.route_table.append(Route("r", "theirs", cidr(1), owned=False))
            join(world, 1)
            world.start("route")
            world.wait(1000)
            assert table(world) == {cidr(1): "theirs"}
            assert network(world) == UNROUTED
            [(_, reason, text)] = world.events()
            assert reason == "FailedToCreateRoute"
            assert "is routed to theirs" in text
            assert world.cloud.writes == 0

        play(scene)


class TestStopping:
    def test_nothing_is_written_once_the_lease_is_lost(self, play):
        def scene(world):
            manager = world.start("route")
            manager.leading = False
            world.forget()
            join(world, 1)
            world.wait(30)
            assert world.cloud.count("create_routes") == 0
            assert world.requests() == []
            manager.leading = True
            world.wait(2)
            assert network(world) == ROUTED

        play(scene)

    def test_a_stop_ends_the_threads_and_lets_the_call_in_flight_end(self, play):
        def scene(world):
            world.cloud.latency["create_routes"] = 3.0
            join(world, 1)
            manager = world.start("route", settle=1.0)
            manager.stop.set()
            world.wait(1)
            running = manager.running[0]
            assert running.threads["route-controller"].is_alive()
            running.join(10)
            assert not any(thread.is_alive() for thread in running.threads.values())
            assert table(world) == {cidr(1): "node-1"}
            assert network(world) is None  # that is the next leader's
            assert running.healthy()

        play(scene)

    def test_a_pass_that_hangs_is_unhealthy(self, play):
        def scene(world):
            world.cloud.latency["list_routes"] = 5000.0
            manager = world.start("route", stuck_after=100.0)
            world.wait(50)
            assert manager.running[0].healthy()
            world.wait(100)
            assert not manager.running[0].healthy()

        play(scene)

    @pytest.mark.parametrize("at", ["crash_before", "crash_after"])
    def test_killed_at_the_condition_the_next_one_writes_it(self, play, at):
        def scene(world):
            join(world, 1)
            world.server.faults.add(Fault(kind=at, op="PATCH nodes/status"))
            world.start_mortal("route")
            world.wait(5)
            world.start("route")
            assert network(world) == ROUTED
            assert world.cloud.writes == 1

        play(scene)


class TestStart:
    def test_a_cloud_without_routes_starts_nothing(self, play):
        def scene(world):
            world.cloud = FakeCloud(routes=False, concurrency=world.hub)
            assert world.start("route").running == [None]

        play(scene)

    def test_ranges_are_needed(self, play):
        from cloudprovider_controllers.route import controller

        def scene(world):
            manager = world.start("service")
            context = dataclasses.replace(manager.context, cluster_cidrs=())
            with pytest.raises(ValueError, match="address ranges"):
                controller.start(context, manager.stop)

        play(scene)

    def test_passes_are_counted(self, play):
        def scene(world):
            manager = world.start("route")
            assert manager.metric("route_controller_route_sync_total") == 1
            world.cloud.fail("create_route", CloudProviderError("x"))
            join(world, 1)
            world.wait(1)
            assert manager.metric("route_controller_failing_nodes") == 1

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
