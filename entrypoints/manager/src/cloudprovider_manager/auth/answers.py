"""Answers of the API server, remembered for a while and asked for once at a time."""

from __future__ import annotations

import collections
import dataclasses
from collections.abc import Callable
from typing import Generic, TypeVar

from cloudprovider.concurrency import Concurrency, Event

V = TypeVar("V")


class Busy(Exception):
    """Too many wait for an answer already."""


@dataclasses.dataclass
class _Flight(Generic[V]):
    landed: Event
    value: V | None = None
    error: Exception | None = None


class Answers(Generic[V]):
    """Answers by key: at most ``size``, the least recently used are forgotten first. Thread-safe.

    Args:
        size: Answers held.
        in_flight: Threads that wait at once, for a question of their own or of another; more
            raise :class:`Busy`, so that a slow API server does not take every thread of the port.

    """

    def __init__(self, *, size: int, in_flight: int, concurrency: Concurrency) -> None:
        self._size = size
        self._in_flight = in_flight
        self._concurrency = concurrency
        self._lock = concurrency.lock()
        self._held: collections.OrderedDict[bytes, tuple[float, V]] = collections.OrderedDict()
        self._flights: dict[bytes, _Flight[V]] = {}
        self._inside = 0

    def __len__(self) -> int:
        with self._lock:
            return len(self._held)

    def get(self, key: bytes, ask: Callable[[], V], lifetime: Callable[[V], float]) -> V:
        """The answer to ``key``: a remembered one, that of a caller who asks right now, or ask's.

        ``lifetime`` says for how many seconds an answer is remembered; an exception never is.

        Raises:
            Busy: see the class.
            Exception: what ``ask`` raised, in every thread that waited for it.

        """
        with self._lock:
            held = self._held.get(key)
            if held is not None and self._concurrency.monotonic() < held[0]:
                self._held.move_to_end(key)
                return held[1]
            if self._inside >= self._in_flight:
                raise Busy(f"{self._in_flight} requests wait for the API server")
            self._inside += 1
            flight = self._flights.get(key)
            mine = flight is None
            if flight is None:
                flight = self._flights[key] = _Flight(self._concurrency.event())
        try:
            if mine:
                self._fly(key, flight, ask, lifetime)
            else:
                flight.landed.wait()
        finally:
            with self._lock:
                self._inside -= 1
        if flight.error is not None:
            raise flight.error
        return flight.value  # type: ignore[return-value]  # set: there is no error

    def _fly(
        self,
        key: bytes,
        flight: _Flight[V],
        ask: Callable[[], V],
        lifetime: Callable[[V], float],
    ) -> None:
        try:
            flight.value = ask()
            self._hold(key, flight.value, lifetime(flight.value))
        except Exception as error:  # noqa: BLE001 - handed to every thread that waits
            flight.error = error
        finally:
            with self._lock:
                del self._flights[key]
            flight.landed.set()

    def _hold(self, key: bytes, value: V, seconds: float) -> None:
        if seconds <= 0:
            return
        with self._lock:
            self._held[key] = (self._concurrency.monotonic() + seconds, value)
            self._held.move_to_end(key)
            while len(self._held) > self._size:
                self._held.popitem(last=False)
