"""Leader election on virtual time: what is written, when it is lost, and never two leaders."""

import datetime
import itertools
import json
import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cloudprovider.concurrency import Concurrency, current
from cloudprovider.testing.virtual import VirtualConcurrency
from cloudprovider_controllers.runtime import lease as leases
from cloudprovider_controllers.runtime.client import Client
from cloudprovider_controllers.runtime.elector import LeaderElector, check_times
from cloudprovider_controllers.runtime.transport import Response, TransportError

PATH = "/apis/coordination.k8s.io/v1/namespaces/kube-system/leases"
MICRO = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z")


class LeaseStore:
    """The API server, as far as one Lease goes."""

    def __init__(self):
        self.lease = None
        self.version = 0
        self.writes = []

    def handle(self, method, body):
        if method == "GET":
            return (404, refused(404, "NotFound")) if self.lease is None else (200, self.lease)
        if method == "POST":
            if self.lease is not None:
                return 409, refused(409, "AlreadyExists")
            return self.store(body, 201)
        if self.lease is None:
            return 404, refused(404, "NotFound")
        if body["metadata"]["resourceVersion"] != self.lease["metadata"]["resourceVersion"]:
            return 409, refused(409, "Conflict")
        return self.store(body, 200)

    def store(self, body, status=200):
        self.version += 1
        metadata = {**body["metadata"], "resourceVersion": str(self.version), "uid": "u"}
        self.lease = {**body, "metadata": metadata}
        self.writes.append((current().monotonic(), body["spec"]["holderIdentity"]))
        return status, self.lease

    def take(self, holder, duration=15):
        """Somebody else writes the lease by hand."""
        now = current().now().strftime("%Y-%m-%dT%H:%M:%S.%fZ")
        spec = {"holderIdentity": holder, "leaseDurationSeconds": duration, "renewTime": now}
        self.store({**self.lease, "spec": {**self.lease["spec"], **spec}})

    @property
    def spec(self):
        return self.lease["spec"]


def refused(code, reason):
    return {"kind": "Status", "code": code, "reason": reason, "message": reason}


class Wire:
    """One process's way to the store; ``fault(method)`` says what happens to a request."""

    def __init__(self, store):
        self.store = store
        self.fault = lambda method: "fine"
        self.requests = []

    def request(self, method, path, *, query, headers, body, timeout):
        assert path == (PATH if method == "POST" else f"{PATH}/cloud-controller-manager")
        self.requests.append((current().monotonic(), method, timeout))
        data = None if body is None else json.loads(body)
        fault = self.fault(method)
        kind, _, argument = fault.partition(" ")
        return getattr(self, f"on_{kind}")(method, data, timeout, argument)

    def on_fine(self, method, data, timeout, argument):
        status, body = self.store.handle(method, data)
        return Response(status, {}, json.dumps(body).encode())

    def on_refused(self, method, data, timeout, argument):
        raise TransportError("refused", sent=False)

    def on_frozen(self, method, data, timeout, argument):
        current().sleep(timeout)
        raise TransportError("timed out")

    def on_lost(self, method, data, timeout, argument):
        self.on_fine(method, data, timeout, argument)
        return self.on_frozen(method, data, timeout, argument)

    def on_reset(self, method, data, timeout, argument):
        self.on_fine(method, data, timeout, argument)
        raise TransportError("reset")

    def on_late(self, method, data, timeout, argument):
        """Carried out long after the client gave up."""

        def later():
            current().sleep(timeout + float(argument))
            self.on_fine(method, data, timeout, argument)

        current().start_thread(later, name="late")
        return self.on_frozen(method, data, timeout, argument)

    def on_slow(self, method, data, timeout, argument):
        seconds = float(argument)
        if seconds >= timeout:
            return self.on_lost(method, data, timeout, argument)
        current().sleep(seconds / 2)
        answer = self.on_fine(method, data, timeout, argument)
        current().sleep(seconds / 2)
        return answer

    def on_status(self, method, data, timeout, argument):
        body = refused(int(argument), {"409": "Conflict", "500": "InternalError"}.get(argument, ""))
        return Response(int(argument), {}, json.dumps(body).encode())

    def on_garbage(self, method, data, timeout, argument):
        self.on_fine(method, data, timeout, argument)
        return Response(200, {}, b"<html>")


class Process:
    """A manager, reduced to its elector. ``lost`` holds when leadership was lost."""

    def __init__(self, store, identity, *, concurrency=None, **options):
        self.wire = Wire(store)
        self.started, self.lost = [], []
        self.stop = (concurrency or current()).event()
        self.elector = LeaderElector(
            Client(self.wire, concurrency=concurrency),
            identity=identity,
            concurrency=concurrency,
            **options,
        )

    def start(self):
        def run():
            clock = current().monotonic
            self.elector.run(
                self.stop,
                lambda: self.started.append(clock()),
                lambda: self.lost.append(clock()),
            )

        self.thread = current().start_thread(run, name=self.elector.identity)
        return self


def leader(store=None):
    """A process that has just become leader."""
    process = Process(store or LeaseStore(), "me").start()
    current().sleep(0.5)
    assert process.started
    assert process.elector.is_leader()
    return process


# -- what is written -----------------------------------------------------------------------------


def test_the_first_leader_makes_the_lease(virtually):
    def main():
        process = leader()
        lease = process.wire.store.lease
        assert lease["apiVersion"] == "coordination.k8s.io/v1"
        assert lease["kind"] == "Lease"
        assert lease["metadata"]["name"] == "cloud-controller-manager"
        assert lease["metadata"]["namespace"] == "kube-system"
        spec = lease["spec"]
        assert MICRO.fullmatch(spec["acquireTime"])
        assert spec == {
            "holderIdentity": "me",
            "leaseDurationSeconds": 15,
            "leaseTransitions": 0,
            "acquireTime": spec["acquireTime"],
            "renewTime": spec["acquireTime"],
        }

    virtually(main)


def test_renewals_are_one_request_each_and_keep_the_acquire_time(virtually):
    def main():
        process = leader()
        acquired = process.wire.store.spec["acquireTime"]
        process.wire.requests.clear()
        current().sleep(20)
        assert [method for _, method, _ in process.wire.requests] == ["PUT"] * 10
        spec = process.wire.store.spec
        assert (spec["acquireTime"], spec["leaseTransitions"]) == (acquired, 0)
        assert spec["renewTime"] > acquired

    virtually(main)


@pytest.mark.parametrize(("duration", "seconds"), [(15.0, 15), (2.0, 2), (2.9, 3), (1.001, 2)])
def test_others_wait_for_no_less_than_the_whole_duration(duration, seconds):
    now = datetime.datetime(2026, 1, 1, tzinfo=datetime.UTC)
    assert leases.held(None, "one", duration, now)["leaseDurationSeconds"] == seconds


def test_fields_we_do_not_know_are_kept(virtually):
    def main():
        store = LeaseStore()
        process = leader(store)
        store.lease["metadata"]["labels"] = {"a": "b"}
        store.lease["spec"]["strategy"] = "OldestEmulationVersion"
        store.version += 1
        store.lease["metadata"]["resourceVersion"] = str(store.version)  # somebody wrote
        current().sleep(4)
        assert process.elector.is_leader()
        assert store.lease["metadata"]["labels"] == {"a": "b"}
        assert store.spec["strategy"] == "OldestEmulationVersion"

    virtually(main)


def test_a_released_lease_is_taken_within_a_retry_period(virtually):
    def main():
        store = LeaseStore()
        process = leader(store)
        other = Process(store, "other").start()
        current().sleep(30)
        assert not other.started
        before = current().monotonic()
        process.stop.set()
        process.thread.join(1)
        assert store.spec["holderIdentity"] == ""
        assert store.spec["leaseDurationSeconds"] == 1
        assert MICRO.fullmatch(store.spec["renewTime"])
        assert process.lost == []
        assert not process.elector.is_leader()
        current().sleep(4.5)
        assert other.started[0] - before <= 4.4
        assert store.spec["leaseTransitions"] == 1
        assert store.spec["leaseDurationSeconds"] == 15

    virtually(main)


def test_a_dead_leaders_lease_is_taken_after_its_duration(virtually):
    def main():
        store = LeaseStore()
        store.version = 7
        store.lease = {
            "metadata": {"name": "x", "resourceVersion": "7"},
            "spec": {"holderIdentity": "dead", "leaseDurationSeconds": 30, "leaseTransitions": 4},
        }
        process = Process(store, "me").start()
        current().sleep(29.9)
        assert not process.started
        current().sleep(5)
        assert process.started
        assert store.spec["leaseTransitions"] == 5

    virtually(main)


def test_a_leader_that_starts_again_with_its_own_name_keeps_the_lease(virtually):
    def main():
        store = LeaseStore()
        leader(store)
        again = Process(store, "me").start()
        current().sleep(0.1)
        assert again.started
        assert store.spec["leaseTransitions"] == 0

    virtually(main)


def test_a_release_outlives_a_conflict_but_never_touches_anothers_lease(virtually):
    def main():
        store = LeaseStore()
        process = leader(store)
        store.store(store.lease)  # the cached version is stale
        process.stop.set()
        process.thread.join(1)
        assert store.spec["holderIdentity"] == ""

        store = LeaseStore()
        process = leader(store)
        store.take("other")
        process.elector.release()
        assert store.spec["holderIdentity"] == "other"

    virtually(main)


# -- odd leases ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("spec", "taken_after"),
    [
        ({}, 0),
        (None, 0),
        ({"holderIdentity": ""}, 0),
        ({"holderIdentity": "x"}, 15),
        ({"holderIdentity": "x", "leaseDurationSeconds": 0}, 15),
        ({"holderIdentity": "x", "leaseDurationSeconds": -5}, 15),
        ({"holderIdentity": "x", "leaseDurationSeconds": 2000000000}, 3600),
    ],
    ids=["empty", "none", "released", "no duration", "zero", "negative", "huge"],
)
def test_odd_leases_are_taken_in_the_end(virtually, spec, taken_after):
    def main():
        store = LeaseStore()
        store.lease = {"metadata": {"name": "x", "resourceVersion": "0"}, "spec": spec}
        process = Process(store, "me").start()
        current().sleep(max(0.1, taken_after - 0.1))
        assert bool(process.started) == (taken_after == 0)
        current().sleep(5)
        assert process.started

    virtually(main)


def test_a_lease_deleted_by_hand_is_made_again(virtually):
    def main():
        store = LeaseStore()
        process = leader(store)
        store.lease = None
        current().sleep(3)
        assert store.spec["holderIdentity"] == "me"
        assert process.elector.is_leader()

    virtually(main)


# -- faults while leading ------------------------------------------------------------------------

ALWAYS = {
    "frozen": "frozen",
    "refused": "refused",
    "answers lost": "lost",
    "answers reset": "reset",
    "carried out late": "late 3",
    "slower than the time-out": "slow 6",
    "500": "status 500",
    "409": "status 409",
    "401": "status 401",
    "no JSON": "garbage",
}


@pytest.mark.parametrize("fault", ALWAYS)
def test_a_leader_without_proof_stops_within_the_deadline(virtually, fault):
    def main():
        process = leader()
        current().sleep(1.6)  # just renewed at 2.0
        process.wire.fault = lambda method: ALWAYS[fault]
        last = process.elector.valid_until()
        assert last == 12
        current().sleep(20)
        assert process.lost == [last]
        assert not process.elector.is_leader()
        assert process.elector.lost_reason == "not renewed within 10 s"
        process.thread.join(10)
        assert not process.thread.is_alive()
        assert len(process.wire.requests) < 20

    virtually(main)


@pytest.mark.parametrize("fault", ALWAYS)
def test_a_fault_shorter_than_the_deadline_is_survived(virtually, fault):
    def main():
        process = leader()
        process.wire.fault = lambda method: ALWAYS[fault]
        current().sleep(3)
        process.wire.fault = lambda method: "fine"
        current().sleep(60)
        assert process.lost == []
        assert process.elector.is_leader()
        assert process.wire.store.spec["leaseTransitions"] == 0

    virtually(main)


def test_a_slow_server_is_good_enough(virtually):
    def main():
        process = leader()
        process.wire.fault = lambda method: "slow 3.5"
        current().sleep(300)
        assert process.lost == []
        assert process.elector.is_leader()

    virtually(main)


def test_no_request_waits_longer_than_what_is_left(virtually):
    def main():
        process = leader()
        process.wire.fault = lambda method: "frozen"
        current().sleep(30)
        deadline = process.lost[0]
        for sent, _, timeout in process.wire.requests:
            assert timeout <= 5
            assert sent + timeout <= deadline + 0.051 or sent < 1

    virtually(main)


def test_a_leader_steps_down_at_once_when_it_sees_another(virtually):
    def main():
        store = LeaseStore()
        process = leader(store)
        store.take("other")
        current().sleep(2)
        assert len(process.lost) == 1
        assert process.elector.lost_reason == "other holds the lease"
        assert store.spec["holderIdentity"] == "other"

    virtually(main)


def test_a_stuck_renewal_does_not_delay_the_loss(virtually):
    def main():
        process = leader()
        process.wire.on_drip = lambda *_: current().sleep(10_000)  # no time-out ends it
        process.wire.fault = lambda method: "drip"
        current().sleep(20)
        assert process.lost == [10]

    virtually(main)


def test_a_renewal_that_comes_after_the_deadline_proves_nothing(virtually):
    def main():
        process = Process(LeaseStore(), "me")
        process.elector._watch_deadline = lambda: None  # the process was stopped, and goes on
        process.start()
        current().sleep(0.5)

        def late(method, data, timeout, argument):
            current().sleep(9)  # sent at 2, answered at 11, when 10 was the deadline
            return process.wire.on_fine(method, data, timeout, argument)

        process.wire.on_too_late = late
        process.wire.fault = lambda method: "too_late"
        current().sleep(11)
        assert not process.elector.is_leader()

    virtually(main)


@pytest.mark.parametrize("fault", ["fine", "drip"], ids=["seen by renewal", "seen by watchdog"])
def test_whoever_loses_may_call_release(virtually, fault):
    def main():
        process = leader()
        process.lost = Calling(process.elector.release)
        process.wire.on_drip = lambda *_: current().sleep(10_000)
        process.wire.fault = lambda method: fault
        if fault == "fine":
            process.wire.store.take("other")
        current().sleep(20)
        assert process.lost.calls == 1

    virtually(main)


class Calling:
    """Takes the place of the list of losses."""

    def __init__(self, call):
        self.call, self.calls = call, 0

    def append(self, _):
        self.call()
        self.calls += 1


def test_work_that_cannot_start_gives_leadership_up(virtually):
    def main():
        def fail():
            raise RuntimeError("no provider")

        process = Process(LeaseStore(), "me")
        lost = []
        process.elector.run(process.stop, fail, lambda: lost.append(1))
        assert lost == [1]
        assert process.elector.lost_reason == "the leader's work could not be started"

    virtually(main)


def test_work_that_takes_long_to_start_does_not_stop_renewals(virtually):
    def main():
        process = Process(LeaseStore(), "me")
        run = process.elector.run
        current().start_thread(
            lambda: run(process.stop, lambda: current().sleep(100), process.lost.append), name="r"
        )
        current().sleep(90)
        assert process.elector.is_leader()

    virtually(main)


# -- faults while waiting ------------------------------------------------------------------------


@pytest.mark.parametrize("fault", ALWAYS)
def test_a_candidate_waits_for_better_times(virtually, fault):
    def main():
        process = Process(LeaseStore(), "me")
        process.wire.fault = lambda method: ALWAYS[fault]
        process.start()
        current().sleep(60)
        assert not process.started
        assert not process.elector.is_leader()
        assert len(process.wire.requests) <= 2 * 60 / 2
        process.wire.fault = lambda method: "fine"
        current().sleep(20)
        assert process.started

    virtually(main)


def test_a_candidate_ends_when_stopped(virtually):
    def main():
        store = LeaseStore()
        leader(store)
        process = Process(store, "other").start()
        current().sleep(5)
        process.stop.set()
        process.thread.join(1)
        assert not process.thread.is_alive()
        assert store.spec["holderIdentity"] == "me"

    virtually(main)


def test_a_candidate_says_once_who_it_waits_for(virtually, caplog):
    caplog.set_level("INFO")

    def main():
        store = LeaseStore()
        leader(store)
        Process(store, "other").start()
        current().sleep(20)
        store.take("third")
        current().sleep(5)

    virtually(main)
    waited = [text for text in caplog.messages if text.startswith("waiting:")]
    where = "kube-system/cloud-controller-manager"
    assert waited == [f"waiting: me holds {where}", f"waiting: third holds {where}"]


def test_candidates_spread_their_tries(virtually):
    def main():
        store = LeaseStore()
        leader(store)
        process = Process(store, "other").start()
        current().sleep(200)
        times = [at for at, _, _ in process.wire.requests]
        gaps = [later - sooner for sooner, later in itertools.pairwise(times)]
        assert all(0.8 <= gap < 2 for gap in gaps)
        assert max(gaps) - min(gaps) > 1

    virtually(main)


@pytest.mark.parametrize("fault", ["refused", "reset"])
def test_candidates_whose_tries_fail_wait_longer(virtually, fault):
    def main():
        process = Process(LeaseStore(), "other")
        process.wire.fault = lambda method: fault if method == "GET" else "fine"
        process.start()
        current().sleep(200)
        times = [at for at, _, _ in process.wire.requests]
        gaps = [later - sooner for sooner, later in itertools.pairwise(times)]
        assert all(2 <= gap < 4.4 for gap in gaps)
        assert max(gaps) - min(gaps) > 1

    virtually(main)


# -- clocks --------------------------------------------------------------------------------------


class Skewed(Concurrency):
    """Another machine's clocks: the wall clock off, the monotonic one fast or slow."""

    def __init__(self, base, offset=0.0, rate=1.0):
        self.base, self.offset, self.rate = base, offset, rate
        self.random = base.random

    def now(self):
        return self.base.now() + datetime.timedelta(seconds=self.offset)

    def monotonic(self):
        return 1000 + self.base.monotonic() * self.rate

    def sleep(self, seconds):
        self.base.sleep(seconds / self.rate)

    def event(self):
        event, rate = self.base.event(), self.rate

        class Event:
            is_set, set, clear = event.is_set, event.set, event.clear

            def wait(self, timeout=None):
                return event.wait(None if timeout is None else timeout / rate)

        return Event()

    def lock(self):
        return self.base.lock()

    def rlock(self):
        return self.base.rlock()

    def condition(self, lock=None):
        return self.base.condition(lock)

    def start_thread(self, target, *, name):
        return self.base.start_thread(target, name=name)

    def thread_name(self):
        return self.base.thread_name()

    def uuid(self):
        return self.base.uuid()

    def hostname(self):
        return self.base.hostname()


@pytest.mark.parametrize("jump", [3600, -3600, 86400 * 365])
def test_a_jump_of_the_wall_clock_changes_no_leader(virtually, jump):
    def main():
        store = LeaseStore()
        clocks = Skewed(current())
        process = Process(store, "me", concurrency=clocks).start()
        other = Process(store, "other").start()
        current().sleep(5)
        clocks.offset = jump
        current().sleep(30)
        assert process.elector.is_leader()
        assert not other.started

    virtually(main)


def test_after_a_suspended_machine_nothing_counts_until_the_next_renewal(virtually):
    def main():
        clocks = Skewed(current())
        process = Process(LeaseStore(), "me", concurrency=clocks).start()
        current().sleep(5)
        clocks.offset = 60  # the wall clock went on, the monotonic one did not
        assert not process.elector.is_leader()
        current().sleep(2)
        assert process.elector.is_leader()

    virtually(main)


# -- never two -----------------------------------------------------------------------------------

FAULTS = [*ALWAYS.values(), "fine", "fine", "fine", "slow 2", "late 0.1", "late 9"]


def race(seed, script, rates=(1.0, 1.0, 1.0), offsets=(0.0, 0.0, 0.0)):
    """Three processes, restarted when they lose, under ``script``; who wrote to the cloud when."""
    hub = VirtualConcurrency(seed=seed, max_steps=300_000)
    writes = []

    def main():
        store = LeaseStore()
        faulty = [True]

        def manager(index):
            clocks = Skewed(current(), offsets[index], rates[index])
            for life in range(100):
                process = Process(store, f"p{index}-{life}", concurrency=clocks)

                def fault(method):
                    at = int(current().monotonic() / 4)
                    return script[(at * 3 + index) % len(script)] if faulty[0] else "fine"

                process.wire.fault = fault
                process.start()
                while process.thread.is_alive():
                    leading = [p for p in alive if p is not process and p.elector.is_leader()]
                    if process.elector.is_leader():
                        assert not leading, f"two leaders at {current().monotonic()}"
                        writes.append((current().monotonic(), process.elector.identity))
                    alive.add(process)
                    current().sleep(0.25)
                alive.discard(process)

        alive = set()
        for index in range(3):
            current().start_thread(lambda index=index: manager(index), name=f"m{index}")
        current().sleep(240)
        faulty[0] = False
        quiet = len(writes)
        current().sleep(60)
        assert len(writes) > quiet, "nobody leads although all is well again"

    hub.run(main)
    assert hub.errors() == []
    return writes


def check_turns(writes):
    """Nobody writes after somebody else has begun to."""
    turns = []
    for _, who in writes:
        if not turns or turns[-1] != who:
            turns.append(who)
    assert len(turns) == len(set(turns)), turns


@settings(max_examples=15, deadline=None)
@given(st.integers(0, 2**20), st.lists(st.sampled_from(FAULTS), min_size=3, max_size=40))
def test_never_two_leaders_whatever_fails(seed, script):
    check_turns(race(seed, script))


@settings(max_examples=8, deadline=None)
@given(
    st.integers(0, 2**20),
    st.lists(st.sampled_from(FAULTS), min_size=3, max_size=40),
    st.tuples(*[st.sampled_from([0.95, 1.0, 1.05])] * 3),
    st.tuples(*[st.sampled_from([-3600.0, 0.0, 7.5, 3600.0])] * 3),
)
def test_never_two_leaders_whatever_the_clocks_say(seed, script, rates, offsets):
    check_turns(race(seed, script, rates, offsets))


# -- the rest ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("times", "message"),
    [
        ((10, 10, 2), "leaseDuration must be greater than renewDeadline"),
        ((15, 2, 2), "renewDeadline must be greater than retryPeriod*JitterFactor"),
        ((15, 10, 0), "retryPeriod must be greater than zero"),
        ((0.9, 0.5, 0.1), "leaseDuration must be at least one second"),
    ],
)
def test_times_that_do_not_fit_are_refused(times, message):
    with pytest.raises(ValueError, match=re.escape(message)):
        check_times(*times)


def test_health_is_about_leaders_that_do_not_renew(virtually):
    def main():
        store = LeaseStore()
        process = leader(store)
        other = Process(store, "other").start()
        current().sleep(100)
        assert process.elector.healthy()
        assert other.elector.healthy()
        process.elector._valid_until = current().monotonic() + 10 - 36  # nothing else can do this
        assert not process.elector.healthy()

    virtually(main)


def test_events_and_metrics_tell_of_leadership(virtually):
    class Recorder:
        def __init__(self):
            self.events = []

        def event(self, obj, type, reason, message):
            self.events.append((obj.kind, obj.key, type, reason, message))

    class Metrics:
        def __init__(self):
            self.calls = []

        def leading(self, leads):
            self.calls.append(leads)

        def slow(self):
            self.calls.append("slow")

    def main():
        store, recorder, metrics = LeaseStore(), Recorder(), Metrics()
        process = Process(store, "me", recorder=recorder, metrics=metrics).start()
        current().sleep(1)
        store.store(store.lease)
        current().sleep(3)
        process.stop.set()
        process.thread.join(1)
        assert metrics.calls == [True, "slow", False]
        key = "kube-system/cloud-controller-manager"
        assert recorder.events == [
            ("Lease", key, "Normal", "LeaderElection", "me became leader"),
            ("Lease", key, "Normal", "LeaderElection", "me stopped leading"),
        ]

    virtually(main)


# -- the timer that ends a leader ----------------------------------------------------------------


class Timer:
    """A deadman that notes when it would strike."""

    def __init__(self):
        self.at = []

    def arm(self, seconds):
        self.at.append(current().monotonic() + seconds)

    def disarm(self):
        self.at.append(None)


def test_the_timer_strikes_between_the_end_of_the_proof_and_the_next_leader(virtually):
    def main():
        timer = Timer()
        process = Process(LeaseStore(), "me", deadman=timer)
        process.wire.fault = lambda method: "slow 0.5"
        process.start()
        current().sleep(9)
        sent = [at for at, method, _ in process.wire.requests if method != "GET"]
        assert len(timer.at) >= 3
        # Our proof ends 10 s after the request was sent, and others may lead after 15 s.
        assert timer.at == pytest.approx([at + 12.5 for at in sent[: len(timer.at)]])
        process.stop.set()
        current().sleep(2)
        assert timer.at[-1] is None

    virtually(main)


def test_the_timer_of_a_candidate_is_not_set(virtually):
    def main():
        store, timer = LeaseStore(), Timer()
        Process(store, "a").start()
        current().sleep(1)
        Process(store, "b", deadman=timer).start()
        current().sleep(30)
        assert timer.at == []

    virtually(main)


def test_the_timer_of_a_lost_leader_stays_set(virtually):
    def main():
        timer = Timer()
        process = Process(LeaseStore(), "me", deadman=timer)
        process.start()
        current().sleep(1)
        process.wire.fault = lambda method: "refused"
        current().sleep(60)
        assert process.lost
        assert None not in timer.at

    virtually(main)
