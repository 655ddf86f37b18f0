"""Events: what is sent, what is combined, what is dropped, and that nobody waits for it."""

import itertools

import pytest

from cloudprovider.concurrency import current
from cloudprovider.models import ObjectMeta, Service
from cloudprovider_controllers.runtime.client import Client
from cloudprovider_controllers.runtime.correlator import CACHE, Correlator, Subject
from cloudprovider_controllers.runtime.recorder import QUEUE, EventRecorder
from cloudprovider_controllers.runtime.transport import TransportError

META = ObjectMeta(name="web", namespace="shop", uid="u1", resource_version="5")
SERVICE = Service(metadata=META, kind="Service", api_version="v1")
EVENTS = "/api/v1/namespaces/shop/events"


def started(transport):
    recorder = EventRecorder(Client(transport, qps=0), component="service-controller")
    stop = current().event()
    threads = recorder.start(stop)
    return recorder, stop, threads


def test_events_of_the_same_instant_get_names_of_their_own(virtually, scripted, answer):
    def main():
        transport = scripted(*[answer(201) for _ in range(5)])
        recorder, _, _ = started(transport)
        for number in range(5):
            recorder.event(SERVICE, "Normal", f"Reason{number}", "at once")
        assert recorder.flush(1)
        assert len({sent["body"]["metadata"]["name"] for sent in transport.requests}) == 5

    virtually(main)


def test_an_event_as_it_goes_out(virtually, scripted, answer):
    def main():
        transport = scripted(answer(201))
        recorder, _, _ = started(transport)
        recorder.event(SERVICE, "Normal", "EnsuredLoadBalancer", "Ensured load balancer")
        assert recorder.flush(1)
        (request,) = transport.requests
        assert (request["method"], request["path"]) == ("POST", EVENTS)
        name = request["body"]["metadata"].pop("name")
        object_name, _, nanoseconds = name.partition(".")
        assert (object_name, int(nanoseconds, 16) // 1000) == ("web", 1767225600 * 10**6)
        assert request["body"] == {
            "kind": "Event",
            "apiVersion": "v1",
            "metadata": {"namespace": "shop"},
            "involvedObject": {
                "kind": "Service",
                "namespace": "shop",
                "name": "web",
                "uid": "u1",
                "apiVersion": "v1",
                "resourceVersion": "5",
            },
            "reason": "EnsuredLoadBalancer",
            "message": "Ensured load balancer",
            "source": {"component": "service-controller"},
            "firstTimestamp": "2026-01-01T00:00:00Z",
            "lastTimestamp": "2026-01-01T00:00:00Z",
            "count": 1,
            "type": "Normal",
            "eventTime": None,
            "reportingComponent": "service-controller",
            "reportingInstance": "",
        }

    virtually(main)


def test_an_event_about_a_node_lies_in_default_and_may_name_no_version(virtually, scripted, answer):
    def main():
        transport = scripted(answer(201))
        recorder, _, _ = started(transport)
        node = Service(metadata=ObjectMeta(name="n1", resource_version="5"))
        recorder.event(node, "Normal", "R", "m", kind="Node", with_version=False)
        recorder.flush(1)
        (request,) = transport.requests
        assert request["path"] == "/api/v1/namespaces/default/events"
        involved = {"kind": "Node", "name": "n1", "apiVersion": "v1"}
        assert request["body"]["involvedObject"] == involved

    virtually(main)


def test_a_name_that_would_be_no_subdomain_becomes_a_uuid(virtually, scripted, answer):
    def main():
        transport = scripted(answer(201))
        recorder, _, _ = started(transport)
        recorder.event(Service(metadata=ObjectMeta(name="x" * 250)), "Normal", "R", "m")
        recorder.flush(1)
        assert len(transport.requests[0]["body"]["metadata"]["name"]) == 36

    virtually(main)


def test_a_repetition_counts_up_the_first_event(virtually, scripted, answer):
    def main():
        transport = scripted(answer(201))
        recorder, _, _ = started(transport)
        for _ in range(3):
            recorder.event(SERVICE, "Warning", "Failed", "no quota")
            current().sleep(60)
        first, second, third = transport.requests
        name = first["body"]["metadata"]["name"]
        assert (second["method"], second["path"]) == ("PATCH", f"{EVENTS}/{name}")
        assert second["headers"]["content-type"] == "application/strategic-merge-patch+json"
        times = {"lastTimestamp": "2026-01-01T00:02:00Z", "message": "no quota"}
        assert third["body"] == {"count": 3, **times}

    virtually(main)


def test_an_event_that_expired_on_the_server_is_made_again(virtually, scripted, answer, refusal):
    def main():
        transport = scripted(answer(201), refusal(404, "NotFound"), answer(201))
        recorder, _, _ = started(transport)
        recorder.event(SERVICE, "Warning", "Failed", "no quota")
        current().sleep(60)
        recorder.event(SERVICE, "Warning", "Failed", "no quota")
        recorder.flush(1)
        assert [r["method"] for r in transport.requests] == ["POST", "PATCH", "POST"]
        body = transport.requests[-1]["body"]
        assert body["count"] == 2
        assert body["firstTimestamp"] < body["lastTimestamp"]

    virtually(main)


def test_the_tenth_different_message_is_combined(virtually, scripted, answer):
    def main():
        transport = scripted(answer(201))
        recorder, _, _ = started(transport)
        for number in range(12):
            recorder.event(SERVICE, "Warning", "Failed", f"try {number}")
        recorder.flush(1)
        sent = [(r["method"], r["body"]["message"]) for r in transport.requests]
        assert sent[8] == ("POST", "try 8")
        assert sent[9] == ("POST", "(combined from similar events): try 9")
        assert sent[10] == ("PATCH", "(combined from similar events): try 10")
        assert transport.requests[11]["body"]["count"] == 3

    virtually(main)


@pytest.mark.gap("events spam filter")
def test_more_than_a_burst_about_one_object_is_dropped(virtually, scripted, answer):
    def main():
        transport = scripted(answer(201))
        recorder, _, _ = started(transport)
        for _ in range(40):
            recorder.event(SERVICE, "Warning", "Failed", "no quota")
        recorder.flush(1)
        assert len(transport.requests) == 25
        current().sleep(300)
        recorder.event(SERVICE, "Warning", "Failed", "no quota")
        recorder.flush(1)
        assert transport.requests[-1]["body"]["count"] == 41
        other = Service(metadata=ObjectMeta(name="other", namespace="shop"))
        recorder.event(other, "Warning", "Failed", "no quota")
        recorder.flush(1)
        assert transport.requests[-1]["method"] == "POST"

    virtually(main)


@pytest.mark.parametrize("status", [403, 404, 500, 422])
def test_an_event_that_is_refused_is_given_up(virtually, scripted, refusal, status, caplog):
    def main():
        transport = scripted(refusal(status, "", "namespace is terminating"))
        recorder, _, _ = started(transport)
        recorder.event(SERVICE, "Normal", "R", "m")
        assert recorder.flush(1)
        assert len(transport.requests) == 1
        assert "namespace is terminating" in caplog.text

    virtually(main)


def test_without_a_connection_it_is_tried_twelve_times(virtually, scripted):
    def main():
        transport = scripted(TransportError("reset"))
        recorder, _, _ = started(transport)
        recorder.event(SERVICE, "Normal", "R", "m")
        assert recorder.flush(200)
        times = [request["at"] for request in transport.requests]
        assert len(times) == 12
        assert 0 < times[1] < 10
        gaps = {round(later - sooner, 6) for sooner, later in itertools.pairwise(times[1:])}
        assert gaps == {10.0}

    virtually(main)


def test_recording_never_waits_and_a_full_queue_drops(virtually, scripted, caplog):
    def main():
        transport = scripted(TransportError("reset"))
        recorder, _, _ = started(transport)
        for number in range(QUEUE + 50):
            recorder.event(SERVICE, "Normal", "R", f"m{number}")
        assert current().monotonic() == 0
        assert recorder.dropped == 50

    virtually(main)


def test_what_waits_at_the_end_is_tried_once_more(virtually, scripted, answer):
    def main():
        transport = scripted(TransportError("reset"), TransportError("reset"), answer(201))
        recorder, stop, threads = started(transport)
        recorder.event(SERVICE, "Normal", "R", "first")
        recorder.event(SERVICE, "Normal", "R", "second")
        recorder.event(SERVICE, "Normal", "R", "third")
        current().sleep(0.01)
        stop.set()
        for thread in threads:
            thread.join(1)
            assert not thread.is_alive()
        assert [r["body"]["message"] for r in transport.requests] == ["first", "second", "third"]
        recorder.event(SERVICE, "Normal", "R", "too late")
        assert recorder.flush(1)
        assert len(transport.requests) == 3

    virtually(main)


def test_every_event_is_logged_too(virtually, scripted, answer, caplog):
    caplog.set_level("INFO")

    def main():
        recorder, _, _ = started(scripted(answer(201)))
        recorder.event(SERVICE, "Warning", "Failed", "no quota")
        assert "event: Service shop/web: Warning Failed: no quota" in caplog.text

    virtually(main)


def test_a_message_is_cut_to_what_the_server_takes(virtually, scripted, answer):
    def main():
        transport = scripted(answer(201))
        recorder, _, _ = started(transport)
        recorder.event(SERVICE, "Normal", "R", "x" * 5000)
        recorder.flush(1)
        message = transport.requests[0]["body"]["message"]
        assert len(message) == 1024
        assert message.endswith("…")

    virtually(main)


# -- the correlator alone ------------------------------------------------------------------------


def decide(correlator, message="m", *, now=0.0, name="web"):
    subject = Subject("c", name, "Normal", "R")
    return correlator.decide(subject, message, now=now, timestamp="t")


def test_similar_events_are_forgotten_after_ten_quiet_minutes():
    correlator = Correlator()
    for number in range(9):
        assert not decide(correlator, str(number), now=number * 599.0).message.startswith("(")
    assert decide(correlator, "9", now=9 * 599.0).message.startswith("(combined")
    assert decide(correlator, "10", now=9 * 599.0 + 601).message == "10"


def test_caches_are_bounded():
    correlator = Correlator()
    for number in range(CACHE + 10):
        decide(correlator, name=str(number))
    assert decide(correlator, name="0").series.count == 1
    assert decide(correlator, name=str(CACHE)).series.count == 2
    sizes = [len(cache._entries) for cache in vars(correlator).values()]
    assert sizes == [CACHE] * 3
