"""Everything a benchmark runs on: API server (here), emulator and manager (own processes)."""

from __future__ import annotations

import collections
import contextlib
import dataclasses
import pathlib
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import TypeVar

from benchmarks.cloud import Cloud, emulator
from benchmarks.cluster import Cluster, serving
from benchmarks.processes import Process, wait_for
from cloudprovider.testing.emulation import EmulatedInstance
from cloudprovider.toolkit.journal import Record
from cloudprovider_sandbox.sandbox import free_port

_T = TypeVar("_T")

#: Seconds without a call after which nothing more is expected: longer than any window of theirs.
QUIET = 1.5


def each(act: Callable[[_T], object], items: Iterable[_T]) -> None:
    """``act`` on every item."""
    for item in items:
        act(item)


@dataclasses.dataclass(frozen=True)
class Work:
    """What an action made the manager do."""

    calls: list[Record]  #: to the cloud
    requests: list[Record]  #: to the API server

    @property
    def reads(self) -> int:
        return sum(not record.write for record in self.calls)

    @property
    def writes(self) -> int:
        return sum(record.write for record in self.calls)

    @property
    def events(self) -> int:
        return sum(record.op.endswith(" events") for record in self.requests)

    @property
    def others(self) -> int:
        """Requests that are not events."""
        return len(self.requests) - self.events

    def actions(self) -> str:
        """The calls by action, most frequent first."""
        counted = collections.Counter(record.op for record in self.calls).most_common()
        return ", ".join(f"{action} {count}" for action, count in counted) or "none"


@dataclasses.dataclass
class Bench:
    """One cluster in one cloud."""

    folder: pathlib.Path
    cloud: Cloud
    cluster: Cluster
    kubeconfig: pathlib.Path
    instances: list[EmulatedInstance] = dataclasses.field(default_factory=list)
    processes: list[Process] = dataclasses.field(default_factory=list)

    def launch(self, count: int) -> list[EmulatedInstance]:
        """Start instances that are no nodes yet."""
        first = len(self.instances) + 1
        new = [self.cloud.launch(f"node-{number}") for number in range(first, first + count)]
        self.instances += new
        return new

    def join(self, count: int) -> None:
        """New instances become nodes at once."""
        each(self.cluster.register, self.launch(count))

    def manager(self, *flags: str, port: int | None = None) -> Process:
        """Start a manager with default flags and ``flags``."""
        arguments = [
            "-m",
            "cloudprovider_manager.main",
            "--cloud-provider=alicloud",
            f"--cloud-config={self.cloud.config}",
            f"--kubeconfig={self.kubeconfig}",
            "--configure-cloud-routes=false",
            "--bind-address=127.0.0.1",
            f"--secure-port={port or free_port()}",
            *flags,
        ]
        log = self.folder / f"manager-{len(self.processes)}.log"
        process = Process(arguments, environment=self.cloud.environment, log=log)
        self.processes.append(process)
        return process

    def wait(self, done: Callable[[], object], what: str, *, timeout: float = 120.0) -> None:
        """See :func:`wait_for`. Raises BenchmarkError, too, if a manager ends by itself."""

        def watch() -> bool:
            for process in self.processes:
                process.check()
            return bool(done())

        wait_for(watch, what, timeout=timeout)

    def now(self) -> float:
        """Seconds on the clock of all records."""
        return time.monotonic()

    def calls(self, since: int = -1) -> list[Record]:
        """Calls to the cloud."""
        return self.cloud.calls(since)

    def work(
        self, act: Callable[[], object], done: Callable[[], object] | None = None, what: str = ""
    ) -> Work:
        """Act, wait until it is done and nothing more is called, and return what was called."""
        calls, requests = self.cloud.last(), self.cluster.last()
        act()
        if done is not None:
            self.wait(done, what or "the work is done")
        self.settle()
        return Work(self.cloud.calls(calls), self.cluster.requests(requests))

    def settle(self, quiet: float = QUIET) -> None:
        """Wait until the manager calls nobody any more."""
        seen, since = self._position(), time.monotonic()
        while time.monotonic() - since < quiet:
            time.sleep(0.1)
            now = self._position()
            if now != seen:
                seen, since = now, time.monotonic()

    def _position(self) -> tuple[int, int]:
        requests = self.cluster.requests(self.cluster.last() - 500)
        return self.cloud.last(), requests[-1].n if requests else -1

    def initialised(self) -> bool:
        """Whether every node has lost the taint."""
        return len(self.cluster.initialised) == len(self.instances)

    def addressed(self, names: Sequence[str]) -> Callable[[], bool]:
        """A condition: whether all these Services have an address."""
        return lambda: all(name in self.cluster.addressed for name in names)

    def gone(self, names: Sequence[str]) -> Callable[[], bool]:
        """A condition: whether all these objects are gone."""
        return lambda: all(name in self.cluster.removed for name in names)


@contextlib.contextmanager
def bench(nodes: int = 0, *, latency: float = 0.0) -> Iterator[Bench]:
    """A running cluster with ``nodes`` nodes that wait for a manager."""
    with contextlib.ExitStack() as stack:
        folder = pathlib.Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="bench-")))
        cloud = stack.enter_context(emulator(folder, latency=latency))
        cluster, kubeconfig = stack.enter_context(serving(folder))
        made = Bench(folder, cloud, cluster, kubeconfig)
        made.join(nodes)
        yield made
