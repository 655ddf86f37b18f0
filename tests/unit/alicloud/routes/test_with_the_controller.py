"""The provider under the decisions of the route controller, from any table and any nodes."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cloudprovider.interface import Interface
from cloudprovider.testing.builders import make_node
from cloudprovider_alicloud import provider_id
from cloudprovider_controllers.route.decisions import plan, readable
from cloudprovider_controllers.route.demand import demand
from cloudprovider_controllers.route.networks import Ranges

MARKS = ["", "k8s/route/uid/c-mine", "k8s/route/uid/c-other"]
RANGES = Ranges(["172.16.0.0/20"])

#: (third byte, prefix length): inside the cluster's range up to 15, outside beyond.
networks = st.tuples(st.integers(0, 19), st.sampled_from([23, 24, 25])).map(
    lambda pair: f"172.16.{pair[0] // 2 * 2 if pair[1] == 23 else pair[0]}.0/{pair[1]}"
)
instances = st.integers(0, 5)
entries = st.lists(
    st.tuples(networks, instances, st.sampled_from(MARKS)),
    max_size=12,
    unique_by=lambda entry: entry[0],
)
nodes_of = st.dictionaries(instances, networks, max_size=6)


class Owner(Interface):
    """Only what asks whose a node is."""

    def provider_name(self):
        return "alicloud"

    def has_cluster_id(self):
        return True

    def claims_node(self, node):
        return provider_id.claims(node)


def one_pass(cloud, nodes, seen):
    """What the controller does in one pass; its plan."""
    listed, unreadable = readable(cloud.routes.list_routes("kubernetes"))
    assert not unreadable
    wants = demand(nodes, Owner(), cloud.routes)
    made = plan(wants, listed, ranges=RANGES, seen=seen)
    deletions = [item.route for item in (*made.in_the_way, *made.stale)]
    if deletions:
        assert cloud.delete(*deletions) == [None] * len(deletions)
    if made.creates:
        outcomes = cloud.create(*[(item.key.cidr, item.key.target) for item in made.creates])
        assert outcomes == [None] * len(outcomes)
    return made


def foreign(cloud):
    """Entries that nobody of ours may touch: outside the range, or another cluster's."""
    return {
        entry.id: entry
        for entry in cloud.core.state.route_entries.values()
        if entry.description == MARKS[2] or int(entry.cidr.split(".")[2] or 0) > 15
    }


@settings(max_examples=200, deadline=None)
@given(table=entries, podcidrs=nodes_of)
def test_any_table_converges_in_one_pass_and_foreign_entries_stay(cloud_with, table, podcidrs):
    cloud = cloud_with()

    def scene():
        ids = [cloud.launch() for _ in range(6)]
        for cidr, index, mark in table:
            cloud.put(cidr, ids[index], description=mark)
        nodes = [
            make_node(f"n{i}", provider_id=f"cn-hangzhou.{ids[i]}", pod_cidrs=[cidr])
            for i, cidr in podcidrs.items()
        ]
        before = foreign(cloud)
        first = one_pass(cloud, nodes, set())
        assert before.items() <= foreign(cloud).items()
        now = cloud.entries()
        assert all(now[item.key.cidr] == item.key.target for item in first.creates)
        for one in first.satisfied:
            assert now[one.cidr] == ids[int(one.node[1:])]
        cloud.forget()
        second = one_pass(cloud, nodes, set())
        assert cloud.calls() == ["DescribeRouteEntryList"]
        assert not second.actions()
        assert second.refused.keys() == first.refused.keys()
        assert len(second.satisfied) + len(second.refused) == len(nodes)

    cloud.run(scene)


def test_the_older_form_of_the_provider_id_is_the_same_instance(cloud):
    """Upstream deletes and creates such a node's route in every period (spec 12 #7)."""

    def scene():
        one = cloud.launch()
        nodes = [
            make_node("a", provider_id=f"alicloud://cn-hangzhou.{one}", pod_cidrs=["172.16.1.0/24"])
        ]
        one_pass(cloud, nodes, set())
        assert not one_pass(cloud, nodes, set()).actions()

    cloud.run(scene)


@pytest.mark.parametrize(
    ("cidr", "mark", "goes"),
    [
        pytest.param("172.16.1.0/24", "", True, id="a node's range, to another instance"),
        pytest.param("172.16.1.128/25", "", True, id="inside a node's range"),
        pytest.param("172.16.0.0/23", "", False, id="wider than a node's range"),
        pytest.param("172.16.9.0/24", "", False, id="nobody's range, without a mark"),
        pytest.param("172.16.9.0/24", MARKS[1], True, id="nobody's range, marked ours"),
        pytest.param("172.16.9.0/24", MARKS[2], False, id="marked another's"),
        pytest.param("172.16.1.128/25", MARKS[2], False, id="another's inside a node's range"),
        pytest.param("172.17.1.0/24", MARKS[1], False, id="outside the cluster's range"),
    ],
)
def test_the_conflict_rule(cloud, cidr, mark, goes):
    def scene():
        one, other = cloud.launch(), cloud.launch()
        cloud.put(cidr, other, description=mark)
        nodes = [make_node("a", provider_id=f"cn-hangzhou.{one}", pod_cidrs=["172.16.1.0/24"])]
        one_pass(cloud, nodes, set())
        assert (cloud.entries().get(cidr) == other) is not goes
        assert cloud.entries()["172.16.1.0/24"] == one

    cloud.run(scene)


def test_without_a_cluster_id_of_its_own_only_what_was_seen_is_deleted(cloud_with):
    """The default id is that of many clusters: a mark with it proves nothing."""
    cloud = cloud_with(cluster_id="clusterid")

    def scene():
        one = cloud.launch()
        nodes = [make_node("a", provider_id=f"cn-hangzhou.{one}", pod_cidrs=["172.16.1.0/24"])]
        seen = {item.key for item in one_pass(cloud, nodes, set()).creates}
        assert len(one_pass(cloud, [], set()).strangers) == 1
        assert len(one_pass(cloud, [], seen).stale) == 1
        assert cloud.entries() == {}

    cloud.run(scene)
