"""The real manager, killed by SIGKILL at any call it makes, converges when started again.

The calls of scenario 1 over HTTP are recorded first; then, for each of them, there is a run in
which the process dies before it took effect, and one in which it dies after. Each run ends with
nothing left in the cloud, and proves that its kill happened. A quarter of them runs with each
change, FAULT_SEED says which; on virtual time all do (``test_enumeration.py``).
"""

import os

import pytest
from process_world import ProcessWorld, create_and_delete, kills

pytestmark = [pytest.mark.faults, pytest.mark.timeout(550)]

#: Runs are dealt out to this many tests, so that they can run side by side.
SHARES = 4
QUARTER = int(os.environ.get("FAULT_SEED", "0").encode().hex(), 16) % 4


@pytest.fixture(scope="session")
def calls(tmp_path_factory):
    """The calls of the manager in scenario 1, undisturbed."""
    with ProcessWorld(tmp_path_factory.mktemp("recording")) as world:
        create_and_delete(world)
        world.nothing_left()
        assert world.violations == []
        assert world.restarts == 0
        return list(world.plan.calls)


@pytest.mark.parametrize("share", range(SHARES))
def test_killed_at_any_call_it_leaves_one_load_balancer_or_none(calls, share, tmp_path):
    plans = list(kills(calls))
    assert len(plans) >= 30
    for kill in plans[QUARTER::4][share::SHARES]:
        folder = tmp_path / str(kill).replace(" ", "-")
        os.mkdir(folder)
        with ProcessWorld(folder, kill=kill) as world:
            create_and_delete(world)
            world.wait_until_killed()
            world.nothing_left()
            assert world.violations == [], kill
            assert (world.plan.kills, world.restarts) == (1, 1), kill
