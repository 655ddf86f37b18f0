"""Identical reads, bulk look-ups and kept answers."""

import pytest

from cloudprovider.testing.virtual import VirtualConcurrency
from cloudprovider.toolkit.sharing import Coalescer, SingleFlight, TtlCache, chunks


@pytest.fixture
def world() -> VirtualConcurrency:
    return VirtualConcurrency()


def together(world, targets):
    threads = [world.start_thread(target, name=f"t{n}") for n, target in enumerate(targets)]
    for thread in threads:
        thread.join()


@pytest.mark.parametrize(
    ("count", "sizes"),
    [(0, []), (1, [1]), (100, [100]), (101, [100, 1]), (250, [100, 100, 50])],
)
def test_chunks_hold_at_most_their_size(count, sizes):
    assert [len(chunk) for chunk in chunks(range(count), 100)] == sizes


class TestSingleFlight:
    def test_identical_calls_at_the_same_time_become_one(self, world):
        calls: list[int] = []
        results: list[str] = []

        def main():
            flights = SingleFlight(concurrency=world)

            def call() -> str:
                calls.append(1)
                world.sleep(1.0)
                return "answer"

            together(world, [lambda: results.append(flights.do("key", call))] * 10)
            flights.do("key", call)

        world.run(main)
        assert results == ["answer"] * 10
        assert len(calls) == 2

    def test_different_keys_do_not_wait_for_each_other(self, world):
        def main():
            flights = SingleFlight(concurrency=world)
            together(world, [lambda n=n: flights.do(n, lambda: world.sleep(1.0)) for n in range(5)])
            assert world.monotonic() == 1.0

        world.run(main)

    def test_everyone_gets_the_error_and_the_next_call_is_a_new_one(self, world):
        errors: list[BaseException] = []

        def main():
            flights = SingleFlight(concurrency=world)

            def fail() -> None:
                world.sleep(1.0)
                raise ConnectionError("no")

            def ask() -> None:
                try:
                    flights.do("key", fail)
                except ConnectionError as error:
                    errors.append(error)

            together(world, [ask] * 3)
            assert flights.do("key", lambda: 5) == 5

        world.run(main)
        assert len(errors) == 3


class TestCoalescer:
    def test_single_look_ups_become_one_bulk_call(self, world):
        fetched: list[list[str]] = []
        results: dict[str, str | None] = {}

        def main():
            def fetch(keys):
                fetched.append(sorted(keys))
                return {key: key.upper() for key in keys if key != "gone"}

            coalescer = Coalescer(fetch, size=100, window=0.01, concurrency=world)
            keys = ["a", "b", "gone", "a"]
            together(
                world,
                [lambda key=key: results.__setitem__(key, coalescer.get(key)) for key in keys],
            )

        world.run(main)
        assert fetched == [["a", "b", "gone"]]
        assert results == {"a": "A", "b": "B", "gone": None}

    def test_a_full_batch_leaves_at_once(self, world):
        sizes: list[int] = []

        def main():
            def fetch(keys):
                sizes.append(len(keys))
                return {}

            coalescer = Coalescer(fetch, size=100, window=60.0, concurrency=world)
            together(world, [lambda n=n: coalescer.get(n) for n in range(200)])
            assert world.monotonic() == 0.0

        world.run(main)
        assert sizes == [100, 100]

    def test_an_error_reaches_every_caller_of_the_batch(self, world):
        errors: list[str] = []

        def main():
            def fetch(keys):
                raise ConnectionError("no")

            coalescer = Coalescer(fetch, size=10, window=0.01, concurrency=world)

            def ask(key: int) -> None:
                try:
                    coalescer.get(key)
                except ConnectionError as error:
                    errors.append(str(error))

            together(world, [lambda n=n: ask(n) for n in range(3)])

        world.run(main)
        assert errors == ["no"] * 3


class TestTtlCache:
    def test_an_answer_stays_good_for_its_time(self, world):
        def main():
            loads: list[float] = []
            cache = TtlCache(ttl=10.0, concurrency=world)

            def load() -> float:
                loads.append(world.monotonic())
                return world.monotonic()

            assert cache.get("a", load) == 0.0
            world.sleep(9.0)
            assert cache.get("a", load) == 0.0
            world.sleep(1.0)
            assert cache.get("a", load) == 10.0

        world.run(main)

    def test_errors_are_not_kept(self, world):
        def main():
            cache = TtlCache(ttl=10.0, concurrency=world)

            def fail() -> int:
                raise ConnectionError("no")

            with pytest.raises(ConnectionError):
                cache.get("a", fail)
            assert cache.get("a", lambda: 1) == 1

        world.run(main)

    def test_what_was_forgotten_is_asked_for_again_even_from_a_load_under_way(self, world):
        def main():
            cache = TtlCache(ttl=100.0, concurrency=world)
            values = iter(["before the write", "after the write"])

            def load() -> str:
                value = next(values)
                world.sleep(1.0)
                return value

            old = world.start_thread(lambda: cache.get("a", load), name="reader")
            world.sleep(0.5)
            cache.forget("a")
            assert cache.get("a", load) == "after the write"
            old.join()
            assert cache.get("a", lambda: "unused") == "after the write"

        world.run(main)

    def test_the_oldest_answer_goes_when_there_are_too_many(self, world):
        def main():
            cache = TtlCache(ttl=100.0, size=2, concurrency=world)
            for key in "abc":
                cache.get(key, lambda key=key: key)
            assert cache.get("c", lambda: "loaded") == "c"
            assert cache.get("a", lambda: "loaded") == "loaded"

        world.run(main)

    def test_clear_drops_everything(self, world):
        def main():
            cache = TtlCache(ttl=100.0, concurrency=world)
            cache.get("a", lambda: 1)
            cache.clear()
            assert cache.get("a", lambda: 2) == 2

        world.run(main)
