"""How long a cluster is without a manager when its leader ends: default flags."""

from __future__ import annotations

import dataclasses
import signal
import statistics
import time
from collections.abc import Sequence

from benchmarks.bench import Bench, bench
from benchmarks.processes import Process
from benchmarks.report import Figure, Result, command, figure
from cloudprovider.toolkit.journal import Record

RUNS = 3
#: Seconds: defaults of the manager's flags.
LEASE, RETRY = 15.0, 2.0
_LEASES = "/apis/coordination.k8s.io/v1/namespaces/kube-system/leases"


def run() -> Result:
    """Takeovers after SIGTERM, SIGKILL and SIGSTOP."""
    with bench(2) as made:
        orderly = _several(made, signal.SIGTERM)
        killed = _several(made, signal.SIGKILL)
        stopped = _several(made, signal.SIGSTOP)
    return Result(
        name="takeover",
        title="Takeover",
        measured=(
            f"Leader and standby with default flags (lease {LEASE:g} s, renewed every {RETRY:g} "
            f"s); a Service is created when the leader ends. Longest (median) of {RUNS}."
        ),
        figures=[
            _row("SIGTERM to the standby's lease", orderly.held, most=3.0),
            _row("SIGTERM to its first call for the new Service", orderly.worked),
            _row("SIGKILL to the standby's lease", killed.held, most=LEASE + 5),
            _row("SIGKILL to its first call for the new Service", killed.worked),
            _row("SIGSTOP to the standby's lease", stopped.held, most=LEASE + 5),
            _row("SIGSTOP to the end of the stopped leader", stopped.ended, most=LEASE),
        ],
        notes=[
            "A leader that gives its lease back lets the standby in at its next look, 0.8 to 2 s "
            "apart; one that dies, when the standby has not seen its lease change for 15 s.",
            "A leader that is stopped past its lease (SIGSTOP, a frozen container) is ended by a "
            "timer of the kernel before the lease is over, so that it never goes on.",
        ],
    )


@dataclasses.dataclass
class _Times:
    """Seconds from the signal on, one of each for every run."""

    held: list[float] = dataclasses.field(default_factory=list)
    worked: list[float] = dataclasses.field(default_factory=list)
    ended: list[float] = dataclasses.field(default_factory=list)


def _several(made: Bench, number: int) -> _Times:
    times = _Times()
    leader, holder = made.manager(), ""
    made.wait(lambda: _holder(made), "somebody holds the lease")
    for turn in range(RUNS):
        standby, holder = made.manager(), _holder(made)
        made.settle()
        # Anywhere between two looks of the standby.
        time.sleep(1.0 + RETRY * turn / RUNS)
        before, name = made.cluster.last(), f"service-{time.monotonic_ns()}"
        started = time.monotonic()
        leader.signal(number)
        made.cluster.expose(name)
        moments = _watch(made, leader, holder)
        times.held.append(moments["held"] - started)
        times.ended.append(moments["ended"] - started)
        made.wait(made.addressed([name]), "the standby works")
        records = made.cluster.server.journal.records(before)
        times.worked.append(_first(records, name) - started)
        leader = standby
    leader.stop()
    return times


def _watch(made: Bench, leader: Process, holder: str) -> dict[str, float]:
    """When ``leader`` ended, and when somebody other than ``holder`` held the lease."""
    moments: dict[str, float] = {}

    def both() -> bool:
        if leader.ended():
            moments.setdefault("ended", time.monotonic())
        if _holder(made) not in {"", holder}:
            moments.setdefault("held", time.monotonic())
        return len(moments) == 2

    made.wait(both, "a takeover", timeout=60)
    return moments


def _first(records: Sequence[Record], name: str) -> float:
    found = (r.t for r in records if r.op.startswith("PATCH services") and r.key.endswith(name))
    return next(found)


def _holder(made: Bench) -> str:
    """Who holds the lease; empty if nobody does."""
    leases = made.cluster.request("GET", _LEASES)["items"]
    return (leases[0]["spec"].get("holderIdentity") or "") if leases else ""


def _row(what: str, values: Sequence[float], *, most: float | None = None) -> Figure:
    row = figure(what, max(values), "s", most=most)
    text = f"{max(values):.2f} s ({statistics.median(values):.2f} s)"
    return Figure(row.what, text, row.go, row.goal, row.met)


if __name__ == "__main__":
    command(run)
