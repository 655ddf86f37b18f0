"""The record that managers race for, and the decisions about it. Pure functions.

Source: ``spec/ccm-core.md`` 4.6, ``spec/kubernetes-client.md`` 4. Compatible with Go managers: the
same object, fields and time format.
"""

from __future__ import annotations

import dataclasses
import datetime
import math
from typing import Any

from cloudprovider_controllers.runtime.patches import micro_timestamp

#: Seconds; a record that claims to be valid longer than this without being renewed is not believed.
MAX_DURATION = 3600.0

Body = dict[str, Any]


@dataclasses.dataclass(frozen=True)
class Record:
    """What a Lease says: who holds it and for how long."""

    holder: str = ""
    duration: float = 0.0  #: seconds; 0 if it says nothing usable
    transitions: int = 0
    acquire_time: str = ""
    renew_time: str = ""

    def lifetime(self, default: float) -> float:
        """Seconds for which this record is valid after it was first seen."""
        return min(self.duration, MAX_DURATION) if self.duration > 0 else default


def read(lease: Body) -> Record:
    """The record in ``lease``, an object as the API server sends it."""
    spec = lease.get("spec") or {}
    return Record(
        holder=spec.get("holderIdentity") or "",
        duration=_number(spec.get("leaseDurationSeconds")),
        transitions=int(_number(spec.get("leaseTransitions"))),
        acquire_time=spec.get("acquireTime") or "",
        renew_time=spec.get("renewTime") or "",
    )


def _number(value: object) -> float:
    return float(value) if isinstance(value, int | float) else 0.0


def held(lease: Body | None, identity: str, duration: float, now: datetime.datetime) -> Body:
    """The ``spec`` with which ``identity`` takes or keeps ``lease`` (None: there is none yet).

    Fields that we do not know are kept.
    """
    time = micro_timestamp(now)
    spec: Body = dict((lease or {}).get("spec") or {})
    record = read(lease or {})
    if lease is None:
        spec.update(acquireTime=time, leaseTransitions=0)
    elif record.holder != identity:
        spec.update(acquireTime=time, leaseTransitions=record.transitions + 1)
    # Rounded up: others must not take it before this process thinks that they may.
    seconds = math.ceil(duration)
    spec.update(holderIdentity=identity, leaseDurationSeconds=seconds, renewTime=time)
    return spec


def released(lease: Body, now: datetime.datetime) -> Body:
    """The ``spec`` with which the holder of ``lease`` lets go: anybody may take it at once."""
    time = micro_timestamp(now)
    spec: Body = dict(lease.get("spec") or {})
    spec.update(holderIdentity="", leaseDurationSeconds=1, acquireTime=time, renewTime=time)
    return spec
