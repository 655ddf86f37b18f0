"""A write is looked at once more when it goes into the socket."""

import http.client
import socket

import pytest

from cloudprovider.testing.virtual import VirtualConcurrency
from cloudprovider.toolkit import fence
from cloudprovider.toolkit.plan import Action, Plan, apply


class Over(Exception):
    """The lease is."""


class Connection(fence.FencedConnection, http.client.HTTPConnection):
    """As a client would make it."""


@pytest.fixture
def listener():
    with socket.create_server(("127.0.0.1", 0)) as made:
        yield made


@pytest.fixture
def connection(listener):
    made = Connection("127.0.0.1", listener.getsockname()[1], timeout=5)
    yield made
    made.close()


def arrived(listener, connection):
    """What the other end of the connection got in all."""
    end, _ = listener.accept()
    with end:
        connection.close()
        return b"".join(iter(lambda: end.recv(65536), b""))


def looks(allowed):
    """A check that passes ``allowed`` times."""
    left = [allowed]

    def check():
        left[0] -= 1
        if left[0] < 0:
            raise Over

    return check


def test_without_a_check_everything_is_sent(listener, connection):
    connection.request("POST", "/", body=b"body")
    assert arrived(listener, connection).endswith(b"body")


def test_it_looks_when_the_connection_stands_and_nothing_is_sent_yet(listener, connection):
    standing = []

    def check():
        standing.append(connection.sock is not None)
        raise Over

    with fence.guarding(check), pytest.raises(Over):
        connection.request("POST", "/", body=b"body")
    assert standing == [True]
    assert arrived(listener, connection) == b""


def test_a_request_that_was_begun_is_not_completed(listener, connection):
    def pieces():
        yield b"half"
        yield b"and half"

    with fence.guarding(looks(2)), pytest.raises(Over):
        connection.request("POST", "/", body=pieces(), headers={"Content-Length": "12"})
    assert arrived(listener, connection).endswith(b"half")


def test_a_check_holds_inside_its_block_and_the_outer_one_after_it():
    def refuse():
        raise Over

    with fence.guarding(refuse):
        with fence.guarding(None):
            fence.look()
        with pytest.raises(Over):
            fence.look()
    fence.look()


def test_threads_have_checks_of_their_own():
    time = VirtualConcurrency()
    seen = []

    def refuse():
        raise Over

    def other():
        fence.look()
        seen.append("passed")

    def main():
        with fence.guarding(refuse):
            time.start_thread(other, name="other").join()

    time.run(main)
    assert seen == ["passed"]


def test_what_is_taken_away_rests_on_the_innermost_premise():
    def refuse():
        raise fence.Overtaken("asked for again", after=0.1)

    fence.confirm()
    with fence.resting_on(refuse):
        with fence.resting_on(lambda: None):
            fence.confirm()
        with pytest.raises(fence.Overtaken):
            fence.confirm()
        fence.look()
    fence.confirm()


def test_the_premise_holds_for_the_workers_of_a_plan():
    time = VirtualConcurrency()

    def refuse():
        raise fence.Overtaken("asked for again", after=0.1)

    def main():
        actions = [Action(str(number), "delete", "", "") for number in range(4)]
        with fence.resting_on(refuse):
            outcome = apply(Plan(actions), lambda _: fence.confirm(), concurrency=time)
        assert [type(error) for error in outcome.failed.values()] == [fence.Overtaken] * 4

    time.run(main)
