"""Records calls and gives them scripted outcomes; what the fake provider stands on."""

from __future__ import annotations

import dataclasses
import fnmatch
import itertools
from collections.abc import Callable
from typing import Any, TypeVar

from cloudprovider.concurrency import Concurrency, current

_T = TypeVar("_T")


@dataclasses.dataclass
class FakeCall:
    """One call of a provider method."""

    method: str
    key: str = ""  #: ``namespace/name`` of the Service, the node's name, or the cluster's name
    uid: str = ""  #: of the Service
    nodes: tuple[str, ...] = ()  #: names of the nodes given
    started: float = 0.0  #: seconds, monotonic
    ended: float | None = None
    error: BaseException | None = None


@dataclasses.dataclass
class Script:
    """What the next calls of a method shall come to."""

    method: str
    key: str
    outcome: Any
    remaining: int | None  #: None = always


class CallRecorder:
    """Calls, scripted errors and answers, latency and callbacks. Safe for threads.

    Args:
        concurrency: Clock and sleeps; :func:`cloudprovider.concurrency.current` by default.

    """

    def __init__(self, concurrency: Concurrency | None = None) -> None:
        self.concurrency = concurrency or current()
        self.calls: list[FakeCall] = []  #: every call, in order of start
        self.latency: dict[str, float] = {}  #: seconds per call, by method
        self._lock = self.concurrency.rlock()
        self._scripts: list[Script] = []
        self._callbacks: dict[str, Callable[[FakeCall], None]] = {}

    # -- scripting -------------------------------------------------------------------------

    def fail(
        self, method: str, error: BaseException, *, key: str = "*", times: int | None = None
    ) -> None:
        """Make calls of ``method`` raise ``error``, before they have any effect.

        Args:
            method: Its name. ``instance_metadata`` and ``instance_states`` script single nodes
                inside the bulk calls, their ``_many`` forms the bulk calls themselves.
            error: Any exception at all.
            key: Shell pattern of the Service, node or cluster.
            times: How often; None = always.

        """
        self._scripts.append(Script(method, key, error, times))

    def answer(
        self, method: str, result: object, *, key: str = "*", times: int | None = None
    ) -> None:
        """Make calls of ``method`` answer ``result`` and do nothing; right or wrong in type."""
        self._scripts.append(Script(method, key, result, times))

    def heal(self, method: str = "*") -> None:
        """Forget what :meth:`fail` and :meth:`answer` were told about ``method``."""
        with self._lock:
            self._scripts = [
                script for script in self._scripts if not fnmatch.fnmatchcase(script.method, method)
            ]

    def on(self, method: str, callback: Callable[[FakeCall], None]) -> None:
        """Run ``callback`` inside every call of ``method``, before its effect."""
        self._callbacks[method] = callback

    # -- looking back ----------------------------------------------------------------------

    def called(self, method: str = "*", key: str = "*") -> list[FakeCall]:
        """The calls so far whose method and key match these shell patterns."""
        with self._lock:
            return [
                call
                for call in self.calls
                if fnmatch.fnmatchcase(call.method, method) and fnmatch.fnmatchcase(call.key, key)
            ]

    def count(self, method: str = "*", key: str = "*") -> int:
        """How many calls match."""
        return len(self.called(method, key))

    def most_at_once(self, method: str = "*", key: str = "*") -> int:
        """The largest number of matching calls in flight at one time."""
        edges = []
        for call in self.called(method, key):
            edges.append((call.started, 1))
            if call.ended is not None:
                edges.append((call.ended, -1))
        return max(itertools.accumulate(step for _, step in sorted(edges)), default=0)

    # -- for the fake's parts --------------------------------------------------------------

    def perform(self, call: FakeCall, effect: Callable[[], _T]) -> _T:
        """Record ``call``, wait its latency, then do what the script or else ``effect`` says."""
        call.started = self.concurrency.monotonic()
        with self._lock:
            self.calls.append(call)
        try:
            callback = self._callbacks.get(call.method)
            if callback is not None:
                callback(call)
            delay = self.latency.get(call.method, 0.0)
            if delay:
                self.concurrency.sleep(delay)
            return self.play(call.method, call.key, effect)
        except BaseException as error:
            call.error = error
            raise
        finally:
            call.ended = self.concurrency.monotonic()

    def play(self, method: str, key: str, effect: Callable[[], _T]) -> _T:
        """The scripted outcome for this call, used up; without one, that of ``effect``."""
        with self._lock:
            script = self._script_for(method, key)
            if script is None:
                return effect()
        if isinstance(script.outcome, BaseException):
            raise script.outcome
        outcome: _T = script.outcome
        return outcome

    def _script_for(self, method: str, key: str) -> Script | None:
        for script in self._scripts:
            if script.method != method or not fnmatch.fnmatchcase(key, script.key):
                continue
            if script.remaining == 0:
                continue
            if script.remaining is not None:
                script.remaining -= 1
            return script
        return None
