"""Virtual time and a scheduler of our own: whole managers run deterministically in one OS thread.

Every "thread" is a greenlet. One runs at a time; it gives way when it blocks on a lock, condition,
event or sleep. When nothing can run, the clock jumps to the next timer. With a seed the next thread
is drawn at random instead of in turn, which explores other interleavings, repeatably.

Threads belong to a *process* (the one that started them, or a new one by
:meth:`VirtualConcurrency.start_process`). :meth:`VirtualConcurrency.kill` stops a process as
SIGKILL would: none of its threads ever runs again, no ``finally`` has an effect.
:meth:`VirtualConcurrency.pause` and :meth:`VirtualConcurrency.resume` are SIGSTOP and SIGCONT.
"""

from __future__ import annotations

import collections
import contextlib
import datetime
import heapq
import itertools
import random
import uuid
from collections.abc import Callable, Iterator, Sequence

import greenlet

from cloudprovider import concurrency
from cloudprovider.testing.virtual_primitives import (
    Killed,
    VirtualCondition,
    VirtualEvent,
    VirtualLock,
)

_TICK = 1e-6
_EPOCH = datetime.datetime(2026, 1, 1, tzinfo=datetime.UTC)


class Deadlock(AssertionError):
    """No thread can run and no timer is pending."""


class TooManySteps(AssertionError):
    """The run did not end within its step bound: a hot loop."""


class Task:
    """One virtual thread."""

    def __init__(
        self, hub: VirtualConcurrency, target: Callable[[], None], name: str, process: str
    ) -> None:
        self.name = name
        self.process = process
        self.done = False
        self.killed = False
        self.error: BaseException | None = None
        self.wake_token = 0
        self.timed_out = False
        self.queued = False
        self._hub = hub
        self._target = target
        self._joiners: list[Task] = []
        self.greenlet = greenlet.greenlet(self._run, hub.hub_greenlet)

    def _run(self) -> None:
        try:
            self._target()
        except Killed:
            pass
        except BaseException as error:  # noqa: BLE001 - kept and shown by run()
            self.error = error
        finally:
            self.done = True
            self.wake_joiners()
            if self.error is None:
                self._hub.forget(self)

    def wake_joiners(self) -> None:
        for joiner in self._joiners:
            self._hub.make_ready(joiner)

    def is_alive(self) -> bool:
        return not (self.done or self.killed)

    def join(self, timeout: float | None = None) -> None:
        deadline = None if timeout is None else self._hub.monotonic() + timeout
        while self.is_alive():
            remaining = None if deadline is None else deadline - self._hub.monotonic()
            if remaining is not None and remaining <= 0:
                return
            me = self._hub.current_task()
            self._joiners.append(me)
            self._hub.block(remaining)
            if me in self._joiners:
                self._joiners.remove(me)


class VirtualConcurrency(concurrency.Concurrency):
    """A :class:`~cloudprovider.concurrency.Concurrency` on virtual time; see the module."""

    def __init__(self, *, seed: int | None = None, max_steps: int = 5_000_000) -> None:
        self.random = random.Random(0 if seed is None else seed)  # noqa: S311 - must repeat
        self._schedule = None if seed is None else random.Random(seed)  # noqa: S311 - must repeat
        self._now = 0.0
        self._max_steps = max_steps
        self._ready: collections.deque[Task] = collections.deque()
        self._timers: list[tuple[float, int, int, Task]] = []
        self._sequence = itertools.count()
        self._ids = random.Random(f"ids-{seed}")  # noqa: S311 - must repeat
        #: All that have not ended, and those that ended with an error; a dict for its order.
        self._tasks: dict[Task, None] = {}
        self._current: Task | None = None
        self._skew: dict[str, float] = {}  # of a process's wall clock, in seconds
        self._behind: dict[str, float] = {}  # what its monotonic clock missed while suspended
        self._serving = 0
        #: Processes that are paused, with their threads that could run.
        self._paused: dict[str, list[Task]] = {}
        self.hub_greenlet: greenlet.greenlet = greenlet.getcurrent()
        self.steps = 0

    # -- running ---------------------------------------------------------------------------

    def run(self, main: Callable[[], None]) -> None:
        """Run ``main`` as the first thread until it returns; raise what it raised.

        Raises:
            Deadlock: ``main`` waits for something that can no longer happen.
            TooManySteps: the step bound was reached.

        """
        self.hub_greenlet = greenlet.getcurrent()
        with concurrency.use(self):
            task = self._spawn(main, name="main", process="test")
            try:
                while not task.done:
                    self._step()
            finally:
                self._abandon()
        if task.error is not None:
            raise task.error

    def _step(self) -> None:
        self.steps += 1
        if self.steps > self._max_steps:
            raise TooManySteps(f"{self.steps} steps at {self._now:.3f} s: {self._runnable()}")
        while not self._ready:
            if not self._timers:
                raise Deadlock(f"nothing can run at {self._now:.3f} s: {self._alive()}")
            when, _, token, task = heapq.heappop(self._timers)
            if task.is_alive() and task.wake_token == token:
                self._now = max(self._now, when)
                task.timed_out = True
                self.make_ready(task)
        task = self.choose()
        task.queued = False
        if not task.is_alive():
            return
        if task.process in self._paused:
            task.queued = True
            self._paused[task.process].append(task)
            return
        self._current = task
        task.greenlet.switch()
        self._current = None

    def choose(self) -> Task:
        """Take the thread that runs next out of those that can; at least one can."""
        if self._schedule is None or len(self._ready) == 1:
            return self._ready.popleft()
        self._ready.rotate(-self._schedule.randrange(len(self._ready)))
        return self._ready.popleft()

    def _abandon(self) -> None:
        """Unwind every thread that is still there, without letting it do anything more."""
        for task in self._tasks:
            task.killed = True
        for task in tuple(self._tasks):
            if task.greenlet and not task.greenlet.dead:
                self._current = task
                task.greenlet.throw(Killed())
        self._current = None
        self._tasks.clear()
        self._ready.clear()
        self._timers.clear()

    def _alive(self) -> list[str]:
        return [f"{task.process}/{task.name}" for task in self._tasks if task.is_alive()]

    def _runnable(self) -> list[str]:
        return [f"{task.process}/{task.name}" for task in self._ready]

    # -- processes -------------------------------------------------------------------------

    def start_process(self, target: Callable[[], None], *, process: str) -> concurrency.Thread:
        """Start ``target`` as the first thread of a new process called ``process``."""
        return self._spawn(target, name="main", process=process)

    def process(self) -> str:
        """The process of the calling thread."""
        return self.current_task().process

    def kill(self, process: str) -> None:
        """Stop every thread of ``process`` for ever. Does not return when it is the caller's."""
        for task in self._tasks:
            if task.process == process and task.is_alive():
                task.killed = True
                task.wake_joiners()
        if self.current_task().killed:
            self.hub_greenlet.switch()
            raise Killed

    def pause(self, process: str) -> None:
        """Let no thread of ``process``, which is not the caller's, go on; time does."""
        self._paused.setdefault(process, [])

    def resume(self, process: str) -> None:
        """Let a paused process go on; no error if it is not paused."""
        self._ready.extend(self._paused.pop(process, []))

    def suspend(self, process: str, seconds: float) -> None:
        """Pause ``process`` as a suspended machine is: its monotonic clock does not see it."""
        self.pause(process)

        def wake() -> None:
            self.sleep(seconds)
            self._behind[process] = self._behind.get(process, 0.0) + seconds
            self.resume(process)

        self._spawn(wake, name="wake", process=f"{process}-machine")

    def skew(self, process: str, seconds: float) -> None:
        """The wall clock of ``process`` jumps, ahead or back."""
        self._skew[process] = self._skew.get(process, 0.0) + seconds

    @contextlib.contextmanager
    def serving(self) -> Iterator[None]:
        """What runs inside is a server, in the thread of its caller: clocks are right."""
        self._serving += 1
        try:
            yield
        finally:
            self._serving -= 1

    def elapsed(self) -> float:
        """Seconds since the start, whatever the clocks of processes show."""
        return self._now

    def _off(self, clocks: dict[str, float]) -> float:
        if not clocks or self._serving or self._current is None:
            return 0.0
        return clocks.get(self._current.process, 0.0)

    def threads(self, process: str) -> list[str]:
        """Names of the threads of ``process`` that are alive."""
        return [task.name for task in self._tasks if task.process == process and task.is_alive()]

    def errors(self) -> list[BaseException]:
        """What escaped from threads, oldest first."""
        return [task.error for task in self._tasks if task.error is not None]

    def _spawn(self, target: Callable[[], None], *, name: str, process: str) -> Task:
        task = Task(self, target, name, process)
        self._tasks[task] = None
        self.make_ready(task)
        return task

    def forget(self, task: Task) -> None:
        """A thread ended in order."""
        self._tasks.pop(task, None)

    # -- blocking, for the primitives ------------------------------------------------------

    def running(self) -> Task | None:
        """The thread that runs now; None outside :meth:`run`, where a test builds its world."""
        return self._current

    def current_task(self) -> Task:
        """The thread that runs now."""
        if self._current is None:
            raise RuntimeError("virtual primitives may only block inside VirtualConcurrency.run()")
        return self._current

    def make_ready(self, task: Task) -> None:
        """Let a blocked thread run again."""
        task.wake_token += 1
        if task.is_alive() and not task.queued:
            task.queued = True
            self._ready.append(task)

    def switch_point(self) -> None:
        """Called by the primitives where another thread could go on; here none does."""

    def ready(self) -> Sequence[Task]:
        """The threads that can run, the running one left out."""
        return self._ready

    def others_ready(self) -> bool:
        """Whether any other thread can run now."""
        return bool(self._ready)

    def take(self, task: Task) -> None:
        """Take ``task`` out of the threads that can run."""
        self._ready.remove(task)

    def give_way(self) -> None:
        """Let another thread run; the calling one is ready, and goes on when it is chosen."""
        task = self.current_task()
        self.hub_greenlet.switch()
        if task.killed:
            raise Killed

    def block(self, timeout: float | None) -> bool:
        """Give way until :meth:`make_ready`; False when ``timeout`` seconds passed first."""
        task = self.current_task()
        if task.killed:
            raise Killed
        task.timed_out = False
        if timeout is not None:
            # What a lagging clock leaves of a wait is rounded: time must pass, however little.
            seconds = max(_TICK, timeout) if timeout > 0 else 0.0
            entry = (self._now + seconds, next(self._sequence), task.wake_token, task)
            heapq.heappush(self._timers, entry)
        self.hub_greenlet.switch()
        if task.killed:
            raise Killed
        return not task.timed_out

    # -- Concurrency -----------------------------------------------------------------------

    def now(self) -> datetime.datetime:
        return _EPOCH + datetime.timedelta(seconds=self._now + self._off(self._skew))

    def monotonic(self) -> float:
        return self._now - self._off(self._behind)

    def sleep(self, seconds: float) -> None:
        self.block(seconds)

    def lock(self) -> concurrency.Lock:
        return VirtualLock(self, reentrant=False)

    def rlock(self) -> concurrency.Lock:
        return VirtualLock(self, reentrant=True)

    def condition(self, lock: concurrency.Lock | None = None) -> concurrency.Condition:
        own = self.rlock() if lock is None else lock
        if not isinstance(own, VirtualLock):
            raise TypeError(f"a virtual condition needs a virtual lock, got {type(own).__name__}")
        return VirtualCondition(self, own)

    def event(self) -> concurrency.Event:
        return VirtualEvent(self)

    def start_thread(self, target: Callable[[], None], *, name: str) -> concurrency.Thread:
        return self._spawn(target, name=name, process=self.process())

    def thread_name(self) -> str:
        return "hub" if self._current is None else self._current.name

    def uuid(self) -> str:
        return str(uuid.UUID(int=self._ids.getrandbits(128), version=4))

    def hostname(self) -> str:
        return "virtual-host"
