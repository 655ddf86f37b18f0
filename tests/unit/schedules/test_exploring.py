"""The scheduler itself: it finds what only some orders show, and finds it again."""

import pytest

from cloudprovider.testing import schedules
from cloudprovider.testing.schedules import Schedule, explore, explore_crashes, play
from cloudprovider.testing.virtual import Deadlock


def lost_update(hub):
    """Two threads add 1 to a number that they read and write in two steps."""
    lock, total = hub.lock(), [0]

    def add():
        with lock:
            seen = total[0]
        with lock:
            total[0] = seen + 1

    threads = [hub.start_thread(add, name=name) for name in ("one", "two")]
    for thread in threads:
        thread.join()
    assert total[0] == 2, f"{total[0]} of 2"


def both_ways(hub):
    """Two threads take two locks, each in its own order."""
    first, second = hub.lock(), hub.lock()

    def take(one, other):
        with one, other:
            pass

    threads = [
        hub.start_thread(lambda: take(first, second), name="ab"),
        hub.start_thread(lambda: take(second, first), name="ba"),
    ]
    for thread in threads:
        thread.join()


def ordered(hub):
    """The same, in one order."""
    lock, total = hub.lock(), [0]

    def add():
        with lock:
            total[0] += 1

    threads = [hub.start_thread(add, name=str(number)) for number in range(3)]
    for thread in threads:
        thread.join()
    assert total[0] == 3


@pytest.mark.parametrize("policy", schedules.POLICIES)
def test_each_policy_finds_a_lost_update(policy):
    failed = []
    for seed in range(100):
        try:
            play(lost_update, Schedule(policy, seed), length=12)
        except AssertionError:
            failed.append(seed)
    assert failed
    assert len(failed) < 100
    with pytest.raises(AssertionError, match="1 of 2"):
        play(lost_update, Schedule(policy, failed[0]), length=12)


def test_a_deadlock_names_who_waits():
    with pytest.raises(schedules.Refuted, match=r"Schedule\(.*Deadlock.*(ab|ba)") as caught:
        explore(both_ways, 100)
    assert isinstance(caught.value.__cause__, Deadlock)


def test_one_schedule_is_always_the_same_order():
    traces = {tuple(play(ordered, Schedule("random", 7)).trace) for _ in range(10)}
    assert len(traces) == 1


def test_many_schedules_are_many_orders():
    assert explore(ordered, 100) > 20


def test_a_crash_happens_at_each_point_and_only_in_the_process_that_is_there():
    survived = []

    def model(hub):
        other = hub.event()

        def work():
            for _ in range(3):
                other.is_set()

        hub.start_process(work, process="victim")
        hub.sleep(1)
        survived.append(hub.threads("victim") == [])

    assert explore_crashes(model) >= 3
    assert all(survived)
