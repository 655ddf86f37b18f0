"""Load balancers that are made anew, by whole passes against the emulator."""

from __future__ import annotations

import msgspec
import pytest
from clb_world import CLUSTER, NAME, ids, make_node, make_service

from cloudprovider.errors import ImplementedElsewhere, InvalidConfiguration
from cloudprovider.models import LoadBalancerIngress, LoadBalancerStatus, ServicePort


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
