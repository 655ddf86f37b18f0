"""Table rows as kube-apiserver prints them (``pkg/printers/internalversion``)."""

from __future__ import annotations

import datetime
from collections.abc import Callable, Sequence
from typing import Any

import msgspec

from cloudprovider_sandbox.apiserver.resources import Resource
from cloudprovider_sandbox.apiserver.table_rows import ROWS, Columns, generic_row

Json = dict[str, Any]
_GENERIC: Columns = (("Name", 0), ("Age", 0))


def columns(resource: Resource) -> list[Json]:
    """The column definitions of a resource's table."""
    listed, _ = ROWS.get(resource.storage, (_GENERIC, generic_row))
    return [
        {
            "name": name,
            "type": "string",
            "format": "name" if name == "Name" else "",
            "description": "",
            "priority": priority,
        }
        for name, priority in listed
    ]


def age(stamp: str | None, now: datetime.datetime) -> str:
    """``5m3s`` since ``stamp``, in the API server's short form."""
    if not stamp:
        return "<unknown>"
    return short_duration((now - datetime.datetime.fromisoformat(stamp)).total_seconds())


def short_duration(value: float) -> str:
    """``value`` seconds as ``HumanDuration`` prints them."""
    seconds = int(value)
    if seconds < -1:
        return "<invalid>"
    minutes, hours, days = seconds // 60, seconds // 3600, seconds // 86400
    if seconds < 120:
        return f"{max(0, seconds)}s"
    if minutes < 10:
        return _pair(minutes, "m", seconds % 60, "s")
    if minutes < 180:
        return f"{minutes}m"
    if hours < 8:
        return _pair(hours, "h", minutes % 60, "m")
    if hours < 48:
        return f"{hours}h"
    if days < 8:
        return _pair(days, "d", hours % 24, "h")
    if days < 730:
        return f"{days}d"
    return _pair(days // 365, "y", days % 365, "d") if days < 2920 else f"{days // 365}y"


def _pair(large: int, unit: str, small: int, small_unit: str) -> str:
    return f"{large}{unit}{small}{small_unit}" if small else f"{large}{unit}"


def row(resource: Resource, obj: Json, include: str, now: datetime.datetime) -> Json:
    """One row; ``include`` is None, Metadata or Object."""
    _, cells = ROWS.get(resource.storage, (_GENERIC, generic_row))

    def since(stamp: str | None) -> str:
        return age(stamp, now)

    made: Json = {"cells": cells(obj, since)}
    made["object"] = {"Object": obj, "None": None}.get(include, partial(obj))
    return made


def partial(obj: Json) -> Json:
    """``obj`` as PartialObjectMetadata."""
    return {
        "kind": "PartialObjectMetadata",
        "apiVersion": "meta.k8s.io/v1",
        "metadata": obj["metadata"],
    }


def table(
    resource: Resource,
    objects: Sequence[bytes],
    *,
    include: str,
    now: datetime.datetime,
    meta: Json,
    headed: bool = True,
) -> Json:
    """A Table of ``objects``."""
    decode: Callable[[bytes], Json] = msgspec.json.decode
    return {
        "kind": "Table",
        "apiVersion": "meta.k8s.io/v1",
        "metadata": meta,
        "columnDefinitions": columns(resource) if headed else None,
        "rows": [row(resource, decode(data), include, now) for data in objects],
    }
