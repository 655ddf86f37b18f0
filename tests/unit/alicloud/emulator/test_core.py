"""Faults, throttling, delays, lag, snapshots and the journal of the core."""

import itertools
import time

import pytest

from cloudprovider.testing.faults import Fault
from cloudprovider.testing.virtual import VirtualConcurrency
from cloudprovider_alicloud.emulator import catalogue, world
from cloudprovider_alicloud.emulator.core import EmulatorCore
from cloudprovider_alicloud.emulator.inventory import problems
from cloudprovider_alicloud.emulator.settings import Rate

#: The actions of spec/alicloud.md 7.2.
SLB_38 = [
    "CreateLoadBalancer",
    "DeleteLoadBalancer",
    "DescribeLoadBalancers",
    "DescribeLoadBalancerAttribute",
    "SetLoadBalancerDeleteProtection",
    "SetLoadBalancerModificationProtection",
    "SetLoadBalancerName",
    "ModifyLoadBalancerInstanceSpec",
    "ModifyLoadBalancerInstanceChargeType",
    "ModifyLoadBalancerInternetSpec",
    "TagResources",
    "UntagResources",
    "ListTagResources",
    "DescribeLoadBalancerListeners",
    "CreateLoadBalancerTCPListener",
    "CreateLoadBalancerUDPListener",
    "CreateLoadBalancerHTTPListener",
    "CreateLoadBalancerHTTPSListener",
    "SetLoadBalancerTCPListenerAttribute",
    "SetLoadBalancerUDPListenerAttribute",
    "SetLoadBalancerHTTPListenerAttribute",
    "SetLoadBalancerHTTPSListenerAttribute",
    "StartLoadBalancerListener",
    "StopLoadBalancerListener",
    "DeleteLoadBalancerListener",
    "DescribeVServerGroups",
    "CreateVServerGroup",
    "DescribeVServerGroupAttribute",
    "DeleteVServerGroup",
    "AddVServerGroupBackendServers",
    "RemoveVServerGroupBackendServers",
    "SetVServerGroupAttribute",
    "ModifyVServerGroupBackendServers",
    "DescribeServerCertificates",
    "DescribeDomainExtensions",
    "CreateDomainExtension",
    "SetDomainExtensionAttribute",
    "DeleteDomainExtension",
]
VPC_9 = [
    "DescribeRouteTableList",
    "DescribeRouteEntryList",
    "CreateRouteEntry",
    "CreateRouteEntries",
    "DeleteRouteEntry",
    "DeleteRouteEntries",
    "DescribeEipAddresses",
    "DescribeVpcAttribute",
    "DescribeVSwitches",
]


@pytest.mark.parametrize(
    ("product", "name"), [*(("slb", n) for n in SLB_38), *(("vpc", n) for n in VPC_9)]
)
def test_the_catalogue_has_the_action(product, name):
    action = catalogue.find(product, name)
    assert action is not None
    assert action.write == (not name.startswith(("Describe", "List")))


def test_every_action_declares_each_parameter_once():
    for action in catalogue.ACTIONS:
        names = [param.name.lower() for param in action.params]
        assert len(set(names)) == len(names), action.name


def test_an_unknown_action_is_refused(cloud):
    reply = cloud.reply("DescribeEverything")
    assert (reply.status, reply.code) == (404, "InvalidApi.NotFound")
    assert cloud.code("describeloadbalancers") == "InvalidApi.NotFound"
    assert cloud.code("DescribeLoadBalancers", "ecs") == "InvalidApi.NotFound"


def test_an_error_has_the_form_of_the_service(cloud):
    body = cloud.reply("DeleteLoadBalancer", LoadBalancerId="lb-no").body
    assert sorted(body) == ["Code", "HostId", "Message", "Recommend", "RequestId"]


def test_parameter_names_are_read_without_case(cloud):
    lb = cloud.load_balancer()
    reply = cloud.core.call(
        "slb", "DeleteLoadBalancer", {"regionid": "cn-hangzhou", "LOADBALANCERID": lb}
    )
    assert reply.status == 200


def test_the_same_seed_gives_the_same_ids_and_another_seed_others():
    def made(seed):
        core = EmulatorCore(seed=seed)
        return world.default_world(core)

    assert made(3) == made(3)
    assert made(3).vpc != made(4).vpc
    assert made(None).vpc != made(None).vpc


def test_many_threads_may_call_at_once(cloud):
    made = []

    def work():
        for _ in range(50):
            lb = cloud.load_balancer()
            cloud.group(lb)
            cloud.listener(lb)
            made.append(lb)

    threads = [cloud.core.concurrency.start_thread(work, name=f"t{n}") for n in range(8)]
    for thread in threads:
        thread.join()
    assert len(set(made)) == 400
    assert len(cloud.state.load_balancers) == 402
    assert problems(cloud.core) == []
    records = cloud.core.journal.records()
    assert [record.n for record in records] == list(range(len(records)))


# -- faults ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("kind", "status", "disruption", "effects"),
    [
        ("error", 500, "", [False]),
        ("throttle", 400, "", [False]),
        ("not_sent", 200, "not_sent", [False]),
        ("crash_before", 200, "crash_before", [False]),
        ("lost_answer", 200, "lost_answer", [True]),
        ("crash_after", 200, "crash_after", [True]),
        ("malformed", 200, "malformed", [True]),
        ("truncated", 200, "truncated", [True]),
        ("latency", 200, "", [True]),
    ],
)
def test_a_fault_strikes_before_or_after_the_effect(cloud, kind, status, disruption, effects):
    cloud.core.faults.add(Fault(kind=kind, op="CreateLoadBalancer"))
    reply = cloud.reply("CreateLoadBalancer")
    assert (reply.status, reply.disruption) == (status, disruption)
    records = cloud.core.journal.records()
    assert [record.effect for record in records] == effects
    assert records[0].fault == kind
    assert len(cloud.state.load_balancers) == 2 + effects[0]


def test_a_fault_can_name_the_code_and_the_resource(cloud):
    one, two = cloud.load_balancer(), cloud.load_balancer()
    cloud.core.faults.add(Fault(kind="error", key=two, code="SystemBusy", status=449, times=0))
    assert cloud.code("DescribeLoadBalancerAttribute", LoadBalancerId=one) == ""
    reply = cloud.reply("DescribeLoadBalancerAttribute", LoadBalancerId=two)
    assert (reply.status, reply.code) == (449, "SystemBusy")


def test_a_duplicate_happens_twice_and_is_answered_once(cloud):
    cloud.core.faults.add(Fault(kind="duplicate", op="CreateLoadBalancer", times=2))
    first = cloud.load_balancer()
    assert len(cloud.state.load_balancers) == 4
    assert first in cloud.state.load_balancers
    cloud.load_balancer(ClientToken="t")
    assert len(cloud.state.load_balancers) == 5


def test_an_empty_answer_has_the_form_of_a_full_one(cloud):
    cloud.core.faults.add(Fault(kind="empty"))
    body = cloud.ok("DescribeLoadBalancers")
    assert body["LoadBalancers"] == {"LoadBalancer": []}
    assert body["TotalCount"] == 0
    assert cloud.ok("DescribeLoadBalancers")["TotalCount"] == 2


def test_a_throttle_fault_says_when_to_come_back(cloud):
    cloud.core.faults.add(Fault(kind="throttle", after=1.5))
    reply = cloud.reply("DescribeLoadBalancers")
    assert reply.code == "Throttling.User"
    assert reply.headers == {"x-acs-retry-after": "1500"}


def test_sparse_answers_leave_empty_lists_out_and_add_a_field(cloud):
    cloud.settings.sparse_replies = True
    lb = cloud.load_balancer()
    body = cloud.ok("DescribeLoadBalancerAttribute", LoadBalancerId=lb)
    assert "Tags" not in body
    assert "FieldOfNextYear" in body


# -- throttling and policy ---------------------------------------------------------------------


def test_a_bucket_per_key_region_and_action_limits_the_rate():
    hub = VirtualConcurrency()

    def main():
        core = EmulatorCore(seed=1)
        world.default_world(core)
        core.settings.rates = [Rate(pattern="slb:Describe*", per_second=1, burst=2)]

        def call(action="DescribeLoadBalancers", key="a"):
            params = {"RegionId": "cn-hangzhou"}
            return core.call("slb", action, params, access_key_id=key).code

        assert [call() for _ in range(3)] == ["", "", "Throttling.User"]
        assert call(key="b") == ""
        assert call("DescribeLoadBalancerListeners") == ""
        hub.sleep(1.0)
        assert [call() for _ in range(2)] == ["", "Throttling.User"]

    hub.run(main)


def test_a_keys_policy_forbids_actions(cloud):
    key = cloud.state.access_keys[world.ACCESS_KEY_ID]
    cloud.state.change(key, denied=("slb:Create*",))
    reply = cloud.reply("CreateLoadBalancer")
    assert (reply.status, reply.code) == (403, "Forbidden.RAM")
    assert reply.body["AccessDeniedDetail"]
    assert cloud.code("DescribeLoadBalancers") == ""


# -- snapshots ---------------------------------------------------------------------------------


def test_a_snapshot_brings_everything_back_with_the_same_ids(cloud):
    snapshot = cloud.core.snapshot()
    first = cloud.load_balancer(ClientToken="t")
    cloud.core.restore(snapshot)
    assert first not in cloud.state.load_balancers
    assert cloud.load_balancer(ClientToken="t") == first


def test_another_core_can_start_from_a_snapshot(cloud):
    lb = cloud.load_balancer()
    other = EmulatorCore(seed=99)
    other.restore(cloud.core.snapshot())
    other.state.remove(other.state.load_balancers[lb])
    assert lb in cloud.state.load_balancers


def test_snapshot_and_restore_are_cheap(cloud):
    for _ in range(1000):
        cloud.instance()
    best = float("inf")
    for _ in range(10):
        started = time.perf_counter()
        cloud.core.restore(cloud.core.snapshot())
        best = min(best, time.perf_counter() - started)
    assert best < 0.001


# -- journal -----------------------------------------------------------------------------------


def test_the_journal_tells_what_was_called_and_what_it_did(cloud):
    lb = cloud.load_balancer(LoadBalancerName="web", ClientToken="t")
    cloud.ok("DescribeLoadBalancerAttribute", LoadBalancerId=lb)
    cloud.code("DeleteVServerGroup", VServerGroupId="rsp-no")
    made, read, refused = cloud.core.journal.records()
    assert (made.api, made.op, made.key, made.write, made.effect, made.pre) == (
        "slb",
        "CreateLoadBalancer",
        lb,
        True,
        True,
        "t",
    )
    assert made.args["LoadBalancerName"] == "web"
    assert made.proc == world.ACCESS_KEY_ID
    assert (read.key, read.write, read.effect, read.outcome) == (lb, False, False, "ok")
    assert (refused.outcome, refused.status, refused.effect) == ("InvalidParameter", 404, False)


def test_credentials_in_parameters_are_not_journalled(cloud):
    cloud.reply("DescribeLoadBalancers", Signature="s", SecurityToken="t", AccessKeyId="k")
    assert cloud.core.journal.records()[0].args == {"RegionId": "cn-hangzhou"}


def test_journals_can_share_a_counter():
    counter = itertools.count(100)
    core = EmulatorCore(seed=1, counter=counter)
    core.call("ecs", "DescribeRegions", {})
    assert core.journal.records()[0].n == 100
