"""Whole passes against the emulator."""

from __future__ import annotations

import contextlib

import msgspec
import pytest
from clb_world import (
    CLUSTER,
    NAME,
    PREFIX,
    annotated,
    ids,
    make_node,
    make_service,
    with_labels,
    with_status,
)

from cloudprovider.errors import (
    CloudProviderError,
    ImplementedElsewhere,
    InvalidConfiguration,
    NotOwned,
    QuotaExceeded,
    ResourceNotFound,
)
from cloudprovider.models import (
    LoadBalancerIngress,
    LoadBalancerStatus,
    ServicePort,
)
from cloudprovider.testing.faults import Fault

LABEL = "service.k8s.alibaba/loadbalancer-id"
HTTP_CHECK = {"health-check-type": "http", "health-check-connect-port": "32123"}


class TestCreating:
    def test_makes_everything_as_upstreams_manager_would(self, cloud):
        nodes, service = cloud.nodes(25), make_service(80)
        status = cloud.balancer().ensure_load_balancer("k", service, nodes)
        (balancer,) = cloud.ours()
        assert status == LoadBalancerStatus(ingress=(LoadBalancerIngress(ip=balancer.address),))
        assert balancer.name == NAME
        assert balancer.tags == {"kubernetes.do.not.delete": NAME, "ack.aliyun.com": CLUSTER}
        assert (balancer.address_type, balancer.delete_protection) == ("internet", "on")
        assert balancer.modification_protection == "ConsoleProtection"
        assert balancer.modification_reason == "managed.by.ack"
        listener = cloud.listeners(balancer)["tcp:80"]
        assert listener.status == "running"
        assert listener.attributes["Description"] == f"k8s/80/web/default/{CLUSTER}"
        assert listener.attributes["Scheduler"] == "rr"
        (group,) = cloud.groups(balancer)
        assert group.name == f"k8s/30080/web/default/{CLUSTER}"
        assert {member.server for member in group.backends} == ids(nodes)
        assert {(m.port, m.weight, m.description) for m in group.backends} == {
            (30080, 100, group.name)
        }

    def test_intranet_in_one_of_our_vswitches(self, cloud):
        service = make_service(annotations={"address-type": "intranet"})
        status = cloud.balancer().ensure_load_balancer("k", service, cloud.nodes(2))
        (balancer,) = cloud.ours()
        assert balancer.address_type == "intranet"
        assert balancer.vswitch in cloud.world.vswitches
        assert status.ingress[0].ip.startswith("10.")

    def test_in_another_vswitch_if_one_is_full(self, cloud):
        state = cloud.core.state
        service = make_service(annotations={"address-type": "intranet"})
        nodes = cloud.nodes(1)
        cloud.balancer().ensure_load_balancer("k", service, nodes)
        full = cloud.ours()[0].vswitch
        state.change(state.vswitches[full], available=0)
        other = make_service(
            name="other", uid=service.metadata.uid + "x", annotations=service.metadata.annotations
        )
        for number in range(8):  # some of them draw the full one
            uid = f"uid-{number}"
            other = msgspec.structs.replace(
                service, metadata=msgspec.structs.replace(service.metadata, uid=uid, name=uid)
            )
            cloud.balancer().ensure_load_balancer("k", other, nodes)
        assert {b.vswitch for b in cloud.ours()} == set(cloud.world.vswitches)
        assert len(cloud.ours()) == 9

    def test_tcp_and_udp_on_one_port(self, cloud):
        ports = [
            ServicePort(port=53, protocol="TCP", node_port=30053),
            ServicePort(port=53, protocol="UDP", node_port=30054),
        ]
        cloud.balancer().ensure_load_balancer("k", make_service(*ports), cloud.nodes(2))
        (balancer,) = cloud.ours()
        assert set(cloud.listeners(balancer)) == {"tcp:53", "udp:53"}
        assert len(cloud.groups(balancer)) == 2

    def test_without_nodes(self, cloud):
        cloud.balancer().ensure_load_balancer("k", make_service(), [])
        (balancer,) = cloud.ours()
        assert cloud.groups(balancer)[0].backends == ()
        assert cloud.listeners(balancer)["tcp:80"].status == "running"

    def test_leaves_a_server_out_that_the_cloud_does_not_know(self, cloud, caplog):
        nodes = cloud.nodes(24)
        broken = [make_node("ghost", "cn-hangzhou.i-ghost"), make_node("odd", "aws:///i-1")]
        cloud.balancer().ensure_load_balancer("k", make_service(), [*nodes, *broken])
        (balancer,) = cloud.ours()
        assert {m.server for m in cloud.groups(balancer)[0].backends} == ids(nodes)
        assert "i-ghost" in caplog.text
        assert "odd" in caplog.text

    def test_halves_batches_that_the_account_refuses(self, cloud):
        cloud.core.settings.limits.backends = 10
        balancer, nodes = cloud.balancer(batch_size=40), cloud.nodes(45)
        balancer.ensure_load_balancer("k", make_service(), nodes)
        (found,) = cloud.ours()
        assert len(cloud.groups(found)[0].backends) == 45
        more = nodes + cloud.nodes(10, start=100)
        calls = cloud.calls(lambda: balancer.update_load_balancer("k", make_service(), more))
        assert calls == ["AddVServerGroupBackendServers"]  # it has learnt

    def test_shows_a_hostname_or_an_elastic_address_on_demand(self, cloud):
        balancer, nodes = cloud.balancer(), cloud.nodes(1)
        named = make_service(annotations={"hostname": "www.example.com"})
        status = balancer.ensure_load_balancer("k", named, nodes)
        assert status.ingress == (LoadBalancerIngress(hostname="www.example.com"),)
        elastic = make_service(annotations={"external-ip-type": "eip"})
        status = balancer.ensure_load_balancer("k", elastic, nodes)
        assert status.ingress[0].ip == cloud.ours()[0].address  # none is bound to it

    def test_unknown_annotations_make_nothing(self, cloud):
        service = make_service(annotations={"adress-type": "intranet"})
        with pytest.raises(InvalidConfiguration, match="address-type"):
            cloud.balancer().ensure_load_balancer("k", service, cloud.nodes(1))
        assert cloud.ours() == []

    @pytest.mark.parametrize(
        "key",
        [
            "service.beta.kubernetes.io/class",
            "service.beta.kubernetes.io/alibaba-cloud-loadbalancer-tunnel-type",
        ],
    )
    def test_a_service_of_another_controller_is_left_to_it(self, cloud, key):
        service = make_service(annotations={key: "x"})
        balancer = cloud.balancer()
        with pytest.raises(ImplementedElsewhere):
            balancer.ensure_load_balancer("k", service, cloud.nodes(1))
        with pytest.raises(ImplementedElsewhere):
            balancer.update_load_balancer("k", service, [])
        assert cloud.ours() == []

    def test_policy_local_lets_the_cloud_ask_every_node(self, cloud):
        service = make_service(external_traffic_policy="Local", health_check_node_port=32123)
        balancer, nodes = cloud.balancer(), cloud.nodes(2)
        balancer.ensure_load_balancer("k", service, nodes)
        attributes = cloud.listeners(cloud.ours()[0])["tcp:80"].attributes
        assert attributes["HealthCheckType"] == "http"
        assert attributes["HealthCheckConnectPort"] == 32123
        assert attributes["HealthCheckURI"] == "/healthz"
        assert not cloud.writes(lambda: balancer.ensure_load_balancer("k", service, nodes))

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


def go_made(cloud, nodes, *, port: int = 80, scheduler: str = "rr", tags=None) -> str:
    """What upstream's manager leaves behind for Service default/web; the id of the balancer."""
    balancer = cloud.user_balancer(
        LoadBalancerName=NAME,
        DeleteProtection="on",
        **{
            f"Tag.{n}.{part}": text
            for n, pair in enumerate(
                (tags or {"kubernetes.do.not.delete": NAME, "ack.aliyun.com": CLUSTER}).items(), 1
            )
            for part, text in zip(("Key", "Value"), pair, strict=True)
        },
    )
    name = f"k8s/{30000 + port}/web/default/{CLUSTER}"
    servers = [
        {
            "serverId": server,
            "port": 30000 + port,
            "weight": 100,
            "type": "ecs",
            "description": name,
        }
        for server in sorted(ids(nodes))
    ]
    group = cloud.user(
        "CreateVServerGroup",
        LoadBalancerId=balancer,
        VServerGroupName=name,
        BackendServers=msgspec.json.encode(servers).decode(),
    )["VServerGroupId"]
    cloud.user(
        "CreateLoadBalancerTCPListener",
        LoadBalancerId=balancer,
        ListenerPort=port,
        VServerGroupId=group,
        Description=f"k8s/{port}/web/default/{CLUSTER}",
        Scheduler=scheduler,
        Bandwidth=-1,
    )
    cloud.user(
        "StartLoadBalancerListener",
        LoadBalancerId=balancer,
        ListenerPort=port,
        ListenerProtocol="tcp",
    )
    return balancer


class TestTakingOver:
    @pytest.mark.parametrize("labelled", [False, True])
    def test_finds_everything_and_changes_nothing(self, cloud, labelled):
        nodes = cloud.nodes(3)
        made = go_made(cloud, nodes, scheduler="wlc")
        address = cloud.core.state.load_balancers[made].address
        service = make_service(labels={LABEL: made} if labelled else {})
        service = with_status(
            service, LoadBalancerStatus(ingress=(LoadBalancerIngress(ip=address),))
        )
        balancer = cloud.balancer()
        assert balancer.get_load_balancer("k", service) == service.status.load_balancer
        found = []
        writes = cloud.writes(
            lambda: found.append(balancer.ensure_load_balancer("k", service, nodes))
        )
        assert writes == []
        assert found == [service.status.load_balancer]

    def test_finds_what_an_old_manager_made_without_the_clusters_tag(self, cloud):
        nodes = cloud.nodes(2)
        made = go_made(cloud, nodes, tags={"kubernetes.do.not.delete": NAME})
        address = cloud.core.state.load_balancers[made].address
        service = with_status(
            make_service(), LoadBalancerStatus(ingress=(LoadBalancerIngress(ip=address),))
        )
        writes = cloud.writes(lambda: cloud.balancer().ensure_load_balancer("k", service, nodes))
        assert writes == ["TagResources"]  # so that it is found among the cluster's from now on
        assert [b.id for b in cloud.ours()] == [made]

    def test_finds_what_lost_its_tags_by_its_name(self, cloud):
        nodes, balancer = cloud.nodes(2), cloud.balancer()
        status = balancer.ensure_load_balancer("k", make_service(), nodes)
        (made,) = cloud.ours()
        cloud.user(
            "UntagResources",
            ResourceType="instance",
            ResourceId=[made.id],
            TagKey=["kubernetes.do.not.delete", "ack.aliyun.com"],
        )
        cloud.balancer().ensure_load_balancer("k", with_status(make_service(), status), nodes)
        assert [b.id for b in cloud.ours()] == [made.id]

    def test_an_ipv6_one_without_its_annotation_is_no_error(self, cloud):
        nodes = cloud.nodes(1)
        made = go_made(cloud, nodes)
        state = cloud.core.state
        state.change(state.load_balancers[made], ip_version="ipv6")
        assert not cloud.writes(
            lambda: cloud.balancer().ensure_load_balancer("k", make_service(), nodes)
        )


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

    def test_the_specification(self, cloud):
        nodes, balancer = cloud.nodes(1), cloud.balancer()
        service = make_service(annotations={"spec": "slb.s2.small"})
        balancer.ensure_load_balancer("k", service, nodes)
        assert cloud.ours()[0].spec == "slb.s2.small"
        balancer.ensure_load_balancer("k", annotated(service, spec="slb.s3.small"), nodes)
        assert cloud.ours()[0].spec == "slb.s3.small"

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


class TestGoneOutside:
    def test_one_whose_id_is_known_is_made_again(self, cloud):
        nodes, balancer, service = cloud.nodes(2), cloud.balancer(), make_service()
        status = balancer.ensure_load_balancer("k", service, nodes)
        (made,) = cloud.ours()
        service = with_labels(with_status(service, status), {LABEL: made.id})
        cloud.user(
            "SetLoadBalancerDeleteProtection", LoadBalancerId=made.id, DeleteProtection="off"
        )
        cloud.user("DeleteLoadBalancer", LoadBalancerId=made.id)
        again = cloud.balancer().ensure_load_balancer("k", service, nodes)
        (new,) = cloud.ours()
        assert new.id != made.id
        assert again.ingress[0].ip == new.address
        assert cloud.listeners(new)["tcp:80"].status == "running"

    def test_one_whose_id_is_not_known_is_not_replaced(self, cloud):
        service = with_status(
            make_service(), LoadBalancerStatus(ingress=(LoadBalancerIngress(ip="1.2.3.4"),))
        )
        with pytest.raises(CloudProviderError, match="can not find loadbalancer"):
            cloud.balancer().ensure_load_balancer("k", service, cloud.nodes(1))
        assert cloud.ours() == []

    def test_a_token_that_outlived_its_load_balancer_is_not_used_again(self, cloud):
        nodes, service = cloud.nodes(2), make_service()
        cloud.balancer().ensure_load_balancer("k", service, nodes)
        cloud.balancer().ensure_load_balancer_deleted("k", service)
        assert cloud.ours() == []
        status = cloud.balancer().ensure_load_balancer("k", service, nodes)  # a new process
        (made,) = cloud.ours()
        assert status.ingress[0].ip == made.address
        assert cloud.listeners(made)["tcp:80"].status == "running"
        assert cloud.recorded[-1] == ("default/web", {LABEL: made.id})


class TestReusing:
    def test_with_override_shares_one_among_services_and_leaves_the_users_parts(self, cloud):
        nodes, balancer = cloud.nodes(2), cloud.balancer()
        mine = cloud.user_balancer()
        foreign = cloud.foreign()
        settings = {"id": mine, "force-override-listeners": "true"}
        first = make_service(80, annotations=settings)
        second = make_service(81, name="second", uid="uid-2", annotations=settings)
        for service in (first, second):
            status = balancer.ensure_load_balancer("k", service, nodes)
            assert status.ingress[0].ip == cloud.core.state.load_balancers[mine].address
        found = cloud.core.state.load_balancers[mine]
        assert found.tags == {"kubernetes.reused.by.user": "true"}
        assert found.name == "mine"
        assert set(cloud.listeners(found)) == {"tcp:80", "tcp:81"}
        balancer.ensure_load_balancer_deleted("k", first)
        assert set(cloud.listeners(found)) == {"tcp:81"}
        assert len(cloud.groups(found)) == 1
        balancer.ensure_load_balancer_deleted("k", second)
        assert cloud.listeners(found) == {}
        assert cloud.groups(found) == []
        assert mine in cloud.core.state.load_balancers
        assert cloud.foreign() == foreign

    def test_a_port_that_another_service_holds_is_refused_with_its_name(self, cloud):
        nodes, balancer = cloud.nodes(2), cloud.balancer()
        settings = {"id": cloud.user_balancer(), "force-override-listeners": "true"}
        balancer.ensure_load_balancer("k", make_service(80, annotations=settings), nodes)
        second = make_service(80, name="second", uid="uid-2", annotations=settings)
        cloud.clock.sleep(100)
        with pytest.raises(NotOwned, match="default/web") as caught:
            balancer.ensure_load_balancer("k", second, nodes)
        assert "tcp:80" in str(caught.value)
        listener = cloud.listeners(cloud.core.state.load_balancers[settings["id"]])["tcp:80"]
        assert listener.attributes["Description"] == f"k8s/80/web/default/{CLUSTER}"

    def test_without_override_only_server_groups_are_made(self, cloud):
        nodes, balancer = cloud.nodes(2), cloud.balancer()
        mine = cloud.user_balancer()
        service = make_service(annotations={"id": mine})
        balancer.ensure_load_balancer("k", service, nodes)
        found = cloud.core.state.load_balancers[mine]
        assert cloud.listeners(found) == {}
        (group,) = cloud.groups(found)
        cloud.user(
            "CreateLoadBalancerTCPListener",
            LoadBalancerId=mine,
            ListenerPort=80,
            VServerGroupId=group.id,
            Description="by hand",
            Bandwidth=-1,
        )
        cloud.clock.sleep(100)
        assert not cloud.writes(lambda: balancer.ensure_load_balancer("k", service, nodes))
        with pytest.raises(NotOwned, match="tcp:80"):
            balancer.ensure_load_balancer_deleted("k", service)
        cloud.user(
            "DeleteLoadBalancerListener",
            LoadBalancerId=mine,
            ListenerPort=80,
            ListenerProtocol="tcp",
        )
        balancer.ensure_load_balancer_deleted("k", service)
        assert cloud.groups(found) == []

    def test_of_one_that_a_manager_made_is_refused(self, cloud):
        nodes, balancer = cloud.nodes(1), cloud.balancer()
        balancer.ensure_load_balancer("k", make_service(), nodes)
        (made,) = cloud.ours()
        for taken in (made.id, cloud.world.foreign[1]):
            service = make_service(name="second", uid="uid-2", annotations={"id": taken})
            with pytest.raises(NotOwned, match="created by kubernetes") as caught:
                balancer.ensure_load_balancer("k", service, nodes)
            owner = cloud.core.state.load_balancers[taken].tags
            assert f"{PREFIX}id={taken!r}: " in str(caught.value)
            assert f"It belongs to cluster {owner['ack.aliyun.com']} (tag " in str(caught.value)
            assert owner["kubernetes.do.not.delete"] in str(caught.value)

    def test_of_the_services_own_is_refused_as_not_needed(self, cloud):
        nodes, balancer, service = cloud.nodes(1), cloud.balancer(), make_service()
        balancer.ensure_load_balancer("k", service, nodes)
        (made,) = cloud.ours()
        with pytest.raises(NotOwned, match="This Service has it already"):
            balancer.ensure_load_balancer("k", annotated(service, id=made.id), nodes)

    def test_of_one_that_does_not_exist_is_refused(self, cloud):
        service = make_service(annotations={"id": "lb-nowhere"})
        nodes, balancer, texts = cloud.nodes(1), cloud.balancer(), set()
        for _ in range(3):
            with pytest.raises(InvalidConfiguration, match="no such load balancer") as caught:
                balancer.ensure_load_balancer("k", service, nodes)
            assert caught.value.code == "InvalidLoadBalancerId.NotFound"
            texts.add(caught.value.message)
        assert len(texts) == 1  # so that there is one event

    def test_of_one_that_is_made_later_works_then(self, cloud):
        """A person may write the id a moment before the cloud shows what it names."""
        nodes, balancer = cloud.nodes(1), cloud.balancer()
        mine = cloud.core.state.load_balancers[cloud.user_balancer()]
        service = make_service(annotations={"id": mine.id})
        cloud.core.state.remove(mine)
        with pytest.raises(InvalidConfiguration, match="no such load balancer"):
            balancer.ensure_load_balancer("k", service, nodes)
        cloud.core.state.put(mine)
        status = balancer.ensure_load_balancer("k", service, nodes)
        assert status.ingress[0].ip == mine.address

    def test_by_a_service_that_has_another_address_is_refused(self, cloud):
        nodes, balancer, service = cloud.nodes(1), cloud.balancer(), make_service()
        status = balancer.ensure_load_balancer("k", service, nodes)
        moved = annotated(with_status(service, status), id=cloud.user_balancer())
        with pytest.raises(InvalidConfiguration, match="has been associated with ip"):
            balancer.ensure_load_balancer("k", moved, nodes)

    def test_that_ends_by_taking_the_annotation_away_is_refused_and_deletion_cleans_up(self, cloud):
        nodes, balancer = cloud.nodes(1), cloud.balancer()
        mine = cloud.user_balancer()
        settings = {"id": mine, "force-override-listeners": "true"}
        service = make_service(annotations=settings)
        status = balancer.ensure_load_balancer("k", service, nodes)
        bare = make_service(labels={LABEL: mine})
        fresh = cloud.balancer()
        with pytest.raises(NotOwned, match="neither its tags nor its name"):
            fresh.ensure_load_balancer("k", with_status(bare, status), nodes)
        fresh.ensure_load_balancer_deleted("k", bare)
        found = cloud.core.state.load_balancers[mine]
        assert cloud.listeners(found) == {}
        assert cloud.groups(found) == []


class TestDeleting:
    def test_works_by_the_recorded_id_when_tags_are_lost(self, cloud):
        nodes, service = cloud.nodes(1), make_service()
        cloud.balancer().ensure_load_balancer("k", service, nodes)
        (made,) = cloud.ours()
        keys = ["kubernetes.do.not.delete", "ack.aliyun.com"]
        cloud.user("UntagResources", ResourceType="instance", ResourceId=[made.id], TagKey=keys)
        cloud.balancer().ensure_load_balancer_deleted("k", with_labels(service, {LABEL: made.id}))
        assert made.id not in cloud.core.state.load_balancers

    def test_by_an_id_that_is_somebody_elses_touches_nothing(self, cloud):
        foreign = cloud.foreign()
        for taken in cloud.world.foreign:
            service = make_service(labels={LABEL: taken})
            cloud.balancer().ensure_load_balancer_deleted("k", service)
            assert cloud.foreign() == foreign

    def test_can_keep_the_load_balancer(self, cloud):
        nodes, balancer = cloud.nodes(1), cloud.balancer()
        service = make_service(annotations={"preserve-lb-on-delete": "true"})
        balancer.ensure_load_balancer("k", service, nodes)
        (made,) = cloud.ours()
        balancer.ensure_load_balancer_deleted("k", service)
        kept = cloud.core.state.load_balancers[made.id]
        assert kept.tags == {}
        assert (kept.delete_protection, kept.modification_protection) == ("off", "NonProtection")
        assert cloud.listeners(kept) == {}
        assert cloud.groups(kept) == []

    def test_takes_the_label_away_from_a_service_that_lives_on(self, cloud):
        nodes, balancer, service = cloud.nodes(1), cloud.balancer(), make_service()
        balancer.ensure_load_balancer("k", service, nodes)
        labelled = with_labels(service, {LABEL: cloud.ours()[0].id})
        balancer.ensure_load_balancer_deleted("k", labelled)
        assert cloud.recorded[-1] == ("default/web", {LABEL: None})

    def test_is_possible_with_annotations_that_are_wrong(self, cloud):
        nodes, balancer, service = cloud.nodes(1), cloud.balancer(), make_service()
        balancer.ensure_load_balancer("k", service, nodes)
        wrong = annotated(service, spec="large", nonsense="1")
        assert balancer.get_load_balancer("k", wrong) is not None
        balancer.ensure_load_balancer_deleted("k", wrong)
        assert cloud.ours() == []

    def test_of_nothing_is_no_error_and_repeats(self, cloud):
        balancer = cloud.balancer()
        for _ in range(2):
            balancer.ensure_load_balancer_deleted("k", make_service())
            assert balancer.get_load_balancer("k", make_service()) is None

    def test_an_empty_list_is_no_proof_that_nothing_is_there(self, cloud):
        nodes, service = cloud.nodes(1), make_service()
        cloud.balancer().ensure_load_balancer("k", service, nodes)
        (made,) = cloud.ours()
        for labels in ({}, {LABEL: made.id}):
            cloud.core.faults.clear()
            cloud.core.faults.add(Fault(kind="empty", api="slb", op="DescribeLoadBalancers"))
            known = with_labels(service, labels)
            assert cloud.balancer().get_load_balancer("k", known) is not None
        cloud.core.faults.clear()
        cloud.core.faults.add(Fault(kind="empty", api="slb", op="DescribeLoadBalancers"))
        cloud.balancer().ensure_load_balancer_deleted("k", service)
        assert cloud.ours() == []


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
