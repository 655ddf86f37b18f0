"""The journal: one line per call, in one format for the API server, the emulators and the manager.

On it stand the call counts, the permission tests and the fault harness
(``spec/reliability.md`` 3.2). A record never holds a credential: arguments are redacted by whoever
writes it.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable
from typing import Any

import msgspec

from cloudprovider.concurrency import Concurrency, current


class Record(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One call."""

    n: int  #: index in this journal
    t: float  #: seconds on the journal's clock
    api: str  #: ``k8s``, ``slb``, ``ecs``, ``vpc``, …
    op: str  #: the cloud's action, or ``PATCH services/status``
    key: str = ""  #: ``namespace/name`` or the cloud's id
    write: bool = False  #: whether the call can change something
    outcome: str = "ok"  #: ``ok`` or the error code
    status: int = 200  #: HTTP status
    effect: bool = False  #: whether it did change something
    args: dict[str, Any] = {}  #: redacted arguments
    pre: str = ""  #: precondition: resourceVersion, UID or client token
    proc: str = ""  #: who called: process, user agent or access key id
    thread: str = ""
    item: str = ""  #: the work item that caused it
    fault: str = ""  #: the fault applied to it
    seconds: float = 0.0  #: how long it took


class Journal:
    """An append-only list of :class:`Record`, safe for threads.

    Several journals can share ``counter`` so that their records merge into one order.
    """

    def __init__(
        self,
        *,
        concurrency: Concurrency | None = None,
        counter: itertools.count[int] | None = None,
        limit: int = 100_000,
    ) -> None:
        self._concurrency = concurrency or current()
        self._counter = counter if counter is not None else itertools.count()
        self._lock = self._concurrency.lock()
        self._records: list[Record] = []
        self._limit = limit
        self._listeners: list[Callable[[Record], None]] = []

    def append(self, **fields: Any) -> Record:
        """Add a record; ``n`` and ``t`` are filled in. Beyond ``limit`` the oldest tenth goes."""
        with self._lock:
            record = Record(n=next(self._counter), t=self._concurrency.monotonic(), **fields)
            self._records.append(record)
            if len(self._records) > self._limit:
                del self._records[: self._limit // 10]
        for listener in tuple(self._listeners):
            listener(record)
        return record

    def listen(self, listener: Callable[[Record], None]) -> None:
        """Call ``listener`` with every record from now on, in the caller's thread."""
        self._listeners.append(listener)

    def records(self, since: int = -1) -> list[Record]:
        """The records with ``n`` greater than ``since``, oldest first."""
        with self._lock:
            return [record for record in self._records if record.n > since]

    def clear(self) -> None:
        """Forget the records; the index goes on."""
        with self._lock:
            self._records.clear()


def to_jsonl(records: Iterable[Record]) -> bytes:
    """``records`` as JSON lines."""
    return b"".join(msgspec.json.encode(record) + b"\n" for record in records)


def from_jsonl(data: bytes) -> list[Record]:
    """The inverse of :func:`to_jsonl`."""
    return [msgspec.json.decode(line, type=Record) for line in data.splitlines() if line]
