"""Upstream's tables of the route controller (``spec/ccm-core.md`` 5.4) on the whole controller.

Upstream looks for an "update" of a Node while its code patches, so what it expects of conditions is
never compared there, and two of its four changes of a Node expect nothing at all. Here every row
says which calls the cloud gets, which requests the API server, and how the Nodes and routes end.
"""

import dataclasses
import datetime

import pytest

from cloudprovider.errors import CloudProviderError
from cloudprovider.interface import Route
from cloudprovider.testing.builders import make_addresses
from cloudprovider.testing.fake import FakeRoutes
from cloudprovider_controllers.runtime.resources import EVENTS, NODES

A1, A2, A3, A4 = (f"10.244.{number}.0/24" for number in (0, 1, 2, 3))
B1, B2, B3 = (f"fd00:244:0:{number}::/64" for number in (1, 2, 3))
TEXTS = {
    "False": ("RouteCreated", "RouteController created a route"),
    "True": ("NoRouteCreated", "RouteController failed to create a route"),
}
ROUTED, UNROUTED = "False", "True"


class Doubled(FakeRoutes):
    """The API server refuses a Node that names a range twice; a provider may still say so."""

    def desired_routes(self, node):
        return [*super().desired_routes(node)] * 2


class OptedIn(FakeRoutes):
    """A cloud whose routes name the addresses of their node."""

    def create_routes(self, cluster_name, routes):
        opted = [
            (hint, dataclasses.replace(route, enable_node_addresses=True)) for hint, route in routes
        ]
        return super().create_routes(cluster_name, opted)


def address(number):
    return ("InternalIP", f"10.0.{number}.1")


def node_patch(node, status, when):
    """What says of a Node whether it has its routes; ``spec/ccm-core.md`` 3.1.4."""
    reason, message = TEXTS[status]
    condition = {
        "type": "NetworkUnavailable",
        "status": status,
        "reason": reason,
        "message": message,
        "lastHeartbeatTime": when,
        "lastTransitionTime": when,
    }
    return {"metadata": {"uid": node.metadata.uid}, "status": {"conditions": [condition]}}


def raw_condition(world, name):
    found = world.user.get_raw(NODES, name)["status"].get("conditions", [])
    return next((item for item in found if item["type"] == "NetworkUnavailable"), None)


def check_patches(world, writes, nodes, statuses, *, since):
    """One patch for each Node that has a status in ``statuses``, and the Node says so then."""
    assert sorted(write.op for write in writes) == sorted(
        f"PATCH nodes/{name}/status" for name in statuses
    )
    for write in writes:
        name = write.op.split("/")[1]
        [condition] = write.body["status"]["conditions"]
        when = condition["lastHeartbeatTime"]
        assert write.content_type == "application/strategic-merge-patch+json"
        assert write.body == node_patch(nodes[name], statuses[name], when)
        seen = datetime.datetime.strptime(when, "%Y-%m-%dT%H:%M:%S%z")
        assert since.replace(microsecond=0) <= seen <= world.hub.now()
        assert raw_condition(world, name) == condition


@dataclasses.dataclass
class Row:
    """Nodes by name with their ranges, the routes that are there, and what becomes of these."""

    nodes: dict
    there: list = dataclasses.field(default_factory=list)  #: (destination, number of the node)
    gone: list = dataclasses.field(default_factory=list)
    made: list = dataclasses.field(default_factory=list)
    before: str = "1"  #: last part of the addresses that the routes have at first
    opted_in: bool = False
    doubled: bool = False
    blackholes: tuple = ()  #: destinations
    unrouted: tuple = ()  #: names of nodes
    slow: bool = False  #: not all that is gone goes at once


SINGLE = {"node-1": [A1], "node-2": [A2]}
DUAL = {"node-1": [A1, B1], "node-2": [A2, B2]}
OF_SINGLE = [(A1, 1), (A2, 2)]
OF_DUAL = [(A1, 1), (A2, 2), (B1, 1), (B2, 2)]
SWAPPED = [(A2, 1), (A1, 2), (B2, 1), (B1, 2)]
SLOWLY = "the same end; of routes that no node wants one goes in a minute, or a tenth (0019)"
ONCE = "the range is asked for once: its route is made, no creation fails, nothing is told"
GRACE = "a Node without a range for a minute is marked; upstream leaves it alone, whatever it says"


def row(name, case, **options):
    mark = pytest.mark.upstream(f"TestReconcile/{name}", **options)
    return pytest.param(case, id=name, marks=mark)


# fmt: off
RECONCILE = [
    row("routes have no TargetNodeAddresses at the beginning",
        Row(DUAL, OF_DUAL, gone=OF_DUAL, made=OF_DUAL, before="", opted_in=True)),
    row("routes' TargetNodeAddresses changed",
        Row(DUAL, OF_DUAL, gone=OF_DUAL, made=OF_DUAL, before="9", opted_in=True)),
    row("multicidr 2 nodes and no routes", Row(DUAL, made=OF_DUAL)),
    row("multicidr 2 nodes and all routes created", Row(DUAL, OF_DUAL)),
    row("multicidr 2 nodes and few wrong routes", Row(DUAL, SWAPPED, gone=SWAPPED, made=OF_DUAL)),
    row("multicidr 2 nodes and some routes created",
        Row(DUAL, [(A1, 1), (B2, 2)], made=[(A2, 2), (B1, 1)])),
    row("multicidr 2 nodes and too many routes",
        Row(DUAL, [*OF_DUAL, (A3, 8), (B3, 9)], gone=[(A3, 8), (B3, 9)], slow=True),
        instead=SLOWLY),
    row("single cidr 2 nodes and routes created", Row(SINGLE, OF_SINGLE)),
    row("single cidr node ips changed so routes should be updated",
        Row(SINGLE, OF_SINGLE, gone=OF_SINGLE, made=OF_SINGLE, before="9", opted_in=True)),
    row("single cidr 2 nodes and one route created", Row(SINGLE, [(A1, 1)], made=[(A2, 2)])),
    row("single cidr 2 nodes and no routes", Row(SINGLE, made=OF_SINGLE)),
    row("single cidr 2 nodes and too many routes",
        Row(SINGLE, [*OF_SINGLE, (A3, 3), (A4, 4)], gone=[(A3, 3), (A4, 4)], slow=True),
        instead=SLOWLY),
    row("single cidr 2 nodes and 2 routes with 1 incorrect",
        Row(SINGLE, [(A1, 1), (A3, 3)], gone=[(A3, 3)], made=[(A2, 2)])),
    row("single cidr 2 nodes and one node without cidr assigned",
        Row({"node-1": [A1], "node-2": []}, made=[(A1, 1)], unrouted=("node-2",)), instead=GRACE),
    row("single cidr 2 nodes and an extra blackhole route in our range",
        Row(SINGLE, OF_SINGLE, gone=[(A3, None)], blackholes=(A3,))),
    row("single cidr 2 nodes and an extra blackhole route not in our range",
        Row(SINGLE, OF_SINGLE, blackholes=("10.1.2.0/24",))),
    row("duplicate pod cidr", Row({"node-1": [A1]}, made=[(A1, 1)], doubled=True), instead=ONCE),
]
# fmt: on


def target(number):
    return f"node-{number}" if number else ""


def table(world):
    return sorted(
        (route.destination_cidr, route.target_node, tuple(route.target_node_addresses))
        for route in world.cloud.route_table
    )


def furnish(world, case):
    """The routes that are there."""
    if case.opted_in or case.doubled:
        routes = (OptedIn if case.opted_in else Doubled)(world.cloud)
        world.cloud.routes = lambda: routes
    for cidr, number in case.there:
        last = case.before
        addresses = make_addresses(("InternalIP", f"10.0.{number}.{last}")) if last else ()
        route = Route(
            f"r-{cidr}", target(number), cidr, addresses, enable_node_addresses=case.opted_in
        )
        world.cloud.route_table.append(route)
    for cidr in case.blackholes:
        world.cloud.route_table.append(Route(f"r-{cidr}", "", cidr, blackhole=True))


def expected_table(case):
    kept = [item for item in case.there if item not in case.gone]
    left = [
        (cidr, target(number), make_addresses(address(number)))
        for cidr, number in (*kept, *case.made)
    ]
    stay = [(cidr, "", ()) for cidr in case.blackholes if (cidr, None) not in case.gone]
    return sorted(left + stay)


def calls(world):
    return [
        (call.method, sorted(call.nodes))
        for call in world.cloud.calls
        if call.method != "list_routes"
    ]


def expected_calls(case):
    """All deletions before any creation."""
    gone = [target(number) for _, number in case.gone]
    steps = [[name] for name in gone] if case.slow else [sorted(gone)] if gone else []
    made = sorted(target(number) for _, number in case.made)
    return [
        *(("delete_routes", step) for step in steps),
        *([("create_routes", made)] if made else []),
    ]


@pytest.mark.parametrize("case", RECONCILE)
def test_nodes_and_routes(play, sent, case):
    def scene(world):
        furnish(world, case)
        nodes = {
            name: world.add_node(name, pod_cidrs=cidrs, addresses=[address(name[-1])])
            for name, cidrs in case.nodes.items()
        }
        writes, began = sent(world), world.hub.now()
        world.start("route")
        statuses = {name: ROUTED for name in nodes if name not in case.unrouted}
        check_patches(world, writes, nodes, statuses, since=began)
        if case.slow:
            assert len(world.cloud.route_table) == len(expected_table(case)) + 1
        if case.slow or case.unrouted:
            world.wait(65)
            statuses |= dict.fromkeys(case.unrouted, UNROUTED)
            check_patches(world, writes, nodes, statuses, since=began)
        assert table(world) == expected_table(case)
        assert calls(world) == expected_calls(case)
        made = {route.destination_cidr: route.name for route in world.cloud.route_table}
        for cidr, number in case.made:  # the hint for the name is the UID of the node
            assert made[cidr] == f"{nodes[target(number)].metadata.uid}-{cidr}"
        assert world.events() == []
        # And then nothing, however often it looks.
        world.forget()
        writes.clear()
        world.wait(1000)
        assert {call.method for call in world.cloud.calls} == {"list_routes"}
        assert (writes, world.cloud.writes) == ([], 0)

    play(scene)


# -- changes of a node --------------------------------------------------------------------------

SLOW_PASS = "nothing that a route depends on has changed, so nothing is looked at before the next"
SLOW_PASS += " full pass, every 5 minutes; upstream looks at each resync, every 12 to 24 hours"


def handled(case, **options):
    return {"id": case, "marks": pytest.mark.upstream(f"TestHandleNodeUpdate/{case}", **options)}


@pytest.mark.parametrize(
    ("change", "passes"),
    [
        pytest.param(
            {"addresses": [{"type": "InternalIP", "address": "10.0.1.2"}]},
            1,
            **handled("internal IP updated"),
        ),
        pytest.param({}, 0, **handled("node object not updated", instead=SLOW_PASS)),
        pytest.param(
            {"images": [{"names": ["registry.k8s.io/pause:latest"], "sizeBytes": 239840}]},
            0,
            **handled("unrelated node update"),
        ),
    ],
)
def test_which_change_of_a_node_asks_for_a_pass(play, change, passes):
    def scene(world):
        world.add_node("node-1", pod_cidrs=[A1], addresses=[address(1)])
        world.start("route")
        world.forget()
        world.user.patch(
            NODES, "node-1", {"status": change}, subresource="status", patch_type="merge"
        )
        world.wait(100)
        assert world.cloud.count("list_routes") == passes
        assert world.cloud.writes == 0

    play(scene)


@pytest.mark.upstream("TestHandleNodeUpdate/pod CIDR updated")
def test_a_new_range_of_a_node_asks_for_a_pass(play):
    def scene(world):
        world.add_node("node-1", pod_cidrs=[A1], addresses=[address(1)])
        world.start("route")
        world.forget()
        # The API server lets nobody change a range, so a node is made anew under its name.
        world.delete_node("node-1")
        world.add_node("node-1", pod_cidrs=[A2], addresses=[address(1)])
        world.wait(3)
        assert world.cloud.count("list_routes") == 1
        assert table(world) == [(A2, "node-1", make_addresses(address(1)))]

    play(scene)


# -- the condition ------------------------------------------------------------------------------


def conditioned(case):
    return {"id": case, "marks": pytest.mark.upstream(f"TestUpdateNetworkingCondition/{case}")}


CALICO = ("False", "CalicoIsUp", "Calico is running on this node")
OURS = {status: (status, *texts) for status, texts in TEXTS.items()}
# fmt: off
CONDITIONS = [
    pytest.param(None, ROUTED, True,
                 **conditioned("No existing condition, routes created - should update")),
    pytest.param(None, UNROUTED, True,
                 **conditioned("No existing condition, routes not created - should update")),
    pytest.param(OURS["False"], ROUTED, False,
                 **conditioned("Existing condition with same status and reason (RouteCreated)"
                               " - should not update")),
    pytest.param(CALICO, ROUTED, True,
                 **conditioned("Existing condition with same status but different reason"
                               " (CalicoIsUp) - should update")),
    pytest.param(("False", "ExternalCNI", "External CNI configured"), ROUTED, True,
                 **conditioned("Existing condition with Status=False but different reason"
                               " - should update when routes created")),
    pytest.param(("True", "SomeOtherReason", "Some other message"), UNROUTED, True,
                 **conditioned("Existing condition with Status=True and different reason"
                               " - should update when routes not created")),
    pytest.param(OURS["False"], UNROUTED, True,
                 **conditioned("Existing condition with Status=False, transitioning to routes not"
                               " created - should update")),
    pytest.param(OURS["True"], UNROUTED, False,
                 **conditioned("Existing condition with Status=True and NoRouteCreated reason"
                               " - should not update")),
    pytest.param(CALICO, ROUTED, True, id="Calico's word is overwritten",
                 marks=pytest.mark.upstream("TestUpdateNetworkingConditionWithCalicoScenario")),
]
# fmt: on


@pytest.mark.parametrize(("existing", "status", "written"), CONDITIONS)
def test_what_a_node_says_about_its_network(play, sent, existing, status, written):
    def scene(world):
        node = world.add_node("node-1", pod_cidrs=[A1])
        if existing:
            fields = dict(zip(("status", "reason", "message"), existing, strict=True))
            conditions = [{"type": "NetworkUnavailable", **fields}]
            world.user.patch(
                NODES, "node-1", {"status": {"conditions": conditions}}, subresource="status"
            )
        if status is UNROUTED:
            world.cloud.fail("create_route", CloudProviderError("no"))
        writes, began = sent(world), world.hub.now()
        world.start("route")
        expected = {"node-1": status} if written else {}
        check_patches(world, writes, {"node-1": node}, expected, since=began)
        found = raw_condition(world, "node-1")
        assert (found["status"], found["reason"], found["message"]) == (status, *TEXTS[status])
        assert {item.type for item in world.node().status.conditions} == {
            "Ready",
            "NetworkUnavailable",
        }
        if status is UNROUTED:
            check_complaint(world, node)
        else:
            assert world.events() == []

    play(scene)


def check_complaint(world, node):
    [event] = world.user.list(EVENTS)
    raw = world.user.get_raw(EVENTS, event.metadata.name, event.metadata.namespace)
    name, uid = node.metadata.name, node.metadata.uid
    assert (event.metadata.namespace, raw["type"], raw["reason"]) == (
        "default",
        "Warning",
        "FailedToCreateRoute",
    )
    assert raw["message"] == f"Could not create route {uid} {A1} for node {name} after 0s: no"
    assert raw["involvedObject"] == {"apiVersion": "v1", "kind": "Node", "name": name, "uid": uid}
    assert raw["source"] == {"component": "route_controller"}
