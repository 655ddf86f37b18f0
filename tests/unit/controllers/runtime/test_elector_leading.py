"""When a leader stops leading, and what it tells of it."""

import pytest
from elector_process import ALWAYS, LeaseStore, Process, leader

from cloudprovider.concurrency import current

# -- faults while leading ------------------------------------------------------------------------


@pytest.mark.parametrize("fault", ALWAYS)
def test_a_leader_without_proof_stops_within_the_deadline(virtually, fault):
    def main():
        process = leader()
        current().sleep(1.6)  # just renewed at 2.0
        process.wire.fault = lambda method: ALWAYS[fault]
        last = process.elector.valid_until()
        assert last == 12
        current().sleep(20)
        assert process.lost == [last]
        assert not process.elector.is_leader()
        assert process.elector.lost_reason == "not renewed within 10 s"
        process.thread.join(10)
        assert not process.thread.is_alive()
        assert len(process.wire.requests) < 20

    virtually(main)


@pytest.mark.parametrize("fault", ALWAYS)
def test_a_fault_shorter_than_the_deadline_is_survived(virtually, fault):
    def main():
        process = leader()
        process.wire.fault = lambda method: ALWAYS[fault]
        current().sleep(3)
        process.wire.fault = lambda method: "fine"
        current().sleep(60)
        assert process.lost == []
        assert process.elector.is_leader()
        assert process.wire.store.spec["leaseTransitions"] == 0

    virtually(main)


def test_a_slow_server_is_good_enough(virtually):
    def main():
        process = leader()
        process.wire.fault = lambda method: "slow 3.5"
        current().sleep(300)
        assert process.lost == []
        assert process.elector.is_leader()

    virtually(main)


def test_no_request_waits_longer_than_what_is_left(virtually):
    def main():
        process = leader()
        process.wire.fault = lambda method: "frozen"
        current().sleep(30)
        deadline = process.lost[0]
        for sent, _, timeout in process.wire.requests:
            assert timeout <= 5
            assert sent + timeout <= deadline + 0.051 or sent < 1

    virtually(main)


def test_a_leader_steps_down_at_once_when_it_sees_another(virtually):
    def main():
        store = LeaseStore()
        process = leader(store)
        store.take("other")
        current().sleep(2)
        assert len(process.lost) == 1
        assert process.elector.lost_reason == "other holds the lease"
        assert store.spec["holderIdentity"] == "other"

    virtually(main)


def test_a_stuck_renewal_does_not_delay_the_loss(virtually):
    def main():
        process = leader()
        process.wire.on_drip = lambda *_: current().sleep(10_000)  # no time-out ends it
        process.wire.fault = lambda method: "drip"
        current().sleep(20)
        assert process.lost == [10]

    virtually(main)


def test_a_renewal_that_comes_after_the_deadline_proves_nothing(virtually):
    def main():
        process = Process(LeaseStore(), "me")
        process.elector._watch_deadline = lambda: None  # the process was stopped, and goes on
        process.start()
        current().sleep(0.5)

        def late(method, data, timeout, argument):
            current().sleep(9)  # sent at 2, answered at 11, when 10 was the deadline
            return process.wire.on_fine(method, data, timeout, argument)

        process.wire.on_too_late = late
        process.wire.fault = lambda method: "too_late"
        current().sleep(11)
        assert not process.elector.is_leader()

    virtually(main)


@pytest.mark.parametrize("fault", ["fine", "drip"], ids=["seen by renewal", "seen by watchdog"])
def test_whoever_loses_may_call_release(virtually, fault):
    def main():
        process = leader()
        process.lost = Calling(process.elector.release)
        process.wire.on_drip = lambda *_: current().sleep(10_000)
        process.wire.fault = lambda method: fault
        if fault == "fine":
            process.wire.store.take("other")
        current().sleep(20)
        assert process.lost.calls == 1

    virtually(main)


class Calling:
    """Takes the place of the list of losses."""

    def __init__(self, call):
        self.call, self.calls = call, 0

    def append(self, _):
        self.call()
        self.calls += 1


def test_work_that_cannot_start_gives_leadership_up(virtually):
    def main():
        def fail():
            raise RuntimeError("no provider")

        process = Process(LeaseStore(), "me")
        lost = []
        process.elector.run(process.stop, fail, lambda: lost.append(1))
        assert lost == [1]
        assert process.elector.lost_reason == "the leader's work could not be started"

    virtually(main)


def test_work_that_takes_long_to_start_does_not_stop_renewals(virtually):
    def main():
        process = Process(LeaseStore(), "me")
        run = process.elector.run
        current().start_thread(
            lambda: run(process.stop, lambda: current().sleep(100), process.lost.append), name="r"
        )
        current().sleep(90)
        assert process.elector.is_leader()

    virtually(main)


# -- what others see -----------------------------------------------------------------------------


def test_health_is_about_leaders_that_do_not_renew(virtually):
    def main():
        store = LeaseStore()
        process = leader(store)
        other = Process(store, "other").start()
        current().sleep(100)
        assert process.elector.healthy()
        assert other.elector.healthy()
        process.elector._valid_until = current().monotonic() + 10 - 36  # nothing else can do this
        assert not process.elector.healthy()

    virtually(main)


def test_events_and_metrics_tell_of_leadership(virtually):
    class Recorder:
        def __init__(self):
            self.events = []

        def event(self, obj, type, reason, message):
            self.events.append((obj.kind, obj.key, type, reason, message))

    class Metrics:
        def __init__(self):
            self.calls = []

        def leading(self, leads):
            self.calls.append(leads)

        def slow(self):
            self.calls.append("slow")

    def main():
        store, recorder, metrics = LeaseStore(), Recorder(), Metrics()
        process = Process(store, "me", recorder=recorder, metrics=metrics).start()
        current().sleep(1)
        store.store(store.lease)
        current().sleep(3)
        process.stop.set()
        process.thread.join(1)
        assert metrics.calls == [True, "slow", False]
        key = "kube-system/cloud-controller-manager"
        assert recorder.events == [
            ("Lease", key, "Normal", "LeaderElection", "me became leader"),
            ("Lease", key, "Normal", "LeaderElection", "me stopped leading"),
        ]

    virtually(main)
