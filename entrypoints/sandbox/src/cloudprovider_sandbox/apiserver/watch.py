"""One watch: a cursor on a table's history, read line by line.

Semantics are those of kube-apiserver: resume from a version, initial events with the
``k8s.io/initial-events-end`` bookmark, bookmarks while quiet, 410 as an ERROR event, a clean end
after ``timeoutSeconds`` (``spec/kubernetes-client.md`` 3.1). All waiting is on the table's
condition.
"""

from __future__ import annotations

import collections
import dataclasses
from collections.abc import Callable

import msgspec

from cloudprovider.concurrency import Concurrency
from cloudprovider_sandbox.apiserver import status
from cloudprovider_sandbox.apiserver.resources import Resource
from cloudprovider_sandbox.apiserver.selectors import Selector
from cloudprovider_sandbox.apiserver.store import Change, Entry, Expired, Store

#: Most events handed out in one chunk.
BATCH = 200
INITIAL_END = {"k8s.io/initial-events-end": "true"}

#: Turns an entry into what the client asked for: the object itself, or a Table of one row.
Render = Callable[[Entry], bytes]


@dataclasses.dataclass(frozen=True)
class WatchOptions:
    """What a client asked for."""

    namespace: str = ""
    selector: Selector = dataclasses.field(default_factory=Selector)
    version: int | None = None  #: resume after this version; None = send the state first
    initial_events: bool = False  #: send the state first, then its end marker
    bookmarks: bool = False
    seconds: float = 1800.0  #: how long until the clean end
    bookmark_every: float = 10.0
    render: Render | None = None


@dataclasses.dataclass
class Tampering:
    """What some callers see of the server's state; set by tests."""

    silent: bool = False  #: watches send nothing, not even bookmarks: a half-open connection
    skip_to: int = 0  #: events up to this version are never delivered
    held_at: int | None = None  #: newest version that watches and cached reads show; None = all
    all_reads: bool = False  #: ``held_at`` is for reads that want the newest state as well


_HONEST = Tampering()


class Watch:
    """A running watch; see :class:`~cloudprovider_sandbox.apiserver.messages.Stream`."""

    def __init__(
        self,
        store: Store,
        resource: Resource,
        options: WatchOptions,
        *,
        concurrency: Concurrency,
        tampering: Callable[[], Tampering] = lambda: _HONEST,
    ) -> None:
        self._store = store
        self._resource = resource
        self._options = options
        self._concurrency = concurrency
        self._tampering = tampering
        self._render = options.render or (lambda entry: entry.data)
        self._pending: collections.deque[bytes] = collections.deque()
        self._closed = False
        self._table = store.table(resource.storage)
        now = concurrency.monotonic()
        self._end = now + options.seconds
        self._bookmark_due = now + options.bookmark_every
        with store.lock:
            self._epoch = self._table.epoch
            self._cursor = self._start()

    def _start(self) -> int:
        version = self._options.version
        if version is not None and not self._options.initial_events:
            if version < self._table.oldest:
                self._fail(version)
            return version
        newest = self._store.version
        ceiling = self._tampering().held_at
        objects = self._table.objects
        if ceiling is not None and ceiling < newest:
            newest = max(ceiling, self._table.oldest)
            objects = self._table.at(newest)
        for key in sorted(objects) if objects is not self._table.objects else self._table.keys():
            if self._visible(objects[key]):
                self._pending.append(self._line("ADDED", objects[key]))
        if self._options.initial_events and self._options.bookmarks:
            self._pending.append(self._bookmark(newest, INITIAL_END))
        return newest

    def next(self, timeout: float | None = None) -> bytes | None:
        """The next whole lines; ``b""`` after ``timeout`` s of silence; None when it has ended."""
        deadline = None if timeout is None else self._concurrency.monotonic() + timeout
        with self._store.lock:
            while True:
                if self._closed:
                    return None
                if not self._tampering().silent:
                    chunk = self._take()
                    if chunk:
                        return chunk
                now = self._concurrency.monotonic()
                if now >= self._end or (self._epoch != self._table.epoch):
                    self._closed = True
                    return None
                if deadline is not None and now >= deadline:
                    return b""
                self._table.condition.wait(self._wait_seconds(now, deadline))

    def close(self) -> None:
        """End it; a reader blocked in :meth:`next` gets None."""
        with self._store.lock:
            self._closed = True
            self._table.condition.notify_all()

    def _wait_seconds(self, now: float, deadline: float | None) -> float:
        until = self._end
        if self._options.bookmarks and not self._tampering().silent:
            until = min(until, self._bookmark_due)
        if deadline is not None:
            until = min(until, deadline)
        return max(0.0, until - now)

    def _take(self) -> bytes:
        if not self._pending and self._epoch == self._table.epoch:
            self._advance()
        if not self._pending:
            return b""
        lines = [self._pending.popleft() for _ in range(min(BATCH, len(self._pending)))]
        return b"".join(lines)

    def _advance(self) -> None:
        oldest, tampering = self._table.oldest, self._tampering()
        if self._table.grace <= self._cursor < oldest:
            self._cursor = oldest
        self._cursor = max(self._cursor, tampering.skip_to)
        try:
            changes = self._table.changes_after(self._cursor, tampering.held_at)
        except Expired:
            self._fail(self._cursor)
            return
        for change in changes:
            line = self._event(change)
            if line:
                self._pending.append(line)
        if changes:
            self._cursor = changes[-1].version
        elif self._concurrency.monotonic() >= self._bookmark_due:
            self._send_bookmark()

    def _send_bookmark(self) -> None:
        self._bookmark_due = self._concurrency.monotonic() + self._options.bookmark_every
        held = self._tampering().held_at
        newest = self._store.version if held is None else held
        if self._options.bookmarks and newest >= self._cursor:
            self._cursor = newest
            self._pending.append(self._bookmark(newest))

    def _fail(self, version: int) -> None:
        error = status.gone(f"too old resource version: {version} ({self._table.oldest})")
        self._pending.append(error_line(error))
        self._epoch = -1  # ends after this line

    def _event(self, change: Change) -> bytes:
        """The line; an object that enters or leaves the selection is born or dies."""
        after = change.type != "DELETED" and self._visible(change.entry)
        before = change.previous is not None and self._visible(change.previous)
        if after:
            return self._line("MODIFIED" if before else "ADDED", change.entry)
        if not before or change.previous is None:
            return b""
        if change.type == "DELETED":
            return self._line("DELETED", change.entry)
        return self._line("DELETED", _left(change.previous, change.version))

    def _visible(self, entry: Entry) -> bool:
        options = self._options
        if options.namespace and entry.key[0] != options.namespace:
            return False
        return options.selector.everything or options.selector.matches(entry)

    def _line(self, kind: str, entry: Entry) -> bytes:
        return b'{"type":"%b","object":%b}\n' % (kind.encode(), self._render(entry))

    def _bookmark(self, version: int, annotations: dict[str, str] | None = None) -> bytes:
        meta: dict[str, object] = {"resourceVersion": str(version)}
        if annotations:
            meta["annotations"] = annotations
        obj = {
            "kind": self._resource.kind,
            "apiVersion": self._resource.group_version,
            "metadata": meta,
        }
        return msgspec.json.encode({"type": "BOOKMARK", "object": obj}) + b"\n"


def _left(entry: Entry, version: int) -> Entry:
    """An object that left a selection: as it was in there, at the version at which it left."""
    obj = msgspec.json.decode(entry.data)
    obj["metadata"]["resourceVersion"] = str(version)
    data = msgspec.json.encode(obj)
    return msgspec.structs.replace(entry, data=data, version=version)


class FailedWatch:
    """A watch that ends with an ERROR event before it has begun."""

    def __init__(self, error: status.StatusError) -> None:
        self._line: bytes | None = error_line(error)

    def next(self, timeout: float | None = None) -> bytes | None:  # noqa: ARG002 - the protocol's
        """The event, then None."""
        line, self._line = self._line, None
        return line

    def close(self) -> None:
        """Nothing is held."""


def error_line(error: status.StatusError) -> bytes:
    """``error`` as a watch event of type ERROR."""
    return msgspec.json.encode({"type": "ERROR", "object": error.status()}) + b"\n"
