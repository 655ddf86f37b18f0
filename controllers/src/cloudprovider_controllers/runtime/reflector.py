"""Keeps a copy of all objects of one kind: list, watch, and what to do when either breaks.

The rules are those of ``spec/kubernetes-client.md`` 3.1; the faults it must survive without a hot
loop, a hang or a lost object are in section 3 there and in ``spec/reliability.md`` 2.2.
"""

from __future__ import annotations

import dataclasses
import logging
from collections.abc import Callable
from typing import Generic, Protocol

import msgspec

from cloudprovider.concurrency import Concurrency, Event, current
from cloudprovider_controllers.runtime import errors
from cloudprovider_controllers.runtime.backoff import Backoff
from cloudprovider_controllers.runtime.client import PAGE, Client
from cloudprovider_controllers.runtime.codec import (
    Head,
    RawEvent,
    decode_event,
    decode_head,
    decode_object,
)
from cloudprovider_controllers.runtime.resources import ObjectT, Resource
from cloudprovider_controllers.runtime.transport import Stream, TransportError

logger = logging.getLogger(__name__)

#: Seconds that the server is asked to keep a watch open; drawn anew for each.
WATCH_SECONDS = (300, 600)
#: Seconds of silence after which a watch is taken for dead. Bookmarks come about once a minute.
SILENCE = 75.0
#: Seconds; a watch that ends sooner, however cleanly, counts as a failure.
SHORT = 1.0
#: Seconds: first ceiling and cap of the wait after a failure, and of what Retry-After may ask for.
BACKOFF = (0.8, 30.0)
MAX_RETRY_AFTER = 60.0
#: After this many failures in a row that a new list may cure, list.
STUCK = 2
_END_OF_INITIAL = "k8s.io/initial-events-end"
_CHANGES = frozenset(("ADDED", "MODIFIED", "DELETED"))


@dataclasses.dataclass
class Snapshot(Generic[ObjectT]):
    """All objects at one moment.

    ``unreadable`` holds the keys of objects that are there but cannot be decoded. ``complete`` is
    False if even the name of one cannot: then nothing proves that a missing object is gone.
    """

    objects: dict[str, ObjectT] = dataclasses.field(default_factory=dict)
    unreadable: set[str] = dataclasses.field(default_factory=set)
    complete: bool = True


class Sink(Protocol[ObjectT]):
    """Where a reflector puts what it sees. Called from one thread."""

    def replace(self, snapshot: Snapshot[ObjectT]) -> None:
        """The state is ``snapshot``: what is not in it is gone."""

    def put(self, obj: ObjectT) -> None:
        """``obj`` was added or changed."""

    def remove(self, key: str, obj: ObjectT | None) -> None:
        """The object is gone; ``obj`` is its last state, if that could be decoded."""


class _Broken(Exception):
    """The server speaks, but not sense."""


class Reflector(Generic[ObjectT]):
    """Feeds ``sink`` with every object of ``resource``, for ever.

    Args:
        client: Reads from the API server.
        resource: The kind.
        sink: Gets the objects.
        selectors: ``labelSelector`` and ``fieldSelector`` of the requests.
        transform: Applied to each object before the sink sees it.

    """

    def __init__(
        self,
        client: Client,
        resource: Resource[ObjectT],
        sink: Sink[ObjectT],
        *,
        selectors: dict[str, str] | None = None,
        transform: Callable[[ObjectT], ObjectT] | None = None,
        concurrency: Concurrency | None = None,
    ) -> None:
        self._concurrency = concurrency or current()
        self._client = client
        self._resource = resource
        self._sink = sink
        self._selectors = selectors or {}
        self._transform = transform
        self._backoff = Backoff(*BACKOFF, concurrency=self._concurrency)
        self._lock = self._concurrency.lock()
        self._stream: Stream | None = None
        self._interrupted = False
        self._version = ""  # empty: nothing to go on from
        self._streaming = True  # the server knows sendInitialEvents, as far as we know
        self._stuck = 0  # failures in a row that a new list may cure
        self._complained: set[str] = set()
        self._activity = self._concurrency.monotonic()

    def last_activity(self) -> float:
        """When the server was last heard of, on the monotonic clock."""
        return self._activity

    def interrupt(self) -> None:
        """End :meth:`run` soon, from another thread, once its ``stop`` is set."""
        with self._lock:
            self._interrupted = True
            stream = self._stream
        if stream is not None:
            stream.close()

    def run(self, stop: Event) -> None:
        """List and watch until ``stop`` is set. Returns early only through :meth:`interrupt`."""
        while not stop.is_set():
            started = self._concurrency.monotonic()
            after = 0.0
            try:
                self._round()
            except Exception as error:  # noqa: BLE001 - logged; a reflector never gives up
                if stop.is_set():
                    break
                after = self._failed(error)
            else:
                if self._concurrency.monotonic() - started >= SHORT:
                    continue  # a clean end after a normal life: go on at once
            stop.wait(max(self._backoff.next(), after))

    # -- one round ---------------------------------------------------------------------------

    def _round(self) -> None:
        """One watch, from the last version, or from nothing with the initial state before it."""
        if self._version:
            self._watch({"resourceVersion": self._version}, None)
        elif self._streaming and self._stuck < STUCK:
            initial = {"sendInitialEvents": "true", "resourceVersionMatch": "NotOlderThan"}
            try:
                self._watch(initial, Snapshot())
            except (errors.BadRequest, errors.Invalid) as error:
                logger.info("%s: no streaming lists here (%s)", self._resource.plural, error)
                self._streaming = False
        if not self._version and not self._interrupted:
            self._list()
            self._watch({"resourceVersion": self._version}, None)

    def _list(self) -> None:
        try:
            self._list_pages(PAGE)
        except errors.Gone:
            # The continue token expired between two pages: all at once cannot expire.
            self._list_pages(0)

    def _list_pages(self, limit: int) -> None:
        snapshot: Snapshot[ObjectT] = Snapshot()
        continue_ = ""
        while True:
            page = self._client.list_page(
                self._resource, self._selectors, continue_=continue_, limit=limit, urgent=True
            )
            self._activity = self._concurrency.monotonic()
            for item in page.items:
                self._collect(snapshot, item)
            continue_ = page.continue_
            if not continue_:
                break
        self._replace(snapshot, page.resource_version)

    def _watch(self, query: dict[str, str], initial: Snapshot[ObjectT] | None) -> None:
        """Follow one watch to its end; ``initial`` first takes in the initial state."""
        seconds = self._concurrency.random.randint(*WATCH_SECONDS)
        always = {"allowWatchBookmarks": "true", "timeoutSeconds": str(seconds)}
        params = {**self._selectors, **always, **query}
        stream = self._client.watch(self._resource, params, read_timeout=SILENCE)
        try:
            if not self._follow(stream):
                return
            self._activity = self._concurrency.monotonic()
            for line in stream.lines():
                self._activity = self._concurrency.monotonic()
                if line:
                    initial = self._event(_parse(line), initial)
        finally:
            with self._lock:
                self._stream = None
            stream.close()
        if initial is not None and not self._interrupted:
            raise _Broken("the watch ended before the end of the initial state")

    def _follow(self, stream: Stream) -> bool:
        with self._lock:
            self._stream = stream
            return not self._interrupted

    # -- events --------------------------------------------------------------------------------

    def _event(
        self, event: RawEvent, initial: Snapshot[ObjectT] | None
    ) -> Snapshot[ObjectT] | None:
        """Take in one event; what is left to be done of the initial state."""
        if event.type == "ERROR":
            raise _refusal(event)
        if event.type == "BOOKMARK":
            return self._bookmark(_head(event), initial)
        if event.type not in _CHANGES:
            raise _Broken(f"a watch event of type {event.type!r}")
        if initial is not None:
            self._collect(initial, event.object, gone=event.type == "DELETED")
            return initial
        head = _head(event)
        obj = self._decode(event.object, head)
        if event.type == "DELETED":
            self._complained.discard(head.key)
            self._sink.remove(head.key, obj)
        elif obj is not None:
            self._sink.put(obj)
        self._advance(head.version)
        return None

    def _bookmark(self, head: Head, initial: Snapshot[ObjectT] | None) -> Snapshot[ObjectT] | None:
        if initial is None:
            self._advance(head.version)
            return None
        if (head.metadata.annotations or {}).get(_END_OF_INITIAL) == "true":
            self._replace(initial, head.version)
            return None
        # An old server ignores sendInitialEvents and would never mark the end.
        self._streaming = False
        raise _Broken("a bookmark without end marker inside the initial state")

    def _advance(self, version: str) -> None:
        if version:
            self._version = version
            self._stuck = 0

    def _replace(self, snapshot: Snapshot[ObjectT], version: str) -> None:
        if not version:
            raise _Broken("a list without resourceVersion")
        self._sink.replace(snapshot)
        self._complained &= snapshot.unreadable
        self._advance(version)

    # -- objects -------------------------------------------------------------------------------

    def _collect(
        self, snapshot: Snapshot[ObjectT], data: msgspec.Raw, *, gone: bool = False
    ) -> None:
        try:
            head = decode_head(data)
        except msgspec.DecodeError as error:
            snapshot.complete = False
            logger.error("%s without a readable name left out: %s", self._resource.kind, error)
            return
        obj = None if gone else self._decode(data, head)
        snapshot.objects.pop(head.key, None)
        snapshot.unreadable.discard(head.key)
        if obj is not None:
            snapshot.objects[head.key] = obj
        elif not gone:
            snapshot.unreadable.add(head.key)

    def _decode(self, data: msgspec.Raw, head: Head) -> ObjectT | None:
        """The object; None, and a line in the log once, if it cannot be decoded."""
        try:
            obj = decode_object(self._resource, data)
            if self._transform is not None:
                obj = self._transform(obj)
        except Exception as error:  # noqa: BLE001 - one bad object never stops the others
            if head.key not in self._complained:
                self._complained.add(head.key)
                kind, key = self._resource.kind, head.key
                logger.error("%s %s left out, version %s: %s", kind, key, head.version, error)
            return None
        self._complained.discard(head.key)
        return obj

    # -- failures ------------------------------------------------------------------------------

    def _failed(self, error: Exception) -> float:
        """Note a failure: where to go on from, and at least how many seconds later."""
        if not self._version or _curable(error):
            self._stuck += 1
        if self._stuck >= STUCK or _relist(error):
            self._version = ""
        known = isinstance(error, errors.ApiError | TransportError | _Broken)
        name = self._resource.plural
        logger.warning("%s: watch failed: %s", name, error, exc_info=not known)
        after = error.retry_after if isinstance(error, errors.ApiError) else None
        return min(after or 0.0, MAX_RETRY_AFTER)


def _relist(error: Exception) -> bool:
    """The version we are at means nothing to the server: too old, or from before a restore."""
    if isinstance(error, errors.Gone):
        return True
    return isinstance(error, errors.ApiError) and "too large resource version" in str(error).lower()


def _curable(error: Exception) -> bool:
    """Watching from another version may help. It does not where nobody answered, or said no."""
    refused = errors.Unauthorized | errors.Forbidden | errors.TooManyRequests
    return not isinstance(error, TransportError | refused)


def _parse(line: bytes) -> RawEvent:
    try:
        return decode_event(line)
    except msgspec.DecodeError as error:
        raise _Broken(f"a line that is no watch event: {error}") from error


def _head(event: RawEvent) -> Head:
    try:
        return decode_head(event.object)
    except msgspec.DecodeError as error:
        raise _Broken(f"a watch event without metadata: {error}") from error


def _refusal(event: RawEvent) -> Exception:
    try:
        return errors.error_from_status(event.object)
    except msgspec.DecodeError as error:
        return _Broken(f"an ERROR event without a status: {error}")
