"""What upstream leaves untested (``spec/ccm-core.md`` 5.7), as far as no other test here shows it.

Marked ``gap`` with the item's text; others with that mark stand beside what they are about.
"""

import pytest

from cloudprovider.interface import LoadBalancer
from cloudprovider.models import LoadBalancerIngress, LoadBalancerStatus, PortStatus
from cloudprovider.testing.builders import make_node
from cloudprovider.testing.faults import Fault
from cloudprovider_controllers.node.decisions import UNINITIALIZED


@pytest.mark.gap("409 storms on node PUT")
@pytest.mark.parametrize("conflicts", [1, 19, 45])
def test_a_storm_of_conflicts_delays_initialisation_and_loses_nothing(play, conflicts):
    def scene(world):
        world.server.faults.add(
            Fault(
                kind="error", api="k8s", op="PATCH nodes", status=409, code="Conflict",
                times=conflicts,
            )
        )  # fmt: skip
        world.cloud.add_instance("node-1", addresses=[("InternalIP", "10.0.0.1")])
        world.start("node")
        world.add_node(taints=[UNINITIALIZED, "mine/taint"])
        world.wait(40)
        node = world.node()
        assert world.server.faults.fired() == [conflicts]
        assert [taint.key for taint in node.spec.taints] == ["mine/taint"]
        assert node.spec.provider_id == "fake://node-1"
        assert world.cloud.count("instance_metadata_many") <= 4  # the conflicts cost no cloud call

    play(scene)


@pytest.mark.gap("5k nodes × 500 services node sync cost")  # noqa: RUF001
def test_five_thousand_nodes_and_five_hundred_services(play, monkeypatch):
    compared = []
    original = LoadBalancer.backend_nodes_changed

    def compare(self, service, old, new):
        compared.append(service.key)
        return original(self, service, old, new)

    monkeypatch.setattr(LoadBalancer, "backend_nodes_changed", compare)

    def scene(world):
        manager = world.start("service")
        store = manager.context.informers.nodes
        for number in range(5000):
            store.put(make_node(f"n{number:04}", provider_id=f"fake://n{number:04}"))
        world.wait(6)
        for number in range(500):
            world.add_service(f"s{number:03}")
        world.wait(20)
        assert len(world.cloud.balancers) == 500
        world.forget()
        compared.clear()

        def costs():
            calls = [call.method for call in world.cloud.calls]
            found = (len(calls), set(calls), len(compared), world.requests())
            world.forget()
            compared.clear()
            return found

        # A node that becomes unready, is cordoned or gets a label: no call, one comparison each.
        changed = make_node("n0000", provider_id="fake://n0000", ready="False", labels={"a": "b"})
        store.put(changed)
        world.wait(6)
        assert costs() == (0, set(), 1, [])
        # Ten nodes in a burst: one call for each load balancer, no request to the API server.
        for number in range(5000, 5010):
            store.put(make_node(f"n{number:04}", provider_id=f"fake://n{number:04}"))
        world.wait(10)
        count, methods, comparisons, requests = costs()
        assert (count, methods, requests) == (500, {"update_load_balancer"}, [])
        assert comparisons <= 3  # upstream compares for each Service and each node event
        assert all(len(balancer.nodes) == 5010 for balancer in world.cloud.balancers.values())

    play(scene)


def test_an_ip_mode_and_ports_that_a_provider_reports_are_kept(play):
    port = PortStatus(port=80, protocol="TCP")
    status = LoadBalancerStatus(
        ingress=(LoadBalancerIngress(ip="192.0.2.1", ip_mode="Proxy", ports=(port,)),)
    )

    def scene(world):
        world.add_node()
        world.cloud.answer("ensure_load_balancer", status)
        world.start("service")
        world.add_service()
        world.wait(2)
        assert world.service().status.load_balancer == status
        world.forget()
        world.wait(600)
        assert world.requests() == []
        world.patch_service({"status": {"loadBalancer": None}}, subresource="status")
        world.wait(5)
        assert world.service().status.load_balancer == status

    play(scene)
