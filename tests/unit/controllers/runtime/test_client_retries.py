"""What is sent again and what is not: patience, rate limits, conflicts, and the lease."""

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cloudprovider.concurrency import current
from cloudprovider_controllers.runtime import errors
from cloudprovider_controllers.runtime.client import Client
from cloudprovider_controllers.runtime.resources import LEASES, NODES
from cloudprovider_controllers.runtime.retry import (
    UPDATE_NODE_SPEC,
    ConflictBackoff,
    retry_on_conflict,
)
from cloudprovider_controllers.runtime.transport import TransportError

# -- how long to wait ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        ("", None),
        ("0", 0),
        ("3", 3),
        ("-1", None),
        ("soon", None),
        ("1e3", None),
        ("nan", None),
        ("Thu, 01 Jan 2026 00:01:00 GMT", 60),
        ("Wed, 31 Dec 2025 00:00:00 GMT", 0),
        ("Thu, 01 Jan 2026 00:01:00", 60),
        ("9" * 400, float("inf")),
    ],
)
def test_retry_after_as_seconds_or_date_or_nonsense(virtually, value, seconds):
    def main():
        assert errors.retry_after({"retry-after": value}) == seconds

    virtually(main)


@given(st.text())
def test_retry_after_may_be_anything(value):
    result = errors.retry_after({"retry-after": value})
    assert result is None or result >= 0


# -- trying again --------------------------------------------------------------------------------


@pytest.mark.parametrize("method", ["get", "delete"])
@pytest.mark.parametrize(
    ("status", "header", "waited"),
    [(429, "3", 3), (429, None, 1), (429, "junk", 1), (429, "0", 0.1), (503, "2", 2)],
)
def test_a_server_that_asks_for_patience_gets_it(
    virtually, scripted, answer, refusal, method, status, header, waited
):
    def main():
        headers = {} if header is None else {"retry_after": header}
        transport = scripted(refusal(status, **headers), answer())
        getattr(Client(transport), method)(NODES, "n")
        assert current().monotonic() == pytest.approx(waited)
        assert len(transport.requests) == 2

    virtually(main)


@pytest.mark.parametrize(
    ("status", "header", "tries", "waited"),
    [
        (503, None, 1, 0),
        (500, "1", 1, 0),
        (429, "3600", 1, 0),
        (429, "20", 2, 20),
        (429, "0", 10, 0.9),
    ],
    ids=["503 without", "500", "an hour", "twice too long", "for ever"],
)
def test_patience_is_bounded(virtually, scripted, refusal, status, header, tries, waited):
    def main():
        headers = {} if header is None else {"retry_after": header}
        transport = scripted(refusal(status, **headers))
        with pytest.raises(errors.ApiError) as caught:
            Client(transport).get(NODES, "n")
        assert len(transport.requests) == tries
        assert current().monotonic() == pytest.approx(waited)
        assert caught.value.retry_after == (float(header) if header else None)

    virtually(main)


@pytest.mark.parametrize(
    ("method", "sent", "tries"),
    [("get", True, 3), ("get", False, 3), ("delete", False, 3), ("delete", True, 1)],
)
def test_only_what_cannot_happen_twice_is_sent_again(virtually, scripted, method, sent, tries):
    def main():
        transport = scripted(TransportError("reset", sent=sent))
        with pytest.raises(TransportError):
            getattr(Client(transport), method)(NODES, "n")
        assert len(transport.requests) == tries

    virtually(main)


def test_the_clients_own_rate_limit(virtually, scripted, answer):
    def main():
        transport = scripted(answer())
        client = Client(transport, qps=10, burst=3)
        for _ in range(13):
            client.get(NODES, "n")
        assert current().monotonic() == pytest.approx(1)

    virtually(main)


def test_leases_never_wait(virtually, scripted, answer):
    def main():
        transport = scripted(answer())
        client = Client(transport, qps=0.001, burst=1)
        client.get(NODES, "n")
        for _ in range(50):
            client.get(LEASES, "l", "kube-system")
        assert current().monotonic() == 0

    virtually(main)


def test_an_urgent_request_is_tried_once(virtually, scripted, refusal):
    def main():
        transport = scripted(refusal(429, retry_after="1"), TransportError("reset", sent=False))
        client = Client(transport)
        assert client.raw("GET", "/x", urgent=True).status == 429
        with pytest.raises(TransportError):
            client.raw("GET", "/x", urgent=True, timeout=3)
        assert [r["timeout"] for r in transport.requests] == [30, 3]
        assert current().monotonic() == 0

    virtually(main)


# -- conflicts -----------------------------------------------------------------------------------


def failing(times, error):
    def attempt():
        attempts.append(current().monotonic())
        if len(attempts) <= times:
            raise error
        return "done"

    attempts = []
    return attempt, attempts


def test_a_conflict_is_tried_again(virtually):
    def main():
        attempt, attempts = failing(19, errors.Conflict(409, "Conflict"))
        assert retry_on_conflict(attempt, UPDATE_NODE_SPEC) == "done"
        gaps = [later - sooner for sooner, later in itertools.pairwise(attempts)]
        assert all(0.05 <= gap < 0.1 for gap in gaps)

    virtually(main)


def test_the_last_conflict_is_raised(virtually):
    def main():
        attempt, attempts = failing(99, errors.Conflict(409, "Conflict"))
        with pytest.raises(errors.Conflict):
            retry_on_conflict(attempt, ConflictBackoff(5, 0.1))
        assert len(attempts) == 5

    virtually(main)


def test_a_conflict_behind_another_error_counts(virtually):
    def main():
        wrapped = RuntimeError("patch failed")
        wrapped.__cause__ = errors.Conflict(409, "Conflict")
        attempt, _ = failing(1, wrapped)
        assert retry_on_conflict(attempt, ConflictBackoff(5, 0.1)) == "done"

    virtually(main)


@pytest.mark.parametrize(
    "error", [errors.AlreadyExists(409, "AlreadyExists"), errors.NotFound(404), RuntimeError("x")]
)
def test_any_other_error_is_raised_at_once(virtually, error):
    def main():
        attempt, attempts = failing(1, error)
        with pytest.raises(type(error)):
            retry_on_conflict(attempt, ConflictBackoff(5, 0.1))
        assert len(attempts) == 1

    virtually(main)


# -- the lease -----------------------------------------------------------------------------------


def leading_until(seconds):
    def check():
        if current().monotonic() >= seconds:
            raise errors.WritesStopped("over")

    return check


@pytest.mark.parametrize(
    "answers",
    [
        lambda answer, refusal: refusal(429, retry_after="5"),
        lambda answer, refusal: TransportError("refused", sent=False),
    ],
    ids=["asked for patience", "not sent"],
)
def test_a_write_is_not_repeated_once_the_lease_is_lost(
    virtually, scripted, answer, refusal, answers
):
    def main():
        transport = scripted(answers(answer, refusal), answer())
        client = Client(transport, check=leading_until(0.05))
        with pytest.raises(errors.WritesStopped):
            client.delete(NODES, "n")
        assert [request["method"] for request in transport.requests] == ["DELETE"]
        client.get(NODES, "n")

    virtually(main)


def test_a_write_that_waited_for_the_rate_limit_is_not_sent(virtually, scripted, answer):
    def main():
        transport = scripted(answer())
        client = Client(transport, qps=1, burst=1, check=leading_until(0.5))
        client.delete(NODES, "n")
        with pytest.raises(errors.WritesStopped):
            client.delete(NODES, "n")
        assert len(transport.requests) == 1

    virtually(main)
