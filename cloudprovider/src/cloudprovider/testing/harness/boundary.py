"""The seam between a manager and everything outside it.

Each call of the manager under test goes through :meth:`Boundary.cross` and each watch event through
:meth:`Boundary.deliver`. They record it and, at one planned point, apply a fault: the process dies
before or after the effect, the answer is lost, the call is refused, or a *disturbance* that the
world brings happens: another actor steps in, the API server goes back in time, a clock jumps.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Literal, Protocol, TypeVar

import msgspec

from cloudprovider.testing.virtual import VirtualConcurrency
from cloudprovider.toolkit.journal import Record

_T = TypeVar("_T")

#: A kind of fault: one of those below, or a disturbance of the world.
Kind = str

#: What can happen to a call that changes something, and to one that only reads.
#: outage: an error, and the same for that operation during the next :data:`OUTAGE` seconds, so
#: that it outlasts the retries inside a client and reaches whoever asked.
WRITE_KINDS: tuple[Kind, ...] = (
    "crash_before",
    "crash_after",
    "lost_answer",
    "error",
    "throttle",
    "outage",
)
READ_KINDS: tuple[Kind, ...] = ("crash_before", "lost_answer", "error", "throttle", "outage")

#: What can happen to a watch event: the process dies before it, the connection breaks, it comes
#: twice, or later than what other watches tell; the watch says nothing more but stays open, or
#: nonsense instead of the event.
EVENT_KINDS: tuple[Kind, ...] = (
    "event_crash",
    "event_cut",
    "event_twice",
    "event_late",
    "watch_silent",
    "watch_garbled",
)

#: Seconds.
OUTAGE = 90.0
LATE = 45.0
AFTERMATH = 5.0


class Injection(msgspec.Struct, frozen=True):
    """One fault: at the call, or event, with this index (0 = the first), of this kind."""

    at: int
    kind: Kind
    point: Literal["call", "event"] = "call"


class Failures(Protocol):
    """How one API's client sees failures: each makes the exception to raise."""

    def lost(self) -> Exception:
        """Sent, perhaps carried out, no answer."""

    def error(self) -> Exception:
        """The server said it failed (5xx), nothing was done."""

    def throttled(self) -> Exception:
        """The server refused for rate, nothing was done."""


class Disturbance(Protocol):
    """Something that happens right before a call is sent."""

    def __call__(self, record: Record) -> Callable[[], None] | None:
        """Let it happen. What is returned is called right after the answer."""


class Denial(msgspec.Struct, frozen=True):
    """Calls that fail for a while without being carried out. Empty fields match anything."""

    failure: Callable[[], Exception]
    until: float
    api: str = ""
    op: str = ""
    proc: str = ""

    def concerns(self, record: Record) -> bool:
        """Whether the call fails."""
        wanted = (self.api, self.op, self.proc)
        found = (record.api, record.op, record.proc)
        alike = all(not w or w == f for w, f in zip(wanted, found, strict=True))
        return alike and record.t < self.until


class Boundary:
    """Records every call of the processes under test and applies at most one fault.

    Args:
        world: The scheduler that can kill a process.
        effects: A counter of changes made so far in all servers, to see a call's effect.
        injection: The fault.
        expected: The recording that a replay must equal until its fault.
        disturbances: What the world can do beside the kinds above, by kind.

    """

    def __init__(
        self,
        world: VirtualConcurrency,
        *,
        effects: Callable[[], int],
        injection: Injection | None = None,
        expected: Sequence[Record] | None = None,
        disturbances: Mapping[Kind, Disturbance] | None = None,
    ) -> None:
        self._world = world
        self._effects = effects
        self._injection = injection
        self._expected = expected or []
        self._disturbances = disturbances or {}
        self._denials: list[Denial] = []
        self.records: list[Record] = []
        self.events: list[Record] = []
        self.fired = 0
        self.fired_at = 0.0  #: when
        self.frozen = 0  #: processes that are stopped, or went on only just now
        self.calls_before = 0  #: how many calls were made before the fault
        #: How a replay differed from its recording before the fault: the harness's own defect.
        self.nondeterminism = ""
        self.after_effect: Callable[[Record], None] = lambda _record: None

    def deny(
        self,
        failure: Callable[[], Exception],
        *,
        seconds: float,
        api: str = "",
        op: str = "",
        proc: str = "",
    ) -> None:
        """Let matching calls fail during the next ``seconds``."""
        self._denials.append(Denial(failure, self._world.elapsed() + seconds, api, op, proc))

    def cross(
        self,
        send: Callable[[], _T],
        failures: Failures,
        *,
        api: str,
        op: str,
        key: str = "",
        write: bool = False,
        pre: str = "",
        status: Callable[[_T], int] = lambda _answer: 200,
    ) -> _T:
        """Make one call through ``send``, or let the planned fault happen to it."""
        index = len(self.records)
        kind = self._kind_at("call", index)
        self._check_replay(index, api, op)
        record = self._record(index, api=api, op=op, key=key, write=write, pre=pre, fault=kind)
        self.records.append(record)
        undo = self._strike(kind, record, failures)
        try:
            self._refuse(record)
            answer = self._carry_out(send, index)
        except Exception as error:
            self._note(index, outcome=type(error).__name__, status=0)
            raise
        finally:
            if undo is not None:
                undo()
        self._note(index, status=status(answer))
        if kind == "crash_after":
            self._world.kill(self._world.process())
        if kind == "lost_answer":
            self._note(index, outcome="lost answer")
            raise failures.lost()
        if kind == "frozen_after":
            self.freeze()
        return answer

    def deliver(self, *, op: str, key: str) -> Kind:
        """A watch event is about to reach the manager; the fault that its stream must carry out."""
        index = len(self.events)
        kind = self._kind_at("event", index)
        self.events.append(self._record(index, api="k8s", op=op, key=key, fault=kind))
        if kind == "event_crash":
            self._world.kill(self._world.process())
        if kind == "event_late":
            self._world.sleep(LATE)
        elif kind in self._disturbances:
            self._disturbances[kind](self.events[-1])
        return kind

    def freeze(self, seconds: float = 120.0) -> None:
        """Stop the calling process here and now, and let it go on after ``seconds``."""
        world, process = self._world, self._world.process()

        def thaw() -> None:
            world.sleep(seconds)
            world.resume(process)
            world.sleep(AFTERMATH)
            self.frozen -= 1

        self.frozen += 1
        world.start_process(thaw, process="thaw")
        world.pause(process)
        world.sleep(0)

    def _record(self, index: int, *, fault: Kind, **fields: object) -> Record:
        if fault:
            self.fired += 1
            self.fired_at, self.calls_before = self._world.elapsed(), len(self.records)
        return Record(
            n=index,
            t=self._world.elapsed(),
            proc=self._world.process(),
            thread=self._world.thread_name(),
            fault=fault,
            **fields,  # type: ignore[arg-type]
        )

    def _note(self, index: int, **fields: object) -> None:
        self.records[index] = msgspec.structs.replace(self.records[index], **fields)

    def _kind_at(self, point: str, index: int) -> Kind:
        planned = self._injection
        if planned is not None and (planned.point, planned.at) == (point, index):
            return planned.kind
        return ""

    def _strike(self, kind: Kind, record: Record, failures: Failures) -> Callable[[], None] | None:
        """What happens before the call is sent."""
        if kind in {"crash_before", "leader_killed"}:
            self._world.kill(self._world.process())
        elif kind == "frozen_before":
            self.freeze()
        elif kind == "outage":
            self.deny(failures.error, seconds=OUTAGE, api=record.api, op=record.op)
        elif kind in {"error", "throttle"}:
            self._note(record.n, outcome=kind, status=0)
            raise failures.error() if kind == "error" else failures.throttled()
        elif kind in self._disturbances:
            return self._disturbances[kind](record)
        return None

    def _refuse(self, record: Record) -> None:
        for denial in self._denials:
            if denial.concerns(record):
                raise denial.failure()

    def _carry_out(self, send: Callable[[], _T], index: int) -> _T:
        before = self._effects()
        try:
            with self._world.serving():
                return send()
        finally:
            if self._effects() != before:
                self._note(index, effect=True)
                self.after_effect(self.records[index])

    def _check_replay(self, index: int, api: str, op: str) -> None:
        last = len(self._expected)
        if self._injection is not None and self._injection.point == "call":
            last = min(last, self._injection.at + 1)
        if index >= last or self.fired:
            return
        expected = self._expected[index]
        if (expected.api, expected.op) != (api, op) and not self.nondeterminism:
            self.nondeterminism = (
                f"call {index} was {expected.api} {expected.op} in the recording, "
                f"and is {api} {op} in the replay"
            )


def injections(recording: Sequence[Record]) -> list[Injection]:
    """Every fault worth trying on a recording: each call, each kind that applies to it.

    Faults after the effect are left out where the call had none: they equal the fault before it.
    """
    plans = []
    for record in recording:
        kinds = WRITE_KINDS if record.write and record.effect else READ_KINDS
        plans += [Injection(record.n, kind) for kind in kinds]
    return plans
