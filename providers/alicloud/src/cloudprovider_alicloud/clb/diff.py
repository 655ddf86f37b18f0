"""From desired and observed state to a plan. Pure.

Order: backends are added before any is removed; a listener moves to its new group before the old
group goes; a listener whose port changes protocol is deleted before the new one is made. Nothing
that is not ours by its name is touched (``spec/alicloud.md`` 4.2 to 4.5, ``design.md`` R1).
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable

from cloudprovider.errors import CloudProviderError, NotOwned
from cloudprovider.toolkit.ownership import Owner, Ownership
from cloudprovider.toolkit.plan import Action, Plan
from cloudprovider_alicloud.api import slb
from cloudprovider_alicloud.clb import balancer_diff, listener_attributes, names, operations
from cloudprovider_alicloud.clb.desired import Desired, Group, Listener

CREATE = "balancer create"


@dataclasses.dataclass(frozen=True)
class Observed:
    """What is there. ``groups`` are those that are ours by name, with their members."""

    balancer: slb.LoadBalancer | None = None
    listeners: tuple[slb.Listener, ...] = ()
    groups: tuple[slb.ServerGroup, ...] = ()


@dataclasses.dataclass(frozen=True)
class Change:
    """What to do, and what cannot be done."""

    plan: Plan
    problems: tuple[CloudProviderError, ...] = ()
    #: Ids of the wanted groups that exist, by name; of several with one name, the one that stays.
    group_ids: dict[str, str] = dataclasses.field(default_factory=dict)
    #: Ids of groups that are not wanted, but stay: something of others is in them or uses them.
    left: tuple[str, ...] = ()


def diff(desired: Desired, observed: Observed, *, batch: int) -> Change:
    """What brings ``observed`` to ``desired``; ``batch`` members go into the call that creates."""
    return _Diff(desired, observed, batch).run()


def diff_groups(
    groups: Iterable[Group],
    observed: Iterable[slb.ServerGroup],
    *,
    owner: Owner,
    keep_weights: bool,
) -> Plan:
    """What brings the members of the groups that exist to what they should be, nothing else."""
    there = {group.name: group for group in observed}
    actions: list[Action] = []
    for group in groups:
        if group.name in there:
            actions += member_actions(group, there[group.name], owner, keep_weights=keep_weights)
    return Plan(actions)


def member_actions(
    wanted: Group, found: slb.ServerGroup, owner: Owner, *, keep_weights: bool
) -> list[Action]:
    """Add, then remove, then set members of one group; members that are not ours stay."""
    there = {backend.key: backend for backend in found.backends}
    keys = {backend.key for backend in wanted.backends}
    add = tuple(backend for backend in wanted.backends if backend.key not in there)
    gone = tuple(
        backend
        for backend in found.backends
        if backend.key not in keys and _is_ours(backend, owner)
    )
    update = tuple(
        backend
        if not keep_weights
        else dataclasses.replace(backend, weight=there[backend.key].weight)
        for backend in wanted.backends
        if backend.key in there and _differs(backend, there[backend.key], keep_weights)
    )
    steps = (
        ("add", add, operations.AddBackends(wanted.name, add)),
        ("remove", gone, operations.RemoveBackends(found.id, gone, len(gone) == len(there))),
        ("set", update, operations.SetBackends(wanted.name, update)),
    )
    actions: list[Action] = []
    for kind, backends, operation in steps:
        if backends:
            actions.append(
                Action(
                    key=f"group {wanted.name} {kind}",
                    kind=kind,
                    resource=f"server group {wanted.name}",
                    sentence=_count(backends),
                    after=tuple(action.key for action in actions[-1:]),
                    idempotent=kind == "set",
                    details=operation,
                )
            )
    return actions


def _is_ours(backend: slb.Backend, owner: Owner) -> bool:
    return names.GROUP_NAME.check(backend.description, owner) is Ownership.OURS


def _differs(wanted: slb.Backend, found: slb.Backend, keep_weights: bool) -> bool:
    weight = wanted.weight != found.weight and not keep_weights
    return weight or wanted.description != found.description


def _count(backends: tuple[slb.Backend, ...]) -> str:
    shown = ", ".join(f"{b.server_id}:{b.port}" for b in backends[:5])
    more = f" and {len(backends) - 5} more" if len(backends) > 5 else ""
    return f"{len(backends)} backend{'s' if len(backends) > 1 else ''}: {shown}{more}"


class _Diff:
    """One run of :func:`diff`; each method adds the actions of one kind of resource."""

    def __init__(self, desired: Desired, observed: Observed, batch: int) -> None:
        self._desired = desired
        self._observed = observed
        self._batch = batch
        self._actions: list[Action] = []
        self._problems: list[CloudProviderError] = []
        self._wanted = {(item.protocol, item.port): item for item in desired.listeners}
        self._found = {(item.protocol, item.port): item for item in observed.listeners}
        self._group_ids: dict[str, str] = {}
        self._left: list[str] = []

    def run(self) -> Change:
        self._balancer()
        self._groups()
        if self._desired.manage_listeners:
            self._delete_listeners()
            for listener in self._desired.listeners:
                self._listener(listener)
        self._delete_groups()
        return Change(
            Plan(self._actions), tuple(self._problems), self._group_ids, tuple(self._left)
        )

    def _add(
        self,
        key: str,
        resource: str,
        sentence: str,
        details: object,
        *,
        after: Iterable[str] = (),
    ) -> str:
        kind = key.rsplit(" ", 1)[-1]
        there = {action.key for action in self._actions}
        self._actions.append(
            Action(
                key=key,
                kind=kind,
                resource=resource,
                sentence=sentence,
                after=tuple(name for name in dict.fromkeys(after) if name in there),
                idempotent=kind not in ("create", "add", "remove") or key == CREATE,
                details=details,
            )
        )
        return key

    def _balancer(self) -> None:
        found = self._observed.balancer
        if found is None:
            kind = self._desired.create.get("AddressType", "")
            name = self._desired.create.get("LoadBalancerName", "")
            operation = operations.CreateBalancer(self._desired.create)
            self._add(CREATE, f"load balancer {name}", f"{kind} load balancer", operation)
            return
        changes, problems = balancer_diff.differences(self._desired, found)
        self._problems += problems
        for change in changes:
            key = f"balancer {change.method} set"
            self._add(key, f"load balancer {found.id}", change.sentence, change.operation)

    # -- groups ----------------------------------------------------------------------------

    def _groups(self) -> None:
        for group in self._desired.groups:
            found = self._choose(group.name)
            if found is None:
                self._create_group(group)
                continue
            self._group_ids[group.name] = found.id
            self._actions += member_actions(
                group, found, self._desired.owner, keep_weights=self._desired.keep_weights
            )

    def _choose(self, name: str) -> slb.ServerGroup | None:
        """The group called ``name``; of several the one that a listener uses."""
        found = [group for group in self._observed.groups if group.name == name]
        used = {listener.group_id for listener in self._observed.listeners}
        return min(found, key=lambda group: (group.id not in used, group.id), default=None)

    def _create_group(self, group: Group) -> None:
        first, rest = group.backends[: self._batch], group.backends[self._batch :]
        resource = f"server group {group.name}"
        created = self._add(
            f"group {group.name} create",
            resource,
            _count(first) if first else "empty",
            operations.CreateGroup(group.name, first),
            after=[CREATE],
        )
        if rest:
            operation = operations.AddBackends(group.name, rest)
            self._add(f"group {group.name} add", resource, _count(rest), operation, after=[created])

    def _delete_groups(self) -> None:
        kept = set(self._group_ids.values())
        for group in self._observed.groups:
            if group.id in kept:
                continue
            users = self._remaining_users(group.id)
            foreign = [b for b in group.backends if not _is_ours(b, self._desired.owner)]
            if users or foreign:
                self._left.append(group.id)
            if users:
                self._problems.append(_in_use(group, users[0]))
            elif foreign:
                self._take_ours_from(group)
            else:
                self._add(
                    f"group {group.name} {group.id} delete",
                    f"server group {group.name}",
                    f"{group.id} is no longer wanted",
                    operations.DeleteGroup(group.id),
                    after=[a.key for a in self._actions if a.key.startswith("listener ")],
                )

    def _remaining_users(self, group_id: str) -> list[slb.Listener]:
        """Listeners that will still use the group when every listener action is done."""
        return [
            listener
            for listener in self._observed.listeners
            if listener.group_id == group_id and not self._will_let_go(listener)
        ]

    def _will_let_go(self, listener: slb.Listener) -> bool:
        if not self._desired.manage_listeners:
            return False
        wanted = self._wanted.get((listener.protocol, listener.port))
        if wanted is None:
            return self._is_ours(listener)
        return self._may_change(listener)

    def _take_ours_from(self, group: slb.ServerGroup) -> None:
        """Members of other owners are in there: only ours go."""
        ours = tuple(b for b in group.backends if _is_ours(b, self._desired.owner))
        if ours:
            self._add(
                f"group {group.name} {group.id} remove",
                f"server group {group.name}",
                _count(ours),
                operations.RemoveBackends(group.id, ours),
                after=[a.key for a in self._actions if a.key.startswith("listener ")],
            )

    # -- listeners -------------------------------------------------------------------------

    def _is_ours(self, listener: slb.Listener) -> bool:
        verdict = names.listener_ownership(listener.description, self._desired.owner)
        return verdict is Ownership.OURS

    def _may_change(self, listener: slb.Listener) -> bool:
        verdict = names.listener_ownership(listener.description, self._desired.owner)
        return verdict is Ownership.OURS or (
            verdict is Ownership.UNMARKED and self._desired.take_over
        )

    def _delete_listeners(self) -> None:
        for (protocol, port), found in self._found.items():
            if (protocol, port) not in self._wanted and self._is_ours(found):
                self._add(
                    f"listener {protocol}:{port} delete",
                    f"listener {protocol}:{port}",
                    "no longer wanted",
                    operations.DeleteListener(protocol, port),
                )

    def _listener(self, wanted: Listener) -> None:
        found = self._found.get((wanted.protocol, wanted.port))
        name = f"listener {wanted.protocol}:{wanted.port}"
        blocking = None if found else self._blocking(wanted)
        if blocking is not None:
            self._problems.append(
                _conflict(f"listener {blocking.protocol}:{blocking.port}", blocking)
            )
        elif found is None:
            self._create_listener(wanted, name)
        elif not self._may_change(found):
            self._problems.append(_conflict(name, found))
        else:
            self._change_listener(wanted, found, name)

    def _blocking(self, wanted: Listener) -> slb.Listener | None:
        """A listener of another protocol that holds the port and stays. UDP has its own ports."""
        for found in self._observed.listeners:
            same_space = (found.protocol == "udp") == (wanted.protocol == "udp")
            if found.port == wanted.port and same_space and not self._is_ours(found):
                return found
        return None

    def _create_listener(self, wanted: Listener, name: str) -> None:
        params = listener_attributes.create_params(wanted.attributes)
        deletes = [a.key for a in self._actions if a.kind == "delete" and _port(a) == wanted.port]
        created = self._add(
            f"{name} create",
            name,
            f"to server group {wanted.group}",
            operations.CreateListener(
                wanted.protocol,
                wanted.port,
                wanted.group,
                {"Description": wanted.description, **params},
            ),
            after=[CREATE, f"group {wanted.group} create", *deletes],
        )
        operation = operations.StartListener(wanted.protocol, wanted.port)
        self._add(f"{name} start", name, "a new listener is stopped", operation, after=[created])

    def _change_listener(self, wanted: Listener, found: slb.Listener, name: str) -> None:
        attributes = listener_attributes.after_local(wanted.attributes, found.attributes)
        changed = listener_attributes.differences(attributes, found.attributes)
        if found.description != wanted.description:
            changed.append("Description")
        if found.group_id != self._group_ids.get(wanted.group, ""):
            changed.append("VServerGroupId")
        if changed:
            params = listener_attributes.change_params(attributes, found.attributes)
            self._add(
                f"{name} update",
                name,
                f"change {', '.join(changed)}",
                operations.SetListener(
                    wanted.protocol,
                    wanted.port,
                    wanted.group,
                    {"Description": wanted.description, **params},
                ),
                after=[f"group {wanted.group} create"],
            )
        if found.status == "stopped":
            operation = operations.StartListener(wanted.protocol, wanted.port)
            self._add(f"{name} start", name, "it is stopped", operation, after=[f"{name} update"])


def _port(action: Action) -> int | None:
    details = action.details
    return details.port if isinstance(details, operations.DeleteListener) else None


def _conflict(name: str, found: slb.Listener) -> NotOwned:
    owner = names.LISTENER_NAME.owner_text(found.description)
    whose = f"belongs to Service {owner}" if owner else "was not made by this Service"
    return NotOwned(
        f"{name} of load balancer {found.balancer_id} {whose}; it was not touched. Use another "
        "port, or remove that listener",
        resource=f"{found.balancer_id} {name}",
        owner=owner or found.description,
    )


def _in_use(group: slb.ServerGroup, user: slb.Listener) -> NotOwned:
    name = f"listener {user.protocol}:{user.port}"
    return NotOwned(
        f"server group {group.id} ({group.name}) is no longer wanted, but {name}, which was not "
        "made by this Service, uses it; change or remove that listener",
        resource=group.id,
        owner=names.LISTENER_NAME.owner_text(user.description) or user.description,
    )
