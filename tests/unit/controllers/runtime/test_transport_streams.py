"""Streams of lines over real sockets: how they are cut, how they break, how they end."""

import contextlib
import threading

import pytest
from transport_server import LOOPBACK, stream

from cloudprovider_controllers.runtime.kubeconfig import Pem
from cloudprovider_controllers.runtime.transport import TransportError


def test_lines_arrive_one_by_one_however_they_are_cut(serve, connect):
    received = threading.Event()

    def answer(exchange):
        exchange.start_chunks()
        exchange.chunk(b"one\ntw")
        exchange.chunk(b"o")
        exchange.chunk(b"\n")
        assert received.wait(2), "the first lines must not wait for more"
        exchange.chunk(b"\nthree\nfour")
        exchange.end_chunks()

    lines = []
    for line in stream(connect(serve(answer))).lines():
        lines.append(line)
        if line == b"two":
            received.set()
    assert lines == [b"one", b"two", b"", b"three", b"four"]


def test_a_stream_without_chunks_arrives_at_once_too(serve, connect):
    received = threading.Event()

    def answer(exchange):
        exchange.raw(b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\none\n")
        assert received.wait(2)
        exchange.raw(b"two\n")
        return True

    lines = []
    for line in stream(connect(serve(answer))).lines():
        lines.append(line)
        received.set()
    assert lines == [b"one", b"two"]


def test_a_very_long_line(serve, connect):
    big = b"x" * (8 * 1024 * 1024)

    def answer(exchange):
        exchange.start_chunks()
        exchange.chunk(b"a\n" + big)
        exchange.chunk(b"\nb\n")
        exchange.end_chunks()

    assert [len(line) for line in stream(connect(serve(answer))).lines()] == [1, len(big), 1]


def test_a_line_without_end_is_given_up(serve, connect, monkeypatch):
    monkeypatch.setattr("cloudprovider_controllers.runtime.transport.MAX_LINE", 1000)

    def answer(exchange):
        exchange.start_chunks()
        with contextlib.suppress(OSError):
            while True:
                exchange.chunk(b"x" * 500)

    open_stream = stream(connect(serve(answer)))
    with pytest.raises(TransportError, match="more than 1000 bytes"):
        list(open_stream.lines())
    open_stream.close()


@pytest.mark.parametrize(
    "answer",
    [
        lambda e: e.start_chunks() or e.chunk(b"one\n") or e.raw(b"9\r\nhal") or True,
        lambda e: e.start_chunks() or e.chunk(b"one\n") or True,
        lambda e: e.raw(b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\none\nhal") or True,
        lambda e: e.raw(b"HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\none\n") or True,
        lambda e: e.start_chunks() or e.chunk(b"one\n") or e.raw(b"zz\r\n") or True,
    ],
    ids=["in a chunk", "between chunks", "no framing", "too short", "no chunk"],
)
def test_a_stream_that_breaks_is_no_clean_end(serve, connect, answer):
    open_stream = stream(connect(serve(answer)))
    lines = open_stream.lines()
    assert next(lines) == b"one"
    with pytest.raises(TransportError):
        next(lines)
    open_stream.close()


def test_silence_ends_a_stream(serve, connect):
    server = serve(lambda e: e.start_chunks() or e.chunk(b"one\n") or e.wait_for_close())
    open_stream = stream(connect(server), read_timeout=0.3)
    lines = open_stream.lines()
    assert next(lines) == b"one"
    with pytest.raises(TransportError, match="timed out"):
        next(lines)
    open_stream.close()


@pytest.mark.parametrize("secure", [True, False], ids=["https", "http"])
def test_closing_a_stream_wakes_its_reader(serve, connect, tls, authority, secure):
    answer = lambda e: e.start_chunks() or e.chunk(b"one\n") or e.wait_for_close()  # noqa: E731
    if secure:
        server = serve(answer, tls(LOOPBACK))
        transport = connect(server, "https", ca=Pem(data=authority.pem))
    else:
        transport = connect(serve(answer))
    open_stream = stream(transport, read_timeout=30)
    first, result = threading.Event(), []

    def read():
        for _ in open_stream.lines():
            first.set()
        result.append("ended")

    thread = threading.Thread(target=read)
    thread.start()
    assert first.wait(2)
    open_stream.close()
    open_stream.close()
    thread.join(2)
    assert result == ["ended"]
