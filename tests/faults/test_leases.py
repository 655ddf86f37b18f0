"""Two managers, one lease: whoever was stopped past his lease writes nothing when he goes on (R5).

Real processes and real HTTP. The leader is stopped (SIGSTOP) while its calls to the cloud are on
their way, another takes over and writes, the first goes on (SIGCONT). More of it:
`python tests/faults/leases.py`.
"""

import signal

import leases
import pytest

pytestmark = [pytest.mark.faults, pytest.mark.timeout(300)]

RUNS = 5


@pytest.mark.parametrize("share", range(2))
def test_no_write_of_the_old_leader_comes_after_the_first_of_the_new_one(share):
    found = leases.pauses(share, RUNS)
    assert [pause.late for pause in found] == [[]] * RUNS
    # Each run was what it claims to be.
    assert all(pause.in_flight for pause in found)
    assert {pause.exit_code for pause in found} == {-signal.SIGKILL}  # by the kernel's timer
    assert len({pause.leader for pause in found}) > 1


def test_without_timer_and_last_look_there_would_be_such_writes():
    found = leases.pauses(7, 4, "timer+fence")
    assert any(pause.late for pause in found)
