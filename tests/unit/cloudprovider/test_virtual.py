"""Virtual time: threads, locks and timers behave like real ones, deterministically."""

import pytest

from cloudprovider import concurrency
from cloudprovider.testing import virtual


def run(main, **options):
    world = virtual.VirtualConcurrency(**options)
    world.run(lambda: main(world))
    return world


def test_sleeping_takes_no_real_time_and_advances_the_clock():
    world = run(lambda w: w.sleep(86_400))
    assert world.monotonic() == 86_400


def test_threads_run_side_by_side_on_one_clock():
    log = []

    def main(world):
        def worker(name, pause):
            for _ in range(2):
                world.sleep(pause)
                log.append((world.monotonic(), name))

        threads = [
            world.start_thread(lambda n=n, p=p: worker(n, p), name=n)
            for n, p in [("slow", 3), ("fast", 2)]
        ]
        for thread in threads:
            thread.join()

    run(main)
    assert log == [(2, "fast"), (3, "slow"), (4, "fast"), (6, "slow")]


def test_a_condition_hands_over_and_times_out():
    seen = []

    def main(world):
        condition, items = world.condition(), []

        def producer():
            world.sleep(5)
            with condition:
                items.append("x")
                condition.notify()

        world.start_thread(producer, name="producer")
        with condition:
            seen.append(condition.wait_for(lambda: bool(items), timeout=1))
            seen.append(condition.wait_for(lambda: bool(items)))
        seen.append(world.monotonic())

    run(main)
    assert seen == [False, True, 5]


def test_a_timed_out_lock_waiter_is_not_woken_later():
    def main(world):
        lock = world.lock()

        def holder():
            with lock:
                world.sleep(10)

        world.start_thread(holder, name="holder")
        world.sleep(0)
        assert not lock.acquire(timeout=2)
        world.sleep(20)
        assert world.monotonic() == 22

    run(main)


def test_a_killed_process_never_runs_again_and_its_finally_has_no_effect():
    log = []

    def main(world):
        lock = world.lock()

        def victim():
            try:
                with lock:
                    world.sleep(100)
                log.append("woke")
            finally:
                with lock:
                    log.append("cleaned up")

        world.start_process(victim, process="victim")
        world.sleep(1)
        world.kill("victim")
        world.sleep(200)
        assert world.threads("victim") == []

    run(main)
    assert log == []


def test_a_thread_can_kill_its_own_process():
    log = []

    def main(world):
        def victim():
            world.kill("victim")
            log.append("survived")

        world.start_process(victim, process="victim").join()

    run(main)
    assert log == []


def test_a_deadlock_is_reported_with_who_waits():
    with pytest.raises(virtual.Deadlock, match="test/main"):
        run(lambda w: w.event().wait())


def test_a_hot_loop_is_reported():
    def main(world):
        while True:
            world.sleep(0)

    with pytest.raises(virtual.TooManySteps):
        run(main, max_steps=1000)


@pytest.mark.parametrize("seed", [None, 1, 2])
def test_a_run_repeats_exactly(seed):
    def record():
        log = []

        def main(world):
            for name in "abc":
                world.start_thread(lambda n=name: log.append((n, world.uuid())), name=name)
            world.sleep(world.random.random())

        run(main, seed=seed)
        return log

    assert record() == record()


def test_components_built_inside_take_the_virtual_factory():
    def main(world):
        assert concurrency.current() is world

    run(main)
    assert isinstance(concurrency.current(), concurrency.RealConcurrency)


def test_a_paused_process_does_nothing_until_it_is_resumed():
    log = []

    def main(world):
        def work():
            while True:
                world.sleep(10)
                log.append(world.monotonic())

        world.start_process(work, process="p")
        world.sleep(15)
        world.pause("p")
        world.sleep(30)
        world.resume("p")
        world.resume("p")
        world.sleep(15)

    run(main)
    assert log == [10, 45, 55]


def test_a_paused_process_can_be_killed():
    log = []

    def main(world):
        def work():
            world.sleep(10)
            log.append("went on")

        world.start_process(work, process="p")
        world.sleep(5)
        world.pause("p")
        world.sleep(10)
        world.kill("p")
        world.resume("p")
        world.sleep(10)

    run(main)
    assert log == []


def test_the_clock_of_a_suspended_process_does_not_see_it():
    log = []

    def main(world):
        def work():
            deadline = world.monotonic() + 60
            while world.monotonic() < deadline:
                world.sleep(deadline - world.monotonic())
            log.append((world.elapsed(), world.monotonic(), world.now().minute))

        world.start_process(work, process="p")
        world.sleep(10.1)
        world.suspend("p", 120.3)
        world.sleep(300)

    run(main)
    ((elapsed, monotonic, minute),) = log
    assert elapsed == pytest.approx(180.3)
    assert monotonic == pytest.approx(60)
    assert minute == 3


def test_the_wall_clock_of_one_process_jumps():
    hours = {}

    def main(world):
        def look():
            hours[world.process()] = world.now().hour
            with world.serving():
                hours["server"] = world.now().hour

        world.skew("p", 3600)
        world.start_process(look, process="p").join()
        world.start_process(lambda: hours.update(q=world.now().hour), process="q").join()

    run(main)
    assert hours == {"p": 1, "server": 0, "q": 0}
