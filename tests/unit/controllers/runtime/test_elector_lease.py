"""What the elector writes, and which leases it takes."""

import datetime
import re

import pytest
from elector_process import LeaseStore, Process, leader

from cloudprovider.concurrency import current
from cloudprovider_controllers.runtime import lease as leases

MICRO = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z")


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
