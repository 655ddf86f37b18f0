"""What several callers can share: identical reads, bulk look-ups, answers of the last seconds.

Used around a cloud's reads only. All three hand the same object to several callers, who must not
change it.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence
from typing import Generic, TypeVar

from cloudprovider.concurrency import Concurrency, Event, current

_K = TypeVar("_K", bound=Hashable)
_T = TypeVar("_T")
_V = TypeVar("_V")


def chunks(values: Sequence[_T], size: int) -> Iterator[Sequence[_T]]:
    """``values`` in runs of at most ``size``."""
    for start in range(0, len(values), size):
        yield values[start : start + size]


class _Flight(Generic[_V]):
    """A call under way: its followers wait for ``landed``."""

    def __init__(self, landed: Event) -> None:
        self.landed = landed
        self.value: _V | None = None
        self.error: BaseException | None = None

    def result(self) -> _V:
        self.landed.wait()
        if self.error is not None:
            raise self.error
        return self.value  # type: ignore[return-value]  # None only if that is the value


class SingleFlight(Generic[_K, _V]):
    """Identical calls at the same time become one; all get its answer or its error.

    A call that starts after the first has ended is a new one: nothing is kept.
    """

    def __init__(self, *, concurrency: Concurrency | None = None) -> None:
        self._concurrency = concurrency or current()
        self._lock = self._concurrency.lock()
        self._flights: dict[_K, _Flight[_V]] = {}

    def do(self, key: _K, call: Callable[[], _V]) -> _V:
        """The result of ``call``, or of the one with the same ``key`` that is under way."""
        with self._lock:
            flight = self._flights.get(key)
            leader = flight is None
            if flight is None:
                flight = self._flights[key] = _Flight(self._concurrency.event())
        if not leader:
            return flight.result()
        try:
            flight.value = call()
        except BaseException as error:
            flight.error = error
            raise
        finally:
            with self._lock:
                del self._flights[key]
            flight.landed.set()
        return flight.value


class _Batch(Generic[_K, _V]):
    """Keys that gather until they are fetched together."""

    def __init__(self, full: Event, flight: _Flight[Mapping[_K, _V]]) -> None:
        self.keys: dict[_K, None] = {}
        self.full = full
        self.flight = flight


class Coalescer(Generic[_K, _V]):
    """Single look-ups of many threads become few bulk calls.

    The first caller of a batch waits ``window`` seconds for others, or until ``size`` keys are
    there, then fetches for all.

    Args:
        fetch: From keys to what was found; keys that are not there may be left out.
        size: The most keys that one call takes.
        window: Seconds to gather; what a single look-up pays for it.

    """

    def __init__(
        self,
        fetch: Callable[[Sequence[_K]], Mapping[_K, _V]],
        *,
        size: int,
        window: float,
        concurrency: Concurrency | None = None,
    ) -> None:
        self._fetch = fetch
        self._size = size
        self._window = window
        self._concurrency = concurrency or current()
        self._lock = self._concurrency.lock()
        self._open: _Batch[_K, _V] | None = None

    def get(self, key: _K) -> _V | None:
        """The value of ``key``, or None. Raises what ``fetch`` raised for its batch."""
        with self._lock:
            batch = self._open
            leader = batch is None
            if batch is None:
                batch = self._open = self._new_batch()
            batch.keys[key] = None
            if len(batch.keys) >= self._size:
                self._open = None
                batch.full.set()
        if leader:
            self._lead(batch)
        return batch.flight.result().get(key)

    def _new_batch(self) -> _Batch[_K, _V]:
        return _Batch(self._concurrency.event(), _Flight(self._concurrency.event()))

    def _lead(self, batch: _Batch[_K, _V]) -> None:
        batch.full.wait(self._window)
        with self._lock:
            if self._open is batch:
                self._open = None
        try:
            batch.flight.value = self._fetch(list(batch.keys))
        except BaseException as error:  # noqa: BLE001 - every caller of the batch raises it
            batch.flight.error = error
        finally:
            batch.flight.landed.set()


class TtlCache(Generic[_K, _V]):
    """Answers that stay good for ``ttl`` seconds. Errors are not kept.

    Args:
        ttl: Seconds from the start of the call that gave the answer.
        size: The most answers kept; the oldest goes first.

    """

    def __init__(
        self, *, ttl: float, size: int = 1024, concurrency: Concurrency | None = None
    ) -> None:
        self._ttl = ttl
        self._size = size
        self._concurrency = concurrency or current()
        self._lock = self._concurrency.lock()
        self._flights: SingleFlight[tuple[int, _K], _V] = SingleFlight(
            concurrency=self._concurrency
        )
        self._entries: dict[_K, tuple[float, _V]] = {}
        #: Counts forgettings: a load that began before one must not bring the old answer back.
        self._generation = 0

    def get(self, key: _K, load: Callable[[], _V]) -> _V:
        """The kept answer for ``key``, else that of ``load``, called once for all who wait."""
        with self._lock:
            entry = self._entries.get(key)
            generation = self._generation
        if entry is not None and self._concurrency.monotonic() < entry[0]:
            return entry[1]
        return self._flights.do((generation, key), lambda: self._load(generation, key, load))

    def forget(self, key: _K) -> None:
        """Drop the answer for ``key``, e.g. after a write."""
        with self._lock:
            self._generation += 1
            self._entries.pop(key, None)

    def clear(self) -> None:
        """Drop every answer."""
        with self._lock:
            self._generation += 1
            self._entries.clear()

    def _load(self, generation: int, key: _K, load: Callable[[], _V]) -> _V:
        expires = self._concurrency.monotonic() + self._ttl
        value = load()
        with self._lock:
            if generation != self._generation:
                return value
            self._entries.pop(key, None)
            self._entries[key] = (expires, value)
            while len(self._entries) > self._size:
                del self._entries[next(iter(self._entries))]
        return value
