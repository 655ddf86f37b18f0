"""``alicloud-emulator-actions.md``: what the emulator answers, from its catalogue."""

from __future__ import annotations

from cloudprovider_alicloud.api.caller import VERSIONS as CALLED
from cloudprovider_alicloud.emulator.actions import VERSIONS, Action
from cloudprovider_alicloud.emulator.catalogue import ACTIONS
from cloudprovider_alicloud.emulator.params import Param
from generator import markdown, ram_policy

_INTRODUCTION = """\
The emulator of Alibaba Cloud answers these actions as the cloud does: over HTTP with real
signatures, or in process. Any other action is answered with the cloud's `InvalidAction.NotFound`.
Parameters in **bold** are required; `RegionId` is left out of the table. *Called*: whether the
provider calls it, see the [RAM policy](alicloud-ram-policy.md)."""


def page() -> str:
    """The page."""
    called = ram_policy.actions()
    parts = [_INTRODUCTION, f"{len(ACTIONS)} actions."]
    for version, product in VERSIONS.items():
        actions = sorted((a for a in ACTIONS if a.product == product), key=lambda a: a.name)
        if not actions:
            continue
        parts.append(f"## {product}, version {version}")
        rows = [_row(action, called=(product, action.name) in called) for action in actions]
        parts.append(markdown.table(("Action", "Changes", "Called", "Parameters"), rows))
    missing = [product for product in CALLED if product not in {a.product for a in ACTIONS}]
    if missing:
        parts.append(f"Not there yet: {', '.join(missing)}.")
    return markdown.page("Actions of the Alibaba Cloud emulator", *parts)


def _row(action: Action, *, called: bool) -> tuple[str, ...]:
    return (
        markdown.code(action.name),
        "yes" if action.write else "no",
        "yes" if called else "no",
        ", ".join(_name(param) for param in action.params if param.name != "RegionId"),
    )


def _name(param: Param) -> str:
    return f"**{param.name}**" if param.required else param.name
