"""Load balancers that a person made and names on a Service."""

from __future__ import annotations

import pytest
from clb_world import CLUSTER, LABEL, PREFIX, annotated, make_service, with_status

from cloudprovider.errors import InvalidConfiguration, NotOwned


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
