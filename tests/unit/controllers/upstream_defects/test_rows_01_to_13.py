"""What upstream's managers do badly, done better: rows 1 to 11 and 13 of the table of defects.

One test for each row of ``spec/ccm-core.md`` 6.2, in order, on the real controllers, virtual time
and the embedded API server. Row 12 and others about the process: ``tests/unit/manager``.
"""

import itertools

import pytest

from cloudprovider.errors import CloudProviderError, RetryLater, Throttled
from cloudprovider.interface import Route
from cloudprovider.models import LoadBalancerStatus

FINALIZER = "service.kubernetes.io/load-balancer-cleanup"
DUAL = [("InternalIP", "10.0.0.1"), ("InternalIP", "fd00::1"), ("ExternalIP", "198.51.100.1")]
ROUTED, UNROUTED = ("False", "RouteCreated"), ("True", "NoRouteCreated")
PERIOD = 5.0


def network(world, name="node-1"):
    """Status and reason of NetworkUnavailable, or None."""
    found = [i for i in world.node(name).status.conditions if i.type == "NetworkUnavailable"]
    return (found[0].status, found[0].reason) if found else None


def join(world, name="node-1", **fields):
    """A node with a providerID, and its instance."""
    world.cloud.add_instance(name)
    return world.add_node(name, **{"provider_id": f"fake://{name}", **fields})


def starts(world, method):
    """When the calls of ``method`` began, from the first one."""
    calls = world.cloud.called(method)
    return [round(call.started - calls[0].started, 1) for call in calls]


@pytest.mark.defect(1)
@pytest.mark.gap("null metadata in the status loop")
def test_row_01_null_metadata_in_the_status_loop_is_skipped(play):
    def scene(world):
        join(world, "node-1")
        join(world, "node-2")
        manager = world.start("node", node_status_update_frequency=10.0)
        world.cloud.answer("instance_metadata", None, key="node-1")
        world.cloud.add_instance("node-2", addresses=DUAL)
        before = world.node("node-1")
        world.wait(11)
        assert world.node("node-1") == before
        assert [item.address for item in world.node("node-2").status.addresses] == [
            address for _, address in DUAL
        ]
        assert manager.running[0].healthy()

    play(scene)


@pytest.mark.defect(2)
@pytest.mark.gap("dual-stack address no-op")
def test_row_02_dual_stack_addresses_cost_no_empty_patch(play):
    def scene(world):
        world.cloud.add_instance("node-1", addresses=DUAL)
        world.add_node(provider_id="fake://node-1", addresses=DUAL)
        world.start("node", node_status_update_frequency=10.0)
        world.wait(10)
        world.forget()
        world.wait(100)
        assert world.cloud.count("instance_metadata_many") == 10
        assert world.requests() == []

    play(scene)


@pytest.mark.defect(3)
@pytest.mark.gap("failed route creation in watch mode")
def test_row_03_a_route_that_failed_is_tried_again_without_a_node_event(play):
    def scene(world):
        world.cloud.fail("create_route", CloudProviderError("full"), times=2)
        join(world, pod_cidrs=["10.244.1.0/24"])
        world.start("route")
        assert network(world) == UNROUTED
        world.wait(20)  # 5 s, then 10 s; the slow pass comes after 300 s
        assert [route.target_node for route in world.cloud.route_table] == ["node-1"]
        assert network(world) == ROUTED
        assert world.reasons("node-1") == ["FailedToCreateRoute"] * 2

    play(scene)


@pytest.mark.defect(4)
@pytest.mark.gap("parallel delete/create of one CIDR moved between nodes")
def test_row_04_a_range_that_moves_is_deleted_before_it_is_created(play):
    def scene(world):
        join(world, "node-1", pod_cidrs=["10.244.1.0/24"])
        world.start("route")
        world.forget()
        said = []

        def note(call):
            said.append(network(world, "node-2"))

        world.cloud.on("list_routes", note)
        world.delete_node("node-1")
        join(world, "node-2", pod_cidrs=["10.244.1.0/24"])
        world.wait(60)
        writes = [call.method for call in world.cloud.calls if call.method != "list_routes"]
        assert writes == ["delete_routes", "create_routes"]
        [deleted, created] = [call for call in world.cloud.calls if call.method in writes]
        assert deleted.ended <= created.started
        assert [route.target_node for route in world.cloud.route_table] == ["node-2"]
        assert network(world, "node-2") == ROUTED
        assert UNROUTED not in said
        assert world.events() == []

    play(scene)


@pytest.mark.defect(5)
@pytest.mark.gap("CIDR text variants")
@pytest.mark.parametrize(
    ("wanted", "listed"),
    [
        ("10.244.1.0/24", "10.244.1.7/24"),
        ("10.244.1.0/24", " 10.244.1.0/255.255.255.0"),
        ("fd00:244:0:1::/64", "FD00:244:0:1::/64"),
        ("fd00:244:0:1::/64", "fd00:0244:0000:0001:0000:0000:0000:0000/64"),
    ],
    ids=["host bits", "a mask, a blank", "upper case", "written out"],
)
def test_row_05_a_range_is_the_same_in_any_spelling(play, wanted, listed):
    def scene(world):
        join(world, pod_cidrs=[wanted])
        world.cloud.route_table.append(Route("r", "node-1", listed))
        world.start("route", route_reconciliation_period=10.0)
        world.wait(60)
        assert {call.method for call in world.cloud.calls} == {"list_routes"}
        assert world.cloud.writes == 0
        assert network(world) == ROUTED

    play(scene)


@pytest.mark.defect(6)
@pytest.mark.gap("empty node list guard")
def test_row_06_an_empty_cache_deletes_no_route(play):
    def scene(world):
        for number in range(1, 6):
            join(world, f"node-{number}", pod_cidrs=[f"10.244.{number}.0/24"])
        manager = world.start("route", route_reconciliation_period=10.0)
        assert len(world.cloud.route_table) == 5
        world.forget()
        for number in range(1, 6):  # what a bad list would leave behind: no node at all
            manager.context.informers.nodes.store.remove(f"node-{number}")
        world.wait(100)
        assert world.cloud.count("list_routes") >= 10
        assert world.cloud.count("delete_routes") == 0
        assert len(world.cloud.route_table) == 5

    play(scene)


@pytest.mark.defect(7)
@pytest.mark.gap("node delete with UID precondition")
def test_row_07_a_node_that_registered_anew_is_not_deleted_for_its_namesake(play):
    def scene(world):
        old = join(world, ready="Unknown")
        del world.cloud.instances["node-1"]
        original, done = world.server.answer, []

        def answer(route, request):
            if request.proc == "manager" and route.verb == "delete" and not done:
                done.append(True)  # between the last look and the deletion
                world.delete_node()
                join(world)
            return original(route, request)

        world.server.answer = answer
        world.start("lifecycle", node_monitor_period=PERIOD)
        world.wait(10 * PERIOD)
        assert done
        assert world.node().metadata.uid != old.metadata.uid
        [record] = [r for r in world.server.journal.records() if r.op == "DELETE nodes" and r.pre]
        assert f"uid={old.metadata.uid}" in record.pre

    play(scene)


class TestRow08:
    """Healthy nodes are never deleted because of one answer, of their youth, or of another's."""

    @pytest.mark.defect(8)
    def test_row_08_one_miss_deletes_nothing_and_two_in_a_row_do(self, play):
        def scene(world):
            join(world, ready="Unknown")
            instance = world.cloud.instances.pop("node-1")
            manager = world.start("lifecycle", settle=1.0, node_monitor_period=PERIOD)
            assert world.cloud.count("instance_states_many") == 1
            world.cloud.instances["node-1"] = instance  # a list that lagged
            world.wait(PERIOD)
            del world.cloud.instances["node-1"]
            world.wait(PERIOD)
            assert [node.metadata.name for node in world.nodes()] == ["node-1"]
            world.wait(PERIOD)
            assert world.nodes() == []
            assert manager.metric("node_lifecycle_controller_deleted_nodes_total") == 1

        play(scene)

    @pytest.mark.defect(8)
    @pytest.mark.parametrize(
        "fields",
        [
            {"provider_id": "aws:///eu-1a/i-1"},
            {"provider_id": ""},
            {"taints": ["node.cloudprovider.kubernetes.io/uninitialized"]},
        ],
        ids=["another cloud's", "nobody's", "registered just now"],
    )
    def test_row_08_foreign_and_young_nodes_are_left_alone(self, play, fields):
        def scene(world):
            join(world, ready="Unknown", **fields)
            del world.cloud.instances["node-1"]
            world.start("lifecycle", node_monitor_period=PERIOD)
            world.wait(50)
            assert len(world.nodes()) == 1
            assert world.requests() == []

        play(scene)

    @pytest.mark.defect(8)
    def test_row_08_at_most_a_tenth_goes_in_a_period(self, play):
        def scene(world):
            for number in range(40):
                join(world, f"n{number:02}", ready="Unknown")
            for number in range(12):
                del world.cloud.instances[f"n{number:02}"]
            world.start("lifecycle", settle=1.0, node_monitor_period=PERIOD)
            left = []
            for _ in range(6):
                world.wait(PERIOD)
                left.append(len(world.nodes()))
            assert left == [36, 33, 30, 28, 28, 28]  # a tenth of those that are left, rounded down

        play(scene)


@pytest.mark.defect(9)
@pytest.mark.gap("finalizer removal with another finalizer present and added concurrently")
@pytest.mark.parametrize("when", ["before", "meanwhile"])
def test_row_09_removing_our_finalizer_keeps_anothers(play, when):
    def scene(world):
        world.add_node()
        world.add_service(finalizers=["other/one"] if when == "before" else [])
        world.start("service")
        original, done = world.server.answer, []

        def answer(route, request):
            ours = (
                request.proc == "manager"
                and route.verb == "patch"
                and world.cloud.count("ensure_load_balancer_deleted")
            )
            if ours and not done and when == "meanwhile":
                done.append(True)  # between our last look and the write that removes ours
                world.patch_service({"metadata": {"finalizers": [FINALIZER, "other/one"]}})
            return original(route, request)

        world.server.answer = answer
        # Nobody can add a finalizer to an object that is being deleted.
        if when == "before":
            world.delete_service()
        else:
            world.patch_service({"spec": {"type": "ClusterIP"}})
        world.wait(30)
        assert bool(done) is (when == "meanwhile")
        assert world.service().metadata.finalizers == ("other/one",)
        assert world.cloud.balancers == {}

    play(scene)


@pytest.mark.defect(10)
@pytest.mark.gap("RetryError on delete path")
@pytest.mark.parametrize("method", ["get_load_balancer", "ensure_load_balancer_deleted"])
def test_row_10_later_is_honoured_while_deleting_and_is_no_warning(play, method):
    def scene(world):
        world.add_node()
        world.start("service")
        if method == "get_load_balancer":  # asked only where no address says that there is one
            world.cloud.answer("ensure_load_balancer", LoadBalancerStatus())
        world.add_service()
        world.wait(1)
        world.forget()
        world.cloud.fail(method, RetryLater("deleting", after=42), times=2)
        world.delete_service()
        world.wait(200)
        assert starts(world, method) == [0.0, 42.0, 84.0]
        assert world.services() == []
        assert world.reasons("web").count("LoadBalancerInProgress") == 1
        assert {kind for kind, _, _ in world.events("web")} == {"Normal"}

    play(scene)


@pytest.mark.defect(11)
@pytest.mark.gap("retry timing with a fake clock (5,10,…,300)")
def test_row_11_a_failed_update_of_backends_is_retried_alone_and_ever_slower(play):
    def scene(world):
        world.add_node()
        world.start("service")
        for name in ("a", "b"):
            world.add_service(name)
        world.wait(2)
        world.forget()
        world.cloud.fail("update_load_balancer", CloudProviderError("busy"), key="default/a")
        world.add_node("node-2")
        world.wait(1500)
        assert world.cloud.count("ensure_load_balancer") == 0
        assert world.cloud.count("update_load_balancer", "default/b") == 1
        calls = [c.started for c in world.cloud.called("update_load_balancer", "default/a")]
        waits = [round(later - earlier) for earlier, later in itertools.pairwise(calls)]
        assert waits == [5, 10, 20, 40, 80, 160, 300, 300, 300]

    play(scene)


@pytest.mark.defect(11)
def test_row_11_a_throttled_update_waits_as_long_as_the_cloud_says(play):
    def scene(world):
        world.add_node()
        world.start("service")
        world.add_service()
        world.wait(2)
        world.cloud.fail("update_load_balancer", Throttled("slow down", after=33), times=1)
        world.forget()
        world.add_node("node-2")
        world.wait(60)
        assert starts(world, "update_load_balancer") == [0.0, 33.0]
        assert world.cloud.count("ensure_load_balancer") == 0

    play(scene)


@pytest.mark.defect(13)
def test_row_13_nothing_is_remembered_of_services_that_are_gone(play):
    def scene(world):
        world.add_node()
        manager = world.start("service")
        for round_ in range(3):
            for index in range(5):
                world.add_service(f"s{round_}-{index}")
            world.wait(3)
            for index in range(5):
                world.delete_service(f"s{round_}-{index}")
            world.wait(3)
        assert world.cloud.count("ensure_load_balancer_deleted") == 15
        controller = manager.running[0].healthy.__self__
        assert controller._states.items() == []
        assert (controller._finished, controller._alive) == ({}, {})
        world.add_node("node-2")  # nothing is left that a change of nodes could touch
        world.wait(3)
        assert world.cloud.count("update_load_balancer") == 0

    play(scene)
