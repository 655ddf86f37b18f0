"""Candidates: how they wait, and for whom."""

import itertools

import pytest
from elector_process import ALWAYS, LeaseStore, Process, leader

from cloudprovider.concurrency import current


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
