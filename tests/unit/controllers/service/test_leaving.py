"""A Service that goes to another controller takes nothing of ours with it, and leaves nothing."""

import pytest

from cloudprovider.router import NONE, Router
from cloudprovider.testing.fake import FakeCloud

FINALIZER = "service.kubernetes.io/load-balancer-cleanup"
OTHER = "example.com/other"
THEIRS = "203.0.113.77"
#: Seconds between two surveys, and a little.
LOOK = 310


def go_elsewhere(world):
    """A class may only be set while the type changes. The other controller is quick."""
    world.patch_service({"spec": {"type": "ClusterIP"}})
    world.patch_service({"spec": {"type": "LoadBalancer", "loadBalancerClass": OTHER}})
    status = {"status": {"loadBalancer": {"ingress": [{"ip": THEIRS}]}}}
    world.patch_service(status, subresource="status")


def served(world, *, record=True):
    """A Service with a load balancer, and a manager."""
    world.cloud.surveys = True
    world.add_node()
    manager = world.start("service")
    world.add_service()
    world.wait(2)
    if not record:
        manager.stop.set()
        world.wait(1)
        world.patch_service({"metadata": {"labels": None}})
    return manager


def shown(world):
    return [ingress.ip for ingress in world.service().status.load_balancer.ingress or ()]


def test_what_another_controller_wrote_meanwhile_is_kept(play):
    def scene(world):
        served(world)
        world.cloud.latency["ensure_load_balancer_deleted"] = 20.0
        go_elsewhere(world)
        world.wait(60)
        assert world.cloud.balancers == {}
        assert not world.service().metadata.finalizers
        assert shown(world) == [THEIRS]

    play(scene)


@pytest.mark.parametrize("record", [True, False], ids=["recorded", "not-recorded"])
def test_one_that_left_while_nobody_looked_is_cleaned_up(play, record):
    def scene(world):
        served(world, record=record).stop.set()
        world.wait(1)
        go_elsewhere(world)
        manager = world.start("service", settle=LOOK)
        assert len(world.cloud.balancers) == 1  # our cache may lag: once is no proof
        world.wait(LOOK)
        assert world.cloud.balancers == {}
        assert not world.service().metadata.finalizers
        assert shown(world) == [THEIRS]
        assert world.reasons("web")[-2:] == ["DeletingLoadBalancer", "DeletedLoadBalancer"]
        world.forget()
        world.wait(2 * LOOK)
        assert world.requests(writes=True) == []
        assert manager.metric("service_controller_orphan_loadbalancers") == 0

    play(scene)


def test_one_that_came_back_before_the_second_look_keeps_its_load_balancer(play):
    def scene(world):
        served(world).stop.set()
        world.wait(1)
        go_elsewhere(world)
        world.start("service", settle=LOOK)
        world.patch_service({"spec": {"type": "ClusterIP", "loadBalancerClass": None}})
        world.patch_service({"spec": {"type": "LoadBalancer"}})
        world.wait(2 * LOOK)
        assert len(world.cloud.balancers) == 1
        assert shown(world) not in ([], [THEIRS])
        assert world.cloud.count("ensure_load_balancer_deleted") == 0

    play(scene)


def test_without_the_finalizer_it_is_only_reported(play, caplog):
    def scene(world):
        served(world).stop.set()
        world.wait(1)
        go_elsewhere(world)
        world.patch_service({"metadata": {"finalizers": None}})
        manager = world.start("service", settle=2 * LOOK)
        assert manager.metric("service_controller_orphan_loadbalancers") == 1
        assert "(Service default/web wants none of us)" in caplog.text
        assert len(world.cloud.balancers) == 1

    play(scene)


def test_one_that_merely_lost_its_marks_is_left_alone(play):
    """No provider takes Services that say nothing; this one has not gone anywhere."""

    def scene(world):
        served(world, record=False)
        world.cloud = Router([world.cloud], default_load_balancer=NONE, concurrency=world.hub)
        world.start("service", settle=3 * LOOK)
        (cloud,) = world.cloud.providers.values()
        assert isinstance(cloud, FakeCloud)
        assert len(cloud.balancers) == 1
        assert cloud.count("survey") > 1

    play(scene)
