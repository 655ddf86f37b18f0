"""JSON patch, RFC 6902."""

from __future__ import annotations

import copy
from typing import Any


class PatchError(ValueError):
    """A path does not exist, or a test failed."""


class MalformedPatch(ValueError):
    """It is no list of operations."""


def apply(target: Any, operations: Any) -> Any:
    """``target`` after all ``operations``; ``target`` is not changed.

    Raises:
        PatchError: one operation cannot be carried out; none has taken effect.
        MalformedPatch: it is no list.

    """
    if not isinstance(operations, list):
        raise MalformedPatch("error decoding patch: a JSON patch is a list of operations")
    document = copy.deepcopy(target)
    for operation in operations:
        document = _apply_one(document, operation)
    return document


def _apply_one(document: Any, operation: Any) -> Any:
    try:
        op, path = operation["op"], operation["path"]
        if op in {"add", "replace", "test"}:
            return _OPERATIONS[op](document, path, operation["value"])
        if op == "remove":
            return _remove(document, path)
        if op in {"move", "copy"}:
            value = copy.deepcopy(_get(document, operation["from"]))
            if op == "move":
                document = _remove(document, operation["from"])
            return _add(document, path, value)
    except (KeyError, TypeError, AttributeError) as error:
        raise PatchError(f"malformed operation: {operation}") from error
    raise PatchError(f"unexpected kind: {op}")


def _tokens(path: str) -> list[str]:
    if path and not path.startswith("/"):
        raise PatchError(f"path does not start with /: {path}")
    return [token.replace("~1", "/").replace("~0", "~") for token in path.split("/")[1:]]


def _index(token: str, length: int) -> int:
    if not token.isdigit() or int(token) >= length:
        raise PatchError(f"invalid array index: {token}")
    return int(token)


def _step(value: Any, token: str, path: str) -> Any:
    if isinstance(value, list):
        return value[_index(token, len(value))]
    if isinstance(value, dict) and token in value:
        return value[token]
    raise PatchError(f"missing path: {path}")


def _get(document: Any, path: str) -> Any:
    for token in _tokens(path):
        document = _step(document, token, path)
    return document


def _parent(document: Any, path: str) -> tuple[Any, str]:
    *parents, last = _tokens(path)
    for token in parents:
        document = _step(document, token, path)
    return document, last


def _add(document: Any, path: str, value: Any) -> Any:
    if not path:
        return value
    parent, last = _parent(document, path)
    if isinstance(parent, list):
        parent.insert(len(parent) if last == "-" else _index(last, len(parent) + 1), value)
    elif isinstance(parent, dict):
        parent[last] = value
    else:
        raise PatchError(f"missing path: {path}")
    return document


def _remove(document: Any, path: str) -> Any:
    parent, last = _parent(document, path)
    _step(parent, last, path)
    del parent[int(last) if isinstance(parent, list) else last]
    return document


def _replace(document: Any, path: str, value: Any) -> Any:
    if not path:
        return value
    parent, last = _parent(document, path)
    if isinstance(parent, list):
        parent[_index(last, len(parent))] = value
        return document
    return _add(document, path, value)  # the API server replaces what is not there, too


def _test(document: Any, path: str, value: Any) -> Any:
    try:
        found = _get(document, path)
    except PatchError:
        found = None
    if found != value or isinstance(found, bool) != isinstance(value, bool):
        raise PatchError(f"testing path {path} failed")
    return document


_OPERATIONS = {"add": _add, "replace": _replace, "test": _test}
