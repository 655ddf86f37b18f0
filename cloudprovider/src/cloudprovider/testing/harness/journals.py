"""Invariants of what a manager did over a whole run, as pure functions of journals.

The others, of a view of one moment, are in :mod:`.oracles`. Each returns the violations it sees, in
words. Numbers are those of ``spec/reliability.md`` 2.1.
"""

from __future__ import annotations

import collections
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any

import msgspec

from cloudprovider.toolkit.journal import Record

#: Operations on the lock itself, and on what tells of it: they are not the work that it guards.
_OF_THE_LOCK = ("leases", "events")
#: Seconds by which a difference of two times may be off.
_ROUNDING = 1e-6


class InstanceAnswer(msgspec.Struct, frozen=True):
    """What the cloud said, at a time, when it was asked for instances by their ids."""

    t: float
    asked: frozenset[str]
    found: frozenset[str]


class NodeDeletion(msgspec.Struct, frozen=True):
    """A Node that the manager deleted."""

    t: float
    node: str
    instance: str
    pre: str  #: the preconditions that were sent, as the API server's journal has them
    nodes: int  #: how many there were


def node_deletions(
    deletions: Sequence[NodeDeletion], answers: Sequence[InstanceAnswer], *, period: float
) -> list[str]:
    """O6: a Node goes on two "not found" in a row a period apart, by UID, and never in crowds."""
    found = []
    for deletion in deletions:
        missing: list[float] = []  # when it was said to be absent, since it was last there
        for answer in answers:
            if deletion.instance in answer.asked and answer.t <= deletion.t:
                absent = deletion.instance not in answer.found
                missing = [*missing, answer.t] if absent else []
        if not missing or missing[-1] - missing[0] < period - _ROUNDING:
            found.append(f"O6: {deletion.node} was deleted, said to be absent at {missing}")
        if "uid=" not in deletion.pre:
            found.append(f"O6: {deletion.node} was deleted without its UID")
        crowd = [d for d in deletions if 0 <= d.t - deletion.t < period * 0.99]
        if len(crowd) > max(1, deletion.nodes // 10):
            found.append(f"O6: {len(crowd)} of {deletion.nodes} nodes deleted within {period:g} s")
    return found


def one_writer(
    records: Iterable[Record], *, deadline: float, released: Collection[int] = ()
) -> list[str]:
    """O9: nobody writes without a proof of its lease, nor after another has begun to.

    Args:
        records: Calls in the order in which they were sent.
        deadline: Seconds after sending a renewal that succeeded for which it is proof.
        released: Numbers of the calls by which a lease was given back.

    """
    proven: dict[str, float] = {}
    order: list[str] = []  # who wrote, in the order of their first writes
    found = []
    for record in records:
        if record.write and "leases" in record.op:
            if record.n in released:
                proven.pop(record.proc, None)
            elif _renews(record):
                proven[record.proc] = record.t
        elif record.write and not record.op.endswith(_OF_THE_LOCK):
            what = f"{record.proc} sent {record.op} {record.key} at {record.t:g}"
            if record.t >= proven.get(record.proc, float("-inf")) + deadline:
                found.append(f"O9: {what}, its lease was last renewed {proven.get(record.proc)}")
            if record.proc not in order:
                order.append(record.proc)
            elif order[-1] != record.proc:
                found.append(f"O9: {what}, after {order[-1]} had begun to write")
    return found


class Stop(msgspec.Struct, frozen=True):
    """A process that was asked to end, and how it did."""

    proc: str
    asked: float
    ended: float | None = None  #: None: it did not, by itself
    code: int | None = None  #: what it exited with


def ended_in_order(stops: Iterable[Stop], *, grace: float) -> list[str]:
    """O18: whoever is asked to end does so within ``grace`` s, with nothing left undone."""
    found = []
    for stop in stops:
        if stop.ended is None or stop.ended - stop.asked > grace:
            found.append(f"O18: {stop.proc}, asked to end at {stop.asked:g}, ended at {stop.ended}")
        elif stop.code != 0:
            found.append(f"O18: {stop.proc}, asked to end, exited with {stop.code}")
    return found


def handed_over(
    records: Sequence[Record],
    stops: Iterable[Stop],
    *,
    released: Collection[int],
    within: float,
    until: float,
) -> list[str]:
    """O18: who leads and is asked to end gives the lease back; one who waits takes it soon.

    Args:
        records: Calls in the order in which they were sent.
        stops: Who was asked to end.
        released: Numbers of the calls by which a lease was given back.
        within: Seconds between giving back and taking.
        until: When the run ended.

    """
    written = [r for r in records if _renews(r)]
    found = []
    for stop in stops:
        given = next((r.t for r in written if r.proc == stop.proc and r.n in released), None)
        if given is None:
            if any(r.proc == stop.proc for r in written):
                found.append(f"O18: {stop.proc} ended and left the lease to expire")
            continue
        taken = next((r.t for r in written if r.t >= given and r.proc != stop.proc), until)
        if taken - given > within + _ROUNDING:
            found.append(f"O18: nobody held the lease from {given:g} to {taken:g}")
    return found


def _renews(record: Record) -> bool:
    """Whether a call wrote a lease, and its caller knows."""
    return record.write and "leases" in record.op and record.outcome == "ok" and record.status < 400


class Trespass:
    """O1: nothing is written on a Service that another controller serves; our marks may go.

    They are ours where we wrote last: the finalizer has one name for all.
    """

    def __init__(self) -> None:
        self._marked: set[str] = set()

    def seen(self, record: Record, elsewhere: Collection[str]) -> list[str]:
        """What is wrong with the next ``record`` of the API server's journal.

        Args:
            record: Of a call on a Service, or another.
            elsewhere: UIDs of Services that another controller serves when the call arrives.

        """
        if not record.effect or record.proc in {"", "user"}:
            return []
        named = {part.removeprefix("uid=") for part in record.pre.split(",")}
        may_go = _takes_marks_away(record) and not named.isdisjoint(self._marked)
        if _takes_marks_away(record) and '"finalizers"' in record.args.get("body", ""):
            self._marked -= named
        else:
            self._marked |= named
        if named.isdisjoint(elsewhere) or may_go:
            return []
        return [f"O1: {record.proc} sent {record.op} {record.key}, which another controller serves"]


def _takes_marks_away(record: Record) -> bool:
    """Whether a patch only removes a finalizer, and labels."""
    try:
        body = msgspec.json.decode(record.args.get("body") or "null")
        metadata = {**body.pop("metadata")}
    except (msgspec.DecodeError, AttributeError, KeyError, TypeError):
        return False
    added = [*(metadata.pop("finalizers", None) or ())]
    added += [value for value in (metadata.pop("labels", None) or {}).values() if value]
    removing = {"$deleteFromPrimitiveList/finalizers", "$setElementOrder/finalizers"}
    others = metadata.keys() - {"uid", "resourceVersion"} - removing
    return not (body or others or added)


def no_hot_loop(
    records: Sequence[Record], *, budget: int, burst: int = 15, window: float = 10.0
) -> list[str]:
    """O11: what fails is not tried more than ``burst`` times in ``window`` s; calls are bounded."""
    found = []
    failed: dict[tuple[str, ...], collections.deque[float]] = collections.defaultdict(
        collections.deque
    )
    for record in records:
        if record.outcome == "ok" and record.status < 400:
            continue
        what = (record.proc, record.thread, record.op, record.key)
        times = failed[what]
        times.append(record.t)
        while times[0] < record.t - window:
            times.popleft()
        if len(times) > burst:
            found.append(f"O11: {' '.join(what)} failed {len(times)} times within {window:g} s")
            times.clear()
    if len(records) > budget:
        found.append(f"O11: {len(records)} calls, {budget} would do")
    return found


def one_series(
    events: Iterable[Mapping[str, Any]],
    *,
    processes: int = 1,
    due: Mapping[str, Sequence[str]] | None = None,
) -> list[str]:
    """O12: what a user has to know is one event that counts, not many.

    Args:
        events: The Event objects of the API server.
        processes: How many processes told: each counts anew.
        due: By the name of an object: what its one Warning must say.

    """
    series: collections.Counter[tuple[str, str, str]] = collections.Counter()
    said: dict[str, list[str]] = collections.defaultdict(list)
    for event in events:
        about = event["involvedObject"]
        if event["type"] == "Warning":
            series[about.get("uid", ""), event["reason"], event["message"]] += 1
            said[about["name"]].append(event["message"])
    found = [
        f"O12: {count} events {reason} for one thing: {message}"
        for (_, reason, message), count in series.items()
        if count > processes
    ]
    for name, parts in (due or {}).items():
        fitting = {text for text in said[name] if all(part in text for part in parts)}
        if len(fitting) != 1:
            found.append(f"O12: {name}: {len(fitting)} Warnings with {list(parts)}: {said[name]}")
    return found


def isolated(
    records: Iterable[Record], reference: Iterable[Record], *, but: frozenset[str]
) -> list[str]:
    """O13: others write what they write without the fault. ``key`` says whose a write is."""

    def writes(of: Iterable[Record]) -> collections.Counter[tuple[str, str]]:
        return collections.Counter(
            (record.op, record.key)
            for record in of
            if record.effect and record.key not in but and not record.op.endswith(_OF_THE_LOCK)
        )

    now, then = writes(records), writes(reference)
    return [
        f"O13: {op} {key} {now[op, key]} times instead of {then[op, key]}"
        for op, key in sorted(now.keys() | then.keys())
        if now[op, key] != then[op, key]
    ]


#: What a write to Kubernetes must say about the object that it means, by operation.
_MUST_SAY = {
    "DELETE nodes": ("uid=", "resourceVersion="),
    "PATCH nodes": ("uid=",),
    "PATCH nodes/status": ("uid=",),
    "PATCH services": ("uid=",),
    "PATCH services/status": ("uid=",),
    "PUT leases": ("resourceVersion=",),
}
#: And what it must say if it carries this: lists that would be replaced as a whole.
_MUST_SAY_IF = {'"taints"': "resourceVersion=", '"finalizers":null': "resourceVersion="}


def preconditions(kubernetes: Iterable[Record], cloud: Sequence[Record]) -> list[str]:
    """O15: writes say which object, or version, they mean; creations cannot happen twice.

    Args:
        kubernetes: The manager's records in the API server's journal.
        cloud: Its calls to the cloud, ``pre`` being the client token.

    """
    found = []
    for record in kubernetes:
        parts = [part for part in _MUST_SAY.get(record.op, ()) if part not in record.pre]
        body = str(record.args.get("body", "")).replace(" ", "")
        parts += [p for sign, p in _MUST_SAY_IF.items() if sign in body and p not in record.pre]
        if parts:
            found.append(f"O15: {record.op} {record.key} without {parts}")
    looked: set[tuple[str, str]] = set()
    for record in cloud:
        if record.op.startswith(("Describe", "List")):
            looked.add((record.proc, record.api))
        elif not record.op.startswith("Create") or record.pre:
            continue
        elif (record.proc, record.api) not in looked:
            found.append(f"O15: {record.op} {record.key} without a token or a look before")
    return found


class Line(msgspec.Struct, frozen=True):
    """A line of a watch; ``key`` is empty for bookmarks, ``end`` marks the initial state's."""

    type: str
    version: int
    key: str = ""
    end: bool = False


class Watched(msgspec.Struct):
    """A watch as its reader saw it."""

    storage: str
    since: int  #: resumed after this version; 0: the state came first
    initial: bool = False  #: asked for the initial state with its end marked
    lines: list[Line] = []


class Written(msgspec.Struct, frozen=True):
    """A change that the API server made."""

    storage: str
    version: int
    type: str
    key: str


def watch_guarantees(watched: Watched, written: Sequence[Written]) -> list[str]:
    """O21: a watch is ordered, tells each change once, and leaves none out up to where it got."""
    lines, since, found = list(watched.lines), watched.since, list[str]()
    if watched.initial:
        end = next((index for index, line in enumerate(lines) if line.end), None)
        if end is None:
            return []  # it never had a state: its reader must not use what came
        since = lines[end].version
        state = {line.key for line in lines[:end]}
        there = _state(watched.storage, since, written)
        if state != there:
            found.append(f"O21: the initial state differs by {sorted(state ^ there)}")
        lines = lines[end + 1 :]
    told = [line for line in lines if line.key]
    reached = max((line.version for line in lines), default=since)
    due = [
        change
        for change in written
        if change.storage == watched.storage and since < change.version <= reached
    ]
    versions = [line.version for line in told]
    if versions != sorted(set(versions)):
        found.append(f"O21: versions of {watched.storage} out of order or twice: {versions}")
    expected = [(change.type, change.version, change.key) for change in due]
    missing = set(expected) - {(line.type, line.version, line.key) for line in told}
    if missing:
        found.append(f"O21: the watch of {watched.storage} left out {sorted(missing)}")
    for index, line in enumerate(lines):
        late = [later for later in lines[index:] if later.key and later.version <= line.version]
        if not line.key and line.type == "BOOKMARK" and late:
            found.append(f"O21: {late[0].version} after the bookmark {line.version}")
    return found


def _state(storage: str, version: int, written: Sequence[Written]) -> set[str]:
    keys: set[str] = set()
    for change in written:
        if change.storage == storage and change.version <= version:
            (keys.discard if change.type == "DELETED" else keys.add)(change.key)
    return keys
