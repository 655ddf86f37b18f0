"""The kinds of fault: what happens, where it applies, whom it excuses.

A kind that breaks on purpose what others have to keep names the oracles in ``excuses``: those are
violated by somebody else than our manager. Everything else must hold all the same.
"""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Callable

import disturbances as what
import others

from cloudprovider_alicloud.provider import CLB_CLASS

LOCK = ("leases", "events")


# -- where a kind applies ---------------------------------------------------------------------


def reads(record):
    """Single objects and lists from the API server."""
    return record.api == "k8s" and record.op.startswith("GET") and not _of_lock(record)


def writes(record):
    """Writes to the API server."""
    return record.api == "k8s" and record.write and not _of_lock(record)


def events(record):
    """Events that tell users."""
    return record.op == "POST events"


def service_writes(record):
    """Effective writes on Services."""
    return record.effect and record.op.startswith("PATCH services")


def anything(_record):
    """Every call, or event."""
    return True


def work(record):
    """Effective writes, and the reads before which something may change."""
    return (record.effect and record.write and not _of_lock(record)) or reads(record)


def cloud_work(record):
    """Effective writes to the cloud, and those to Services."""
    return work(record) and record.write


def takes_nothing(record):
    """Every call but those that, once on their way, take something away."""
    return not record.op.startswith(("Delete", "Remove", "Untag")) and not _of_lock(record)


def any_kubernetes(record):
    """Every call to the API server but renewals and events."""
    return record.api == "k8s" and not _of_lock(record)


def _of_lock(record):
    return record.op.endswith(LOCK)


@dataclasses.dataclass(frozen=True)
class Kind:
    row: str  #: of spec/reliability.md 2.2 and 2.4
    act: Callable | None  #: (world, record); None: a kind of the boundary itself
    applies: Callable  #: (record) of the recording
    excuses: tuple[str, ...] = ()  #: oracles that are violated by somebody else
    managers: int = 1
    point: str = "call"
    patience: int = 1  #: how many times the usual calls it takes, by a documented rule
    hours: float = 1.5  #: within which all is well again


#: Load balancers are compared with the cloud again after 6 to 12 hours.
NEXT_LOOK = 13.0


def _kind(
    row, act, applies, *excuses, managers=1, point="call", patience=1, hours=1.5, **arguments
):
    bound = functools.partial(act, **arguments) if arguments else act
    return Kind(row, bound, applies, excuses, managers, point, patience, hours)


_STATUS = {"status": {"loadBalancer": {"ingress": None}}}
_UNLABELLED = {"metadata": {"labels": {"service.k8s.alibaba/loadbalancer-id": None}}}
_SOMEBODY = {"holderIdentity": "somebody", "leaseDurationSeconds": 60}
_GARBAGE = {"holderIdentity": "?", "leaseDurationSeconds": 2_000_000_000, "renewTime": None}
_NOTHING = {"leaseDurationSeconds": 1, "renewTime": None, "acquireTime": None}

KINDS = {
    "stale_1": _kind("K1", what.stale, reads, count=1),
    "stale_3": _kind("K1", what.stale, reads, count=3),
    "held_back": _kind("K2", what.held_back, cloud_work, "O4", count=2),
    "held_far_back": _kind("K2", what.held_back, cloud_work, "O4", count=5),
    "unseen_recreation": _kind(
        "K3",
        functools.partial(what.unseen, change=functools.partial(what.recreate, by_force=True)),
        work,
        "O3",
    ),
    "unseen_flip": _kind("K3", functools.partial(what.unseen, change=what.flip_label), work),
    "event_hidden": _kind("K3", what.hidden, anything, point="event"),
    "event_twice": Kind("K4", None, anything, ("O21",), point="event"),
    "event_late": Kind("K4", None, anything, point="event"),
    "event_crash": Kind("P1", None, anything, point="event"),
    "event_cut": Kind("K6", None, anything, point="event"),
    "watch_silent": Kind("K6", None, anything, point="event"),
    "watch_garbled": Kind("K6", None, anything, point="event"),
    "gap": _kind("K5", what.gap, any_kubernetes, as_status=False),
    "gap_status": _kind("K5", what.gap, any_kubernetes, as_status=True),
    "conflict": _kind("K7", what.refuse, writes, status=409, reason="Conflict"),
    # Upstream tries an initialisation twenty times in a pass (spec/ccm-core.md 3.1.3).
    "conflicts": _kind(
        "K7", what.refuse, writes, status=409, reason="Conflict", seconds=60.0, patience=8
    ),
    "unauthorized": _kind(
        "K9",
        what.refuse,
        any_kubernetes,
        status=401,
        reason="Unauthorized",
        seconds=300.0,
        everything=True,
    ),
    "forbidden": _kind(
        "K9", what.refuse, any_kubernetes, status=403, reason="Forbidden", seconds=300.0
    ),
    "unavailable": _kind(
        "K9",
        what.refuse,
        any_kubernetes,
        status=503,
        reason="ServiceUnavailable",
        seconds=90.0,
        everything=True,
    ),
    "retry_garbage": _kind(
        "K9",
        what.refuse,
        any_kubernetes,
        status=429,
        reason="TooManyRequests",
        headers={"retry-after": "soon"},
    ),
    "retry_hour": _kind(
        "K9",
        what.refuse,
        any_kubernetes,
        status=429,
        reason="TooManyRequests",
        headers={"retry-after": "3600"},
    ),
    "finalizer_gone": _kind(
        "K10", what.edit_service, work, "O3", body={"metadata": {"finalizers": None}}
    ),
    "mind_changed": _kind("K10", what.mind_changed, takes_nothing),
    "finalizer_added": _kind("K10", what.add_finalizer, work),
    "recreated": _kind("K11", what.recreate, work, by_force=False),
    "recreated_by_force": _kind("K11", what.recreate, work, "O3", by_force=True),
    "class_of_others": _kind("K12", others.change_class, work, class_name=others.THEIR_CLASS),
    "class_of_others_by_force": _kind(
        "K12", others.change_class, work, "O3", class_name=others.THEIR_CLASS, by_force=True
    ),
    "class_of_ours": _kind("K12", others.change_class, work, class_name=CLB_CLASS),
    "type_then_class_of_others": _kind(
        "K12", others.class_at_type_change, work, class_name=others.THEIR_CLASS
    ),
    "taken_at_type_change": _kind("K12", others.taken_at_type_change, work),
    "taken_while_down": _kind("K12", others.taken_while_down, work),
    "type_then_class_of_ours": _kind(
        "K12", others.class_at_type_change, work, class_name=CLB_CLASS
    ),
    "status_cleared": _kind("K13", what.edit_service, work, body=_STATUS, subresource="status"),
    "status_forged": _kind("K13", what.forge_status, work, "O19"),
    "label_gone": _kind("K13", what.edit_service, work, body=_UNLABELLED),
    "taint_again": _kind("K13", what.taint_again, work),
    "rollback": _kind("K14", what.rollback, work, "O3", "O21"),
    # A call on its way may arrive beside that of the next leader, who finds it at its next look.
    "frozen_before": Kind("K15", None, work, ("O2",), managers=2, hours=NEXT_LOOK),
    "frozen_after": Kind("P4", None, work, managers=2),
    "partition": _kind("K15", what.partition, work, managers=2),
    "leader_killed": Kind("P1", None, work, managers=2),
    "terminated": _kind("P3", what.terminate, anything),
    # The other one, who waits, is to take over, and not the one that is started again.
    "leader_terminated": _kind("P3", what.terminate, work, restarted_after=30.0, managers=2),
    "clock_ahead": _kind("K16", what.clock, work, seconds=3600.0, managers=2),
    "clock_back": _kind("K16", what.clock, work, seconds=-3600.0, managers=2),
    "suspended": _kind("K16", what.suspend, work, "O2", managers=2, hours=NEXT_LOOK),
    "lease_deleted": _kind("K17", what.lease, work, spec=None, managers=2),
    "lease_taken": _kind("K17", what.lease, work, spec=_SOMEBODY, managers=2),
    "lease_garbage": _kind("K17", what.lease, work, spec=_GARBAGE, managers=2),
    "lease_emptied": _kind("K17", what.lease, work, spec=_NOTHING, managers=2),
    "events_refused": _kind(
        "K18", what.refuse, events, status=403, reason="Forbidden", seconds=3600.0
    ),
    "admission_refuses": _kind("K19", others.admission, service_writes, status=400, reason=""),
    "policy_refuses": _kind("K19", others.admission, service_writes, status=422, reason="Invalid"),
    "admission_strips": _kind("K19", others.admission_strips, service_writes),
    "unreadable": _kind("K20", what.unreadable, work),
    "restart": _kind("K21", what.restart, any_kubernetes),
    "registered_again": _kind("K22", what.register_again, work),
    "foreign_id": _kind("K22", what.register_again, work, provider_id="aws:///zone/i-0123456789"),
    "twin": _kind("K22", what.twin, work),
}


def of(world):
    """The disturbances of a world, for its boundary."""
    return {
        name: functools.partial(kind.act, world)
        for name, kind in KINDS.items()
        if kind.act is not None
    }
