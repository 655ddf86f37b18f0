"""Load balancers that are deleted, by us or by others."""

from __future__ import annotations

import pytest
from clb_world import LABEL, annotated, make_service, with_labels, with_status

from cloudprovider.errors import CloudProviderError
from cloudprovider.models import LoadBalancerIngress, LoadBalancerStatus
from cloudprovider.testing.faults import Fault
from cloudprovider.toolkit import fence


def wanted_again_after(looks):
    """A premise that holds for so many looks."""
    left = iter(range(looks))

    def check():
        if next(left, None) is None:
            raise fence.Overtaken("wanted again", after=0.1)

    return check


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

    @pytest.mark.parametrize(
        ("annotations", "looks"),
        [({}, [0, 1]), ({"preserve-lb-on-delete": "true"}, [0, 1, 2, 3])],
        ids=["deleted", "preserved"],
    )
    def test_ends_where_it_is_asked_for_again_and_gives_protection_back(
        self, cloud, annotations, looks
    ):
        nodes, service = cloud.nodes(2), make_service(annotations=annotations)
        cloud.balancer().ensure_load_balancer("k", service, nodes)
        (made,) = cloud.ours()
        for passed in looks:
            with fence.resting_on(wanted_again_after(passed)), pytest.raises(fence.Overtaken):
                cloud.balancer().ensure_load_balancer_deleted("k", service)
            (kept,) = cloud.ours()
            protection = (kept.delete_protection, kept.modification_protection)
            assert protection == ("on", "ConsoleProtection")
            cloud.balancer().ensure_load_balancer("k", service, nodes)
            assert [balancer.id for balancer in cloud.ours()] == [made.id]
            assert cloud.listeners(made)["tcp:80"].status == "running"
        passes = wanted_again_after(looks[-1] + 1)
        with fence.resting_on(passes):
            cloud.balancer().ensure_load_balancer_deleted("k", service)
        assert cloud.ours() == []

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
