"""Complaints that stay the same: told once, and again when nobody can read them any more."""

from __future__ import annotations

from collections.abc import Container
from typing import Generic, TypeVar

from cloudprovider.concurrency import Concurrency, current

#: Seconds. The API server forgets events after an hour; and one that was refused, or not sent
#: because the lease was just lost, was never told at all.
REMIND = 3600.0

_K = TypeVar("_K")


class Reminder(Generic[_K]):
    """Remembers what was told last about each thing. Not safe for threads about one thing."""

    def __init__(self, concurrency: Concurrency | None = None) -> None:
        self._concurrency = concurrency or current()
        self._told: dict[_K, tuple[str, float]] = {}

    def is_due(self, thing: _K, complaint: str) -> bool:
        """Whether to tell ``complaint`` about ``thing`` now; if so it counts as told."""
        now = self._concurrency.monotonic()
        last, at = self._told.get(thing, ("", 0.0))
        if last == complaint and now < at + REMIND:
            return False
        self._told[thing] = (complaint, now)
        return True

    def forget(self, thing: _K) -> None:
        """All is well with ``thing``, or it is gone: whatever comes is news."""
        self._told.pop(thing, None)

    def keep(self, things: Container[_K]) -> None:
        """Forget all but ``things``."""
        self._told = {thing: told for thing, told in self._told.items() if thing in things}
