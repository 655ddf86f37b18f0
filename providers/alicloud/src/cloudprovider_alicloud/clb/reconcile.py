"""One pass over one Service: ensure, update of backends, delete.

A pass that finds nothing to do rests on answers that Services share and that may be half a minute
old; before anything is written, what the write rests on is read again. A node change rests on the
members that are remembered, because adding and removing members needs no other knowledge.
"""

from __future__ import annotations

import dataclasses
import logging
from collections.abc import Sequence

from cloudprovider.concurrency import Concurrency
from cloudprovider.errors import (
    CloudProviderError,
    InvalidConfiguration,
    QuotaExceeded,
    ResourceNotFound,
    RetryLater,
    Unauthorized,
)
from cloudprovider.toolkit import fence
from cloudprovider.toolkit.ownership import Ownership
from cloudprovider.toolkit.plan import Outcome, Plan, combine
from cloudprovider_alicloud import annotations as keys
from cloudprovider_alicloud.api.errors import AmbiguousOutcome
from cloudprovider_alicloud.api.slb import LoadBalancer, ServerGroup, SlbApi
from cloudprovider_alicloud.clb import deletion, names
from cloudprovider_alicloud.clb import operations as op
from cloudprovider_alicloud.clb.apply import BatchSize, Executor, carry_out, is_stale
from cloudprovider_alicloud.clb.creation import Creator
from cloudprovider_alicloud.clb.desired import Desired, Group
from cloudprovider_alicloud.clb.diff import Change, Observed, diff, diff_groups
from cloudprovider_alicloud.clb.inventory import Inventory
from cloudprovider_alicloud.clb.locate import Locator, Subject
from cloudprovider_alicloud.clb.memory import Remembered
from cloudprovider_alicloud.clb.observe import Observer
from cloudprovider_alicloud.clb.refusals import explained

_log = logging.getLogger(__name__)


@dataclasses.dataclass(frozen=True)
class Settings:
    """What an operator may tune."""

    batch_size: int = 20  #: members per call, 1 to 40; halved when the account refuses
    workers: int = 4  #: calls at once for one Service
    shared_seconds: float = 30.0  #: how long shared answers serve passes without changes
    memory_seconds: float = 300.0  #: how long remembered members serve a change of nodes


class Reconciler:
    """Carries out passes. The caller holds the Service's memory."""

    def __init__(
        self,
        api: SlbApi,
        inventory: Inventory,
        creator: Creator,
        settings: Settings,
        *,
        concurrency: Concurrency,
    ) -> None:
        self._api = api
        self._inventory = inventory
        self._creator = creator
        self._settings = settings
        self._concurrency = concurrency
        self._batch = BatchSize(settings.batch_size)
        self._locator = Locator(inventory)
        self._observer = Observer(
            inventory, self._locator, workers=settings.workers, concurrency=concurrency
        )

    # -- ensure ----------------------------------------------------------------------------

    def ensure(self, subject: Subject, desired: Desired) -> tuple[str, str]:
        """Converge; id and address of the load balancer.

        Raises:
            CloudProviderError: what could be done was done; the rest is in the error.

        """
        for last in (False, True):
            observed, change = self._decide(subject, desired)
            executor = self._executor(subject, observed, change)
            outcome = self._apply(change.plan, executor)
            if last or not any(is_stale(error) for error in outcome.failed.values()):
                break
            self._look_away(subject, executor)  # done after all, or gone: look again, once
        self._remember(subject, desired, executor, observed, outcome)
        subject.remembered.left = change.left
        errors = (*outcome.failed.values(), *change.problems)
        if errors:
            raise combine(errors)
        found = observed.balancer
        return executor.balancer_id, found.address if found else executor.address

    def plan(self, subject: Subject, desired: Desired) -> Change:
        """What :meth:`ensure` would do. Reads only, and only what is so now."""
        group_names = [group.name for group in desired.groups]
        observed = self._observer.observe(subject, group_names, self._inventory.fresh())
        return diff(desired, observed, batch=self._batch.limit)

    def _decide(self, subject: Subject, desired: Desired) -> tuple[Observed, Change]:
        """What is there and what to do about it; never a change that rests on an old answer."""
        look = self._inventory.look()
        group_names = [group.name for group in desired.groups]
        observed = self._observer.observe(subject, group_names, look)
        change = diff(desired, observed, batch=self._batch.limit)
        known = observed.balancer
        if (change.plan or change.problems) and known is not None and look.used_old:
            look = self._inventory.fresh(look)
            try:
                observed = self._observer.observe(subject, group_names, look, known=known)
            except ResourceNotFound as error:
                raise RetryLater(f"load balancer {known.id} has just gone", after=1.0) from error
            change = diff(desired, observed, batch=self._batch.limit)
        return observed, change

    def _executor(self, subject: Subject, observed: Observed, change: Change) -> Executor:
        def create(operation: op.CreateBalancer) -> LoadBalancer:
            try:
                return self._creator.create(
                    operation,
                    subject.service,
                    subject.remembered,
                    any_vswitch=keys.VSWITCH not in subject.values,
                )
            except CloudProviderError as error:
                found = explained(error, operation.params, subject.values)
                if found is error:
                    raise
                raise found from error

        return Executor(
            self._api,
            self._inventory,
            self._batch,
            create=create,
            balancer_id=observed.balancer.id if observed.balancer else "",
            group_ids=change.group_ids,
        )

    def _apply(self, plan: Plan, executor: Executor) -> Outcome:
        workers = self._settings.workers
        return carry_out(plan, executor, workers=workers, concurrency=self._concurrency)

    def _look_away(self, subject: Subject, executor: Executor) -> None:
        """Forget what was read, so that the next look is at the world as it is now."""
        subject.remembered.doubt()
        if not executor.balancer_id:
            return
        self._inventory.changed(executor.balancer_id)
        if executor.address:  # created just now: or did the token give one that is long dead?
            try:
                self._inventory.by_id(executor.balancer_id, self._inventory.fresh())
            except ResourceNotFound:
                subject.remembered.dead_id = executor.balancer_id
                subject.remembered.balancer_id = ""

    def _remember(
        self,
        subject: Subject,
        desired: Desired,
        executor: Executor,
        observed: Observed,
        outcome: Outcome,
    ) -> None:
        """Keep what is true of our groups, for the next change of nodes."""
        remembered = subject.remembered
        remembered.balancer_id = executor.balancer_id or remembered.balancer_id
        if outcome.failed or outcome.skipped:
            remembered.doubt()
            return
        there = {group.id: group for group in observed.groups}
        wanted = [
            _as_applied(subject, group, there.get(executor.group_ids[group.name]), executor)
            for group in desired.groups
        ]
        remembered.keep(wanted, at=self._concurrency.monotonic())

    # -- update ----------------------------------------------------------------------------

    def update(self, subject: Subject, groups: Sequence[Group]) -> None:
        """Bring the members of the groups that exist to ``groups``.

        Raises:
            ResourceNotFound: the Service has no load balancer.

        """
        remembered = subject.remembered
        at, now = remembered.members_at, self._concurrency.monotonic()
        if at is not None and now - at <= self._settings.memory_seconds:
            try:
                self._write_members(subject, groups, [kept.group() for kept in remembered.kept])
            except (RetryLater, Unauthorized, QuotaExceeded, InvalidConfiguration):
                raise
            except CloudProviderError as error:
                _log.info("%s: reading server groups again: %s", subject.service.key, error)
            else:
                remembered.members_at = at
                return
        self._update_as_read(subject, groups)

    def _update_as_read(self, subject: Subject, groups: Sequence[Group]) -> None:
        """On what the cloud says now; once more if a write's outcome stays unknown."""
        for last in (False, True):
            read_at = self._concurrency.monotonic()
            there = self._read_members(subject, groups)
            try:
                self._write_members(subject, groups, there)
            except AmbiguousOutcome:
                if last:
                    raise
                continue
            subject.remembered.members_at = read_at
            return

    def _read_members(self, subject: Subject, groups: Sequence[Group]) -> tuple[ServerGroup, ...]:
        remembered = subject.remembered
        balancer_id = remembered.balancer_id
        look = self._inventory.look()
        if not (balancer_id and remembered.listed):
            balancer = self._locator.find(subject, look)
            if balancer is None:
                raise ResourceNotFound(f"Service {subject.service.key} has no load balancer")
            balancer_id = balancer.id
        group_names = [group.name for group in groups]
        there = self._observer.groups(subject, balancer_id, group_names, look)
        remembered.balancer_id = balancer_id
        return there

    def _write_members(
        self, subject: Subject, groups: Sequence[Group], there: Sequence[ServerGroup]
    ) -> None:
        """Write, and remember the members; what fails leaves doubt."""
        keep_weights = subject.values[keys.IGNORE_WEIGHT_UPDATE]
        there = [group for group in there if group.id not in subject.remembered.left]
        plan = diff_groups(groups, there, owner=subject.owner, keep_weights=keep_weights)
        executor = Executor(
            self._api,
            self._inventory,
            self._batch,
            create=_create_nothing,
            balancer_id=subject.remembered.balancer_id,
            group_ids={group.name: group.id for group in there},
        )
        if plan:
            subject.remembered.doubt()
            self._apply(plan, executor).raise_for_errors()
        wanted = {group.name: group for group in groups}
        subject.remembered.keep(
            [
                _as_applied(subject, wanted[group.name], group, executor)
                if group.name in wanted
                else group
                for group in there
            ],
            at=None,
        )

    # -- delete ----------------------------------------------------------------------------

    def find_all(self, subject: Subject, *, now: bool = False) -> list[LoadBalancer]:
        """Every load balancer with something of the Service; ``now`` = none from an old answer.

        Raises:
            RetryLater: there may be one soon: a create call ended without an answer.

        """
        look = self._inventory.look()
        found = self._locator.find_all(subject, look)
        if look.used_old and not found:
            found = self._locator.find_all(subject, self._inventory.fresh(look))
        elif look.used_old and now:
            found = self._still_there(found)
        if not found and self._creator.unsettled(subject.remembered):
            raise RetryLater(
                "a call to create this load balancer ended without an answer and may still take "
                "effect",
                after=10.0,
            )
        return found

    def _still_there(self, found: Sequence[LoadBalancer]) -> list[LoadBalancer]:
        there = []
        look = self._inventory.fresh()
        for balancer in found:
            try:
                there.append(self._inventory.by_id(balancer.id, look))
            except ResourceNotFound:
                _log.info("load balancer %s is gone already", balancer.id)
        return there

    def delete(self, subject: Subject) -> None:
        """Take away everything of the Service.

        Raises:
            Overtaken: it is asked for again; what is left of it is as it was.

        """
        for balancer in self.find_all(subject, now=True):
            fence.confirm()
            self._delete(subject, balancer)

    def _delete(self, subject: Subject, balancer: LoadBalancer) -> None:
        own = subject.owns(balancer)
        if own and keys.PRESERVE not in subject.values:
            self._let_go(deletion.delete(balancer), balancer, preserved=False)
            subject.remembered.dead_id = balancer.id
            return
        parts = dataclasses.replace(subject, remembered=Remembered())
        observed = self._observer.parts(parts, balancer, (), self._inventory.fresh())
        self._carry_out(deletion.leave(subject.owner, observed), balancer)
        if own:  # last, because its tags are how it is found again after a crash
            tags = names.balancer_tags(subject.owner, subject.service)
            self._let_go(deletion.release(balancer, tags), balancer, preserved=True)

    def _let_go(self, change: Change, balancer: LoadBalancer, *, preserved: bool) -> None:
        """Carry out what begins with the end of protection; given back where it is overtaken."""
        try:
            self._carry_out(change, balancer)
        except fence.Overtaken:
            self._carry_out(deletion.keep(balancer, preserved=preserved), balancer)
            raise

    def _carry_out(self, change: Change, balancer: LoadBalancer) -> None:
        executor = Executor(
            self._api,
            self._inventory,
            self._batch,
            create=_create_nothing,
            balancer_id=balancer.id,
        )
        outcome = self._apply(change.plan, executor)
        errors = (*outcome.failed.values(), *change.problems)
        if errors:
            raise combine(errors)


def _as_applied(
    subject: Subject, wanted: Group, before: ServerGroup | None, executor: Executor
) -> ServerGroup:
    """The group after a plan that succeeded: wanted members, and those of other owners."""
    refused = {server for group, server in executor.refused if group == wanted.name}
    keep_weights = subject.values[keys.IGNORE_WEIGHT_UPDATE]
    members = {b.key: b for b in wanted.backends if b.server_id not in refused}
    for backend in before.backends if before else ():
        if backend.key in members:
            if keep_weights:
                weight = backend.weight
                members[backend.key] = dataclasses.replace(members[backend.key], weight=weight)
        elif names.GROUP_NAME.check(backend.description, subject.owner) is not Ownership.OURS:
            members[backend.key] = backend
    group_id = executor.group_ids[wanted.name]
    return ServerGroup(group_id, wanted.name, tuple(sorted(members.values())))


def _create_nothing(operation: op.CreateBalancer) -> LoadBalancer:
    raise CloudProviderError(f"no load balancer is created here: {operation}")
