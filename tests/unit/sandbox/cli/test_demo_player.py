"""A step is played until it holds, its calls are counted, and a failure is told."""

import pytest

from cloudprovider.concurrency import current
from cloudprovider.testing.virtual import VirtualConcurrency
from cloudprovider.toolkit.journal import Journal
from cloudprovider_sandbox.demo.steps import Player, Step, count, is_work
from cloudprovider_sandbox.demo.story import no_calls, no_writes

MANAGER = "cloud-controller-manager/v0.1.0"


def cloud(journal, op, *, write=False):
    journal.append(api="slb", op=op, write=write)


def kubernetes(journal, op, *, proc=MANAGER, write=True):
    journal.append(api="k8s", op=op, write=write, proc=proc)


def play(step, *, journal=None, timeout=10.0, alive=lambda: None):
    """Plays ``step(journal)`` on virtual time."""
    outcomes = []

    def main():
        records = journal or Journal()
        player = Player(records.records, concurrency=current(), timeout=timeout, alive=alive)
        outcomes.append(player.play(step(records)))

    VirtualConcurrency().run(main)
    return outcomes[0]


def test_calls_until_it_is_quiet_belong_to_the_step():
    def step(journal):
        def work():
            cloud(journal, "DescribeLoadBalancers")
            current().sleep(2)
            cloud(journal, "CreateLoadBalancer", write=True)
            kubernetes(journal, "PATCH services/status")
            current().sleep(0.5)  # after the check holds, before it is quiet
            kubernetes(journal, "POST events")

        def check():
            done = any(record.op == "CreateLoadBalancer" for record in journal.records())
            return [] if done else ["no load balancer"]

        def act():
            cloud(journal, "CountedByNobody")
            current().start_thread(work, name="manager")

        cloud(journal, "Before")
        return Step(title="t", commands=["c"], act=act, check=check, go=lambda: 9)

    outcome = play(step)
    assert outcome.problems == ()
    assert outcome.seconds == pytest.approx(2.0, abs=0.1)
    assert (outcome.costs.reads, outcome.costs.writes) == (2, 1)
    assert (outcome.costs.kubernetes_writes, outcome.costs.events) == (1, 1)
    assert outcome.go == 9


def test_a_step_that_never_holds_fails_with_its_reason():
    outcome = play(
        lambda _: Step(title="t", commands=["c"], act=lambda: None, check=lambda: ["no address"]),
        timeout=3.0,
    )
    assert outcome.problems == ("not after 3 s: no address",)


def test_a_step_that_held_but_does_not_any_more_fails():
    def step(journal):
        def act():
            current().start_thread(late, name="manager")

        def late():
            current().sleep(0.5)
            cloud(journal, "DeleteLoadBalancer", write=True)

        def check():
            return ["gone again"] if journal.records() else []

        return Step(title="t", commands=["c"], act=act, check=check)

    assert play(step).problems == ("gone again",)


def test_what_a_step_cost_can_fail_it():
    def step(journal):
        def act():
            cloud(journal, "DescribeLoadBalancers")

        return Step(title="t", commands=["c"], act=act, check=lambda: [], verify=no_calls)

    assert play(step).problems == ("1 cloud calls where none is needed",)


def test_a_dead_manager_ends_the_wait():
    def alive():
        raise RuntimeError("died")

    step = Step(title="t", commands=["c"], act=lambda: None, check=lambda: ["not yet"])
    with pytest.raises(RuntimeError, match="died"):
        play(lambda _: step, alive=alive)


@pytest.mark.parametrize(
    ("op", "proc", "counted"),
    [
        pytest.param("PATCH services/status", MANAGER, True, id="status"),
        pytest.param("PATCH nodes", MANAGER, True, id="node"),
        pytest.param("POST events", MANAGER, True, id="event"),
        pytest.param("PUT leases", MANAGER, False, id="lease"),
        pytest.param("POST serviceaccounts/token", MANAGER, False, id="token"),
        pytest.param("PATCH nodes/status", "sandbox/kubelet", False, id="kubelet"),
        pytest.param("POST services", "kubectl/v1.33", False, id="user"),
    ],
)
def test_only_the_managers_own_work_is_counted(op, proc, counted):
    journal = Journal()
    kubernetes(journal, op, proc=proc)
    assert is_work(journal.records()[0]) is counted


def test_reads_of_kubernetes_cost_nothing_and_actions_are_listed_in_order():
    journal = Journal()
    kubernetes(journal, "GET nodes", write=False)
    for op in ("DescribeA", "CreateB", "DescribeA"):
        cloud(journal, op, write=op.startswith("Create"))
    costs = count(journal.records())
    assert costs.actions == (("DescribeA", 2), ("CreateB", 1))
    assert costs.kubernetes_writes == 0
    assert no_writes(costs) == ["1 cloud writes where none is needed"]
