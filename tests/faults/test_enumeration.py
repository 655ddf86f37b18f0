"""Killed or faulted at any boundary, the manager converges: nothing twice, nothing left behind.

Every call that a scenario makes, to Kubernetes or to the cloud, is a boundary; at each of them, in
a run of its own, the process dies before or after the effect, the answer is lost, the call is
refused, or throttled (``spec/reliability.md`` 3). A run is judged after every write and at its end.
"""

import functools

import pytest
import scenarios
from world import World

from cloudprovider.testing.harness.boundary import WRITE_KINDS, injections

pytestmark = [pytest.mark.faults, pytest.mark.timeout(500)]

#: A recording with fewer calls than this no longer exercises what it should.
LEAST_CALLS = {1: 25, 2: 35, 4: 35, 5: 35, 17: 40, 19: 40}


@functools.cache
def recording(number):
    """The calls of a scenario without any fault."""
    return tuple(World().play(scenarios.ALL[number]).boundary.records)


@pytest.mark.parametrize("number", scenarios.ALL)
def test_without_a_fault_no_invariant_is_violated_and_the_run_repeats(number):
    world = World().play(scenarios.ALL[number])
    assert world.violations == []
    records = recording(number)
    assert [(r.t, r.api, r.op, r.key) for r in records] == [
        (r.t, r.api, r.op, r.key) for r in world.boundary.records
    ]
    assert len(records) >= LEAST_CALLS[number]


@pytest.mark.parametrize("kind", WRITE_KINDS)
@pytest.mark.parametrize("number", scenarios.ALL)
def test_at_every_boundary_the_fault_is_survived(number, kind):
    plans = [plan for plan in injections(recording(number)) if plan.kind == kind]
    assert plans
    failed = {}
    for plan in plans:
        problems = run(number, plan)
        if problems:
            record = recording(number)[plan.at]
            failed[f"{kind} at {plan.at}: {record.api} {record.op} {record.key}"] = problems
    assert not failed, "\n".join(f"{where}: {what}" for where, what in failed.items())


def run(number, plan):
    """The violations of one run under ``plan``; a fault that did not fire is one too."""
    world = World(injection=plan, expected=list(recording(number)))
    try:
        world.play(scenarios.ALL[number])
    except AssertionError as error:
        return [*world.violations, repr(error)]
    problems = list(world.violations)
    if world.boundary.fired != 1:
        problems.append(f"the fault fired {world.boundary.fired} times")
    if world.boundary.nondeterminism:
        problems.append(world.boundary.nondeterminism)
    return problems
