"""The work queue under many orders of its threads (``spec/reliability.md`` 3.7).

Three defects that others had are put in by hand, to show that the models find them.
"""

import pytest

from cloudprovider.testing.schedules import Refuted, explore
from cloudprovider_controllers.runtime.limiters import ExponentialLimiter
from cloudprovider_controllers.runtime.workqueue import WorkQueue

COUNT = 1000
KEYS = ("a", "b")


class Levels:
    """What is to be known of each key, and what workers saw of it."""

    def __init__(self, hub, queue):
        self.hub, self.queue = hub, queue
        self.wanted = dict.fromkeys(KEYS, 0)
        self.seen = dict.fromkeys(KEYS, 0)
        self.busy = set()
        self.worked = 0

    def change(self, key):
        """What a handler does: the world changed, the key is queued."""
        self.wanted[key] += 1
        self.queue.add(key)

    def work(self):
        """What a worker does."""
        while (key := self.queue.get()) is not None:
            assert key not in self.busy, "two workers on one key"
            self.busy.add(key)
            self.hub.switch_point()
            seen = self.wanted[key]
            self.hub.switch_point()
            self.seen[key] = seen
            self.busy.discard(key)
            self.worked += 1
            self.queue.forget(key)
            self.queue.done(key)


def new_queue(hub, kind=WorkQueue):
    return kind("q", limiter=ExponentialLimiter(5.0, 300.0, concurrency=hub), concurrency=hub)


def add_get_done(kind=WorkQueue):
    def model(hub):
        levels = Levels(hub, new_queue(hub, kind))
        start = hub.start_thread
        for number in range(2):
            start(levels.work, name=f"worker-{number}")
        handlers = [
            start(lambda key=key: [levels.change(key) for _ in range(2)], name=f"handler-{key}")
            for key in KEYS
        ]
        for handler in handlers:
            handler.join()
        hub.sleep(1)
        assert levels.seen == levels.wanted, "a change was never worked on"
        assert levels.queue.pending() == 0
        levels.queue.shut_down()
        hub.sleep(1)

    return model


def shutdown_with_drain(hub):
    levels = Levels(hub, new_queue(hub))
    workers = [hub.start_thread(levels.work, name=f"worker-{n}") for n in range(2)]
    accepted = []

    def handle():
        for key in KEYS:
            levels.change(key)
            accepted.append(key)
            levels.queue.add_after("late", 100.0)

    handler = hub.start_thread(handle, name="handler")
    stopper = hub.start_thread(levels.queue.shut_down, name="stopper")
    for thread in (handler, stopper, *workers):
        thread.join()
    assert levels.queue.get() is None
    # What was accepted before the end was worked on; nothing is held for ever.
    assert levels.queue.pending() == 0
    assert levels.worked <= len(accepted)


def delayed_add(hub):
    queue = new_queue(hub)
    came = {}

    def work():
        while (key := queue.get()) is not None:
            came.setdefault(key, []).append(hub.monotonic())
            queue.done(key)

    hub.start_thread(work, name="worker")
    adders = [
        hub.start_thread(lambda s=seconds: queue.add_after("k", s), name=f"after-{seconds}")
        for seconds in (3.0, 1.0, 2.0)
    ]
    for adder in adders:
        adder.join()
    hub.sleep(10)
    queue.shut_down()
    # The earliest wins; the others asked for the same key and add nothing.
    assert came == {"k": [1.0]}


def rate_limited(hub):
    """Failures of one key come back after 5, 10, 20 s, whoever else works."""
    queue = new_queue(hub)
    tried = []

    def work():
        while (key := queue.get()) is not None:
            if key == "bad":
                tried.append(hub.monotonic())
                queue.add_rate_limited(key)
            else:
                queue.forget(key)
            queue.done(key)

    for number in range(2):
        hub.start_thread(work, name=f"worker-{number}")
    for key in ("bad", "good"):
        hub.start_thread(lambda key=key: queue.add(key), name=f"add-{key}")
    hub.sleep(40)
    queue.shut_down(drain=False)
    assert tried == [0.0, 5.0, 15.0, 35.0]


MODELS = {
    "add, get, done, forget": add_get_done(),
    "shutdown with drain": shutdown_with_drain,
    "delayed add": delayed_add,
    "rate limited add": rate_limited,
}


@pytest.mark.parametrize("name", MODELS)
def test_in_every_order_nothing_is_lost_or_done_twice_at_a_time(name):
    assert explore(MODELS[name], COUNT) > COUNT / 20


class HandsOutTwice(WorkQueue):
    """A key added while it is worked on is given to another worker at once."""

    def _add(self, key):
        if key not in self._added:
            self._added[key] = self._concurrency.monotonic()
            self._ready.append(key)
            self._condition.notify()


class LosesWhileWorking(WorkQueue):
    """A key added while it is worked on is taken for done with the work."""

    def done(self, key):
        with self._condition:
            self._started.pop(key, None)
            self._added.pop(key, None)


class ClearsLate(WorkQueue):
    """A key is queued again first, and no longer marked as worked on in a second step."""

    def done(self, key):
        with self._condition:
            if key in self._added:
                self._ready.append(key)
                self._condition.notify()
        with self._condition:
            self._started.pop(key, None)


@pytest.mark.parametrize("kind", [HandsOutTwice, LosesWhileWorking, ClearsLate])
def test_a_defect_of_others_is_found(kind):
    with pytest.raises(Refuted):
        explore(add_get_done(kind), 200)
