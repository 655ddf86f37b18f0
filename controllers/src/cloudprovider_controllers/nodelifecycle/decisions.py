"""Which Nodes the cloud is asked about, which are tainted, and how many may be deleted. Pure.

Source: ``spec/ccm-core.md`` 3.3; ``design.md`` 5 (R2).
"""

from __future__ import annotations

import dataclasses
import datetime
import enum
import zlib
from collections.abc import Sequence

from cloudprovider.models import Node, Taint
from cloudprovider_controllers.node.decisions import is_uninitialized
from cloudprovider_controllers.nodelifecycle.answers import Known
from cloudprovider_controllers.runtime import patches

#: On a Node whose instance is shut down; it goes when the Node is Ready again.
SHUTDOWN = Taint(key="node.cloudprovider.kubernetes.io/shutdown", effect="NoSchedule")

#: Part of this cloud's nodes that may be deleted in one period, and how many in any case.
_SHARE = 10
_LEAST = 1


class Concern(enum.Enum):
    """What this controller has to do with a Node."""

    NONE = enum.auto()
    UNTAINT = enum.auto()  #: it is Ready again
    ASK = enum.auto()  #: it is not Ready; the cloud knows why


def concern(node: Node, *, claimed: bool, now: datetime.datetime, grace: float) -> Concern:
    """What to do about ``node``.

    Args:
        node: As the API server has it.
        claimed: Whether the provider says that it is its own.
        now: The wall clock.
        grace: Seconds from its creation in which a node that waits for its initialisation is left
            alone: its instance may not be visible everywhere yet.

    """
    if not claimed or node.metadata.deletion_timestamp is not None:
        return Concern.NONE
    if is_ready(node):
        return Concern.UNTAINT if is_tainted(node) else Concern.NONE
    if is_uninitialized(node) and (not node.spec.provider_id or _age(node, now) < grace):
        return Concern.NONE
    return Concern.ASK


def may_concern(node: Node) -> bool:
    """Whether ``node`` could need anything; most are Ready, and the provider is not asked."""
    return not is_ready(node) or is_tainted(node)


def is_ready(node: Node) -> bool:
    """Whether the condition Ready is True; a missing one is Unknown."""
    return any(c.type == "Ready" and c.status == "True" for c in node.status.conditions or ())


def is_tainted(node: Node) -> bool:
    """Whether ``node`` carries the shutdown taint, whatever its value."""
    return any((t.key, t.effect) == (SHUTDOWN.key, SHUTDOWN.effect) for t in node.spec.taints or ())


def with_shutdown(node: Node) -> list[Taint] | None:
    """The taints that ``node``, whose instance is shut down, shall have; None: as they are."""
    if is_tainted(node) or is_ready(node):
        return None
    return patches.with_taint(node.spec.taints, SHUTDOWN)


def without_shutdown(node: Node) -> list[Taint] | None:
    """The taints that ``node`` shall have once it is Ready; None: as they are."""
    if not is_tainted(node) or not is_ready(node):
        return None
    return patches.without_taint(node.spec.taints, SHUTDOWN.key, SHUTDOWN.effect)


def mixed(nodes: Sequence[Node]) -> list[Node]:
    """``nodes`` in an order that has nothing to do with what they have in common.

    Nodes that left together have names that follow each other. An answer that shows none of those
    it was asked for proves nothing, and is asked for once more; mixed, it shows some of them.
    """
    return sorted(nodes, key=lambda node: zlib.crc32(node.metadata.uid.encode()))


def _age(node: Node, now: datetime.datetime) -> float:
    created = node.metadata.creation_timestamp
    return float("inf") if created is None else (now - created).total_seconds()


# -- how many -----------------------------------------------------------------------------------


@dataclasses.dataclass(frozen=True)
class Missing:
    """A Node whose instance the cloud does not have."""

    node: Node
    known: Known
    fresh: bool  #: the cloud said so in this very pass


@dataclasses.dataclass(frozen=True)
class Choice:
    """What becomes of the Nodes whose instances are missing."""

    delete: Sequence[Node]
    waiting: int  #: twice said to be gone, and not deleted in this pass
    paused: bool  #: too many are missing at once: nothing is deleted


def choose(missing: Sequence[Missing], *, ours: int, threshold: float) -> Choice:
    """Which Nodes to delete now: those missing longest, at most a tenth of ours or one.

    Only Nodes that two answers in a row, a period apart, did not find, the last in this pass.
    Those whose deletion failed before come after the others.

    Args:
        missing: Every Node that the last answer did not find.
        ours: How many Nodes the provider claims, the missing ones included.
        threshold: Above this part of ``ours`` nothing is deleted: such a loss is rather a mistake
            about the cloud (wrong account, region or filter) than a loss. One is never too many.

    """
    confirmed = [item for item in missing if item.known.confirmed]
    if len(missing) > max(_LEAST, threshold * ours):
        return Choice((), waiting=len(confirmed), paused=bool(confirmed))
    ready = sorted((item for item in confirmed if item.fresh), key=_order)
    delete = [item.node for item in ready[: max(_LEAST, ours // _SHARE)]]
    return Choice(delete, waiting=len(confirmed) - len(delete), paused=False)


def _order(item: Missing) -> tuple[float, float, str]:
    return item.known.failures, item.known.missing_since or 0.0, item.node.metadata.name
