"""Reads that several Services share: one at a time, kept for a short while.

Kept answers serve decisions that nothing is to be done. Before anything is written the reader asks
again with :meth:`SharedReads.fresh`, so a write never rests on an old answer.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Hashable
from typing import Any, TypeVar

from cloudprovider.concurrency import Concurrency, current

_T = TypeVar("_T")

#: Old entries are swept when there are more than this many.
SWEEP_AT = 4096


@dataclasses.dataclass
class Look:
    """How new an answer must be, and whether an older one was used."""

    after: int  #: answers whose read began after this point always serve
    max_age: float  #: others serve this many seconds
    used_old: bool = False
    memo: dict[Hashable, Any] = dataclasses.field(default_factory=dict)  #: of this pass alone


@dataclasses.dataclass(frozen=True)
class _Entry:
    value: Any
    serial: int
    at: float


class SharedReads:
    """Answers by key. Safe for threads."""

    def __init__(self, *, max_age: float, concurrency: Concurrency | None = None) -> None:
        self._concurrency = concurrency or current()
        self._max_age = max_age
        self._changed = self._concurrency.condition()
        self._entries: dict[Hashable, _Entry] = {}
        self._reading: set[Hashable] = set()
        self._dropped: dict[Hashable, int] = {}
        self._serial = 0

    def look(self) -> Look:
        """For one pass: kept answers serve."""
        return Look(after=self._serial, max_age=self._max_age)

    def fresh(self, look: Look | None = None) -> Look:
        """For what precedes a write: only answers read from now on, or since ``look`` began."""
        if look is None:
            return Look(after=self._serial, max_age=-1.0)
        return Look(after=look.after, max_age=-1.0, memo=look.memo)

    def peek(self, key: Hashable, look: Look) -> bool:
        """Whether an answer for ``key`` would serve ``look`` without reading."""
        with self._changed:
            return self._serves(self._entries.get(key), look)

    def read(self, key: Hashable, reader: Callable[[], _T], look: Look) -> _T:
        """The answer for ``key``: a kept one that serves ``look``, or that of ``reader``.

        While one thread reads a key, others that would ask for it wait and share the answer.
        """
        with self._changed:
            while True:
                entry = self._entries.get(key)
                if entry is not None and self._serves(entry, look):
                    look.used_old = look.used_old or entry.serial <= look.after
                    value: _T = entry.value
                    return value
                if key not in self._reading:
                    break
                self._changed.wait()
            self._reading.add(key)
            serial, at = self._begin()
        try:
            value = reader()
            self._store(key, _Entry(value, serial, at))
            return value
        finally:
            with self._changed:
                self._reading.discard(key)
                self._changed.notify_all()

    def begin(self) -> tuple[int, float]:
        """Before a read whose answer holds several keys: what :meth:`put` wants."""
        with self._changed:
            return self._begin()

    def put(self, key: Hashable, value: Any, begun: tuple[int, float]) -> None:
        """Keep one answer of a read that began at ``begun``."""
        self._store(key, _Entry(value, *begun))

    def drop(self, *keys: Hashable) -> None:
        """Forget ``keys``, and do not keep answers of reads that have begun already."""
        with self._changed:
            self._serial += 1
            if not self._reading:
                self._dropped.clear()
            for key in keys:
                self._entries.pop(key, None)
                if self._reading:
                    self._dropped[key] = self._serial

    def _serves(self, entry: _Entry | None, look: Look) -> bool:
        if entry is None:
            return False
        age = self._concurrency.monotonic() - entry.at
        return entry.serial > look.after or age <= look.max_age

    def _begin(self) -> tuple[int, float]:
        self._serial += 1
        return self._serial, self._concurrency.monotonic()

    def _store(self, key: Hashable, entry: _Entry) -> None:
        with self._changed:
            kept = self._entries.get(key)
            if entry.serial <= self._dropped.get(key, 0) or (kept and kept.serial > entry.serial):
                return
            self._entries[key] = entry
            if len(self._entries) > SWEEP_AT:
                self._sweep(entry.at)

    def _sweep(self, now: float) -> None:
        for key in [k for k, e in self._entries.items() if now - e.at > self._max_age]:
            del self._entries[key]
