"""Names, labels and buckets are upstream's (spec/ccm-core.md 4.7)."""

import pytest
from prometheus_client import CollectorRegistry

from cloudprovider.concurrency import current
from cloudprovider_controllers.runtime.client import Client
from cloudprovider_controllers.runtime.metrics import RuntimeMetrics
from cloudprovider_controllers.runtime.resources import NODES
from cloudprovider_controllers.runtime.workqueue import ExponentialLimiter, WorkQueue

FAMILIES = {
    "workqueue_depth": ("gauge", ("name",)),
    "workqueue_unfinished_work_seconds": ("gauge", ("name",)),
    "workqueue_longest_running_processor_seconds": ("gauge", ("name",)),
    "workqueue_adds": ("counter", ("name",)),
    "workqueue_retries": ("counter", ("name",)),
    "workqueue_queue_duration_seconds": ("histogram", ("name",)),
    "workqueue_work_duration_seconds": ("histogram", ("name",)),
    "rest_client_request_duration_seconds": ("histogram", ("verb", "host")),
    "rest_client_rate_limiter_duration_seconds": ("histogram", ("verb", "host")),
    "rest_client_request_size_bytes": ("histogram", ("verb", "host")),
    "rest_client_response_size_bytes": ("histogram", ("verb", "host")),
    "rest_client_requests": ("counter", ("code", "method", "host")),
    "rest_client_request_retries": ("counter", ("code", "verb", "host")),
    "leader_election_master_status": ("gauge", ("name",)),
    "leader_election_slowpath": ("counter", ("name",)),
    "cloudprovider_reconcile_oldest_waiting_seconds": ("gauge", ("name",)),
    "cloudprovider_reconcile_longest_running_seconds": ("gauge", ("name",)),
    "cloudprovider_reconcile_last_success_age_seconds": ("gauge", ("name",)),
}


@pytest.fixture
def registry():
    return CollectorRegistry()


@pytest.fixture
def metrics(registry):
    return RuntimeMetrics(registry)


def test_families(registry, metrics):
    found = {family.name: family.type for family in registry.collect()}
    assert found == {name: kind for name, (kind, _) in FAMILIES.items()}


@pytest.mark.parametrize(
    ("name", "first", "last"),
    [
        ("workqueue_queue_duration_seconds", "1e-08", "10.0"),
        ("rest_client_request_duration_seconds", "0.005", "60.0"),
        ("rest_client_request_size_bytes", "64.0", "1.6777216e+07"),
    ],
)
def test_buckets(registry, metrics, name, first, last):
    metrics.queue("q").taken(1)
    metrics.requests("h").answered("GET", 200, 1, sent=1, received=1)
    (family,) = [family for family in registry.collect() if family.name == name]
    buckets = [s.labels["le"] for s in family.samples if s.name.endswith("_bucket")]
    assert (buckets[0], buckets[-2]) == (first, last)


def test_a_queue_reports(virtually, registry, metrics):
    def main():
        def value(name):
            return registry.get_sample_value(f"workqueue_{name}", {"name": "service"})

        limiter = ExponentialLimiter(5, 300)
        queue = WorkQueue("service", limiter=limiter, metrics=metrics.queue("service"))
        queue.add("a")
        queue.add("a")
        queue.add("b")
        assert (value("adds_total"), value("depth"), value("retries_total")) == (2, 2, 0)
        current().sleep(3)
        assert queue.get() == "a"
        current().sleep(2)
        assert queue.get() == "b"
        current().sleep(4)
        assert value("queue_duration_seconds_sum") == 8
        assert value("unfinished_work_seconds") == 10
        assert value("longest_running_processor_seconds") == 6
        queue.add_rate_limited("a")
        queue.done("a")
        assert (value("retries_total"), value("work_duration_seconds_sum")) == (1, 6)

    virtually(main)


def test_a_queue_that_is_gone_reports_nothing(registry, metrics):
    queue = WorkQueue("gone", metrics=metrics.queue("gone"))
    queue.add("a")
    del queue
    assert registry.get_sample_value("workqueue_depth", {"name": "gone"}) == 0


def test_a_client_reports(virtually, scripted, answer, refusal, registry, metrics):
    def main():
        transport = scripted(refusal(429, retry_after="2"), answer(200, {"metadata": {}}))
        client = Client(transport, metrics=metrics.requests("api:6443"))
        client.get(NODES, "n")
        value = registry.get_sample_value
        labels = {"method": "GET", "host": "api:6443"}
        assert value("rest_client_requests_total", {"code": "429", **labels}) == 1
        assert value("rest_client_requests_total", {"code": "200", **labels}) == 1
        verb = {"verb": "GET", "host": "api:6443"}
        assert value("rest_client_request_retries_total", {"code": "429", **verb}) == 1
        assert value("rest_client_response_size_bytes_count", verb) == 2

    virtually(main)


def test_an_elector_reports(registry, metrics):
    election = metrics.election("ccm")
    status = lambda: registry.get_sample_value("leader_election_master_status", {"name": "ccm"})  # noqa: E731
    assert status() == 0
    election.leading(True)
    election.slow()
    assert status() == 1
    slow = registry.get_sample_value("leader_election_slowpath_total", {"name": "ccm"})
    assert slow == 1
