"""The caller on top of the core: the failures that a client can meet."""

import pytest

from cloudprovider.testing.faults import Fault
from cloudprovider.testing.virtual import VirtualConcurrency
from cloudprovider_alicloud.api.caller import CallFailed
from cloudprovider_alicloud.emulator.inprocess import EmulatorCaller


def call(caller, action="DescribeLoadBalancers", **params):
    return caller.call("slb", action, {"RegionId": "cn-hangzhou", **params}, read_timeout=10.0)


def on_virtual_time(cloud_factory, body):
    hub = VirtualConcurrency()

    def main():
        cloud = cloud_factory(concurrency=hub)
        body(hub, cloud, EmulatorCaller(cloud.core, proc="manager"))

    hub.run(main)


def test_an_answer_is_the_body(cloud):
    caller = EmulatorCaller(cloud.core, proc="manager")
    assert call(caller)["TotalCount"] == 2
    assert cloud.core.journal.records()[0].proc == "manager"


def test_nested_parameters_are_flattened(cloud):
    caller = EmulatorCaller(cloud.core)
    tags = [{"Key": "a", "Value": "1"}, {"Key": "b", "Value": "2"}]
    created = call(caller, "CreateLoadBalancer", Tag=tags, AutoPay=True, Bandwidth=5, VpcId=None)
    assert cloud.state.load_balancers[created["LoadBalancerId"]].tags == {"a": "1", "b": "2"}


def test_a_refusal_carries_code_status_and_request_id(cloud):
    caller = EmulatorCaller(cloud.core)
    with pytest.raises(CallFailed) as error:
        call(caller, "DeleteLoadBalancer", LoadBalancerId="lb-no")
    failed = error.value
    assert (failed.code, failed.http_status) == ("InvalidLoadBalancerId.NotFound", 404)
    assert failed.sent == "answered"
    assert failed.request_id
    assert failed.retry_after is None


@pytest.mark.parametrize(
    ("kind", "sent", "effect"),
    [
        ("not_sent", "no", 0),
        ("crash_before", "no", 0),
        ("lost_answer", "unknown", 1),
        ("crash_after", "unknown", 1),
        ("malformed", "unknown", 1),
        ("truncated", "unknown", 1),
    ],
)
def test_a_broken_connection_says_what_is_known(cloud, kind, sent, effect):
    cloud.core.faults.add(Fault(kind=kind))
    with pytest.raises(CallFailed) as error:
        call(EmulatorCaller(cloud.core), "CreateLoadBalancer")
    assert error.value.sent == sent
    assert len(cloud.state.load_balancers) == 2 + effect


def test_throttling_says_when_to_come_back_in_seconds(cloud):
    cloud.core.faults.add(Fault(kind="throttle", after=1.5))
    with pytest.raises(CallFailed) as error:
        call(EmulatorCaller(cloud.core))
    assert (error.value.code, error.value.retry_after) == ("Throttling.User", 1.5)


def test_a_slow_call_is_carried_out_after_its_caller_gave_up(cloud_factory):
    def body(hub, cloud, caller):
        cloud.core.faults.add(Fault(kind="latency", after=30.0))
        with pytest.raises(CallFailed, match="timed out") as error:
            call(caller, "CreateLoadBalancer")
        assert error.value.sent == "unknown"
        assert hub.monotonic() == pytest.approx(10.0)
        assert len(cloud.state.load_balancers) == 2
        hub.sleep(25.0)
        assert len(cloud.state.load_balancers) == 3

    on_virtual_time(cloud_factory, body)


def test_a_hanging_answer_ends_at_the_timeout_after_the_effect(cloud_factory):
    def body(hub, cloud, caller):
        cloud.core.faults.add(Fault(kind="hang", after=30.0))
        with pytest.raises(CallFailed, match="timed out"):
            call(caller, "CreateLoadBalancer")
        assert hub.monotonic() == pytest.approx(10.0)
        assert len(cloud.state.load_balancers) == 3

    on_virtual_time(cloud_factory, body)


def test_a_short_hang_is_only_slow(cloud_factory):
    def body(hub, cloud, caller):
        cloud.core.faults.add(Fault(kind="hang", after=3.0))
        assert call(caller)["TotalCount"] == 2
        assert hub.monotonic() == pytest.approx(3.0)

    on_virtual_time(cloud_factory, body)


@pytest.mark.parametrize(("kind", "effect"), [("crash_before", 0), ("crash_after", 1)])
def test_a_crash_kills_the_calling_process(cloud_factory, kind, effect):
    hub = VirtualConcurrency()

    def main():
        cloud = cloud_factory(concurrency=hub)
        cloud.core.faults.add(Fault(kind=kind, op="CreateLoadBalancer"))
        caller = EmulatorCaller(cloud.core, on_crash=lambda: hub.kill(hub.process()))
        reached = []

        def process():
            call(caller, "CreateLoadBalancer")
            reached.append(True)

        hub.start_process(process, process="manager")
        hub.sleep(1.0)
        assert reached == []
        assert hub.threads("manager") == []
        assert len(cloud.state.load_balancers) == 2 + effect

    hub.run(main)
