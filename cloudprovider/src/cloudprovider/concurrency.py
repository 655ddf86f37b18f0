"""The one source of clocks, threads, locks, sleeps, random numbers, ids and the host name.

Everything that can vary between two runs comes from the :class:`Concurrency` that
:func:`current` returns: the real one in production, a virtual one
(:mod:`cloudprovider.testing.virtual`) in tests. Components take it once, when they are built::

    self._concurrency = concurrency or current()

A lint rule forbids ``threading``, ``queue`` and ``time.sleep`` everywhere else, so a whole manager
runs on virtual time under a test's own scheduler.
"""

from __future__ import annotations

import abc
import contextlib
import datetime
import random
import socket
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from types import TracebackType
from typing import Protocol


class Lock(Protocol):
    """A mutual exclusion lock; the subset of ``threading.Lock`` that the project uses."""

    def acquire(self, blocking: bool = True, timeout: float = -1) -> bool: ...

    def release(self) -> None: ...

    def __enter__(self) -> bool: ...

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None: ...


class Condition(Protocol):
    """A condition variable with its own lock; the subset of ``threading.Condition`` used."""

    def __enter__(self) -> bool: ...

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None: ...

    def wait(self, timeout: float | None = None) -> bool: ...

    def wait_for(self, predicate: Callable[[], bool], timeout: float | None = None) -> bool: ...

    def notify(self, n: int = 1) -> None: ...

    def notify_all(self) -> None: ...


class Event(Protocol):
    """A flag that threads wait for; the subset of ``threading.Event`` used."""

    def is_set(self) -> bool: ...

    def set(self) -> None: ...

    def clear(self) -> None: ...

    def wait(self, timeout: float | None = None) -> bool: ...


class Thread(Protocol):
    """A started thread."""

    @property
    def name(self) -> str: ...

    def is_alive(self) -> bool: ...

    def join(self, timeout: float | None = None) -> None: ...


class Concurrency(abc.ABC):
    """A factory for everything that depends on time, scheduling or chance."""

    #: Random numbers: jitter, retry spread. Never for secrets.
    random: random.Random

    @abc.abstractmethod
    def now(self) -> datetime.datetime:
        """The wall clock, timezone-aware, in UTC. For what people and other machines read."""

    @abc.abstractmethod
    def monotonic(self) -> float:
        """Seconds on a clock that never jumps. For deadlines and durations."""

    @abc.abstractmethod
    def sleep(self, seconds: float) -> None:
        """Block the calling thread for ``seconds``."""

    @abc.abstractmethod
    def lock(self) -> Lock:
        """A new lock that its holder may not take twice."""

    @abc.abstractmethod
    def rlock(self) -> Lock:
        """A new lock that its holder may take again."""

    @abc.abstractmethod
    def condition(self, lock: Lock | None = None) -> Condition:
        """A new condition on ``lock``, which :meth:`lock` or :meth:`rlock` made."""

    @abc.abstractmethod
    def event(self) -> Event:
        """A new event, not set."""

    @abc.abstractmethod
    def start_thread(self, target: Callable[[], None], *, name: str) -> Thread:
        """Start a daemon thread that runs ``target`` and return it."""

    @abc.abstractmethod
    def thread_name(self) -> str:
        """The name of the calling thread."""

    @abc.abstractmethod
    def uuid(self) -> str:
        """A new random UUID in its text form."""

    @abc.abstractmethod
    def hostname(self) -> str:
        """The name of this machine."""


class RealConcurrency(Concurrency):
    """The operating system's clocks and threads."""

    def __init__(self) -> None:
        self.random = random.Random()  # noqa: S311 - jitter, never secrets

    def now(self) -> datetime.datetime:
        return datetime.datetime.now(datetime.UTC)

    def monotonic(self) -> float:
        return time.monotonic()

    def sleep(self, seconds: float) -> None:
        time.sleep(max(0.0, seconds))

    def lock(self) -> Lock:
        return threading.Lock()

    def rlock(self) -> Lock:
        return threading.RLock()

    def condition(self, lock: Lock | None = None) -> Condition:
        return threading.Condition(lock)  # type: ignore[arg-type]

    def event(self) -> Event:
        return threading.Event()

    def start_thread(self, target: Callable[[], None], *, name: str) -> Thread:
        thread = threading.Thread(target=target, name=name, daemon=True)
        thread.start()
        return thread

    def thread_name(self) -> str:
        return threading.current_thread().name

    def uuid(self) -> str:
        return str(uuid.uuid4())

    def hostname(self) -> str:
        return socket.gethostname()


def thread_names() -> dict[int, str]:
    """The names of the threads that run now, by the number under which the interpreter knows them.

    For showing what a process does.
    """
    return {thread.ident or 0: thread.name for thread in threading.enumerate()}


_current: Concurrency = RealConcurrency()


def current() -> Concurrency:
    """The factory that new components use: the real one unless :func:`use` replaced it."""
    return _current


@contextlib.contextmanager
def use(concurrency: Concurrency) -> Iterator[Concurrency]:
    """Make ``concurrency`` the :func:`current` one for components built inside the block."""
    global _current
    before = _current
    _current = concurrency
    try:
        yield concurrency
    finally:
        _current = before
