"""Asking the provider about many nodes so that one of them cannot spoil the rest (R6, R8)."""

from __future__ import annotations

import dataclasses
import logging
from collections.abc import Callable, Sequence
from typing import TypeVar

from cloudprovider.concurrency import Concurrency
from cloudprovider.errors import CloudProviderError, NotFound
from cloudprovider.interface import (
    InstanceMetadata,
    InstanceState,
    InstancesV2,
    MetadataOutcome,
    StateOutcome,
)
from cloudprovider.models import Node
from cloudprovider_controllers.node.parallel import for_each
from cloudprovider_controllers.provider_calls import meaning

logger = logging.getLogger(__name__)

_T = TypeVar("_T")


@dataclasses.dataclass(frozen=True)
class Askers:
    """How many nodes are asked about at once where the provider has no bulk form of its own."""

    count: int
    concurrency: Concurrency


def metadata_of(
    instances: InstancesV2, nodes: Sequence[Node], askers: Askers | None = None
) -> dict[str, MetadataOutcome | None]:
    """One outcome per node, by name: metadata, an error, or None for "leave it alone". No raise."""
    single = _is_inherited(instances.instance_metadata_many, InstancesV2.instance_metadata_many)
    answers = _ask_all(instances.instance_metadata_many, nodes, askers if single else None)
    return {
        name: None if answer is None else _outcome(answer, InstanceMetadata, name)
        for name, answer in answers.items()
    }


def states_of(
    instances: InstancesV2, nodes: Sequence[Node], askers: Askers | None = None
) -> dict[str, StateOutcome]:
    """One outcome per node, by name: its instance's state, or an error. No raise."""
    single = _is_inherited(instances.instance_states_many, InstancesV2.instance_states_many)
    answers = _ask_all(instances.instance_states_many, nodes, askers if single else None)
    return {name: _outcome(answer, InstanceState, name) for name, answer in answers.items()}


def _is_inherited(method: object, of_base: object) -> bool:
    """Whether ``method`` is the contract's own bulk form, which asks about one after the other."""
    return getattr(method, "__func__", None) is of_base


def _ask_all(
    ask: Callable[[Sequence[Node]], object], nodes: Sequence[Node], askers: Askers | None
) -> dict[str, object]:
    """As :func:`_ask`, with the nodes dealt out to ``askers``, if there are any."""
    count = min(askers.count, len(nodes)) if askers else 1
    if askers is None or count <= 1:
        return _ask(ask, nodes)
    lock = askers.concurrency.lock()
    answers: dict[str, object] = {}

    def work(part: Sequence[Node]) -> None:
        found = _ask(ask, part)
        with lock:
            answers.update(found)

    for_each(
        [nodes[index::count] for index in range(count)],
        work,
        workers=count,
        name="node-asker",
        concurrency=askers.concurrency,
    )
    return answers


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
