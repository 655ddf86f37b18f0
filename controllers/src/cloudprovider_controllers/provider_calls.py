"""Calls into a provider, whose code is not ours: whatever it raises becomes one of our errors."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TypeVar

from cloudprovider.errors import (
    CloudProviderError,
    ImplementedElsewhere,
    RetryLater,
    unexpected,
)
from cloudprovider_controllers.runtime.errors import WritesStopped

_T = TypeVar("_T")


def guarded(call: Callable[[], _T]) -> _T:
    """``call()``, which runs a provider's code.

    Raises:
        CloudProviderError: whatever it raised, as one of ours, chained (R8).

    """
    try:
        return call()
    except CloudProviderError as error:
        meant = meaning(error)
        if meant is error:
            raise
        raise meant from error
    # SystemExit too: a provider that calls sys.exit must not end our thread.
    except (Exception, SystemExit) as error:
        raise meaning(error) from error


def meaning(error: BaseException) -> CloudProviderError:
    """What the caller of a provider must do about ``error``.

    "Later" and "elsewhere" count however deep they are wrapped; else the outermost error of ours.
    """
    for cause in _chain(error):
        if isinstance(cause, RetryLater | ImplementedElsewhere):
            return cause
        if isinstance(cause, WritesStopped):  # it wrote to Kubernetes with a client of ours
            return RetryLater(str(cause), after=1.0)
    return error if isinstance(error, CloudProviderError) else unexpected(error)


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    seen: set[int] = set()
    while error is not None and id(error) not in seen:
        seen.add(id(error))
        yield error
        error = error.__cause__
