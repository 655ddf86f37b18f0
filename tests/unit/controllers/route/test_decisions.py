"""Nodes and routes in, deletions and creations out: tables without I/O.

The cases of upstream's TestReconcile (``spec/ccm-core.md`` 5.4) are among them, with exact
expectations for what is satisfied, which upstream's assertions never reach.
"""

import dataclasses
import datetime
import ipaddress

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cloudprovider.testing.builders import make_addresses, make_node
from cloudprovider.testing.fake import FakeCloud
from cloudprovider_controllers.route.decisions import readable

A1, A2, B1, B2 = "10.244.1.0/24", "10.244.2.0/24", "fd00:244:0:1::/64", "fd00:244:0:2::/64"
OLD = make_addresses(("InternalIP", "10.0.0.1"))
NEW = make_addresses(("InternalIP", "10.0.0.9"))


def nodes_of(spec):
    """``{"node-1": [cidr, …]}`` as nodes."""
    return [make_node(name, pod_cidrs=cidrs) for name, cidrs in spec.items()]


SINGLE = {"node-1": [A1], "node-2": [A2]}
DUAL = {"node-1": [A1, B1], "node-2": [A2, B2]}


@pytest.mark.parametrize(
    ("nodes", "there", "deleted", "created"),
    [
        pytest.param(SINGLE, [], [], [(A1, 1), (A2, 2)], id="none there"),
        pytest.param(SINGLE, [(A1, 1), (A2, 2)], [], [], id="all there"),
        pytest.param(SINGLE, [(A1, 1)], [], [(A2, 2)], id="one there"),
        pytest.param(
            SINGLE, [(A1, 1), (A2, 2), ("10.244.3.0/24", 1), ("10.244.4.0/24", 2)],
            [("10.244.3.0/24", 1), ("10.244.4.0/24", 2)], [], id="too many",
        ),
        pytest.param(
            SINGLE, [(A1, 1), ("10.244.3.0/24", 2)], [("10.244.3.0/24", 2)], [(A2, 2)],
            id="one wrong",
        ),
        pytest.param(
            {"node-1": [A1], "node-2": []}, [(A1, 1)], [], [], id="one node without a range"
        ),
        pytest.param(SINGLE, [(A1, 2), (A2, 1)], [(A1, 2), (A2, 1)], [(A1, 1), (A2, 2)],
                     id="wrong targets"),
        pytest.param({"node-1": [A1, A1]}, [], [], [(A1, 1)], id="a node names its range twice"),
        pytest.param(DUAL, [], [], [(A1, 1), (B1, 1), (A2, 2), (B2, 2)], id="dual, none there"),
        pytest.param(DUAL, [(A1, 1), (B1, 1), (A2, 2), (B2, 2)], [], [], id="dual, all there"),
        pytest.param(DUAL, [(A1, 1), (B2, 2)], [], [(B1, 1), (A2, 2)], id="dual, some there"),
        pytest.param(
            DUAL, [(A1, 1), (B1, 1), (A2, 2), (B2, 2), ("10.244.3.0/24", 1)],
            [("10.244.3.0/24", 1)], [], id="dual, too many",
        ),
        pytest.param(
            DUAL, [(A1, 2), (B1, 2), (A2, 1), (B2, 1)],
            [(A1, 2), (B1, 2), (A2, 1), (B2, 1)], [(A1, 1), (B1, 1), (A2, 2), (B2, 2)],
            id="dual, wrong targets",
        ),
        pytest.param({}, [(A1, 1)], [(A1, 1)], [], id="the node is gone"),
        pytest.param({"node-1": []}, [(A1, 1)], [(A1, 1)], [], id="the range is gone"),
        pytest.param(SINGLE, [("10.244.1.1/24", 1), (A2, 2)], [], [], id="another spelling"),
        pytest.param(DUAL | {"node-2": []}, [(A1, 1), ("FD00:0244:0:1:0::/64", 1)], [], [],
                     id="another spelling of IPv6"),
        pytest.param({}, [("10.245.1.0/24", 1)], [], [], id="outside the range"),
        pytest.param({}, [("10.244.0.0/15", 1)], [], [], id="wider than the range"),
    ],
)  # fmt: skip
def test_what_is_deleted_and_created(diff, route, nodes, there, deleted, created):
    listed = [route(cidr, f"node-{number}") for cidr, number in there]
    found = diff(nodes_of(nodes), listed)
    assert found.deleted == {f"{cidr} to node-{number}" for cidr, number in deleted}
    assert sorted(found.created) == sorted(f"{cidr} to node-{number}" for cidr, number in created)
    wanted = {f"{cidr} to {name}" for name, cidrs in nodes.items() for cidr in cidrs}
    assert found.satisfied == wanted - set(found.created)
    assert found.refused == {}


@pytest.mark.parametrize(
    ("before", "opted_in", "replaced"),
    [
        pytest.param((), True, True, id="no addresses"),
        pytest.param(OLD, True, True, id="other addresses"),
        pytest.param(NEW, True, False, id="the same"),
        pytest.param((*OLD, *NEW), True, True, id="one too many"),
        pytest.param(OLD, False, False, id="the provider does not care"),
    ],
)
def test_addresses_count_where_the_provider_says_so(diff, route, before, opted_in, replaced):
    node = make_node("node-1", pod_cidrs=[A1], addresses=[("InternalIP", "10.0.0.9")])
    there = route(A1, "node-1", target_node_addresses=before, enable_node_addresses=opted_in)
    found = diff([node], [there])
    assert bool(found.deleted) is bool(found.created) is replaced
    if replaced:
        assert found.plan.creates[0].route.target_node_addresses == NEW


class TestBlackholes:
    def test_one_in_the_range_is_deleted(self, diff, node, route):
        found = diff([node("node-1", A1)], [route(A1, "node-1"), route(A2, blackhole=True)])
        assert found.deleted == {f"{A2} to (unknown)"}

    def test_one_outside_the_range_is_kept(self, diff, node, route):
        found = diff([node("node-1", A1)], [route("10.1.0.0/24", blackhole=True)])
        assert found.deleted == set()

    def test_one_that_names_its_node_is_replaced_in_the_same_pass(self, diff, node, route):
        found = diff([node("node-1", A1)], [route(A1, "node-1", blackhole=True)])
        assert (found.deleted, found.created) == ({f"{A1} to node-1"}, [f"{A1} to node-1"])
        assert found.stale == set()

    @pytest.mark.parametrize("owned", [None, False], ids=["unmarked", "another's"])
    def test_one_that_is_not_provably_ours_is_kept(self, diff, route, owned):
        found = diff([], [route(A2, blackhole=True, owned=owned)])
        assert (found.deleted, found.strangers) == (set(), {f"{A2} to (unknown)"})


class TestWhatIsNotProvablyOurs:
    @pytest.mark.parametrize(
        ("cidr", "goes"),
        [
            pytest.param(A1, True, id="a node's range"),
            pytest.param("10.244.1.128/25", True, id="inside a node's range"),
            pytest.param("10.244.0.0/22", False, id="wider than a node's range"),
            pytest.param("10.244.9.0/24", False, id="nobody's range"),
            pytest.param("10.244.0.0/16", False, id="all of the cluster's range"),
        ],
    )
    def test_without_a_mark_only_what_is_in_the_way_is_deleted(self, diff, node, route, cidr, goes):
        found = diff([node("node-1", A1)], [route(cidr, "stranger", owned=None)])
        assert bool(found.deleted) is goes
        assert found.created == [f"{A1} to node-1"]
        assert found.refused == {}

    def test_without_a_mark_what_a_node_was_seen_to_need_is_deleted(self, diff, route):
        listed = [route(A1, "node-1", owned=None), route(A2, "node-2", owned=None)]
        found = diff([], listed, seen=[(A1, "node-1")])
        assert found.deleted == {f"{A1} to node-1"}
        assert found.strangers == {f"{A2} to node-2"}

    def test_anothers_is_never_deleted_and_blocks(self, diff, node, route):
        listed = [route(A1, "stranger", owned=False), route("10.244.1.0/25", "x", owned=False)]
        found = diff([node("node-1", A1)], listed, seen=[(A1, "stranger")])
        assert (found.deleted, found.created) == (set(), [])
        assert "is routed to stranger, and that route is not" in found.refused[f"{A1} to node-1"]

    def test_anothers_that_leads_to_the_node_counts(self, diff, node, route):
        """Else a changed cluster id would take every node off the network."""
        found = diff([node("node-1", A1)], [route(A1, "node-1", owned=False)])
        assert (found.deleted, found.created) == (set(), [])
        assert found.satisfied == {f"{A1} to node-1"}


class TestNodesThatAreNotOurs:
    def test_they_get_no_route_and_their_range_is_left_alone(self, diff, node, route):
        foreign = node("dc-1", A2, provider_id="other://dc-1")
        found = diff([node("node-1", A1), foreign], [route(A2, "gateway")])
        assert found.created == [f"{A1} to node-1"]
        assert (found.deleted, found.strangers) == (set(), {f"{A2} to gateway"})

    def test_a_route_that_overlaps_their_range_is_left_alone_too(self, diff, node, route):
        foreign = node("dc-1", A2, provider_id="other://dc-1")
        assert diff([foreign], [route("10.244.2.0/25", "x")]).deleted == set()
        assert diff([foreign], [route("10.244.0.0/20", "x")]).deleted == set()


class TestBadRanges:
    def test_a_range_outside_the_clusters_is_refused(self, diff, node):
        found = diff([node("node-1", "10.0.0.0/24")], [])
        assert found.created == []
        text = found.refused["10.0.0.0/24 to node-1"]
        assert "spec.podCIDRs='10.0.0.0/24'" in text
        assert "--cluster-cidr=10.244.0.0/16,fd00:244::/48" in text

    def test_such_a_route_that_is_there_counts_and_is_never_deleted(self, diff, node, route):
        nodes, listed = [node("node-1", "10.0.0.0/24")], [route("10.0.0.0/24", "node-1")]
        assert diff(nodes, listed).satisfied == {"10.0.0.0/24 to node-1"}
        assert diff([], listed).deleted == set()

    @pytest.mark.parametrize("second", [A1, "10.244.1.128/25", "10.244.0.0/22"])
    def test_a_range_of_two_nodes_belongs_to_the_older(self, diff, node, second):
        def born(name, day, cidr):
            created = datetime.datetime(2026, 1, day, tzinfo=datetime.UTC)
            made = node(name, cidr)
            metadata = msgspec.structs.replace(made.metadata, creation_timestamp=created)
            return msgspec.structs.replace(made, metadata=metadata)

        found = diff([born("young", 2, second), born("old", 1, A1)], [])
        assert found.created == [f"{A1} to old"]
        assert "overlaps 10.244.1.0/24 of node old" in found.refused[f"{second} to young"]

    def test_whose_route_is_there_keeps_it(self, diff, node, route):
        nodes = [node("a", A1), node("b", A1)]
        found = diff(nodes, [route(A1, "b")])
        assert (found.deleted, found.created) == (set(), [])
        assert found.satisfied == {f"{A1} to b"}
        assert "of node b" in found.refused[f"{A1} to a"]

    def test_a_family_that_the_cluster_does_not_route_is_not_wanted(self, diff, node):
        found = diff([node("node-1", A1, B1)], [], cluster=["10.244.0.0/16"])
        assert (found.created, found.refused) == ([f"{A1} to node-1"], {})
        only_other = diff([node("node-1", B1)], [], cluster=["10.244.0.0/16"])
        assert only_other.refused.keys() == {f"{B1} to node-1"}


def test_a_route_that_is_not_in_force_is_completed_and_not_deleted(diff, node, route):
    found = diff([node("node-1", A1)], [route(A1, "node-1", ready=False)])
    assert (found.deleted, found.created) == (set(), [f"{A1} to node-1"])
    assert found.satisfied == set()


def test_of_equal_routes_the_first_counts_and_none_is_deleted(diff, node, route):
    found = diff([node("node-1", A1)], [route(A1, "node-1"), route(A1, "node-1", ready=False)])
    assert (found.deleted, found.created) == (set(), [])


def test_what_is_in_the_way_is_told_from_what_is_stale(diff, node, route):
    listed = [route(A1, "gone"), route("10.244.9.0/24", "gone"), route("10.244.1.0/26", "gone")]
    found = diff([node("node-1", A1)], listed)
    assert found.stale == {"10.244.9.0/24 to gone"}
    assert {str(item.key) for item in found.plan.in_the_way} == {
        f"{A1} to gone",
        "10.244.1.0/26 to gone",
    }


@pytest.mark.parametrize(
    "bad",
    [
        pytest.param([], id="none"),
        pytest.param([object(), None, "10.0.0.0/8"], id="no routes at all"),
    ],
)
def test_what_cannot_be_read_is_ignored(route, bad):
    listed, unreadable = readable([route(A1, "x"), route("nonsense", "x"), *bad])
    assert len(listed) == 1
    assert len(unreadable) == 1 + len(bad)


def test_a_plan_is_readable(diff, node, route):
    listed = [
        route(A1, "gone"),
        route("10.244.9.0/24", "gone"),
        route("10.244.8.0/24", blackhole=True),
    ]
    assert str(diff([node("node-1", A1)], listed).plan.actions()).splitlines() == [
        "  1. delete 10.244.1.0/24 to gone: a node needs the range",
        "  2. delete 10.244.9.0/24 to gone: no node needs it",
        "  3. delete 10.244.8.0/24 to (unknown): it leads nowhere",
        "  4. create 10.244.1.0/24 to node-1: for node-1 (after 1)",
    ]


cidrs = st.tuples(st.integers(0, 9), st.sampled_from([23, 24, 25])).map(
    lambda pair: f"10.{243 + pair[0] % 3}.{pair[0]}.0/{pair[1]}"
)
names = st.sampled_from(["n0", "n1", "n2", "n3", "gone", ""])
tables = st.lists(
    st.tuples(cidrs, names, st.booleans(), st.sampled_from([True, None, False]), st.booleans()),
    max_size=14,
)
demands = st.dictionaries(st.sampled_from(["n0", "n1", "n2", "n3"]), st.lists(cidrs, max_size=2))


@settings(max_examples=300, deadline=None)
@given(table=tables, wanted=demands, foreign=st.lists(cidrs, max_size=2))
def test_any_table_converges_and_what_is_foreign_stays(diff, route, table, wanted, foreign):
    """Carried out against a cloud that routes a destination once, a second pass is empty."""
    nodes = nodes_of(wanted)
    nodes += [
        make_node(f"dc-{index}", provider_id="other://x", pod_cidrs=[cidr])
        for index, cidr in enumerate(foreign)
    ]
    cloud, taken = FakeCloud(), set()
    for cidr, target, blackhole, owned, ready in table:
        cidr = str(ipaddress.ip_network(cidr, strict=False))  # the fake compares text
        if cidr not in taken:
            taken.add(cidr)
            made = route(cidr, target, blackhole=blackhole, owned=owned, ready=ready)
            cloud.route_table.append(made)
    untouchable = [
        item
        for item in cloud.route_table
        if item.owned is False or not item.destination_cidr.startswith("10.244.")
    ]
    routes = cloud.routes()

    def one_pass():
        made = diff(nodes, routes.list_routes("x"), cloud=cloud).plan
        gone = [item.route for item in (*made.in_the_way, *made.stale)]
        assert set(routes.delete_routes("x", gone)) <= {None}
        created = routes.create_routes("x", [("uid", item.route) for item in made.creates])
        assert set(created) <= {None}
        return made

    first = one_pass()
    for item in untouchable:
        assert any(same_route(item, other) for other in cloud.route_table)
    cloud.writes = 0
    second = one_pass()
    assert not second.actions()
    assert cloud.writes == 0
    assert second.refused.keys() == first.refused.keys()
    assert second.strangers == tuple(
        item for item in second.strangers if item.key in {one.key for one in first.strangers}
    )


def same_route(one, other):
    """Whether a route is still there; it may have been completed."""
    return dataclasses.replace(one, ready=True, owned=True, name="") == dataclasses.replace(
        other, ready=True, owned=True, name=""
    )
