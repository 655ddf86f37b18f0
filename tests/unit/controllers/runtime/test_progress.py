"""The ages of work: how long it waits, runs, and since when none succeeded."""

import pytest
from prometheus_client import CollectorRegistry

from cloudprovider.concurrency import current
from cloudprovider_controllers.runtime.metrics import RuntimeMetrics
from cloudprovider_controllers.runtime.progress import Progress
from cloudprovider_controllers.runtime.worker import Result, process
from cloudprovider_controllers.runtime.workqueue import ExponentialLimiter, WorkQueue


@pytest.fixture
def registry():
    return CollectorRegistry()


def read(registry, what, name="q"):
    return registry.get_sample_value(f"cloudprovider_reconcile_{what}_seconds", {"name": name})


def make(registry):
    metrics = RuntimeMetrics(registry).queue("q")
    return WorkQueue("q", limiter=ExponentialLimiter(5, 300), metrics=metrics)


def test_the_oldest_key_that_waits_is_the_one_that_counts(virtually, registry):
    def main():
        queue = make(registry)
        assert read(registry, "oldest_waiting") == 0
        queue.add("a")
        current().sleep(3)
        queue.add("b")
        current().sleep(4)
        assert read(registry, "oldest_waiting") == 7
        assert queue.get() == "a"
        assert read(registry, "oldest_waiting") == 4
        queue.add("a")  # it comes again when this pass is over, and waits for nobody but itself
        current().sleep(1)
        assert read(registry, "oldest_waiting") == 5
        assert read(registry, "longest_running") == 1

    virtually(main)


def test_a_delayed_key_waits_only_from_when_it_is_due(virtually, registry):
    def main():
        queue = make(registry)
        queue.add_after("a", 10)
        current().sleep(9)
        assert read(registry, "oldest_waiting") == 0
        current().sleep(3)
        assert read(registry, "oldest_waiting") == 0  # seen first at this moment
        current().sleep(2)
        assert read(registry, "oldest_waiting") == 2

    virtually(main)


@pytest.mark.parametrize(
    ("outcome", "age"),
    [
        pytest.param(lambda key: None, 0, id="success"),
        pytest.param(lambda key: Result(after=5), 30, id="to be looked at again"),
        pytest.param(lambda key: 1 / 0, 30, id="failure"),
    ],
)
def test_the_age_of_success_starts_anew_with_a_success_alone(virtually, registry, outcome, age):
    def main():
        queue = make(registry)
        current().sleep(30)
        queue.add("a")
        queue.get()
        process(queue, outcome, "a")
        assert read(registry, "last_success_age") == age

    virtually(main)


def test_a_loop_shows_its_pass_and_its_last_good_one(virtually, registry):
    def main():
        progress = Progress(current())
        RuntimeMetrics(registry).loop("node-status", progress)
        current().sleep(5)
        progress.begin()
        current().sleep(2)
        assert read(registry, "longest_running", "node-status") == 2
        assert read(registry, "last_success_age", "node-status") == 7
        progress.end(succeeded=False)
        assert read(registry, "longest_running", "node-status") == 0
        assert read(registry, "last_success_age", "node-status") == 7
        progress.begin()
        progress.end(succeeded=True)
        assert read(registry, "last_success_age", "node-status") == 0

    virtually(main)


def test_what_is_gone_is_no_longer_read(registry):
    metrics = RuntimeMetrics(registry)
    metrics.loop("gone", Progress(current()))
    assert read(registry, "last_success_age", "gone") == 0
