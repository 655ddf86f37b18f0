"""The enumeration finds defects: each mutant is caught, by the oracle named in advance."""

import mutants
import pytest
import scenarios
from world import World

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
    recorded = World().play(scenarios.ALL[mutant.scenario]).boundary.records
    return [
        Injection(record.n, mutant.kind)
        for record in recorded
        if record.effect or mutant.kind == "outage"
    ]


def violations(mutant, plan):
    """What the oracles say of one run of the mutant."""
    world = World(injection=plan)
    try:
        world.play(scenarios.ALL[mutant.scenario])
    except AssertionError as error:
        return [*world.violations, str(error)]
    return world.violations
