"""What --profiling serves."""

import logging

import pytest
from test_endpoints import ask

from cloudprovider.concurrency import RealConcurrency
from cloudprovider_manager import debugging, logs
from cloudprovider_manager.health_metrics import HealthMetrics

REAL = RealConcurrency()


@pytest.fixture
def logger():
    """The project's logger, put back as it was."""
    found = logging.getLogger("cloudprovider_manager")
    before = {name: logging.getLogger(name).level for name in logs.OWN}
    yield found
    for name, level in before.items():
        logging.getLogger(name).setLevel(level)


def test_the_verbosity_can_be_set(logger):
    answered = ask("/debug/flags/v", method="PUT", token="ann", body=b"4")
    assert answered["status"] == 200
    assert answered["body"] == "successfully set klog.logging.verbosity to 4\n"
    assert logger.level == logging.DEBUG
    ask("/debug/flags/v", method="PUT", token="ann", body=b" 2\n")
    assert logger.level == logging.INFO
    assert logging.getLogger("urllib3").level != logging.DEBUG


@pytest.mark.parametrize("body", [b"", b"x", b"-1", b"11", b"1.5", "٣".encode(), b"\xff"])
def test_what_is_no_verbosity_changes_nothing(logger, body):
    level = logger.level
    answered = ask("/debug/flags/v", method="PUT", token="ann", body=body)
    assert answered["status"] == 400
    assert "accepted: a whole number from 0 to 10" in answered["body"]
    assert logger.level == level


@pytest.mark.parametrize("method", ["GET", "POST", "DELETE"])
def test_the_verbosity_is_put(method):
    answered = ask("/debug/flags/v", method=method, token="ann")
    assert (answered["status"], answered["body"]) == (406, "unsupported http method\n")


@pytest.mark.parametrize("path", ["/debug/flags", "/debug/flags/"])
def test_flags_are_listed(path):
    assert "v  (PUT a whole number)" in ask(path, token="ann")["body"]


def test_stacks_show_where_threads_are_and_no_values():
    value = "-".join(["a", "secret"])  # so that it does not stand in the source, which is shown
    hold, seen = REAL.event(), REAL.event()

    def wait_here(secret):
        seen.set()
        hold.wait()

    thread = REAL.start_thread(lambda: wait_here(value), name="a-thread-of-this-test")
    seen.wait(5)
    text = debugging.stacks()
    hold.set()
    thread.join(5)
    assert "thread a-thread-of-this-test\n" in text
    assert "in wait_here" in text
    assert value not in text
    assert "thread MainThread\n" in text


def test_health_is_counted_when_it_is_asked_for():
    metrics = HealthMetrics(concurrency=REAL)
    assert b"kubernetes_healthcheck{" not in metrics.text()
    metrics.observe("a", "healthz", True)
    metrics.observe("a", "healthz", False)
    metrics.observe("b", "readyz", True)
    lines = metrics.text().decode().splitlines()
    assert [line for line in lines if not line.startswith("#")] == [
        'kubernetes_healthcheck{name="a",type="healthz"} 0.0',
        'kubernetes_healthcheck{name="b",type="readyz"} 1.0',
        'kubernetes_healthchecks_total{name="a",status="success",type="healthz"} 1.0',
        'kubernetes_healthchecks_total{name="a",status="error",type="healthz"} 1.0',
        'kubernetes_healthchecks_total{name="b",status="success",type="readyz"} 1.0',
    ]
    metrics.reset()
    assert b"kubernetes_healthcheck{" not in metrics.text()
