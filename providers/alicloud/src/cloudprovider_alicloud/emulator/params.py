"""Parameters of an action: declared once, unflattened and checked here.

The wire form is ``Tag.1.Key=a``, ``LoadBalancerId.1=lb-1``, ``HealthCheckConfig.Type=TCP``
(``spec/alicloud-sdk.md`` 3.3). Names are compared without case (``spec/alicloud.md`` 7.3), booleans
too; numbers must be decimal.
"""

from __future__ import annotations

import dataclasses
import functools
import json
from collections.abc import Mapping, Sequence
from typing import Any, Literal

from cloudprovider_alicloud.emulator.errors import invalid, missing

#: text: a string. json: a string that holds JSON. texts: ``Name.N``. objects: ``Name.N.Field``.
#: object: ``Name.Field``.
Kind = Literal["text", "integer", "boolean", "json", "texts", "objects", "object"]


@dataclasses.dataclass(frozen=True)
class Param:
    """One parameter. ``low`` and ``high`` bound a number, a text's length, or a list's length."""

    name: str
    kind: Kind = "text"
    required: bool = False
    low: int | None = None
    high: int | None = None
    choices: tuple[str, ...] = ()
    fields: tuple[Param, ...] = ()


def text(
    name: str, *, required: bool = False, low: int | None = None, high: int | None = None
) -> Param:
    """A string of ``low`` to ``high`` characters."""
    return Param(name, required=required, low=low, high=high)


def choice(name: str, *choices: str, required: bool = False) -> Param:
    """One of ``choices``; compared without case, answered as declared."""
    return Param(name, required=required, choices=choices)


def integer(
    name: str, low: int | None = None, high: int | None = None, *, required: bool = False
) -> Param:
    """A decimal number from ``low`` to ``high``."""
    return Param(name, "integer", required, low, high)


def boolean(name: str) -> Param:
    """``true`` or ``false`` in any case."""
    return Param(name, "boolean")


def texts(name: str, *, high: int | None = None, required: bool = False) -> Param:
    """Up to ``high`` strings."""
    return Param(name, "texts", required, None, high)


def objects(name: str, *fields: Param, high: int | None = None, required: bool = False) -> Param:
    """Up to ``high`` objects with ``fields``."""
    return Param(name, "objects", required, None, high, (), fields)


def json_text(name: str, *, required: bool = False) -> Param:
    """A string that the caller filled with JSON."""
    return Param(name, "json", required)


def json_list(value: Any, name: str) -> list[Any]:
    """``value`` as a list; refused otherwise."""
    if not isinstance(value, list):
        raise invalid(name, "must be a JSON array")
    return value


def flatten(params: Mapping[str, object]) -> dict[str, str]:
    """``params`` with lists, mappings and numbers as they go on the wire. None is left out."""
    flat: dict[str, str] = {}
    for name, value in params.items():
        _flatten(name, value, flat)
    return flat


def _flatten(name: str, value: object, into: dict[str, str]) -> None:
    if value is None:
        return
    if isinstance(value, str):
        into[name] = value
    elif isinstance(value, bool):
        into[name] = "true" if value else "false"
    elif isinstance(value, Mapping):
        for field, item in value.items():
            _flatten(f"{name}.{field}", item, into)
    elif isinstance(value, Sequence):
        for index, item in enumerate(value, 1):
            _flatten(f"{name}.{index}", item, into)
    else:
        into[name] = str(value)


def parse(declared: Mapping[str, Param], raw: Mapping[str, str]) -> dict[str, Any]:
    """The values of ``raw`` by declared name; what is not declared is ignored.

    Args:
        declared: parameters by lower-case name.
        raw: wire names and values.

    Raises:
        ApiError: ``Missing…`` or ``Invalid…``.

    """
    values: dict[str, Any] = {}
    nested: dict[str, dict[str, Any]] = {}
    for name, value in raw.items():
        head, dot, rest = name.partition(".")
        param = declared.get(head.lower())
        if param is None:
            continue
        if dot:
            _insert(nested.setdefault(param.name, {}), rest, value)
        elif value != "":
            values[param.name] = _scalar(param, value, param.name)
    for name, tree in nested.items():
        values[name] = _compound(declared[name.lower()], tree, name)
    for param in declared.values():
        if param.required and values.get(param.name) in (None, [], ""):
            raise missing(param.name)
    return values


def by_lower_name(params: Sequence[Param]) -> dict[str, Param]:
    """``params`` as :func:`parse` wants them."""
    return {param.name.lower(): param for param in params}


@functools.cache
def _nested(fields: tuple[Param, ...]) -> dict[str, Param]:
    return by_lower_name(fields)


def _insert(tree: dict[str, Any], path: str, value: str) -> None:
    *parents, leaf = path.split(".")
    for parent in parents:
        inner = tree.setdefault(parent, {})
        if not isinstance(inner, dict):
            inner = tree[parent] = {}
        tree = inner
    tree[leaf] = value


def _scalar(param: Param, value: str, path: str) -> Any:
    if param.kind == "integer":
        return _number(param, value, path)
    if param.kind == "boolean":
        return _boolean(value, path)
    if param.kind == "json":
        return _json(value, path)
    if param.kind == "texts":
        return _bounded(param, [value], path)
    if param.kind != "text":
        raise invalid(path, "has a wrong form")
    if param.choices:
        return _choice(param, value, path)
    return _bounded(param, value, path)


def _number(param: Param, value: str, path: str) -> int:
    try:
        number = int(value)
    except ValueError:
        raise invalid(path, "must be an integer") from None
    if (param.low is not None and number < param.low) or (
        param.high is not None and number > param.high
    ):
        raise invalid(path, f"must be from {param.low} to {param.high}")
    return number


def _boolean(value: str, path: str) -> bool:
    lowered = value.lower()
    if lowered not in ("true", "false"):
        raise invalid(path, "must be true or false")
    return lowered == "true"


def _json(value: str, path: str) -> Any:
    try:
        return json.loads(value)
    except ValueError:
        raise invalid(path, "is no JSON") from None


def _choice(param: Param, value: str, path: str) -> str:
    for allowed in param.choices:
        if allowed.lower() == value.lower():
            return allowed
    raise invalid(path, f"must be one of {', '.join(param.choices)}")


def _bounded(param: Param, value: Any, path: str) -> Any:
    size = len(value)
    if (param.low is not None and size < param.low) or (
        param.high is not None and size > param.high
    ):
        raise invalid(path, f"has length {size}, allowed is {param.low or 0} to {param.high}")
    return value


def _compound(param: Param, tree: dict[str, Any], path: str) -> Any:
    if param.kind == "object":
        return _object(param.fields, tree, path)
    if param.kind not in ("texts", "objects"):
        raise invalid(path, "has a wrong form")
    try:
        items = [tree[key] for key in sorted(tree, key=int)]
    except ValueError:
        raise invalid(path, "must be numbered from 1") from None
    if param.kind == "texts":
        if not all(isinstance(item, str) for item in items):
            raise invalid(path, "has a wrong form")
        return _bounded(param, items, path)
    return _bounded(
        param,
        [_object(param.fields, item, f"{path}.{n}") for n, item in enumerate(items, 1)],
        path,
    )


def _object(fields: Sequence[Param], tree: Any, path: str) -> dict[str, Any]:
    if not isinstance(tree, dict):
        raise invalid(path, "has a wrong form")
    flat: dict[str, str] = {}
    _flatten_tree("", tree, flat)
    return parse(_nested(tuple(fields)), flat)


def _flatten_tree(prefix: str, tree: dict[str, Any], into: dict[str, str]) -> None:
    for key, value in tree.items():
        if isinstance(value, dict):
            _flatten_tree(f"{prefix}{key}.", value, into)
        else:
            into[f"{prefix}{key}"] = value
