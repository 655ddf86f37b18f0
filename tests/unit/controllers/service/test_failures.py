"""What goes wrong with one Service: retries, events, isolation."""

import itertools

import pytest

from cloudprovider.errors import (
    CloudProviderError,
    ImplementedElsewhere,
    InvalidConfiguration,
    NotOwned,
    QuotaExceeded,
    RetryLater,
    Throttled,
    Unauthorized,
)
from cloudprovider.testing.faults import Fault

FINALIZER = "service.kubernetes.io/load-balancer-cleanup"


def starts(world, method="ensure_load_balancer", key="*"):
    """Seconds between the calls."""
    times = [call.started for call in world.cloud.called(method, key)]
    return [round(later - earlier) for earlier, later in itertools.pairwise(times)]


@pytest.mark.gap("retry timing with a fake clock (5,10,…,300)")
def test_a_plain_error_is_retried_from_five_seconds_to_five_minutes(play):
    def scene(world):
        world.add_node()
        world.cloud.fail("ensure_load_balancer", CloudProviderError("cloud is down"))
        world.start("service")
        world.add_service()
        world.wait(1000)
        assert starts(world) == [5, 10, 20, 40, 80, 160, 300, 300]
        kinds = {event for event in world.events("web") if event[0] == "Warning"}
        assert kinds == {
            (
                "Warning",
                "SyncLoadBalancerFailed",
                "Error syncing load balancer: failed to ensure load balancer: cloud is down",
            )
        }
        assert world.reasons("web").count("EnsuringLoadBalancer") == 1

    play(scene)


def test_success_resets_the_back_off(play):
    def scene(world):
        world.add_node()
        world.cloud.fail("ensure_load_balancer", CloudProviderError("x"), times=3)
        manager = world.start("service")
        world.add_service()
        world.wait(60)
        assert world.service().status.load_balancer.ingress
        world.cloud.forget_calls()
        world.cloud.fail("ensure_load_balancer", CloudProviderError("x"), times=1)
        world.patch_service({"metadata": {"annotations": {"a": "b"}}})
        world.wait(60)
        assert starts(world) == [5]
        assert manager.running[0].healthy()

    play(scene)


def test_later_is_no_failure(play):
    def scene(world):
        world.add_node()
        world.cloud.fail("ensure_load_balancer", RetryLater("creating", after=42), times=3)
        world.start("service")
        world.add_service()
        world.wait(150)
        assert starts(world) == [42, 42, 42]
        assert world.events("web") == [
            ("Normal", "EnsuringLoadBalancer", "Ensuring load balancer"),
            (
                "Normal",
                "LoadBalancerInProgress",
                "In progress: failed to ensure load balancer: creating",
            ),
            ("Normal", "EnsuredLoadBalancer", "Ensured load balancer"),
        ]

    play(scene)


def test_later_counts_however_deep_it_is_wrapped(play):
    error = CloudProviderError("outer")
    error.__cause__ = RetryLater("inner", after=30)

    def scene(world):
        world.add_node()
        world.cloud.fail("ensure_load_balancer", error, times=1)
        world.start("service")
        world.add_service()
        world.wait(60)
        assert starts(world) == [30]

    play(scene)


def test_a_delay_of_nothing_is_no_hot_loop(play):
    def scene(world):
        world.add_node()
        world.cloud.fail("ensure_load_balancer", RetryLater("now", after=-1))
        world.start("service")
        world.add_service()
        world.wait(1)
        assert world.cloud.count("ensure_load_balancer") <= 12

    play(scene)


def test_throttling_is_not_the_users_business(play):
    def scene(world):
        world.add_node()
        world.cloud.fail("ensure_load_balancer", Throttled("slow down", after=7), times=2)
        world.start("service")
        world.add_service()
        world.wait(30)
        assert starts(world) == [7, 7]
        assert world.reasons("web") == ["EnsuringLoadBalancer", "EnsuredLoadBalancer"]

    play(scene)


@pytest.mark.parametrize(
    "error",
    [
        InvalidConfiguration("no such type", field="spec.x", value="y", accepted="z"),
        Unauthorized("denied", code="Forbidden.RAM", request_id="R-1"),
        QuotaExceeded("no more", code="Quota", request_id="R-2"),
        NotOwned("tagged otherwise", resource="lb-1", owner="cluster b"),
    ],
    ids=lambda error: type(error).__name__,
)
def test_a_lasting_error_is_told_once_per_change_and_backed_off(play, error):
    def scene(world):
        world.add_node()
        world.cloud.fail("ensure_load_balancer", error)
        world.start("service")
        world.add_service()
        world.wait(1000)
        assert starts(world) == [5, 10, 20, 40, 80, 160, 300, 300]
        warnings = [event for event in world.events("web") if event[0] == "Warning"]
        text = f"Error syncing load balancer: failed to ensure load balancer: {error}"
        assert warnings == [("Warning", "SyncLoadBalancerFailed", text)]

        world.patch_service({"metadata": {"annotations": {"a": "b"}}})
        world.wait(1)
        warnings = [event for event in world.events("web") if event[0] == "Warning"]
        assert len(warnings) == 2
        world.cloud.heal()
        world.patch_service({"metadata": {"annotations": {"a": "c"}}})
        world.wait(1)
        assert world.service().status.load_balancer.ingress

    play(scene)


def test_a_new_request_id_is_no_new_complaint(play):
    def scene(world):
        world.add_node()
        for index in range(3):
            error = QuotaExceeded("no more", code="Quota", request_id=f"R-{index}")
            world.cloud.fail("ensure_load_balancer", error, times=1)
        world.start("service")
        world.add_service()
        world.wait(60)
        assert world.reasons("web").count("SyncLoadBalancerFailed") == 1

    play(scene)


@pytest.mark.parametrize(
    "error", [KeyError("x"), SystemExit(3), RecursionError()], ids=lambda item: type(item).__name__
)
def test_anything_a_provider_raises_fails_only_its_own_service(play, error):
    def scene(world):
        world.add_node()
        world.cloud.fail("ensure_load_balancer", error, key="default/bad")
        manager = world.start("service", concurrent_service_syncs=1)
        world.add_service("bad")
        world.add_service("good")
        world.wait(100)
        assert world.service("good").status.load_balancer.ingress
        assert starts(world, key="default/bad") == [5, 10, 20, 40]
        assert manager.running[0].healthy()
        [text] = {event[2] for event in world.events("bad") if event[0] == "Warning"}
        assert text.endswith(f"unexpected {type(error).__name__} in the provider")

    play(scene)


def test_no_status_is_an_error(play):
    def scene(world):
        world.add_node()
        world.cloud.answer("ensure_load_balancer", None, times=1)
        world.start("service")
        world.add_service()
        world.wait(1)
        assert world.events("web")[-1][2] == (
            "Error syncing load balancer: service status returned by EnsureLoadBalancer is nil"
        )
        world.wait(10)
        assert world.service().status.load_balancer.ingress

    play(scene)


def test_a_status_that_cannot_be_written_is_told_and_written_later_without_the_cloud(play):
    def scene(world):
        world.add_node()
        world.start("service")
        world.server.faults.add(
            Fault(kind="error", api="k8s", op="PATCH services/status", nth=2, status=403)
        )
        world.add_service()
        world.wait(1)
        [warning] = [event for event in world.events("web") if event[0] == "Warning"]
        assert warning[1] == "SyncLoadBalancerFailed"
        assert "failed to update load balancer status" in warning[2]
        world.wait(10)
        assert world.service().status.load_balancer.ingress
        assert world.cloud.count("ensure_load_balancer") == 1
        assert world.reasons("web")[-1] == "EnsuredLoadBalancer"

    play(scene)


def test_a_finalizer_that_cannot_be_written_keeps_the_cloud_untouched(play):
    def scene(world):
        world.add_node()
        world.start("service")
        world.server.faults.add(
            Fault(kind="error", api="k8s", op="PATCH services/status", times=2, status=403)
        )
        world.add_service()
        world.wait(4)
        assert world.cloud.calls == []
        [warning] = [event for event in world.events("web") if event[0] == "Warning"]
        assert "failed to add load balancer cleanup finalizer" in warning[2]
        world.wait(30)
        assert world.service().status.load_balancer.ingress

    play(scene)


def test_deletion_is_retried_and_the_finalizer_stays_until_it_worked(play):
    def scene(world):
        world.add_node()
        world.start("service")
        world.add_service()
        world.wait(1)
        world.cloud.fail("ensure_load_balancer_deleted", CloudProviderError("busy"), times=2)
        world.delete_service()
        world.wait(4)
        assert world.service().metadata.finalizers == (FINALIZER,)
        assert world.events("web")[-1] == (
            "Warning",
            "SyncLoadBalancerFailed",
            "Error syncing load balancer: failed to delete load balancer: busy",
        )
        world.wait(30)
        assert world.services() == []
        assert starts(world, "ensure_load_balancer_deleted") == [5, 10]
        assert world.reasons("web").count("DeletingLoadBalancer") == 1

    play(scene)


def test_a_deletion_in_progress_is_asked_again_when_it_says(play):
    def scene(world):
        world.add_node()
        world.start("service")
        world.add_service()
        world.wait(1)
        error = RetryLater("deleting", after=20)
        world.cloud.fail("ensure_load_balancer_deleted", error, times=2)
        world.delete_service()
        world.wait(60)
        assert world.services() == []
        assert starts(world, "ensure_load_balancer_deleted") == [20, 20]
        assert "SyncLoadBalancerFailed" not in world.reasons("web")

    play(scene)


def test_a_balancer_that_cannot_be_looked_up_is_not_taken_for_absent(play):
    def scene(world):
        world.add_node()
        error = CloudProviderError("cannot tell")
        world.cloud.fail("ensure_load_balancer", RetryLater("creating", after=1000))
        world.cloud.fail("get_load_balancer", error, times=1)
        world.start("service")
        world.add_service()
        world.wait(1)
        world.delete_service()
        world.wait(2)
        assert world.service().metadata.finalizers == (FINALIZER,)
        assert world.events("web")[-1][2] == (
            "Error syncing load balancer: failed to check if load balancer exists before cleanup: "
            "cannot tell"
        )
        world.wait(30)
        assert world.services() == []
        # Half made things may be there although no balancer is: it is deleted all the same.
        assert world.cloud.count("ensure_load_balancer_deleted") == 1
        # And nobody is told that something was deleted that never existed.
        assert "DeletedLoadBalancer" not in world.reasons("web")

    play(scene)


@pytest.mark.gap("UID swap")
def test_the_old_balancer_of_a_recreated_service_is_deleted_before_the_new_is_made(play):
    def scene(world):
        world.add_node()
        world.start("service")
        old = world.add_service()
        world.wait(1)
        world.cloud.fail("ensure_load_balancer_deleted", CloudProviderError("busy"), times=1)
        world.patch_service({"metadata": {"finalizers": None}})
        world.delete_service()
        new = world.add_service()
        world.wait(1)
        assert list(world.cloud.balancers) == [old.metadata.uid]
        assert (
            "Warning",
            "DeleteLoadBalancerFailed",
            "Error deleting load balancer: busy",
        ) in world.events("web")
        world.wait(10)
        assert list(world.cloud.balancers) == [new.metadata.uid]

    play(scene)


def test_a_recreated_service_whose_old_one_was_implemented_elsewhere_is_not_stuck(play):
    def scene(world):
        world.add_node()
        world.cloud.fail("ensure_load_balancer_deleted", ImplementedElsewhere())
        world.start("service")
        old = world.add_service()
        world.wait(1)
        world.patch_service({"metadata": {"finalizers": None}})
        world.delete_service()
        new = world.add_service()
        world.wait(10)
        assert old.metadata.uid != new.metadata.uid
        assert new.metadata.uid in world.cloud.balancers
        assert "DeleteLoadBalancerFailed" not in world.reasons("web")

    play(scene)


def test_one_services_slow_cloud_does_not_hold_up_another(play):
    def scene(world):
        world.add_node()
        world.start("service")
        world.cloud.on(
            "ensure_load_balancer",
            lambda call: world.wait(120) if call.key == "default/slow" else None,
        )
        world.add_service("slow")
        world.add_service("fast")
        world.wait(1)
        assert world.service("fast").status.load_balancer.ingress

    play(scene)


def test_a_worker_that_is_stuck_is_unhealthy(play):
    def scene(world):
        world.add_node()
        manager = world.start("service", stuck_after=60.0)
        world.cloud.latency["ensure_load_balancer"] = 100
        world.add_service()
        world.wait(50)
        assert manager.running[0].healthy()
        world.wait(20)
        assert not manager.running[0].healthy()
        world.wait(60)
        assert manager.running[0].healthy()

    play(scene)
