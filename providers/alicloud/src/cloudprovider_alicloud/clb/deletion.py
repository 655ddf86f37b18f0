"""What remains to be done when a Service wants no load balancer (any more). Pure.

Source: ``spec/alicloud.md`` 4.9. A load balancer of our own goes with everything on it; from one
that a user brought, only our listeners and server groups go.
"""

from __future__ import annotations

from collections.abc import Mapping

from cloudprovider.toolkit.ownership import Owner
from cloudprovider.toolkit.plan import Action, Plan
from cloudprovider_alicloud.api.slb import LoadBalancer
from cloudprovider_alicloud.clb import operations as op
from cloudprovider_alicloud.clb.desired import PROTECTION_REASON, nothing
from cloudprovider_alicloud.clb.diff import Change, Observed, diff


def delete(balancer: LoadBalancer) -> Change:
    """Delete a load balancer of our own."""
    actions = _unprotect(balancer)
    actions.append(
        Action(
            key="balancer delete",
            kind="delete",
            resource=f"load balancer {balancer.id}",
            sentence="its Service wants none",
            after=tuple(action.key for action in actions),
            details=op.DeleteBalancer(),
        )
    )
    return Change(Plan(actions))


def release(balancer: LoadBalancer, tags: Mapping[str, str]) -> Change:
    """Keep a load balancer of our own, but stop owning it: the tags that prove it go.

    Source: annotation ``preserve-lb-on-delete``.
    """
    actions = _unprotect(balancer)
    if balancer.modification_protection == "ConsoleProtection":
        arguments = {"status": "NonProtection", "reason": ""}
        actions.append(
            _set(balancer, "set_modification_protection", arguments, "it is to be preserved")
        )
    ours = [key for key, value in tags.items() if balancer.tags.get(key) == value]
    if ours:
        actions.append(_set(balancer, "untag", {"keys": ours}, "it is no longer ours"))
    return Change(Plan(actions))


def keep(balancer: LoadBalancer, *, preserved: bool) -> Change:
    """Give back the protection that was taken from ``balancer`` before it was asked for again.

    Args:
        balancer: As it was before.
        preserved: Whether :func:`release` took it, not :func:`delete`.

    """
    actions = []
    if balancer.delete_protection == "on":
        arguments: dict[str, object] = {"value": "on"}
        actions.append(_set(balancer, "set_delete_protection", arguments, "it is wanted again"))
    if preserved and balancer.modification_protection == "ConsoleProtection":
        arguments = {"status": "ConsoleProtection", "reason": PROTECTION_REASON}
        actions.append(
            _set(balancer, "set_modification_protection", arguments, "it is wanted again")
        )
    return Change(Plan(actions))


def leave(owner: Owner, observed: Observed) -> Change:
    """Take everything of ours from a load balancer that stays."""
    return diff(nothing(owner), observed, batch=1)


def _unprotect(balancer: LoadBalancer) -> list[Action]:
    if balancer.delete_protection != "on":
        return []
    arguments = {"value": "off"}
    return [_set(balancer, "set_delete_protection", arguments, "or it could not be deleted")]


def _set(
    balancer: LoadBalancer, method: str, arguments: Mapping[str, object], sentence: str
) -> Action:
    return Action(
        key=f"balancer {method} set",
        kind="set",
        resource=f"load balancer {balancer.id}",
        sentence=sentence,
        details=op.SetBalancer(method, arguments),
    )
