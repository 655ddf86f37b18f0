"""Bulk calls of a provider, so that one route cannot spoil the others (R6, R8)."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from typing import TypeVar

from cloudprovider.errors import CloudProviderError
from cloudprovider_controllers.provider_calls import meaning

logger = logging.getLogger(__name__)

_T = TypeVar("_T")
Outcome = CloudProviderError | None


def outcomes_of(
    call: Callable[[Sequence[_T]], object], items: Sequence[_T], check: Callable[[], None]
) -> list[Outcome]:
    """One outcome for each of ``items``: None, or the error it had. ``call`` writes to the cloud.

    A call that fails as a whole with one of our errors has failed for all of its items. Anything
    else is a mistake of the provider that some item provokes, so the halves are sent apart until
    only that item is left; what was done already is done again without harm.

    Raises:
        WritesStopped: ``check`` said that nothing may be written.

    """
    if not items:
        return []
    check()
    try:
        answers = call(items)
    except CloudProviderError as error:
        return [meaning(error)] * len(items)
    except (Exception, SystemExit) as error:  # noqa: BLE001 - a provider may raise anything
        if len(items) == 1:
            return [meaning(error)]
        logger.warning("%d routes sent apart: provider raised %s", len(items), type(error).__name__)
        middle = len(items) // 2
        return [
            *outcomes_of(call, items[:middle], check),
            *outcomes_of(call, items[middle:], check),
        ]
    return _checked(answers, len(items))


def _checked(answers: object, count: int) -> list[Outcome]:
    if not isinstance(answers, list | tuple) or len(answers) != count:
        wrong = CloudProviderError("the provider did not give one outcome for each route")
        return [wrong] * count
    return [_outcome(answer) for answer in answers]


def _outcome(answer: object) -> Outcome:
    if answer is None:
        return None
    if isinstance(answer, BaseException):
        return meaning(answer)
    return CloudProviderError(f"the provider answered {type(answer).__name__} for a route")
