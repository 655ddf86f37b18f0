"""How old the work of each controller is: what no counter tells.

One family for queues and for loops that have none, by ``name``: ``service``, ``Nodes`` and
``Routes`` are queues, ``node-status`` and ``node-lifecycle`` are loops over all nodes.
Where several providers run, each has its own, with the provider's name behind a hyphen.
"""

from __future__ import annotations

import weakref
from collections.abc import Callable
from typing import TYPE_CHECKING, TypeVar

from prometheus_client import CollectorRegistry, Gauge

from cloudprovider.concurrency import Concurrency

if TYPE_CHECKING:
    from cloudprovider_controllers.runtime.workqueue import WorkQueue

_T = TypeVar("_T")


class Progress:
    """What a loop says of its passes. Safe for threads: each field is written whole."""

    def __init__(self, concurrency: Concurrency) -> None:
        self._concurrency = concurrency
        self._began: float | None = None
        self._succeeded = concurrency.monotonic()

    def begin(self) -> None:
        """A pass begins."""
        self._began = self._concurrency.monotonic()

    def end(self, *, succeeded: bool) -> None:
        """The pass ended."""
        if succeeded:
            self._succeeded = self._concurrency.monotonic()
        self._began = None

    def running(self) -> float:
        """Seconds for which the pass has been under way; 0 between two."""
        began = self._began
        return 0.0 if began is None else self._concurrency.monotonic() - began

    def success_age(self) -> float:
        """Seconds since a pass succeeded, or since the loop was made."""
        return self._concurrency.monotonic() - self._succeeded


class ProgressMetrics:
    """In ``registry``; one per registry. Computed when they are read."""

    def __init__(self, registry: CollectorRegistry) -> None:
        def gauge(name: str, text: str) -> Gauge:
            return Gauge(f"cloudprovider_reconcile_{name}", text, ["name"], registry=registry)

        self._waiting = gauge(
            "oldest_waiting_seconds", "Seconds for which the oldest item is ready and waits"
        )
        self._running = gauge(
            "longest_running_seconds", "Seconds for which the longest work is under way"
        )
        self._success = gauge(
            "last_success_age_seconds",
            "Seconds since work last succeeded, or since the start; grows while there is none",
        )

    def queue(self, name: str, queue: WorkQueue) -> None:
        """Read ``queue`` for as long as it lives."""
        self._waiting.labels(name).set_function(_reading(queue, lambda found: found.oldest()))
        self._running.labels(name).set_function(
            _reading(queue, lambda found: max(found.processing().values(), default=0.0))
        )
        self._success.labels(name).set_function(_reading(queue, lambda found: found.success_age()))

    def loop(self, name: str, progress: Progress) -> None:
        """Read ``progress`` for as long as it lives."""
        self._running.labels(name).set_function(_reading(progress, Progress.running))
        self._success.labels(name).set_function(_reading(progress, Progress.success_age))


def _reading(source: _T, read: Callable[[_T], float]) -> Callable[[], float]:
    reference = weakref.ref(source)

    def value() -> float:
        alive = reference()
        return 0.0 if alive is None else read(alive)

    return value
