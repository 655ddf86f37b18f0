"""Which nodes are backends, and which of their updates matter; upstream's cases and our own."""

import msgspec
import pytest

from cloudprovider.testing.builders import make_node, make_service
from cloudprovider_controllers.service.decisions import (
    AUTOSCALER_TAINT,
    EXCLUDE_LABEL,
    UNINITIALIZED_TAINT,
    eligible_nodes,
    is_eligible,
    logged_node_names,
    node_change_matters,
)

upstream = pytest.mark.upstream

#: Rows of upstream's table of predicates, by the name that they have below.
PREDICATES = {
    "no conditions": 1,
    "ready, provider id": 2,
    "ready, no provider id": 3,
    "not ready does not count": 4,
    "no labels": 5,
    "exclude empty": 6,
    "exclude false": 7,
    "exclude true": 8,
    "exclude unreadable": 9,
    "autoscaler": 10,
}
READINESS = {
    "instead": "Readiness does not count, as in what upstream really runs since 1.27: its table "
    "asks a predicate that nothing else uses."
}


def predicate_row(node, expected, name):
    marks = []
    if name in PREDICATES:
        note = READINESS if name in ("no conditions", "not ready does not count") else {}
        marks = [upstream(f"Test_respectsPredicates/row {PREDICATES[name]}", **note)]
    return pytest.param(node, expected, id=name, marks=marks)


@pytest.mark.parametrize(
    ("node", "expected"),
    [
        predicate_row(make_node(), True, name="ready, no provider id"),
        predicate_row(make_node(provider_id="p://1"), True, name="ready, provider id"),
        predicate_row(make_node(ready="False"), True, name="not ready does not count"),
        predicate_row(make_node(ready=None), True, name="no conditions"),
        predicate_row(make_node(labels={}), True, name="no labels"),
        predicate_row(make_node(labels={EXCLUDE_LABEL: ""}), False, name="exclude empty"),
        predicate_row(make_node(labels={EXCLUDE_LABEL: "false"}), True, name="exclude false"),
        predicate_row(make_node(labels={EXCLUDE_LABEL: "0"}), True, name="exclude 0"),
        predicate_row(make_node(labels={EXCLUDE_LABEL: "true"}), False, name="exclude true"),
        predicate_row(make_node(labels={EXCLUDE_LABEL: "foo"}), False, name="exclude unreadable"),
        predicate_row(make_node(taints=[AUTOSCALER_TAINT]), False, name="autoscaler"),
        predicate_row(make_node(taints=["other"]), True, name="another taint"),
        predicate_row(make_node(deleted=True), False, name="being deleted"),
        predicate_row(make_node(unschedulable=True), True, name="cordoned"),
        predicate_row(make_node(taints=[UNINITIALIZED_TAINT]), False, name="not initialised yet"),
        predicate_row(
            make_node(taints=[UNINITIALIZED_TAINT], provider_id="p://1"),
            True,
            name="initialised, then tainted again",
        ),
    ],
)
def test_which_nodes_may_be_backends(node, expected):
    assert is_eligible(node) is expected


def phases(phase):
    return upstream(
        f"TestListWithPredicate/ListWithPredicate filter {phase} node",
        instead="The phase of a node, which nothing sets, is not looked at; there is one "
        "predicate, the one that counts, and nodes come sorted.",
    )


@pytest.mark.parametrize(
    ("excluded", "left"),
    [
        pytest.param("024", "13", id="some", marks=phases("Running")),
        pytest.param("13", "024", id="the others", marks=phases("Pending")),
        pytest.param("01234", "", id="none", marks=phases("Terminated")),
    ],
)
def test_eligible_nodes_come_by_name(excluded, left):
    nodes = [
        make_node(name, labels={EXCLUDE_LABEL: ""} if name in excluded else None)
        for name in "30142"
    ]
    assert [node.metadata.name for node in eligible_nodes(nodes)] == list(left)


EXCLUDED = {"labels": {EXCLUDE_LABEL: ""}}
TAINTED = {"taints": [AUTOSCALER_TAINT]}
ID = {"provider_id": "p://1"}
OTHER_ID = {"provider_id": "p://2"}

# fmt: off
# (name, old, new, does the set of backends change)
NODE_UPDATES = [
    ("nothing", {}, {}, False),
    ("excluded", {}, EXCLUDED, True),
    ("included again", EXCLUDED, {}, True),
    ("autoscaler taint", {}, TAINTED, True),
    ("autoscaler taint gone", TAINTED, {}, True),
    ("another taint", {}, {"taints": ["other"]}, False),
    ("another taint gone", {"taints": ["other"]}, {}, False),
    ("another label", {}, {"labels": {"a": "b"}}, False),
    ("another label gone", {"labels": {"a": "b"}}, {}, False),
    ("not ready", {}, {"ready": "False"}, False),
    ("ready again", {"ready": "False"}, {}, False),
    ("stays not ready", {"ready": "False"}, {"ready": "False"}, False),
    ("readiness unset", {"ready": "False"}, {"ready": None}, False),
    ("readiness set", {"ready": None}, {"ready": "False"}, False),
    ("readiness stays unset", {"ready": None}, {"ready": None}, False),
    ("cordoned", {}, {"unschedulable": True}, False),
    ("being deleted", {}, {"deleted": True}, True),
    ("provider id set", {}, ID, True),
    ("provider id unset", ID, {}, True),
    ("provider id changed", ID, OTHER_ID, True),
    ("new object, same name", {"uid": "1"}, {"uid": "2"}, False),
    ("tainted, then excluded", TAINTED, {**TAINTED, **EXCLUDED}, False),
    ("tainted, then included", {**TAINTED, **EXCLUDED}, TAINTED, False),
    ("tainted, provider id set", TAINTED, {**TAINTED, **ID}, False),
    ("tainted, provider id unset", {**TAINTED, **ID}, TAINTED, False),
    ("tainted, provider id changed", {**TAINTED, **ID}, {**TAINTED, **OTHER_ID}, False),
    ("tainted, then ready", {**TAINTED, "ready": "False"}, TAINTED, False),
    ("tainted, then not ready", TAINTED, {**TAINTED, "ready": "False"}, False),
    ("excluded, then tainted", EXCLUDED, {**EXCLUDED, **TAINTED}, False),
    ("excluded, then untainted", {**EXCLUDED, **TAINTED}, EXCLUDED, False),
    ("excluded, then ready", {**EXCLUDED, "ready": "False"}, EXCLUDED, False),
    ("excluded, then not ready", EXCLUDED, {**EXCLUDED, "ready": "False"}, False),
    ("excluded, provider id set", EXCLUDED, {**EXCLUDED, **ID}, False),
    ("excluded, provider id unset", {**EXCLUDED, **ID}, EXCLUDED, False),
    ("excluded, provider id changed", {**EXCLUDED, **ID}, {**EXCLUDED, **OTHER_ID}, False),
    ("not ready, then tainted", {"ready": "False"}, {"ready": "False", **TAINTED}, True),
    ("not ready, then untainted", {"ready": "False", **TAINTED}, {"ready": "False"}, True),
    ("not ready, then excluded", {"ready": "False"}, {"ready": "False", **EXCLUDED}, True),
    ("not ready, then included", {"ready": "False", **EXCLUDED}, {"ready": "False"}, True),
    ("not ready, provider id set", {"ready": "False"}, {"ready": "False", **ID}, True),
    ("not ready, provider id unset", {"ready": "False", **ID}, {"ready": "False"}, True),
    ("not ready, provider id changed", {"ready": "False", **ID},
     {"ready": "False", **OTHER_ID}, True),
    ("provider id set and excluded", {}, {**ID, **EXCLUDED}, True),
    ("provider id set and included", EXCLUDED, ID, True),
    ("provider id set and not ready", {}, {**ID, "ready": "False"}, True),
    ("provider id set and tainted", {}, {**ID, **TAINTED}, True),
    ("no provider id, ready", {"ready": "False"}, {}, False),
    ("initialised", {"taints": [UNINITIALIZED_TAINT]}, ID, True),
    ("not initialised, labelled", {"taints": [UNINITIALIZED_TAINT]},
     {"taints": [UNINITIALIZED_TAINT], "labels": {"a": "b"}}, False),
]
# fmt: on


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [pytest.param(old, new, expected, id=name) for name, old, new, expected in NODE_UPDATES],
)
def test_which_node_updates_change_backends(old, new, expected, plain_load_balancer):
    before, after = make_node(**old), make_node(**new)
    changed = plain_load_balancer.backend_nodes_changed(
        make_service(), eligible_nodes([before]), eligible_nodes([after])
    )
    assert changed is expected
    # What changes backends must pass the coarse filter.
    assert node_change_matters(before, after) or not expected


@pytest.mark.parametrize(
    "change",
    [
        {"labels": {"a": "b"}},
        {"annotations": {"a": "b"}},
        {"taints": ["a"]},
        {"unschedulable": True},
        {"ready": "False"},
        {"addresses": [("InternalIP", "10.0.0.1")]},
        {"provider_id": "p://1"},
        {"deleted": True},
        {"uid": "another"},
    ],
    ids=lambda change: next(iter(change)),
)
def test_what_a_provider_could_look_at_passes_the_filter(change):
    assert node_change_matters(make_node(), make_node(**change))


def test_a_heartbeat_does_not_pass_the_filter():
    node = make_node()
    beat = msgspec.structs.replace(
        node, metadata=msgspec.structs.replace(node.metadata, resource_version="2")
    )
    assert not node_change_matters(node, beat)


def test_node_names_in_events_are_limited_to_twenty():
    few = [make_node("b"), make_node("a")]
    many = [make_node(f"n{index:02}") for index in range(22)]
    assert logged_node_names([]) == "[]"
    assert logged_node_names(few) == "[a b]"
    expected = " ".join(f"n{index:02}" for index in range(20))
    assert logged_node_names(many) == f"[{expected} <2 more>]"
