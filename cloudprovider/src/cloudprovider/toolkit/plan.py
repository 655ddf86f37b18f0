"""Plans: what a diff decided, as data that people can read and machines can carry out.

A provider computes ``desired`` and ``observed``, both pure data, and its diff makes a :class:`Plan`
of :class:`Action` from them. A plan that nobody applies is the dry run. :func:`apply` is the only
place that carries actions out; independent ones run side by side.

Source: ``design.md`` 4.
"""

from __future__ import annotations

import collections
import contextvars
import dataclasses
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, TypeVar

from cloudprovider.concurrency import Concurrency, Thread, current
from cloudprovider.errors import CloudProviderError, RetryLater, unexpected

_T = TypeVar("_T")


@dataclasses.dataclass(frozen=True)
class Action:
    """One change: one cloud write, or several of one kind that belong together."""

    key: str  #: unique in its plan, e.g. ``listener tcp:80 create``
    kind: str  #: create, update, delete, add, remove, start, …
    resource: str  #: what is changed, e.g. ``listener tcp:80``
    sentence: str  #: what happens, for a person
    after: tuple[str, ...] = ()  #: keys of the actions that must have succeeded first
    idempotent: bool = True  #: whether repeating it after an unknown outcome is harmless
    details: Any = None  #: what the provider's executor needs


class Plan:
    """Actions in an order in which they could run one by one.

    Raises:
        ValueError: a key appears twice, or an action waits for one that does not stand before it.

    """

    def __init__(self, actions: Iterable[Action] = ()) -> None:
        self.actions = tuple(actions)
        seen: set[str] = set()
        for action in self.actions:
            if action.key in seen:
                raise ValueError(f"two actions have the key {action.key!r}")
            missing = [key for key in action.after if key not in seen]
            if missing:
                raise ValueError(
                    f"{action.key!r} waits for {missing}, which do not stand before it"
                )
            seen.add(action.key)

    def __len__(self) -> int:
        return len(self.actions)

    def __iter__(self) -> Iterator[Action]:
        return iter(self.actions)

    def __str__(self) -> str:
        """The dry run: one numbered line per action, with the numbers it waits for."""
        if not self.actions:
            return "nothing to do"
        numbers = {action.key: index for index, action in enumerate(self.actions, 1)}
        return "\n".join(
            f"{numbers[action.key]:>3}. {action.kind} {action.resource}: {action.sentence}"
            + _waits([numbers[key] for key in action.after])
            for action in self.actions
        )

    def width(self) -> int:
        """How many actions can run at once, at most."""
        level: dict[str, int] = {}
        for action in self.actions:
            level[action.key] = 1 + max((level[key] for key in action.after), default=0)
        return max(collections.Counter(level.values()).values(), default=0)


def _waits(numbers: Sequence[int]) -> str:
    return f" (after {', '.join(str(number) for number in sorted(numbers))})" if numbers else ""


@dataclasses.dataclass(frozen=True)
class Outcome:
    """How a plan went."""

    done: tuple[str, ...]  #: keys of actions that succeeded, in the plan's order
    failed: Mapping[str, CloudProviderError]  #: by key, in the plan's order
    skipped: tuple[str, ...]  #: keys of actions that did not run, because others failed or stopped

    def raise_for_errors(self) -> None:
        """Raise :func:`combine` of the errors, if there are any."""
        if self.failed:
            raise combine(tuple(self.failed.values()))


def combine(errors: Sequence[CloudProviderError]) -> CloudProviderError:
    """One error that stands for several, so that its class still says what the caller must do.

    The first that is not merely :class:`~cloudprovider.errors.RetryLater` wins, because somebody
    should see it; of those that only ask to wait, the longest wait. The others are its cause.
    """
    serious = [error for error in errors if not isinstance(error, RetryLater)]
    waits = [error for error in errors if isinstance(error, RetryLater)]
    first: CloudProviderError = serious[0] if serious else max(waits, key=lambda wait: wait.after)
    if len(errors) > 1 and first.__cause__ is None:
        first.__cause__ = ExceptionGroup(f"{len(errors)} actions failed", list(errors))
    return first


def apply(
    plan: Plan,
    execute: Callable[[Action], None],
    *,
    workers: int = 4,
    proceed: Callable[[], bool] = lambda: True,
    concurrency: Concurrency | None = None,
) -> Outcome:
    """Carry out ``plan`` with ``execute``, at most ``workers`` actions at once.

    A failed action stops only those that wait for it. The calling thread is one of the workers, so
    a plan without parallel actions starts no thread. Context variables are passed on.

    Args:
        plan: What to do.
        execute: Carries out one action; whatever it raises fails that action.
        workers: Most actions at once.
        proceed: Asked before each action; once it is false nothing more is started.
        concurrency: Where threads come from.

    """
    run = _Run(plan, execute, proceed, concurrency or current())
    helpers = run.start_helpers(min(workers, plan.width()) - 1)
    run.work()
    for helper in helpers:
        helper.join()
    return run.outcome()


class _Run:
    """The state of one :func:`apply`, shared by its workers."""

    def __init__(
        self,
        plan: Plan,
        execute: Callable[[Action], None],
        proceed: Callable[[], bool],
        concurrency: Concurrency,
    ) -> None:
        self._plan = plan
        self._execute = execute
        self._proceed = proceed
        self._concurrency = concurrency
        self._changed = concurrency.condition()
        self._waiting = list(plan)
        self._running: set[str] = set()
        self._done: set[str] = set()
        self._failed: dict[str, CloudProviderError] = {}
        self._skipped: set[str] = set()

    def start_helpers(self, count: int) -> list[Thread]:
        def helper(context: contextvars.Context) -> Callable[[], None]:
            return lambda: context.run(self.work)

        return [
            self._concurrency.start_thread(helper(contextvars.copy_context()), name=f"plan-{index}")
            for index in range(count)
        ]

    def work(self) -> None:
        """Take and carry out actions until none is left."""
        while (action := self._take()) is not None:
            error = self._carry_out(action)
            with self._changed:
                self._running.discard(action.key)
                if error is None:
                    self._done.add(action.key)
                else:
                    self._failed[action.key] = error
                self._changed.notify_all()

    def _take(self) -> Action | None:
        with self._changed:
            while True:
                self._drop_hopeless()
                if not self._waiting:
                    return None
                for action in self._waiting:
                    if all(key in self._done for key in action.after):
                        self._waiting.remove(action)
                        self._running.add(action.key)
                        return action
                self._changed.wait()

    def _drop_hopeless(self) -> None:
        if self._waiting and not self._proceed():
            self._skip(self._waiting)
        gone = self._failed.keys() | self._skipped
        for action in tuple(self._waiting):  # in order, so that one pass reaches all dependants
            if any(key in gone for key in action.after):
                gone = gone | {action.key}
                self._skip([action])

    def _skip(self, actions: Iterable[Action]) -> None:
        for action in tuple(actions):
            self._waiting.remove(action)
            self._skipped.add(action.key)

    def _carry_out(self, action: Action) -> CloudProviderError | None:
        try:
            self._execute(action)
        except CloudProviderError as error:
            return error
        except Exception as error:  # noqa: BLE001 - kept as this action's outcome
            return unexpected(error)
        return None

    def outcome(self) -> Outcome:
        keys = [action.key for action in self._plan]
        return Outcome(
            done=tuple(key for key in keys if key in self._done),
            failed={key: self._failed[key] for key in keys if key in self._failed},
            skipped=tuple(key for key in keys if key in self._skipped),
        )


def gather(
    calls: Sequence[Callable[[], _T]],
    *,
    workers: int = 4,
    concurrency: Concurrency | None = None,
) -> list[_T]:
    """The results of independent reads, in order, at most ``workers`` at once.

    Raises:
        CloudProviderError: :func:`combine` of what the calls raised.

    """
    results: dict[str, _T] = {}

    def execute(action: Action) -> None:
        results[action.key] = action.details()

    plan = Plan(Action(str(i), "read", "", "", details=call) for i, call in enumerate(calls))
    apply(plan, execute, workers=workers, concurrency=concurrency).raise_for_errors()
    return [results[action.key] for action in plan]
