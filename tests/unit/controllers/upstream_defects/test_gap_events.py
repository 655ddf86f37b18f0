"""What upstream leaves untested of Events (``spec/ccm-core.md`` 5.7).

Marked ``gap`` with the item's text; others with that mark stand beside what they are about.
"""

import itertools

import pytest

from cloudprovider.errors import CloudProviderError, QuotaExceeded, RetryLater
from cloudprovider.testing.faults import Fault
from cloudprovider_controllers.runtime.resources import EVENTS

TAINT = "node.cloudprovider.kubernetes.io/uninitialized"
NO = CloudProviderError("no", code="Cloud.No", request_id="R-1")
PLAIN = "no (code Cloud.No, request R-1)"


def told(world, name):
    """(type, reason, message) of the events on ``name`` and what each is about, in order."""
    found = []
    for event in world.user.list(EVENTS):
        raw = world.user.get_raw(EVENTS, event.metadata.name, event.metadata.namespace)
        about = raw["involvedObject"]
        if about["name"] == name:
            found.append((raw["firstTimestamp"], raw["metadata"]["name"], raw, about))
    found.sort(key=lambda item: item[:2])
    return [(raw["type"], raw["reason"], raw["message"], about) for _, _, raw, about in found]


def new_service(world):
    world.add_service()


def changed_service(world):
    world.add_service()
    world.wait(2)
    world.patch_service({"metadata": {"annotations": {"a": "b"}}})


def deleted_service(world):
    world.add_service(finalizers=["other/one"])
    world.wait(2)
    world.delete_service()


def retyped_service(world):
    world.add_service()
    world.wait(2)
    world.patch_service({"spec": {"type": "ClusterIP"}})


def failing(method, error, then=new_service):
    def scene(world):
        if then is new_service:
            world.cloud.fail(method, error, times=1)
        then(world)
        if then is not new_service:
            world.cloud.fail(method, error, times=1)

    return scene


def failing_update(world):
    world.add_service()
    world.wait(2)
    world.cloud.fail("update_load_balancer", NO, times=1)
    world.add_node("node-2")


def joining_node(world):
    world.add_service()
    world.wait(2)
    world.add_node("node-2")


def leaving_nodes(world):
    world.add_service()
    world.wait(2)
    world.delete_node()


def failing_deletion(world):
    world.add_service()
    world.wait(2)
    world.cloud.fail("ensure_load_balancer_deleted", NO, times=1)
    world.delete_service()


def no_status(world):
    world.cloud.answer("ensure_load_balancer", None, times=1)
    world.add_service()


def status_refused(world):
    world.server.faults.add(
        Fault(kind="error", api="k8s", op="PATCH services/status", status=500, nth=2, times=1)
    )
    world.add_service()


MAKING = ("Normal", "EnsuringLoadBalancer", "Ensuring load balancer")
MADE = ("Normal", "EnsuredLoadBalancer", "Ensured load balancer")
DELETING = ("Normal", "DeletingLoadBalancer", "Deleting load balancer")
DELETED = ("Normal", "DeletedLoadBalancer", "Deleted load balancer")
NO_NODES = (
    "Warning",
    "UnAvailableLoadBalancer",
    "There are no available nodes for LoadBalancer",
)


def sync_failed(text):
    return ("Warning", "SyncLoadBalancerFailed", f"Error syncing load balancer: {text}")


SERVICE_PATHS = [
    pytest.param(new_service, [MAKING, MADE], id="new"),
    # A repetition is counted on the first event, and so stands where that does.
    pytest.param(changed_service, [MAKING, MADE], id="changed"),
    pytest.param(deleted_service, [MAKING, MADE, DELETING, DELETED], id="deleted"),
    pytest.param(retyped_service, [MAKING, MADE, DELETING, DELETED], id="another type"),
    pytest.param(
        failing("ensure_load_balancer", NO),
        [MAKING, sync_failed(f"failed to ensure load balancer: {PLAIN}"), MADE],
        id="the cloud refuses",
    ),
    pytest.param(
        failing("ensure_load_balancer", RetryLater("creating", after=3)),
        [
            MAKING,
            (
                "Normal",
                "LoadBalancerInProgress",
                "In progress: failed to ensure load balancer: creating",
            ),
            MADE,
        ],
        id="in progress",
    ),
    pytest.param(
        no_status,
        [MAKING, sync_failed("service status returned by EnsureLoadBalancer is nil"), MADE],
        id="no status",
    ),
    pytest.param(
        joining_node,
        [MAKING, MADE, ("Normal", "UpdatedLoadBalancer", "Updated load balancer with new hosts")],
        id="a node joins",
    ),
    pytest.param(leaving_nodes, [MAKING, MADE, NO_NODES], id="the last node leaves"),
    pytest.param(
        failing_update,
        [
            MAKING,
            MADE,
            (
                "Warning",
                "UpdateLoadBalancerFailed",
                "Error updating load balancer with new hosts [node-1 node-2] [node names limited, "
                f"total number of nodes: 2], error: {PLAIN}",
            ),
            ("Normal", "UpdatedLoadBalancer", "Updated load balancer with new hosts"),
        ],
        id="an update of backends fails",
    ),
    pytest.param(
        failing_deletion,
        [
            MAKING,
            MADE,
            DELETING,
            sync_failed(f"failed to delete load balancer: {PLAIN}"),
            DELETED,
        ],
        id="a deletion fails",
    ),
]


@pytest.mark.gap("Events (type, reason, message, involvedObject) for every path")
@pytest.mark.parametrize(("path", "expected"), SERVICE_PATHS)
def test_what_is_told_of_a_service(play, path, expected):
    def scene(world):
        world.add_node()
        world.start("service")
        path(world)
        uid = world.service().metadata.uid
        world.wait(30)
        found = told(world, "web")
        assert [item[:3] for item in found] == expected
        for _, _, _, about in found:
            assert (about["apiVersion"], about["kind"]) == ("v1", "Service")
            assert (about["namespace"], about["name"], about["uid"]) == ("default", "web", uid)
            assert about["resourceVersion"]

    play(scene)


def initialised(world):
    world.cloud.add_instance("node-1")
    world.add_node(taints=[TAINT])


def not_initialised(world):
    world.cloud.add_instance("node-1")
    world.cloud.fail("instance_metadata", NO, times=1)
    world.add_node(taints=[TAINT])


def gone(world):
    world.add_node("other", provider_id="fake://other")
    world.add_node(provider_id="fake://node-1", ready="Unknown")


def gone_and_refused(world):
    world.server.faults.add(Fault(kind="error", api="k8s", op="DELETE nodes", status=500, times=1))
    gone(world)


def all_gone(world):
    for index in range(2, 5):
        world.add_node(f"node-{index}", provider_id=f"fake://node-{index}", ready="Unknown")
    world.add_node(provider_id="fake://node-1", ready="Unknown")


def unrouted(world):
    world.cloud.fail("create_route", NO, times=1)
    world.cloud.add_instance("node-1")
    world.add_node(provider_id="fake://node-1", pod_cidrs=["10.244.1.0/24"])


DELETING_NODE = (
    "Normal",
    "DeletingNode",
    "Deleting node node-1 because it does not exist in the cloud provider",
)
NODE_PATHS = [
    pytest.param(
        initialised,
        [("Normal", "Synced", "Node synced successfully")],
        "cloud-node-controller",
        id="initialised",
    ),
    pytest.param(
        not_initialised,
        [
            (
                "Warning",
                "FailedToInitialize",
                f"failed to get instance metadata for node node-1: {PLAIN}",
            ),
            ("Normal", "Synced", "Node synced successfully"),
        ],
        "cloud-node-controller",
        id="not at once",
    ),
    pytest.param(gone, [DELETING_NODE], "cloud-node-lifecycle-controller", id="gone"),
    pytest.param(
        gone_and_refused,
        [DELETING_NODE, ("Warning", "DeletingNodeFailed", "Failed deleting node node-1: ")],
        "cloud-node-lifecycle-controller",
        id="gone, and its deletion refused",
    ),
    pytest.param(
        all_gone,
        [("Warning", "DeletingNodesPaused", "4 of 4 nodes do not exist in the cloud provider")],
        "cloud-node-lifecycle-controller",
        id="all gone",
    ),
    pytest.param(
        unrouted,
        [("Warning", "FailedToCreateRoute", "Could not create route ")],
        "route_controller",
        id="no route",
    ),
]


@pytest.mark.gap("Events (type, reason, message, involvedObject) for every path")
@pytest.mark.parametrize(("path", "expected", "source"), NODE_PATHS)
def test_what_is_told_of_a_node(play, path, expected, source):
    def scene(world):
        path(world)
        uid = world.node().metadata.uid
        world.start("node", "lifecycle", "route", settle=30)
        found = told(world, "node-1")
        assert [item[:2] for item in found] == [item[:2] for item in expected]
        for (_, _, message, about), (_, _, text) in zip(found, expected, strict=True):
            assert message.startswith(text)
            assert (about["kind"], about["name"], about["uid"]) == ("Node", "node-1", uid)
            assert "namespace" not in about
        raw = [
            world.user.get_raw(EVENTS, event.metadata.name, "default")
            for event in world.user.list(EVENTS)
        ]
        assert {
            e["source"]["component"] for e in raw if e["involvedObject"]["name"] == "node-1"
        } == {source}

    play(scene)


class TestOneFailureIsOneEvent:
    """The cloud gives each refusal a request id of its own; the event is the same."""

    @pytest.mark.gap("events spam filter")
    def test_of_a_service(self, play):
        def scene(world):
            world.add_node()
            world.start("service")
            ids = itertools.count(1)

            def refuse(call):
                raise CloudProviderError("no stock", code="NoStock", request_id=f"R-{next(ids)}")

            world.cloud.on("ensure_load_balancer", refuse)
            world.add_service()
            world.wait(3600)
            warnings = [item for item in told(world, "web") if item[0] == "Warning"]
            assert len(warnings) == 1  # nine and a combined one otherwise
            assert warnings[0][2].endswith("no stock (code NoStock, request R-1)")
            tries = world.cloud.count("ensure_load_balancer")
            assert world.reasons("web").count("SyncLoadBalancerFailed") == tries > 12

        play(scene)

    def test_of_a_route(self, play):
        def scene(world):
            for number in range(3):
                error = CloudProviderError("busy", code="Busy", request_id=f"R-{number}")
                world.cloud.fail("create_route", error, times=1)
            world.add_node(provider_id="fake://node-1", pod_cidrs=["10.244.1.0/24"])
            world.start("route", settle=60)
            [(_, reason, message, _)] = told(world, "node-1")
            assert (reason, message.partition("request ")[2]) == ("FailedToCreateRoute", "R-0)")
            assert world.reasons("node-1") == ["FailedToCreateRoute"] * 3

        play(scene)

    def test_another_code_is_another_event(self, play):
        def scene(world):
            world.add_node()
            for code in ("A", "B", "A"):
                error = CloudProviderError("no", code=code, request_id=f"R-{code}")
                world.cloud.fail("ensure_load_balancer", error, times=1)
            world.start("service")
            world.add_service()
            world.wait(60)
            warnings = [message for kind, _, message, _ in told(world, "web") if kind == "Warning"]
            assert len(warnings) == 2
            assert world.reasons("web").count("SyncLoadBalancerFailed") == 3

        play(scene)

    def test_a_lasting_error_is_told_once(self, play):
        def scene(world):
            world.add_node()
            for number in range(5):
                error = QuotaExceeded("no more", code="Quota", request_id=f"R-{number}")
                world.cloud.fail("ensure_load_balancer", error, times=1)
            world.start("service")
            world.add_service()
            world.wait(70)
            assert world.reasons("web").count("SyncLoadBalancerFailed") == 1

        play(scene)
