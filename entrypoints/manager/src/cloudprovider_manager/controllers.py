"""``--controllers``: names, aliases, and which of the controllers run.

Source: ``spec/ccm-core.md`` 3.0, 4.3; ``spec/alicloud.md`` 8.1.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping

#: Canonical name of the route controller.
ROUTES = "node-route-controller"
#: Other names that ``--controllers`` takes, to canonical names.
ALIASES: Mapping[str, str] = {
    "cloud-node": "cloud-node-controller",
    "cloud-node-lifecycle": "cloud-node-lifecycle-controller",
    "service": "service-lb-controller",
    "route": ROUTES,
    "node": "cloud-node-controller",  # the names of Alibaba's manager
}
CONTROLLERS = tuple(dict.fromkeys(ALIASES.values()))
#: Controllers of Alibaba's manager that have no counterpart, and what to know about each.
FOREIGN: Mapping[str, str] = {
    "nlb": "load balancers of every kind are the service controller's",
    "ingress": "this manager has none; Alibaba's ALB ingress controller is a program of its own",
    "pvtz": "this manager has none; nothing is written to PrivateZone",
}


def canonical(item: str, aliases: Mapping[str, str] = ALIASES) -> str:
    """``item`` of a list of controllers with its alias replaced, also behind a minus."""
    sign = "-" if item.startswith("-") else ""
    name = item.removeprefix("-")
    return sign + aliases.get(name, name)


def resolve(items: Iterable[str], aliases: Mapping[str, str] = ALIASES) -> tuple[str, ...]:
    """``items`` with every alias replaced."""
    return tuple(canonical(item, aliases) for item in items)


def unknown(
    items: Iterable[str],
    known: Collection[str] = CONTROLLERS,
    aliases: Mapping[str, str] = ALIASES,
) -> list[str]:
    """The names, without their minus, that are no controllers."""
    names = [canonical(item, aliases).removeprefix("-") for item in items if item != "*"]
    return [name for name in names if name not in known]


def enabled(
    name: str,
    items: Iterable[str],
    aliases: Mapping[str, str] = ALIASES,
    off_by_default: Collection[str] = (),
) -> bool:
    """Whether ``items`` ask for the controller with the canonical ``name``.

    The first item that names it decides; else ``*``, which may stand anywhere.
    """
    resolved = resolve(items, aliases)
    for item in resolved:
        if item.removeprefix("-") == name:
            return item == name
    return "*" in resolved and name not in off_by_default
