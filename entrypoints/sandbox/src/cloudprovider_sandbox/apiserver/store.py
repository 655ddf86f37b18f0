"""The versioned store: every object as the JSON text that clients get, with a bounded history.

Entries never change; a write makes a new one under the next version and appends a
:class:`Change` to the history of its resource. Watches are cursors on that history, so a slow
watcher costs nothing and is told 410 once its cursor has fallen off.
"""

from __future__ import annotations

import bisect
import dataclasses
from collections.abc import Callable, Collection, Iterator, Mapping
from typing import Any, Literal

import msgspec

from cloudprovider.concurrency import Concurrency, Condition, Lock, current

Key = tuple[str, str]  #: (namespace, name); namespace "" where there is none
ChangeType = Literal["ADDED", "MODIFIED", "DELETED"]


class Entry(msgspec.Struct, frozen=True, gc=False):
    """One version of one object."""

    key: Key
    version: int
    data: bytes  #: the object as JSON, with kind, apiVersion and resourceVersion
    uid: str
    labels: Mapping[str, str] | None
    fields: Mapping[str, str] | None  #: values of the resource's selectable fields


class Change(msgspec.Struct, frozen=True, gc=False):
    """One write. For DELETED, ``entry`` is the last state under the version of the deletion."""

    version: int
    type: ChangeType
    entry: Entry
    previous: Entry | None


@dataclasses.dataclass(frozen=True)
class Snapshot:
    """The whole state at one moment; entries are shared, not copied."""

    version: int
    tables: Mapping[str, Mapping[Key, Entry]]


class Expired(Exception):
    """The version asked for is older than the history reaches."""


class Table:
    """The objects of one resource and their history. Guarded by the store's lock."""

    def __init__(self, condition: Condition, limit: int, version: int) -> None:
        self.condition = condition
        self.objects: dict[Key, Entry] = {}
        self.oldest = version  #: changes after this version are all in the history
        self.epoch = 0  #: raised to end every watch
        self.grace = version  #: running watches that had come this far outlive an expiry
        self._limit = limit
        self._changes: list[Change] = []
        self._versions: list[int] = []
        self._sorted: list[Key] | None = None

    def keys(self) -> list[Key]:
        """All keys in order."""
        if self._sorted is None:
            self._sorted = sorted(self.objects)
        return self._sorted

    def entries(self, namespace: str = "") -> list[Entry]:
        """All entries, or those of ``namespace``, in the order of their keys."""
        keys = self.keys()
        if namespace:
            low = bisect.bisect_left(keys, (namespace, ""))
            high = bisect.bisect_left(keys, (namespace + "\0", ""))
            keys = keys[low:high]
        return [self.objects[key] for key in keys]

    def apply(self, change: Change) -> None:
        """Make ``change`` the newest and wake the watchers."""
        key, keys = change.entry.key, self._sorted
        if change.type == "DELETED":
            del self.objects[key]
            if keys is not None:
                del keys[bisect.bisect_left(keys, key)]
        else:
            self.objects[key] = change.entry
            if keys is not None and change.type == "ADDED":
                bisect.insort(keys, key)
        self._changes.append(change)
        self._versions.append(change.version)
        if len(self._changes) > self._limit + self._limit // 4:
            self._drop(len(self._changes) - self._limit)
        self.condition.notify_all()

    def changes_after(self, version: int, ceiling: int | None = None) -> list[Change]:
        """The changes after ``version`` up to ``ceiling``, oldest first.

        Raises:
            Expired: ``version`` lies before the history.

        """
        if version < self.oldest:
            raise Expired
        low = bisect.bisect_right(self._versions, version)
        high = (
            len(self._versions) if ceiling is None else bisect.bisect_right(self._versions, ceiling)
        )
        return self._changes[low:high]

    def at(self, version: int) -> dict[Key, Entry]:
        """The objects as of ``version``, by undoing what came after.

        Raises:
            Expired: ``version`` lies before the history.

        """
        changes = self.changes_after(version)
        objects = dict(self.objects)
        for change in reversed(changes):
            if change.previous is None:
                objects.pop(change.entry.key, None)
            else:
                objects[change.entry.key] = change.previous
        return objects

    def before_last(self, count: int, keys: Collection[Key] = ()) -> int:
        """The version before the ``count``-th last change, of ``keys`` if some are given.

        Where the history does not reach that far, the oldest version that it has.
        """
        for change in reversed(self._changes):
            count -= not keys or change.entry.key in keys
            if count == 0:
                return change.version - 1
        return self.oldest

    def forget(self, version: int, *, grace: int | None = None) -> None:
        """Drop the whole history; ``version`` is the oldest that a watch may resume from."""
        self._changes.clear()
        self._versions.clear()
        self.oldest = version
        self.grace = version if grace is None else grace
        self.condition.notify_all()

    def _drop(self, count: int) -> None:
        self.oldest = self.grace = self._versions[count - 1]
        del self._changes[:count]
        del self._versions[:count]

    def replace(self, objects: Mapping[Key, Entry], version: int) -> None:
        """Put ``objects`` in place of everything; watches end."""
        self.objects = dict(objects)
        self._sorted = None
        self.epoch += 1
        self.forget(version)


class Store:
    """All tables under one lock and one version counter.

    Args:
        history: Changes kept per resource, at least.
        concurrency: Source of locks.

    """

    def __init__(self, *, history: int = 10_000, concurrency: Concurrency | None = None) -> None:
        self._concurrency = concurrency or current()
        self.lock: Lock = self._concurrency.rlock()
        self.version = 0
        self._history = history
        self._tables: dict[str, Table] = {}
        self._listeners: list[Callable[[str, Change], None]] = []
        self._replaced: list[Callable[[], None]] = []

    def table(self, storage: str) -> Table:
        """The table of a resource's storage name, e.g. ``leases.coordination.k8s.io``."""
        with self.lock:
            table = self._tables.get(storage)
            if table is None:
                condition = self._concurrency.condition(self.lock)
                table = self._tables[storage] = Table(condition, self._history, 0)
            return table

    def listen(
        self,
        listener: Callable[[str, Change], None],
        *,
        replaced: Callable[[], None] | None = None,
    ) -> None:
        """Call ``listener(storage, change)`` with every change, under the lock.

        ``replaced`` is called when :meth:`restore` has put another state in place.
        """
        self._listeners.append(listener)
        if replaced is not None:
            self._replaced.append(replaced)

    def get(self, storage: str, key: Key) -> Entry | None:
        """The newest version of an object, or None."""
        return self.table(storage).objects.get(key)

    def put(
        self, storage: str, key: Key, obj: dict[str, Any], fields: Mapping[str, str] | None
    ) -> Entry:
        """Write ``obj`` under the next version, which is set in its metadata."""
        with self.lock:
            table = self.table(storage)
            previous = table.objects.get(key)
            kind: ChangeType = "MODIFIED" if previous else "ADDED"
            return self._commit(storage, table, kind, self._entry(key, obj, fields), previous)

    def remove(
        self, storage: str, key: Key, obj: dict[str, Any], fields: Mapping[str, str] | None
    ) -> Entry:
        """Delete the object, whose last state is ``obj``, under the next version."""
        with self.lock:
            table = self.table(storage)
            return self._commit(
                storage, table, "DELETED", self._entry(key, obj, fields), table.objects[key]
            )

    def _entry(self, key: Key, obj: dict[str, Any], fields: Mapping[str, str] | None) -> Entry:
        meta = obj["metadata"]
        meta["resourceVersion"] = str(self.version + 1)
        data = msgspec.json.encode(obj)
        return Entry(key, self.version + 1, data, meta["uid"], meta.get("labels"), fields)

    def _commit(
        self, storage: str, table: Table, kind: ChangeType, entry: Entry, previous: Entry | None
    ) -> Entry:
        self.version = entry.version
        change = Change(entry.version, kind, entry, previous)
        table.apply(change)
        for listener in self._listeners:
            listener(storage, change)
        return entry

    def snapshot(self) -> Snapshot:
        """The state now."""
        with self.lock:
            tables = {name: dict(table.objects) for name, table in self._tables.items()}
            return Snapshot(self.version, tables)

    def restore(self, snapshot: Snapshot) -> None:
        """Go back to ``snapshot``, versions included; every watch ends and history is gone."""
        with self.lock:
            self.version = snapshot.version
            for name in set(self._tables) | set(snapshot.tables):
                self.table(name).replace(snapshot.tables.get(name, {}), snapshot.version)
            for listener in self._replaced:
                listener()

    def expire_history(self, storage: str = "", *, running: bool = False) -> None:
        """Forget the history (of one resource): every version given out so far gets 410.

        With ``running``, watches in progress get it too, as an ERROR event.
        """
        with self.lock:
            newest = self.version
            self.version += 1  # so that resuming at the newest version is refused as well
            for table in self._chosen(storage):
                table.forget(self.version, grace=None if running else newest)

    def end_watches(self, storage: str = "") -> None:
        """End every watch (of one resource) cleanly."""
        with self.lock:
            for table in self._chosen(storage):
                table.epoch += 1
                table.condition.notify_all()

    def _chosen(self, storage: str) -> Iterator[Table]:
        for name, table in self._tables.items():
            if storage in {"", name}:
                yield table
