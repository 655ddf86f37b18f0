"""What one process remembers of each Service. Never the only basis of a decision that destroys.

A crash loses it; everything in it can be read again from the cloud.
"""

from __future__ import annotations

import contextlib
import dataclasses
import weakref
from collections.abc import Iterable, Iterator

from cloudprovider.concurrency import Concurrency, current
from cloudprovider_alicloud.api.slb import Backend, ServerGroup

#: Services with the same servers share one set: ten thousand of them hold it once.
_shared_sets: weakref.WeakValueDictionary[frozenset[str], frozenset[str]] = (
    weakref.WeakValueDictionary()
)


@dataclasses.dataclass(frozen=True, slots=True)
class KeptGroup:
    """A server group in little memory: servers that differ in nothing else, and the others."""

    id: str
    name: str
    model: Backend | None  #: what the servers have in common
    servers: frozenset[str]
    others: tuple[Backend, ...]

    @classmethod
    def of(cls, group: ServerGroup) -> KeptGroup:
        """``group``, made small."""
        model = group.backends[0] if group.backends else None
        alike, others = [], []
        for backend in group.backends:
            if model and dataclasses.replace(backend, server_id=model.server_id) == model:
                alike.append(backend.server_id)
            else:
                others.append(backend)
        servers = frozenset(alike)
        servers = _shared_sets.setdefault(servers, servers)
        return cls(group.id, group.name, model, servers, tuple(others))

    def group(self) -> ServerGroup:
        """The group as it was."""
        model = self.model
        alike = [dataclasses.replace(model, server_id=s) for s in self.servers] if model else []
        return ServerGroup(self.id, self.name, tuple(sorted([*alike, *self.others])))


@dataclasses.dataclass(slots=True)
class Remembered:
    """One Service's share."""

    balancer_id: str = ""  #: its load balancer, as last seen or created
    recorded_id: str = ""  #: the id that was written to the Service
    dead_id: str = ""  #: the last one that is authentically gone: generation of the client token
    kept: tuple[KeptGroup, ...] = ()  #: groups that are ours there
    left: tuple[str, ...] = ()  #: ids of unwanted ones that stay for what others have in them
    listed: bool = False  #: whether ``kept`` and ``left`` name all of them
    listed_at: float | None = None  #: since when that is believed
    members_at: float | None = None  #: when their members were last known; None = they are not
    create_unknown_at: float | None = None  #: when a create call ended without a clear answer
    conflict_at: float | None = None  #: when the client token was refused for other parameters
    noted: frozenset[str] = frozenset()  #: annotations without effect that were logged

    def keep(self, groups: Iterable[ServerGroup], *, at: float | None) -> None:
        """All our groups are ``groups``, and their members were read at ``at``."""
        self.kept = tuple(KeptGroup.of(group) for group in groups)
        self.listed, self.members_at = True, at
        if self.listed_at is None:
            self.listed_at = at

    def doubt(self) -> None:
        """A write failed: what is remembered of groups may be wrong."""
        self.listed, self.members_at = False, None


class Memory:
    """Remembered state by Service UID, and one lock for each. Safe for threads."""

    def __init__(self, *, concurrency: Concurrency | None = None) -> None:
        self._concurrency = concurrency or current()
        self._free = self._concurrency.condition()
        self._busy: set[str] = set()
        self._remembered: dict[str, Remembered] = {}

    @contextlib.contextmanager
    def of(self, uid: str) -> Iterator[Remembered]:
        """What is remembered of ``uid``, held alone: passes over one Service never overlap."""
        with self._free:
            self._free.wait_for(lambda: uid not in self._busy)
            self._busy.add(uid)
            remembered = self._remembered.setdefault(uid, Remembered())
        try:
            yield remembered
        finally:
            with self._free:
                self._busy.discard(uid)
                self._free.notify_all()

    def peek(self, uid: str) -> Remembered:
        """What is remembered of ``uid`` now, without waiting for a pass that is under way."""
        with self._free:
            found = self._remembered.get(uid)
            return Remembered() if found is None else dataclasses.replace(found)

    def forget(self, uid: str, *, dead_id: str = "") -> None:
        """Forget ``uid``, but for the id that its next client token must avoid."""
        with self._free:
            self._remembered.pop(uid, None)
            if dead_id:
                self._remembered[uid] = Remembered(dead_id=dead_id)
