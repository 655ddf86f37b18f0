"""The server over real sockets."""

from __future__ import annotations

import http.client
import json
import logging
import time

import pytest

from cloudprovider.testing.faults import Fault
from cloudprovider_sandbox.apiserver.http import ApiServerHttp
from cloudprovider_sandbox.apiserver.server import ApiServer

SVC = "/api/v1/namespaces/default/services"


@pytest.fixture(scope="module")
def http_server():
    with ApiServerHttp(ApiServer(), threads=8) as server:
        yield server


@pytest.fixture
def server(http_server):
    yield http_server._server
    http_server._server.faults.clear()
    http_server._server.end_watches()


@pytest.fixture
def connection(http_server):
    host, port = http_server.url.removeprefix("http://").split(":")
    connection = http.client.HTTPConnection(host, int(port), timeout=5)
    yield connection
    connection.close()


def get(connection, path, method="GET", body=None, headers=None):
    connection.request(method, path, body, headers or {})
    answer = connection.getresponse()
    return answer.status, answer.read()


def test_one_connection_serves_many_requests(connection, server):
    for _ in range(3):
        status, body = get(connection, f"{SVC}/kubernetes")
        assert (status, json.loads(body)["kind"]) == (200, "Service")


def test_bodies_and_queries_arrive(connection, server):
    body = json.dumps({"metadata": {"name": "ünïcode"}})
    status, answer = get(connection, f"{SVC}?dryRun=All", "POST", body.encode())
    assert status == 422
    assert json.loads(answer)["details"]["name"] == "ünïcode"


def test_a_long_list_arrives_whole(connection, server):
    data = {"data": {"a": "x" * 500_000}}
    for n in range(3):
        path = "/api/v1/namespaces/default/configmaps"
        body = json.dumps({"metadata": {"name": f"c{n}"}} | data)
        assert get(connection, path, "POST", body)[0] == 201
    status, answer = get(connection, path)
    assert (status, len(json.loads(answer)["items"])) == (200, 3)


def test_head_has_no_body(connection, server):
    assert get(connection, "/api", "HEAD") == (200, b"")


def test_a_watch_answers_at_once_and_streams_lines(connection, http_server, server):
    connection.request("GET", f"{SVC}?watch=1&resourceVersion={server.store.version}")
    answer = connection.getresponse()
    assert answer.status == 200
    spec = {"ports": [{"port": 80}]}
    body = json.dumps({"metadata": {"name": "streamed"}, "spec": spec})
    other = http.client.HTTPConnection(connection.host, connection.port, timeout=5)
    get(other, SVC, "POST", body)
    other.close()
    event = json.loads(answer.readline())
    assert (event["type"], event["object"]["metadata"]["name"]) == ("ADDED", "streamed")
    server.end_watches()
    assert answer.read() == b""


@pytest.mark.parametrize("kind", ["not_sent", "lost_answer"])
def test_a_fault_closes_the_connection_without_an_answer(connection, server, kind):
    server.faults.add(Fault(kind=kind))
    with pytest.raises((http.client.RemoteDisconnected, ConnectionResetError)):
        get(connection, SVC)


def test_a_truncated_answer_breaks_off(connection, server):
    server.faults.add(Fault(kind="truncated"))
    with pytest.raises(http.client.IncompleteRead):
        get(connection, SVC)


def test_a_throttled_request_says_when_to_come_back(connection, server):
    server.faults.add(Fault(kind="throttle", after=3))
    connection.request("GET", SVC)
    answer = connection.getresponse()
    answer.read()
    assert (answer.status, answer.getheader("Retry-After")) == (429, "3")


def test_a_defect_is_a_500_and_is_logged(connection, server, monkeypatch, caplog):
    monkeypatch.setattr(server, "handle", lambda request: 1 / 0)
    with caplog.at_level(logging.ERROR):
        status, body = get(connection, SVC)
    assert (status, json.loads(body)["reason"]) == (500, "InternalError")
    assert "ZeroDivisionError" in caplog.text


def test_a_client_that_went_away_frees_its_watch(connection, server, monkeypatch):
    monkeypatch.setattr("cloudprovider_sandbox.apiserver.http.CLIENT_CHECK", 0.01)
    closed = []
    original = server.reads.watch

    def watch(*args):
        reply = original(*args)
        close = reply.stream.close
        reply.stream.close = lambda: (closed.append(True), close())
        return reply

    monkeypatch.setattr(server.reads, "watch", watch)
    connection.request("GET", f"{SVC}?watch=1&resourceVersion={server.store.version}")
    connection.getresponse()
    connection.close()
    connection.sock = None
    deadline = time.monotonic() + 5
    while not closed and time.monotonic() < deadline:
        time.sleep(0.01)
    assert closed


def test_its_kubeconfig_is_private(http_server, tmp_path):
    path = tmp_path / "config"
    http_server.write_kubeconfig(path, token="t")
    assert http_server.url in path.read_text()
    assert path.stat().st_mode & 0o077 == 0
