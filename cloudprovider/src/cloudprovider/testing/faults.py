"""Scripted faults, the same for the API server and the emulators.

A :class:`Fault` says which call (by operation and occurrence, never by absolute index) and what
happens to it; a :class:`FaultPlan` hands each call its fault and counts what fired. The server that
holds the plan carries the kinds out (``spec/reliability.md`` 3.6).
"""

from __future__ import annotations

import fnmatch
from collections.abc import Iterable
from typing import Literal

import msgspec

from cloudprovider.concurrency import Concurrency, current

#: error: refuse with ``code``/``status``, no effect. throttle: refuse for rate, ``after`` seconds.
#: lost_answer: carry out, then drop the connection. not_sent: drop the connection, no effect.
#: crash_before / crash_after: as those two, and the calling process dies. duplicate: carry out
#: twice, answer once. latency: wait ``after`` seconds, then carry out. empty: a read answers with
#: an empty list. malformed: carry out, answer with a body that is no JSON. truncated: carry out,
#: send half of the body and drop the connection. hang: carry out, answer only after ``after`` s.
Kind = Literal[
    "error",
    "throttle",
    "lost_answer",
    "not_sent",
    "crash_before",
    "crash_after",
    "duplicate",
    "latency",
    "empty",
    "malformed",
    "truncated",
    "hang",
]


class Fault(msgspec.Struct, kw_only=True, omit_defaults=True):
    """One rule. ``api``, ``op`` and ``key`` are shell patterns."""

    kind: Kind
    api: str = "*"
    op: str = "*"
    key: str = "*"
    nth: int = 1  #: fires first at the nth matching call (1 = the first)
    times: int = 1  #: and at this many matching calls in all; 0 = for ever
    code: str = ""  #: error code; empty = the server's choice
    status: int = 0  #: HTTP status; 0 = the server's choice
    after: float = 0.0  #: seconds, for throttle (Retry-After), latency and hang
    probability: float = 1.0  #: of firing where it matches


class FaultPlan:
    """The faults of a server. Safe for threads."""

    def __init__(
        self, faults: Iterable[Fault] = (), *, concurrency: Concurrency | None = None
    ) -> None:
        self._concurrency = concurrency or current()
        self._lock = self._concurrency.lock()
        self._faults: list[Fault] = []
        self._seen: list[int] = []
        self._fired: list[int] = []
        for fault in faults:
            self.add(fault)

    def add(self, fault: Fault) -> None:
        """Add a rule."""
        with self._lock:
            self._faults.append(fault)
            self._seen.append(0)
            self._fired.append(0)

    def clear(self) -> None:
        """Remove all rules."""
        with self._lock:
            self._faults.clear()
            self._seen.clear()
            self._fired.clear()

    def fired(self) -> list[int]:
        """How often each rule fired, in the order they were added."""
        with self._lock:
            return list(self._fired)

    def faults(self) -> list[Fault]:
        """The rules."""
        with self._lock:
            return list(self._faults)

    def match(self, api: str, op: str, key: str = "") -> Fault | None:
        """The fault for this call, or None. Every rule that matches counts the call."""
        found: Fault | None = None
        with self._lock:
            for index, fault in enumerate(self._faults):
                if not _matches(fault, api, op, key):
                    continue
                self._seen[index] += 1
                if found is None and self._fires(index, fault):
                    self._fired[index] += 1
                    found = fault
        return found

    def _fires(self, index: int, fault: Fault) -> bool:
        if self._seen[index] < fault.nth or (fault.times and self._fired[index] >= fault.times):
            return False
        return fault.probability >= 1.0 or self._concurrency.random.random() < fault.probability


def _matches(fault: Fault, api: str, op: str, key: str) -> bool:
    return (
        fnmatch.fnmatchcase(api, fault.api)
        and fnmatch.fnmatchcase(op, fault.op)
        and fnmatch.fnmatchcase(key, fault.key)
    )
