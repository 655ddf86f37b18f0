"""What handlers hear, when, and what a bad object or handler cannot do to the others."""

import json

import pytest

from cloudprovider.concurrency import current
from cloudprovider_controllers.runtime import errors
from cloudprovider_controllers.runtime.client import Client
from cloudprovider_controllers.runtime.informer import Handler, Informer
from cloudprovider_controllers.runtime.resources import NODES

BAD = {"taints": "none"}  # a list is expected


class Log:
    def __init__(self):
        self.lines = []

    def handler(self):
        return Handler(
            lambda obj, initial: self.lines.append(
                ("initial" if initial else "add", obj.key, self.version(obj))
            ),
            lambda old, new: self.lines.append(
                ("resync" if old is new else "update", new.key, self.version(new))
            ),
            lambda obj: self.lines.append(("delete", obj.key, self.version(obj))),
        )

    @staticmethod
    def version(obj):
        return int(obj.metadata.resource_version)

    def take(self):
        taken, self.lines = self.lines, []
        return taken


def started(api, *handlers, **options):
    stop = current().event()
    informer = Informer(Client(api, qps=0), NODES, **options)
    for handler in handlers:
        informer.add_handler(handler)
    informer.start(stop)
    current().sleep(1)
    return informer, stop


@pytest.fixture(params=[True, False], ids=["streamed", "paged"])
def streaming(request):
    return request.param


def test_changes_arrive_in_order_with_old_and_new_state(virtually, fake_api, streaming):
    def main():
        api, log = fake_api(streaming=streaming), Log()
        api.put("a")
        informer, _ = started(api, log.handler())
        assert informer.has_synced()
        assert log.take() == [("initial", "a", 11)]
        api.put("b")
        api.put("a")
        api.delete("b")
        current().sleep(1)
        assert log.take() == [("add", "b", 12), ("update", "a", 13), ("delete", "b", 14)]

    virtually(main)


def test_after_a_gap_only_differences_are_delivered(virtually, fake_api, streaming):
    def main():
        api, log = fake_api(streaming=streaming), Log()
        for name in ("same", "changed", "gone", "reborn"):
            api.put(name)
        informer, _ = started(api, log.handler())
        log.take()
        unchanged = informer.store.get("same")
        api.put("changed")
        api.delete("gone")
        api.delete("reborn")
        api.put("reborn")
        api.put("new")
        api.compact()
        current().sleep(2)
        assert sorted(log.take()) == [
            ("add", "new", 19),
            ("add", "reborn", 18),
            ("delete", "gone", 13),
            ("delete", "reborn", 14),
            ("update", "changed", 15),
        ]
        assert informer.store.get("same") is unchanged

    virtually(main)


def test_the_same_version_twice_is_delivered_once(virtually, fake_api):
    def main():
        api, log = fake_api(), Log()
        api.put("a")
        _, _ = started(api, log.handler())
        api.put("a")
        api.history.append(api.history[-1])
        api.history.append((api.version + 1, "MODIFIED", api.objects["a"]))
        current().sleep(1)
        assert log.take() == [("initial", "a", 11), ("update", "a", 12)]

    virtually(main)


# -- objects that cannot be decoded --------------------------------------------------------------


def test_one_bad_object_is_logged_once_and_the_others_go_on(virtually, fake_api, streaming, caplog):
    def main():
        api, log = fake_api(streaming=streaming), Log()
        api.put("a")
        api.put("bad", spec=BAD)
        api.put("b")
        informer, _ = started(api, log.handler())
        assert informer.has_synced()
        assert sorted(informer.store.keys()) == ["a", "b"]
        api.put("bad", spec=BAD)
        api.put("c")
        current().sleep(3600)
        assert sorted(informer.store.keys()) == ["a", "b", "c"]
        assert [r.message for r in caplog.records if "left out" in r.message] == [
            "Node bad left out, version 12: Expected `array | null`, got `str` - at `$.spec.taints`"
        ]
        api.put("bad")
        current().sleep(1)
        assert "bad" in informer.store.keys()  # noqa: SIM118

    virtually(main)


def test_an_object_that_turns_bad_keeps_its_last_good_state(virtually, fake_api, streaming):
    def main():
        api, log = fake_api(streaming=streaming), Log()
        api.put("a")
        informer, _ = started(api, log.handler())
        api.put("a", spec=BAD)
        api.compact()
        current().sleep(2)
        assert log.take() == [("initial", "a", 11)]
        assert informer.store.get("a").metadata.resource_version == "11"
        api.delete("a")
        current().sleep(1)
        assert log.take() == [("delete", "a", 11)]

    virtually(main)


def test_without_readable_names_nothing_is_taken_for_deleted(virtually, fake_api):
    def main():
        api, log = fake_api(), Log()
        api.put("a")
        api.put("b")
        informer, _ = started(api, log.handler())
        log.take()
        api.delete("a")
        api.objects["b"] = {"metadata": "?"}
        api.compact()
        current().sleep(2)
        assert log.take() == []
        assert sorted(informer.store.keys()) == ["a", "b"]

    virtually(main)


def test_a_transform_is_applied_and_may_fail_for_one_object(virtually, fake_api):
    def main():
        def transform(node):
            if node.key == "a":
                raise RuntimeError("cannot")
            return node

        api = fake_api()
        api.put("a")
        api.put("b")
        informer, _ = started(api, transform=transform)
        assert informer.store.keys() == ["b"]

    virtually(main)


# -- handlers ------------------------------------------------------------------------------------


def test_a_failing_handler_does_not_keep_others_from_hearing(virtually, fake_api):
    def main():
        def fail(*_):
            raise RuntimeError("bad handler")

        api, log = fake_api(), Log()
        api.put("a")
        _, _ = started(api, Handler(fail, fail, fail), log.handler())
        api.put("a")
        api.delete("a")
        current().sleep(1)
        assert [line[0] for line in log.take()] == ["initial", "update", "delete"]

    virtually(main)


def test_a_late_handler_hears_of_everything_there_is(virtually, fake_api):
    def main():
        api, log = fake_api(), Log()
        api.put("a")
        informer, _ = started(api)
        informer.add_handler(log.handler())
        assert log.take() == [("initial", "a", 11)]

    virtually(main)


def test_each_handler_is_resynced_in_its_own_period(virtually, fake_api):
    def main():
        api = fake_api()
        api.put("a")
        fast, slow, never = Log(), Log(), Log()
        informer = Informer(Client(api), NODES)
        informer.add_handler(fast.handler(), resync=30)
        informer.add_handler(slow.handler(), resync=100)
        informer.add_handler(never.handler())
        informer.start(current().event())
        late = Log()
        informer.add_handler(late.handler(), resync=0)  # raised to one second
        current().sleep(301.5)
        assert [len(log.take()) for log in (fast, slow, never, late)] == [11, 4, 1, 301 + 1]
        assert api.requests["list"] + api.requests["watch"] <= 2

    virtually(main)


# -- what the server may say ---------------------------------------------------------------------


def test_a_server_without_streaming_lists_is_asked_for_one_only_once(virtually, fake_api):
    def main():
        api = fake_api(streaming=False)
        api.put("a")
        started(api)
        current().sleep(3600)
        assert sum("sendInitialEvents" in query for _, _, query in api.log) == 1
        assert api.requests["list"] == 1

    virtually(main)


def test_an_old_server_that_never_marks_the_end_is_recognised(virtually, fake_api):
    class Ignoring:
        cuts = False

        def on_list(self, api, query):
            pass

        def on_watch(self, api, query):
            if "sendInitialEvents" in query:
                return api.lines({"type": "ADDED", "object": api.objects["a"]}, api.bookmark())
            return None

    def main():
        api = fake_api()
        api.fault = Ignoring()
        api.put("a")
        informer, _ = started(api)
        current().sleep(2)
        assert informer.has_synced()
        assert api.requests["list"] == 1

    virtually(main)


def test_lists_come_in_pages_and_survive_an_expired_one(virtually, fake_api):
    class Expiring:
        cuts = False

        def on_list(self, api, query):
            if query.get("continue"):
                raise_410()

        def on_watch(self, api, query):
            return None

    def raise_410():
        raise errors.Gone(410, "Expired", "too old")

    def main():
        api = fake_api(streaming=False)
        for number in range(1200):
            api.put(f"n{number}")
        informer, _ = started(api)
        assert len(informer.store) == 1200
        limits = [(q.get("limit"), q.get("continue")) for _, kind, q in api.log if kind == "list"]
        assert limits == [("500", None), ("500", "500"), ("500", "1000")]

        api.log.clear()
        api.fault = Expiring()
        informer, _ = started(api)
        assert len(informer.store) == 1200
        limits = [(q.get("limit"), q.get("continue")) for _, kind, q in api.log if kind == "list"]
        assert limits == [("500", None), ("500", "500"), (None, None)]

    virtually(main)


def test_wait_for_sync_ends_when_stopped_or_too_late(virtually, fake_api):
    def main():
        api = fake_api()
        stop = current().event()
        informer = Informer(Client(api), NODES)
        assert not informer.wait_for_sync(stop, timeout=3)
        assert current().monotonic() == pytest.approx(3)
        stop.set()
        assert not informer.wait_for_sync(stop)

    virtually(main)


def test_activity_shows_that_the_server_was_heard_of(virtually, fake_api):
    def main():
        api = fake_api()
        informer, _ = started(api)
        current().sleep(90)
        assert current().monotonic() - informer.last_activity() <= 61

    virtually(main)


def test_kind_and_api_version_are_there_even_from_lists(virtually, fake_api, streaming):
    def main():
        api = fake_api(streaming=streaming)
        api.put("a")
        informer, _ = started(api)
        node = informer.store.get("a")
        assert (node.kind, node.api_version) == ("Node", "v1")

    virtually(main)


def test_the_watch_asks_for_the_selected_objects_only(virtually, fake_api):
    def main():
        api = fake_api()
        started(api, label_selector="a=b")
        assert {query.get("labelSelector") for _, _, query in api.log} == {"a=b"}

    virtually(main)


def test_an_event_of_eight_megabytes_is_taken_in(virtually, fake_api):
    def main():
        api = fake_api()
        informer, _ = started(api)
        api.put("big", status={"images": ["x" * 1024] * 8192})
        current().sleep(1)
        assert len(json.dumps(api.objects["big"])) > 8 * 1024 * 1024
        assert informer.store.keys() == ["big"]

    virtually(main)
