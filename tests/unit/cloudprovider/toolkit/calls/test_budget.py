"""Token buckets that adapt to throttling."""

from collections.abc import Callable

import pytest

from cloudprovider.errors import Throttled
from cloudprovider.testing.virtual import VirtualConcurrency
from cloudprovider.toolkit.calls import Budget, Budgets, Rate


@pytest.fixture
def world() -> VirtualConcurrency:
    return VirtualConcurrency()


def run(world: VirtualConcurrency, main: Callable[[Budget], None], rate: Rate) -> None:
    world.run(lambda: main(Budget(rate, concurrency=world)))


def test_a_burst_passes_at_once_and_the_rest_at_the_rate(world):
    def main(budget):
        waits = [budget.acquire(60.0) for _ in range(15)]
        assert waits[:10] == [0.0] * 10
        assert world.monotonic() == pytest.approx(5 / 2.0)

    run(world, main, Rate(per_second=2.0, burst=10.0))


def test_many_threads_share_one_budget_in_the_order_they_came(world):
    done: list[int] = []

    def main(budget):
        def call(number: int) -> None:
            budget.acquire(60.0)
            done.append(number)

        threads = [world.start_thread(lambda n=n: call(n), name=str(n)) for n in range(20)]
        for thread in threads:
            thread.join()
        assert done == list(range(20))
        assert world.monotonic() == pytest.approx(15 / 5.0)

    run(world, main, Rate(per_second=5.0, burst=5.0))


def test_a_wait_beyond_the_limit_is_refused_and_costs_nothing(world):
    def main(budget):
        budget.acquire(1.0)
        with pytest.raises(Throttled) as caught:
            budget.acquire(1.0)
        assert caught.value.after == pytest.approx(10.0)
        world.sleep(10.0)
        assert budget.acquire(1.0) == 0.0

    run(world, main, Rate(per_second=0.1, burst=1.0))


def test_throttling_halves_the_rate_and_pauses_everyone(world):
    def main(budget):
        budget.throttled()
        assert budget.rate == 20.0
        assert budget.acquire(60.0) == pytest.approx(1.0)

    run(world, main, Rate(per_second=40.0, burst=40.0))


def test_refusals_of_calls_in_flight_together_count_once(world):
    def main(budget):
        for _ in range(30):
            budget.throttled()
        assert budget.rate == 20.0

    run(world, main, Rate(per_second=40.0, burst=40.0))


def test_the_rate_recovers_additively_to_its_ceiling_and_never_above(world):
    def main(budget):
        budget.throttled()
        budget.acquire(60.0)
        world.sleep(5.0)
        budget.acquire(60.0)
        assert budget.rate == pytest.approx(25.0, abs=0.1)
        world.sleep(600.0)
        budget.acquire(60.0)
        assert budget.rate == 40.0

    run(world, main, Rate(per_second=40.0, burst=40.0))


def test_repeated_throttling_pauses_longer_up_to_a_minute_and_keeps_the_floor(world):
    def main(budget):
        pauses = []
        for _ in range(9):
            budget.throttled()
            before = world.monotonic()
            budget.acquire(100.0)
            pauses.append(round(world.monotonic() - before))
        assert pauses == [1, 2, 4, 8, 16, 32, 60, 60, 60]
        assert budget.rate >= 0.5

    run(world, main, Rate(per_second=40.0, burst=40.0, recover=0.0))


def test_a_success_makes_the_next_pause_short_again(world):
    def main(budget):
        for _ in range(4):
            budget.throttled()
            budget.acquire(100.0)
        budget.succeeded()
        budget.throttled()
        assert budget.acquire(100.0) == pytest.approx(1.0)

    run(world, main, Rate(per_second=40.0, burst=40.0))


def test_the_pause_is_what_the_cloud_asked_for(world):
    def main(budget):
        budget.throttled(7.5)
        assert budget.acquire(60.0) == pytest.approx(7.5)

    run(world, main, Rate(per_second=40.0, burst=40.0))


def test_a_later_hint_prolongs_the_pause(world):
    def main(budget):
        budget.throttled()
        budget.throttled(3.0)
        assert budget.acquire(60.0) == pytest.approx(3.0)

    run(world, main, Rate(per_second=40.0, burst=40.0))


def test_who_waits_already_waits_for_the_end_of_a_pause_that_is_prolonged(world):
    gone: list[float] = []

    def main(budget):
        def call() -> None:
            budget.acquire(60.0)
            gone.append(world.monotonic())

        budget.throttled(1.0)
        threads = [world.start_thread(call, name=str(n)) for n in range(3)]
        world.sleep(0.5)
        budget.throttled(9.5)
        for thread in threads:
            thread.join()
        assert gone == [pytest.approx(10.0 + n / 20.0) for n in range(3)]

    run(world, main, Rate(per_second=40.0, burst=40.0, recover=0.0))


def test_budgets_are_kept_apart_by_key(world):
    def main():
        budgets = Budgets(concurrency=world)
        rate = Rate(per_second=1.0, burst=1.0)
        assert budgets.get("a", rate) is budgets.get("a", rate)
        budgets.get("a", rate).throttled()
        assert budgets.get("b", rate).acquire(0.0) == 0.0

    world.run(main)
