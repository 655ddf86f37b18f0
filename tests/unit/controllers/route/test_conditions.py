"""NetworkUnavailable: when it is written, exactly what, and when it is taken back."""

import msgspec
import pytest

from cloudprovider.models import NodeCondition
from cloudprovider.testing.builders import make_node
from cloudprovider_controllers.route.conditions import (
    is_our_complaint,
    needs_update,
    vouched_for,
)


def with_condition(status=None, reason=None, message=None):
    node = make_node()
    if status is None:
        return node
    added = NodeCondition(type="NetworkUnavailable", status=status, reason=reason, message=message)
    return msgspec.structs.replace(
        node, status=msgspec.structs.replace(node.status, conditions=(added,))
    )


@pytest.mark.parametrize(
    ("status", "reason", "routed", "written"),
    [
        pytest.param(None, None, True, True, id="nothing yet, routed"),
        pytest.param(None, None, False, True, id="nothing yet, not routed"),
        pytest.param("False", "RouteCreated", True, False, id="ours, still routed"),
        pytest.param("False", "RouteCreated", False, True, id="ours, not routed any more"),
        pytest.param("True", "NoRouteCreated", False, False, id="ours, still not routed"),
        pytest.param("True", "NoRouteCreated", True, True, id="ours, routed now"),
        pytest.param("False", "CalicoIsUp", True, True, id="Calico's, routed"),
        pytest.param("False", "ExternalCNI", True, True, id="a plugin's, routed"),
        pytest.param("True", "SomeOtherReason", False, True, id="another reason, not routed"),
        pytest.param("Unknown", "RouteCreated", True, True, id="unknown"),
    ],
)
def test_the_condition_is_written_only_if_status_or_reason_differ(status, reason, routed, written):
    assert needs_update(with_condition(status, reason), routed=routed) is written


@pytest.mark.parametrize(
    ("status", "reason", "vouched"),
    [
        (None, None, False),
        ("False", "RouteCreated", False),
        ("False", "CalicoIsUp", True),
        ("True", "CalicoIsDown", False),
    ],
)
def test_whether_somebody_else_vouches_for_the_network(status, reason, vouched):
    assert vouched_for(with_condition(status, reason)) is vouched


MESSAGE = "RouteController failed to create a route"


@pytest.mark.parametrize(
    ("status", "reason", "message", "ours"),
    [
        ("True", "NoRouteCreated", MESSAGE, True),
        ("True", "NoRouteCreated", "Node created without a route", False),  # a kubelet's
        ("True", "CalicoIsDown", MESSAGE, False),
        ("False", "RouteCreated", "RouteController created a route", False),
        (None, None, None, False),
    ],
)
def test_what_counts_as_our_complaint(status, reason, message, ours):
    assert is_our_complaint(with_condition(status, reason, message)) is ours


def raw_condition(world, name="node-1"):
    from cloudprovider_controllers.runtime.resources import NODES

    found = world.user.get_raw(NODES, name)["status"].get("conditions", [])
    return next((item for item in found if item["type"] == "NetworkUnavailable"), None)


def test_the_exact_text(play):
    def scene(world):
        world.add_node("node-1", pod_cidrs=["10.244.1.0/24"])
        world.start("route")
        found = raw_condition(world)
        times = {found.pop("lastHeartbeatTime"), found.pop("lastTransitionTime")}
        assert len(times) == 1
        assert found == {
            "type": "NetworkUnavailable",
            "status": "False",
            "reason": "RouteCreated",
            "message": "RouteController created a route",
        }
        conditions = {item.type for item in world.node().status.conditions}
        assert conditions == {"Ready", "NetworkUnavailable"}

    play(scene)


def test_a_plugins_word_is_overwritten_once(play):
    def scene(world):
        world.add_node("node-1", pod_cidrs=["10.244.1.0/24"])
        set_condition(world, "False", "CalicoIsUp")
        world.start("route")
        assert raw_condition(world)["reason"] == "RouteCreated"
        world.forget()
        world.wait(1000)
        assert world.requests() == []

    play(scene)


def set_condition(world, status, reason, message="", name="node-1"):
    from cloudprovider_controllers.runtime.resources import NODES

    body = {"type": "NetworkUnavailable", "status": status, "reason": reason, "message": message}
    world.user.patch(NODES, name, {"status": {"conditions": [body]}}, subresource="status")


class TestWithoutPodCidr:
    def test_a_node_is_marked_after_a_grace(self, play):
        def scene(world):
            world.start("route")
            world.add_node("node-1")
            world.wait(50)
            assert raw_condition(world) is None
            world.wait(20)
            assert raw_condition(world)["reason"] == "NoRouteCreated"
            world.forget()
            world.wait(1000)
            assert world.requests() == []

        play(scene)

    def test_one_that_was_there_at_the_start_as_well(self, play):
        def scene(world):
            world.add_node("node-1")
            world.wait(45)
            world.start("route")
            assert raw_condition(world) is None
            world.wait(15)
            assert raw_condition(world)["status"] == "True"

        play(scene)

    def test_a_range_that_comes_in_time_is_all_right(self, play):
        def scene(world):
            world.start("route")
            world.add_node("node-1")
            world.wait(30)
            world.patch_node({"spec": {"podCIDR": "10.244.1.0/24", "podCIDRs": ["10.244.1.0/24"]}})
            world.wait(1)
            assert raw_condition(world)["reason"] == "RouteCreated"
            assert world.requests(writes=True) == ["PATCH nodes/status node-1"]

        play(scene)

    def test_a_network_plugin_that_needs_none_is_left_in_peace(self, play):
        def scene(world):
            world.add_node("node-1")
            set_condition(world, "False", "CalicoIsUp")
            world.start("route")
            world.wait(1000)
            assert raw_condition(world)["reason"] == "CalicoIsUp"

        play(scene)

    def test_a_node_that_has_a_route_is_marked_at_once(self, play):
        def scene(world):
            from cloudprovider.interface import Route

            world.cloud.route_table.append(Route("r", "node-1", "10.244.1.0/24"))
            world.add_node("node-1")
            world.start("route")
            assert raw_condition(world)["status"] == "True"

        play(scene)


class TestSwitchedOff:
    """User document 1, FAQ 1: nodes stayed tainted after routes were on by mistake."""

    def test_the_condition_that_we_set_is_taken_back(self, play):
        def scene(world):
            world.add_node("node-1")
            set_condition(world, "True", "NoRouteCreated", MESSAGE)
            manager = world.start("route-cleanup", settle=5.0)
            assert raw_condition(world) is None
            assert [item.type for item in world.node().status.conditions] == ["Ready"]
            assert world.requests() == ["PATCH nodes/status node-1"]
            assert manager.running[0].healthy()
            assert not manager.running[0].threads["route-cleanup"].is_alive()

        play(scene)

    @pytest.mark.parametrize(
        ("status", "reason", "message"),
        [
            ("True", "NoRouteCreated", "Node created without a route"),
            ("True", "CalicoIsDown", "no network"),
            ("False", "RouteCreated", "RouteController created a route"),
        ],
    )
    def test_what_others_set_stays(self, play, status, reason, message):
        def scene(world):
            world.add_node("node-1")
            set_condition(world, status, reason, message)
            world.start("route-cleanup", settle=20.0)
            assert raw_condition(world)["reason"] == reason
            assert world.requests() == []

        play(scene)

    def test_a_node_that_is_not_ours_keeps_its_own(self, play):
        def scene(world):
            world.add_node("node-1", provider_id="other://x")
            set_condition(world, "True", "NoRouteCreated", MESSAGE)
            world.start("route-cleanup", settle=20.0)
            assert raw_condition(world) is not None

        play(scene)

    def test_it_is_done_once_and_no_fight_is_picked(self, play):
        def scene(world):
            world.add_node("node-1")
            set_condition(world, "True", "NoRouteCreated", MESSAGE)
            world.start("route-cleanup", settle=5.0)
            set_condition(world, "True", "NoRouteCreated", MESSAGE)
            world.wait(100)
            assert raw_condition(world) is not None

        play(scene)

    def test_a_failure_is_tried_again(self, play):
        from cloudprovider.testing.faults import Fault

        def scene(world):
            world.add_node("node-1")
            set_condition(world, "True", "NoRouteCreated", MESSAGE)
            world.server.faults.add(
                Fault(kind="error", op="PATCH nodes/status", status=500, times=2)
            )
            world.start("route-cleanup", settle=20.0)
            assert raw_condition(world) is None

        play(scene)

    def test_on_then_off_then_on(self, play):
        def scene(world):
            from cloudprovider.errors import CloudProviderError

            world.add_node("node-1", pod_cidrs=["10.244.1.0/24"])
            world.cloud.fail("create_routes", CloudProviderError("no permission"))
            first = world.start("route")
            assert raw_condition(world)["status"] == "True"
            first.stop.set()
            second = world.start("route-cleanup")
            assert raw_condition(world) is None
            second.stop.set()
            world.cloud.heal()
            world.start("route")
            assert raw_condition(world)["status"] == "False"

        play(scene)
