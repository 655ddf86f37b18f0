"""A fault costs the Service that it hits, and no other anything (O13, rule R6)."""

import campaign
import mutants
import pytest
import scenarios

from cloudprovider.testing.harness import journals
from cloudprovider.testing.harness.boundary import Injection

pytestmark = [pytest.mark.faults, pytest.mark.timeout(300)]

OWNER = "default/web-3"
KINDS = ("lost_answer", "error", "throttle", "outage", "conflict", "forbidden")


def boundaries():
    """The writes that are about one of the Services."""
    return [r for r in campaign.recording(12) if r.write and r.effect and r.key == OWNER]


def others_differ(plan):
    """What the other Services' writes are under ``plan``, and are not without it."""
    world = campaign.world_of(12)(injection=plan, expected=campaign.recording(12))
    try:
        world.play(scenarios.ALL[12])
    except AssertionError as error:
        return [*world.violations, repr(error)]
    assert world.boundary.fired == 1
    but = frozenset({OWNER})
    return journals.isolated(world.boundary.records, campaign.recording(12), but=but)


@pytest.mark.parametrize("kind", KINDS)
def test_others_do_what_they_do_without_the_fault(kind):
    tried = [record for record in boundaries() if kind != "conflict" or record.api == "k8s"]
    assert len(tried) >= 3
    found = {record.op: others_differ(Injection(record.n, kind)) for record in tried}
    assert not any(found.values()), found


def test_the_oracle_sees_a_failure_that_spreads(monkeypatch):
    mutants.CONTAGIOUS.apply(monkeypatch)
    campaign.recorded.cache_clear()
    try:
        plans = [Injection(record.n, mutants.CONTAGIOUS.kind) for record in boundaries()]
        found = [violation for plan in plans for violation in others_differ(plan)]
    finally:
        monkeypatch.undo()
        campaign.recorded.cache_clear()
    assert any(violation.startswith(mutants.CONTAGIOUS.oracle) for violation in found), found
