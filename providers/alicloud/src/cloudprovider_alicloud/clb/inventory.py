"""Reads of load balancers, shared among all Services: by pages, not by Service.

Source: ``spec/alicloud.md`` 7.2 (SLB 3, 4, 14, 26, 28); budgets: ``design.md`` 10.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping

from cloudprovider.concurrency import Concurrency, current
from cloudprovider.errors import CloudProviderError, ResourceNotFound
from cloudprovider_alicloud.api.slb import (
    BALANCERS_PER_CALL,
    Listener,
    LoadBalancer,
    ServerGroup,
    SlbApi,
)
from cloudprovider_alicloud.clb import names
from cloudprovider_alicloud.clb.shared_reads import Look, SharedReads

#: Seconds that an answer serves passes that find nothing to do.
MAX_AGE = 30.0

#: How far from a load balancer its neighbours are looked for.
NEIGHBOURHOOD = 50

_LISTING = ("listing",)


@dataclasses.dataclass(frozen=True)
class _Listing:
    """All load balancers of the cluster, by the owner's tag."""

    by_owner: Mapping[str, tuple[LoadBalancer, ...]]
    ids: tuple[str, ...]
    pages: int
    began: int  #: the point at which the list was asked for


class Inventory:
    """What is in the cloud, as read through ``api``. Safe for threads."""

    def __init__(
        self,
        api: SlbApi,
        *,
        cluster_id: str,
        max_age: float = MAX_AGE,
        concurrency: Concurrency | None = None,
    ) -> None:
        concurrency = concurrency or current()
        self._api = api
        self._cluster_id = cluster_id
        self._max_age = max_age
        self._concurrency = concurrency
        self._reads = SharedReads(max_age=max_age, concurrency=concurrency)
        self._lock = concurrency.lock()
        self._listeners_lock = concurrency.lock()
        self._changed: dict[str, int] = {}  #: id to the point at which we changed it
        self._gone: set[str] = set()  #: ids that are authentically gone; ids are never reused
        self._pages = 0
        self._singles = 0
        self._singles_since = -max_age

    def look(self) -> Look:
        """See :meth:`SharedReads.look`."""
        return self._reads.look()

    def fresh(self, look: Look | None = None) -> Look:
        """See :meth:`SharedReads.fresh`."""
        return self._reads.fresh(look)

    # -- load balancers --------------------------------------------------------------------

    def by_owner(self, name: str, look: Look) -> tuple[LoadBalancer, ...]:
        """Those with the owner tag ``name``: of the shared list, or asked for alone.

        In a large cluster the list has many pages; it is read only when as many single questions
        were asked in a short time as it has pages, so the cost is never more than twice the best.
        """
        if self._asks_alone(look):
            tags = {names.TAG_OWNER: name}
            alone, _ = self._reads.read(
                ("owner", name), lambda: self._api.describe_load_balancers(tags=tags), look
            )
            return tuple(b for b in alone if b.id not in self._gone)
        listing = self._reads.read(_LISTING, self._list, look)
        found = [b for b in listing.by_owner.get(name, ()) if b.id not in self._gone]
        return tuple(self.by_id(b.id, look) if self._is_outdated(b, listing) else b for b in found)

    def all(self, look: Look) -> dict[str, LoadBalancer]:
        """The load balancers with this cluster's tag, by id: one call for each hundred.

        But those that we wrote to since the list was read: it says what they were before.
        """
        listing = self._reads.read(_LISTING, self._list, look)
        found = (b for balancers in listing.by_owner.values() for b in balancers)
        return {
            b.id: b for b in found if b.id not in self._gone and not self._is_outdated(b, listing)
        }

    def _is_outdated(self, balancer: LoadBalancer, listing: _Listing) -> bool:
        return self._changed.get(balancer.id, 0) >= listing.began

    def _asks_alone(self, look: Look) -> bool:
        if self._reads.peek(_LISTING, look):
            return False
        now = self._concurrency.monotonic()
        with self._lock:
            if now - self._singles_since > self._max_age:
                self._singles, self._singles_since = 0, now
            if self._pages <= 1 or self._singles >= self._pages:
                return False
            self._singles += 1
            return True

    def _list(self) -> _Listing:
        began, _ = self._reads.begin()
        found, pages = self._api.describe_load_balancers(tags={names.TAG_CLUSTER: self._cluster_id})
        by_owner: dict[str, tuple[LoadBalancer, ...]] = {}
        for balancer in found:
            owner = balancer.tags.get(names.TAG_OWNER, "")
            by_owner[owner] = (*by_owner.get(owner, ()), balancer)
        with self._lock:
            self._pages = pages
        return _Listing(by_owner, tuple(balancer.id for balancer in found), pages, began)

    def by_id(self, balancer_id: str, look: Look, *, users: bool = False) -> LoadBalancer:
        """One by its id.

        Args:
            balancer_id: The id.
            look: How new the answer must be.
            users: Whether a user wrote the id, and may yet make what it names: that it is absent is
                asked again each time.

        Raises:
            ResourceNotFound: authentically not there.

        """
        if balancer_id in self._gone and not users:
            raise ResourceNotFound(f"load balancer {balancer_id} does not exist")
        key = ("balancer", balancer_id)
        try:
            found = self._reads.read(
                key, lambda: self._api.describe_load_balancer(balancer_id), look
            )
        except ResourceNotFound:
            if not users:
                self.deleted(balancer_id)
            raise
        if found.id != balancer_id:
            raise CloudProviderError(f"asked for load balancer {balancer_id}, got {found.id!r}")
        return found

    def by_tag(self, name: str) -> tuple[LoadBalancer, ...]:
        """Those with the owner tag ``name``, whatever their cluster's tag, asked now."""
        found, _ = self._api.describe_load_balancers(tags={names.TAG_OWNER: name})
        return tuple(b for b in found if b.id not in self._gone)

    def by_name(self, name: str) -> tuple[LoadBalancer, ...]:
        """Those called ``name``, asked now."""
        found, _ = self._api.describe_load_balancers(name=name)
        return tuple(b for b in found if b.name == name and b.id not in self._gone)

    def by_address(self, address: str) -> tuple[LoadBalancer, ...]:
        """Those with ``address``, asked now."""
        found, _ = self._api.describe_load_balancers(address=address)
        return tuple(b for b in found if b.address == address and b.id not in self._gone)

    # -- parts -----------------------------------------------------------------------------

    def listeners(self, balancer_id: str, look: Look) -> tuple[Listener, ...]:
        """Listeners of one load balancer; the same call brings those of up to nine neighbours."""
        key = ("listeners", balancer_id)
        with self._listeners_lock:  # one batch at a time: the next caller may find its answer in it
            return self._reads.read(key, lambda: self._read_listeners(balancer_id, look), look)

    def _read_listeners(self, balancer_id: str, look: Look) -> tuple[Listener, ...]:
        batch = [balancer_id, *self._neighbours(balancer_id, look)]
        begun = self._reads.begin()
        found = self._api.describe_listeners(batch)
        by_balancer: dict[str, list[Listener]] = {other: [] for other in batch}
        for listener in found:
            by_balancer.setdefault(listener.balancer_id, []).append(listener)
        own = tuple(by_balancer.pop(balancer_id))
        for other, theirs in by_balancer.items():
            self._reads.put(("listeners", other), tuple(theirs), begun)
        return own

    def _neighbours(self, balancer_id: str, look: Look) -> list[str]:
        """Up to nine of the cluster's load balancers whose listeners are not known."""
        if look.max_age < 0 or not self._reads.peek(_LISTING, look):
            return []  # a look that precedes a write costs no more than it must
        listed = self._reads.read(_LISTING, self._list, self._reads.look()).ids
        start = listed.index(balancer_id) + 1 if balancer_id in listed else 0
        following = (listed[start:] + listed[:start])[:NEIGHBOURHOOD]
        unknown = [
            other
            for other in following
            if other != balancer_id and not self._reads.peek(("listeners", other), look)
        ]
        return unknown[: BALANCERS_PER_CALL - 1]

    def groups(self, balancer_id: str, look: Look) -> tuple[ServerGroup, ...]:
        """All server groups of a load balancer, without members."""
        return self._reads.read(
            ("groups", balancer_id), lambda: self._api.describe_server_groups(balancer_id), look
        )

    def group(self, group_id: str, look: Look) -> ServerGroup:
        """One server group with its members, read in this pass.

        Raises:
            ResourceNotFound: authentically not there.

        """
        key = ("group", group_id)
        if key not in look.memo:
            look.memo[key] = self._api.describe_server_group(group_id)
        found: ServerGroup = look.memo[key]
        return found

    # -- what we did -----------------------------------------------------------------------

    def changed(self, balancer_id: str) -> None:
        """We wrote to a load balancer or its parts: forget what was read of them."""
        self._reads.drop(
            ("balancer", balancer_id), ("listeners", balancer_id), ("groups", balancer_id)
        )
        with self._lock:
            self._changed[balancer_id] = self._reads.begin()[0]

    def deleted(self, balancer_id: str) -> None:
        """A load balancer is authentically gone, whatever lists that lag may say."""
        self.changed(balancer_id)
        with self._lock:
            self._gone.add(balancer_id)

    def outdated(self) -> None:
        """There may be a load balancer that the list does not show."""
        self._reads.drop(_LISTING)

    def is_gone(self, balancer_id: str) -> bool:
        """Whether ``balancer_id`` is known to be authentically gone."""
        return balancer_id in self._gone
