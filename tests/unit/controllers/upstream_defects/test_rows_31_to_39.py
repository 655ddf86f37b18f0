"""What upstream's managers do badly, done better: rows 31 to 36, 38 and 39 of the table of defects.

See ``test_rows_01_to_13.py``. Rows 27 to 30 and 37 are about the process: ``tests/unit/manager``.
"""

import pytest

from cloudprovider.errors import CloudProviderError, ImplementedElsewhere, RetryLater
from cloudprovider.testing.faults import Fault
from cloudprovider_controllers.context import ControllerOptions

FINALIZER = "service.kubernetes.io/load-balancer-cleanup"
TAINT = "node.cloudprovider.kubernetes.io/uninitialized"
BETA_ZONE, ZONE = "failure-domain.beta.kubernetes.io/zone", "topology.kubernetes.io/zone"


def wrapped(error):
    """``error`` behind two others, as providers chain them."""
    outer, middle = RuntimeError("while handling"), CloudProviderError("another layer")
    middle.__cause__ = error
    outer.__cause__ = middle
    return outer


def ours(world):
    """A Service with a load balancer."""
    world.add_node()
    manager = world.start("service")
    world.add_service()
    world.wait(2)
    world.forget()
    return manager


@pytest.mark.defect(31)
@pytest.mark.gap("ImplementedElsewhere on three calls")
@pytest.mark.parametrize("make", [lambda error: error, wrapped], ids=["plain", "wrapped"])
@pytest.mark.parametrize("call", ["ensure", "update", "delete", "delete of a vanished one"])
def test_row_31_implemented_elsewhere_is_a_success_on_every_call(play, call, make):
    method = {"ensure": "ensure_load_balancer", "update": "update_load_balancer"}.get(
        call, "ensure_load_balancer_deleted"
    )

    def scene(world):
        ours(world)
        shown = world.service().status
        world.cloud.fail(method, make(ImplementedElsewhere()))
        if call == "ensure":
            world.patch_service({"metadata": {"annotations": {"a": "b"}}})
        elif call == "update":
            world.add_node("node-2")
        elif call == "delete":
            world.delete_service()
        else:
            world.patch_service({"metadata": {"finalizers": None}})
            world.delete_service()
        world.wait(60)
        assert world.cloud.count(method) == 1  # not retried
        assert {kind for kind, _, _ in world.events("web")} == {"Normal"}
        if call in ("ensure", "update"):
            assert world.service().status == shown
        else:
            assert world.services() == []

    play(scene)


@pytest.mark.defect(31)
@pytest.mark.gap("UID swap")
def test_row_31_a_service_handed_over_and_made_anew_does_not_loop(play):
    def scene(world):
        ours(world)
        world.cloud.fail("ensure_load_balancer_deleted", wrapped(ImplementedElsewhere()))
        world.server.on_crash = None
        world.patch_service({"metadata": {"finalizers": None}})
        world.delete_service()
        world.add_service()
        world.wait(120)
        uid = world.service().metadata.uid
        assert world.cloud.count("ensure_load_balancer_deleted") == 1
        assert uid in world.cloud.balancers
        assert "DeleteLoadBalancerFailed" not in world.reasons()

    play(scene)


@pytest.mark.defect(32)
@pytest.mark.gap("409 storms on node PUT")
@pytest.mark.parametrize("conflicts", [1, 6])
def test_row_32_a_conflict_of_a_label_patch_is_tried_again(play, conflicts):
    def scene(world):
        world.server.faults.add(
            Fault(kind="error", api="k8s", op="PATCH nodes", status=409, code="Conflict",
                  times=conflicts)
        )  # fmt: skip
        world.add_node(labels={BETA_ZONE: "z"}, provider_id="fake://node-1")
        world.cloud.add_instance("node-1", zone="z")
        world.start("node", settle=90)
        assert world.server.faults.fired() == [conflicts]
        assert world.node().metadata.labels[ZONE] == "z"

    play(scene)


class TestRow33:
    """What upstream's own tests only seem to check."""

    @pytest.mark.defect(33)
    @pytest.mark.gap("NetworkUnavailable conditions after reconcile")
    def test_row_33_conditions_are_what_the_pass_came_to(self, play):
        def scene(world):
            world.cloud.fail("create_route", CloudProviderError("no"), key="10.244.2.0/24")
            for number in (1, 2):
                world.add_node(f"node-{number}", pod_cidrs=[f"10.244.{number}.0/24"])
            world.add_node("node-3")
            world.start("route")
            found = {
                node.metadata.name: [
                    (item.status, item.reason, item.message)
                    for item in node.status.conditions
                    if item.type == "NetworkUnavailable"
                ]
                for node in world.nodes()
            }
            good = ("False", "RouteCreated", "RouteController created a route")
            bad = ("True", "NoRouteCreated", "RouteController failed to create a route")
            assert found == {"node-1": [good], "node-2": [bad], "node-3": []}
            world.cloud.heal()
            world.wait(30)
            now = world.node("node-2").status.conditions
            assert [item.status for item in now if item.type == "NetworkUnavailable"] == ["False"]

        play(scene)

    @pytest.mark.defect(33)
    def test_row_33_a_node_update_without_routes_in_it_leaves_the_queue_empty(self, play):
        def scene(world):
            world.add_node(pod_cidrs=["10.244.1.0/24"])
            manager = world.start("route")
            queue = manager.running[0].healthy.__self__.queue
            world.forget()
            world.patch_node({"metadata": {"labels": {"a": "b"}}})
            world.patch_node({"spec": {"unschedulable": True}})
            world.wait(0.1)
            assert (len(queue), queue.processing()) == (0, {})
            world.wait(10)
            assert world.cloud.calls == []
            world.add_node("node-2", pod_cidrs=["10.244.2.0/24"])
            world.wait(0.1)
            assert len(queue) + len(queue.processing()) == 1

        play(scene)


@pytest.mark.defect(34)
@pytest.mark.parametrize("when", ["at the start", "at an annotation change"])
def test_row_34_a_service_that_is_being_deleted_is_never_ensured(play, when):
    def scene(world):
        world.add_node()
        if when != "at the start":
            world.start("service")
        world.add_service(finalizers=["other/one"], type="ClusterIP")
        world.delete_service()
        world.wait(2)
        # Kept alive by another's finalizer, without ours, and now of a type that wants one.
        world.patch_service({"spec": {"type": "LoadBalancer"}})
        world.patch_service({"metadata": {"annotations": {"a": "b"}}})
        if when == "at the start":
            world.start("service")
        world.wait(600)
        assert world.cloud.count("ensure_load_balancer") == 0
        assert world.requests(writes=True) == []
        assert world.reasons("web") == []

    play(scene)


class TestRow35:
    """No way of deleting a Service leaks its load balancer unseen."""

    @pytest.mark.defect(35)
    def test_row_35_a_service_that_lost_its_finalizer_and_is_deleted_leaks_nothing(self, play):
        def scene(world):
            ours(world)
            # In one moment: the controller has no time to put it back.
            world.patch_service({"metadata": {"finalizers": None}})
            world.delete_service()
            assert world.services() == []
            world.wait(10)
            assert world.cloud.balancers == {}

        play(scene)

    @pytest.mark.defect(35)
    def test_row_35_a_deletion_seen_only_in_the_next_list_leaks_nothing(self, play):
        def scene(world):
            manager = ours(world)
            # As after a gap: nobody told of the change, only the deletion is seen.
            stripped = world.patch_service({"metadata": {"finalizers": None}})
            manager.context.informers.services.store.put(stripped)
            world.delete_service()
            world.wait(10)
            assert world.cloud.balancers == {}
            assert world.cloud.count("ensure_load_balancer_deleted") == 1

        play(scene)

    @pytest.mark.defect(35)
    def test_row_35_what_was_leaked_while_nobody_looked_is_reported_and_kept(self, play, caplog):
        def scene(world):
            world.cloud.surveys = True
            first = ours(world)
            first.stop.set()
            world.wait(1)
            world.patch_service({"metadata": {"finalizers": None}})
            world.delete_service()
            manager = world.start("service")
            world.wait(310)
            metric = "service_controller_orphan_loadbalancers"
            assert manager.metric(metric) == 0  # a list may lag: once is no proof
            world.wait(300)
            assert manager.metric(metric) == 1
            assert "serve no Service" in caplog.text
            assert len(world.cloud.balancers) == 1
            assert world.cloud.count("ensure_load_balancer_deleted") == 0
            world.cloud.balancers.clear()  # somebody deleted it by hand
            world.wait(300)
            assert manager.metric(metric) == 0
            assert caplog.text.count("serve no Service") == 1

        play(scene)


@pytest.mark.defect(36)
def test_row_36_a_joining_node_is_one_update_for_each_balancer(play):
    def scene(world):
        world.add_node()
        world.start("service", "node")
        for index in range(4):
            world.add_service(f"s{index}")
        world.wait(3)
        world.forget()
        world.cloud.latency["instance_metadata_many"] = 3.0
        world.cloud.add_instance("node-2")
        world.add_node("node-2", taints=[TAINT])
        world.wait(2)
        assert world.cloud.count("update_load_balancer") == 0  # it has no providerID yet
        world.wait(20)
        assert world.node("node-2").spec.provider_id == "fake://node-2"
        calls = world.cloud.called("update_load_balancer")
        assert sorted(call.key for call in calls) == [f"default/s{i}" for i in range(4)]
        assert all(call.nodes == ("node-1", "node-2") for call in calls)

    play(scene)


@pytest.mark.defect(38)
@pytest.mark.parametrize(
    "crash", [RuntimeError("x"), SystemExit(3), RecursionError(), AssertionError()], ids=repr
)
def test_row_38_one_bad_object_stops_no_other_and_no_controller(play, crash):
    def scene(world):
        world.add_node("node-1", provider_id="fake://node-1", pod_cidrs=["10.244.1.0/24"])
        world.cloud.add_instance("node-1")
        manager = world.start("service", "node", "lifecycle", "route")
        world.cloud.fail("ensure_load_balancer", crash, key="default/bad")
        world.cloud.fail("instance_metadata", crash, key="bad")
        world.cloud.fail("create_route", crash, key="10.244.66.0/24")
        for name in ("bad", "good"):
            world.cloud.add_instance(name)
            number = 66 if name == "bad" else 2
            world.add_node(name, taints=[TAINT], pod_cidrs=[f"10.244.{number}.0/24"])
            world.add_service(name)
        world.wait(60)
        assert [item.service.metadata.name for item in world.cloud.balancers.values()] == ["good"]
        assert not world.node("good").spec.taints
        assert [taint.key for taint in world.node("bad").spec.taints] == [TAINT]
        assert {route.target_node for route in world.cloud.route_table} == {"node-1", "good"}
        assert all(running.healthy() for running in manager.running)
        assert "SyncLoadBalancerFailed" in world.reasons("bad")
        world.cloud.heal()
        world.wait(400)
        assert len(world.cloud.balancers) == 2
        assert not world.node("bad").spec.taints

    play(scene)


class TestRow39:
    """Nothing spins, whatever a provider or an operator says."""

    @pytest.mark.defect(39)
    @pytest.mark.parametrize("after", [0.0, -5.0])
    def test_row_39_later_without_a_delay_is_no_hot_loop(self, play, after):
        def scene(world):
            world.add_node()
            world.start("service")
            world.cloud.fail("ensure_load_balancer", RetryLater("soon", after=after))
            world.add_service()
            world.wait(10)
            assert 2 <= world.cloud.count("ensure_load_balancer") <= 101

        play(scene)

    @pytest.mark.defect(39)
    @pytest.mark.parametrize(
        "field",
        [
            "node_monitor_period",
            "node_status_update_frequency",
            "route_reconciliation_period",
            "node_compare_period",
            "retry_base",
        ],
    )
    @pytest.mark.parametrize("value", [0.0, -1.0])
    def test_row_39_a_loop_without_a_pause_is_refused(self, field, value):
        with pytest.raises(ValueError, match=field):
            ControllerOptions(**{field: value})
