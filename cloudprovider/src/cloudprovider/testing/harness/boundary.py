"""The seam between a manager and everything outside it.

Each call of the manager under test goes through :meth:`Boundary.cross`, which records it and, at
one planned call, applies a fault: the process dies before or after the effect, the answer is lost,
the call is refused.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal, Protocol, TypeVar

import msgspec

from cloudprovider.testing.virtual import VirtualConcurrency
from cloudprovider.toolkit.journal import Record

_T = TypeVar("_T")

#: outage: an error, and the same for that operation during the next :data:`OUTAGE` seconds, so
#: that it outlasts the retries inside a client and reaches whoever asked.
Kind = Literal["crash_before", "crash_after", "lost_answer", "error", "throttle", "outage"]

#: What can happen to a call that changes something, and to one that only reads.
WRITE_KINDS: tuple[Kind, ...] = (
    "crash_before",
    "crash_after",
    "lost_answer",
    "error",
    "throttle",
    "outage",
)
READ_KINDS: tuple[Kind, ...] = ("crash_before", "lost_answer", "error", "throttle", "outage")

#: Seconds.
OUTAGE = 90.0


class Injection(msgspec.Struct, frozen=True):
    """One fault: at the call with this index (0 = the first), of this kind."""

    at: int
    kind: Kind


class Failures(Protocol):
    """How one API's client sees failures: each makes the exception to raise."""

    def lost(self) -> Exception:
        """Sent, perhaps carried out, no answer."""

    def error(self) -> Exception:
        """The server said it failed (5xx), nothing was done."""

    def throttled(self) -> Exception:
        """The server refused for rate, nothing was done."""


class Boundary:
    """Records every call of the processes under test and applies at most one fault.

    Args:
        world: The scheduler that can kill a process.
        effects: A counter of changes made so far in all servers, to see a call's effect.
        expected: The recording that a replay must equal until its fault.

    """

    def __init__(
        self,
        world: VirtualConcurrency,
        *,
        effects: Callable[[], int],
        injection: Injection | None = None,
        expected: list[Record] | None = None,
    ) -> None:
        self._world = world
        self._effects = effects
        self._injection = injection
        self._expected = expected or []
        self.records: list[Record] = []
        self.fired = 0
        self._outage = ("", "", 0.0)
        #: How a replay differed from its recording before the fault: the harness's own defect.
        self.nondeterminism = ""
        self.after_effect: Callable[[Record], None] = lambda _record: None

    def cross(
        self,
        send: Callable[[], _T],
        failures: Failures,
        *,
        api: str,
        op: str,
        key: str = "",
        write: bool = False,
    ) -> _T:
        """Make one call through ``send``, or let the planned fault happen to it."""
        index = len(self.records)
        kind = self._kind_at(index)
        if kind == "outage":
            self._outage = (api, op, self._world.monotonic() + OUTAGE)
        self._check_replay(index, api, op)
        record = Record(
            n=index,
            t=self._world.monotonic(),
            api=api,
            op=op,
            key=key,
            write=write,
            proc=self._world.process(),
            thread=self._world.thread_name(),
            fault=kind or "",
        )
        self.records.append(record)
        if kind is not None:
            self.fired += 1
        if kind == "crash_before":
            self._world.kill(self._world.process())
        if kind == "error" or self._is_out(api, op):
            raise failures.error()
        if kind == "throttle":
            raise failures.throttled()
        answer = self._carry_out(send, index)
        if kind == "crash_after":
            self._world.kill(self._world.process())
        if kind == "lost_answer":
            raise failures.lost()
        return answer

    def _kind_at(self, index: int) -> Kind | None:
        if self._injection is not None and self._injection.at == index:
            return self._injection.kind
        return None

    def _is_out(self, api: str, op: str) -> bool:
        return self._outage[:2] == (api, op) and self._world.monotonic() < self._outage[2]

    def _carry_out(self, send: Callable[[], _T], index: int) -> _T:
        before = self._effects()
        try:
            return send()
        finally:
            if self._effects() != before:
                record = msgspec.structs.replace(self.records[index], effect=True)
                self.records[index] = record
                self.after_effect(record)

    def _check_replay(self, index: int, api: str, op: str) -> None:
        last = len(self._expected) if self._injection is None else self._injection.at + 1
        if index >= min(last, len(self._expected)):
            return
        expected = self._expected[index]
        if (expected.api, expected.op) != (api, op) and not self.nondeterminism:
            self.nondeterminism = (
                f"call {index} was {expected.api} {expected.op} in the recording, "
                f"and is {api} {op} in the replay"
            )


def injections(recording: list[Record]) -> list[Injection]:
    """Every fault worth trying on a recording: each call, each kind that applies to it.

    Faults after the effect are left out where the call had none: they equal the fault before it.
    """
    plans = []
    for record in recording:
        kinds = WRITE_KINDS if record.write and record.effect else READ_KINDS
        plans += [Injection(record.n, kind) for kind in kinds]
    return plans
