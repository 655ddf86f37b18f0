"""A large outage, and many load balancers: what they cost in calls.

Counted on the journals of the emulator and the API server, with the real manager process, the real
SDK and its signatures, over HTTP.
"""

from __future__ import annotations

import time
from collections.abc import Sequence

from benchmarks.bench import Bench, Work, bench, each
from benchmarks.cluster import NODES
from benchmarks.report import Figure, Result, command, figure
from cloudprovider.testing.emulation import EmulatedInstance
from cloudprovider.toolkit.journal import Record

#: Nodes of the outage: so many of them are gone, and so many are shut down.
CLUSTER, GONE, STOPPED = 3_000, 500, 500
#: Load balancers, and nodes behind each.
BALANCERS, BACKENDS = 500, 3
#: Calls of the instances' API that are further apart belong to different passes, seconds.
_PAUSE = 2.0
_STRATEGIC = "application/strategic-merge-patch+json"


def run() -> Result:
    """Both stories."""
    return Result(
        name="scale",
        title="Outages and many load balancers",
        measured=(
            f"Outage: of {CLUSTER:,} nodes {GONE} were released and {STOPPED} shut down at once. "
            f"Load balancers: {BALANCERS} with one TCP port and {BACKENDS} nodes. Default flags, "
            "0 ms a call."
        ),
        figures=[*_outage(), *_many_balancers()],
        notes=[
            "A period is one pass of the node lifecycle controller (--node-monitor-period, 5 s).",
            "Those gone and those shut down fall silent in turn. A hundred of which none is there "
            "cost three calls instead of one: an answer that shows nothing proves nothing, so they "
            "are asked about again together with an instance that is there.",
            "The Go managers ask twice for each node that is not ready, one by one.",
        ],
    )


# -- an outage -----------------------------------------------------------------------------------


def _outage() -> list[Figure]:
    with bench(CLUSTER) as made, made.manager():
        made.wait(made.initialised, "the nodes are initialised", timeout=300)
        made.settle()
        gone = made.instances[:GONE]
        stopped = made.instances[GONE : GONE + STOPPED]
        since, requests = made.cloud.last(), made.cluster.last()
        each(lambda one: made.cloud.release(one.instance_id), gone)
        each(lambda one: made.cloud.shut_down(one.instance_id), stopped)
        _fall_silent(made, [one for pair in zip(gone, stopped, strict=True) for one in pair])
        started = time.monotonic()
        made.wait(lambda: _deleted(made, gone), "their Nodes are deleted", timeout=300)
        seconds = time.monotonic() - started
        made.settle()
        lookups = [record for record in made.cloud.calls(since) if record.api == "ecs"]
        passes = _passes(lookups)
        written = made.cluster.requests(requests)
    what = f"{GONE + STOPPED:,} nodes not ready"
    return [
        figure(f"{what}: lookups, the most in one period", max(passes), go="2,000", most=10),
        figure(f"{what}: cloud writes", sum(record.write for record in lookups), most=0),
        figure(f"{GONE} gone: Nodes deleted", _count(written, "DELETE nodes")),
        figure(f"{GONE} gone: seconds until the last one is deleted", seconds, "s"),
        figure(f"{STOPPED} shut down: Nodes tainted", _count(written, "PATCH nodes")),
        figure("nodes deleted that were not gone", _wrongly_deleted(made, gone), most=0),
    ]


def _fall_silent(made: Bench, instances: Sequence[EmulatedInstance]) -> None:
    """What the API server's own node lifecycle does when a kubelet reports no more."""
    conditions = [{"type": "Ready", "status": "Unknown", "reason": "NodeStatusUnknown"}]
    body = {"status": {"conditions": conditions}}
    for one in instances:
        made.cluster.request("PATCH", f"{NODES}/{one.node_name}/status", body, _STRATEGIC)


def _deleted(made: Bench, instances: Sequence[EmulatedInstance]) -> bool:
    return all(one.node_name in made.cluster.removed for one in instances)


def _wrongly_deleted(made: Bench, gone: Sequence[EmulatedInstance]) -> int:
    return len(made.cluster.removed.keys() - {one.node_name for one in gone})


def _count(records: Sequence[Record], op: str) -> int:
    return sum(record.op == op for record in records)


def _passes(lookups: Sequence[Record]) -> list[int]:
    """Calls of each pass."""
    counts, last = [0], None
    for record in lookups:
        if last is not None and record.t - last > _PAUSE:
            counts.append(0)
        counts[-1] += 1
        last = record.t
    return counts


# -- many load balancers -------------------------------------------------------------------------


def _many_balancers() -> list[Figure]:
    names = [f"web-{number}" for number in range(BALANCERS)]
    with bench(BACKENDS) as made:
        with made.manager():
            made.wait(made.initialised, "the nodes are initialised")
            each(made.cluster.expose, names)
            made.wait(made.addressed(names), "all Services have an address", timeout=300)
            made.settle()
            joins = made.work(lambda: made.join(1), made.initialised)
        return [*_join(joins), *_restart(made)]


def _join(work: Work) -> list[Figure]:
    balancers = [record for record in work.calls if record.api == "slb"]
    changes = [record for record in balancers if record.op == "AddVServerGroupBackendServers"]
    what = f"a node joins, S = {BALANCERS}"
    touched = {record.key for record in changes}
    return [
        Figure(
            f"{what}: backend changes",
            f"{len(changes) / BALANCERS:g} each",
            "6.6 each",
            "1 each",
            len(changes) == BALANCERS,
        ),
        figure(f"{what}: server groups changed", len(touched)),
        figure(f"{what}: other load balancer calls", len(balancers) - len(changes), most=0),
        figure(f"{what}: writes to Services", _writes(work.requests, "services"), most=0),
    ]


def _restart(made: Bench) -> list[Figure]:
    before, requests = made.cloud.last(), made.cluster.last()

    def compared() -> bool:
        # A load balancer's server groups are read apart: then it was compared.
        reads = [record for record in made.cloud.calls(before) if record.api == "slb"]
        return len(reads) >= BALANCERS

    with made.manager():
        made.wait(compared, "load balancers are compared after the restart", timeout=300)
        made.settle(5.0)
    calls = made.cloud.calls(before)
    written = made.cluster.requests(requests)
    reads = sum(not record.write for record in calls)
    what = f"restart with {BALANCERS} unchanged"
    return [
        figure(f"{what}: cloud writes", sum(record.write for record in calls), most=0),
        figure(
            f"{what}: writes to Services and Nodes", _writes(written, "services", "nodes"), most=0
        ),
        figure(f"{what}: events", sum(record.op.endswith(" events") for record in written)),
        Figure(f"{what}: cloud reads", f"{reads / BALANCERS:.2f} each", "5.4 each"),
    ]


def _writes(requests: Sequence[Record], *resources: str) -> int:
    return sum(record.write and record.op.split()[-1].startswith(resources) for record in requests)


if __name__ == "__main__":
    command(run)
