"""A user may ask for something again while a slow cloud holds up the pass that takes it away."""

import pytest

from cloudprovider.testing.fake import FakeBalancer
from cloudprovider.testing.faults import Fault

FINALIZER = "service.kubernetes.io/load-balancer-cleanup"
#: Seconds that a deletion is on its way to the look before it.
SLOW = 20.0


def served(world):
    """A Service with a load balancer, and a cloud that has become slow."""
    world.add_node()
    world.start("service")
    world.add_service()
    world.wait(2)
    world.cloud.latency["ensure_load_balancer_deleted"] = SLOW


def addresses(shown):
    """Of a Service's status, or a load balancer of the cloud."""
    status = shown.status if isinstance(shown, FakeBalancer) else shown.load_balancer
    return [ingress.ip for ingress in status.ingress]


def as_declared(service):
    """Its ports, with the node ports that were given to them."""
    return [
        {"name": port.name, "port": port.port, "nodePort": port.node_port}
        for port in service.spec.ports
    ]


def test_a_load_balancer_that_is_wanted_again_is_not_deleted(play):
    def scene(world):
        served(world)
        (before,) = world.cloud.balancers.values()
        world.patch_service({"spec": {"type": "ClusterIP"}})
        world.wait(SLOW / 2)
        world.patch_service({"spec": {"type": "LoadBalancer"}})
        world.wait(SLOW)
        assert list(world.cloud.balancers.values()) == [before]
        service = world.service()
        assert service.metadata.finalizers == (FINALIZER,)
        assert addresses(service.status) == addresses(before)
        kinds = {kind for kind, _, _ in world.events("web")}
        assert kinds == {"Normal"}
        assert "DeletedLoadBalancer" not in world.reasons("web")
        world.delete_service()
        world.wait(SLOW + 1)
        assert world.cloud.balancers == {}
        assert world.reasons("web").count("DeletingLoadBalancer") == 2
        assert world.reasons("web").count("DeletedLoadBalancer") == 1

    play(scene)


def test_one_that_is_wanted_again_just_after_it_was_deleted_is_made_anew(play):
    def scene(world):
        served(world)
        uid = world.service().metadata.uid
        spec = {"spec": {"type": "LoadBalancer", "ports": as_declared(world.service())}}
        world.patch_service({"spec": {"type": "ClusterIP"}})
        fault = Fault(kind="error", api="k8s", op="PATCH services/status", status=403)
        world.server.faults.add(fault)
        world.wait(SLOW + 1)
        assert world.cloud.balancers == {}
        world.patch_service(spec)  # to the last node port as it was
        world.wait(SLOW)
        assert addresses(world.service().status) == addresses(world.cloud.balancers[uid])
        assert world.service().metadata.finalizers == (FINALIZER,)

    play(scene)


@pytest.mark.parametrize("change", ["label", "status"])
def test_what_says_nothing_of_the_load_balancer_does_not_stop_a_deletion(play, change):
    bodies = {
        "label": {"metadata": {"labels": {"team": "a"}}},
        "status": {"status": {"conditions": []}},
    }

    def scene(world):
        served(world)
        world.patch_service({"spec": {"type": "ClusterIP"}})
        world.wait(SLOW / 2)
        world.patch_service(bodies[change], subresource="status" if change == "status" else "")
        world.wait(SLOW)
        assert world.cloud.balancers == {}
        assert world.cloud.count("ensure_load_balancer_deleted") == 1

    play(scene)
