"""A cheap look at all load balancers at once: what somebody changed, and what belongs to nobody.

Reads by pages, shared with the passes: one call for a hundred load balancers, one for the listeners
of ten, and the members of every twelfth Service. Writes nothing; what it finds is looked at again
by a pass. Source: ``spec/ccm-core.md`` 6.2 #17, #35.
"""

from __future__ import annotations

import dataclasses
import logging
import zlib
from collections.abc import Callable, Iterator, Sequence

from cloudprovider.errors import (
    CloudProviderError,
    InvalidConfiguration,
    ResourceNotFound,
    Throttled,
)
from cloudprovider.interface import Survey
from cloudprovider.models import Service
from cloudprovider.toolkit.plan import Plan
from cloudprovider.toolkit.service import default_load_balancer_name
from cloudprovider_alicloud import annotations as keys
from cloudprovider_alicloud.api.slb import LoadBalancer, ServerGroup
from cloudprovider_alicloud.clb import names
from cloudprovider_alicloud.clb.desired import Desired, Group, desired_state
from cloudprovider_alicloud.clb.diff import Observed, diff, diff_groups
from cloudprovider_alicloud.clb.inventory import Inventory
from cloudprovider_alicloud.clb.locate import Subject
from cloudprovider_alicloud.clb.shared_reads import Look
from cloudprovider_alicloud.config import DEFAULT_CLUSTER_ID, AlicloudConfig

_log = logging.getLogger(__name__)

#: Members take a call for each Service; so many looks read those of all.
MEMBER_ROUNDS = 12


class Surveyor:
    """Looks through ``inventory``. One look at a time.

    Args:
        inventory: The cloud.
        config: The cluster's id.
        subject_of: A Service with what is remembered of it.

    """

    def __init__(
        self,
        inventory: Inventory,
        config: AlicloudConfig,
        subject_of: Callable[[Service], Subject],
    ) -> None:
        self._inventory = inventory
        self._config = config
        self._subject_of = subject_of
        self._rounds = 0

    def look(self, services: Sequence[Service]) -> Survey:
        """What is not as this process left it, and what belongs to none of ``services``.

        Raises:
            CloudProviderError: the cloud gives no answer.

        """
        self._rounds += 1
        look = self._inventory.look()
        listed = self._inventory.all(look)
        drifted = {}
        for service in services:
            try:
                found = self._difference(service, listed, look)
            except Throttled:
                raise  # further questions would only make it worse
            except CloudProviderError as error:  # concerns this one alone (R6)
                _log.warning("load balancer of %s could not be surveyed: %s", service.key, error)
            else:
                if found:
                    drifted[service.metadata.uid] = found
        return Survey(drifted, *self._owned(services, listed))

    # -- drift -----------------------------------------------------------------------------

    def _difference(self, service: Service, listed: dict[str, LoadBalancer], look: Look) -> str:
        """The first difference, in words; empty if there is none or nothing to compare with."""
        wanting = service.spec.type == "LoadBalancer"
        if not wanting or service.metadata.deletion_timestamp is not None:
            return ""
        subject = self._subject_of(service)
        remembered = subject.remembered
        if subject.is_others or not (remembered.listed and remembered.balancer_id):
            return ""
        return next(self._differences(subject, listed, look), "")

    def _differences(
        self, subject: Subject, listed: dict[str, LoadBalancer], look: Look
    ) -> Iterator[str]:
        balancer_id = subject.remembered.balancer_id
        balancer = listed.get(balancer_id)
        # Not in the list: a user's own, or written to since. Only a not-found by id is absence.
        if balancer is None:
            balancer = self._by_id(balancer_id, look)
        if balancer is None:
            yield f"load balancer {balancer_id} is not there any more"
            return
        kept = [ServerGroup(group.id, group.name) for group in subject.remembered.kept]
        desired = self._desired(subject, kept)
        if desired is None:
            return
        listeners = self._inventory.listeners(balancer_id, look)
        observed = Observed(balancer, listeners, tuple(kept))
        yield from _sentences(diff(desired, observed, batch=1).plan)
        if zlib.crc32(subject.service.metadata.uid.encode()) % MEMBER_ROUNDS == (
            self._rounds % MEMBER_ROUNDS
        ):
            yield from self._members(subject, look)

    def _by_id(self, balancer_id: str, look: Look) -> LoadBalancer | None:
        try:
            return self._inventory.by_id(balancer_id, look, users=True)
        except ResourceNotFound:
            return None

    def _desired(self, subject: Subject, kept: Sequence[ServerGroup]) -> Desired | None:
        """What the Service asks for, its members left out; None: nothing that can be done."""
        try:
            desired = desired_state(subject.service, (), subject.values, self._config)
        except InvalidConfiguration:
            return None  # a pass has told its owner
        return dataclasses.replace(desired, groups=tuple(Group(item.name, ()) for item in kept))

    def _members(self, subject: Subject, look: Look) -> Iterator[str]:
        for kept in subject.remembered.kept:
            left = kept.group()
            try:
                found = self._inventory.group(kept.id, look)
            except ResourceNotFound:
                yield f"server group {kept.id} is not there any more"
                return
            changes = diff_groups(
                [Group(left.name, left.backends)],
                [found],
                owner=subject.owner,
                keep_weights=subject.values[keys.IGNORE_WEIGHT_UPDATE],
            )
            yield from _sentences(changes)

    # -- whose they are --------------------------------------------------------------------

    def _owned(
        self, services: Sequence[Service], listed: dict[str, LoadBalancer]
    ) -> tuple[dict[str, str], dict[str, str]]:
        """Those of none of ``services``, in words by id; the others' ids by UID."""
        orphans: dict[str, str] = {}
        marked: dict[str, str] = {}
        if self._config.cluster_id == DEFAULT_CLUSTER_ID:
            return orphans, marked  # many clusters have it: the tag does not say that it is ours
        uids = {default_load_balancer_name(item): item.metadata.uid for item in services}
        for balancer in listed.values():
            owner = balancer.tags.get(names.TAG_OWNER, "")
            if owner in uids:
                marked[uids[owner]] = balancer.id
            elif owner:
                orphans[balancer.id] = f"{balancer.name} (tag {names.TAG_OWNER}: {owner})"
        return orphans, marked


def _sentences(plan: Plan) -> Iterator[str]:
    for action in plan:
        yield f"{action.kind} {action.resource}: {action.sentence}"
