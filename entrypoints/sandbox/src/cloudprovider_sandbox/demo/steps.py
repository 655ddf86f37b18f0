"""What a step of the demo is, and how one is played: act, wait until it holds, count, check."""

from __future__ import annotations

import collections
import dataclasses
from collections.abc import Callable, Iterable, Sequence

from cloudprovider.concurrency import Concurrency
from cloudprovider.toolkit.journal import Record
from cloudprovider_sandbox.admin import KUBERNETES

#: How the manager's user agent begins.
MANAGER = "cloud-controller-manager"


@dataclasses.dataclass(frozen=True)
class Costs:
    """What a step cost: calls to the cloud, and the manager's writes to Kubernetes."""

    actions: tuple[tuple[str, int], ...] = ()  #: the cloud's actions and how often, first first
    reads: int = 0
    writes: int = 0
    kubernetes_writes: int = 0  #: without Leases and Events
    events: int = 0

    @property
    def calls(self) -> int:
        """All calls to the cloud."""
        return self.reads + self.writes


@dataclasses.dataclass(frozen=True)
class Step:
    """One thing a person does, and what must come of it.

    ``check`` says what does not hold yet, ``verify`` what must hold once it is over, given what it
    cost; both empty if all is well. ``go`` is what the Go manager spends on the same
    (``spec/peers.md`` 3.3), or None where it was not measured.
    """

    title: str
    commands: Sequence[str]  #: what a person would type
    act: Callable[[], None]
    check: Callable[[], Sequence[str]]
    show: Callable[[], None] = lambda: None
    verify: Callable[[Costs], Sequence[str]] = lambda _: ()
    go: Callable[[], int | None] = lambda: None
    quiet: float = 1.0  #: it is over when for so many seconds nothing happened


@dataclasses.dataclass(frozen=True)
class Outcome:
    """How a step went."""

    title: str
    problems: Sequence[str]  #: empty = as it must be
    seconds: float  #: until it held
    costs: Costs
    go: int | None


class Player:
    """Plays steps on a running sandbox.

    Args:
        records: The journal after a number, oldest first.
        concurrency: Clock and sleeps.
        timeout: Seconds that a step may take.
        alive: Called while waiting; raises if waiting makes no sense any more.

    """

    def __init__(
        self,
        records: Callable[[int], Sequence[Record]],
        *,
        concurrency: Concurrency,
        timeout: float,
        alive: Callable[[], None] = lambda: None,
    ) -> None:
        self._records = records
        self._concurrency = concurrency
        self._timeout = timeout
        self._alive = alive

    def play(self, step: Step) -> Outcome:
        """Play ``step`` to its end."""
        mark = _last(self._records(-1), -1)
        started = self._concurrency.monotonic()
        step.act()
        problems = self._wait(step, started + self._timeout)
        seconds = self._concurrency.monotonic() - started
        if not problems:
            self._settle(mark, step.quiet, started + self._timeout)
            problems = step.check()
        costs = count(self._records(mark))
        outcome = Outcome(
            title=step.title,
            problems=tuple(problems) or tuple(step.verify(costs)),
            seconds=seconds,
            costs=costs,
            go=step.go(),
        )
        step.show()
        return outcome

    def _wait(self, step: Step, deadline: float) -> Sequence[str]:
        while problems := step.check():
            if self._concurrency.monotonic() >= deadline:
                return [f"not after {self._timeout:.0f} s: {problem}" for problem in problems]
            self._alive()
            self._concurrency.sleep(0.05)
        return ()

    def _settle(self, mark: int, quiet: float, deadline: float) -> None:
        """Wait until the manager has done nothing for a while, so that its calls count here."""
        last, since = mark, self._concurrency.monotonic()
        while (now := self._concurrency.monotonic()) < deadline and now - since < quiet:
            newest = _last([r for r in self._records(last) if is_work(r)], last)
            if newest != last:
                last, since = newest, now
            self._concurrency.sleep(0.05)


def count(records: Iterable[Record]) -> Costs:
    """What ``records`` cost."""
    work = [record for record in records if is_work(record)]
    cloud = [record for record in work if record.api != KUBERNETES]
    kubernetes = [record for record in work if record.api == KUBERNETES and record.write]
    events = [record for record in kubernetes if _resource(record) == "events"]
    return Costs(
        actions=tuple(collections.Counter(record.op for record in cloud).items()),
        reads=sum(not record.write for record in cloud),
        writes=sum(record.write for record in cloud),
        kubernetes_writes=len(kubernetes) - len(events),
        events=len(events),
    )


def is_work(record: Record) -> bool:
    """Whether the manager did this for a Service or a Node: not its lease, not its tokens."""
    if record.api != KUBERNETES:
        return True
    if not record.proc.startswith(MANAGER) or not record.write:
        return False
    return _resource(record) not in ("leases", "serviceaccounts", "namespaces")


def _resource(record: Record) -> str:
    """``services`` of ``PATCH services/status``."""
    return record.op.partition(" ")[2].partition("/")[0].partition(".")[0]


def _last(records: Sequence[Record], otherwise: int) -> int:
    return records[-1].n if records else otherwise
