"""Threads that take keys from a queue and reconcile them, each key for itself."""

from __future__ import annotations

import dataclasses
import logging
from collections.abc import Callable

from cloudprovider.concurrency import Concurrency, Thread, current
from cloudprovider_controllers.runtime.workqueue import WorkQueue

logger = logging.getLogger(__name__)

#: Seconds; a shorter ``Result.after`` is raised to this, so that no key spins.
MIN_AFTER = 0.1


@dataclasses.dataclass(frozen=True)
class Result:
    """A reconcile that did not fail, and wants to run again in ``after`` seconds, if given."""

    after: float | None = None


Reconcile = Callable[[str], Result | None]


def run_workers(
    queue: WorkQueue,
    reconcile: Reconcile,
    *,
    count: int,
    name: str,
    concurrency: Concurrency | None = None,
) -> list[Thread]:
    """Start ``count`` threads that reconcile the keys of ``queue`` until it is shut down.

    ``reconcile`` may return :class:`Result` to come again (its failures still count), or None for
    success. Whatever it raises is logged and fails only its key, which is retried after the
    queue's limiter.
    """
    source = concurrency or current()

    def work() -> None:
        while (key := queue.get()) is not None:
            process(queue, reconcile, key)

    return [source.start_thread(work, name=f"{name}-{index}") for index in range(count)]


def process(queue: WorkQueue, reconcile: Reconcile, key: str) -> None:
    """Reconcile ``key``, which came from ``queue``, and say so to the queue."""
    try:
        result = reconcile(key)
    except (Exception, SystemExit) as error:
        # SystemExit too: a provider that calls sys.exit would silently end this thread.
        queue.add_rate_limited(key)
        logger.error(
            "%s: %s failed, try %d: %s: %s",
            queue.name,
            key,
            queue.failures(key),
            type(error).__name__,
            error,
            exc_info=logger.isEnabledFor(logging.DEBUG),
        )
    else:
        if result is None or result.after is None:
            queue.forget(key)
            queue.succeeded()
        else:
            queue.add_after(key, max(MIN_AFTER, result.after))
    finally:
        queue.done(key)
