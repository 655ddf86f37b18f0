"""How long many Services and many nodes take, and what bounds it.

Every figure is taken twice: with real processes over HTTP, where the emulator, the API server and
the manager share this machine's cores, and on virtual time, where only waiting counts (latency,
budgets, windows, too few workers). What the first has over the second is computing.
"""

from __future__ import annotations

import dataclasses
import os
import statistics
import time
from collections.abc import Callable
from typing import Protocol

from benchmarks.bench import Bench, bench, each
from benchmarks.cloud import peak_in_flight
from benchmarks.cluster import SERVICES, Cluster
from benchmarks.processes import Process
from benchmarks.report import Figure, Result, command, figure
from benchmarks.virtual import VirtualBench, play
from cloudprovider.toolkit.journal import Record

NODES, SERVICES_COUNT, LATENCY = 100, 200, 0.05
#: For the ratio of time to ``calls * latency / workers``.
FEW, WORKERS = 30, 3
#: Services created one by one for the reaction time.
REACTIONS = 60
_ADD = "AddVServerGroupBackendServers"


class AnyBench(Protocol):
    """What a story needs; real or virtual."""

    cluster: Cluster

    def join(self, count: int) -> None: ...

    def wait(self, done: Callable[[], object], what: str, *, timeout: float = ...) -> None: ...

    def settle(self) -> None: ...

    def now(self) -> float: ...

    def calls(self, since: int = ...) -> list[Record]: ...


@dataclasses.dataclass
class Seconds:
    """Durations of one story."""

    create: float = 0.0
    node_add: float = 0.0
    delete: float = 0.0
    calls: int = 0  #: to the cloud while creating
    peak: int = 0  #: the most of them at once
    waited: dict[str, float] = dataclasses.field(
        default_factory=dict
    )  #: for budgets, while creating


def run() -> Result:
    """All stories, real and virtual."""
    virtual = Seconds()
    play(lambda made: _virtual_life(made, virtual), nodes=NODES, latency=LATENCY)
    real, notes = _real_life()
    notes.append(_bound_by(virtual, real))
    ratio_real, ratio_virtual = _ratios()
    return Result(
        name="converge",
        title="Time to converge",
        measured=(
            f"{NODES} nodes, {SERVICES_COUNT} Services with one TCP port, {LATENCY * 1000:g} ms a "
            "cloud call, default flags unless said. `waiting` is the same on virtual time."
        ),
        figures=[
            *_pair(f"create {SERVICES_COUNT}", real.create, virtual.create, go="58.9 s", most=10),
            *_pair(
                "a node added: all have it", real.node_add, virtual.node_add, go="28.7 s", most=10
            ),
            *_pair(f"delete {SERVICES_COUNT}", real.delete, virtual.delete, go="58.7 s", most=10),
            figure("create: cloud calls in flight, peak", real.peak, go="6-9 (20 workers: 33-49)"),
            *_nodes_at_once(),
            *_pair(
                f"create {FEW} with {WORKERS} workers ÷ (calls * latency ÷ workers)",
                ratio_real,
                ratio_virtual,
                go="",
                most=1.25,
                unit="",
            ),
            *_reaction(),
        ],
        notes=notes,
    )


def _pair(
    what: str, real: float, virtual: float, *, go: str, most: float | None, unit: str = "s"
) -> list[Figure]:
    return [
        figure(what, real, unit, go=go, most=most),
        figure(f"{what}: waiting", virtual, unit, most=most),
    ]


def _bound_by(virtual: Seconds, real: Seconds) -> str:
    share = virtual.create / real.create
    most = sorted(virtual.waited.items(), key=lambda item: -item[1])[:3]
    waits = ", ".join(f"{action} {seconds:,.0f} s" for action, seconds in most if seconds >= 1)
    return (
        f"{share:.0%} of the time to create is waiting. For the provider's budgets of calls per "
        f"second and action, all workers together waited: {waits or 'nothing'}."
    )


# -- create, add a node, delete ------------------------------------------------------------------


def _names(count: int) -> list[str]:
    return [f"web-{number}" for number in range(count)]


def _create(made: AnyBench, count: int, into: Seconds) -> None:
    names, before = _names(count), _last(made)
    started = made.now()
    each(made.cluster.expose, names)
    addressed = made.cluster.addressed
    made.wait(lambda: len(addressed) >= count, "all Services have an address")
    into.create = max(addressed[name] for name in names) - started
    into.calls = sum(record.api == "slb" for record in made.calls(before))
    into.peak = peak_in_flight(made.calls(before), LATENCY)


def _life(made: AnyBench, into: Seconds) -> None:
    _create(made, SERVICES_COUNT, into)
    made.settle()
    before, started = _last(made), made.now()
    made.join(1)
    made.wait(
        lambda: len(_adds(made, before)) >= SERVICES_COUNT, "every load balancer has the node"
    )
    into.node_add = max(record.t for record in _adds(made, before)) - started
    made.settle()
    started = made.now()
    names, removed = _names(SERVICES_COUNT), made.cluster.removed
    each(made.cluster.delete, [f"{SERVICES}/{name}" for name in names])
    made.wait(lambda: all(name in removed for name in names), "all Services are gone")
    into.delete = max(removed[name] for name in names) - started


def _virtual_life(made: VirtualBench, into: Seconds) -> None:
    before = made.waited()
    noting = _Noting(made, lambda: into.waited.update(_more(made.waited(), before)))
    _life(noting, into)


def _more(now: dict[str, float], then: dict[str, float]) -> dict[str, float]:
    return {action: seconds - then.get(action, 0.0) for action, seconds in now.items()}


def _adds(made: AnyBench, since: int) -> list[Record]:
    return [record for record in made.calls(since) if record.op == _ADD and record.effect]


def _last(made: AnyBench) -> int:
    calls = made.calls()
    return calls[-1].n if calls else -1


def _real_life() -> tuple[Seconds, list[str]]:
    seconds = Seconds()
    with bench(NODES, latency=LATENCY) as made, made.manager() as manager:
        made.wait(made.initialised, "the nodes are initialised")
        made.settle()
        usage = Usage(made, manager)
        created: list[str] = []

        def note_creation() -> None:
            created.append(usage.since_start("creating"))

        _life(_Noting(made, note_creation), seconds)
        created.append(usage.since_start("all three"))
    return seconds, created


class Usage:
    """Processor time of the three processes from now on."""

    def __init__(self, made: Bench, manager: Process) -> None:
        self._made, self._manager = made, manager
        self._start = time.monotonic()
        self._before = self._cpu()

    def _cpu(self) -> list[float]:
        own = os.times()
        return [self._manager.cpu(), self._made.cloud.process.cpu(), own.user + own.system]

    def since_start(self, what: str) -> str:
        """A sentence."""
        wall = time.monotonic() - self._start
        used = [now - then for now, then in zip(self._cpu(), self._before, strict=True)]
        return (
            f"CPU while {what}: manager {used[0]:.1f} s, emulator {used[1]:.1f} s, API server and "
            f"benchmark {used[2]:.1f} s, in {wall:.1f} s on {os.cpu_count()} cores."
        )


class _Noting:
    """A bench that calls ``first`` at its first :meth:`settle`."""

    def __init__(self, made: AnyBench, first: Callable[[], None]) -> None:
        self._made, self._first = made, [first]
        self.cluster = made.cluster
        self.join, self.wait, self.now, self.calls = made.join, made.wait, made.now, made.calls

    def settle(self) -> None:
        while self._first:
            self._first.pop()()
        self._made.settle()


# -- the others ----------------------------------------------------------------------------------


def _ratios() -> tuple[float, float]:
    flags = [f"--concurrent-service-syncs={WORKERS}"]
    real, virtual = Seconds(), Seconds()
    with bench(NODES, latency=LATENCY) as made, made.manager(*flags):
        made.wait(made.initialised, "the nodes are initialised")
        made.settle()
        _create(made, FEW, real)
    play(lambda made: _create(made, FEW, virtual), nodes=NODES, latency=LATENCY, flags=flags)
    return tuple(s.create / (s.calls * LATENCY / WORKERS) for s in (real, virtual))  # type: ignore[return-value]


def _nodes_at_once() -> list[Figure]:
    virtual: list[float] = []

    def story(made: VirtualBench) -> None:
        virtual.append(_initialise(made, lambda: made.join(99)))

    play(story, nodes=1, latency=0.0)
    with bench(1) as made, made.manager() as manager:
        made.wait(made.initialised, "the first node is initialised")
        made.settle()
        instances = made.launch(99)
        cpu = manager.cpu()
        real = _initialise(made, lambda: each(made.cluster.register, instances))
        cpu = manager.cpu() - cpu
    return [
        *_pair("99 nodes initialised at once, 0 ms", real, virtual[0], go="40.3 s", most=5),
        figure("99 nodes initialised: CPU of the manager", cpu, "s", go="1.35 s"),
    ]


def _initialise(made: AnyBench, register: Callable[[], object]) -> float:
    started, done = made.now(), made.cluster.initialised
    register()
    made.wait(lambda: len(done) == 100, "all nodes are initialised")
    return max(done.values()) - started


def _reaction() -> list[Figure]:
    """From a Service's creation to the arrival of the first cloud call for it."""
    waits = []
    with bench(2) as made, made.manager():
        made.wait(made.initialised, "the nodes are initialised")
        made.cluster.expose("first")  # the first call ever pays for connections
        made.wait(made.addressed(["first"]), "the Service has an address")
        for name in _names(REACTIONS):
            time.sleep(0.3)
            before = made.cloud.last()
            made.cluster.expose(name)
            made.wait(made.addressed([name]), "the Service has an address")
            first = made.calls(before)[0]
            waits.append((first.t - first.seconds - made.cluster.created[name]) * 1000)
    waits.sort()
    return [
        figure("Service event to first cloud call, median", statistics.median(waits), "ms"),
        figure("the same, p99", waits[int(len(waits) * 0.99)], "ms", most=50.0),
    ]


if __name__ == "__main__":
    command(run)
