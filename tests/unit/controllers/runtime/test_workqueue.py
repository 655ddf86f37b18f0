"""The queue against a model, under schedules of our own; limiters; workers."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cloudprovider.concurrency import current
from cloudprovider.testing.virtual import VirtualConcurrency
from cloudprovider_controllers.runtime.ratelimit import TokenBucket
from cloudprovider_controllers.runtime.worker import Result, run_workers
from cloudprovider_controllers.runtime.workqueue import (
    BucketLimiter,
    ExponentialLimiter,
    MaxLimiter,
    WorkQueue,
    default_limiter,
)


def queue():
    return WorkQueue("test", limiter=ExponentialLimiter(5, 300))


# -- one step at a time --------------------------------------------------------------------------


def test_a_key_is_held_once(virtually):
    def main():
        q = queue()
        for key in ("a", "b", "a"):
            q.add(key)
        assert len(q) == 2
        assert [q.get(), q.get()] == ["a", "b"]

    virtually(main)


def test_a_key_added_while_worked_on_comes_again_afterwards(virtually):
    def main():
        q = queue()
        q.add("a")
        assert q.get() == "a"
        q.add("a")
        q.add("a")
        assert len(q) == 0
        q.done("a")
        assert q.get() == "a"
        q.done("a")
        assert q.pending() == 0

    virtually(main)


@pytest.mark.parametrize("delays", [(10, 3), (3, 10)], ids=["earlier later", "earlier first"])
def test_of_two_delays_the_earlier_wins(virtually, delays):
    def main():
        q = queue()
        for delay in delays:
            q.add_after("a", delay)
        assert q.get() == "a"
        assert current().monotonic() == 3
        q.done("a")
        current().sleep(20)
        assert len(q) == 0

    virtually(main)


def test_no_delay_means_now(virtually):
    def main():
        q = queue()
        q.add_after("a", 0)
        q.add_after("b", -1)
        assert [q.get(), q.get()] == ["a", "b"]

    virtually(main)


def test_keys_come_in_the_order_they_became_due(virtually):
    def main():
        q = queue()
        q.add_after("late", 2)
        q.add_after("early", 1)
        current().sleep(3)
        q.add("last")
        assert [q.get(), q.get(), q.get()] == ["early", "late", "last"]

    virtually(main)


def test_failures_grow_the_wait_until_forgotten(virtually):
    def main():
        q = queue()
        waits = []
        for _ in range(8):
            before = current().monotonic()
            q.add_rate_limited("a")
            assert q.get() == "a"
            q.done("a")
            waits.append(current().monotonic() - before)
        assert waits == [5, 10, 20, 40, 80, 160, 300, 300]
        assert q.failures("a") == 8
        q.forget("a")
        assert q.failures("a") == 0

    virtually(main)


@pytest.mark.parametrize("drain", [True, False])
def test_shut_down(virtually, drain):
    def main():
        q = queue()
        q.add("ready")
        q.add_after("delayed", 5)
        q.shut_down(drain=drain)
        q.add("too late")
        assert q.get() == ("ready" if drain else None)
        assert q.get() is None
        current().sleep(10)
        assert q.get() is None

    virtually(main)


def test_shut_down_wakes_everybody(virtually):
    def main():
        q = queue()
        got = []
        threads = [
            current().start_thread(lambda: got.append(q.get()), name=f"w{i}") for i in range(3)
        ]
        current().sleep(1)
        q.shut_down()
        for thread in threads:
            thread.join(1)
        assert got == [None, None, None]

    virtually(main)


def test_done_with_a_key_that_was_never_given_out_changes_nothing(virtually):
    def main():
        q = queue()
        q.done("a")
        assert q.pending() == 0

    virtually(main)


# -- against a model -----------------------------------------------------------------------------

KEYS = st.sampled_from("abc")
STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("add"), KEYS, st.just(0.0)),
        st.tuples(st.just("after"), KEYS, st.sampled_from([0.0, 0.5, 1.0, 3.0])),
        st.tuples(st.just("sleep"), st.just(""), st.sampled_from([0.1, 0.5, 2.0])),
    ),
    max_size=25,
)


def play(steps, seed, workers, work_seconds):
    """Run ``steps`` against real workers; what was asked for and when each key was worked on."""
    hub = VirtualConcurrency(seed=seed, max_steps=100_000)
    asked, worked = [], []

    def main():
        q = queue()
        busy = set()

        def work():
            while (key := q.get()) is not None:
                assert key not in busy, "two workers on one key"
                busy.add(key)
                worked.append((key, current().monotonic()))
                current().sleep(work_seconds)
                busy.discard(key)
                q.done(key)

        threads = [current().start_thread(work, name=f"w{i}") for i in range(workers)]
        waiting = {}  # the model: delayed keys
        for kind, key, seconds in steps:
            now = current().monotonic()
            if kind == "sleep":
                current().sleep(seconds)
            elif kind == "add" or seconds <= 0:
                asked.append((key, now))
                q.add(key) if kind == "add" else q.add_after(key, seconds)
            else:
                due, before = now + seconds, waiting.get(key, -1.0)
                if before > now and due < before:
                    asked.remove((key, before))  # the earlier one stands for both
                if before <= now or due < before:
                    waiting[key] = due
                    asked.append((key, due))
                q.add_after(key, seconds)
        current().sleep(60)
        assert q.pending() == 0
        q.add("last")
        q.shut_down()
        for thread in threads:
            thread.join(60)
            assert not thread.is_alive()

    hub.run(main)
    assert hub.errors() == []
    return asked, worked


@settings(max_examples=150, deadline=None)
@given(STEPS, st.integers(0, 2**16), st.integers(1, 3), st.sampled_from([0.0, 0.7]))
def test_no_add_is_lost_and_no_key_is_worked_on_twice_at_a_time(steps, seed, workers, seconds):
    asked, worked = play(steps, seed, workers, seconds)
    for key, due in asked:
        assert any(k == key and at >= due for k, at in worked), f"{key} due at {due} was lost"
    # Nothing is invented: a key is worked on at most as often as it was asked for.
    for key in "abc":
        assert sum(k == key for k, _ in worked) <= sum(k == key for k, _ in asked)
    assert worked[-1][0] == "last", "what was ready at shut-down must still be worked on"


@settings(max_examples=50, deadline=None)
@given(STEPS, st.integers(0, 2**16))
def test_with_idle_workers_a_key_is_worked_on_when_it_is_due(steps, seed):
    asked, worked = play(steps, seed, workers=3, work_seconds=0.0)
    times = {at for _, at in asked}
    assert all(at in times for key, at in worked if key != "last")


# -- limiters ------------------------------------------------------------------------------------


def test_a_bucket_gives_its_burst_then_its_rate(virtually):
    def main():
        limiter = BucketLimiter(10, 3)
        assert [round(limiter.when("k"), 3) for _ in range(5)] == [0, 0, 0, 0.1, 0.2]
        current().sleep(10)
        assert [round(limiter.when("k"), 3) for _ in range(4)] == [0, 0, 0, 0.1]

    virtually(main)


def test_a_bucket_can_have_a_longest_wait(virtually):
    def main():
        limiter = BucketLimiter(0.1, 1, cap=10)
        assert [limiter.when("routes") for _ in range(4)] == [0, 10, 10, 10]

    virtually(main)


def test_the_longest_wait_of_several_limiters_counts(virtually):
    def main():
        limiter = MaxLimiter(ExponentialLimiter(1, 8), BucketLimiter(0.5, 2))
        assert [limiter.when("a") for _ in range(5)] == [1, 2, 4, 8, 8]
        assert limiter.failures("a") == 5
        limiter.forget("a")
        assert limiter.failures("a") == 0

    virtually(main)


def test_the_default_limiter_is_upstreams(virtually):
    def main():
        limiter = default_limiter()
        assert [limiter.when("a") for _ in range(3)] == [0.005, 0.01, 0.02]
        for _ in range(97):
            limiter.when("b")
        assert limiter.when("c") == pytest.approx(0.1)  # the bucket of 100 is empty
        for _ in range(40):
            limiter.when("d")
        assert limiter.when("d") == 1000

    virtually(main)


@settings(max_examples=50, deadline=None)
@given(st.lists(st.floats(0, 5), max_size=40), st.integers(0, 1000))
def test_a_token_bucket_never_exceeds_its_rate(pauses, seed):
    granted = []

    def main():
        bucket = TokenBucket(2, 4)

        def take():
            bucket.wait()
            granted.append(current().monotonic())

        for pause in pauses:
            current().sleep(pause)
            current().start_thread(take, name="t")
        current().sleep(60)

    VirtualConcurrency(seed=seed).run(main)
    granted.sort()
    assert len(granted) == len(pauses)
    for first in range(len(granted)):
        for last in range(first, len(granted)):
            allowed = 4 + 2 * (granted[last] - granted[first])
            assert last - first + 1 <= allowed + 1e-6


def test_no_rate_means_no_limit(virtually):
    def main():
        bucket = TokenBucket(0, 0)
        assert all(bucket.wait() == 0 for _ in range(1000))

    virtually(main)


# -- workers -------------------------------------------------------------------------------------


def run_some(reconcile, *keys, seconds=100.0, count=2):
    calls = []

    def wrapped(key):
        calls.append((key, current().monotonic()))
        return reconcile(key, len(calls))

    q = queue()
    threads = run_workers(q, wrapped, count=count, name="test")
    for key in keys:
        q.add(key)
    current().sleep(seconds)
    q.shut_down(drain=False)
    current().sleep(1)
    assert not any(thread.is_alive() for thread in threads)
    return q, calls


@pytest.mark.parametrize("error", [RuntimeError("no"), SystemExit(3)], ids=["error", "sys.exit"])
def test_a_failing_key_is_retried_and_others_are_not_held_up(virtually, error):
    def reconcile(key, _):
        if key == "bad":
            raise error

    def main():
        _, calls = run_some(reconcile, "bad", "good", seconds=40)
        assert calls == [("bad", 0), ("good", 0), ("bad", 5), ("bad", 15), ("bad", 35)]

    virtually(main)


def test_success_resets_the_failures(virtually):
    def reconcile(key, n):
        if n < 3:
            raise RuntimeError

    def main():
        q, calls = run_some(reconcile, "a")
        assert [at for _, at in calls] == [0, 5, 15]
        assert q.failures("a") == 0

    virtually(main)


def test_a_result_asks_to_come_again_without_touching_the_failures(virtually):
    def reconcile(key, n):
        if n == 1:
            raise RuntimeError
        return Result(after=7) if n < 4 else Result()

    def main():
        q, calls = run_some(reconcile, "a")
        assert [at for _, at in calls] == [0, 5, 12, 19]
        assert q.failures("a") == 0  # Result() is a success

    virtually(main)


def test_a_result_of_zero_seconds_does_not_spin(virtually):
    def main():
        _, calls = run_some(lambda key, n: Result(after=0), "a", seconds=10)
        assert len(calls) <= 102

    virtually(main)
