"""Upstream's integration tests of load balancers: API server, controller and cloud together."""

import pytest

from cloudprovider.models import (
    LoadBalancerIngress,
    LoadBalancerStatus,
    PortStatus,
    ServicePort,
)
from cloudprovider.toolkit import service as facts
from cloudprovider_controllers.runtime.errors import Invalid

upstream = pytest.mark.upstream

CLASS = {"load_balancer_class": "test.com/test"}


def seen(world):
    """The Service as the cloud got it last."""
    [balancer] = world.cloud.balancers.values()
    return balancer.service


@upstream("Test_ServiceLoadBalancerEnableLoadBalancerClass")
def test_a_class_of_somebody_else_is_no_business_of_ours(play, patches):
    def scene(world):
        world.add_node()
        world.start("service")
        sent = patches(world)
        world.forget()
        world.add_service(**CLASS)
        world.wait(60)
        assert (world.cloud.calls, sent, world.requests()) == ([], [], [])
        assert world.events("web") == []
        world.patch_service({"metadata": {"annotations": {"a": "b"}}})
        world.delete_service()
        world.wait(60)
        assert (world.services(), world.cloud.calls, sent) == ([], [], [])

    play(scene)


@upstream("Test_SetLoadBalancerClassThenUpdateLoadBalancerClass")
@pytest.mark.parametrize("new", ["test.com/update", "", None], ids=["other", "empty", "none"])
def test_a_class_cannot_be_changed_and_nothing_is_made(play, new):
    def scene(world):
        world.add_node()
        world.start("service")
        world.add_service(**CLASS)
        with pytest.raises(Invalid, match="may not change once set"):
            world.patch_service({"spec": {"loadBalancerClass": new}})
        world.wait(60)
        assert world.cloud.calls == []

    play(scene)


@upstream("Test_UpdateLoadBalancerWithLoadBalancerClass")
def test_a_class_cannot_be_added_later_and_the_load_balancer_is_made(play):
    def scene(world):
        world.add_node()
        world.start("service")
        world.add_service()
        with pytest.raises(Invalid, match="may not change once set"):
            world.patch_service({"spec": {"loadBalancerClass": "test.com/test"}})
        world.wait(60)
        assert [call.method for call in world.cloud.calls] == ["ensure_load_balancer"]
        assert world.service().status.load_balancer.ingress

    play(scene)


def test_a_class_that_comes_with_a_change_of_type_ends_our_load_balancer(play):
    def scene(world):
        world.add_node()
        world.start("service")
        world.add_service()
        world.wait(3)
        # Both in one breath, so that the cache may never show the type in between.
        world.patch_service({"spec": {"type": "ClusterIP"}})
        world.patch_service({"spec": {"type": "LoadBalancer", "loadBalancerClass": "test.com/x"}})
        world.wait(60)
        assert world.cloud.balancers == {}
        assert not world.service().metadata.finalizers
        assert not world.service().status.load_balancer.ingress

    play(scene)


@upstream("Test_ServiceLoadBalancerMixedProtocolSetup")
def test_one_port_may_speak_two_protocols(play):
    def scene(world):
        world.add_node()
        world.start("service")
        both = [
            ServicePort(name="tcpport", port=53, protocol="TCP"),
            ServicePort(name="udpport", port=53, protocol="UDP"),
        ]
        world.add_service(ports=both)
        world.wait(5)
        assert [call.method for call in world.cloud.calls] == ["ensure_load_balancer"]
        tcp, udp = seen(world).spec.ports
        assert [(tcp.port, tcp.protocol), (udp.port, udp.protocol)] == [(53, "TCP"), (53, "UDP")]
        assert tcp.node_port == udp.node_port > 0
        assert world.service().status.load_balancer.ingress

    play(scene)


# -- Test_ServiceLoadBalancerIPMode --------------------------------------------------------------

GATE = (
    "The API server that leaves ipMode out is history (the gate is locked since 1.32): a provider "
    "that says nothing gets what the API server fills in, and no second patch."
)


def status(mode, port):
    ports = (PortStatus(port=port, protocol="TCP"),)
    return LoadBalancerStatus(
        ingress=(LoadBalancerIngress(ip="1.2.3.4", ip_mode=mode, ports=ports),)
    )


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        pytest.param(
            None,
            "VIP",
            id="nothing, as before there were modes",
            marks=upstream("Test_ServiceLoadBalancerIPMode/row 1", instead=GATE),
        ),
        pytest.param(
            None, "VIP", id="nothing", marks=upstream("Test_ServiceLoadBalancerIPMode/row 2")
        ),
        pytest.param(
            "VIP", "VIP", id="VIP", marks=upstream("Test_ServiceLoadBalancerIPMode/row 3")
        ),
        pytest.param(
            "Proxy", "Proxy", id="Proxy", marks=upstream("Test_ServiceLoadBalancerIPMode/row 4")
        ),
    ],
)
def test_the_mode_of_an_address_is_written_and_kept(play, patches, given, expected):
    def scene(world):
        world.add_node()
        world.start("service")
        sent = patches(world)
        world.cloud.answer("ensure_load_balancer", status(given, 80), times=1)
        world.add_service()
        world.wait(3)
        assert world.service().status.load_balancer == status(expected, 80)
        assert len(sent) == 2  # finalizer and status

        world.patch_service({"metadata": {"labels": {"a": "b"}}})
        world.patch_service({"metadata": {"annotations": {"a": "b"}}})
        world.cloud.answer("ensure_load_balancer", status(given, 80), times=1)
        world.wait(60)
        assert world.service().status.load_balancer == status(expected, 80)
        assert len(sent) == 2

        world.cloud.heal()
        world.cloud.answer("ensure_load_balancer", status(given, 443))
        world.patch_service({"spec": {"ports": [{"port": 443, "name": "http"}]}})
        world.wait(60)
        assert world.service().status.load_balancer == status(expected, 443)
        assert len(sent) == 3

    play(scene)


# -- what goes through to the provider -----------------------------------------------------------


def test_two_families_reach_the_provider_and_come_and_go(play):
    def scene(world):
        from cloudprovider_sandbox.apiserver.server import ApiServer, Options

        cidrs = ("10.96.0.0/16", "fd00:10:96::/112")
        world.server = ApiServer(Options(service_cidrs=cidrs), concurrency=world.hub)
        world.user = world.client("user", "kubectl")
        world.add_node()
        world.start("service")
        world.add_service(ip_family_policy="PreferDualStack")
        world.wait(3)
        assert seen(world).spec.ip_families == ("IPv4", "IPv6")
        both = LoadBalancerStatus(
            ingress=(LoadBalancerIngress(ip="1.2.3.4"), LoadBalancerIngress(ip="2001:db8::1"))
        )
        world.cloud.answer("ensure_load_balancer", both, times=1)
        world.patch_service({"metadata": {"annotations": {"a": "b"}}})
        world.wait(3)
        assert [item.ip for item in world.service().status.load_balancer.ingress] == [
            "1.2.3.4",
            "2001:db8::1",
        ]
        world.patch_service({"spec": {"ipFamilyPolicy": "SingleStack"}})
        world.wait(3)
        assert seen(world).spec.ip_families == ("IPv4",)
        assert len(world.service().status.load_balancer.ingress) == 1
        world.forget()
        world.wait(60)
        assert world.cloud.calls == []

    play(scene)


@pytest.mark.parametrize("where", ["spec", "annotation"])
def test_source_ranges_reach_the_provider_and_come_and_go(play, where):
    def change(ranges):
        if where == "spec":
            return {"spec": {"loadBalancerSourceRanges": ranges}}
        text = ",".join(ranges) if ranges else None
        return {"metadata": {"annotations": {facts.SOURCE_RANGES_ANNOTATION: text}}}

    def scene(world):
        world.add_node()
        world.start("service")
        world.add_service()
        world.wait(3)
        for count, ranges in enumerate((["10.0.0.0/8"], ["10.0.0.0/8", "192.0.2.0/24"], None)):
            world.patch_service(change(ranges))
            world.wait(3)
            found = {str(item) for item in facts.source_ranges(seen(world))}
            assert found == set(ranges or ["0.0.0.0/0"])
            assert world.cloud.count("ensure_load_balancer") == count + 2
        assert world.cloud.count("update_load_balancer") == 0

    play(scene)
