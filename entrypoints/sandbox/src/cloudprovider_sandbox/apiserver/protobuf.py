r"""Decode the few protobuf bodies that kubectl sends where it would not take no for an answer.

Envelope: ``k8s\0`` and a ``runtime.Unknown`` {1: typeMeta, 2: raw}. Field numbers are those of the
``generated.proto`` files in ``k8s.io/api``.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping
from typing import Any

MAGIC = b"k8s\0"


class UnknownMessage(ValueError):
    """No field map for this kind."""


@dataclasses.dataclass(frozen=True)
class Field:
    """One field. Besides messages, types are str, int, bool, bytes, map, bytes-map and more."""

    name: str
    type: str | Mapping[int, Field] = "str"
    repeated: bool = False


Message = Mapping[int, Field]


def decode(body: bytes) -> dict[str, Any]:
    """The object in ``body`` as JSON would give it.

    Raises:
        UnknownMessage: the kind has no field map.
        ValueError: not protobuf.

    """
    from cloudprovider_sandbox.apiserver.protobuf_messages import MESSAGES  # large, seldom needed

    if not body.startswith(MAGIC):
        raise ValueError("no protobuf envelope")
    envelope = _decode(body[len(MAGIC) :], {1: Field("meta", _TYPE_META), 2: Field("raw", "bytes")})
    kind = envelope["meta"].get("kind", "")
    message = MESSAGES.get(kind)
    if message is None:
        raise UnknownMessage(f"kind {kind}")
    value = _decode(envelope.get("raw", b""), message)
    return {"apiVersion": envelope["meta"].get("apiVersion", ""), "kind": kind} | value


_TYPE_META: Message = {1: Field("apiVersion"), 2: Field("kind")}


def _varint(data: bytes, at: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        byte = data[at]
        value |= (byte & 0x7F) << shift
        at += 1
        if byte < 0x80:
            return value, at
        shift += 7


def _wire(data: bytes) -> Iterator[tuple[int, int | bytes]]:
    """(field number, value) of each field in ``data``."""
    at = 0
    while at < len(data):
        tag, at = _varint(data, at)
        kind = tag & 7
        if kind == 0:
            value, at = _varint(data, at)
            yield tag >> 3, value
        elif kind == 2:
            size, at = _varint(data, at)
            yield tag >> 3, data[at : at + size]
            at += size
        elif kind in {1, 5}:
            size = 8 if kind == 1 else 4
            yield tag >> 3, data[at : at + size]
            at += size
        else:
            raise ValueError(f"wire type {kind}")


def _decode(data: bytes, message: Message) -> dict[str, Any]:
    result: dict[str, Any] = {}
    for number, raw in _wire(data):
        field = message.get(number)
        if field is None:
            continue
        if field.type == "map":
            entry = _decode(raw, {1: Field("key"), 2: Field("value")})  # type: ignore[arg-type]
            result.setdefault(field.name, {})[entry.get("key", "")] = entry.get("value", "")
        elif field.type == "bytes-map":
            entry = _decode(raw, {1: Field("key"), 2: Field("value", "base64")})  # type: ignore[arg-type]
            result.setdefault(field.name, {})[entry.get("key", "")] = entry.get("value", "")
        elif field.type == "quantity-map":
            entry = _decode(raw, {1: Field("key"), 2: Field("value", {1: Field("string")})})  # type: ignore[arg-type]
            quantity = entry.get("value", {}).get("string", "0")
            result.setdefault(field.name, {})[entry.get("key", "")] = quantity
        elif field.repeated:
            result.setdefault(field.name, []).append(_value(raw, field.type))
        else:
            result[field.name] = _value(raw, field.type)
    return {name: value for name, value in result.items() if value not in ("", None)}


def _value(raw: int | bytes, kind: str | Message) -> Any:
    if isinstance(kind, Mapping):
        return _decode(raw, kind) if isinstance(raw, bytes) else {}
    if isinstance(raw, int):
        if kind == "bool":
            return bool(raw)
        return raw - (1 << 64) if raw >= 1 << 63 else raw
    if kind == "str":
        return raw.decode()
    if kind == "base64":
        import base64  # only here

        return base64.b64encode(raw).decode()
    if kind == "int-or-string":
        parts = _decode(raw, {1: Field("type", "int"), 2: Field("int", "int"), 3: Field("str")})
        return parts.get("str", "") if parts.get("type") else parts.get("int", 0)
    if kind == "time":
        return None  # a client never sends one that matters
    return raw
