"""Cloud calls and Kubernetes requests per operation.

Counted on the journals of the emulator and the API server, with the real manager process, the real
SDK and its signatures, over HTTP.
"""

from __future__ import annotations

import time
from collections.abc import Callable

from benchmarks.bench import Bench, Work, bench, each
from benchmarks.cluster import NODES, SERVICES
from benchmarks.processes import BenchmarkError
from benchmarks.report import Figure, Result, command, figure
from cloudprovider.toolkit.journal import Record

#: Load balancers in the second half.
MANY = 50
#: Seconds after which shared answers are no longer taken: a pass then reads all it needs.
STALE = 31.0
#: Seconds for which a node that is not ready is watched.
_WATCHED = 16.0
_STRATEGIC = "application/strategic-merge-patch+json"


def run() -> Result:
    """Every operation once, first alone and then with many load balancers."""
    figures = _with_one_node()
    with bench(100) as made:
        with made.manager():
            figures += _initialise(made)
            figures += _one_service(made)
            figures += _many_services(made)
        figures += _restart(made)
    return Result(
        name="calls",
        title="Calls per operation",
        measured=(
            "One-port TCP Services, externalTrafficPolicy Cluster, 100 nodes unless said, default "
            "flags, 0 ms a call. S is the number of load balancers."
        ),
        figures=figures,
        notes=[
            "The Go manager adds 40 backends per call, ours 20, which is what the API documents: "
            "hence ⌈n/40⌉ and ⌈n/20⌉.",
            "The Go figures per cluster for a node that joins contain three calls for routes.",
            f"No-op passes run {STALE:g} s after the last one, so no shared answer serves them.",
            "After a restart load balancers and listeners are read by pages; the server groups of "
            "a load balancer, and the members of a group, can only be asked for one by one.",
        ],
    )


def _with_one_node() -> list[Figure]:
    with bench(1) as made, made.manager():
        made.work(lambda: None, made.initialised, "the node is initialised")
        work = _create(made, "alone")
        return [figure("create, 1 node: cloud calls", len(work.calls), go="9", most=4 + 1)]


def _initialise(made: Bench) -> list[Figure]:
    made.work(lambda: None, made.initialised, "the nodes are initialised")
    calls = len(made.cloud.calls())
    return [figure("100 nodes initialised: cloud calls", calls, go="109 (99 nodes)", most=1)]


def _one_service(made: Bench) -> list[Figure]:
    create = _create(made, "web-0")
    time.sleep(STALE)
    again = made.work(lambda: _touch(made, "web-0"))
    _expect_nothing(again.writes, "a no-op pass writes", again)
    rows = [
        figure("create: cloud calls", len(create.calls), go="11", most=4 + 5),
        figure("create: requests to the API server", create.others, go="8", most=3),
        figure("create: events", create.events, go="1"),
        figure("no-op pass: cloud reads", again.reads, go="4", most=3),
        figure("no-op pass: cloud writes", again.writes, go="0", most=0),
        figure("no-op pass: requests to the API server", again.others, go="5"),
    ]
    rows += _node_changes(made, 1)
    joins = made.work(lambda: made.join(1), made.initialised)
    leaves = made.work(lambda: made.cluster.delete(f"{NODES}/node-1"))
    delete = made.work(lambda: made.cluster.delete(f"{SERVICES}/web-0"), made.gone(["web-0"]))
    return [
        *rows,
        *_joins(joins, "a node joins, S = 1", 1, go="13"),
        figure("a node leaves, S = 1: cloud calls", len(leaves.calls), go="8", most=1),
        figure("delete: cloud calls", len(delete.calls), go="7", most=4),
        figure("delete: requests to the API server", delete.others),
    ]


def _many_services(made: Bench) -> list[Figure]:
    names = [f"web-{number}" for number in range(1, MANY + 1)]

    created = made.work(lambda: each(made.cluster.expose, names), made.addressed(names))
    time.sleep(STALE)
    again = made.work(lambda: each(lambda name: _touch(made, name), names))
    _expect_nothing(again.writes, "no-op passes write", again)
    rows = [
        _each(f"{MANY} created at once: cloud calls", created, go="11 each", most=4 + 5),
        _each(f"no-op pass of {MANY}: cloud reads", again, go="4 each", most=3),
        *_node_changes(made, MANY),
    ]
    joins = made.work(lambda: made.join(1), made.initialised)
    burst = made.work(lambda: made.join(10), made.initialised)
    leaves = made.work(lambda: made.cluster.delete(f"{NODES}/node-2"))
    return [
        *rows,
        *_joins(joins, f"a node joins, S = {MANY}", MANY, go="6.6 each"),
        *_joins(burst, f"10 nodes join at once, S = {MANY}", MANY, go=""),
        _each(f"a node leaves, S = {MANY}: cloud calls", leaves, go="5 each", most=1),
    ]


def _restart(made: Bench) -> list[Figure]:
    names = [f"web-{number}" for number in range(1, MANY + 1)]
    started: list[Work] = []
    before = made.cloud.last()
    with made.manager():
        expected = "SLB reads after the restart"

        def verified() -> bool:
            return sum(record.api == "slb" for record in made.cloud.calls(before)) >= MANY

        started.append(made.work(lambda: None, verified, expected))
        calls = made.cloud.calls(before)
        deleted = made.work(
            lambda: each(made.cluster.delete, [f"{SERVICES}/{name}" for name in names]),
            made.gone(names),
        )
    writes = sum(record.write for record in calls)
    reads = len(calls) - writes
    return [
        figure(f"restart with {MANY} unchanged: cloud writes", writes, go="", most=0),
        Figure(
            f"restart with {MANY} unchanged: cloud reads",
            f"{reads / MANY:.2f} each",
            "5.4 each",
            "by pages",
            reads < MANY,
        ),
        _each(f"{MANY} deleted at once: cloud calls", deleted, go="7 each", most=4),
    ]


# -- steps ---------------------------------------------------------------------------------------


def _create(made: Bench, name: str) -> Work:
    return made.work(lambda: made.cluster.expose(name), made.addressed([name]))


def _touch(made: Bench, name: str) -> None:
    """A change that calls for a full comparison and changes nothing in the cloud."""
    stamp = {"example.com/touched": str(time.monotonic())}
    made.cluster.patch(f"{SERVICES}/{name}", {"metadata": {"annotations": stamp}})


def _node_changes(made: Bench, services: int) -> list[Figure]:
    path = f"{NODES}/node-3"
    changes: dict[str, Callable[[], object]] = {
        "a label": lambda: made.cluster.patch(path, {"metadata": {"labels": {"a": "b"}}}),
        "cordon": lambda: made.cluster.patch(path, {"spec": {"unschedulable": True}}),
        "Ready": lambda: _set_ready(made, path, "False"),
    }
    rows = []
    for name, change in changes.items():
        calls = _of_balancers(made.work(change))
        what = f"{name} of a node changes, S = {services}: load balancer calls"
        rows.append(figure(what, len(calls), go=str(4 * services), most=0))
    if services == 1:
        rows.append(_lookups(made))
    _set_ready(made, path, "True")
    made.cluster.patch(path, {"spec": {"unschedulable": None}, "metadata": {"labels": {"a": None}}})
    made.settle()
    return rows


def _set_ready(made: Bench, path: str, status: str) -> None:
    conditions = [{"type": "Ready", "status": status, "reason": "Benchmark"}]
    body = {"status": {"conditions": conditions}}
    made.cluster.request("PATCH", f"{path}/status", body, _STRATEGIC)


def _lookups(made: Bench) -> Figure:
    """What a node that is not ready goes on costing."""
    before = made.cloud.last()
    time.sleep(_WATCHED)
    count = len(made.cloud.calls(before))
    return Figure("a node not ready: instance lookups", f"{count} in {_WATCHED:g} s")


def _of_balancers(work: Work) -> list[Record]:
    return [record for record in work.calls if record.api == "slb"]


def _joins(work: Work, what: str, services: int, *, go: str) -> list[Figure]:
    balancers = _of_balancers(work)
    writes = sum(record.write for record in balancers)
    reads = len(balancers) - writes
    others = len(work.calls) - len(balancers)
    return [
        Figure(
            f"{what}: load balancer writes",
            f"{writes / services:g} each",
            go,
            "≤ 1 each",
            writes <= services,
        ),
        figure(f"{what}: load balancer reads", reads, most=0),
        figure(f"{what}: other calls", others, go="6" if "a node" in what else ""),
    ]


def _each(what: str, work: Work, *, go: str, most: float) -> Figure:
    each = len(work.calls) / MANY
    return Figure(what, f"{each:.2f} each", go, f"≤ {most:g} each", each <= most)


def _expect_nothing(count: int, what: str, work: Work) -> None:
    if not work.calls:
        raise BenchmarkError(f"{what}: there was no pass at all")
    if count:
        print(f"{what}: {work.actions()}")


if __name__ == "__main__":
    command(run)
