"""What another manager left behind is found and kept."""

from __future__ import annotations

import msgspec
import pytest
from clb_world import CLUSTER, LABEL, NAME, ids, make_service, with_status

from cloudprovider.models import LoadBalancerIngress, LoadBalancerStatus


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
