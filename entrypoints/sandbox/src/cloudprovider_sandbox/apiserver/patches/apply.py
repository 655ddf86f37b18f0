"""Server-side apply and the bookkeeping of ``metadata.managedFields``.

One entry per manager, operation, API version and subresource. Semantics follow
structured-merge-diff: an apply may only change fields that others own with ``force``; a field that
a manager stops applying goes away unless someone else owns it.
"""

from __future__ import annotations

import copy
import dataclasses
from collections.abc import Callable
from typing import Any

from cloudprovider_sandbox.apiserver.patches import fields
from cloudprovider_sandbox.apiserver.patches.fields import FieldSet, Path
from cloudprovider_sandbox.apiserver.schema import Schema, child, is_atomic, item_of

Json = dict[str, Any]


@dataclasses.dataclass(frozen=True)
class Manager:
    """Who writes."""

    name: str
    operation: str  #: Update or Apply
    api_version: str
    subresource: str = ""
    isolated: bool = False  #: the kind has a status that only its subresource writes

    def owns(self, entry: Json) -> bool:
        """Whether ``entry`` of ``managedFields`` is this manager's."""
        return (
            entry.get("manager", ""),
            entry.get("operation"),
            entry.get("subresource", ""),
        ) == (self.name, self.operation, self.subresource)


class ApplyConflict(Exception):
    """Other managers own fields with other values.

    ``conflicts`` holds (manager entry, path as text).
    """

    def __init__(self, conflicts: list[tuple[Json, str]]) -> None:
        super().__init__(f"{len(conflicts)} conflicts")
        self.conflicts = conflicts


def _within(found: list[Path], manager: Manager) -> list[Path]:
    """``found`` without what ``manager`` cannot write through the endpoint that it used."""
    if not manager.isolated:
        return found
    if manager.subresource:
        return [path for path in found if path[0] in {"f:status", "f:metadata"}]
    return [path for path in found if path[0] != "f:status"]


def _resettable(config: Json, manager: Manager) -> Json:
    if manager.subresource:
        kept = {"kind", "apiVersion", "metadata", "status"}
        return {name: value for name, value in config.items() if name in kept}
    return {name: value for name, value in config.items() if name != "status"}


def merge(schema: Schema, live: Any, config: Any) -> Any:
    """``live`` with the fields of ``config`` in place; neither is changed."""
    if is_atomic(schema, config) or live is None or type(live) is not type(config):
        return copy.deepcopy(config)
    if isinstance(config, dict):
        result = dict(live)
        for name, value in config.items():
            if value is not None:
                result[name] = merge(child(schema, name), live.get(name), value)
        return result
    before = {fields.element(schema, item): item for item in live}
    after = {fields.element(schema, item): item for item in config}
    order = [*(name for name in before if name not in after), *after]
    if list(before) != list(after) and set(after) <= set(before):
        order = list(before)
    item_schema = item_of(schema)
    return [
        merge(item_schema, before.get(name), after[name]) if name in after else before[name]
        for name in order
    ]


def remove(schema: Schema, value: Any, path: Path) -> Any:
    """``value`` without what stands at ``path``; emptied maps and lists go too."""
    head, rest = path[0], path[1:]
    if isinstance(value, dict):
        name = head[2:]
        if name not in value:
            return value
        result = dict(value)
        if rest:
            result[name] = remove(child(schema, name), value[name], rest)
        if not rest or result[name] in ({}, []):
            del result[name]
        return result
    if not isinstance(value, list):
        return value
    items = []
    for item in value:
        if fields.element(schema, item) != head:
            items.append(item)
        elif rest:
            items.append(remove(item_of(schema), item, rest))
    return items


def apply(
    schema: Schema,
    live: Json,
    config: Json,
    manager: Manager,
    *,
    force: bool,
    now: Callable[[], str],
) -> Json:
    """``live`` (``{}`` for a new object) after ``manager`` applied ``config``.

    Raises:
        ApplyConflict: without ``force``, when another manager owns a field that would change.

    """
    entries = copy.deepcopy(live.get("metadata", {}).get("managedFields") or [])
    config = copy.deepcopy(config)
    config.get("metadata", {}).pop("managedFields", None)
    if manager.isolated:
        config = _resettable(config, manager)
    merged = merge(schema, live, config)
    changed, _ = fields.differences(schema, live or None, merged)
    changed = fields.owned(changed)
    others = [entry for entry in entries if not manager.owns(entry)]
    conflicts = _conflicts(others, changed)
    if conflicts and not force:
        conflicts.sort(key=lambda conflict: fields.rank(conflict[1]))
        raise ApplyConflict([(entry, fields.readable(path)) for entry, path in conflicts])
    for entry, path in conflicts:
        fields.discard(entry["fieldsV1"], path)
    mine: FieldSet = {}
    for path in fields.owned(fields.paths(schema, config)):
        fields.insert(mine, path)
    previous = next((entry for entry in entries if manager.owns(entry)), None)
    if previous is not None:
        merged = _prune(schema, merged, previous["fieldsV1"], mine, others)
    repeated = previous is not None and previous["fieldsV1"] == mine and not changed
    stamp = previous["time"] if previous is not None and repeated else now()
    entry = _entry(manager, mine, stamp)
    return _with_entries(merged, _replaced(entries, others, previous, entry))


def _conflicts(others: list[Json], changed: list[Path]) -> list[tuple[Json, Path]]:
    return [
        (entry, path)
        for entry in others
        for path in changed
        if fields.contains(entry.get("fieldsV1") or {}, path) and not path[-1].startswith("k:")
    ]


def _prune(
    schema: Schema, merged: Json, before: FieldSet, after: FieldSet, others: list[Json]
) -> Json:
    """``merged`` without what this manager applied ``before``, applies no more and alone owned."""
    dropped = [path for path in fields.members(before) if fields.find(after, path) is None]
    for path in sorted(dropped, key=len):
        held = any(fields.find(entry.get("fieldsV1") or {}, path) is not None for entry in others)
        if not held:
            merged = remove(schema, merged, path)
    return merged


def _entry(manager: Manager, owned: FieldSet, stamp: str) -> Json:
    entry: Json = {
        "manager": manager.name,
        "operation": manager.operation,
        "apiVersion": manager.api_version,
        "time": stamp,
        "fieldsType": "FieldsV1",
        "fieldsV1": owned,
    }
    return entry | ({"subresource": manager.subresource} if manager.subresource else {})


def _replaced(
    entries: list[Json], others: list[Json], previous: Json | None, entry: Json
) -> list[Json]:
    kept = [other for other in others if other.get("fieldsV1")]
    if not entry["fieldsV1"]:
        return kept
    if previous is None:
        return [*kept, entry]
    return [entry if old is previous else old for old in entries if old is previous or old in kept]


def _with_entries(obj: Json, entries: list[Json]) -> Json:
    meta = dict(obj.get("metadata") or {})
    meta.pop("managedFields", None)
    if entries:
        meta["managedFields"] = sorted(entries, key=_order)
    return obj | {"metadata": meta}


def _order(entry: Json) -> tuple[str, ...]:
    """Where kube-apiserver lists ``entry``: applies first, then by time and name."""
    return tuple(
        entry.get(name) or ""
        for name in ("operation", "time", "manager", "apiVersion", "subresource")
    )


def track_update(
    schema: Schema, old: Json | None, new: Json, manager: Manager, *, now: Callable[[], str]
) -> Json:
    """``new`` with its ``managedFields`` brought up to date after an ordinary write."""
    before = (old or {}).get("metadata", {}).get("managedFields") or []
    given = new.get("metadata", {}).get("managedFields")
    base = given if given is not None and given != before else before
    changed, removed = fields.differences(schema, old, new, containers=True)
    changed = _within(fields.owned(changed), manager)
    removed = _within(fields.owned(removed), manager)
    if not changed and not removed:
        return _with_entries(new, [entry for entry in base if entry.get("fieldsV1")])
    entries = copy.deepcopy(base)
    mine = next((entry for entry in entries if manager.owns(entry)), None)
    for entry in entries:
        for path in removed if entry is mine else [*removed, *changed]:
            fields.discard(entry["fieldsV1"], path)
    if changed:
        if mine is None:
            mine = _entry(manager, {}, "")
            entries.append(mine)
        for path in changed:
            fields.insert(mine["fieldsV1"], path)
        mine["time"] = now()
    return _with_entries(new, [entry for entry in entries if entry.get("fieldsV1")])
