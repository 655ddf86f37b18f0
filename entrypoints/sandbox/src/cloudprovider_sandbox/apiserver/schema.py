"""How the fields of a kind merge: the one declaration that patches, apply and OpenAPI read.

Merge keys are those of the ``patchMergeKey`` tags, list keys and atomic marks those of the
``listType``/``listMapKey``/``mapType`` markers in ``k8s.io/api`` 0.32. The two differ: a strategic
merge patch finds a Service port by ``port``, an apply patch by ``port`` and ``protocol``.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any


@dataclasses.dataclass(frozen=True)
class Schema:
    """A field of any type."""

    description: str = dataclasses.field(default="", kw_only=True)


@dataclasses.dataclass(frozen=True)
class Scalar(Schema):
    """A string, integer, boolean, number, time, quantity, ``int-or-string`` or ``any`` (anything).

    A time is RFC 3339 in whole seconds, a ``microtime`` has six decimals. ``keep_zero``: an empty
    string, 0 or false is a value of its own, not the same as absence (a pointer in the Go types).
    ``always``: present even so (a field without ``omitempty``); an absent time is null.
    """

    type: str
    keep_zero: bool = False
    always: bool = False


@dataclasses.dataclass(frozen=True)
class Struct(Schema):
    """Named fields.

    ``open``: other fields may occur too, and are kept. ``always``: present even when empty.
    """

    fields: Mapping[str, Schema]
    open: bool = False
    atomic: bool = False
    always: bool = False


@dataclasses.dataclass(frozen=True)
class MapOf(Schema):
    """String keys of the user's choice."""

    value: Schema
    atomic: bool = False


@dataclasses.dataclass(frozen=True)
class ListOf(Schema):
    """A list.

    ``merge`` and ``merge_key`` rule the strategic merge patch (no key: a set of scalars); ``keys``
    and ``unique`` rule apply; with neither, the list is replaced as a whole.
    """

    item: Schema
    keys: tuple[str, ...] = ()
    unique: bool = False
    merge: bool = False
    merge_key: str = ""
    keep_empty: bool = False  #: an empty list is not the same as absence
    key_defaults: Mapping[str, Any] = dataclasses.field(default_factory=dict)


STR = Scalar("string")
INT = Scalar("integer")
BOOL = Scalar("boolean")
STR_PTR = Scalar("string", keep_zero=True)
INT_PTR = Scalar("integer", keep_zero=True)
BOOL_PTR = Scalar("boolean", keep_zero=True)
NUMBER = Scalar("number")
QUANTITY = Scalar("quantity")
TIME = Scalar("time")
TIME_ALWAYS = Scalar("time", always=True)
MICRO_TIME = Scalar("microtime")
MICRO_TIME_ALWAYS = Scalar("microtime", always=True)
INT_OR_STR = Scalar("int-or-string")
STR_ALWAYS = Scalar("string", keep_zero=True, always=True)
INT_ALWAYS = Scalar("integer", keep_zero=True, always=True)
#: A value of unknown shape: maps merge field by field, lists are replaced.
ANY = Struct({}, open=True)
#: A value that is replaced as a whole.
OPAQUE = Scalar("any")
STR_MAP = MapOf(STR)
STR_LIST = ListOf(STR)


def struct(*, open: bool = False, always: bool = False, **fields: Schema) -> Struct:
    """A :class:`Struct` of ``fields``."""
    return Struct(fields, open=open, always=always)


def keyed(item: Schema, *keys: str, merge_key: str = "", **defaults: Any) -> ListOf:
    """A list whose items are told apart by ``keys``; ``merge_key`` is the first unless given."""
    return ListOf(
        item, keys=keys, merge=True, merge_key=merge_key or keys[0], key_defaults=defaults
    )


def child(schema: Schema, name: str) -> Schema:
    """The schema of field ``name``; :data:`ANY` where it is not declared."""
    if isinstance(schema, Struct):
        return schema.fields.get(name, ANY)
    if isinstance(schema, MapOf):
        return schema.value
    return ANY


def item_of(schema: Schema) -> Schema:
    """The schema of a list's items."""
    return schema.item if isinstance(schema, ListOf) else ANY


def is_atomic(schema: Schema, value: Any) -> bool:
    """Whether ``value`` is one leaf, to be owned and replaced as a whole."""
    if isinstance(value, dict):
        return isinstance(schema, Scalar) or (isinstance(schema, Struct | MapOf) and schema.atomic)
    if isinstance(value, list):
        return not (isinstance(schema, ListOf) and (schema.keys or schema.unique))
    return True
