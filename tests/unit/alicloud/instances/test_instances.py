"""Instances behind nodes: bulk calls, absence, look-ups."""

import pytest

from cloudprovider.errors import (
    CloudProviderError,
    InstanceNotFound,
    InvalidConfiguration,
    NotOwned,
    Throttled,
    Unauthorized,
)
from cloudprovider.interface import InstanceState
from cloudprovider.testing.faults import Fault

ALIVE, STOPPED, GONE = (
    InstanceState(exists=True),
    InstanceState(exists=True, shutdown=True),
    InstanceState(exists=False),
)


class TestBulk:
    @pytest.mark.parametrize(
        ("count", "calls"), [(0, 0), (1, 1), (100, 1), (101, 2), (1000, 10), (10_000, 100)]
    )
    def test_a_hundred_nodes_cost_one_call(self, cloud, count, calls):
        def main():
            nodes = [cloud.node(cloud.launch(f"node-{n}")) for n in range(count)]
            for ask in (
                cloud.instances.instance_states_many,
                cloud.instances.instance_metadata_many,
            ):
                cloud.core.journal.clear()
                outcomes = ask(nodes)
                assert len(outcomes) == count
                assert not any(isinstance(item, Exception) for item in outcomes.values())
                assert cloud.calls() == ["DescribeInstances"] * calls

        cloud.run(main)

    def test_states_are_told_apart(self, cloud):
        def main():
            names = ("Running", "Stopped", "Stopping", "Starting", "Pending")
            nodes = {name: cloud.node(cloud.launch(name, status=name)) for name in names}
            outcomes = cloud.instances.instance_states_many(list(nodes.values()))
            assert outcomes == {
                "Running": ALIVE,
                "Stopped": STOPPED,
                "Stopping": ALIVE,
                "Starting": ALIVE,
                "Pending": ALIVE,
            }

        cloud.run(main)

    def test_single_forms_answer_as_the_bulk_ones(self, cloud, node):
        def main():
            alive, stopped = cloud.launch("a"), cloud.launch("b", status="Stopped")
            gone = node("gone", "cn-hangzhou.i-gone")
            instances = cloud.instances
            assert instances.instance_exists(cloud.node(alive))
            assert not instances.instance_shutdown(cloud.node(alive))
            assert instances.instance_exists(cloud.node(stopped))
            assert instances.instance_shutdown(cloud.node(stopped))
            assert not instances.instance_exists(gone)
            assert instances.instance_metadata(cloud.node(alive)).zone == alive.zone
            with pytest.raises(InstanceNotFound):
                instances.instance_metadata(gone)

        cloud.run(main)

    def test_an_error_of_one_call_is_that_of_its_nodes_alone(self, cloud):
        def main():
            nodes = [cloud.node(cloud.launch(f"node-{n}")) for n in range(150)]
            cloud.core.faults.add(
                Fault(kind="error", op="DescribeInstances", nth=2, code="Forbidden.RAM", status=403)
            )
            outcomes = list(cloud.instances.instance_states_many(nodes).values())
            assert outcomes[:100] == [ALIVE] * 100
            assert all(isinstance(item, Unauthorized) for item in outcomes[100:])

        cloud.run(main)

    def test_throttling_is_no_absence(self, cloud):
        def main():
            found = cloud.node(cloud.launch())
            cloud.core.faults.add(Fault(kind="throttle", op="DescribeInstances", times=0))
            [outcome] = cloud.instances.instance_states_many([found]).values()
            assert isinstance(outcome, Throttled)

        cloud.run(main)

    def test_a_sweep_that_finds_nearly_nothing_costs_hardly_more(self, cloud, node):
        def main():
            shown = cloud.launch()
            nodes = [
                node(f"n{n}", f"cn-hangzhou.i-{'gone' if n % 100 else 'x'}{n}")
                for n in range(10_000 - 100)
            ]
            nodes += [cloud.node(cloud.launch(f"alive-{n}")) for n in range(99)]
            nodes.append(cloud.node(shown))
            cloud.core.journal.clear()
            outcomes = cloud.instances.instance_states_many(nodes)
            assert len(outcomes) == 10_000
            described = cloud.calls().count("DescribeInstances")
            assert described <= 1 + 102 + 2  # nothing, all with a witness, and to find one

        cloud.run(main)


class TestAbsence:
    def test_an_id_left_out_beside_others_is_absence_at_no_further_cost(self, cloud, node):
        def main():
            alive = cloud.node(cloud.launch())
            gone = node("gone", "cn-hangzhou.i-gone")
            outcomes = cloud.instances.instance_states_many([alive, gone])
            assert outcomes == {"node-1": ALIVE, "gone": GONE}
            assert len(cloud.calls()) == 1
            assert isinstance(
                cloud.instances.instance_metadata_many([alive, gone])["gone"], InstanceNotFound
            )

        cloud.run(main)

    def test_an_empty_answer_is_confirmed_with_an_instance_seen_before(self, cloud):
        def main():
            first, second = cloud.launch("a"), cloud.launch("b")
            cloud.instances.instance_states_many([cloud.node(first)])
            node = cloud.node(second)
            cloud.terminate(second)
            cloud.core.journal.clear()
            assert cloud.instances.instance_states_many([node]) == {"b": GONE}
            assert len(cloud.calls()) == 2

        cloud.run(main)

    def test_after_a_restart_any_other_instance_confirms_it(self, cloud):
        def main():
            one = cloud.launch()
            node = cloud.node(one)
            cloud.terminate(one)
            assert cloud.connect().instance_states_many([node]) == {"node-1": GONE}
            assert len(cloud.calls()) == 3

        cloud.run(main)

    def test_a_witness_that_is_gone_itself_is_replaced(self, cloud):
        def main():
            first, second = cloud.launch("a"), cloud.launch("b")
            nodes = [cloud.node(first), cloud.node(second)]
            cloud.instances.instance_states_many(nodes)
            cloud.terminate(first)
            cloud.terminate(second)
            assert cloud.instances.instance_states_many(nodes) == {"a": GONE, "b": GONE}

        cloud.run(main)

    @pytest.mark.parametrize("times", [1, 2])
    def test_an_empty_answer_by_mistake_is_no_absence(self, cloud, times):
        def main():
            node = cloud.node(cloud.launch())
            cloud.core.faults.add(Fault(kind="empty", op="DescribeInstances", times=times))
            [outcome] = cloud.connect().instance_states_many([node]).values()
            assert outcome == ALIVE or isinstance(outcome, CloudProviderError)
            assert outcome != GONE

        cloud.run(main)

    def test_an_account_that_shows_nothing_at_all_deletes_nothing(self, cloud):
        """As when the key belongs to another account."""

        def main():
            nodes = [cloud.node(cloud.launch(f"node-{n}")) for n in range(3)]
            cloud.terminate_all()
            for outcome in cloud.instances.instance_states_many(nodes).values():
                assert isinstance(outcome, CloudProviderError)
                assert not isinstance(outcome, InstanceNotFound)
                assert "another account" in str(outcome)

        cloud.run(main)

    def test_an_error_while_confirming_is_no_absence(self, cloud, node):
        def main():
            cloud.core.faults.add(
                Fault(
                    kind="error",
                    op="DescribeInstances",
                    nth=2,
                    times=0,
                    code="Forbidden.RAM",
                    status=403,
                )
            )
            gone = node("gone", "cn-hangzhou.i-gone")
            [outcome] = cloud.instances.instance_states_many([gone]).values()
            assert isinstance(outcome, Unauthorized)

        cloud.run(main)


class TestForeignNodes:
    @pytest.mark.parametrize(
        ("fields", "error"),
        [
            pytest.param({"provider_id": "aws:///a/i-1"}, InvalidConfiguration, id="cloud"),
            pytest.param({"provider_id": "cn-beijing.i-1"}, CloudProviderError, id="region"),
            pytest.param({"provider_id": "ack-hybrid://x"}, NotOwned, id="hybrid"),
            pytest.param({"labels": {"type": "virtual-kubelet"}}, NotOwned, id="virtual"),
            pytest.param(
                {"labels": {"service.alibabacloud.com/exclude-node": "1"}}, NotOwned, id="excluded"
            ),
        ],
    )
    def test_they_are_errors_and_cost_no_call(self, cloud, node, fields, error):
        def main():
            for ask in (
                cloud.instances.instance_states_many,
                cloud.instances.instance_metadata_many,
            ):
                [outcome] = ask([node(**fields)]).values()
                assert type(outcome) is error
            assert cloud.calls() == []

        cloud.run(main)


class TestIdentity:
    """D1: name and providerID are REGION.INSTANCE, or only one of them is set."""

    @pytest.mark.parametrize(
        "form",
        [
            "both",
            "name",
            "old prefix",
            "instance id as name",
            "address as name",
            "address given to kubelet",
            "host name",
        ],
    )
    def test_either_one_finds_the_instance(self, cloud, node, form):
        def main():
            one = cloud.launch("Worker-7")
            text, address = f"cn-hangzhou.{one.id}", one.private_ips[0]
            given = {"alpha.kubernetes.io/provided-node-ip": address}
            found = {
                "both": node(text, text),
                "name": node(text),
                "old prefix": node("any", f"alicloud://{text}"),
                "instance id as name": node(one.id),
                "address as name": node(address),
                "address given to kubelet": node("x", annotations=given),
                "host name": node("worker-7"),
            }[form]
            assert cloud.instances.instance_metadata(found).provider_id == text

        cloud.run(main)

    @pytest.mark.parametrize("name", ["worker", "WORKER.example", "10.250.0.1"])
    def test_an_address_finds_it(self, cloud, node, name):
        def main():
            one = cloud.launch("worker")
            found = node(name, ips=[one.private_ips[0]])
            assert cloud.instances.instance_metadata(found).provider_id.endswith(one.id)
            assert cloud.calls() == ["DescribeInstances"]

        cloud.run(main)

    def test_a_hundred_addresses_are_one_call(self, cloud, node):
        def main():
            launched = [cloud.launch(f"node-{n}") for n in range(150)]
            nodes = [node(one.host_name, ips=one.private_ips) for one in launched]
            outcomes = cloud.instances.instance_metadata_many(nodes)
            assert not any(isinstance(item, Exception) for item in outcomes.values())
            assert len(cloud.calls()) == 2

        cloud.run(main)

    def test_what_is_not_found_is_never_absence_and_says_what_was_tried(self, cloud, node):
        def main():
            cloud.launch("worker")
            outcome = cloud.instances.instance_states_many([node("other", ips=["10.9.9.9"])])
            error = outcome["other"]
            assert isinstance(error, CloudProviderError)
            assert not isinstance(error, InstanceNotFound)
            for part in ("providerID is empty", "10.9.9.9", "name other", "nothing"):
                assert part in str(error)

        cloud.run(main)

    def test_two_that_fit_are_an_error(self, cloud, node):
        def main():
            first, second = cloud.launch("twin"), cloud.launch("twin")
            outcome = cloud.instances.instance_metadata_many([node("twin")])["twin"]
            assert isinstance(outcome, CloudProviderError)
            assert first.id in str(outcome)
            assert second.id in str(outcome)

        cloud.run(main)

    def test_only_the_vpc_and_the_tag_of_the_config_are_searched(self, cloud_with, node):
        cloud = cloud_with(vpc_id="vpc-other", kubernetes_cluster_tag="mine")

        def main():
            one = cloud.launch("worker")
            outcome = cloud.instances.instance_metadata_many([node("worker", ips=one.private_ips)])
            assert "cn-hangzhou/vpc-other with tag mine" in str(outcome["worker"])

        cloud.run(main)

    def test_an_error_of_a_look_up_is_that_of_its_nodes(self, cloud, node):
        def main():
            known = cloud.node(cloud.launch("known"))
            cloud.core.faults.add(
                Fault(kind="error", op="DescribeInstances", nth=2, code="Forbidden", status=403)
            )
            outcomes = cloud.instances.instance_states_many([known, node("new", ips=["10.1.1.1"])])
            assert outcomes["known"] == ALIVE
            assert isinstance(outcomes["new"], Unauthorized)

        cloud.run(main)
