"""Retries and deadlines on an injected clock."""

import pytest

from cloudprovider.concurrency import use
from cloudprovider.testing.virtual import VirtualConcurrency
from cloudprovider.toolkit.calls import deadline, full_jitter, interruptible_sleep, remaining, retry


class Flaky:
    """Fails ``failures`` times, then returns the number of calls."""

    def __init__(self, failures: int) -> None:
        self.failures = failures
        self.calls = 0

    def __call__(self) -> int:
        self.calls += 1
        if self.calls <= self.failures:
            raise ConnectionError(f"failure {self.calls}")
        return self.calls


@pytest.fixture
def world() -> VirtualConcurrency:
    return VirtualConcurrency()


def test_it_tries_again_after_the_delay_of_each_error(world):
    def main():
        flaky = Flaky(2)
        result = retry(flaky, lambda _, tries: float(tries), limit=30.0, concurrency=world)
        assert result == 3
        assert world.monotonic() == 3.0

    world.run(main)


def test_it_gives_up_with_the_last_error_as_it_was(world):
    def main():
        flaky = Flaky(9)
        with pytest.raises(ConnectionError, match="failure 3"):
            retry(
                flaky,
                lambda _, tries: 1.0 if tries < 3 else None,
                limit=30.0,
                concurrency=world,
            )

    world.run(main)


def test_no_try_starts_after_the_limit(world):
    def main():
        flaky = Flaky(99)
        with pytest.raises(ConnectionError):
            retry(flaky, lambda *_: 4.0, limit=10.0, concurrency=world)
        assert flaky.calls == 3
        assert world.monotonic() == 8.0

    world.run(main)


def test_what_is_no_error_but_the_end_of_the_process_is_not_retried(world):
    def main():
        def leave() -> None:
            raise SystemExit(3)

        with pytest.raises(SystemExit):
            retry(leave, lambda *_: 0.0, limit=10.0, concurrency=world)

    world.run(main)


def test_a_sleep_ends_early_when_the_process_stops(world):
    def main():
        stop = world.event()

        def later() -> None:
            world.sleep(2.0)
            stop.set()

        world.start_thread(later, name="stopper")
        interruptible_sleep(stop)(60.0)
        assert world.monotonic() == 2.0

    world.run(main)


def test_full_jitter_stays_between_zero_and_the_doubling_bound():
    world = VirtualConcurrency(seed=7)
    for attempt, bound in enumerate([0.5, 1.0, 2.0, 4.0, 8.0, 10.0, 10.0], 1):
        values = [full_jitter(attempt, concurrency=world) for _ in range(200)]
        assert 0.0 <= min(values) < bound / 4
        assert bound * 3 / 4 < max(values) <= bound


def test_without_a_deadline_the_default_remains(world):
    assert remaining(20.0, concurrency=world) == 20.0


def test_a_deadline_shrinks_with_time_and_ends_with_its_block(world):
    def main():
        with deadline(10.0, concurrency=world):
            world.sleep(4.0)
            assert remaining(20.0, concurrency=world) == 6.0
            world.sleep(7.0)
            assert remaining(20.0, concurrency=world) == -1.0
        assert remaining(20.0, concurrency=world) == 20.0

    world.run(main)


def test_an_inner_deadline_cannot_prolong_the_outer_one(world):
    def main():
        with use(world), deadline(5.0), deadline(60.0):
            assert remaining(20.0, concurrency=world) == 5.0

    world.run(main)


def test_a_deadline_holds_for_its_thread_alone(world):
    def main():
        seen: list[float] = []
        with deadline(5.0, concurrency=world):
            world.start_thread(
                lambda: seen.append(remaining(20.0, concurrency=world)), name="other"
            ).join()
        assert seen == [20.0]

    world.run(main)
