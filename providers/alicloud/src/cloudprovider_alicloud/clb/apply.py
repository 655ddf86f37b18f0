"""Carrying out a plan: the only place of this package that writes to the cloud.

Source: ``spec/alicloud.md`` 4.3 to 4.5, 7.4 (codes and what to do about them).
"""

from __future__ import annotations

import dataclasses
import logging
from collections.abc import Callable, Sequence
from typing import Any

from cloudprovider.concurrency import Concurrency
from cloudprovider.errors import CloudProviderError, NotFound
from cloudprovider.toolkit.plan import Action, Outcome, Plan, apply, combine
from cloudprovider_alicloud.api.errors import AmbiguousOutcome
from cloudprovider_alicloud.api.slb import Backend, LoadBalancer, SlbApi
from cloudprovider_alicloud.clb import operations as op
from cloudprovider_alicloud.clb.inventory import Inventory

_log = logging.getLogger(__name__)

#: Most members in one call that an account may have, and what every account has.
LARGEST_BATCH, DEFAULT_BATCH = 40, 20

TOO_MANY = "TooManyBackendServers"
NO_SERVER = "InvalidServerId.NotFound"
OVER_QUOTA = "InstanceBackendServerNumberOverLimit"
#: The world is not as it was read: read again, then decide.
STALE_CODES = frozenset({"ListenerAlreadyExists", "InvalidParameter", "RspoolVipExist"})


@dataclasses.dataclass
class BatchSize:
    """How many members go into one call; halved for good when the account refuses."""

    limit: int = DEFAULT_BATCH

    def __post_init__(self) -> None:
        self.limit = min(max(1, self.limit), LARGEST_BATCH)

    def halve(self, refused: int) -> None:
        """A call with ``refused`` members was one too many."""
        self.limit = max(1, min(self.limit, refused // 2))


def carry_out(plan: Plan, executor: Executor, *, workers: int, concurrency: Concurrency) -> Outcome:
    """Apply ``plan``; where a quota leaves no room for new members, old ones go first after all."""
    outcome = apply(plan, executor, workers=workers, concurrency=concurrency)
    swapped = _swapped(plan, outcome)
    if not swapped:
        return outcome
    again = apply(swapped, executor, workers=workers, concurrency=concurrency)
    done = {*outcome.done, *again.done}
    failed = {k: e for k, e in {**outcome.failed, **again.failed}.items() if k not in done}
    rest = [a.key for a in plan if a.key not in done and a.key not in failed]
    return Outcome(tuple(a.key for a in plan if a.key in done), failed, tuple(rest))


def _swapped(plan: Plan, outcome: Outcome) -> Plan:
    """The member changes of groups that were full: remove, then add, then set."""
    actions: list[Action] = []
    for added in plan:
        error = outcome.failed.get(added.key)
        if error is None or error.code != OVER_QUOTA:
            continue
        remove = next((a for a in plan if a.kind == "remove" and added.key in a.after), None)
        if remove is None:
            continue
        gone = remove.details.backends
        if remove.details.all_there and len(gone) > 1:
            gone = gone[1:]  # one goes on serving; the next pass removes it
        details = dataclasses.replace(remove.details, backends=gone)
        actions.append(dataclasses.replace(remove, after=(), details=details))
        actions.append(dataclasses.replace(added, after=(remove.key,)))
        actions += [
            dataclasses.replace(a, after=(added.key,)) for a in plan if remove.key in a.after
        ]
    return Plan(actions)


def is_stale(error: CloudProviderError) -> bool:
    """Whether looking again may show that it is done already, or must be done differently."""
    return isinstance(error, AmbiguousOutcome | NotFound) or error.code in STALE_CODES


class Executor:
    """Carries out the actions of one plan of one load balancer.

    Args:
        api: The cloud.
        inventory: Told of every write.
        batch: Members per call.
        create: Creates the load balancer; knows about tokens, vSwitches and recording.
        balancer_id: Of the load balancer; empty until it is created.
        group_ids: Ids of server groups by name.

    """

    def __init__(
        self,
        api: SlbApi,
        inventory: Inventory,
        batch: BatchSize,
        *,
        create: Callable[[op.CreateBalancer], LoadBalancer],
        balancer_id: str = "",
        group_ids: dict[str, str] | None = None,
    ) -> None:
        self._api = api
        self._inventory = inventory
        self._batch = batch
        self._create = create
        self.balancer_id = balancer_id
        self.address = ""  #: of a load balancer that this plan created
        self.group_ids = dict(group_ids or {})
        self.refused: set[tuple[str, str]] = set()  #: (group, server) that the cloud does not know
        self._carry_out: dict[type, Callable[[Any], None]] = {
            op.CreateBalancer: self._create_balancer,
            op.SetBalancer: self._set_balancer,
            op.DeleteBalancer: self._delete_balancer,
            op.CreateGroup: self._create_group,
            op.AddBackends: self._add_backends,
            op.SetBackends: self._set_backends,
            op.RemoveBackends: self._remove_backends,
            op.DeleteGroup: self._delete_group,
            op.CreateListener: self._create_listener,
            op.SetListener: self._set_listener,
            op.StartListener: self._start_listener,
            op.DeleteListener: self._delete_listener,
        }

    def __call__(self, action: Action) -> None:
        """Carry out ``action``."""
        _log.info("%s %s: %s", action.kind, action.resource, action.sentence)
        try:
            self._carry_out[type(action.details)](action.details)
        finally:
            if self.balancer_id:
                self._inventory.changed(self.balancer_id)

    # -- the load balancer -----------------------------------------------------------------

    def _create_balancer(self, operation: op.CreateBalancer) -> None:
        created = self._create(operation)
        self.balancer_id, self.address = created.id, created.address

    def _set_balancer(self, operation: op.SetBalancer) -> None:
        getattr(self._api, operation.method)(self.balancer_id, **operation.arguments)

    def _delete_balancer(self, _: op.DeleteBalancer) -> None:
        _ignore_absence(lambda: self._api.delete_load_balancer(self.balancer_id))
        self._inventory.deleted(self.balancer_id)

    # -- groups ----------------------------------------------------------------------------

    def _create_group(self, operation: op.CreateGroup) -> None:
        first = operation.backends
        try:
            group_id = self._api.create_server_group(self.balancer_id, operation.group, first)
            rest: tuple[Backend, ...] = ()
        except CloudProviderError as error:
            if error.code not in (TOO_MANY, NO_SERVER):
                raise
            # A member is refused, not the group: make it empty and find out which.
            group_id = self._api.create_server_group(self.balancer_id, operation.group, ())
            rest = first
            if error.code == TOO_MANY:
                self._batch.halve(len(first))
        self.group_ids[operation.group] = group_id
        if rest:
            self._add_backends(op.AddBackends(operation.group, rest))

    def _add_backends(self, operation: op.AddBackends) -> None:
        self._in_batches(self._api.add_backends, operation.group, operation.backends)

    def _set_backends(self, operation: op.SetBackends) -> None:
        self._in_batches(self._api.set_backends, operation.group, operation.backends)

    def _in_batches(
        self,
        call: Callable[[str, Sequence[Backend]], None],
        group: str,
        backends: tuple[Backend, ...],
    ) -> None:
        """All of ``backends``; a failing batch does not stop the following ones."""
        errors: list[CloudProviderError] = []
        waiting = list(backends)
        while waiting:
            batch = waiting[: self._batch.limit]
            del waiting[: len(batch)]
            try:
                call(self.group_ids[group], batch)
            except CloudProviderError as error:
                if error.code == TOO_MANY and len(batch) > 1:
                    self._batch.halve(len(batch))
                    waiting = batch + waiting
                elif error.code == NO_SERVER:
                    self._without_the_unknown(call, group, batch)
                else:
                    errors.append(error)
        if errors:
            raise combine(errors)

    def _without_the_unknown(
        self,
        call: Callable[[str, Sequence[Backend]], None],
        group: str,
        batch: list[Backend],
    ) -> None:
        """One of ``batch`` is no instance (any more): halve until it stands alone, leave it out."""
        if len(batch) == 1:
            server = batch[0].server_id
            _log.warning("server group %s: the cloud does not know server %s", group, server)
            self.refused.add((group, server))
            return
        middle = len(batch) // 2
        for half in (batch[:middle], batch[middle:]):
            try:
                call(self.group_ids[group], half)
            except CloudProviderError as error:
                if error.code != NO_SERVER:
                    raise
                self._without_the_unknown(call, group, half)

    def _remove_backends(self, operation: op.RemoveBackends) -> None:
        waiting = list(operation.backends)
        while waiting:
            batch = waiting[: self._batch.limit]
            try:
                self._api.remove_backends(operation.group_id, batch)
            except CloudProviderError as error:
                if error.code != TOO_MANY or len(batch) == 1:
                    raise
                self._batch.halve(len(batch))
                continue
            del waiting[: len(batch)]

    def _delete_group(self, operation: op.DeleteGroup) -> None:
        _ignore_absence(lambda: self._api.delete_server_group(operation.group_id))

    # -- listeners -------------------------------------------------------------------------

    def _create_listener(self, operation: op.CreateListener) -> None:
        params = {"VServerGroupId": self.group_ids[operation.group], **operation.params}
        self._api.create_listener(self.balancer_id, operation.protocol, operation.port, params)

    def _set_listener(self, operation: op.SetListener) -> None:
        group_id = self.group_ids[operation.group]
        params = {"VServerGroup": "on", "VServerGroupId": group_id, **operation.params}
        self._api.set_listener(self.balancer_id, operation.protocol, operation.port, params)

    def _start_listener(self, operation: op.StartListener) -> None:
        self._api.start_listener(self.balancer_id, operation.protocol, operation.port)

    def _delete_listener(self, operation: op.DeleteListener) -> None:
        _ignore_absence(
            lambda: self._api.delete_listener(self.balancer_id, operation.protocol, operation.port)
        )


def _ignore_absence(delete: Callable[[], None]) -> None:
    try:
        delete()
    except NotFound as error:
        _log.info("already gone: %s", error)
