"""The real manager process over real HTTP, killed at random while its servers restart and freeze.

More of it, with freezes of 30 s: `python tests/faults/process_kills.py`.
"""

import process_kills
import pytest

pytestmark = [pytest.mark.faults, pytest.mark.timeout(400)]

#: Runs are dealt out to this many tests, so that they can run side by side.
SHARES, RUNS = 3, 2
#: Seconds: longer than calls take and shorter than a test wants to wait; by hand it is 30.
FREEZE = 2.0


@pytest.mark.parametrize("share", range(SHARES))
def test_it_converges_and_leaves_nothing_twice_and_nothing_behind(share):
    outcomes = [process_kills.run_seed(share * RUNS + n, freeze=FREEZE) for n in range(RUNS)]
    assert [outcome.violations for outcome in outcomes] == [[]] * RUNS
    assert all(outcome.kills >= 2 for outcome in outcomes)
    assert sum(outcome.in_flight for outcome in outcomes) >= 1
