"""What a Service asks for and a cloud cannot give is refused with an event, or given.

The service controller with the provider for Alibaba Cloud on its emulator: a CLB restricts clients
by access lists alone, has one address, and listens on TCP and UDP.
"""

import pytest

from cloudprovider.models import ServicePort
from cloudprovider_alicloud.config import AlicloudConfig, VSwitch
from cloudprovider_alicloud.emulator.core import EmulatorCore
from cloudprovider_alicloud.emulator.inprocess import EmulatorCaller
from cloudprovider_alicloud.emulator.world import default_world, launch_instance
from cloudprovider_alicloud.provider import AlicloudProvider
from cloudprovider_sandbox.apiserver.server import ApiServer, Options

RANGES_KEY = "service.beta.kubernetes.io/load-balancer-source-ranges"
PREFIX = "service.beta.kubernetes.io/alibaba-cloud-loadbalancer-"


@pytest.fixture
def play_in_hangzhou(play):
    """As ``play``, with the emulated Alibaba Cloud in the place of the fake one."""

    def run(scene):
        def prepared(world):
            # A cluster of two address families: else the API server refuses to give both.
            options = Options(service_cidrs=("10.96.0.0/16", "fd00:96::/112"))
            world.server = ApiServer(options, concurrency=world.hub)
            world.user = world.client("user", "kubectl")
            core = EmulatorCore(seed=1, concurrency=world.hub)
            there = default_world(core)
            config = AlicloudConfig(
                region="cn-hangzhou",
                cluster_id="c-test",
                vpc_id=there.vpc,
                vswitches=tuple(VSwitch(vswitch) for vswitch in there.vswitches),
            )
            caller = EmulatorCaller(core)
            world.cloud = AlicloudProvider(config, caller=caller, concurrency=world.hub)
            instance = launch_instance(
                core.state,
                region="cn-hangzhou",
                vswitch=there.vswitches[0],
                host_name="node-1",
                now=0.0,
            )
            world.add_node(provider_id=f"cn-hangzhou.{instance.id}")
            scene(world, core, there)

        play(prepared)

    return run


def ours(core, there):
    """The load balancers that are not there from the beginning."""
    return [b for b in core.state.load_balancers.values() if b.id not in there.foreign]


def warnings(world):
    return [(reason, text) for kind, reason, text in world.events("web") if kind == "Warning"]


@pytest.mark.parametrize(
    ("fields", "named"),
    [
        pytest.param(
            {"load_balancer_source_ranges": ("10.0.0.0/8",)},
            "spec.loadBalancerSourceRanges='10.0.0.0/8'",
            id="source ranges",
        ),
        pytest.param(
            {"annotations": {RANGES_KEY: "10.0.0.0/8"}},
            "spec.loadBalancerSourceRanges='(annotation)'",
            id="source ranges by annotation",
        ),
        pytest.param(
            {"load_balancer_source_ranges": ("0.0.0.0/1", "128.0.0.0/1")},
            "spec.loadBalancerSourceRanges=",
            id="all in two halves",
        ),
        pytest.param(
            {"ip_family_policy": "RequireDualStack"},
            "spec.ipFamilyPolicy='RequireDualStack'",
            id="two address families",
        ),
        pytest.param(
            {"ports": (ServicePort(port=80, protocol="SCTP"),)},
            "spec.ports[0].protocol='SCTP'",
            id="SCTP",
        ),
        pytest.param(
            {
                "ports": (ServicePort(port=53, protocol="UDP"),),
                "external_traffic_policy": "Local",
            },
            "spec.ports[0].protocol='UDP'",
            id="UDP without a health check",
        ),
    ],
)
def test_what_cannot_be_honoured_is_refused_before_anything_is_open(
    play_in_hangzhou, fields, named
):
    def scene(world, core, there):
        world.start("service")
        world.add_service(**fields)
        world.wait(120)
        assert ours(core, there) == []
        assert not world.service().status.load_balancer.ingress
        [(reason, text)] = warnings(world)
        assert reason == "SyncLoadBalancerFailed"
        assert named in text
        assert "accepted: " in text

    play_in_hangzhou(scene)


def test_ranges_put_on_an_open_service_are_refused_and_leave_it_as_it_is(play_in_hangzhou):
    def scene(world, core, there):
        world.start("service")
        world.add_service()
        world.wait(10)
        [before] = ours(core, there)
        world.patch_service({"spec": {"loadBalancerSourceRanges": ["10.0.0.0/8"]}})
        world.wait(60)
        assert ours(core, there) == [before]
        [(_, text)] = warnings(world)
        assert "would be open to all" in text
        world.patch_service({"spec": {"loadBalancerSourceRanges": None}})
        world.wait(10)
        assert world.reasons("web").count("EnsuredLoadBalancer") == 2

    play_in_hangzhou(scene)


@pytest.mark.parametrize(
    "fields",
    [
        {},
        {"load_balancer_source_ranges": ("0.0.0.0/0",)},
        {"annotations": {RANGES_KEY: "0.0.0.0/0"}},
        {"ip_family_policy": "PreferDualStack"},
    ],
    ids=["nothing asked", "all", "all by annotation", "one family is enough"],
)
def test_what_can_be_honoured_is(play_in_hangzhou, fields):
    def scene(world, core, there):
        world.start("service")
        world.add_service(**fields)
        world.wait(10)
        [balancer] = ours(core, there)
        [entry] = world.service().status.load_balancer.ingress
        assert (entry.ip, entry.ip_mode) == (balancer.address, "VIP")
        assert warnings(world) == []

    play_in_hangzhou(scene)


def test_tcp_and_udp_on_one_port_are_two_listeners(play_in_hangzhou):
    ports = tuple(
        ServicePort(name=protocol.lower(), port=53, protocol=protocol)
        for protocol in ("TCP", "UDP")
    )

    def scene(world, core, there):
        world.start("service")
        world.add_service(ports=ports)
        world.wait(10)
        [balancer] = ours(core, there)
        listeners = [core.state.listeners[key] for key in balancer.listeners]
        assert {(item.protocol, item.port) for item in listeners} == {("tcp", 53), ("udp", 53)}
        assert {item.status for item in listeners} == {"running"}
        world.patch_service({"spec": {"ports": [{"name": "tcp", "port": 53, "protocol": "TCP"}]}})
        world.wait(10)
        balancer = core.state.load_balancers[balancer.id]
        [left] = [core.state.listeners[key] for key in balancer.listeners]
        assert left.protocol == "tcp"

    play_in_hangzhou(scene)


def test_a_listener_that_somebody_deleted_is_back_within_minutes(play_in_hangzhou):
    """Row 17 of the table of defects, from the event to the cloud."""

    def scene(world, core, there):
        world.start("service")
        world.add_service()
        world.wait(10)
        [balancer] = ours(core, there)
        user = EmulatorCaller(core, proc="user")
        user.call(
            "slb",
            "DeleteLoadBalancerListener",
            {
                "RegionId": "cn-hangzhou",
                "LoadBalancerId": balancer.id,
                "ListenerPort": 80,
                "ListenerProtocol": "tcp",
            },
        )
        assert not core.state.load_balancers[balancer.id].listeners
        world.wait(300)
        [back] = core.state.load_balancers[balancer.id].listeners
        assert core.state.listeners[back].status == "running"

    play_in_hangzhou(scene)
