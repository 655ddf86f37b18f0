"""Reading replies: fields may be absent, null, or numbers written as text.

Source: ``spec/alicloud-sdk.md`` 3.4, 6.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from cloudprovider.errors import CloudProviderError


def text(reply: Mapping[str, Any], name: str) -> str:
    """Field ``name`` as text; empty if absent or null."""
    value = reply.get(name)
    return "" if value is None else str(value)


def integer(reply: Mapping[str, Any], name: str, default: int = 0) -> int:
    """Field ``name`` as a number; ``default`` if absent, null or empty.

    Raises:
        CloudProviderError: it is no number.

    """
    value = reply.get(name)
    if value is None or value == "":
        return default
    try:
        return int(value)
    except (TypeError, ValueError) as error:
        raise CloudProviderError(f"the cloud's field {name} is no number: {value!r:.40}") from error


def boolean(reply: Mapping[str, Any], name: str, default: bool = False) -> bool:
    """Field ``name`` as a truth value, also from ``"true"`` or ``"on"``."""
    value = reply.get(name)
    if isinstance(value, str):
        return value.strip().lower() in {"true", "on", "1"} if value.strip() else default
    return default if value is None else bool(value)


def items(reply: Mapping[str, Any], *path: str) -> list[Any]:
    """The list at ``path``, e.g. ``items(reply, "Instances", "Instance")``; empty if absent.

    Raises:
        CloudProviderError: something else than a list is there.

    """
    value: Any = reply
    for name in path:
        if value is None:
            return []
        if not isinstance(value, Mapping):
            raise CloudProviderError(f"the cloud's field {name} lies in no object")
        value = value.get(name)
    if value is None:
        return []
    if not isinstance(value, list):
        raise CloudProviderError(f"the cloud's field {'.'.join(path)} is no list")
    return value
