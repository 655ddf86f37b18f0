"""A Service that the Go manager left can be deleted: its finalizer does not keep it for ever."""

import pytest
from world import World

from cloudprovider_alicloud.service_marks import GO_FINALIZER
from cloudprovider_controllers.runtime.resources import SERVICES

pytestmark = pytest.mark.faults


def take_over(world):
    world.expose(80)
    world.settle()
    world.client.patch(
        SERVICES,
        "web",
        {"metadata": {"finalizers": [GO_FINALIZER, "example.com/theirs"]}},
        namespace="default",
    )
    world.settle()


def finalizers(world):
    (service,) = (s for s in world.server_objects("services") if s.metadata.name == "web")
    return service.metadata.finalizers


def test_deleted_it_keeps_only_the_finalizers_of_others():
    def scenario(world):
        take_over(world)
        world.delete()
        world.time.sleep(5)
        assert finalizers(world) == ("example.com/theirs",)
        world.nothing_left()

    assert World().play(scenario).violations == []


def test_no_load_balancer_any_more_it_keeps_only_the_finalizers_of_others():
    def scenario(world):
        take_over(world)
        world.edit({"type": "ClusterIP"})
        world.settle()
        assert finalizers(world) == ("example.com/theirs",)

    assert World().play(scenario).violations == []
