"""One provider: which classes are its own, and what is recorded on a Service."""

import pytest

from cloudprovider.owners import PROVIDER_LABEL
from cloudprovider.router import NONE, Router
from cloudprovider.testing.fake import FakeCloud

FINALIZER = "service.kubernetes.io/load-balancer-cleanup"


def test_the_record_is_part_of_the_write_that_sets_the_finalizer(play):
    def scene(world):
        world.add_node()
        world.start("service")
        world.add_service()
        world.wait(2)
        assert world.requests() == ["PATCH services/status default/web"] * 2
        assert world.service().metadata.labels == {PROVIDER_LABEL: "fake"}
        assert world.service().metadata.finalizers == (FINALIZER,)

    play(scene)


def test_a_claimed_class_is_served_and_cleaned_up(play):
    def scene(world):
        world.cloud.classes = ("example.com/fake",)
        world.start("service")
        world.add_service(load_balancer_class="example.com/fake")
        world.wait(2)
        assert len(world.cloud.balancers) == 1
        world.delete_service()
        world.wait(2)
        assert world.services() == []
        assert world.cloud.balancers == {}

    play(scene)


@pytest.mark.parametrize("error", [RuntimeError("x"), SystemExit(1)], ids=["raises", "exits"])
def test_a_provider_that_cannot_say_its_classes_loses_no_load_balancer(play, error):
    def scene(world):
        def broken():
            raise error

        world.cloud.classes = ("example.com/fake",)
        world.start("service")
        world.add_service(load_balancer_class="example.com/fake")
        world.wait(2)
        world.cloud.load_balancer_classes = broken
        world.add_node()
        world.wait(10)
        assert len(world.cloud.balancers) == 1
        assert world.service().metadata.finalizers == (FINALIZER,)
        del world.cloud.load_balancer_classes
        world.delete_service()
        world.wait(400)
        assert world.services() == []
        assert world.cloud.balancers == {}

    play(scene)


def test_a_mark_that_somebody_takes_away_takes_no_load_balancer_with_it(play):
    """No provider takes Services that say nothing, so the mark alone says whose it is."""

    def scene(world):
        cloud = FakeCloud(concurrency=world.hub)
        cloud.claims_service = lambda service: "fake-id" in (service.metadata.labels or {})
        world.cloud = Router([cloud], default_load_balancer=NONE, concurrency=world.hub)
        world.add_service(labels={"fake-id": "lb-1"}, finalizers=[FINALIZER])
        world.user.patch(
            *_status("web"), namespace="default", subresource="status", patch_type="merge"
        )
        world.start("service", settle=10)
        assert len(cloud.balancers) == 1
        world.patch_service({"metadata": {"labels": {"fake-id": None}}})
        world.wait(30)
        assert len(cloud.balancers) == 1
        assert world.service().metadata.finalizers == (FINALIZER,)
        world.delete_service()
        world.wait(10)
        assert world.services() == []
        assert cloud.balancers == {}

    play(scene)


def test_a_foreign_class_is_untouched_even_with_the_finalizer(play):
    def scene(world):
        world.cloud.classes = ("example.com/fake",)
        world.start("service")
        world.add_service(load_balancer_class="example.com/other", finalizers=[FINALIZER])
        world.wait(2)
        world.delete_service()
        world.wait(5)
        assert world.service().metadata.finalizers == (FINALIZER,)
        assert world.requests() == world.events("web") == []
        assert world.cloud.calls == []

    play(scene)


def test_the_record_goes_with_the_finalizer_when_the_type_changes(play):
    def scene(world):
        world.start("service")
        world.add_service()
        world.wait(2)
        world.patch_service({"spec": {"type": "ClusterIP"}})
        world.wait(2)
        assert not world.service().metadata.labels
        assert not world.service().metadata.finalizers

    play(scene)


def test_a_service_without_record_is_not_written_only_to_record_it(play):
    """One provider needs none: nothing is written at the takeover from Kubernetes' own."""

    def scene(world):
        world.start("service")
        world.add_service()
        world.wait(2)
        world.patch_service({"metadata": {"labels": None}})
        world.wait(30)
        assert world.service().metadata.labels == {PROVIDER_LABEL: "fake"}  # ours, so put back

    def takeover(world):
        world.add_service(finalizers=[FINALIZER])
        world.user.patch(
            *_status("web"), namespace="default", subresource="status", patch_type="merge"
        )
        world.forget()
        world.start("service", settle=30)
        assert world.requests(writes=True, effect=True) == []
        assert not world.service().metadata.labels

    play(scene)
    play(takeover)


def _status(name):
    from cloudprovider_controllers.runtime.resources import SERVICES

    ingress = [{"ip": "198.18.0.2"}]
    return SERVICES, name, {"status": {"loadBalancer": {"ingress": ingress}}}


@pytest.mark.parametrize("deleted", [False, True], ids=["alive", "deleted"])
def test_another_providers_record_is_respected_and_told_of_once(play, deleted):
    def scene(world):
        world.add_service(labels={PROVIDER_LABEL: "gone"}, finalizers=[FINALIZER])
        if deleted:
            world.delete_service()
        world.start("service", settle=400)
        assert world.service().metadata.finalizers == (FINALIZER,)
        assert world.requests(writes=True) == []
        assert world.cloud.calls == []
        ((kind, reason, message),) = world.events("web")
        assert (kind, reason) == ("Warning", "SyncLoadBalancerFailed")
        assert "it belongs to provider gone" in message
        assert "--cloud-provider names fake" in message

    play(scene)


def test_a_name_that_cannot_be_a_label_is_not_recorded(play):
    def scene(world):
        world.cloud = FakeCloud("my cloud", concurrency=world.hub)
        world.start("service")
        world.add_service()
        world.wait(2)
        assert len(world.cloud.balancers) == 1
        assert not world.service().metadata.labels
        world.delete_service()
        world.wait(2)
        assert world.services() == []

    play(scene)


def test_nothing_of_another_providers_service_is_deleted_when_it_vanishes(play):
    """Somebody took its finalizer away by hand: the record still says whose it is."""

    def scene(world):
        world.add_service(labels={PROVIDER_LABEL: "gone"}, finalizers=[FINALIZER])
        world.user.patch(
            *_status("web"), namespace="default", subresource="status", patch_type="merge"
        )
        world.start("service", settle=0.2)  # before its first pass
        world.patch_service({"metadata": {"finalizers": None}})
        world.delete_service()
        world.wait(30)
        assert world.services() == []
        assert world.cloud.calls == []

    play(scene)
