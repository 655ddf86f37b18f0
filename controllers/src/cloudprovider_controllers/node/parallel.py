"""The same work on several items at once."""

from __future__ import annotations

import collections
import logging
from collections.abc import Callable, Sequence
from typing import TypeVar

from cloudprovider.concurrency import Concurrency

logger = logging.getLogger(__name__)

_T = TypeVar("_T")


def for_each(
    items: Sequence[_T],
    work: Callable[[_T], None],
    *,
    workers: int,
    name: str,
    concurrency: Concurrency,
) -> None:
    """Call ``work`` with each item, at most ``workers`` at once; return when all are done.

    What one item raises is logged and stops no other.
    """
    waiting = collections.deque(items)
    lock = concurrency.lock()

    def run() -> None:
        while True:
            with lock:
                if not waiting:
                    return
                item = waiting.popleft()
            try:
                work(item)
            except (Exception, SystemExit):
                logger.exception("%s: an item failed", name)

    # The caller works too: a single item needs no thread.
    helpers = [
        concurrency.start_thread(run, name=f"{name}-{index}")
        for index in range(1, min(workers, len(waiting)))
    ]
    run()
    for helper in helpers:
        helper.join()
