"""Locks, conditions and events of :mod:`cloudprovider.testing.virtual`."""

from __future__ import annotations

import collections
from collections.abc import Callable
from types import TracebackType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from cloudprovider.testing.virtual import Task, VirtualConcurrency


class Killed(BaseException):
    """Raised in the threads of a killed process so that they unwind without effect."""


class VirtualLock:
    """A lock; its waiters get it in turn."""

    def __init__(self, hub: VirtualConcurrency, *, reentrant: bool) -> None:
        self._hub = hub
        self._reentrant = reentrant
        self._owner: Task | None = None
        self._depth = 0
        self._waiters: collections.deque[Task] = collections.deque()

    def _me(self) -> Task | None:
        # Outside run() (building the world) there is only one thread: nobody to wait for.
        return self._hub.running()

    def acquire(self, blocking: bool = True, timeout: float = -1) -> bool:
        self._hub.switch_point()
        me = self._me()
        if me is not None and me.killed:
            raise Killed
        if self._depth and self._owner is me and self._reentrant:
            self._depth += 1
            return True
        deadline = None if timeout < 0 else self._hub.monotonic() + timeout
        while self._depth and (self._owner is None or not self._owner.killed):
            remaining = None if deadline is None else deadline - self._hub.monotonic()
            if not blocking or (remaining is not None and remaining <= 0):
                return False
            waiting = self._hub.current_task()
            self._waiters.append(waiting)
            self._hub.block(remaining)
            if waiting in self._waiters:
                self._waiters.remove(waiting)
        self._owner, self._depth = me, 1
        return True

    def release(self) -> None:
        me = self._me()
        if me is not None and me.killed:
            return
        if not self._depth or self._owner is not me:
            raise RuntimeError("release of a lock that this thread does not hold")
        self._depth -= 1
        if self._depth:
            return
        self._owner = None
        self._wake_next()
        self._hub.switch_point()

    def _wake_next(self) -> None:
        while self._waiters:
            waiter = self._waiters.popleft()
            if waiter.is_alive():
                self._hub.make_ready(waiter)
                return

    def __enter__(self) -> bool:
        return self.acquire()

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.release()

    def release_all(self) -> int:
        """Let go at any depth, which is returned for :meth:`restore`.

        No switch point: to let go and to wait is one step.
        """
        if self._owner is not self._me():
            raise RuntimeError("wait on a condition whose lock this thread does not hold")
        depth, self._depth, self._owner = self._depth, 0, None
        self._wake_next()
        return depth

    def restore(self, depth: int) -> None:
        """Take the lock again, at ``depth``."""
        self.acquire()
        self._depth = depth


class VirtualCondition:
    """A condition on a :class:`VirtualLock`."""

    def __init__(self, hub: VirtualConcurrency, lock: VirtualLock) -> None:
        self._hub = hub
        self._lock = lock
        self._waiters: collections.deque[Task] = collections.deque()

    def __enter__(self) -> bool:
        return self._lock.acquire()

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._lock.release()

    def wait(self, timeout: float | None = None) -> bool:
        me = self._hub.current_task()
        self._waiters.append(me)
        depth = self._lock.release_all()
        try:
            notified = self._hub.block(timeout)
        finally:
            if me in self._waiters:
                self._waiters.remove(me)
        self._lock.restore(depth)
        return notified

    def wait_for(self, predicate: Callable[[], bool], timeout: float | None = None) -> bool:
        deadline = None if timeout is None else self._hub.monotonic() + timeout
        while not predicate():
            remaining = None if deadline is None else deadline - self._hub.monotonic()
            if remaining is not None and remaining <= 0:
                return predicate()
            self.wait(remaining)
        return True

    def notify(self, n: int = 1) -> None:
        while n > 0 and self._waiters:
            waiter = self._waiters.popleft()
            if waiter.is_alive() and not waiter.queued:
                self._hub.make_ready(waiter)
                n -= 1

    def notify_all(self) -> None:
        self.notify(len(self._waiters))


class VirtualEvent:
    """A flag that threads wait for."""

    def __init__(self, hub: VirtualConcurrency) -> None:
        self._hub = hub
        self._set = False
        self._condition = VirtualCondition(hub, VirtualLock(hub, reentrant=True))

    def is_set(self) -> bool:
        self._hub.switch_point()
        return self._set

    def set(self) -> None:
        self._hub.switch_point()
        self._set = True
        self._condition.notify_all()

    def clear(self) -> None:
        self._set = False

    def wait(self, timeout: float | None = None) -> bool:
        if self._set:
            return True
        with self._condition:
            return self._condition.wait_for(lambda: self._set, timeout)
