"""Never two leaders, whatever fails and whatever the clocks say."""

from elector_process import ALWAYS, LeaseStore, Process, Skewed
from hypothesis import given, settings
from hypothesis import strategies as st

from cloudprovider.concurrency import current
from cloudprovider.testing.virtual import VirtualConcurrency

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
