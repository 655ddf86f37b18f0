"""Clouds that fail and providers that answer nonsense: what is told, kept and tried again."""

import itertools

import pytest
from route_cluster import ROUTED, UNROUTED, cidr, join, network, table

from cloudprovider.errors import (
    CloudProviderError,
    InvalidConfiguration,
    QuotaExceeded,
    RetryLater,
    Throttled,
)
from cloudprovider.interface import Route
from cloudprovider.testing.fake import FakeRoutes
from cloudprovider.testing.faults import Fault
from cloudprovider_controllers.runtime.resources import EVENTS


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
