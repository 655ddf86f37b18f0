"""The fault table of spec/kubernetes-client.md 3 on virtual time: never hot, hung or lossy."""

import itertools

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cloudprovider.concurrency import current
from cloudprovider.testing.virtual import VirtualConcurrency
from cloudprovider_controllers.runtime.client import Client
from cloudprovider_controllers.runtime.informer import Handler, Informer
from cloudprovider_controllers.runtime.resources import NODES
from cloudprovider_controllers.runtime.transport import TransportError

FAULT_SECONDS = 240
#: A full-jitter back-off from 0.8 s to 30 s makes about 17 attempts in that time, each of at most
#: one list and one watch. Clients of section 3 made thousands in 3.5 s.
BUDGET = 60


class Fault:
    """What a row does to watches and lists while it lasts."""

    cuts = True  # running watches get the fault too

    def __init__(self, watch, *, on_list=None):
        self.watch = watch
        self._list = on_list

    def on_watch(self, api, query):
        return self.watch(api, query.get("resourceVersion", "1"))

    def on_list(self, api, query):
        if self._list is not None:
            self._list(api)

    def cut(self, api, version):
        answer = self.watch(api, str(version))
        if answer.status == 200:
            yield from answer.lines()


def error_event(code, reason=""):
    status = {"kind": "Status", "code": code, "reason": reason, "message": "broken"}
    return {"type": "ERROR", "object": status}


def raising(error):
    def raise_(api, version=None):
        raise error

    return raise_


ROWS = {
    "clean end without event": Fault(lambda api, version: api.lines()),
    "ERROR event 410": Fault(lambda api, version: api.lines(error_event(410, "Expired"))),
    "HTTP 410": Fault(lambda api, version: api.refuse(410, "Expired")),
    "HTTP 500": Fault(lambda api, version: api.refuse(500, "InternalError")),
    "HTTP 401": Fault(lambda api, version: api.refuse(401, "Unauthorized")),
    "HTTP 403": Fault(lambda api, version: api.refuse(403, "Forbidden")),
    "HTTP 429 with Retry-After 1": Fault(
        lambda api, version: api.refuse(429, "TooManyRequests", {"retry-after": "1"})
    ),
    "HTTP 503 with Retry-After 3600": Fault(
        lambda api, version: api.refuse(503, "ServiceUnavailable", {"retry-after": "3600"})
    ),
    "HTTP 504 version from the future": Fault(
        lambda api, version: api.refuse(
            504, "Timeout", message="Too large resource version: 7, current: 5"
        )
    ),
    "refused connection": Fault(
        raising(TransportError("refused", sent=False)),
        on_list=raising(TransportError("refused", sent=False)),
    ),
    "closed without reply": Fault(raising(TransportError("closed"))),
    "dropped between events": Fault(lambda api, version: api.lines(then=TransportError("reset"))),
    "truncated in mid-event": Fault(
        lambda api, version: api.lines(
            b'{"type":"ADDED","object":{"meta', then=TransportError("cut")
        )
    ),
    "malformed line": Fault(lambda api, version: api.lines(b"{nonsense")),
    "line that is no event": Fault(lambda api, version: api.lines(b'{"kind":"NodeList"}')),
    "event of an unknown type": Fault(
        lambda api, version: api.lines({"type": "WAT", "object": {"metadata": {"name": "x"}}})
    ),
    "bookmark then end": Fault(lambda api, version: api.lines(api.bookmark(version))),
    "ERROR event 500": Fault(lambda api, version: api.lines(error_event(500, "InternalError"))),
    "ERROR event without status": Fault(
        lambda api, version: api.lines({"type": "ERROR", "object": 3})
    ),
    "half-open": Fault(lambda api, version: api.silence()),
}


class Witness:
    """Believes only what handlers are told."""

    def __init__(self):
        self.seen = {}
        self.problems = []

    def handler(self):
        return Handler(self.add, self.update, self.delete)

    def add(self, obj, initial):
        if obj.key in self.seen:
            self.problems.append(f"{obj.key} added twice")
        self.seen[obj.key] = obj.metadata

    def update(self, old, new):
        if self.seen.get(new.key) != old.metadata or old.metadata.uid != new.metadata.uid:
            self.problems.append(f"{new.key} updated from an unknown state")
        self.seen[new.key] = new.metadata

    def delete(self, obj):
        if self.seen.pop(obj.key, None) is None:
            self.problems.append(f"{obj.key} deleted without having been there")

    def versions(self):
        return {key: meta.resource_version for key, meta in self.seen.items()}


def drive(api, fault, *, from_start):
    """Run one informer through ``fault``; give back the informer and what handlers saw."""
    stop, witness = current().event(), Witness()
    informer = Informer(Client(api, qps=0), NODES)
    informer.add_handler(witness.handler())
    for name in ("a", "b", "c"):
        api.put(name)
    if from_start:
        api.fault = fault
    informer.start(stop)
    current().sleep(5)
    assert from_start or informer.has_synced()
    api.requests.clear()
    api.fault = fault
    api.put("d")
    api.put("a", spec={"unschedulable": True})
    api.delete("b")
    current().sleep(FAULT_SECONDS / 2)
    api.delete("c")
    api.put("c")  # the same name, another object
    current().sleep(FAULT_SECONDS / 2)
    hot = dict(api.requests)
    api.fault = None
    current().sleep(180)
    api.put("e")
    current().sleep(1)
    stop.set()
    current().sleep(1)
    return informer, witness, hot


@pytest.mark.gap("informer relist after 410 Gone", "watch reconnect")
@pytest.mark.parametrize("from_start", [True, False], ids=["from the start", "while watching"])
@pytest.mark.parametrize("streaming", [True, False], ids=["streamed", "paged"])
@pytest.mark.parametrize("row", ROWS)
def test_a_fault_is_survived(virtually, fake_api, row, streaming, from_start):
    def main():
        api = fake_api(streaming=streaming)
        informer, witness, hot = drive(api, ROWS[row], from_start=from_start)
        assert sum(hot.values()) <= BUDGET, f"hot: {hot}"
        assert sum(hot.values()) >= 2, f"gave up: {hot}"
        assert {o.key: o.metadata.resource_version for o in informer.store.list()} == api.state()
        assert witness.versions() == api.state()
        assert witness.problems == []

    hub = virtually(main)
    assert hub.errors() == []


OPERATIONS = st.tuples(
    st.sampled_from(["put", "delete", "replace", "compact"]), st.sampled_from("abcd")
)
SCRIPTS = st.lists(
    st.tuples(
        st.sampled_from([None, *ROWS]),
        st.lists(OPERATIONS, max_size=5),
        st.sampled_from([0, 1, 20]),
    ),
    max_size=8,
)


def operate(api, operation, name):
    if operation == "compact":
        api.compact()
    elif operation == "put":
        api.put(name)
    elif name in api.objects:
        api.delete(name)
        if operation == "replace":
            api.put(name)


@settings(max_examples=40, deadline=None)
@given(SCRIPTS, st.booleans(), st.integers(0, 2**16))
def test_no_sequence_of_faults_and_changes_loses_an_object(fake_api, script, streaming, seed):
    def main():
        api, witness = fake_api(streaming=streaming), Witness()
        informer = Informer(Client(api, qps=0), NODES)
        informer.add_handler(witness.handler())
        informer.start(current().event())
        for row, operations, seconds in script:
            api.fault = ROWS[row] if row else None
            for operation, name in operations:
                operate(api, operation, name)
                current().sleep(0.1)
            current().sleep(seconds)
        api.fault = None
        current().sleep(150)
        assert witness.versions() == api.state()
        assert {o.key: o.metadata.resource_version for o in informer.store.list()} == api.state()
        assert witness.problems == []

    hub = VirtualConcurrency(seed=seed, max_steps=100_000)
    hub.run(main)
    assert hub.errors() == []


@pytest.mark.parametrize("seed", range(3))
def test_the_end_of_a_normal_watch_costs_one_request_and_no_wait(virtually, fake_api, seed):
    def main():
        api = fake_api()
        api.put("a")
        stop = current().event()
        informer = Informer(Client(api), NODES)
        informer.start(stop)
        current().sleep(3600)
        stop.set()
        current().sleep(1)
        assert 6 <= api.requests["watch"] <= 13
        for (begun, _, query), (next_begun, _, _) in itertools.pairwise(api.log):
            assert next_begun == begun + int(query["timeoutSeconds"])
        assert api.requests["list"] == 0
        assert len(informer.store) == 1

    virtually(main, seed)


def test_stop_ends_every_thread_at_once(virtually, fake_api):
    def main():
        api = fake_api()
        stop = current().event()
        informer = Informer(Client(api), NODES)
        informer.add_handler(Handler(), resync=30)
        threads = informer.start(stop)
        assert informer.wait_for_sync(stop, 10)
        started = current().monotonic()
        stop.set()
        for thread in threads:
            thread.join(5)
        assert not any(thread.is_alive() for thread in threads)
        assert current().monotonic() == started

    virtually(main)
