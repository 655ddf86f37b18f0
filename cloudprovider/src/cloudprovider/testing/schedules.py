"""Other orders of the same threads: a scheduler that also switches where nobody blocks.

In :class:`~cloudprovider.testing.virtual.VirtualConcurrency` a thread runs until it has to wait.
Here every use of a lock, a condition or an event is a switch point: another thread may go on there.
Which one is drawn from a seed, so that an order that fails can be played again.

Two ways to draw (``spec/reliability.md`` 1.3, 3.7): ``random`` takes any thread at each point;
``pct`` gives threads priorities, runs the highest, and lowers the running one's at a few points,
which finds orders that need few but exact switches.
"""

from __future__ import annotations

import dataclasses
import random
from collections.abc import Callable, Iterator
from typing import Literal

from cloudprovider.testing.virtual import Task, VirtualConcurrency

Policy = Literal["random", "pct"]

POLICIES: tuple[Policy, ...] = ("random", "pct")
#: Switches that a ``pct`` schedule forces.
DEPTH = 3
#: A model that takes more steps than this hangs in a loop.
MAX_STEPS = 100_000


@dataclasses.dataclass(frozen=True)
class Schedule:
    """One order. ``crash_at``: the process of whoever is at that switch point dies there."""

    policy: Policy
    seed: int
    crash_at: int | None = None


class ExploringConcurrency(VirtualConcurrency):
    """Virtual time under one :class:`Schedule`.

    Args:
        schedule: The order.
        length: About how many switch points a run has; where ``pct`` places its switches.
        max_steps: See the base class.

    """

    def __init__(
        self, schedule: Schedule, *, length: int = 200, max_steps: int = MAX_STEPS
    ) -> None:
        super().__init__(seed=schedule.seed, max_steps=max_steps)
        self.schedule = schedule
        #: Switch points passed so far.
        self.points = 0
        #: Names of the threads in the order in which they ran.
        self.trace: list[str] = []
        self._calm = False
        self._draw = random.Random(f"{schedule.policy}-{schedule.seed}")  # noqa: S311 - repeats
        self._priorities: dict[int, float] = {}
        places = range(1, max(length, DEPTH) + 1)
        self._changes = (
            set(self._draw.sample(places, DEPTH)) if schedule.policy == "pct" else frozenset()
        )

    def switch_point(self) -> None:
        """Let another thread go on, if the schedule says so."""
        task = self.running()
        if task is None or task.killed:
            return
        if not self._calm:
            self._count(task)
        if self.others_ready():
            self.make_ready(task)
            self.give_way()

    def _count(self, task: Task) -> None:
        self.points += 1
        if self.points in self._changes:
            self._priorities[id(task)] = -float(self.points)
        if self.points == self.schedule.crash_at:
            self.calm()
            if task.process != "test":
                self.kill(task.process)

    def calm(self) -> None:
        """From here on nobody dies: what follows is recovery."""
        self._calm = True

    def choose(self) -> Task:
        chosen = self._by_priority() if self.schedule.policy == "pct" else super().choose()
        self.trace.append(chosen.name)
        return chosen

    def _by_priority(self) -> Task:
        chosen = max(self.ready(), key=self._priority)
        self.take(chosen)
        return chosen

    def _priority(self, task: Task) -> float:
        # Ids of live objects: the tasks of a run are all kept until its end.
        return self._priorities.setdefault(id(task), self._draw.random())


#: A model builds its threads on the scheduler it is given, and judges what came of them.
Model = Callable[[ExploringConcurrency], None]


class Refuted(AssertionError):
    """A model failed under a schedule, which is part of the message."""


def schedules(count: int, *, first: int = 0) -> Iterator[Schedule]:
    """``count`` schedules, of each policy in turn."""
    for number in range(first, first + count):
        yield Schedule(POLICIES[number % len(POLICIES)], number)


def play(model: Model, schedule: Schedule, *, length: int = 200) -> ExploringConcurrency:
    """Run ``model`` once. Raises whatever it, or a thread of it, raised."""
    hub = ExploringConcurrency(schedule, length=length)
    hub.run(lambda: model(hub))
    for error in hub.errors():
        raise error
    return hub


def explore(model: Model, count: int, *, first: int = 0) -> int:
    """Run ``model`` under ``count`` schedules; how many different orders that made.

    Raises:
        Refuted: it failed; the message names the schedule, the cause is what it raised.

    """
    length = _judge(model, Schedule("random", first)).points
    return len({tuple(_judge(model, one, length).trace) for one in schedules(count, first=first)})


def explore_crashes(model: Model, *, seed: int = 0, step: int = 1) -> int:
    """Run ``model`` once for every ``step``-th of its switch points, killed there; the runs.

    Raises:
        Refuted: it failed; the message names the schedule, the cause is what it raised.

    """
    points = range(1, _judge(model, Schedule("random", seed)).points + 1, step)
    for point in points:
        _judge(model, Schedule("random", seed, crash_at=point))
    return len(points)


def _judge(model: Model, schedule: Schedule, length: int = 200) -> ExploringConcurrency:
    try:
        return play(model, schedule, length=length)
    except Exception as error:
        raise Refuted(f"{schedule}: {type(error).__name__}: {error}") from error
