"""Watches: resuming, initial events, bookmarks, 410 both ways, selections, and their faults."""

from __future__ import annotations

import json

import pytest
from apiserver_kube import SVC, Kube, events

from cloudprovider_sandbox.apiserver.messages import Request


def names(chunk):
    return [event[:2] for event in events(chunk)]


def run(kube, main):
    """Run ``main`` as a virtual thread and give what it returns."""
    result = []
    kube.hub.run(lambda: result.append(main()))
    return result[0]


def read_all(stream):
    return b"".join(iter(stream.next, None))


def test_a_watch_without_a_version_begins_with_what_there_is(kube):
    kube.service("a")
    assert names(kube.watch(SVC).next(0)) == [("ADDED", "a"), ("ADDED", "kubernetes")]


def test_a_watch_from_a_version_sends_only_what_came_after(kube):
    kube.service("a")
    version = kube.version
    kube.service("b")
    kube.patch(f"{SVC}/a", {"metadata": {"labels": {"x": "y"}}})
    kube.delete(f"{SVC}/b")
    chunk = kube.watch(SVC, resourceVersion=str(version)).next(0)
    assert names(chunk) == [("ADDED", "b"), ("MODIFIED", "a"), ("DELETED", "b")]


def test_events_carry_rising_versions_and_a_delete_its_own(kube):
    version = kube.version
    kube.service("a")
    kube.delete(f"{SVC}/a")
    chunk = kube.watch(SVC, resourceVersion=str(version)).next(0)
    assert [int(event[2]) for event in events(chunk)] == [version + 1, version + 2]


def test_a_patch_that_changes_nothing_is_no_event(kube):
    kube.service("a", metadata={"labels": {"x": "y"}})
    version = kube.version
    kube.patch(f"{SVC}/a", {"metadata": {"labels": {"x": "y"}}})
    assert kube.version == version
    assert kube.watch(SVC, resourceVersion=str(version)).next(0) == b""


def test_initial_events_end_with_a_marked_bookmark(kube):
    kube.service("a")
    stream = kube.watch(
        SVC,
        sendInitialEvents="true",
        resourceVersionMatch="NotOlderThan",
        allowWatchBookmarks="true",
    )
    *initial, end = [json.loads(line) for line in stream.next(0).splitlines()]
    assert [event["type"] for event in initial] == ["ADDED", "ADDED"]
    assert end["type"] == "BOOKMARK"
    assert end["object"]["kind"] == "Service"
    assert end["object"]["metadata"]["resourceVersion"] == str(kube.version)
    assert end["object"]["metadata"]["annotations"] == {"k8s.io/initial-events-end": "true"}


@pytest.mark.parametrize(
    ("query", "enabled"),
    [
        ({"sendInitialEvents": "true"}, True),
        ({"sendInitialEvents": "true", "resourceVersionMatch": "NotOlderThan"}, False),
    ],
    ids=["without resourceVersionMatch", "switched off"],
)
def test_initial_events_are_refused_with_422(kube, query, enabled):
    kube.server.reads.watch_list = enabled
    answer = kube.get(SVC, watch="true", **query)
    assert (answer.status, answer.body["reason"]) == (422, "Invalid")


def test_bookmarks_come_every_ten_seconds_with_the_newest_version(kube):
    stream = kube.watch(SVC, resourceVersion=str(kube.version), allowWatchBookmarks="true")

    def main():
        kube.node("elsewhere")
        found = []
        for _ in range(2):
            ((kind, _, version),) = events(stream.next())
            found.append((kind, version, kube.hub.monotonic()))
        return found

    assert run(kube, main) == [
        ("BOOKMARK", str(kube.version), 10.0),
        ("BOOKMARK", str(kube.version), 20.0),
    ]


def test_a_watch_without_bookmarks_is_silent_until_it_ends_cleanly(kube):
    stream = kube.watch(SVC, resourceVersion=str(kube.version), timeoutSeconds="300")
    assert run(kube, lambda: (stream.next(), kube.hub.monotonic())) == (None, 300.0)


def test_a_reader_may_ask_for_silence_to_be_reported(kube):
    stream = kube.watch(SVC, resourceVersion=str(kube.version))
    assert run(kube, lambda: (stream.next(75.0), kube.hub.monotonic())) == (b"", 75.0)


def test_a_blocked_reader_wakes_for_an_event(kube):
    stream = kube.watch(SVC, resourceVersion=str(kube.version))

    def main():
        kube.hub.start_thread(lambda: (kube.hub.sleep(3), kube.service("late")), name="user")
        return names(stream.next()), kube.hub.monotonic()

    assert run(kube, main) == ([("ADDED", "late")], 3.0)


def test_closing_wakes_a_blocked_reader(kube):
    stream = kube.watch(SVC, resourceVersion=str(kube.version))

    def main():
        kube.hub.start_thread(lambda: (kube.hub.sleep(3), stream.close()), name="closer")
        return stream.next()

    assert run(kube, main) is None


def test_objects_that_enter_or_leave_a_selection_are_born_and_die(kube):
    kube.service("a")
    stream = kube.watch(SVC, resourceVersion=str(kube.version), labelSelector="on=yes")
    for labels in ({"on": "yes"}, {"on": "yes", "x": "y"}, {"on": None}, {"z": "z"}):
        kube.patch(f"{SVC}/a", {"metadata": {"labels": labels}})
    chunk = stream.next(0)
    assert [kind for kind, _, _ in events(chunk)] == ["ADDED", "MODIFIED", "DELETED"]
    left = json.loads(chunk.splitlines()[-1])["object"]["metadata"]
    assert left["labels"] == {"on": "yes", "x": "y"}, "as it was in the selection"
    assert left["resourceVersion"] == str(kube.version - 1)


@pytest.mark.parametrize(
    ("path", "query", "seen"),
    [
        (SVC, {"fieldSelector": "metadata.name=b"}, ["b"]),
        ("/api/v1/services", {"fieldSelector": "metadata.namespace=kube-system"}, []),
        ("/api/v1/namespaces/kube-system/services", {}, []),
        ("/api/v1/services", {"fieldSelector": "spec.type!=ClusterIP"}, []),
        ("/api/v1/services", {}, ["a", "b"]),
    ],
    ids=["by name", "by namespace field", "by namespace", "by type", "all"],
)
def test_a_watch_sees_its_selection_only(kube, path, query, seen):
    version = kube.version
    kube.service("a")
    kube.service("b")
    chunk = kube.watch(path, resourceVersion=str(version), **query).next(0)
    assert [name for _, name, _ in events(chunk)] == seen


def test_a_watch_from_a_forgotten_version_gets_410_as_an_event_and_ends(kube):
    version = kube.version
    kube.server.expire_history()
    stream = kube.watch(SVC, resourceVersion=str(version))
    event = json.loads(stream.next(0))
    assert (event["type"], event["object"]["code"]) == ("ERROR", 410)
    assert event["object"]["reason"] == "Expired"
    assert stream.next(0) is None


def test_or_as_a_status_where_the_server_is_told_to(kube):
    version = kube.version
    kube.server.expire_history()
    kube.server.reads.expired_as_status = True
    answer = kube.get(SVC, watch="true", resourceVersion=str(version))
    assert (answer.status, answer.body["reason"]) == (410, "Expired")


def test_running_watches_outlive_an_expiry_unless_told_otherwise(kube):
    quiet = kube.watch(SVC, resourceVersion=str(kube.version))
    kube.server.expire_history("services")
    kube.service("a")
    assert names(quiet.next(0)) == [("ADDED", "a")]
    kube.server.expire_history("services", running=True)
    assert json.loads(quiet.next(0))["object"]["code"] == 410
    assert quiet.next(0) is None


def test_a_watcher_that_is_too_slow_falls_off_the_history():
    kube = Kube(history=10)
    stream = kube.watch(SVC, resourceVersion=str(kube.version))
    for n in range(30):
        kube.service(f"s{n}")
    assert json.loads(stream.next(0))["object"]["code"] == 410


def test_ending_all_watches_ends_them_cleanly(kube):
    services = kube.watch(SVC, resourceVersion=str(kube.version))
    nodes = kube.watch("/api/v1/nodes", resourceVersion=str(kube.version))
    kube.server.end_watches("services")
    assert services.next(0) is None
    assert nodes.next(0) == b""
    kube.server.end_watches()
    assert nodes.next(0) is None


def test_a_watch_ahead_of_the_server_waits_for_it_to_catch_up(kube):
    snapshot = kube.server.snapshot()
    kube.service("a")
    stream = kube.watch(SVC, resourceVersion=str(kube.version))
    kube.server.restore(snapshot)
    assert stream.next(0) is None
    ahead = kube.watch(SVC, resourceVersion=str(kube.version + 2))
    kube.service("b")
    assert ahead.next(0) == b""


def test_a_silent_watch_sends_not_even_bookmarks(kube):
    kube.server.tamper("tester*").silent = True
    stream = kube.watch(SVC, allowWatchBookmarks="true")
    assert run(kube, lambda: stream.next(75.0)) == b""


def test_a_lagging_server_shows_only_what_it_has_seen(kube):
    kube.service("old")
    tampering = kube.server.tamper("tester*")
    tampering.held_at = kube.version
    stream = kube.watch(SVC, resourceVersion=str(kube.version))
    kube.service("new")
    assert stream.next(0) == b""
    cached = kube.get(SVC, resourceVersion="0")
    assert [item["metadata"]["name"] for item in cached.body["items"]] == ["kubernetes", "old"]
    assert names(kube.watch(SVC).next(0)) == [("ADDED", "kubernetes"), ("ADDED", "old")]
    assert len(kube.get(SVC).body["items"]) == 3, "a quorum read sees everything"
    tampering.held_at = None
    kube.server.wake()
    assert names(stream.next(0)) == [("ADDED", "new")]


def test_even_quorum_reads_can_be_stale(kube):
    kube.service("a")
    kube.patch(f"{SVC}/a", {"metadata": {"labels": {"x": "1"}}})
    kube.service("other")
    kube.delete(f"{SVC}/a")
    tampering = kube.server.tamper("tester*")
    tampering.all_reads = True
    seen = []
    for count in (1, 2, 3):
        tampering.held_at = kube.server.version_before(count, "services", ("default", "a"))
        answer = kube.get(f"{SVC}/a")
        seen.append((answer.status, answer.body["metadata"].get("labels")))
    assert seen == [(200, {"x": "1"}), (200, None), (404, None)]
    assert len(kube.get(SVC).body["items"]) == 1


def test_a_span_of_events_can_be_left_out(kube):
    stream = kube.watch(SVC, resourceVersion=str(kube.version))
    kube.service("a")
    kube.delete(f"{SVC}/a")
    kube.server.tamper("tester*").skip_to = kube.version
    kube.service("a")
    assert names(stream.next(0)) == [("ADDED", "a")]


def test_a_table_watch_sends_its_columns_once(kube):
    accept = {"accept": "application/json;as=Table;v=v1;g=meta.k8s.io"}
    request = Request("GET", SVC, {"watch": "1"}, accept)
    kube.service("a")
    lines = kube.server.handle(request).stream.next(0).splitlines()
    tables = [json.loads(line)["object"] for line in lines]
    assert [bool(table["columnDefinitions"]) for table in tables] == [True, False]
    assert tables[0]["rows"][0]["cells"][:3] == ["a", "ClusterIP", "10.96.0.2"]


def test_many_events_arrive_in_order_and_complete(kube):
    stream = kube.watch(SVC, resourceVersion=str(kube.version))
    for n in range(500):
        kube.service(f"s{n:03}")
    seen = []
    while chunk := stream.next(0):
        seen += [name for _, name, _ in events(chunk)]
    assert seen == [f"s{n:03}" for n in range(500)]


def test_reading_to_the_end_gives_every_line(kube):
    stream = kube.watch(SVC, timeoutSeconds="1")
    assert names(run(kube, lambda: read_all(stream))) == [("ADDED", "kubernetes")]
