"""The protocol rows of the fault table, over real sockets: an informer survives each."""

import json
import threading

import pytest

from cloudprovider.concurrency import current
from cloudprovider_controllers.runtime import reflector
from cloudprovider_controllers.runtime.client import Client
from cloudprovider_controllers.runtime.informer import Informer
from cloudprovider_controllers.runtime.resources import NODES


def event(kind, name, version):
    meta = {"name": name, "uid": name, "resourceVersion": str(version)}
    return json.dumps({"type": kind, "object": {"metadata": meta}}).encode() + b"\n"


def end_of_initial(version):
    meta = {"resourceVersion": str(version), "annotations": {"k8s.io/initial-events-end": "true"}}
    return json.dumps({"type": "BOOKMARK", "object": {"metadata": meta}}).encode() + b"\n"


def status_event(code):
    return json.dumps({"type": "ERROR", "object": {"code": code, "message": "no"}}).encode() + b"\n"


def chunked(*chunks, end=True):
    def answer(exchange):
        exchange.start_chunks()
        for data in chunks:
            exchange.chunk(data)
        if end:
            exchange.end_chunks()
        return not end

    return answer


ROWS = {
    "clean end": chunked(),
    "ERROR event 410": chunked(status_event(410)),
    "ERROR event 500": chunked(status_event(500)),
    "HTTP 410": lambda e: e.reply(410, b'{"code":410,"reason":"Expired"}'),
    "HTTP 500": lambda e: e.reply(500, b"oops"),
    "HTTP 401": lambda e: e.reply(401, b"{}"),
    "HTTP 429": lambda e: e.reply(429, b"{}", Retry_After="0"),
    "closed without reply": lambda e: True,
    "dropped": chunked(event("ADDED", "a", 10), end=False),
    "truncated": chunked(b'{"type":"ADDED","obj', end=False),
    "malformed line": chunked(b"{nonsense\n"),
    "half-open": lambda e: e.start_chunks() or e.wait_for_close(),
}


@pytest.mark.parametrize("row", ROWS)
def test_an_informer_survives(serve, connect, monkeypatch, row):
    monkeypatch.setattr(reflector, "BACKOFF", (0.02, 0.05))
    monkeypatch.setattr(reflector, "SILENCE", 0.05)
    monkeypatch.setattr(reflector, "SHORT", 0.02)
    healed = threading.Event()
    watches = []

    def answer(exchange):
        if "watch=true" not in exchange.target:
            items = [{"metadata": {"name": "a", "uid": "a", "resourceVersion": "10"}}]
            body = json.dumps({"metadata": {"resourceVersion": "10"}, "items": items})
            return exchange.reply(200, body.encode())
        watches.append(exchange.target)
        if not healed.is_set():
            return ROWS[row](exchange)
        exchange.start_chunks()
        if "sendInitialEvents" in exchange.target:
            exchange.chunk(event("ADDED", "a", 10) + end_of_initial(10))
        exchange.chunk(event("ADDED", "b", 11) + event("DELETED", "a", 12))
        return exchange.wait_for_close()

    server = serve(answer)
    stop = current().event()
    informer = Informer(Client(connect(server), qps=0), NODES)
    threads = informer.start(stop)
    deadline = current().monotonic() + 10
    while len(watches) < 5:
        assert current().monotonic() < deadline, f"hung after {len(watches)} watches"
        current().sleep(0.005)
    healed.set()
    while informer.store.keys() != ["b"]:
        assert current().monotonic() < deadline, f"never healed: {informer.store.keys()}"
        current().sleep(0.005)
    assert len(server.exchanges) < 100
    stop.set()
    for thread in threads:
        thread.join(2)
        assert not thread.is_alive()
