"""The enumeration finds defects: each mutant is caught, by the oracle named in advance."""

import campaign
import mutants
import pytest
import scenarios
from kinds import KINDS

from cloudprovider.testing.harness.boundary import Injection

pytestmark = [pytest.mark.faults, pytest.mark.timeout(300)]


@pytest.mark.parametrize("mutant", mutants.ALL, ids=lambda mutant: mutant.name)
def test_a_mutant_is_caught_by_its_oracle(mutant, monkeypatch):
    mutant.apply(monkeypatch)
    found = []
    for plan in plans(mutant):
        found += violations(mutant, plan)
        if any(violation.startswith(mutant.oracle) for violation in found):
            return
    pytest.fail(f"{mutant.name} survived {mutant.oracle}; seen: {found}")


def plans(mutant):
    """The runs that may catch it: without a fault, or with its kind at every call."""
    if mutant.kind is None:
        return [None]
    recorded = play(mutant, None)
    if mutant.kind in KINDS:
        kind = KINDS[mutant.kind]
        points = recorded.boundary.events if kind.point == "event" else recorded.boundary.records
        points = [p for p in points if kind.applies(p) and mutant.at in {"", p.op}]
        return [Injection(p.n, mutant.kind, kind.point) for p in points]
    return [
        Injection(record.n, mutant.kind)
        for record in recorded.boundary.records
        if record.effect or mutant.kind == "outage"
    ]


def play(mutant, plan):
    """The world of one run of the mutant."""
    world = campaign.world_of(mutant.scenario)(injection=plan, managers=mutant.managers)
    return world.play(scenarios.ALL[mutant.scenario])


def violations(mutant, plan):
    """What the oracles say of one run of the mutant."""
    world = campaign.world_of(mutant.scenario)(injection=plan, managers=mutant.managers)
    try:
        world.play(scenarios.ALL[mutant.scenario])
    except AssertionError as error:
        return [*world.violations, str(error)]
    return world.violations
