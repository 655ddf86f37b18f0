"""Killed or faulted at any boundary, the manager converges: nothing twice, nothing left behind.

Every call that a scenario makes, to Kubernetes or to the cloud, is a boundary, and so is every
event that it is told; at each of them, in a run of its own, the process dies, the answer is lost,
the call is refused, somebody else acts, the API server shows an old state, a clock jumps
(``spec/reliability.md`` 2 and 3). A run is judged after every write, at its end and as a whole.
With each change a part of all plans is run: :mod:`campaign` says which.
"""

import campaign
import pytest
import scenarios
from kinds import KINDS

from cloudprovider.testing.harness.boundary import WRITE_KINDS

pytestmark = [pytest.mark.faults, pytest.mark.timeout(500)]

#: A recording with fewer calls than this no longer exercises what it should.
LEAST_CALLS = {
    1: 35,
    2: 65,
    3: 50,
    4: 55,
    5: 55,
    6: 50,
    12: 110,
    16: 50,
    17: 50,
    18: 45,
    19: 50,
    20: 150,
    21: 60,
    27: 65,
}
#: A campaign with fewer plans than this leaves something out that it had.
LEAST_PLANS = 25_000


def calls(world):
    return [(r.t, r.proc, r.thread, r.api, r.op, r.key) for r in world.boundary.records]


def told(world):
    return [(r.t, r.op, r.key) for r in world.boundary.events]


@pytest.mark.parametrize("managers", [1, 2], ids=["alone", "elected"])
@pytest.mark.parametrize("number", scenarios.ALL)
def test_without_a_fault_no_invariant_is_violated_and_the_run_repeats(number, managers):
    world = campaign.world_of(number)(managers=managers).play(scenarios.ALL[number])
    assert world.violations == []
    recorded = campaign.recorded(number, managers)
    assert (calls(world), told(world)) == (calls(recorded), told(recorded))
    assert len(world.boundary.records) >= LEAST_CALLS[number]


def test_the_fifty_services_and_the_hundred_nodes_are_served():
    fifty = campaign.world_of(12)().play(scenarios.many_services)
    assert fifty.violations == []
    hundred = scenarios.EmptyWorld()
    hundred.crowd = 97
    assert hundred.play(scenarios.initialise_nodes).violations == []
    twenty = campaign.world_of(27)().play(scenarios.delete_namespace)
    assert twenty.violations == []


@pytest.mark.parametrize("kind", WRITE_KINDS)
@pytest.mark.parametrize("number", scenarios.ALL)
def test_at_every_boundary_the_fault_is_survived(number, kind):
    survive(number, campaign.chosen(number, kind))


@pytest.mark.parametrize("kind", KINDS)
def test_what_others_do_is_survived(kind):
    tried = 0
    for number in scenarios.ALL:
        plans = campaign.chosen(number, kind)
        tried += len(plans)
        survive(number, plans, least=0)
    assert tried >= (2 if kind.startswith("stale") else campaign.POINTS + len(scenarios.ALL) // 3)


def survive(number, plans, least=1):
    assert len(plans) >= least
    failed = {}
    for plan in plans:
        problems = campaign.run(number, plan)
        if problems:
            failed[campaign.point(number, plan)] = problems
    assert not failed, "\n".join(f"{number}: {where}: {what}" for where, what in failed.items())


def test_a_campaign_has_the_plans_that_it_should():
    every = [campaign.plans(number, k) for number in scenarios.ALL for k in campaign.ALL_KINDS]
    assert sum(map(len, every)) >= LEAST_PLANS
