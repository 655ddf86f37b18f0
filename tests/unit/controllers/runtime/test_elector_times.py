"""Times that fit together, clocks that jump, and the timer that ends a leader."""

import re

import pytest
from elector_process import LeaseStore, Process, Skewed

from cloudprovider.concurrency import current
from cloudprovider_controllers.runtime.elector import check_times

# -- clocks --------------------------------------------------------------------------------------


@pytest.mark.parametrize("jump", [3600, -3600, 86400 * 365])
def test_a_jump_of_the_wall_clock_changes_no_leader(virtually, jump):
    def main():
        store = LeaseStore()
        clocks = Skewed(current())
        process = Process(store, "me", concurrency=clocks).start()
        other = Process(store, "other").start()
        current().sleep(5)
        clocks.offset = jump
        current().sleep(30)
        assert process.elector.is_leader()
        assert not other.started

    virtually(main)


def test_after_a_suspended_machine_nothing_counts_until_the_next_renewal(virtually):
    def main():
        clocks = Skewed(current())
        process = Process(LeaseStore(), "me", concurrency=clocks).start()
        current().sleep(5)
        clocks.offset = 60  # the wall clock went on, the monotonic one did not
        assert not process.elector.is_leader()
        current().sleep(2)
        assert process.elector.is_leader()

    virtually(main)


# -- times that do not fit -----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("times", "message"),
    [
        ((10, 10, 2), "leaseDuration must be greater than renewDeadline"),
        ((15, 2, 2), "renewDeadline must be greater than retryPeriod*JitterFactor"),
        ((15, 10, 0), "retryPeriod must be greater than zero"),
        ((0.9, 0.5, 0.1), "leaseDuration must be at least one second"),
    ],
)
def test_times_that_do_not_fit_are_refused(times, message):
    with pytest.raises(ValueError, match=re.escape(message)):
        check_times(*times)


# -- the timer that ends a leader ----------------------------------------------------------------


class Timer:
    """A deadman that notes when it would strike."""

    def __init__(self):
        self.at = []

    def arm(self, seconds):
        self.at.append(current().monotonic() + seconds)

    def disarm(self):
        self.at.append(None)


def test_the_timer_strikes_between_the_end_of_the_proof_and_the_next_leader(virtually):
    def main():
        timer = Timer()
        process = Process(LeaseStore(), "me", deadman=timer)
        process.wire.fault = lambda method: "slow 0.5"
        process.start()
        current().sleep(9)
        sent = [at for at, method, _ in process.wire.requests if method != "GET"]
        assert len(timer.at) >= 3
        # Our proof ends 10 s after the request was sent, and others may lead after 15 s.
        assert timer.at == pytest.approx([at + 12.5 for at in sent[: len(timer.at)]])
        process.stop.set()
        current().sleep(2)
        assert timer.at[-1] is None

    virtually(main)


def test_the_timer_of_a_candidate_is_not_set(virtually):
    def main():
        store, timer = LeaseStore(), Timer()
        Process(store, "a").start()
        current().sleep(1)
        Process(store, "b", deadman=timer).start()
        current().sleep(30)
        assert timer.at == []

    virtually(main)


def test_the_timer_of_a_lost_leader_stays_set(virtually):
    def main():
        timer = Timer()
        process = Process(LeaseStore(), "me", deadman=timer)
        process.start()
        current().sleep(1)
        process.wire.fault = lambda method: "refused"
        current().sleep(60)
        assert process.lost
        assert None not in timer.at

    virtually(main)
