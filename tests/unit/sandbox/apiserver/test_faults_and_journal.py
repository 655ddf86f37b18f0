"""Every request is recorded, and every kind of fault is carried out where the plan says."""

from __future__ import annotations

import json

import pytest
from apiserver_kube import STRATEGIC, SVC, Kube, events

from cloudprovider.testing.faults import Fault
from cloudprovider_controllers.runtime.transport import TransportError
from cloudprovider_sandbox.apiserver.inprocess import InProcessTransport

AUTHZ = "/apis/authentication.k8s.io/v1"
FINALIZER = {"metadata": {"finalizers": ["example.com/x"]}}


@pytest.fixture
def kube():
    kube = Kube()
    kube.service("web", type="LoadBalancer")
    kube.server.journal.clear()
    return kube


def transport(kube, proc="manager"):
    return InProcessTransport(kube.server, proc=proc, user_agent="ccm/1")


def send(kube, method, path, body=None, **options):
    headers = {"Content-Type": options.pop("type", "application/json")}
    data = None if body is None else json.dumps(body).encode()
    query = options.pop("query", {})
    return transport(kube, **options).request(
        method, path, query=query, headers=headers, body=data, timeout=10
    )


def patch_status(kube):
    return send(kube, "PATCH", f"{SVC}/web/status", FINALIZER, type=STRATEGIC)


def last(kube):
    return kube.server.journal.records()[-1]


@pytest.mark.parametrize(
    ("method", "path", "body", "op", "key", "write"),
    [
        ("GET", SVC, None, "LIST services", "default", False),
        ("GET", "/api/v1/nodes", None, "LIST nodes", "", False),
        ("GET", f"{SVC}/web", None, "GET services", "default/web", False),
        ("POST", SVC, {"metadata": {"name": "n"}}, "POST services", "default/n", True),
        ("PUT", f"{SVC}/web", {"metadata": {"name": "web"}}, "PUT services", "default/web", True),
        ("DELETE", f"{SVC}/web", None, "DELETE services", "default/web", True),
        ("DELETE", SVC, None, "DELETECOLLECTION services", "default", True),
        ("GET", "/api", None, "GET /api", "", False),
        ("GET", "/foo", None, "GET /foo", "", False),
        ("POST", f"{AUTHZ}/selfsubjectreviews", {}, "POST selfsubjectreviews", "", False),
    ],
    ids=lambda value: value if isinstance(value, str) and " " in value else None,
)  # fmt: skip
def test_a_request_is_one_record(kube, method, path, body, op, key, write):
    send(kube, method, path, body)
    (record,) = kube.server.journal.records()
    assert (record.api, record.op, record.key, record.write) == ("k8s", op, key, write)
    assert record.proc == "manager"


def test_effect_is_true_only_where_the_object_changed(kube):
    patch_status(kube)
    patch_status(kube)
    assert [record.effect for record in kube.server.journal.records()] == [True, False]


def test_a_record_holds_outcome_and_precondition(kube):
    body = {"metadata": {"resourceVersion": "1"}}
    send(kube, "PATCH", f"{SVC}/web", body, type=STRATEGIC)
    record = last(kube)
    assert (record.outcome, record.status, record.pre) == ("Conflict", 409, "resourceVersion=1")
    send(kube, "DELETE", f"{SVC}/web", {"preconditions": {"uid": "x"}})
    assert last(kube).pre == "uid=x"


def test_a_watch_is_one_record_when_it_begins(kube):
    stream = transport(kube).stream(SVC, query={"watch": "true"}, headers={}, read_timeout=1)
    assert [record.op for record in kube.server.journal.records()] == ["WATCH services"]
    stream.close()
    assert len(kube.server.journal.records()) == 1


def test_the_user_agent_stands_for_an_unknown_process(kube):
    kube.get(SVC)
    assert last(kube).proc == "tester/1"


def test_secrets_do_not_reach_the_journal(kube):
    path = "/api/v1/namespaces/default/secrets"
    send(kube, "POST", path, {"metadata": {"name": "s"}, "stringData": {"a": "hush"}})
    send(kube, "PATCH", f"{path}/s", {"stringData": {"a": "hush"}}, type=STRATEGIC)
    kube.get("/api/v1/nodes", headers={"authorization": "Bearer hush"})
    assert "hush" not in repr(kube.server.journal.records())


class TestFaults:
    def test_an_error_has_no_effect(self, kube):
        kube.server.faults.add(Fault(kind="error", op="PATCH services/status", status=503))
        answer = patch_status(kube)
        assert (answer.status, json.loads(answer.data)["reason"]) == (503, "ServiceUnavailable")
        assert (last(kube).fault, last(kube).effect) == ("error", False)
        assert patch_status(kube).status == 200, "once only"

    def test_a_reason_can_be_chosen(self, kube):
        kube.server.faults.add(Fault(kind="error", status=403, code="Forbidden", op="LIST*"))
        assert json.loads(send(kube, "GET", SVC).data)["reason"] == "Forbidden"

    def test_throttling_says_when_to_come_back(self, kube):
        kube.server.faults.add(Fault(kind="throttle", after=7))
        answer = patch_status(kube)
        assert (answer.status, answer.headers["retry-after"]) == (429, "7")
        assert json.loads(answer.data)["reason"] == "TooManyRequests"

    @pytest.mark.parametrize(
        ("kind", "sent", "effect"),
        [
            ("not_sent", False, False),
            ("lost_answer", True, True),
            ("crash_before", False, False),
            ("crash_after", True, True),
            ("truncated", True, True),
        ],
    )
    def test_a_dropped_connection(self, kube, kind, sent, effect):
        kube.server.faults.add(Fault(kind=kind, key="default/web"))
        with pytest.raises(TransportError) as error:
            patch_status(kube)
        assert error.value.sent is sent
        assert ("finalizers" in kube.get(f"{SVC}/web").meta) is effect
        record = next(r for r in kube.server.journal.records() if r.fault)
        assert record.effect is effect

    def test_a_crash_kills_the_calling_process(self, kube):
        killed = []
        kube.server.on_crash = killed.append
        kube.server.faults.add(Fault(kind="crash_after"))
        with pytest.raises(TransportError):
            patch_status(kube)
        assert killed == ["manager"]

    def test_a_duplicate_is_carried_out_twice_and_answered_once(self, kube):
        kube.server.faults.add(Fault(kind="duplicate"))
        before = kube.version
        body = {"metadata": {"generateName": "e-"}}
        answer = send(kube, "POST", "/api/v1/namespaces/default/configmaps", body)
        assert answer.status == 201
        assert kube.version == before + 2

    def test_latency_and_hanging_take_virtual_time(self, kube):
        kube.server.faults.add(Fault(kind="latency", after=3, op="GET*"))
        kube.server.faults.add(Fault(kind="hang", after=5, op="PATCH*"))

        def main():
            send(kube, "GET", f"{SVC}/web")
            assert kube.hub.monotonic() == 3
            patch_status(kube)

        kube.hub.run(main)
        assert kube.hub.monotonic() == 8
        assert [record.seconds for record in kube.server.journal.records()] == [3.0, 5.0]

    def test_a_read_can_come_back_empty(self, kube):
        kube.server.faults.add(Fault(kind="empty", times=2))
        answer = json.loads(send(kube, "GET", SVC).data)
        assert (answer["kind"], answer["items"]) == ("ServiceList", [])
        assert send(kube, "GET", f"{SVC}/web").status == 404

    def test_a_malformed_answer_is_no_json(self, kube):
        kube.server.faults.add(Fault(kind="malformed"))
        with pytest.raises(json.JSONDecodeError):
            json.loads(patch_status(kube).data)
        assert kube.get(f"{SVC}/web").meta["finalizers"]

    def test_a_fault_can_be_for_one_object_and_occurrence(self, kube):
        kube.service("other")
        kube.server.faults.add(Fault(kind="error", op="GET services", key="default/web", nth=2))
        statuses = [send(kube, "GET", f"{SVC}/{n}").status for n in ("web", "other", "web", "web")]
        assert statuses == [200, 200, 500, 200]


class TestStreamFaults:
    def open(self, kube, **query):
        query = {"watch": "true", "resourceVersion": str(kube.version), **query}
        return transport(kube).stream(SVC, query=query, headers={}, read_timeout=75)

    def test_a_refused_watch_is_a_status(self, kube):
        kube.server.faults.add(Fault(kind="error", op="WATCH services", status=401))
        stream = self.open(kube)
        assert stream.status == 401
        assert json.loads(next(stream.lines()))["reason"] == "Unauthorized"

    def test_a_lost_watch_never_begins(self, kube):
        kube.server.faults.add(Fault(kind="lost_answer", op="WATCH*"))
        with pytest.raises(TransportError):
            self.open(kube)

    def test_a_truncated_watch_breaks_within_a_line(self, kube):
        kube.server.faults.add(Fault(kind="truncated", op="WATCH*"))
        lines = self.open(kube).lines()
        kube.service("late")
        half = next(lines)
        with pytest.raises(json.JSONDecodeError):
            json.loads(half)
        with pytest.raises(TransportError):
            next(lines)

    def test_silence_is_a_transport_error(self, kube):
        stream = self.open(kube)

        def main():
            with pytest.raises(TransportError, match="75 s"):
                next(stream.lines())

        kube.hub.run(main)
        assert kube.hub.monotonic() == 75

    def test_lines_come_without_their_end(self, kube):
        lines = self.open(kube).lines()
        kube.service("a")
        kube.service("b")
        assert [events(next(lines))[0][:2] for _ in range(2)] == [("ADDED", "a"), ("ADDED", "b")]

    def test_closing_ends_the_lines(self, kube):
        stream = self.open(kube)
        stream.close()
        assert list(stream.lines()) == []

    def test_tokens_are_sent(self, kube):
        class Tokens:
            def token(self):
                return "secret"

        client = InProcessTransport(kube.server, tokens=Tokens())
        answer = client.request("GET", SVC, query={}, headers={}, body=None, timeout=1)
        assert answer.status == 401
