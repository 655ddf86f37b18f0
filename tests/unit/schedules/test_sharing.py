"""What threads share around cloud calls: batches, flights, answers, budgets, plans, tokens."""

import datetime
import itertools

import pytest

from cloudprovider.errors import Throttled
from cloudprovider.testing.schedules import explore
from cloudprovider.toolkit.calls import Budget, Rate
from cloudprovider.toolkit.plan import Action, Plan, apply
from cloudprovider.toolkit.sharing import Coalescer, SingleFlight, TtlCache
from cloudprovider_controllers.runtime.ratelimit import TokenBucket
from cloudprovider_controllers.runtime.tokens import ServiceAccountTokens, Token

COUNT = 600


def together(hub, *targets):
    """Run each in a thread of its own; wait for all."""
    threads = [hub.start_thread(target, name=f"t{n}") for n, target in enumerate(targets)]
    for thread in threads:
        thread.join()


def batcher(hub):
    """Each look-up gets the answer to its own key, from one call per key at most."""
    fetched, got = [], {}

    def fetch(keys):
        fetched.append(tuple(keys))
        hub.sleep(0.05)
        return {key: key.upper() for key in keys if key != "none"}

    gathering = Coalescer(fetch, size=2, window=0.1, concurrency=hub)

    def ask(key):
        got[key] = gathering.get(key)

    together(hub, *(lambda key=key: ask(key) for key in ("a", "b", "c", "none")))
    assert got == {"a": "A", "b": "B", "c": "C", "none": None}
    assert sorted(key for keys in fetched for key in keys) == ["a", "b", "c", "none"]
    assert all(len(keys) <= 2 for keys in fetched)


def failing_batch(hub):
    """An error reaches everybody of its batch and nobody else; nobody waits for ever."""
    seen = []

    def fetch(keys):
        hub.sleep(0.05)
        raise Throttled("slow down", after=1.0)

    gathering = Coalescer(fetch, size=3, window=0.1, concurrency=hub)

    def ask(key):
        try:
            gathering.get(key)
        except Throttled:
            seen.append(key)

    together(hub, *(lambda key=key: ask(key) for key in "abc"))
    assert sorted(seen) == ["a", "b", "c"]


def single_flight(hub):
    """Identical calls at one time are one; a later one is new."""
    calls, got = [], []
    flights = SingleFlight(concurrency=hub)

    def call():
        calls.append(hub.monotonic())
        hub.sleep(1)
        return len(calls)

    together(hub, *(lambda: got.append(flights.do("k", call)) for _ in range(3)))
    assert calls == [0.0]
    assert got == [1, 1, 1]
    assert flights.do("k", call) == 2


def forgetful_cache(hub):
    """Who asks after a write has been told never gets an answer from before it."""
    truth = [0]
    kept = TtlCache(ttl=60, concurrency=hub)

    def load():
        seen = truth[0]
        hub.switch_point()
        return seen

    def write():
        for _ in range(2):
            truth[0] += 1
            kept.forget("k")
            least = truth[0]
            assert kept.get("k", load) >= least

    together(hub, write, *(lambda: kept.get("k", load) for _ in range(2)))
    assert kept.get("k", load) == 2


def token_bucket(hub):
    """Four at once, then two a second, whoever asks."""
    taken = []
    bucket = TokenBucket(2, 4, concurrency=hub)

    def take():
        for _ in range(2):
            bucket.wait()
            taken.append(hub.monotonic())

    together(hub, *(take for _ in range(4)))
    assert sorted(taken) == [0.0, 0.0, 0.0, 0.0, 0.5, 1.0, 1.5, 2.0]


def throttled_budget(hub):
    """Refusals of calls in flight together count once; then all wait, those in the queue too."""
    budget = Budget(Rate(10, 3), concurrency=hub)
    sent, refused = [], []

    def call():
        budget.acquire(60)
        sent.append((hub.monotonic(), bool(refused)))
        if hub.monotonic() == 0.0:
            refused.append(True)
            budget.throttled(after=2.0)

    together(hub, *(call for _ in range(6)))
    assert len(sent) == 6
    assert all(moment >= 2.0 for moment, warned in sent if warned and moment > 0.0)
    late = sorted(moment for moment, _ in sent if moment > 0.0)
    assert all(after - before > 0.09 for before, after in itertools.pairwise(late))
    assert 5.0 <= budget.rate <= 10.0


def plan_in_parallel(hub):
    """Every action once, after those that it waits for, and never more at once than allowed."""
    started, ended, peak = [], [], []

    def execute(action):
        assert set(action.after) <= set(ended)
        started.append(action.key)
        peak.append(len(started) - len(ended))
        hub.sleep(1)
        ended.append(action.key)

    after = {"a": (), "b": (), "c": ("a",), "d": ("a", "b"), "e": ("c", "d")}
    plan = Plan(Action(key, "create", "x", "", after=waits) for key, waits in after.items())
    outcome = apply(plan, execute, workers=2, concurrency=hub)
    assert sorted(started) == sorted(after)
    assert set(outcome.done) == set(after)
    assert max(peak) <= 2


def tokens(hub):
    """No request carries a token that has expired, and each is asked for once."""
    asked, used = [], []

    def request():
        asked.append(hub.monotonic())
        hub.sleep(0.2)
        expires = hub.now() + datetime.timedelta(seconds=1000)
        return Token(f"{hub.monotonic() + 1000}", expires)

    source = ServiceAccountTokens(request, concurrency=hub)

    def use():
        for _ in range(6):
            used.append((hub.monotonic(), float(source.token())))
            hub.sleep(300)

    together(hub, use, use, use)
    assert all(now < until for now, until in used)
    assert 2 <= len(asked) <= 4


MODELS = {
    "batcher": batcher,
    "failing batch": failing_batch,
    "single flight": single_flight,
    "cache that forgets": forgetful_cache,
    "token bucket": token_bucket,
    "throttled budget": throttled_budget,
    "plan in parallel": plan_in_parallel,
    "token refresh against use": tokens,
}


@pytest.mark.parametrize("name", MODELS)
def test_in_every_order_all_get_what_is_theirs(name):
    assert explore(MODELS[name], COUNT) > COUNT / 20
