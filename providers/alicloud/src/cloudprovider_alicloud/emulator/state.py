"""Every table of the emulated cloud, with cheap snapshots."""

from __future__ import annotations

import base64
import dataclasses
import hashlib
import uuid
from collections.abc import Mapping
from typing import Any, TypeVar, cast

import msgspec

from cloudprovider_alicloud.emulator import resources

R = TypeVar("R", bound=resources.Record)

#: Table name to record type; parents stand before their children.
TABLES: dict[str, type[resources.Record]] = {
    "access_keys": resources.AccessKey,
    "zones": resources.Zone,
    "vpcs": resources.Vpc,
    "vswitches": resources.VSwitch,
    "route_tables": resources.RouteTable,
    "route_entries": resources.RouteEntry,
    "security_groups": resources.SecurityGroup,
    "instances": resources.Instance,
    "network_interfaces": resources.NetworkInterface,
    "eips": resources.Eip,
    "certificates": resources.ServerCertificate,
    "load_balancers": resources.LoadBalancer,
    "vserver_groups": resources.VServerGroup,
    "listeners": resources.Listener,
    "domain_extensions": resources.DomainExtension,
    "client_tokens": resources.ClientToken,
    "transitions": resources.Transition,
}

#: Bookkeeping: a change here is no change of the cloud.
_INTERNAL = frozenset({"client_tokens", "transitions", "access_keys"})


@dataclasses.dataclass(frozen=True)
class Snapshot:
    """The whole state at one moment. A plain value: any :class:`State` can take it over."""

    tables: Mapping[str, Mapping[str, Any]]
    counters: Mapping[str, int]
    seed: str


class State:
    """Tables of immutable records, by id, in the order of creation.

    Not safe for threads: the core holds its lock around every call.
    """

    def __init__(self, seed: str = "0") -> None:
        self.seed = seed
        self.access_keys: dict[str, resources.AccessKey] = {}
        self.zones: dict[str, resources.Zone] = {}
        self.vpcs: dict[str, resources.Vpc] = {}
        self.vswitches: dict[str, resources.VSwitch] = {}
        self.route_tables: dict[str, resources.RouteTable] = {}
        self.route_entries: dict[str, resources.RouteEntry] = {}
        self.security_groups: dict[str, resources.SecurityGroup] = {}
        self.instances: dict[str, resources.Instance] = {}
        self.network_interfaces: dict[str, resources.NetworkInterface] = {}
        self.eips: dict[str, resources.Eip] = {}
        self.certificates: dict[str, resources.ServerCertificate] = {}
        self.load_balancers: dict[str, resources.LoadBalancer] = {}
        self.vserver_groups: dict[str, resources.VServerGroup] = {}
        self.listeners: dict[str, resources.Listener] = {}
        self.domain_extensions: dict[str, resources.DomainExtension] = {}
        self.client_tokens: dict[str, resources.ClientToken] = {}
        self.transitions: dict[str, resources.Transition] = {}
        self.changes = 0  #: how often a resource was added, changed or removed
        self._counters: dict[str, int] = {}
        self._tables: dict[type, tuple[str, dict[str, Any]]] = {
            record: (name, getattr(self, name)) for name, record in TABLES.items()
        }

    def put(self, record: R) -> R:
        """Add ``record``, or put it in the place of the one with its id."""
        name, table = self._tables[type(record)]
        if table.get(record.id) != record:
            table[record.id] = record
            self.changes += name not in _INTERNAL
        return record

    def change(self, record: R, **fields: Any) -> R:
        """Put a copy of ``record`` with other ``fields`` in its place."""
        return self.put(msgspec.structs.replace(record, **fields))

    def remove(self, record: resources.Record) -> None:
        """Remove ``record`` if it is there."""
        name, table = self._tables[type(record)]
        if table.pop(record.id, None) is not None:
            self.changes += name not in _INTERNAL

    def table(self, name: str) -> dict[str, Any]:
        """The table called ``name``."""
        return cast("dict[str, Any]", getattr(self, name))

    # -- ids -------------------------------------------------------------------------------

    def count(self, kind: str) -> int:
        """The next number of ``kind``, from 1."""
        number = self._counters.get(kind, 0) + 1
        self._counters[kind] = number
        return number

    def new_id(self, prefix: str) -> str:
        """An id such as ``lb-bp1k3…``: the same for the same seed and order of creation."""
        digest = hashlib.sha256(f"{self.seed}/{prefix}/{self.count(prefix)}".encode()).digest()
        return f"{prefix}-bp1{base64.b32encode(digest)[:17].decode().lower()}"

    def request_id(self) -> str:
        """The next request id, an upper-case UUID."""
        digest = hashlib.md5(
            f"{self.seed}/request/{self.count('request')}".encode(), usedforsecurity=False
        )
        return str(uuid.UUID(bytes=digest.digest(), version=4)).upper()

    # -- snapshots -------------------------------------------------------------------------

    def snapshot(self) -> Snapshot:
        """The state now. Costs a copy of references, never of records."""
        return Snapshot(
            tables={name: dict(table) for name, table in self._tables.values()},
            counters=dict(self._counters),
            seed=self.seed,
        )

    def restore(self, snapshot: Snapshot) -> None:
        """Go back to ``snapshot``, which another state may have made."""
        for name, table in self._tables.values():
            table.clear()
            table.update(snapshot.tables.get(name, {}))
        self._counters = dict(snapshot.counters)
        self.seed = snapshot.seed

    # -- transitions -----------------------------------------------------------------------

    def later(self, due: float, record: resources.Record, **changes: Any) -> None:
        """Change ``record`` at ``due``; without ``changes`` remove it then."""
        name, _ = self._tables[type(record)]
        self.put(
            resources.Transition(
                id=f"{self.count('transition'):012d}",
                due=due,
                table=name,
                key=record.id,
                changes=changes or None,
            )
        )

    def settle(self, now: float) -> None:
        """Carry out every change that is due at ``now``."""
        due = [item for item in self.transitions.values() if item.due <= now]
        for item in sorted(due, key=lambda item: (item.due, item.id)):
            self.remove(item)
            record = self.table(item.table).get(item.key)
            if record is None:
                continue
            if item.changes is None:
                self.remove(record)
            else:
                self.change(record, **item.changes)
