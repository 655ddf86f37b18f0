"""What each operation costs, counted on the emulator's journal (design.md 10)."""

from __future__ import annotations

import math

import pytest
from clb_world import make_service

from cloudprovider.errors import CloudProviderError
from cloudprovider.models import ServicePort

READS = {
    "DescribeLoadBalancers",
    "DescribeLoadBalancerAttribute",
    "DescribeLoadBalancerListeners",
    "DescribeVServerGroups",
    "DescribeVServerGroupAttribute",
}


class TestCreating:
    @pytest.mark.parametrize("count", [1, 20, 21, 100])
    def test_costs_four_calls_and_one_per_batch(self, cloud, count):
        nodes, balancer = cloud.nodes(count), cloud.balancer()
        calls = cloud.calls(lambda: balancer.ensure_load_balancer("k", make_service(), nodes))
        assert len(calls) == 4 + math.ceil(count / 20)
        assert calls.count("CreateLoadBalancer") == 1

    def test_larger_batches_cost_fewer_calls(self, cloud):
        cloud.core.settings.limits.backends = 40
        nodes, balancer = cloud.nodes(100), cloud.balancer(batch_size=40)
        calls = cloud.calls(lambda: balancer.ensure_load_balancer("k", make_service(), nodes))
        assert len(calls) == 4 + 3

    def test_many_services_share_one_look_for_what_is_there(self, cloud):
        nodes, balancer = cloud.nodes(2), cloud.balancer()

        def create() -> None:
            for number in range(20):
                service = make_service(name=f"s{number}", uid=f"uid-{number}")
                balancer.ensure_load_balancer("k", service, nodes)

        assert cloud.calls(create).count("DescribeLoadBalancers") == 1
        assert len(cloud.ours()) == 20


class TestASecondPass:
    def test_writes_nothing_and_reads_three_times(self, cloud):
        nodes, balancer, service = cloud.nodes(30), cloud.balancer(), make_service()
        balancer.ensure_load_balancer("k", service, nodes)
        for wait in (0, 10, 1000):
            cloud.clock.sleep(wait)
            calls = cloud.calls(lambda: balancer.ensure_load_balancer("k", service, nodes))
            assert len(calls) <= 3
            assert set(calls) <= READS

    def test_of_many_services_reads_by_pages(self, cloud):
        nodes, balancer, services = cloud.nodes(2), cloud.balancer(), _services(60)
        for service in services:
            balancer.ensure_load_balancer("k", service, nodes)
        cloud.clock.sleep(1000)
        calls = cloud.calls(
            lambda: [balancer.ensure_load_balancer("k", service, nodes) for service in services]
        )
        assert calls.count("DescribeLoadBalancers") == 1
        assert calls.count("DescribeLoadBalancerListeners") == 6
        assert calls.count("DescribeVServerGroupAttribute") == 60
        assert len(calls) == 67

    def test_after_a_restart_writes_nothing_and_reads_by_pages(self, cloud):
        nodes, services = cloud.nodes(2), _services(60)
        before = cloud.balancer()
        for service in services:
            before.ensure_load_balancer("k", service, nodes)
        after = cloud.balancer()
        calls = cloud.calls(
            lambda: [after.ensure_load_balancer("k", service, nodes) for service in services]
        )
        assert set(calls) <= READS
        assert len(calls) == 1 + 6 + 60 + 60

    def test_of_one_service_in_a_large_cluster_does_not_read_every_page(self, cloud):
        nodes, balancer, services = cloud.nodes(1), cloud.balancer(), _services(250)
        for service in services:
            balancer.ensure_load_balancer("k", service, nodes)
        cloud.clock.sleep(1000)
        calls = cloud.calls(
            lambda: [balancer.ensure_load_balancer("k", service, nodes) for service in services]
        )
        assert calls.count("DescribeLoadBalancers") == 3  # pages
        for service in services[:5]:
            cloud.clock.sleep(1000)
            calls = cloud.calls(lambda s=service: balancer.ensure_load_balancer("k", s, nodes))
            assert calls.count("DescribeLoadBalancers") == 1


class TestANodeThatJoins:
    def test_costs_one_write_per_group_and_nothing_else(self, cloud):
        nodes, balancer, service = cloud.nodes(30), cloud.balancer(), make_service(80, 443)
        balancer.ensure_load_balancer("k", service, nodes)
        more = nodes + cloud.nodes(1, start=100)
        calls = cloud.calls(lambda: balancer.update_load_balancer("k", service, more))
        assert calls == ["AddVServerGroupBackendServers"] * 2

    def test_together_with_others_costs_no_more(self, cloud):
        nodes, balancer, service = cloud.nodes(5), cloud.balancer(), make_service()
        balancer.ensure_load_balancer("k", service, nodes)
        more = nodes + cloud.nodes(15, start=100)
        calls = cloud.calls(lambda: balancer.update_load_balancer("k", service, more))
        assert calls == ["AddVServerGroupBackendServers"]

    def test_long_after_the_last_look_costs_one_read_more(self, cloud):
        nodes, balancer, service = cloud.nodes(5), cloud.balancer(), make_service()
        balancer.ensure_load_balancer("k", service, nodes)
        cloud.clock.sleep(1000)
        more = nodes + cloud.nodes(1, start=100)
        calls = cloud.calls(lambda: balancer.update_load_balancer("k", service, more))
        assert calls == ["DescribeVServerGroupAttribute", "AddVServerGroupBackendServers"]

    def test_right_after_a_restart_costs_three_reads_more(self, cloud):
        nodes, service = cloud.nodes(5), make_service()
        cloud.balancer().ensure_load_balancer("k", service, nodes)
        balancer, more = cloud.balancer(), nodes + cloud.nodes(1, start=100)
        calls = cloud.calls(lambda: balancer.update_load_balancer("k", service, more))
        assert len(calls) == 4
        assert calls[-1] == "AddVServerGroupBackendServers"

    def test_that_is_no_backend_costs_nothing(self, cloud):
        nodes, balancer, service = cloud.nodes(5), cloud.balancer(), make_service()
        balancer.ensure_load_balancer("k", service, nodes)
        assert cloud.calls(lambda: balancer.update_load_balancer("k", service, nodes)) == []


class TestOtherChanges:
    def test_a_node_that_leaves_costs_one_write(self, cloud):
        nodes, balancer, service = cloud.nodes(5), cloud.balancer(), make_service()
        balancer.ensure_load_balancer("k", service, nodes)
        calls = cloud.calls(lambda: balancer.update_load_balancer("k", service, nodes[1:]))
        assert calls == ["RemoveVServerGroupBackendServers"]

    def test_a_port_that_is_added_costs_three_writes(self, cloud):
        nodes, balancer = cloud.nodes(5), cloud.balancer()
        balancer.ensure_load_balancer("k", make_service(80), nodes)
        cloud.clock.sleep(1000)
        writes = cloud.writes(
            lambda: balancer.ensure_load_balancer("k", make_service(80, 81), nodes)
        )
        assert writes == [
            "CreateVServerGroup",
            "CreateLoadBalancerTCPListener",
            "StartLoadBalancerListener",
        ]

    def test_a_new_node_port_moves_the_listener_in_place(self, cloud):
        nodes, balancer = cloud.nodes(5), cloud.balancer()
        balancer.ensure_load_balancer("k", make_service(80), nodes)
        moved = make_service(ServicePort(port=80, node_port=31999))
        writes = cloud.writes(lambda: balancer.ensure_load_balancer("k", moved, nodes))
        assert writes == [
            "CreateVServerGroup",
            "SetLoadBalancerTCPListenerAttribute",
            "DeleteVServerGroup",
        ]


class TestDeleting:
    def test_costs_four_calls_with_the_question_before_it(self, cloud):
        nodes, balancer, service = cloud.nodes(5), cloud.balancer(), make_service()
        balancer.ensure_load_balancer("k", service, nodes)
        cloud.clock.sleep(1000)

        def delete() -> None:
            assert balancer.get_load_balancer("k", service) is not None
            balancer.ensure_load_balancer_deleted("k", service)

        calls = cloud.calls(delete)
        assert len(calls) <= 4
        assert calls[-2:] == ["SetLoadBalancerDeleteProtection", "DeleteLoadBalancer"]
        assert cloud.ours() == []

    def test_of_a_service_that_never_had_one_reads_only(self, cloud):
        balancer, service = cloud.balancer(), make_service()
        calls = cloud.calls(lambda: balancer.ensure_load_balancer_deleted("k", service))
        assert set(calls) <= READS
        assert len(calls) <= 3


class TestRecording:
    def test_the_id_is_written_once(self, cloud):
        nodes, balancer, service = cloud.nodes(2), cloud.balancer(), make_service()
        for _ in range(3):
            balancer.ensure_load_balancer("k", service, nodes)
        (found,) = cloud.ours()
        label = {"service.k8s.alibaba/loadbalancer-id": found.id}
        assert cloud.recorded == [("default/web", label)]

    def test_nothing_is_written_where_the_label_stands(self, cloud):
        nodes, service = cloud.nodes(2), make_service()
        cloud.balancer().ensure_load_balancer("k", service, nodes)
        (found,) = cloud.ours()
        cloud.recorded.clear()
        labelled = make_service(labels={"service.k8s.alibaba/loadbalancer-id": found.id})
        cloud.balancer().ensure_load_balancer("k", labelled, nodes)
        assert cloud.recorded == []

    def test_it_is_written_before_anything_else_is_made(self, cloud):
        seen: list[int] = []
        balancer, service = cloud.balancer(), make_service()
        balancer.set_recorder(lambda *_: seen.append(len(cloud.core.state.vserver_groups)))
        before = len(cloud.core.state.vserver_groups)
        balancer.ensure_load_balancer("k", service, cloud.nodes(1))
        assert seen == [before]

    def test_a_pass_whose_id_could_not_be_written_does_everything_else_and_is_not_done(self, cloud):
        asked: list[str] = []

        def broken(service, labels) -> None:
            asked.append(service.key)
            raise OSError("no connection")

        balancer, service, nodes = cloud.balancer(), make_service(), cloud.nodes(1)
        balancer.set_recorder(broken)
        for _ in range(2):
            with pytest.raises(CloudProviderError, match="OSError"):
                balancer.ensure_load_balancer("k", service, nodes)
        assert cloud.listeners(cloud.ours()[0])["tcp:80"].status == "running"
        balancer.set_recorder(lambda service, labels: asked.append("well"))
        balancer.ensure_load_balancer("k", service, nodes)
        balancer.ensure_load_balancer("k", service, nodes)
        assert asked == ["default/web"] * 3 + ["well"]


def _services(count: int):
    return [make_service(name=f"s{number}", uid=f"uid-{number:04d}") for number in range(count)]
