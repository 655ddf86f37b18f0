"""The oracles over journals: each sees what it is for, and nothing where there is nothing."""

import msgspec
import pytest

from cloudprovider.testing.harness import journals
from cloudprovider.testing.harness.journals import (
    InstanceAnswer,
    Line,
    NodeDeletion,
    Watched,
    Written,
)
from cloudprovider.toolkit.journal import Record


def numbers(found):
    return sorted({violation.partition(":")[0] for violation in found})


# -- O6 ------------------------------------------------------------------------------------------


def answer(t, *found, asked=("i-1", "i-2")):
    return InstanceAnswer(t=t, asked=frozenset(asked), found=frozenset(found))


def deletion(t=10.0, node="n-1", instance="i-1", pre="uid=u,resourceVersion=1", nodes=3):
    return NodeDeletion(t=t, node=node, instance=instance, pre=pre, nodes=nodes)


@pytest.mark.parametrize(
    ("answers", "deletions", "wrong"),
    [
        pytest.param([answer(0, "i-2"), answer(5, "i-2")], [deletion()], False, id="twice"),
        pytest.param([answer(5, "i-2")], [deletion()], True, id="once"),
        pytest.param([answer(4, "i-2"), answer(5, "i-2")], [deletion()], True, id="too-soon"),
        pytest.param(
            [answer(0), answer(3, "i-1"), answer(5)], [deletion()], True, id="there-in-between"
        ),
        pytest.param([answer(0), answer(20)], [deletion()], True, id="said-afterwards"),
        pytest.param(
            [answer(0, asked=["i-2"]), answer(5, asked=["i-2"])], [deletion()], True, id="not-asked"
        ),
        pytest.param([answer(0), answer(5)], [deletion(pre="")], True, id="without-uid"),
        pytest.param(
            [answer(0), answer(5)],
            [deletion(), deletion(t=11.0, node="n-2", instance="i-2")],
            True,
            id="two-at-once",
        ),
        pytest.param(
            [answer(0), answer(5)],
            [deletion(nodes=20), deletion(t=11.0, node="n-2", instance="i-2", nodes=20)],
            False,
            id="two-of-twenty",
        ),
        pytest.param(
            [answer(0), answer(5)],
            [deletion(), deletion(t=15.0, node="n-2", instance="i-2")],
            False,
            id="a-period-apart",
        ),
    ],
)
def test_a_node_goes_only_when_it_is_provably_gone(answers, deletions, wrong):
    found = journals.node_deletions(deletions, answers, period=5.0)
    assert numbers(found) == (["O6"] if wrong else [])


# -- O9 ------------------------------------------------------------------------------------------


def renewal(t, proc="a", **fields):
    return Record(n=0, t=t, proc=proc, api="k8s", op="PUT leases", write=True, **fields)


def write(t, proc="a", op="CreateLoadBalancer", **fields):
    return Record(n=0, t=t, proc=proc, api="slb", op=op, write=True, **fields)


@pytest.mark.parametrize(
    ("records", "wrong"),
    [
        pytest.param([renewal(0), write(9.9)], False, id="in-time"),
        pytest.param([write(0)], True, id="without-a-lease"),
        pytest.param([renewal(0), write(10)], True, id="too-late"),
        pytest.param([renewal(0), renewal(5), write(12)], False, id="renewed"),
        pytest.param([renewal(0), renewal(5, status=409), write(12)], True, id="refused"),
        pytest.param([renewal(0), renewal(5, outcome="lost answer"), write(12)], True, id="unsure"),
        pytest.param(
            [renewal(0), write(1), renewal(2, "b"), write(3, "b"), write(4)],
            True,
            id="two-at-once",
        ),
        pytest.param(
            [renewal(0), write(1), renewal(2, "b"), write(3, "b"), write(4, "b")],
            False,
            id="one-after-the-other",
        ),
        pytest.param([renewal(0), write(50, op="POST events")], False, id="an-event"),
    ],
)
def test_only_who_holds_the_lease_writes(records, wrong):
    found = journals.one_writer(records, deadline=10.0)
    assert numbers(found) == (["O9"] if wrong else [])


@pytest.mark.parametrize(
    ("records", "wrong"),
    [
        pytest.param([renewal(0), write(1)], False, id="before"),
        pytest.param([renewal(0), renewal(1, outcome="RELEASE"), write(2)], True, id="after"),
        pytest.param(
            [renewal(0), renewal(1, outcome="RELEASE"), renewal(2), write(3)], False, id="again"
        ),
    ],
)
def test_nothing_is_written_after_the_lease_was_given_back(records, wrong):
    records, released = numbered(records)
    found = journals.one_writer(records, deadline=10.0, released=released)
    assert numbers(found) == (["O9"] if wrong else [])


def numbered(records):
    """``records`` in their order, and the numbers of those that give the lease back."""
    released = {n for n, record in enumerate(records) if record.outcome == "RELEASE"}
    return [
        msgspec.structs.replace(record, n=n, outcome="ok" if n in released else record.outcome)
        for n, record in enumerate(records)
    ], released


# -- O18 -----------------------------------------------------------------------------------------

ASKED = journals.Stop("a", 10.0, 11.0, 0)


@pytest.mark.parametrize(
    ("stop", "wrong"),
    [
        pytest.param(journals.Stop("a", 10.0, 40.0, 0), False, id="in-time"),
        pytest.param(journals.Stop("a", 10.0, 40.1, 0), True, id="too-late"),
        pytest.param(journals.Stop("a", 10.0), True, id="never"),
        pytest.param(journals.Stop("a", 10.0, 11.0, 1), True, id="not-in-order"),
    ],
)
def test_who_is_asked_to_end_does_so_in_order(stop, wrong):
    found = journals.ended_in_order([stop], grace=30.0)
    assert numbers(found) == (["O18"] if wrong else [])


@pytest.mark.parametrize(
    ("records", "wrong"),
    [
        pytest.param([renewal(0), renewal(11, outcome="RELEASE")], True, id="nobody-took-it"),
        pytest.param(
            [renewal(0), renewal(11, outcome="RELEASE"), renewal(31, "b")], False, id="taken"
        ),
        pytest.param(
            [renewal(0), renewal(11, outcome="RELEASE"), renewal(32, "b")], True, id="late"
        ),
        pytest.param(
            [renewal(0), renewal(11, outcome="RELEASE"), renewal(12, "b", status=409)],
            True,
            id="refused",
        ),
        pytest.param([renewal(0), renewal(12, "b")], True, id="not-given-back"),
        pytest.param([renewal(0, "b")], False, id="did-not-lead"),
    ],
)
def test_a_leader_that_ends_hands_over(records, wrong):
    records, released = numbered(records)
    found = journals.handed_over(records, [ASKED], released=released, within=20.0, until=100.0)
    assert numbers(found) == (["O18"] if wrong else [])


@pytest.mark.parametrize(
    ("fields", "wrong"),
    [
        ({"proc": "a", "pre": "uid=u1,resourceVersion=3"}, True),
        ({"proc": "a", "pre": "uid=u2"}, False),
        ({"proc": "user", "pre": "uid=u1"}, False),
        ({"proc": "a", "pre": "uid=u1", "effect": False}, False),
        ({"body": {"metadata": {"uid": "u1", "finalizers": None}}}, False),
        ({"body": {"metadata": {"$deleteFromPrimitiveList/finalizers": ["f"]}}}, False),
        ({"body": {"metadata": {"labels": {"a": None}}}}, False),
        ({"body": {"metadata": {"labels": {"a": "b"}}}}, True),
        ({"body": {"metadata": {"finalizers": ["f"]}}}, True),
        ({"body": {"metadata": {"annotations": None}}}, True),
        ({"body": {"metadata": {"finalizers": None}, "status": {"loadBalancer": None}}}, True),
        ({"body": {"kind": "DeleteOptions"}}, True),
    ],
    ids=["theirs", "ours", "somebody", "without-effect", "finalizer-goes", "one-of-several-goes",
         "label-goes", "label-comes", "finalizer-comes", "annotations", "status",
         "deletion"],
)  # fmt: skip
def test_what_another_controller_serves_is_not_written(fields, wrong):
    judge = journals.Trespass()
    marks = patched({"metadata": {"finalizers": ["f"]}})
    assert judge.seen(marks, ()) == []
    assert numbers(judge.seen(patched(**fields), {"u1"})) == (["O1"] if wrong else [])


def patched(body=None, **fields):
    args = {} if body is None else {"body": msgspec.json.encode(body).decode()}
    fields = {"effect": True, "proc": "a", "pre": "uid=u1", "args": args, **fields}
    return Record(n=0, t=0, api="k8s", op="PATCH services", **fields)


def test_only_a_finalizer_of_ours_may_be_taken_from_anothers_service():
    judge = journals.Trespass()
    marks, goes = ({"metadata": {"finalizers": value}} for value in (["f"], None))
    assert numbers(judge.seen(patched(goes), {"u1"})) == ["O1"]
    assert judge.seen(patched(marks), ()) == []
    assert judge.seen(patched({"metadata": {"labels": {"a": None}}}), {"u1"}) == []
    assert judge.seen(patched(goes), {"u1"}) == []
    assert numbers(judge.seen(patched(goes), {"u1"})) == ["O1"]


# -- O11, O12, O13, O15 ----------------------------------------------------------------------------


def test_what_fails_again_and_again_at_once_is_a_hot_loop():
    failing = [write(0.1 * n, outcome="CallFailed") for n in range(16)]
    slow = [write(1.0 * n, outcome="CallFailed") for n in range(16)]
    working = [write(0.1 * n) for n in range(16)]
    assert numbers(journals.no_hot_loop(failing, budget=100)) == ["O11"]
    assert journals.no_hot_loop(slow + working, budget=100) == []
    assert numbers(journals.no_hot_loop(working, budget=15)) == ["O11"]


def event(message="bad", uid="u", kind="Warning"):
    about = {"kind": "Service", "uid": uid, "name": "web"}
    return {"involvedObject": about, "type": kind, "reason": "Failed", "message": message}


@pytest.mark.parametrize(
    ("events", "arguments", "wrong"),
    [
        pytest.param([event()], {}, False, id="one"),
        pytest.param([event(), event()], {}, True, id="two-for-one-thing"),
        pytest.param([event(), event()], {"processes": 2}, False, id="one-of-each-process"),
        pytest.param([event(), event("worse")], {}, False, id="two-things"),
        pytest.param([event("port 0 is bad")], {"due": {"web": ["port", "0"]}}, False, id="due"),
        pytest.param([event("bad")], {"due": {"web": ["port"]}}, True, id="says-nothing"),
        pytest.param([event("port", kind="Normal")], {"due": {"web": ["port"]}}, True, id="silent"),
        pytest.param([event("p1"), event("p2")], {"due": {"web": ["p"]}}, True, id="changing"),
    ],
)
def test_what_a_user_has_to_know_is_one_event(events, arguments, wrong):
    assert numbers(journals.one_series(events, **arguments)) == (["O12"] if wrong else [])


def test_others_write_what_they_always_write():
    own = [write(1, key="default/a", effect=True)]
    reference = [*own, write(2, key="default/b", effect=True)]
    retried = [*own, write(2, key="default/b", effect=True), write(3, key="default/b", effect=True)]
    assert journals.isolated(retried, reference, but=frozenset({"default/b"})) == []
    assert numbers(journals.isolated(retried, reference, but=frozenset())) == ["O13"]
    assert numbers(journals.isolated(own, reference, but=frozenset())) == ["O13"]


@pytest.mark.parametrize(
    ("op", "pre", "body", "wrong"),
    [
        ("DELETE nodes", "uid=u,resourceVersion=1", "", False),
        ("DELETE nodes", "uid=u", "", True),
        ("PATCH services/status", "uid=u", '{"status":{}}', False),
        ("PATCH services/status", "", '{"status":{}}', True),
        ("PATCH services/status", "uid=u", '{"metadata":{"finalizers":null}}', True),
        ("PATCH nodes", "uid=u", '{"spec": {"taints": []}}', True),
        ("PATCH nodes", "uid=u,resourceVersion=1", '{"spec":{"taints":[]}}', False),
        ("PUT leases", "uid=u", "", True),
        ("POST events", "", "", False),
    ],
)
def test_a_write_says_which_object_it_means(op, pre, body, wrong):
    record = Record(n=0, t=0, api="k8s", op=op, write=True, pre=pre, args={"body": body})
    assert numbers(journals.preconditions([record], [])) == (["O15"] if wrong else [])


def test_a_creation_has_a_token_or_a_look_before():
    look = Record(n=0, t=0, api="slb", op="DescribeVServerGroups", proc="a")
    bare = write(1)
    assert journals.preconditions([], [look, bare]) == []
    assert journals.preconditions([], [write(1, pre="token")]) == []
    assert numbers(journals.preconditions([], [bare])) == ["O15"]


# -- O21 -----------------------------------------------------------------------------------------

WRITTEN = [
    Written("nodes", 1, "ADDED", "a"),
    Written("nodes", 2, "ADDED", "b"),
    Written("services", 3, "ADDED", "x/s"),
    Written("nodes", 4, "MODIFIED", "a"),
    Written("nodes", 6, "DELETED", "b"),
]
A1, B2 = Line("ADDED", 1, "a"), Line("ADDED", 2, "b")
A4, B6 = Line("MODIFIED", 4, "a"), Line("DELETED", 6, "b")
END = Line("BOOKMARK", 3, end=True)
MARK = Line("BOOKMARK", 5)


@pytest.mark.parametrize(
    ("since", "lines", "wrong"),
    [
        pytest.param(2, [A4, B6], False, id="all"),
        pytest.param(2, [A4, MARK, B6], False, id="bookmark"),
        pytest.param(2, [A4], False, id="not-yet-told"),
        pytest.param(2, [B6], True, id="left-out"),
        pytest.param(2, [A4, A4, B6], True, id="twice"),
        pytest.param(2, [B6, A4], True, id="out-of-order"),
        pytest.param(2, [MARK, A4], True, id="behind-a-bookmark"),
        pytest.param(2, [MARK], True, id="left-out-before-a-bookmark"),
        pytest.param(0, [A1, B2, END, A4, B6], False, id="initial"),
        pytest.param(0, [A1, END, A4, B6], True, id="initial-incomplete"),
        pytest.param(0, [A1], False, id="no-state-yet"),
    ],
)
def test_a_watch_tells_each_change_once_in_order(since, lines, wrong):
    watched = Watched(storage="nodes", since=since, initial=not since, lines=lines)
    assert numbers(journals.watch_guarantees(watched, WRITTEN)) == (["O21"] if wrong else [])
