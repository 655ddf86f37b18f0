"""Delays of asynchronous changes, latency and lists that lag, on virtual time."""

import pytest

from cloudprovider.testing.faults import Fault
from cloudprovider.testing.virtual import VirtualConcurrency
from cloudprovider_alicloud.emulator.core import EmulatorCore
from cloudprovider_alicloud.emulator.settings import Delays, Lag

# -- delays ------------------------------------------------------------------------------------


def test_a_listener_passes_through_its_states_on_the_clock(cloud_factory):
    hub = VirtualConcurrency()

    def main():
        cloud = cloud_factory(concurrency=hub)
        cloud.settings.delays = Delays(listener_start=3.0, listener_change=1.0)
        lb = cloud.load_balancer()
        cloud.listener(lb)
        named = {"LoadBalancerId": lb, "ListenerPort": 80}
        cloud.ok("StartLoadBalancerListener", **named)
        assert cloud.listeners(lb)[0]["Status"] == "starting"
        name = "SetLoadBalancerTCPListenerAttribute"
        assert cloud.code(name, **named, Scheduler="rr") == "ServiceIsConfiguring"
        assert cloud.code("DeleteLoadBalancerListener", **named) == "ServiceIsConfiguring"
        hub.sleep(3.0)
        assert cloud.listeners(lb)[0]["Status"] == "running"
        cloud.ok(name, **named, Scheduler="rr")
        assert cloud.listeners(lb)[0]["Status"] == "configuring"
        hub.sleep(1.0)
        assert cloud.listeners(lb)[0]["Status"] == "running"

    hub.run(main)


def test_a_negative_delay_never_ends(cloud_factory):
    hub = VirtualConcurrency()

    def main():
        cloud = cloud_factory(concurrency=hub)
        cloud.settings.delays = Delays(listener_start=-1)
        lb = cloud.load_balancer()
        cloud.listener(lb)
        cloud.ok("StartLoadBalancerListener", LoadBalancerId=lb, ListenerPort=80)
        hub.sleep(1e6)
        assert cloud.listeners(lb)[0]["Status"] == "starting"

    hub.run(main)


def test_routes_are_pending_and_one_batch_runs_at_a_time(cloud_factory):
    hub = VirtualConcurrency()

    def main():
        cloud = cloud_factory(concurrency=hub)
        cloud.settings.delays = Delays(route_create=2.0, route_delete=2.0)
        route = {
            "RouteTableId": cloud.world.route_table,
            "DestinationCidrBlock": "172.16.0.0/24",
            "NextHopId": cloud.instance().id,
        }
        statuses = lambda: [  # noqa: E731
            item.status
            for item in cloud.state.route_entries.values()
            if item.cidr == "172.16.0.0/24"
        ]
        cloud.ok("CreateRouteEntry", "vpc", **route)
        assert statuses() == ["Pending"]
        assert cloud.code("CreateRouteEntry", "vpc", **route) == "TaskConflict"
        assert cloud.code("DeleteRouteEntry", "vpc", **route) == "IncorrectRouteEntryStatus"
        hub.sleep(2.0)
        cloud.ok("DeleteRouteEntry", "vpc", **route)
        assert statuses() == ["Deleting"]
        hub.sleep(2.0)
        cloud.ok("DescribeRouteTableList", "vpc")
        assert statuses() == []

    hub.run(main)


def test_latency_passes_on_the_clock_outside_the_lock():
    hub = VirtualConcurrency()

    def main():
        core = EmulatorCore(seed=1)
        core.settings.latency = 0.5
        call = lambda: core.call("ecs", "DescribeRegions", {})  # noqa: E731
        others = [hub.start_thread(call, name=f"t{n}") for n in range(4)]
        for thread in others:
            thread.join()
        assert hub.monotonic() == pytest.approx(0.5)
        core.faults.add(Fault(kind="hang", after=2.0))
        assert core.call("ecs", "DescribeRegions", {}).delay == 2.0
        assert hub.monotonic() == pytest.approx(3.0)

    hub.run(main)


# -- lag ---------------------------------------------------------------------------------------


def names(cloud):
    return [
        item["LoadBalancerName"]
        for item in cloud.ok("DescribeLoadBalancers")["LoadBalancers"]["LoadBalancer"]
    ][2:]


def test_lists_lag_for_a_time_while_reads_by_id_do_not(cloud_factory):
    hub = VirtualConcurrency()

    def main():
        cloud = cloud_factory(concurrency=hub)
        cloud.settings.lag = Lag(seconds=5.0)
        lb = cloud.load_balancer(LoadBalancerName="web")
        assert names(cloud) == []
        cloud.ok("DescribeLoadBalancerAttribute", LoadBalancerId=lb)
        assert cloud.ok("DescribeLoadBalancers", LoadBalancerId=lb)["TotalCount"] == 1
        hub.sleep(3.0)
        cloud.ok("SetLoadBalancerName", LoadBalancerId=lb, LoadBalancerName="new")
        hub.sleep(2.0)
        assert names(cloud) == ["web"]
        hub.sleep(3.0)
        assert names(cloud) == ["new"]
        cloud.ok("DeleteLoadBalancer", LoadBalancerId=lb)
        assert names(cloud) == ["new"]

    hub.run(main)


def test_lists_lag_for_a_number_of_calls(cloud):
    cloud.settings.lag = Lag(calls=2)
    cloud.load_balancer(LoadBalancerName="web")
    assert [names(cloud) for _ in range(3)] == [[], [], ["web"]]
