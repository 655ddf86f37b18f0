"""The cheap look at all load balancers: what it sees, what it costs, and that it writes nothing."""

from __future__ import annotations

import dataclasses
import json

import pytest
from clb_world import CLUSTER, annotated, make_service

from cloudprovider.errors import ImplementedElsewhere
from cloudprovider.testing.faults import Fault
from cloudprovider_alicloud import annotations as keys
from cloudprovider_alicloud.clb.survey import MEMBER_ROUNDS
from cloudprovider_alicloud.config import DEFAULT_CLUSTER_ID


def services_of(count):
    return [make_service(name=f"s{n}", uid=f"uid-{n}") for n in range(count)]


def made(cloud, services, nodes=2):
    """A manager that ensured ``services`` a while ago."""
    balancer, nodes = cloud.balancer(), cloud.nodes(nodes)
    for service in services:
        balancer.ensure_load_balancer("k", service, nodes)
    cloud.clock.sleep(1000)
    return balancer, nodes


def drop_listener(cloud, found):
    cloud.user(
        "DeleteLoadBalancerListener",
        LoadBalancerId=found.id,
        ListenerPort=80,
        ListenerProtocol="tcp",
    )


def stop_listener(cloud, found):
    cloud.user(
        "StopLoadBalancerListener", LoadBalancerId=found.id, ListenerPort=80, ListenerProtocol="tcp"
    )


def drop_balancer(cloud, found):
    cloud.user("SetLoadBalancerDeleteProtection", LoadBalancerId=found.id, DeleteProtection="off")
    cloud.user("DeleteLoadBalancer", LoadBalancerId=found.id)


def rename(cloud, found):
    cloud.user("SetLoadBalancerName", LoadBalancerId=found.id, LoadBalancerName="other")


DRIFT = [
    pytest.param(drop_listener, "create listener tcp:80", id="a listener deleted"),
    pytest.param(stop_listener, "start listener tcp:80", id="a listener stopped"),
    pytest.param(drop_balancer, "is not there any more", id="the load balancer deleted"),
    pytest.param(rename, "name it mine", id="an annotated attribute changed"),
]


@pytest.mark.parametrize(("change", "text"), DRIFT)
def test_what_somebody_changed_is_seen_at_the_next_look_and_mended_by_a_pass(cloud, change, text):
    service = annotated(make_service(), name="mine", modification_protection="NonProtection")
    balancer, nodes = made(cloud, [service])
    assert balancer.survey("k", [service]).drifted == {}
    cloud.clock.sleep(300)
    [found] = cloud.ours()
    change(cloud, found)
    seen = balancer.survey("k", [service]).drifted
    assert list(seen) == [service.metadata.uid]
    assert text in seen[service.metadata.uid]
    balancer.ensure_load_balancer("k", service, nodes)
    cloud.clock.sleep(300)
    assert balancer.survey("k", [service]).drifted == {}
    [found] = cloud.ours()
    assert cloud.listeners(found)["tcp:80"].status == "running"


def test_members_that_somebody_took_away_are_seen_within_twelve_looks(cloud):
    service = make_service()
    balancer, _ = made(cloud, [service], nodes=3)
    [group] = cloud.groups(cloud.ours()[0])
    gone = group.backends[0]
    servers = json.dumps([{"ServerId": gone.server, "Port": gone.port}])
    cloud.user("RemoveVServerGroupBackendServers", VServerGroupId=group.id, BackendServers=servers)
    seen = []
    for _ in range(MEMBER_ROUNDS):
        seen += balancer.survey("k", [service]).drifted.values()
        cloud.clock.sleep(300)
    [text] = seen
    assert text.startswith("add server group")


def test_a_look_reads_by_pages_and_writes_nothing(cloud):
    services = services_of(120)
    balancer, _ = made(cloud, services)
    counts = []
    for _ in range(MEMBER_ROUNDS):
        calls = cloud.calls(lambda: balancer.survey("k", services))
        assert calls.count("DescribeLoadBalancers") == 2
        assert calls.count("DescribeLoadBalancerListeners") == 12
        counts.append(calls.count("DescribeVServerGroupAttribute"))
        assert len(calls) == 2 + 12 + counts[-1]
        cloud.clock.sleep(300)
    assert sum(counts) == 120  # every Service's members once in twelve looks


def test_a_load_balancer_without_a_service_is_named_and_left_alone(cloud):
    services = services_of(3)
    balancer, _ = made(cloud, services)
    assert balancer.survey("k", services).orphans == {}
    cloud.clock.sleep(300)
    there = {item.id for item in cloud.ours()}
    marked = balancer.survey("k", services).marked
    assert (set(marked), set(marked.values())) == ({"uid-0", "uid-1", "uid-2"}, there)
    writes = cloud.writes(lambda: balancer.survey("k", services[:2]))
    assert writes == []
    [(orphan, whose)] = balancer.survey("k", services[:2]).orphans.items()
    assert orphan in there
    assert "auid2" in whose
    assert {item.id for item in cloud.ours()} == there


def test_other_clusters_and_other_peoples_load_balancers_are_no_orphans(cloud):
    balancer, _ = made(cloud, [])
    cloud.user_balancer()
    assert cloud.world.foreign
    assert balancer.survey("k", []).orphans == {}
    assert balancer.survey("k", []).drifted == {}


def test_without_a_cluster_id_of_its_own_nothing_is_called_an_orphan(cloud):
    """Many clusters have the default id: their load balancers would look like ours."""
    assert CLUSTER != DEFAULT_CLUSTER_ID
    cloud.config = dataclasses.replace(cloud.config, cluster_id=DEFAULT_CLUSTER_ID)
    services = services_of(1)
    balancer, _ = made(cloud, services)
    assert balancer.survey("k", []).orphans == {}
    assert balancer.survey("k", services).marked == {}


def test_a_reused_load_balancer_is_looked_at_too(cloud):
    reused = cloud.user_balancer(AddressType="internet")
    service = annotated(make_service(), id=reused, force_override_listeners="true")
    balancer, _ = made(cloud, [service])
    assert balancer.survey("k", [service]).drifted == {}
    cloud.clock.sleep(300)
    drop_listener(cloud, cloud.core.state.load_balancers[reused])
    assert len(balancer.survey("k", [service]).drifted) == 1


def test_what_was_written_since_the_shared_list_was_read_is_no_drift(cloud):
    first, second = services_of(2)
    balancer, nodes = made(cloud, [first])
    assert balancer.survey("k", [first]).drifted == {}  # reads the list
    cloud.clock.sleep(1)
    balancer.ensure_load_balancer("k", second, nodes)  # not in the list
    first = annotated(first, name="renamed")
    balancer.ensure_load_balancer("k", first, nodes)  # another name in the list
    cloud.clock.sleep(1)
    assert balancer.survey("k", [first, second]).drifted == {}


def test_a_load_balancer_that_cannot_be_asked_about_hides_no_other(cloud, caplog):
    reused = cloud.user_balancer(AddressType="internet")
    broken = annotated(make_service(), id=reused, force_override_listeners="true")
    [well] = services_of(1)
    balancer, _ = made(cloud, [broken, well])
    drop_listener(cloud, next(item for item in cloud.ours() if item.id != reused))
    cloud.core.faults.add(
        Fault(
            kind="error",
            api="slb",
            op="DescribeLoadBalancerAttribute",
            key=reused,
            times=0,
            code="Forbidden.RAM",
            status=403,
        )
    )
    assert list(balancer.survey("k", [broken, well]).drifted) == [well.metadata.uid]
    assert "could not be surveyed" in caplog.text


@pytest.mark.parametrize("field", [keys.CLASS, keys.TUNNEL_TYPE], ids=lambda field: field.key)
def test_what_another_controller_looks_after_by_now_is_no_drift(cloud, field):
    service = make_service()
    balancer, nodes = made(cloud, [service])
    drop_listener(cloud, cloud.ours()[0])
    service = make_service(annotations={field.key: "other"})
    with pytest.raises(ImplementedElsewhere):
        balancer.ensure_load_balancer("k", service, nodes)
    assert balancer.survey("k", [service]).drifted == {}
