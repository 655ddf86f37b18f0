"""Managers killed at random while users change everything and both servers fail: 200 seeds.

Virtual time, the real manager with its flags, election, runtime and provider. Invariants are judged
after every write, over the journal, and at the end of a tail without faults. One seed by hand:
`python tests/faults/seeded.py --from N --count 1 --shrink`.
"""

import itertools
from typing import get_args

import pytest
import seeded
import seeded_cases
import seeded_judges
from seeded_plan import Kind, draw

from cloudprovider.toolkit.journal import Record

pytestmark = [pytest.mark.faults, pytest.mark.timeout(300)]

SEEDS, SHARES = 200, 10
#: What a share does at least; less, and the campaign no longer tries what it should.
FLOOR = {"kills": 25, "in_flight": 8, "faults": 20, "actions": 90, "writes": 800, "leaders": 40}


@pytest.mark.parametrize("share", range(SHARES))
def test_every_invariant_holds_in_every_run(share):
    outcomes = [seeded.run_seed(seed) for seed in range(share, SEEDS, SHARES)]
    failed = [
        "\n  ".join([f"seed {found.seed}: {seeded.replay(found.seed)}", *found.violations])
        for found in outcomes
        if found.violations
    ]
    assert not failed, "\n".join(failed)
    done = {name: sum(getattr(found, name) for found in outcomes) for name in FLOOR}
    assert {name: done[name] for name in FLOOR if done[name] < FLOOR[name]} == {}
    assert all(found.kills for found in outcomes)


@pytest.mark.parametrize("case", seeded_cases.load(), ids=lambda case: case.name)
def test_what_once_failed_does_not_fail_again(case):
    assert seeded.run(case.plan).violations == []


def test_the_plans_together_hold_every_kind_of_trouble():
    plans = [draw(seed) for seed in range(SEEDS)]
    kinds = {fault.kind for plan in plans for fault in plan.faults}
    assert kinds == set(get_args(Kind))
    assert sum(plan.managers > 1 for plan in plans) > SEEDS / 3
    assert sum(plan.routes for plan in plans) > SEEDS / 4
    assert len({action.do for plan in plans for action in plan.actions}) >= 14


def test_a_seed_gives_the_same_run_again():
    first, second = seeded.run_seed(3), seeded.run_seed(3)
    assert first == second
    assert draw(3) != draw(4)


def test_a_plan_is_made_smaller_without_what_its_failure_does_not_need(monkeypatch):
    plan = next(plan for plan in map(draw, itertools.count()) if len(plan.faults) > 2)
    needed = plan.faults[1], plan.actions[0]

    def fails(smaller):
        return needed[0] in smaller.faults and needed[1] in smaller.actions

    monkeypatch.setattr(seeded, "_fails", fails)
    small = seeded.shrink(plan)
    assert (small.faults, small.actions) == ((needed[0],), (needed[1],))
    assert (small.managers, small.elect, small.routes) == (1, False, False)


# -- the judges of the journal -------------------------------------------------------------------


def call(proc, t, op="CreateLoadBalancer", **fields):
    return Record(n=0, t=t, api="slb", op=op, write=True, proc=proc, **fields)


@pytest.mark.parametrize(
    ("records", "found"),
    [
        ([call("a", 1), call("a", 11)], 0),
        ([call("a", 13)], 1),
        ([call("b", 5)], 1),
        ([call("a", 1), call("b", 21), call("b", 29)], 0),
        ([call("a", 11), call("b", 21), call("a", 21)], 2),
        ([call("b", 29, "PUT leases"), call("a", 29, "POST events", key="kube-system/")], 0),
        ([call("a", 29, "POST events", key="default/")], 1),
    ],
    ids=["own", "after it", "never held", "one after the other", "both", "election", "event"],
)
def test_writes_need_a_lease_and_one_writer(records, found):
    renewals = [("a", 0.0, 0.5), ("a", 2.0, 2.1), ("b", 20.0, 20.1)]
    assert len(seeded_judges.one_writer(records, renewals)) == found


@pytest.mark.parametrize(
    ("deletions", "found"),
    [
        ([(20, "uid")], 0),
        ([(20, "")], 1),
        ([(11, "uid")], 1),
        ([(20, "uid"), (21, "uid")], 1),
    ],
    ids=["allowed", "without UID", "too early", "two at once"],
)
def test_nodes_are_deleted_by_uid_a_period_after_their_instance(deletions, found):
    records = [call("a", t, "DELETE nodes", key="n", pre=pre, effect=True) for t, pre in deletions]
    assert len(seeded_judges.deletions_allowed(records, {"n": [10.0, 300.0]})) == found


def test_a_node_whose_instance_is_there_may_not_be_deleted():
    records = [call("a", 20, "DELETE nodes", key="n", pre="uid", effect=True)]
    assert seeded_judges.deletions_allowed(records, {})
