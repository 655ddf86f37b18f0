"""Strategic merge patch: a merge patch that knows which lists are maps.

Directives: ``$patch: replace|delete|merge`` in maps and as list items, ``$retainKeys``,
``$setElementOrder/<list>``, ``$deleteFromPrimitiveList/<list>``; null deletes.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from cloudprovider_sandbox.apiserver.schema import ListOf, Schema, child

DIRECTIVE = "$patch"
RETAIN = "$retainKeys"
ORDER = "$setElementOrder/"
DELETE_FROM = "$deleteFromPrimitiveList/"


class PatchError(ValueError):
    """The patch does not fit the object: a wrong directive, or an item without its merge key."""


def apply(target: Mapping[str, Any], patch: Mapping[str, Any], schema: Schema) -> dict[str, Any]:
    """``target`` with ``patch`` merged in by ``schema``; neither is changed.

    Raises:
        PatchError: the patch cannot be applied.

    """
    if not isinstance(patch, dict):
        raise PatchError("a strategic merge patch is a map")
    return _map(target, patch, schema)


def _map(target: Mapping[str, Any], patch: Mapping[str, Any], schema: Schema) -> dict[str, Any]:
    directive = patch.get(DIRECTIVE)
    if directive == "replace":
        return {name: value for name, value in patch.items() if name != DIRECTIVE}
    if directive == "delete":
        return {}
    if directive not in {None, "merge"}:
        raise PatchError(f"unknown patch type: {directive} in map: {patch}")
    result = dict(target)
    if RETAIN in patch:
        result = {name: value for name, value in result.items() if name in patch[RETAIN]}
    for name, values in patch.items():
        if name.startswith(DELETE_FROM):
            _delete_scalars(result, name.removeprefix(DELETE_FROM), values)
    for name in _fields(patch):
        _field(result, name, patch, child(schema, name))
    return result


def _fields(patch: Mapping[str, Any]) -> list[str]:
    """The plain fields that the patch is about, also those that it only reorders."""
    plain = [name for name in patch if not name.startswith("$")]
    ordered = [name.removeprefix(ORDER) for name in patch if name.startswith(ORDER)]
    return plain + [name for name in ordered if name not in patch]


def _field(result: dict[str, Any], name: str, patch: Mapping[str, Any], schema: Schema) -> None:
    order = patch.get(ORDER + name)
    if name not in patch:
        if isinstance(result.get(name), list) and isinstance(schema, ListOf):
            result[name] = _reordered(result[name], order or [], result[name], schema)
        return
    value, before = patch[name], result.get(name)
    if isinstance(value, list) and order is not None:
        _check_order(value, order, schema)
    if value is None:
        result.pop(name, None)
    elif before is None or type(value) is not type(before) or not isinstance(value, dict | list):
        # Nothing to merge with: taken as it is, even two items of one key.
        _take(result, name, value)
        if isinstance(value, list) and order is not None and isinstance(schema, ListOf):
            result[name] = _reordered(result[name], order, [], schema)
    elif isinstance(value, dict):
        result[name] = _map(before, value, schema)
        if value.get(DIRECTIVE) == "delete":
            del result[name]
    else:
        result[name] = _list(before, value, schema, order)


def _take(result: dict[str, Any], name: str, value: Any) -> None:
    """Set a field to ``value`` without its directives and nulls; a map that is one is left out."""
    if _is_directive_map(value):
        result.pop(name, None)
    else:
        result[name] = _plain(value)


def _is_directive_map(value: Any) -> bool:
    return isinstance(value, dict) and DIRECTIVE in value


def _plain(value: Any) -> Any:
    if isinstance(value, list):
        return [_plain(item) for item in value if not _is_directive_map(item)]
    if not isinstance(value, dict):
        return value
    return {
        name: _plain(part)
        for name, part in value.items()
        if part is not None and not _is_directive_map(part)
    }


def _check_order(items: list[Any], order: list[Any], schema: Schema) -> None:
    """Raise PatchError if the patch's own order contradicts the one that it asks for."""
    if not isinstance(schema, ListOf) or not order:
        return
    identity = _identity(schema)
    wanted = iter([identity(item) for item in order])
    named = [identity(item) for item in items if not _is_directive_map(item)]
    if not all(item in wanted for item in named):
        raise PatchError(
            f"The order in patch list:\n{items}\n doesn't match {ORDER} list:\n{order}\n"
        )


def _delete_scalars(result: dict[str, Any], name: str, values: Any) -> None:
    if isinstance(result.get(name), list):
        left = [item for item in result[name] if item not in values]
        result[name] = left
        if not left:
            del result[name]


def _identity(schema: ListOf) -> Callable[[Any], Any]:
    """What tells an item of the list from another: its merge key's value, or itself."""
    key = schema.merge_key
    if not key:
        return lambda item: item
    return lambda item: item.get(key) if isinstance(item, dict) else item


def _list(
    target: list[Any], patch: list[Any], schema: Schema, order: list[Any] | None
) -> list[Any]:
    if not isinstance(schema, ListOf) or not schema.merge:
        return [item for item in patch if not _is_directive(item, "replace")]
    if any(_is_directive(item, "replace") for item in patch):
        return [item for item in patch if not _is_directive(item, "replace")]
    identity = _identity(schema)
    if schema.merge_key:
        merged = _merge_items(target, patch, schema)
    else:
        merged = list(dict.fromkeys([*target, *patch]))
    # Without directives for the list, the patch itself gives the order of what it names.
    named = [item for item in patch if not _is_deletion(item)]
    merged = _ordered(merged, [identity(item) for item in named], target, identity)
    return merged if order is None else _reordered(merged, order, target, schema)


def _reordered(
    items: list[Any], order: list[Any], original: list[Any], schema: ListOf
) -> list[Any]:
    identity = _identity(schema)
    return _ordered(items, [identity(item) for item in order], original, identity)


def _is_directive(item: Any, directive: str) -> bool:
    # An item that also has fields is a change of that item, not of the list.
    return isinstance(item, dict) and item.get(DIRECTIVE) == directive and len(item) == 1


def _is_deletion(item: Any) -> bool:
    return isinstance(item, dict) and item.get(DIRECTIVE) == "delete"


def _merge_items(target: list[Any], patch: list[Any], schema: ListOf) -> list[Any]:
    key = schema.merge_key
    merged = list(target)
    for item in patch:
        if not isinstance(item, dict) or key not in item:
            raise PatchError(f"map: {item} does not contain declared merge key: {key}")
        directive = item.get(DIRECTIVE)
        matching = [
            n for n, old in enumerate(merged) if isinstance(old, dict) and old.get(key) == item[key]
        ]
        if directive == "delete":
            merged = [old for n, old in enumerate(merged) if n not in matching]
        elif matching:
            merged[matching[0]] = _map(merged[matching[0]], item, schema.item)
        else:
            merged.append(_map({}, item, schema.item))
    return merged


def _hashable(value: Any) -> Any:
    return value if isinstance(value, str | int | float | bool | type(None)) else repr(value)


def _ordered(
    merged: list[Any],
    order: list[Any],
    original: list[Any],
    identity: Callable[[Any], Any],
) -> list[Any]:
    """``merged`` in the order asked for, given as identities.

    Items that the order does not name keep their old place relative to named ones that were there
    before, and come after new ones.
    """
    wanted = {_hashable(item): n for n, item in enumerate(order)}
    # Of items that share an identity the first counts.
    places = [_hashable(identity(item)) for item in original]
    before = {item: n for n, item in reversed(list(enumerate(places)))}
    named = sorted(
        (item for item in merged if _hashable(identity(item)) in wanted),
        key=lambda item: wanted[_hashable(identity(item))],
    )
    rest = [item for item in merged if _hashable(identity(item)) not in wanted]
    result: list[Any] = []
    while named and rest:
        place_named = before.get(_hashable(identity(named[0])))
        place_rest = before.get(_hashable(identity(rest[0])))
        if place_named is not None and place_rest is not None and place_rest < place_named:
            result.append(rest.pop(0))
        else:
            result.append(named.pop(0))
    return result + named + rest
