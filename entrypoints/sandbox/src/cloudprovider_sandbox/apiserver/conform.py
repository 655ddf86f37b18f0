"""Bring a decoded object into the form that the Go types would give it.

Unknown fields go (and are reported), wrong types are refused, and values that Go leaves out
(``omitempty``) are left out, so that two spellings of one object are equal.
"""

from __future__ import annotations

import datetime
import re
from typing import Any

from cloudprovider_sandbox.apiserver.schema import ListOf, MapOf, Scalar, Schema, Struct


class WrongType(ValueError):
    """A field has a value of the wrong JSON type."""

    def __init__(self, field: str, value: Any, wanted: str) -> None:
        # Go's message names fields without indexes.
        plain = re.sub(r"\[\d+\]", "", field)
        super().__init__(
            f"cannot unmarshal {_json_type(value)} into Go struct field {plain} of type {wanted}"
        )


def _json_type(value: Any) -> str:
    if isinstance(value, bool):
        return "bool"
    names = {str: "string", int: "number", float: "number", dict: "object", list: "array"}
    return names.get(type(value), "null")


def conform(schema: Schema, value: Any, unknown: list[str], field: str = "") -> Any:
    """``value`` by ``schema``; paths of unknown fields are added to ``unknown``.

    Raises:
        WrongType: a value does not fit.

    """
    if isinstance(schema, Scalar):
        return _scalar(schema, value, field)
    if isinstance(schema, ListOf):
        return _list(schema, value, unknown, field)
    if not isinstance(value, dict):
        if isinstance(schema, Struct) and schema.open and not schema.fields:
            return value
        raise WrongType(field, value, "object")
    if isinstance(schema, MapOf):
        return _map(schema, value, unknown, field)
    assert isinstance(schema, Struct)  # noqa: S101 - the only kind left
    return _struct(schema, value, unknown, field)


def _struct(
    schema: Struct, value: dict[str, Any], unknown: list[str], field: str
) -> dict[str, Any]:
    result: dict[str, Any] = {}
    for name, part in value.items():
        part_schema = schema.fields.get(name)
        path = f"{field}.{name}" if field else name
        if part_schema is None:
            if not schema.open:
                unknown.append(path)
            elif part is not None:
                result[name] = part
        elif part is not None:
            part = conform(part_schema, part, unknown, path)
            if not _omitted(part_schema, part):
                result[name] = part
    for name, part_schema in schema.fields.items():
        if name not in result and isinstance(part_schema, Struct | Scalar) and part_schema.always:
            result[name] = _empty(part_schema, unknown)
    return result


def _empty(schema: Struct | Scalar, unknown: list[str]) -> Any:
    if isinstance(schema, Struct):
        return _struct(schema, {}, unknown, "")
    return zero(schema)


def zero(schema: Scalar) -> Any:
    """What stands for nothing, where something must stand."""
    return {"string": "", "time": None, "microtime": None}.get(schema.type, 0)


def _omitted(schema: Schema, value: Any) -> bool:
    if isinstance(schema, Scalar):
        return not value and not schema.keep_zero
    if isinstance(schema, Struct):
        return not value and not schema.always and not schema.open
    return not value and not (isinstance(schema, ListOf) and schema.keep_empty)


def _map(schema: MapOf, value: dict[str, Any], unknown: list[str], field: str) -> dict[str, Any]:
    return {
        name: conform(schema.value, "" if part is None else part, unknown, field)
        for name, part in value.items()
    }


def _list(schema: ListOf, value: Any, unknown: list[str], field: str) -> list[Any]:
    if not isinstance(value, list):
        raise WrongType(field, value, "array")
    if isinstance(schema.item, Scalar) and schema.item.type == "any":
        return value
    return [
        conform(schema.item, item, unknown, f"{field}[{index}]") for index, item in enumerate(value)
    ]


_TYPES: dict[str, tuple[type, ...]] = {
    "string": (str,),
    "integer": (int,),
    "boolean": (bool,),
    "number": (int, float),
    "int-or-string": (int, str),
}


_GO_TYPES = {
    "integer": "int32",
    "boolean": "bool",
    "number": "float64",
    "int-or-string": "intstr.IntOrString",
}


def _scalar(schema: Scalar, value: Any, field: str) -> Any:
    if schema.type == "any":
        return value
    if schema.type in _TIMES:
        return _time(schema.type, value, field)
    if schema.type == "quantity":
        return _quantity(value, field)
    if not isinstance(value, _TYPES[schema.type]) or (
        isinstance(value, bool) and schema.type != "boolean"
    ):
        raise WrongType(field, value, _GO_TYPES.get(schema.type, schema.type))
    return value


#: How a time is written, and what of RFC 3339 is read besides.
_TIMES = {
    "time": (
        "%Y-%m-%dT%H:%M:%SZ",
        re.compile(r"\d{4}-\d\d-\d\d[Tt]\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)"),
    ),
    "microtime": (
        "%Y-%m-%dT%H:%M:%S.%fZ",
        re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}(Z|[+-]\d\d:\d\d)"),
    ),
}


def _time(kind: str, value: Any, field: str) -> str:
    written, readable = _TIMES[kind]
    if not isinstance(value, str) or not readable.fullmatch(value):
        raise WrongType(field, value, "time.Time")
    try:
        moment = datetime.datetime.fromisoformat(value.upper())
    except ValueError as error:
        raise WrongType(field, value, "time.Time") from error
    return moment.astimezone(datetime.UTC).strftime(written)


_QUANTITY = re.compile(r"[+-]?[0-9.]+([eE][-+]?[0-9]+|[numkMGTPE]|[KMGTPE]i)?")


def _quantity(value: Any, field: str) -> Any:
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        raise WrongType(field, value, "resource.Quantity")
    if not _QUANTITY.fullmatch(str(value)):
        raise WrongType(field, value, "resource.Quantity")
    return str(value)
