"""Trying a write again when the object changed meanwhile (``spec/ccm-core.md`` 3.1.3)."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import TypeVar

from cloudprovider.concurrency import Concurrency, current
from cloudprovider_controllers.runtime.errors import is_conflict

_T = TypeVar("_T")


@dataclasses.dataclass(frozen=True)
class ConflictBackoff:
    """``steps`` tries in all; between two of them a wait in [``wait``, 2 · ``wait``) seconds."""

    steps: int
    wait: float


UPDATE_NODE_SPEC = ConflictBackoff(20, 0.05)
UPDATE_TAINT = ConflictBackoff(5, 0.1)
UPDATE_LABEL = ConflictBackoff(5, 0.1)
UPDATE_NETWORK_CONDITION = ConflictBackoff(5, 0.1)


def retry_on_conflict(
    attempt: Callable[[], _T], backoff: ConflictBackoff, *, concurrency: Concurrency | None = None
) -> _T:
    """Call ``attempt`` until it raises no Conflict; it must read the object anew each time.

    Raises:
        Conflict: the tries are used up; the last one.
        Exception: whatever else ``attempt`` raises, at once.

    """
    source = concurrency or current()
    for _ in range(backoff.steps - 1):
        try:
            return attempt()
        except Exception as error:
            if not is_conflict(error):
                raise
        source.sleep(backoff.wait * (1.0 + source.random.random()))
    return attempt()
