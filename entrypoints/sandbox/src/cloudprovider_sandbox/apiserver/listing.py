"""Lists: consistent at one version, selected, in pages."""

from __future__ import annotations

import base64
import binascii
import bisect
import dataclasses
from collections.abc import Mapping

import msgspec

from cloudprovider_sandbox.apiserver import status
from cloudprovider_sandbox.apiserver.messages import Request
from cloudprovider_sandbox.apiserver.options import check_list
from cloudprovider_sandbox.apiserver.resources import Resource
from cloudprovider_sandbox.apiserver.selectors import Selector
from cloudprovider_sandbox.apiserver.store import Entry, Expired, Key, Store

_TOO_OLD = "The resourceVersion for the provided list is too old."
_PAGE_TOO_OLD = (
    "The provided continue parameter is too old to display a consistent list result. "
    "You can start a new list without the continue parameter."
)


class Token(msgspec.Struct, frozen=True, kw_only=True):
    """Where the next page begins."""

    v: str = "meta.k8s.io/v1"
    rv: int
    start: Key


@dataclasses.dataclass(frozen=True)
class Page:
    """Part of a list."""

    entries: list[Entry]
    version: int
    token: str = ""
    remaining: int = 0


def version_of(text: str) -> int | None:
    """A resourceVersion parameter; None if empty. Raises StatusError 500."""
    if not text:
        return None
    if not text.isdigit():
        raise status.invalid_version(text)
    return int(text)


def read(
    store: Store,
    resource: Resource,
    namespace: str,
    selector: Selector,
    request: Request,
    *,
    ceiling: int | None = None,
) -> Page:
    """The page that ``request`` asks for; ``ceiling`` is the newest version it may see.

    Raises:
        StatusError: 400, 422 or 500 for a broken parameter, 410 for a version or token that is
            too old.

    """
    query = request.query
    check_list(query)
    limit = max(0, int(query.get("limit", "0")))
    token = _parse_token(query["continue"]) if query.get("continue") else None
    if not query.get("resourceVersion", "0").isdigit() and not token:
        wrong = status.invalid_version(query["resourceVersion"])
        raise status.bad_request(f"invalid resource version: {wrong.message}")
    with store.lock:
        version = _version(store, query, token, ceiling)
        entries = _entries(
            store, resource, namespace, version, _PAGE_TOO_OLD if token else _TOO_OLD
        )
    if selector.name:
        entries = [entry for entry in entries if entry.key[1] == selector.name]
    if token is not None:
        entries = entries[bisect.bisect_left(entries, token.start, key=lambda entry: entry.key) :]
    if not selector.everything:
        entries = [entry for entry in entries if selector.matches(entry)]
    if not limit or len(entries) <= limit:
        return Page(entries, version)
    start = entries[limit].key
    text = base64.urlsafe_b64encode(msgspec.json.encode(Token(rv=version, start=start))).decode()
    remaining = len(entries) - limit if selector.everything else 0
    return Page(entries[:limit], version, text, remaining)


def _version(
    store: Store, query: Mapping[str, str], token: Token | None, ceiling: int | None
) -> int:
    newest = store.version if ceiling is None else min(ceiling, store.version)
    if token is not None:
        return token.rv
    asked = version_of(query.get("resourceVersion", ""))
    if asked and asked > newest:
        raise status.too_large_version(asked, newest)
    exact = query.get("resourceVersionMatch") == "Exact"
    return asked if exact and asked is not None else newest


def _entries(
    store: Store, resource: Resource, namespace: str, version: int, too_old: str
) -> list[Entry]:
    table = store.table(resource.storage)
    if version >= store.version:
        return table.entries(namespace)
    try:
        if not table.changes_after(version):
            return table.entries(namespace)
        objects = table.at(version)
    except Expired as error:
        raise status.gone(too_old) from error
    return [objects[key] for key in sorted(objects) if not namespace or key[0] == namespace]


def _parse_token(text: str) -> Token:
    try:
        return msgspec.json.decode(base64.urlsafe_b64decode(text), type=Token)
    except (binascii.Error, msgspec.MsgspecError, ValueError) as error:
        raise status.bad_request("continue key is not valid") from error
