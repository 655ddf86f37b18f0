"""A store of all objects of one kind that stays current, and handlers that hear of each change.

Source: ``spec/ccm-core.md`` 3.1.1. Unlike there, a change seen only after a gap in which the object
was deleted and made anew (another UID) arrives as a delete and an add, and an event that repeats
the version already stored is not delivered.
"""

from __future__ import annotations

import dataclasses
import logging
from collections.abc import Callable, Mapping
from typing import Any, Generic

from cloudprovider.concurrency import Concurrency, Event, Thread, current
from cloudprovider_controllers.runtime.client import Client
from cloudprovider_controllers.runtime.reflector import Reflector, Snapshot
from cloudprovider_controllers.runtime.resources import ObjectT, Resource
from cloudprovider_controllers.runtime.store import Indexer, Store

logger = logging.getLogger(__name__)

#: Seconds; a shorter resync period is raised to this.
MIN_RESYNC = 1.0


@dataclasses.dataclass(frozen=True)
class Handler:
    """What to call on a change. Calls must be short and must not block: they usually add a key.

    A handler gets the changes of all objects one after the other, those of one object in order.
    ``on_add`` is told whether the object belongs to the initial state. A resync calls
    ``on_update`` with the same object twice. ``on_delete`` gets the last known state.
    """

    on_add: Callable[[Any, bool], None] | None = None
    on_update: Callable[[Any, Any], None] | None = None
    on_delete: Callable[[Any], None] | None = None


@dataclasses.dataclass(frozen=True)
class _Registration:
    handler: Handler
    resync: float | None  # seconds


class Informer(Generic[ObjectT]):
    """Objects of one kind in :attr:`store`, and handlers.

    Args:
        client: Reads from the API server.
        resource: The kind.
        indexers: Of the store.
        label_selector: Which objects; empty for all.
        transform: Applied to each object before it is stored.

    """

    def __init__(
        self,
        client: Client,
        resource: Resource[ObjectT],
        *,
        indexers: Mapping[str, Indexer[ObjectT]] | None = None,
        label_selector: str = "",
        transform: Callable[[ObjectT], ObjectT] | None = None,
        concurrency: Concurrency | None = None,
    ) -> None:
        self._concurrency = concurrency or current()
        self.resource = resource
        self.store: Store[ObjectT] = Store(indexers, concurrency=self._concurrency)
        self._reflector: Reflector[ObjectT] = Reflector(
            client,
            resource,
            self,
            selectors={"labelSelector": label_selector} if label_selector else {},
            transform=transform,
            concurrency=self._concurrency,
        )
        # Held while handlers run: one change after the other, to all of them.
        self._delivery = self._concurrency.rlock()
        self._registrations: list[_Registration] = []
        self._synced = self._concurrency.event()
        self._stop: Event | None = None
        self._threads: list[Thread] = []

    # -- use ---------------------------------------------------------------------------------

    def add_handler(self, handler: Handler, resync: float | None = None) -> None:
        """Tell ``handler`` of every change from now on, and first of every object there is.

        ``resync``: every so many seconds, deliver every object as an update of itself.
        """
        period = None if resync is None else max(MIN_RESYNC, resync)
        with self._delivery:
            self._registrations.append(_Registration(handler, period))
            for obj in self.store.list():
                self._call(handler.on_add, obj, True)
            if self._stop is not None and period is not None:
                self._start_resync(self._stop, self._registrations[-1])

    def start(self, stop: Event) -> list[Thread]:
        """Start to list and watch, until ``stop`` is set. Once; later calls change nothing."""
        with self._delivery:
            if self._stop is not None:
                return self._threads
            self._stop = stop
            name = self.resource.plural
            start = self._concurrency.start_thread
            self._threads = [
                start(lambda: self._reflector.run(stop), name=f"reflector-{name}"),
                start(lambda: self._interrupt(stop), name=f"reflector-{name}-stop"),
            ]
            for registration in self._registrations:
                if registration.resync is not None:
                    self._start_resync(stop, registration)
            return self._threads

    def has_synced(self) -> bool:
        """Whether the initial state is in the store and handlers were told of it."""
        return self._synced.is_set()

    def wait_for_sync(self, stop: Event, timeout: float | None = None) -> bool:
        """Block until :meth:`has_synced`; False if ``stop`` was set or ``timeout`` s passed."""
        deadline = None if timeout is None else self._concurrency.monotonic() + timeout
        while not self._synced.is_set() and not stop.is_set():
            remaining = None if deadline is None else deadline - self._concurrency.monotonic()
            if remaining is not None and remaining <= 0:
                return False
            self._synced.wait(0.1 if remaining is None else min(0.1, remaining))
        return self._synced.is_set()

    def last_activity(self) -> float:
        """When the API server was last heard of, on the monotonic clock. For health checks."""
        return self._reflector.last_activity()

    # -- what the reflector calls ------------------------------------------------------------

    def replace(self, snapshot: Snapshot[ObjectT]) -> None:
        initial = not self._synced.is_set()
        with self._delivery:
            for obj in snapshot.objects.values():
                self._put(obj, initial=initial)
            if snapshot.complete:
                for key in self.store.keys():  # noqa: SIM118 - a method, not a mapping
                    if key not in snapshot.objects and key not in snapshot.unreadable:
                        self.remove(key, None)
            self._synced.set()

    def put(self, obj: ObjectT) -> None:
        with self._delivery:
            self._put(obj, initial=False)

    def remove(self, key: str, obj: ObjectT | None) -> None:
        with self._delivery:
            stored = self.store.remove(key)
            last = obj or stored
            if stored is None or last is None:
                return
            for registration in self._registrations:
                self._call(registration.handler.on_delete, last)

    # -- inside --------------------------------------------------------------------------------

    def _put(self, obj: ObjectT, *, initial: bool) -> None:
        old = self.store.get(obj.key)
        if old is not None:
            before, after = old.metadata, obj.metadata
            if before.uid != after.uid:
                self.remove(obj.key, None)
                old = None
            elif before.resource_version == after.resource_version and after.resource_version:
                return
        self.store.put(obj)
        for registration in self._registrations:
            handler = registration.handler
            if old is None:
                self._call(handler.on_add, obj, initial)
            else:
                self._call(handler.on_update, old, obj)

    def _call(self, call: Callable[..., None] | None, *args: object) -> None:
        if call is None:
            return
        try:
            call(*args)
        except Exception:
            logger.exception("a handler of %s failed", self.resource.plural)

    def _interrupt(self, stop: Event) -> None:
        stop.wait()
        self._reflector.interrupt()

    def _start_resync(self, stop: Event, registration: _Registration) -> None:
        self._concurrency.start_thread(
            lambda: self._resync(stop, registration), name=f"resync-{self.resource.plural}"
        )

    def _resync(self, stop: Event, registration: _Registration) -> None:
        period = registration.resync or 0.0
        while not stop.wait(period):
            for obj in self.store.list():
                with self._delivery:
                    # Only what is still current: an older state after a newer one would mislead.
                    if self.store.get(obj.key) is obj:
                        self._call(registration.handler.on_update, obj, obj)
