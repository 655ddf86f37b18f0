"""Field sets: which fields a manager owns, in the ``FieldsV1`` form of ``managedFields``.

A path is a tuple of elements ``f:name``, ``k:{"key":"value"}`` (item of a keyed list) and
``v:value`` (item of a set). A set is the nested dict that goes on the wire; ``.`` marks a node that
is a member itself beside having children.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from cloudprovider_sandbox.apiserver.conform import zero
from cloudprovider_sandbox.apiserver.schema import (
    ListOf,
    Scalar,
    Schema,
    Struct,
    child,
    is_atomic,
    item_of,
)

Path = tuple[str, ...]
FieldSet = dict[str, Any]
SELF = "."

#: Fields that no manager owns.
STRIPPED = frozenset(
    {
        ("f:apiVersion",),
        ("f:kind",),
        ("f:metadata",),
        *(
            ("f:metadata", f"f:{name}")
            for name in (
                "name", "namespace", "creationTimestamp", "selfLink", "uid", "generation",
                "managedFields", "resourceVersion", "deletionTimestamp",
                "deletionGracePeriodSeconds", "generateName",
            )
        ),
    }
)  # fmt: skip


def compact(value: Any) -> str:
    """JSON without blanks, keys in order."""
    return json.dumps(value, separators=(",", ":"), sort_keys=True)


def element(schema: Schema, item: Any) -> str:
    """The path element of ``item`` in a keyed list or set."""
    if isinstance(schema, ListOf) and schema.keys and isinstance(item, dict):
        keys = {key: item.get(key, schema.key_defaults.get(key)) for key in schema.keys}
        return "k:" + compact({key: value for key, value in keys.items() if value is not None})
    return "v:" + compact(item)


def children(schema: Schema, value: Any) -> dict[str, tuple[Schema, Any]]:
    """The parts of a map or of a keyed list or set, by path element."""
    if isinstance(value, dict):
        return {f"f:{name}": (child(schema, name), part) for name, part in value.items()}
    return {element(schema, item): (item_of(schema), item) for item in value}


def differences(
    schema: Schema, old: Any, new: Any, *, containers: bool = False
) -> tuple[list[Path], list[Path]]:
    """Paths (added or changed, removed) between two values; None stands for absence.

    With ``containers``, a new map or list counts itself, beside what is in it.
    """
    changed: list[Path] = []
    removed: list[Path] = []
    if old is None and isinstance(schema, Struct):
        old = _nothing(schema)
    _compare(schema, (old, new), (), (changed, removed, containers))
    return changed, removed


def _nothing(schema: Struct) -> dict[str, Any]:
    """What an object of this kind holds before anybody has written to it."""
    made: dict[str, Any] = {}
    for name, part in schema.fields.items():
        if isinstance(part, Struct) and part.always:
            made[name] = _nothing(part)
        elif isinstance(part, Scalar) and part.always:
            made[name] = zero(part)
    return made


def _is_always(schema: Schema) -> bool:
    return isinstance(schema, Struct) and schema.always


def _compare(
    schema: Schema, pair: tuple[Any, Any], path: Path, found: tuple[list[Path], list[Path], bool]
) -> None:
    old, new = pair
    changed, removed, containers = found
    if old == new:
        return
    if new is None:
        removed += paths(schema, old, path, containers=containers)
    elif old is None:
        changed += paths(schema, new, path, containers=containers)
    elif is_atomic(schema, old) or is_atomic(schema, new) or type(old) is not type(new):
        if not is_atomic(schema, old):
            removed += [p for p in paths(schema, old, path) if p != path]
        changed += paths(schema, new, path, containers=containers)
    else:
        before, after = children(schema, old), children(schema, new)
        for name, (part_schema, part) in after.items():
            known = before.get(name)
            _compare(part_schema, (known and known[1], part), (*path, name), found)
        for name, (part_schema, part) in before.items():
            if name not in after:
                _compare(part_schema, (part, None), (*path, name), found)


def _is_leaf(schema: Schema, value: Any) -> bool:
    return not value or is_atomic(schema, value)


def paths(schema: Schema, value: Any, path: Path = (), *, containers: bool = False) -> list[Path]:
    """Every path of ``value``: leaves, and the items of keyed lists themselves."""
    if _is_leaf(schema, value):
        return [path]
    itself = path and (path[-1].startswith("k:") or (containers and not _is_always(schema)))
    found = [path] if itself else []
    for name, (part_schema, part) in children(schema, value).items():
        if part is not None:
            found += paths(part_schema, part, (*path, name), containers=containers)
    return found


def owned(found: list[Path]) -> list[Path]:
    """``found`` without the fields that nobody owns."""
    return [path for path in found if path[:2] not in STRIPPED and path[:1] not in _TOP]


_TOP = frozenset({("f:apiVersion",), ("f:kind",)})


def insert(fields: FieldSet, path: Path) -> None:
    """Add ``path`` to the set."""
    for name in path[:-1]:
        node = fields.get(name)
        if node is None:
            node = fields[name] = {}
        elif not node:
            node[SELF] = {}
        fields = node
    last = fields.get(path[-1])
    if last is None:
        fields[path[-1]] = {}
    elif last:
        last[SELF] = {}


def discard(fields: FieldSet, path: Path) -> None:
    """Take ``path`` out of the set; its children stay."""
    head, rest = path[0], path[1:]
    node = fields.get(head)
    if node is None:
        return
    if rest:
        was_member = not node or SELF in node
        discard(node, rest)
        if not node and not was_member:
            del fields[head]
    elif set(node) <= {SELF}:
        del fields[head]
    else:
        node.pop(SELF, None)
    if set(node) == {SELF}:
        node.clear()


def contains(fields: FieldSet, path: Path) -> bool:
    """Whether ``path`` itself is in the set."""
    node = find(fields, path)
    return node is not None and (not node or SELF in node)


def find(fields: FieldSet, path: Path) -> FieldSet | None:
    """The node at ``path``: not None if it or anything below it is in the set."""
    node: FieldSet | None = fields
    for name in path:
        node = None if node is None else node.get(name)
    return node


def members(fields: FieldSet, path: Path = ()) -> Iterator[Path]:
    """All paths of the set."""
    for name, node in fields.items():
        if name == SELF:
            yield path
        elif not node:
            yield (*path, name)
        else:
            yield from members(node, (*path, name))


def rank(path: Path) -> list[tuple[bool, str]]:
    """A sort key: at each level, what ends there comes before what goes on."""
    return [(n < len(path) - 1, name) for n, name in enumerate(path)]


def readable(path: Path) -> str:
    """``path`` as kubectl shows it: ``.spec.ports[port=80,protocol="TCP"].nodePort``."""
    text = ""
    for name in path:
        if name.startswith("f:"):
            text += f".{name[2:]}"
        elif name.startswith("k:"):
            keys = json.loads(name[2:])
            text += f"[{','.join(f'{key}={compact(value)}' for key, value in keys.items())}]"
        else:
            text += f"[={name[2:]}]"
    return text
