"""The writes of a plan, as data: what :attr:`Action.details` of a CLB plan holds.

Groups are named, not numbered: the id of a group that the same plan creates is not known yet.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping

from cloudprovider_alicloud.api.slb import Backend


@dataclasses.dataclass(frozen=True)
class CreateBalancer:
    """CreateLoadBalancer, with its tags."""

    params: Mapping[str, object]


@dataclasses.dataclass(frozen=True)
class SetBalancer:
    """One attribute of the load balancer: a method of the API and its arguments."""

    method: str
    arguments: Mapping[str, object]


@dataclasses.dataclass(frozen=True)
class DeleteBalancer:
    """DeleteLoadBalancer; its listeners and groups go with it."""


@dataclasses.dataclass(frozen=True)
class CreateGroup:
    """CreateVServerGroup with its first members."""

    group: str
    backends: tuple[Backend, ...]


@dataclasses.dataclass(frozen=True)
class AddBackends:
    """AddVServerGroupBackendServers, in batches."""

    group: str
    backends: tuple[Backend, ...]


@dataclasses.dataclass(frozen=True)
class SetBackends:
    """SetVServerGroupAttribute, in batches: weights and descriptions."""

    group: str
    backends: tuple[Backend, ...]


@dataclasses.dataclass(frozen=True)
class RemoveBackends:
    """RemoveVServerGroupBackendServers, in batches. By id: the group may be a stray."""

    group_id: str
    backends: tuple[Backend, ...]
    all_there: bool = False  #: whether the group has no other member yet


@dataclasses.dataclass(frozen=True)
class DeleteGroup:
    """DeleteVServerGroup."""

    group_id: str


@dataclasses.dataclass(frozen=True)
class CreateListener:
    """CreateLoadBalancer…Listener."""

    protocol: str
    port: int
    group: str
    params: Mapping[str, str]


@dataclasses.dataclass(frozen=True)
class SetListener:
    """SetLoadBalancer…ListenerAttribute."""

    protocol: str
    port: int
    group: str
    params: Mapping[str, str]


@dataclasses.dataclass(frozen=True)
class StartListener:
    """StartLoadBalancerListener."""

    protocol: str
    port: int


@dataclasses.dataclass(frozen=True)
class DeleteListener:
    """DeleteLoadBalancerListener."""

    protocol: str
    port: int
