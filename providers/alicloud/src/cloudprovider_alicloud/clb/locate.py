"""Finding the load balancer of a Service, and proving that there is none.

Source: ``spec/alicloud.md`` 4.3. Only an authentic not-found by id is absence. An empty list is
taken for absence only where no id was ever recorded, and then three independent lists must agree.
"""

from __future__ import annotations

import dataclasses

from cloudprovider.errors import (
    CloudProviderError,
    InvalidConfiguration,
    NotOwned,
    ResourceNotFound,
)
from cloudprovider.models import Service
from cloudprovider.toolkit.annotations import Values
from cloudprovider.toolkit.ownership import Owner, Ownership
from cloudprovider.toolkit.service import default_load_balancer_name
from cloudprovider_alicloud import annotations as keys
from cloudprovider_alicloud.api.slb import LoadBalancer
from cloudprovider_alicloud.clb import names
from cloudprovider_alicloud.clb.inventory import Inventory
from cloudprovider_alicloud.clb.memory import Remembered
from cloudprovider_alicloud.clb.shared_reads import Look


@dataclasses.dataclass(frozen=True)
class Subject:
    """The Service that is looked for."""

    service: Service
    owner: Owner
    values: Values
    remembered: Remembered

    @property
    def is_others(self) -> bool:
        """Whether its annotations say that another controller looks after it."""
        return keys.CLASS in self.values or keys.TUNNEL_TYPE in self.values

    @property
    def recorded_ids(self) -> list[str]:
        """Ids that were written to the Service or are remembered, the surest first."""
        label = (self.service.metadata.labels or {}).get(names.LABEL_ID, "")
        return [i for i in dict.fromkeys((self.remembered.balancer_id, label)) if i]

    @property
    def status_ip(self) -> str:
        """The address in the Service's status, or empty."""
        ingress = self.service.status.load_balancer.ingress or ()
        return next((point.ip for point in ingress if point.ip), "")

    def owns(self, balancer: LoadBalancer) -> bool:
        """Whether ``balancer`` is provably this Service's own."""
        verdict = names.balancer_ownership(balancer, self.owner, self.service)
        return verdict is Ownership.OURS


class Locator:
    """Finds load balancers in ``inventory``."""

    def __init__(self, inventory: Inventory) -> None:
        self._inventory = inventory

    # -- for a Service that wants one ------------------------------------------------------

    def find(self, subject: Subject, look: Look) -> LoadBalancer | None:
        """The load balancer to use, or None if one may be created.

        Raises:
            InvalidConfiguration: the annotations name one that does not exist or does not fit.
            NotOwned: they name one that a manager made for somebody else.
            CloudProviderError: it should be there and cannot be found.

        """
        reuse_id = subject.values[keys.ID]
        return self._reused(subject, reuse_id, look) if reuse_id else self._own(subject, look)

    def _reused(self, subject: Subject, reuse_id: str, look: Look) -> LoadBalancer:
        field = keys.ANNOTATIONS.full_key(keys.ID)
        try:
            found = self._inventory.by_id(reuse_id, look, users=True)
        except ResourceNotFound as error:
            raise InvalidConfiguration(
                "there is no such load balancer",
                field=field,
                value=reuse_id,
                accepted="the id of a CLB in this region, or no such annotation to get a new one",
                code=error.code,
                request_id=error.request_id,
            ) from error
        refusal = f"alicloud: the loadbalancer {found.id} can not be reused"
        if names.made_by_kubernetes(found):
            raise NotOwned(
                f"{field}={reuse_id!r}: {refusal}, can not reuse loadbalancer created by "
                f"kubernetes. {_whose(subject, found)}; accepted: the id of one that was made by "
                "hand, or no such annotation to get a new one",
                resource=found.id,
                owner=found.tags.get(names.TAG_OWNER) or found.tags.get(names.TAG_CLUSTER, ""),
            )
        shown = subject.status_ip
        if shown and shown != found.address and not subject.values[keys.EXTERNAL_IP_TYPE]:
            raise InvalidConfiguration(
                f"{refusal}, service has been associated with ip [{shown}], "
                f"cannot be bound to ip [{found.address}]",
                field=field,
                value=reuse_id,
                accepted="a new Service for this load balancer, or no such annotation here",
            )
        return found

    def _own(self, subject: Subject, look: Look) -> LoadBalancer | None:
        name = default_load_balancer_name(subject.service)
        tagged = [b for b in self._inventory.by_owner(name, look) if subject.owns(b)]
        recorded = subject.recorded_ids
        if len(tagged) > 1:
            tagged = [b for b in tagged if b.id in recorded[:1]] or tagged
        if len(tagged) > 1:
            ids = ", ".join(sorted(balancer.id for balancer in tagged))
            raise CloudProviderError(
                f"several load balancers carry the tags of this Service: {ids}"
            )
        if tagged:
            return tagged[0]
        for balancer_id in recorded:
            found = self._recorded(subject, balancer_id, look)
            if found is not None:
                return found
        return None if recorded else self._untagged(subject, name)

    def _recorded(self, subject: Subject, balancer_id: str, look: Look) -> LoadBalancer | None:
        try:
            found = self._inventory.by_id(balancer_id, look)
        except ResourceNotFound:
            subject.remembered.dead_id = balancer_id
            return None
        if subject.owns(found):
            return found
        raise NotOwned(
            f"load balancer {balancer_id} is recorded for this Service, but has neither its tags "
            f"nor its name. If the Service reused it, set {keys.ANNOTATIONS.full_key(keys.ID)} "
            f"again; if its tags were taken away, put {names.TAG_OWNER} back; or delete the "
            "Service and create it anew",
            resource=balancer_id,
            owner=found.tags.get(names.TAG_OWNER, ""),
        )

    def _untagged(self, subject: Subject, name: str) -> LoadBalancer | None:
        """No id was ever recorded: a status with an address says that there was one."""
        if not subject.service.status.load_balancer.ingress:
            return None
        found = self._by_other_means(subject, name)
        if found:
            return found[0]
        meta = subject.service.metadata
        raise CloudProviderError(
            f"alicloud: can not find loadbalancer, but it's defined in service [{meta.name}] of "
            f"namespace {meta.namespace}. this may happen when you delete the loadbalancer. Its id "
            "is not known, so it cannot be proved gone and none is created in its place; delete "
            "the Service and create it anew"
        )

    def _by_other_means(self, subject: Subject, name: str) -> list[LoadBalancer]:
        found = {b.id: b for b in self._inventory.by_tag(name)}
        found.update((b.id, b) for b in self._inventory.by_name(name))
        if subject.status_ip:
            found.update((b.id, b) for b in self._inventory.by_address(subject.status_ip))
        return [balancer for balancer in found.values() if subject.owns(balancer)]

    # -- for a Service that wants none (any more) --------------------------------------------

    def find_all(self, subject: Subject, look: Look) -> list[LoadBalancer]:
        """Every load balancer that may hold something of the Service: by tag and by id.

        An empty list means: nothing is left, as surely as can be known, unless ``look`` used an old
        answer.
        """
        name = default_load_balancer_name(subject.service)
        found = {b.id: b for b in self._inventory.by_owner(name, look) if subject.owns(b)}
        known = [*subject.recorded_ids, subject.values[keys.ID] or ""]
        for balancer_id in dict.fromkeys(known):
            if not balancer_id or balancer_id in found:
                continue
            try:
                found[balancer_id] = self._inventory.by_id(balancer_id, look)
            except ResourceNotFound:
                continue
        if not found and not subject.recorded_ids and not look.used_old:
            return self._by_other_means(subject, name)
        return list(found.values())


def _whose(subject: Subject, balancer: LoadBalancer) -> str:
    """Who made ``balancer``, by its tags."""
    if subject.owns(balancer):
        return "This Service has it already"
    cluster = balancer.tags.get(names.TAG_CLUSTER, "")
    tag = balancer.tags.get(names.TAG_OWNER, "")
    who = f"cluster {cluster}" if cluster else "a cluster"
    return f"It belongs to {who}" + (f" (tag {names.TAG_OWNER}: {tag})" if tag else "")
