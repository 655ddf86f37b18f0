"""Upstream's tables of node sets: which calls they cause, with which nodes, for which Services."""

import pytest

from cloudprovider.errors import CloudProviderError

upstream = pytest.mark.upstream


def row(test, case, instead, *values):
    note = {"instead": instead} if instead else {}
    return pytest.param(*values, id=case, marks=upstream(f"{test}/{case}", **note))


def rows(test, table):
    """Rows (case, what we do instead or None, values…) of one of upstream's tables."""
    return [row(test, *items) for items in table]


EXCLUDE = "node.kubernetes.io/exclude-from-external-load-balancers"
AUTOSCALER = "ToBeDeletedByClusterAutoscaler"
FINALIZER = "example.com/keep"


def updates(world):
    """(Service, nodes) of every update of backends so far, by Service."""
    calls = world.cloud.called("update_load_balancer")
    return sorted((call.key.removeprefix("default/"), call.nodes) for call in calls)


def add_nodes(world, *names):
    for name in names:
        world.add_node(name, provider_id=f"fake://{name}")


# -- TestUpdateNodesInExternalLoadBalancer -------------------------------------------------------

LB, NODE_PORT, CLUSTER_IP = "LoadBalancer", "NodePort", "ClusterIP"
GONE = "gone"

EMPTY_ENTRY = (
    "What is known of Services has no empty entries: a Service that is gone at the same moment "
    "stands for one."
)

# fmt: off
# (case, what we do instead, types of the Services, workers)
SERVICES = [
    ("No services present: no calls should be made.", None, {}, 1),
    ("Services do not have external load balancers: no calls should be made.", None,
     {"s0": CLUSTER_IP, "s1": NODE_PORT}, 2),
    ("Services does have an external load balancer: one call should be made.", None, {"s0": LB}, 3),
    ("Three services have an external load balancer: three calls.", None,
     {"s0": LB, "s1": LB, "s2": LB}, 4),
    ("Two services have an external load balancer and two don't: two calls.", None,
     {"s0": NODE_PORT, "s1": LB, "s3": LB, "s4": CLUSTER_IP}, 5),
    ("One service has an external load balancer and one is nil: one call.", EMPTY_ENTRY,
     {"s0": LB, "s1": GONE}, 6),
    ("Four services have external load balancer with only 2 workers", None,
     {"s0": LB, "s1": LB, "s3": LB, "s4": LB}, 2),
]
# fmt: on


@pytest.mark.parametrize(
    ("services", "workers"), rows("TestUpdateNodesInExternalLoadBalancer", SERVICES)
)
def test_every_load_balancer_gets_the_new_nodes_once(play, services, workers):
    def scene(world):
        add_nodes(world, "node1")
        world.start("service", concurrent_service_syncs=workers)
        for name, kind in services.items():
            world.add_service(name, type=LB if kind == GONE else kind)
        world.wait(3)
        world.forget()
        add_nodes(world, "node2", "node3")
        for name in (name for name, kind in services.items() if kind == GONE):
            world.delete_service(name)
        world.wait(20)
        nodes = ("node1", "node2", "node3")
        assert updates(world) == [(name, nodes) for name, kind in services.items() if kind == LB]
        assert world.cloud.count("ensure_load_balancer") == 0

    play(scene)


# -- TestNodeChangesForStableNodeSetEnabled ------------------------------------------------------


def nothing(world):
    world.patch_node({"metadata": {"annotations": {"beat": str(world.hub.monotonic())}}}, "node2")


def joins(world):
    add_nodes(world, "node3")


def joins_in_trouble(world):
    world.cloud.fail("update_load_balancer", CloudProviderError("error please"), times=3)
    add_nodes(world, "node3")


def readiness(status):
    def change(world):
        conditions = [{"type": "Ready", "status": status}]
        world.patch_node({"status": {"conditions": conditions}}, "node2", subresource="status")

    return change


def taint(key):
    def change(world):
        world.patch_node({"spec": {"taints": [{"key": key, "effect": "NoSchedule"}]}}, "node2")

    return change


def excluded(world):
    world.patch_node({"metadata": {"labels": {EXCLUDE: ""}}}, "node2")


def deleted(world):
    world.delete_node("node3")


def marked_for_deletion(world):
    world.patch_node({"metadata": {"finalizers": [FINALIZER]}}, "node2")
    world.delete_node("node2")


TWO, THREE, OTHERS = ("node1", "node2"), ("node1", "node2", "node3"), ("node1", "node3")
RETRIED = (
    "A failed update is told and tried again alone after 5 s, until it worked. Upstream has noted "
    "the new nodes as sent by then, so that its second look finds nothing to do."
)

# fmt: off
# (case, what we do instead, nodes before, how node2 is then, change, nodes of the update,
# how often each Service is updated)
CHANGES = [
    ("No node changes", None, THREE, nothing, nothing, THREE, 0),
    ("1 new node gets added", None, TWO, nothing, joins, THREE, 1),
    ("1 new node gets added - with retries", RETRIED, TWO, nothing, joins_in_trouble,
     THREE, 2),
    ("1 node goes NotReady", None, THREE, nothing, readiness("False"), THREE, 0),
    ("1 node gets Tainted", None, THREE, nothing, taint(AUTOSCALER), OTHERS, 1),
    ("1 node goes Ready", None, THREE, readiness("False"), readiness("True"), THREE, 0),
    ("1 node get excluded", None, THREE, nothing, excluded, OTHERS, 1),
    ("1 old node gets deleted", None, THREE, nothing, deleted, TWO, 1),
    ("1 node marked for deletion", None, THREE, nothing, marked_for_deletion, OTHERS, 1),
    ("1 spurious node update", None, THREE, nothing, taint("Other"), THREE, 0),
]
# fmt: on


@pytest.mark.parametrize(
    ("before", "first", "change", "after", "times"),
    rows("TestNodeChangesForStableNodeSetEnabled", CHANGES),
)
def test_a_change_of_nodes_is_one_update_for_either_traffic_policy(
    play, before, first, change, after, times
):
    def scene(world):
        add_nodes(world, *before)
        first(world)
        world.start("service", concurrent_service_syncs=3)
        policies = {"s0": "Local", "s1": "Local", "s2": "Cluster"}
        for name, policy in policies.items():
            world.add_service(name, external_traffic_policy=policy)
        world.wait(3)
        world.forget()
        change(world)
        world.wait(30)
        assert updates(world) == sorted([(name, after) for name in policies] * times)
        assert len(world.cloud.calls) == 3 * times
        assert {balancer.nodes for balancer in world.cloud.balancers.values()} == {after}

    play(scene)


# -- TestNodeChangesInExternalLoadBalancer -------------------------------------------------------

FOUR = ("s0", "s1", "s3", "s4")


@pytest.mark.parametrize(
    ("before", "joining", "workers"),
    rows(
        "TestNodeChangesInExternalLoadBalancer",
        [
            ("only 1 node", None, (), ("node1",), 3),
            ("2 nodes", None, ("node1",), ("node2",), 1),
            ("4 nodes", None, ("node1", "node2"), ("node3", "node4"), 3),
        ],
    ),
)
def test_as_many_nodes_as_join_are_one_update(play, before, joining, workers):
    def scene(world):
        add_nodes(world, *before)
        world.start("service", concurrent_service_syncs=workers)
        for name in FOUR:
            world.add_service(name)
        world.wait(3)
        world.forget()
        add_nodes(world, *joining)
        world.wait(20)
        assert updates(world) == [(name, before + joining) for name in FOUR]
        assert len(world.cloud.calls) == 4

    play(scene)


NODES_IN_MEMORY = (
    "Nodes are read from memory, which cannot fail, so the cloud fails instead: every Service is "
    "tried again by itself, only its backends, with back-off."
)


@pytest.mark.parametrize(
    "workers",
    rows(
        "TestNodeChangesInExternalLoadBalancer",
        [
            ("error occur during sync", NODES_IN_MEMORY, 3),
            ("error occur during sync with 1 workers", NODES_IN_MEMORY, 1),
        ],
    ),
)
def test_every_service_whose_update_failed_is_tried_again(play, workers):
    def scene(world):
        add_nodes(world, "node1")
        world.start("service", concurrent_service_syncs=workers)
        for name in FOUR:
            world.add_service(name)
        world.wait(3)
        world.forget()
        world.cloud.fail("update_load_balancer", CloudProviderError("random error"))
        add_nodes(world, "node2", "node3", "node4")
        world.wait(2)
        nodes = ("node1", "node2", "node3", "node4")
        assert updates(world) == [(name, nodes) for name in FOUR]
        assert {balancer.nodes for balancer in world.cloud.balancers.values()} == {("node1",)}
        world.cloud.heal()
        world.forget()
        world.wait(5)
        assert updates(world) == [(name, nodes) for name in FOUR]
        assert len(world.cloud.calls) == 4

    play(scene)


# -- TestNodesNotEqual ---------------------------------------------------------------------------


def replaced(world):
    world.delete_node("node2")
    world.add_node("node3")


def identified(world):
    for name in ("node1", "node2"):
        world.patch_node({"spec": {"providerID": f"fake://{name}"}}, name)


@pytest.mark.parametrize(
    ("ids", "change", "after"),
    rows(
        "TestNodesNotEqual",
        [
            ("Nodes with updated providerID", None, (), identified, ("node1", "node2")),
            ("Nodes unchanged", None, ("node1",), nothing, ()),
            ("Change node with empty providerID", None, ("node1",), replaced, ("node1", "node3")),
        ],
    ),
)
def test_nodes_differ_by_name_and_provider_id(play, ids, change, after):
    def scene(world):
        for name in ("node1", "node2"):
            world.add_node(name, provider_id=f"fake://{name}" if name in ids else None)
        world.start("service")
        for name in ("s0", "s1"):
            world.add_service(name)
        world.wait(3)
        world.forget()
        change(world)
        world.wait(20)
        assert updates(world) == [(name, after) for name in ("s0", "s1") if after]
        assert len(world.cloud.calls) == (2 if after else 0)

    play(scene)


# -- TestSlowNodeSync ----------------------------------------------------------------------------


@upstream("TestSlowNodeSync")
def test_a_slow_update_never_takes_away_a_node_that_came_meanwhile(play):
    def scene(world):
        add_nodes(world, "node1")
        world.start("service", concurrent_service_syncs=1)
        for name in ("s0", "s1"):
            world.add_service(name)
        world.wait(3)
        world.forget()

        def meanwhile(call):
            """During the first update a node joins, and the other Service changes."""
            if len(world.cloud.calls) == 1:
                add_nodes(world, "node3")
                other = {"default/s0": "s1", "default/s1": "s0"}[call.key]
                world.patch_service({"metadata": {"annotations": {"a": "b"}}}, other)
                world.wait(1)

        world.cloud.on("update_load_balancer", meanwhile)
        add_nodes(world, "node2")
        world.wait(30)
        two, three = ("node1", "node2"), ("node1", "node2", "node3")
        calls = [(call.method, call.nodes) for call in world.cloud.calls]
        assert calls == [
            ("update_load_balancer", two),
            ("ensure_load_balancer", three),  # of the other Service; no update with two follows
            ("update_load_balancer", three),  # of the first one
        ]
        assert {balancer.nodes for balancer in world.cloud.balancers.values()} == {three}

    play(scene)
