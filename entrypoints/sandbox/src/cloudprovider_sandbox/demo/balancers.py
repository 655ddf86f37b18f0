"""Reads the load balancers of one Service out of an inventory.

What an emulator's inventory must say for the demo to check it: a ``load balancer`` has ``address``
and ``status``; a ``listener`` has ``port`` (``80/tcp``), ``status`` and ``server group``; a
``server group`` has ``backends`` (``INSTANCE:PORT weight N``, comma-separated). Children follow
their load balancer.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from cloudprovider.testing.emulation import InventoryItem
from cloudprovider_sandbox.demo.checks import Balancer


def balancers_of(items: Iterable[InventoryItem], owner: str) -> list[Balancer]:
    """The load balancers that belong to ``owner`` (``namespace/service``)."""
    return [
        _balancer(head, children)
        for head, children in _families(items)
        if any(item.owner == owner for item in (head, *children))
    ]


def _families(
    items: Iterable[InventoryItem],
) -> list[tuple[InventoryItem, list[InventoryItem]]]:
    """Each load balancer with its listeners and groups."""
    families: list[tuple[InventoryItem, list[InventoryItem]]] = []
    for item in items:
        if item.kind == "load balancer":
            families.append((item, []))
        elif item.kind in ("listener", "server group") and families:
            families[-1][1].append(item)
    return families


def _balancer(head: InventoryItem, children: Sequence[InventoryItem]) -> Balancer:
    listeners = [item for item in children if item.kind == "listener"]
    groups = [item for item in children if item.kind == "server group"]
    return Balancer(
        id=head.id,
        address=head.details.get("address", ""),
        listeners={_port(item): item.details.get("server group", "") for item in listeners},
        running=frozenset(
            _port(item) for item in listeners if item.details.get("status") == "running"
        ),
        backends={item.id: _backends(item) for item in groups},
    )


def _port(listener: InventoryItem) -> tuple[str, int]:
    port, _, protocol = listener.details["port"].partition("/")
    return protocol.upper(), int(port)


def _backends(group: InventoryItem) -> frozenset[tuple[str, int]]:
    found = set()
    for backend in group.details.get("backends", "").split(", "):
        server, _, port = backend.partition(" ")[0].rpartition(":")
        if server:
            found.add((server, int(port)))
    return frozenset(found)
