"""Which faults are tried on which scenario, and what a run of one says.

:func:`plans` has every fault at every point of a scenario where it applies; :func:`chosen` is what
fits into each change's tests; ``python -m benchmarks.campaign`` runs all.
"""

from __future__ import annotations

import functools
import os
import random

import scenarios
from kinds import KINDS
from world import World

from cloudprovider.testing.harness.boundary import WRITE_KINDS, Injection, injections

#: Every kind, those of the boundary first.
ALL_KINDS = (*WRITE_KINDS, *KINDS)
#: With each change the kinds of the boundary are tried at every n-th boundary of these scenarios,
#: and at one of every other.
EVERY_NTH = {1: 1, 2: 8, 4: 8, 5: 8, 17: 8, 19: 8, 21: 8}
#: Every other kind is tried at so many points of the cheapest scenario, and at one of every second
#: of the others. Which ones, the seed says: FAULT_SEED, so that they can rotate.
CHEAPEST, POINTS = 1, 4
SEED = os.environ.get("FAULT_SEED", "0")


def world_of(number):
    """The world that a scenario needs."""
    return scenarios.WORLDS.get(number, World)


@functools.cache
def recorded(number, managers=1):
    """The world of a scenario after a run without any fault."""
    return world_of(number)(managers=managers).play(scenarios.ALL[number])


def recording(number, managers=1):
    """The calls of a scenario without any fault."""
    return tuple(recorded(number, managers).boundary.records)


def plans(number, kind):
    """Every point of a scenario at which ``kind`` applies (``spec/reliability.md`` 3.3, 2)."""
    if kind not in KINDS:
        found = injections(pruned(recording(number)))
        return [plan for plan in found if plan.kind == kind]
    what = KINDS[kind]
    boundary = recorded(number, what.managers).boundary
    points = boundary.events if what.point == "event" else pruned(boundary.records)
    return [Injection(p.n, kind, what.point) for p in points if what.applies(p)]


def chosen(number, kind):
    """The plans that are run with each change."""
    found = plans(number, kind)
    drawn = random.Random(f"{SEED} {number} {kind}")
    if kind not in KINDS and number in EVERY_NTH:
        return found[drawn.randrange(EVERY_NTH[number]) :: EVERY_NTH[number]]
    few = _few(number, kind) if kind in KINDS else 1
    return sorted(drawn.sample(found, min(few, len(found))), key=lambda plan: plan.at)


def _few(number, kind):
    """At how many points of a scenario a kind of :data:`KINDS` is tried with each change."""
    if number == CHEAPEST:
        return POINTS
    others = [other for other in scenarios.ALL if other != CHEAPEST]
    return int(number in random.Random(f"{SEED} {kind}").sample(others, len(others) // 2))


def pruned(records):
    """``records`` without most of the reads that one thread repeats without any effect between.

    Of such a row the first, the second and the last stand for all (``spec/reliability.md`` 3.4).
    """
    rows = {}
    effects = 0
    for record in records:
        effects += record.effect
        same = (effects, record.proc, record.thread, record.api, record.op, record.key)
        rows.setdefault(record.n if record.write else same, []).append(record)
    kept = {r.n for row in rows.values() for r in (*row[:2], row[-1])}
    return [record for record in records if record.n in kept]


def managers_of(plan):
    """How many managers run under ``plan``."""
    return KINDS[plan.kind].managers if plan.kind in KINDS else 1


def point(number, plan):
    """The call or event that ``plan`` is about, in words."""
    boundary = recorded(number, managers_of(plan)).boundary
    record = (boundary.events if plan.point == "event" else boundary.records)[plan.at]
    return f"{plan.kind} at {plan.point} {plan.at}: {record.api} {record.op} {record.key}"


def run(number, plan):
    """The violations of one run under ``plan``; a fault that did not fire is one too."""
    managers = managers_of(plan)
    expected = recording(number, managers)
    world = world_of(number)(injection=plan, expected=expected, managers=managers)
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
