"""Objects in memory, with indexes. What an informer fills and controllers read."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Generic

from cloudprovider.concurrency import Concurrency, current
from cloudprovider_controllers.runtime.resources import ObjectT

_List = list  # inside the class, ``list`` is a method

#: From an object to the values it is found under.
Indexer = Callable[[ObjectT], Iterable[str]]


class Store(Generic[ObjectT]):
    """Objects by key. Safe for threads; objects are read-only, lists are the caller's own.

    Args:
        indexers: From an index's name to what computes an object's values in it.

    """

    def __init__(
        self,
        indexers: Mapping[str, Indexer[ObjectT]] | None = None,
        *,
        concurrency: Concurrency | None = None,
    ) -> None:
        self._lock = (concurrency or current()).lock()
        self._objects: dict[str, ObjectT] = {}
        self._indexers = dict(indexers or {})
        self._indexes: dict[str, dict[str, dict[str, ObjectT]]] = {
            name: {} for name in self._indexers
        }

    def get(self, key: str) -> ObjectT | None:
        """The object called ``namespace/name`` (or ``name``), or None."""
        with self._lock:
            return self._objects.get(key)

    def list(self) -> _List[ObjectT]:
        """All objects, as of one moment."""
        with self._lock:
            return list(self._objects.values())

    def keys(self) -> _List[str]:
        """All keys, as of one moment."""
        with self._lock:
            return list(self._objects)

    def by_index(self, index: str, value: str) -> _List[ObjectT]:
        """The objects that ``index`` has under ``value``. Raises KeyError: no such index."""
        with self._lock:
            return list(self._indexes[index].get(value, {}).values())

    def __len__(self) -> int:
        with self._lock:
            return len(self._objects)

    def put(self, obj: ObjectT) -> ObjectT | None:
        """Store ``obj``; the object that stood there before, or None."""
        key = obj.key
        values = self._values(obj)
        with self._lock:
            before = self._objects.get(key)
            if before is not None:
                self._unindex(key, before)
            self._objects[key] = obj
            for name, found in values.items():
                for value in found:
                    self._indexes[name].setdefault(value, {})[key] = obj
        return before

    def remove(self, key: str) -> ObjectT | None:
        """Remove and give back the object called ``key``, or None."""
        with self._lock:
            before = self._objects.pop(key, None)
            if before is not None:
                self._unindex(key, before)
        return before

    def _values(self, obj: ObjectT) -> dict[str, set[str]]:
        return {name: set(indexer(obj)) for name, indexer in self._indexers.items()}

    def _unindex(self, key: str, obj: ObjectT) -> None:
        for name, values in self._values(obj).items():
            index = self._indexes[name]
            for value in values:
                bucket = index.get(value)
                if bucket is not None:
                    bucket.pop(key, None)
                    if not bucket:
                        del index[value]
