"""The journal keeps calls in order; a fault fires at the call it names, as often as it says."""

import itertools

import pytest

from cloudprovider.testing.faults import Fault, FaultPlan
from cloudprovider.toolkit import journal


def test_records_keep_their_order_across_journals_that_share_a_counter():
    counter = itertools.count()
    one, two = journal.Journal(counter=counter), journal.Journal(counter=counter)
    one.append(api="k8s", op="GET")
    two.append(api="slb", op="CreateLoadBalancer", write=True)
    one.append(api="k8s", op="PATCH")
    merged = sorted(one.records() + two.records(), key=lambda r: r.n)
    assert [r.op for r in merged] == ["GET", "CreateLoadBalancer", "PATCH"]
    assert [r.op for r in one.records(since=0)] == ["PATCH"]


def test_records_survive_their_file_format():
    log = journal.Journal()
    log.append(api="slb", op="X", key="lb-1", args={"a": 1}, write=True, fault="error")
    assert journal.from_jsonl(journal.to_jsonl(log.records())) == log.records()


def test_old_records_go_first():
    log = journal.Journal(limit=10)
    for n in range(25):
        log.append(api="x", op=str(n))
    assert len(log.records()) <= 10
    assert log.records()[-1].op == "24"


CALLS = ["Describe", "Create", "Describe", "Create", "Create"]


@pytest.mark.parametrize(
    ("fault", "fires_at"),
    [
        pytest.param(Fault(kind="error", op="Create"), [1], id="first"),
        pytest.param(Fault(kind="error", op="Create", nth=2), [3], id="second"),
        pytest.param(Fault(kind="error", op="Create", times=2), [1, 3], id="twice"),
        pytest.param(Fault(kind="error", op="*", nth=3, times=0), [2, 3, 4], id="from-then-on"),
        pytest.param(Fault(kind="error", op="Delete"), [], id="never"),
        pytest.param(Fault(kind="error", api="vpc"), [], id="other-api"),
    ],
)
def test_a_fault_fires_at(fault, fires_at):
    plan = FaultPlan([fault])
    fired = [i for i, op in enumerate(CALLS) if plan.match("slb", op) is not None]
    assert fired == fires_at
    assert plan.fired() == [len(fires_at)]


def test_two_faults_count_calls_apart():
    plan = FaultPlan([Fault(kind="error", op="Create"), Fault(kind="throttle", op="Create", nth=2)])
    assert [plan.match("slb", "Create").kind for _ in range(2)] == ["error", "throttle"]
