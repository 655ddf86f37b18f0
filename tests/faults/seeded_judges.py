"""Judges of the journal: who wrote when (O9), which Nodes were deleted (O6). Pure functions."""

from __future__ import annotations

import itertools

#: Seconds: default flags of the manager.
RENEW_DEADLINE, MONITOR_PERIOD = 10.0, 5.0


def leases_of(op, body):
    """Whether a request takes or renews the lease, and does not give it back."""
    renews = op in ("PUT leases", "POST leases")
    return renews and b'"holderIdentity":""' not in (body or b"")


def election_event(record):
    """Whether a call is an event of the election, which tells of every change of hands."""
    return record.op.endswith(" events") and record.key.startswith("kube-system")


def writes(records):
    """What needs the lease."""
    return [
        record
        for record in records
        if record.write and "leases" not in record.op and not election_event(record)
    ]


def one_writer(records, renewals):
    """O9: nobody writes without a lease that is provably his, nor after his successor's first.

    Args:
        records: Calls with the time at which they were sent.
        renewals: (process, sent, answered) of each request that got or kept the lease.

    """
    found = []
    spans: dict[str, tuple[float, float]] = {}
    for record in writes(records):
        proofs = [
            sent
            for proc, sent, answered in renewals
            if proc == record.proc and answered <= record.t < sent + RENEW_DEADLINE
        ]
        if not proofs:
            found.append(
                f"O9: {record.proc} sent {record.op} {record.key} at {record.t:.3f} without a lease"
            )
        first, _ = spans.get(record.proc, (record.t, record.t))
        spans[record.proc] = (first, record.t)
    ordered = sorted(spans.items(), key=lambda item: item[1])
    for (earlier, (_, last)), (later, (first, _)) in itertools.pairwise(ordered):
        if last >= first:
            found.append(f"O9: {earlier} wrote at {last:.3f}, {later} did at {first:.3f} already")
    return found


def deletions_allowed(records, terminated):
    """O6: a Node is deleted by UID, a period after its instance went, one in each period."""
    found = []
    last: dict[str, float] = {}
    for record in records:
        if record.op != "DELETE nodes" or not record.effect:
            continue
        gone = max((at for at in terminated.get(record.key, ()) if at <= record.t), default=None)
        if gone is None or record.t - gone < MONITOR_PERIOD:
            found.append(f"O6: {record.key} deleted at {record.t:.1f}, its instance went at {gone}")
        if record.pre != "uid":
            found.append(f"O6: {record.key} deleted without its UID")
        if record.t - last.get(record.proc, -MONITOR_PERIOD) < MONITOR_PERIOD * 0.8:
            found.append(f"O6: {record.proc} deleted two Nodes within a period")
        last[record.proc] = record.t
    return found
