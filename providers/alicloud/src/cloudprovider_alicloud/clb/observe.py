"""Reading what is there of a Service on a load balancer, in as few calls as the truth allows."""

from __future__ import annotations

import functools
from collections.abc import Iterable

from cloudprovider.concurrency import Concurrency
from cloudprovider.errors import ResourceNotFound
from cloudprovider.toolkit.ownership import Owner, Ownership
from cloudprovider.toolkit.plan import gather
from cloudprovider_alicloud import annotations as keys
from cloudprovider_alicloud.api.slb import Listener, LoadBalancer, ServerGroup
from cloudprovider_alicloud.clb import names
from cloudprovider_alicloud.clb.diff import Observed
from cloudprovider_alicloud.clb.inventory import Inventory
from cloudprovider_alicloud.clb.locate import Locator, Subject
from cloudprovider_alicloud.clb.shared_reads import Look

#: Seconds for which a list of groups that this process read counts as complete.
BELIEVED = 3600.0


class Observer:
    """Reads through ``inventory``, at most ``workers`` server groups at once."""

    def __init__(
        self, inventory: Inventory, locator: Locator, *, workers: int, concurrency: Concurrency
    ) -> None:
        self._inventory = inventory
        self._locator = locator
        self._workers = workers
        self._concurrency = concurrency

    def observe(
        self,
        subject: Subject,
        group_names: Iterable[str],
        look: Look,
        *,
        known: LoadBalancer | None = None,
    ) -> Observed:
        """What is there for a Service that wants a load balancer with ``group_names``.

        Args:
            subject: The Service.
            group_names: Server groups it wants.
            look: How new the answers must be.
            known: Its load balancer as an earlier look of this pass found it: asked again by id.

        """
        balancer = (
            self._inventory.by_id(known.id, look)
            if known is not None
            else self._locator.find(subject, look)
        )
        if balancer is None:
            return Observed()
        return self.parts(subject, balancer, group_names, look)

    def parts(
        self, subject: Subject, balancer: LoadBalancer, group_names: Iterable[str], look: Look
    ) -> Observed:
        """Listeners, and server groups that are ours by name, of ``balancer``.

        Two lists that contradict each other are not believed: groups of ours without any listener
        are a reason to ask again, and a group that a listener of ours uses is asked for by its id.
        """
        listeners = self._inventory.listeners(balancer.id, look)
        groups = self.groups(subject, balancer.id, group_names, look, listeners=listeners)
        left_to_user = subject.values[keys.ID] and not subject.values[keys.FORCE_OVERRIDE]
        if groups and not listeners and not left_to_user:
            listeners = self._inventory.listeners(balancer.id, self._inventory.fresh())
        return Observed(balancer=balancer, listeners=listeners, groups=groups)

    def groups(
        self,
        subject: Subject,
        balancer_id: str,
        group_names: Iterable[str],
        look: Look,
        *,
        listeners: Iterable[Listener] = (),
    ) -> tuple[ServerGroup, ...]:
        """Our server groups with their members.

        Once this process has read the list of groups, only its own writes add groups of ours; so
        the ids that it remembers suffice while every wanted name is among them. But for an hour
        only: a call of the leader before us may have been on its way for long. Members are always
        read anew, also of groups that stayed for those of others: once empty, they go.
        """
        remembered = subject.remembered
        now = self._concurrency.monotonic()
        listed_at = remembered.listed_at
        believed = remembered.listed and listed_at is not None and now < listed_at + BELIEVED
        kept, left = remembered.kept, remembered.left
        if remembered.balancer_id != balancer_id:
            kept, left = (), ()
        known = dict.fromkeys((*(group.id for group in kept), *left))
        if believed and {group.name for group in kept} >= set(group_names):
            found = self._members(known, look)
            if len(found) == len(known):
                return found
            remembered.doubt()
        listed = self._inventory.groups(balancer_id, self._inventory.fresh(look))
        remembered.listed_at = now
        ids = [group.id for group in listed if _is_ours(group.name, subject.owner)]
        if not known.keys() >= set(ids):
            remembered.doubt()  # until a pass has seen to all of them: this one may look again
        ids += known
        ids += [
            listener.group_id
            for listener in listeners
            if listener.group_id
            and names.listener_ownership(listener.description, subject.owner) is Ownership.OURS
        ]
        members = self._members(dict.fromkeys(ids), look)
        return tuple(group for group in members if _is_ours(group.name, subject.owner))

    def _members(self, ids: Iterable[str], look: Look) -> tuple[ServerGroup, ...]:
        """Those of ``ids`` that exist."""
        calls = [functools.partial(self._member, group_id, look) for group_id in ids]
        found = gather(calls, workers=self._workers, concurrency=self._concurrency)
        return tuple(group for group in found if group is not None)

    def _member(self, group_id: str, look: Look) -> ServerGroup | None:
        try:
            return self._inventory.group(group_id, look)
        except ResourceNotFound:
            return None


def _is_ours(name: str, owner: Owner) -> bool:
    return names.GROUP_NAME.check(name, owner) is Ownership.OURS
