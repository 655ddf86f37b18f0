"""Asking the provider about many nodes so that one of them cannot spoil the rest (R6, R8)."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from typing import TypeVar

from cloudprovider.errors import CloudProviderError, NotFound
from cloudprovider.interface import (
    InstanceMetadata,
    InstanceState,
    InstancesV2,
    MetadataOutcome,
    StateOutcome,
)
from cloudprovider.models import Node
from cloudprovider_controllers.provider_calls import meaning

logger = logging.getLogger(__name__)

_T = TypeVar("_T")


def metadata_of(instances: InstancesV2, nodes: Sequence[Node]) -> dict[str, MetadataOutcome | None]:
    """One outcome per node, by name: metadata, an error, or None for "leave it alone". No raise."""
    answers = _ask(instances.instance_metadata_many, nodes)
    return {
        name: None if answer is None else _outcome(answer, InstanceMetadata, name)
        for name, answer in answers.items()
    }


def states_of(instances: InstancesV2, nodes: Sequence[Node]) -> dict[str, StateOutcome]:
    """One outcome per node, by name: its instance's state, or an error. No raise."""
    answers = _ask(instances.instance_states_many, nodes)
    return {name: _outcome(answer, InstanceState, name) for name, answer in answers.items()}


def _ask(ask: Callable[[Sequence[Node]], object], nodes: Sequence[Node]) -> dict[str, object]:
    """What the provider answered for each of ``nodes``, by name, or an error of ours.

    A bulk call that fails as a whole with one of our errors has failed for all of its nodes: the
    cloud is down or throttles. Anything else is a mistake of the provider that some node provokes,
    so the halves are asked apart until only that node is left.
    """
    names = [node.metadata.name for node in nodes]
    if not nodes:
        return {}
    try:
        answers = ask(nodes)
    except CloudProviderError as error:
        return dict.fromkeys(names, _of_a_whole_call(error))
    except (Exception, SystemExit) as error:  # noqa: BLE001 - a provider may raise anything
        if len(nodes) == 1:
            return {names[0]: _of_a_whole_call(error)}
        logger.warning("%d nodes asked apart: provider raised %s", len(nodes), type(error).__name__)
        middle = len(nodes) // 2
        return {**_ask(ask, nodes[:middle]), **_ask(ask, nodes[middle:])}
    if not isinstance(answers, dict):
        nonsense = f"the provider answered {type(answers).__name__}, not a dict"
        return dict.fromkeys(names, CloudProviderError(nonsense))
    return {name: answers.get(name, _no_answer(name)) for name in names}


def _of_a_whole_call(error: BaseException) -> CloudProviderError:
    """What ``error`` of a bulk call means for each node: never that its instance is not there."""
    meant = meaning(error)
    if not isinstance(meant, NotFound):
        return meant
    wrapped = CloudProviderError(f"the cloud could not be asked: {meant}")
    wrapped.__cause__ = error
    return wrapped


def _no_answer(name: str) -> CloudProviderError:
    return CloudProviderError(f"the provider gave no answer for node {name}")


def _outcome(answer: object, kind: type[_T], name: str) -> _T | CloudProviderError:
    if isinstance(answer, kind):
        return answer
    if isinstance(answer, BaseException):
        return meaning(answer)
    return CloudProviderError(f"the provider answered {type(answer).__name__} for node {name}")
