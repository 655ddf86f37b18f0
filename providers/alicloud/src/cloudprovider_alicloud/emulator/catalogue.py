"""The table of actions: one row each, collected from the product modules.

A new action is a handler and a row in the module of its product; a new product is a module and a
line here.
"""

from __future__ import annotations

from cloudprovider_alicloud.emulator import ecs, route_reads, routes, sts, vpc
from cloudprovider_alicloud.emulator.actions import Action
from cloudprovider_alicloud.emulator.slb import (
    certificates,
    listeners,
    load_balancer_reads,
    load_balancers,
    tags,
    vserver_groups,
)

ACTIONS: tuple[Action, ...] = (
    *load_balancers.ACTIONS,
    *load_balancer_reads.ACTIONS,
    *tags.ACTIONS,
    *listeners.ACTIONS,
    *vserver_groups.ACTIONS,
    *certificates.ACTIONS,
    *ecs.ACTIONS,
    *vpc.ACTIONS,
    *route_reads.ACTIONS,
    *routes.ACTIONS,
    *sts.ACTIONS,
)

_BY_NAME = {(action.product, action.name): action for action in ACTIONS}


def find(product: str, name: str) -> Action | None:
    """The action, or None. Names are compared with case, as the gateway does."""
    return _BY_NAME.get((product, name))
