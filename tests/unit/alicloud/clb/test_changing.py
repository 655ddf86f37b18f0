"""Load balancers that are there: drift, changed Services, and no room for more members."""

from __future__ import annotations

import contextlib

import msgspec
import pytest
from clb_world import annotated, ids, make_service

from cloudprovider.errors import CloudProviderError, QuotaExceeded, ResourceNotFound
from cloudprovider.models import ServicePort

HTTP_CHECK = {"health-check-type": "http", "health-check-connect-port": "32123"}


class TestChanging:
    def test_drift_is_repaired_and_strangers_stay(self, cloud):
        nodes, balancer, service = cloud.nodes(3), cloud.balancer(), make_service()
        balancer.ensure_load_balancer("k", service, nodes)
        (made,) = cloud.ours()
        (group,) = cloud.groups(made)
        cloud.user(
            "StopLoadBalancerListener",
            LoadBalancerId=made.id,
            ListenerPort=80,
            ListenerProtocol="tcp",
        )
        stranger = next(iter(cloud.core.state.instances.values())).id
        cloud.user(
            "RemoveVServerGroupBackendServers",
            VServerGroupId=group.id,
            BackendServers=msgspec.json.encode(
                [{"ServerId": next(iter(ids(nodes))), "Port": 30080}]
            ).decode(),
        )
        cloud.user(
            "AddVServerGroupBackendServers",
            VServerGroupId=group.id,
            BackendServers=msgspec.json.encode(
                [{"ServerId": stranger, "Port": 1, "Description": "by hand"}]
            ).decode(),
        )
        cloud.clock.sleep(60)
        balancer.ensure_load_balancer("k", service, nodes)
        assert cloud.listeners(made)["tcp:80"].status == "running"
        members = {member.server for member in cloud.groups(made)[0].backends}
        assert members == ids(nodes) | {stranger}
        balancer.update_load_balancer("k", service, nodes[1:])
        members = {member.server for member in cloud.groups(made)[0].backends}
        assert members == ids(nodes[1:]) | {stranger}

    def test_protocols_and_ports(self, cloud):
        nodes, balancer = cloud.nodes(3), cloud.balancer()
        balancer.ensure_load_balancer("k", make_service(80, 81), nodes)
        (made,) = cloud.ours()
        changed = make_service(
            ServicePort(port=80, protocol="UDP", node_port=30080),
            ServicePort(port=82, node_port=30082),
        )
        balancer.ensure_load_balancer("k", changed, nodes)
        assert set(cloud.listeners(made)) == {"udp:80", "tcp:82"}
        assert all(item.status == "running" for item in cloud.listeners(made).values())
        assert {group.name.split("/")[1] for group in cloud.groups(made)} == {"30080", "30082"}
        assert not cloud.writes(lambda: balancer.ensure_load_balancer("k", changed, nodes))

    def test_attributes_in_place(self, cloud):
        nodes, balancer, service = cloud.nodes(1), cloud.balancer(), make_service()
        balancer.ensure_load_balancer("k", service, nodes)
        (made,) = cloud.ours()
        changed = annotated(
            service,
            name="mine",
            delete_protection="off",
            modification_protection="NonProtection",
            scheduler="wrr",
            health_check_interval="7",
            connection_drain="on",
            connection_drain_timeout="30",
            acl_status="on",
            acl_id="acl-1",
            acl_type="white",
            proxy_protocol="on",
            persistence_timeout="60",
        )
        balancer.ensure_load_balancer("k", changed, nodes)
        made = cloud.core.state.load_balancers[made.id]
        assert (made.name, made.delete_protection) == ("mine", "off")
        attributes = cloud.listeners(made)["tcp:80"].attributes
        assert attributes["Scheduler"] == "wrr"
        assert attributes["AclId"] == "acl-1"
        assert not cloud.writes(lambda: balancer.ensure_load_balancer("k", changed, nodes))
        cloud.clock.sleep(100)
        assert not cloud.writes(lambda: cloud.balancer().ensure_load_balancer("k", changed, nodes))

    @pytest.mark.parametrize(
        ("annotations", "kind", "port"),
        [({}, "tcp", None), (HTTP_CHECK, "http", 32123)],
        ids=["nothing-asked-for", "asked-for"],
    )
    def test_with_the_policy_its_health_check_goes(self, cloud, annotations, kind, port):
        local = make_service(external_traffic_policy="Local", health_check_node_port=32123)
        service = make_service(annotations=annotations)
        balancer, nodes = cloud.balancer(), cloud.nodes(2)
        balancer.ensure_load_balancer("k", local, nodes)
        balancer.ensure_load_balancer("k", service, nodes)
        attributes = cloud.listeners(cloud.ours()[0])["tcp:80"].attributes
        assert attributes["HealthCheckType"] == kind
        assert attributes.get("HealthCheckConnectPort") == port
        assert not cloud.writes(lambda: balancer.ensure_load_balancer("k", service, nodes))

    def test_the_specification(self, cloud):
        nodes, balancer = cloud.nodes(1), cloud.balancer()
        service = make_service(annotations={"spec": "slb.s2.small"})
        balancer.ensure_load_balancer("k", service, nodes)
        assert cloud.ours()[0].spec == "slb.s2.small"
        balancer.ensure_load_balancer("k", annotated(service, spec="slb.s3.small"), nodes)
        assert cloud.ours()[0].spec == "slb.s3.small"

    @pytest.mark.parametrize("beside", [False, True], ids=["alone", "beside-another-service"])
    def test_a_second_group_that_came_late_goes_after_an_hour(self, cloud, clock, beside):
        """Beside another, the pass rests on shared answers, and reads twice before it writes."""
        nodes, balancer, service = cloud.nodes(1), cloud.balancer(), make_service()
        other = make_service(443, name="other", uid="99999999-2222-3333-4444-555555555555")
        for one in (service, other):
            balancer.ensure_load_balancer("k", one, nodes)
        made = cloud.ours()[0]
        (group,) = cloud.groups(made)
        cloud.user("CreateVServerGroup", LoadBalancerId=made.id, VServerGroupName=group.name)
        clock.sleep(3700)
        for one in (other, service) if beside else (service,):
            balancer.ensure_load_balancer("k", one, nodes)
        assert [left.id for left in cloud.groups(made)] == [group.id]

    def test_an_update_without_a_load_balancer_says_so(self, cloud):
        with pytest.raises(ResourceNotFound):
            cloud.balancer().update_load_balancer("k", make_service(), cloud.nodes(1))

    def test_an_update_when_the_memory_was_wrong_reads_and_repairs(self, cloud):
        nodes, balancer, service = cloud.nodes(2), cloud.balancer(), make_service(80, 81)
        balancer.ensure_load_balancer("k", service, nodes)
        (made,) = cloud.ours()
        port_80, port_81 = cloud.groups(made)
        cloud.user(
            "DeleteLoadBalancerListener",
            LoadBalancerId=made.id,
            ListenerPort=80,
            ListenerProtocol="tcp",
        )
        cloud.user("DeleteVServerGroup", VServerGroupId=port_80.id)
        more = nodes + cloud.nodes(1, start=9)
        balancer.update_load_balancer("k", service, more)
        (group,) = cloud.groups(made)
        assert group.id == port_81.id
        assert {member.server for member in group.backends} == ids(more)
        balancer.ensure_load_balancer("k", service, more)
        assert len(cloud.groups(made)) == 2

    def test_the_dry_run_changes_nothing_and_tells_what_it_would(self, cloud):
        nodes, balancer, service = cloud.nodes(1), cloud.balancer(), make_service()
        plans: list[str] = []
        assert not cloud.writes(lambda: plans.append(str(balancer.plan(service, nodes).plan)))
        assert "create load balancer" in plans[0]
        balancer.ensure_load_balancer("k", service, nodes)
        assert not balancer.plan(service, nodes).plan


class TestAFullLoadBalancer:
    def test_takes_new_members_in_place_of_old_ones(self, cloud):
        nodes, balancer, service = cloud.nodes(9), cloud.balancer(), make_service()
        balancer.ensure_load_balancer("k", service, nodes[:5])
        cloud.core.settings.quotas.backends_per_load_balancer = 5
        (made,) = cloud.ours()
        for _ in range(2):  # a full replacement leaves one old member until the next pass
            with contextlib.suppress(CloudProviderError):
                balancer.update_load_balancer("k", service, nodes[4:9])
        assert {m.server for m in cloud.groups(made)[0].backends} == ids(nodes[4:9])

    def test_keeps_what_it_has_when_there_is_no_room(self, cloud):
        nodes, balancer, service = cloud.nodes(9), cloud.balancer(), make_service()
        balancer.ensure_load_balancer("k", service, nodes[:5])
        cloud.core.settings.quotas.backends_per_load_balancer = 5
        with pytest.raises(QuotaExceeded, match="InstanceBackendServerNumberOverLimit"):
            balancer.update_load_balancer("k", service, nodes)
        (made,) = cloud.ours()
        assert {m.server for m in cloud.groups(made)[0].backends} == ids(nodes[:5])
