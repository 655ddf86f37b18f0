"""Create, update, patch and delete: each checked, then written as one version of one object.

The order of steps is kube-apiserver's (``registry/generic/registry/store.go``): types, defaults,
ownership of fields, isolation of status and spec, validation, allocation, commit.
"""

from __future__ import annotations

import dataclasses
import datetime
from collections.abc import Callable, Mapping
from typing import Any

import msgspec

from cloudprovider.concurrency import Concurrency
from cloudprovider_sandbox.apiserver import metadata, status
from cloudprovider_sandbox.apiserver.conform import WrongType, conform
from cloudprovider_sandbox.apiserver.namespaces import Namespaces
from cloudprovider_sandbox.apiserver.patches.apply import Manager, track_update
from cloudprovider_sandbox.apiserver.resources import Resource
from cloudprovider_sandbox.apiserver.store import Entry, Key, Store
from cloudprovider_sandbox.apiserver.strategies.base import Json, Strategy

#: Turns the stored object (None if absent) into the wanted one. May raise StatusError.
Edit = Callable[[Json | None], Json]


@dataclasses.dataclass
class Write:
    """How a write is to be made, and what it has to say."""

    manager: Manager
    dry_run: bool = False
    patched: bool = False  #: what a patch made of the object
    strict: bool = False  #: unknown fields are refused, not dropped
    tracked: bool = True  #: keep managedFields up to date (an apply does that itself)
    warnings: list[str] = dataclasses.field(default_factory=list)


@dataclasses.dataclass(frozen=True)
class Outcome:
    """What a write led to."""

    data: bytes  #: the object
    effect: bool = False
    created: bool = False
    removed: bool = False


@dataclasses.dataclass(frozen=True)
class DeleteOptions:
    """Preconditions of a delete."""

    uid: str = ""
    resource_version: str = ""
    dry_run: bool = False


def timestamp(moment: datetime.datetime) -> str:
    """RFC 3339 in whole seconds, as ``metav1.Time``."""
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")


def selectable_values(resource: Resource, obj: Json) -> Mapping[str, str] | None:
    """The values of the fields that a field selector may ask for; absent ones left out."""
    values = {}
    for name, path in resource.selectable.items():
        value: Any = obj
        for part in path:
            value = value.get(part) if isinstance(value, dict) else None
        if isinstance(value, bool):
            value = "true" if value else "false"
        if value is not None:
            values[name] = str(value)
    return values or None


class Registry:
    """All writes and single reads. Every method takes the store's lock."""

    def __init__(
        self, store: Store, strategies: Mapping[str, Strategy], *, concurrency: Concurrency
    ) -> None:
        self.store = store
        self.strategies = strategies
        self.namespaces = Namespaces(store, self)
        self._concurrency = concurrency

    def now(self) -> str:
        """The time now, as it goes into objects."""
        return timestamp(self._concurrency.now())

    def get(self, resource: Resource, key: Key) -> Entry:
        """The newest version. Raises StatusError 404."""
        entry = self.store.get(resource.storage, key)
        if entry is None:
            raise status.not_found(resource, key[1])
        return entry

    def load(self, resource: Resource, key: Key) -> Json | None:
        """The newest version, decoded; None if absent."""
        entry = self.store.get(resource.storage, key)
        return None if entry is None else msgspec.json.decode(entry.data)

    # -- create ----------------------------------------------------------------------------

    def create(self, resource: Resource, namespace: str, obj: Json, write: Write) -> Outcome:
        """Store a new object. Raises StatusError."""
        strategy = self.strategies[resource.storage]
        with self.store.lock:
            new = self._conform(resource, obj, write)
            meta = new["metadata"]
            if meta.pop("resourceVersion", ""):
                message = "resourceVersion should not be set on objects to be created"
                raise status.StatusError(500, "", message)
            self._name(resource, namespace, meta)
            key = (namespace, meta.get("name", ""))
            strategy.default(new)
            self.stamp(new)
            if write.tracked:
                new = track_update(resource.schema, None, new, write.manager, now=self.now)
            strategy.prepare_create(new)
            errors = metadata.validate(new["metadata"], resource.name_rule) + strategy.validate(new)
            if errors:
                raise status.invalid(resource, key[1], errors)
            self.namespaces.admit(resource, key)
            if self.store.get(resource.storage, key) is not None:
                raise status.already_exists(resource, key[1])
            return self._insert(resource, key, new, write)

    def _insert(self, resource: Resource, key: Key, new: Json, write: Write) -> Outcome:
        reservation = self.strategies[resource.storage].reserve(new, None)
        if write.dry_run:
            if reservation is not None:
                reservation.rollback()
            return Outcome(msgspec.json.encode(new), created=True)
        if reservation is not None:
            reservation.commit()
        entry = self._put(resource, key, new)
        self.namespaces.created(resource, key)
        return Outcome(entry.data, effect=True, created=True)

    def _name(self, resource: Resource, namespace: str, meta: Json) -> None:
        if not meta.get("name") and meta.get("generateName"):
            choice = self._concurrency.random.choice
            meta["name"] = metadata.generated_name(meta["generateName"], choice)
        if resource.namespaced:
            if meta.get("namespace", namespace) != namespace:
                raise status.bad_request(
                    "the namespace of the provided object does not match the namespace sent on the "
                    "request"
                )
            meta["namespace"] = namespace
        else:
            meta.pop("namespace", None)

    def stamp(self, new: Json) -> None:
        """Give a new object its UID and creation time."""
        meta = new["metadata"]
        for name in ("deletionTimestamp", "deletionGracePeriodSeconds", "selfLink"):
            meta.pop(name, None)
        meta["uid"] = self._concurrency.uuid()
        meta["creationTimestamp"] = self.now()
        metadata.drop_empty(meta)

    def _conform(self, resource: Resource, obj: Json, write: Write) -> Json:
        """``obj`` by the schema of its kind. Raises StatusError 400."""
        kind, version = obj.get("kind"), obj.get("apiVersion")
        if version not in {None, "", resource.group_version}:
            raise status.bad_request(
                f"the API version in the data ({version}) does not match the expected API version "
                f"({resource.group_version})"
            )
        if kind not in {None, "", resource.kind}:
            raise status.bad_request(
                f'{kind} in version "{resource.version}" cannot be handled as a {resource.kind}'
            )
        unknown: list[str] = []
        try:
            new: Json = conform(resource.schema, obj, unknown)
        except WrongType as error:
            text = str(error).replace("Go struct field ", f"Go struct field {resource.kind}.")
            if write.patched:
                raise status.invalid_patch(obj, f"json: {text}") from error
            raise status.bad_request(f"{self._handled(resource)}: json: {text}") from error
        if unknown and write.strict:
            listed = ", ".join(f'unknown field "{name}"' for name in unknown)
            raise status.bad_request(f"{self._handled(resource)}: strict decoding error: {listed}")
        write.warnings += [f'unknown field "{name}"' for name in unknown]
        new["kind"], new["apiVersion"] = resource.kind, resource.group_version
        new.setdefault("metadata", {})
        return {"kind": "", "apiVersion": "", "metadata": {}} | new

    def _handled(self, resource: Resource) -> str:
        kind = resource.kind
        return f'{kind} in version "{resource.version}" cannot be handled as a {kind}'

    def _put(self, resource: Resource, key: Key, obj: Json) -> Entry:
        values = selectable_values(resource, obj)
        return self.store.put(resource.storage, key, obj, values)

    # -- update ----------------------------------------------------------------------------

    def edit(
        self, resource: Resource, key: Key, edit: Edit, write: Write, *, subresource: str = ""
    ) -> Outcome:
        """Replace an object by what ``edit`` makes of it.

        Nothing is written, and no event sent, where the result equals what is stored. An absent
        object is created if ``edit`` makes one. Raises StatusError.
        """
        with self.store.lock:
            old = self.load(resource, key)
            wanted = edit(old)
            if old is None:
                return self.create(resource, key[0], wanted, write)
            new = self._conform(resource, wanted, write)
            self._check_version(resource, key, new["metadata"], old["metadata"])
            new = self._prepared(resource, new, old, write, subresource=subresource)
            if new == old:
                return Outcome(self.get(resource, key).data)
            self._validate(resource, key, new, old, subresource=subresource)
            return self._replace(resource, key, new, old, write, subresource=subresource)

    def _check_version(self, resource: Resource, key: Key, new: Json, old: Json) -> None:
        version = new.get("resourceVersion", "")
        if version and not version.isdigit():
            raise status.invalid_version(version)
        if not version.strip("0"):
            if not resource.unconditional_update:
                raise status.no_version(resource, key[1])
        elif version != old["resourceVersion"]:
            raise status.conflict(resource, key[1])
        new["resourceVersion"] = old["resourceVersion"]

    def _prepared(
        self, resource: Resource, new: Json, old: Json, write: Write, *, subresource: str
    ) -> Json:
        strategy = self.strategies[resource.storage]
        meta = new["metadata"]
        metadata.keep_system_fields(meta, old["metadata"])
        if resource.namespaced:
            meta.setdefault("namespace", old["metadata"]["namespace"])
        metadata.drop_empty(meta)
        strategy.default(new)
        if write.tracked:
            new = track_update(resource.schema, old, new, write.manager, now=self.now)
        if subresource:
            strategy.prepare_status(new, old)
        else:
            strategy.prepare_update(new, old)
        return new

    def _validate(
        self, resource: Resource, key: Key, new: Json, old: Json, *, subresource: str
    ) -> None:
        strategy = self.strategies[resource.storage]
        errors = metadata.validate(new["metadata"], resource.name_rule)
        errors += metadata.validate_update(new["metadata"], old["metadata"])
        if subresource:
            errors += strategy.validate_status(new, old)
        else:
            errors += strategy.validate_update(new, old)
        if errors:
            raise status.invalid(resource, key[1], errors)

    def _replace(
        self, resource: Resource, key: Key, new: Json, old: Json, write: Write, *, subresource: str
    ) -> Outcome:
        strategy = self.strategies[resource.storage]
        reservation = None if subresource else strategy.reserve(new, old)
        if write.dry_run:
            if reservation is not None:
                reservation.rollback()
            return Outcome(msgspec.json.encode(new))
        if reservation is not None:
            reservation.commit()
        meta = new["metadata"]
        if meta.get("deletionTimestamp") and not meta.get("finalizers"):
            answer = msgspec.json.encode(new)  # under the last version that it had
            return dataclasses.replace(self._remove(resource, key, new), data=answer)
        return Outcome(self._put(resource, key, new).data, effect=True)

    # -- delete ----------------------------------------------------------------------------

    def delete(self, resource: Resource, key: Key, options: DeleteOptions) -> Outcome:
        """Delete, or with finalizers mark as being deleted. Raises StatusError."""
        with self.store.lock:
            obj = self.load(resource, key)
            if obj is None:
                raise status.not_found(resource, key[1])
            meta = obj["metadata"]
            _check_delete(resource, key, meta, options)
            if options.dry_run:
                return Outcome(msgspec.json.encode(obj), removed=not meta.get("finalizers"))
            if resource.storage == "namespaces":
                return self.namespaces.delete(resource, key, obj)
            if meta.get("finalizers"):
                return self.mark_deleted(resource, key, obj)
            return self._remove(resource, key, obj)

    def mark_deleted(self, resource: Resource, key: Key, obj: Json) -> Outcome:
        """Set the deletion time, once."""
        meta = obj["metadata"]
        if meta.get("deletionTimestamp"):
            return Outcome(msgspec.json.encode(obj))
        meta["deletionTimestamp"] = self.now()
        meta["deletionGracePeriodSeconds"] = 0
        if "generation" in meta:
            meta["generation"] += 1
        return Outcome(self._put(resource, key, obj).data, effect=True)

    def _remove(self, resource: Resource, key: Key, obj: Json) -> Outcome:
        self.strategies[resource.storage].released(obj)
        entry = self.store.remove(resource.storage, key, obj, selectable_values(resource, obj))
        self.namespaces.removed(resource, key)
        return Outcome(entry.data, effect=True, removed=True)

    def write_raw(self, resource: Resource, key: Key, obj: Json) -> Outcome:
        """Store ``obj`` as it is: for the server's own changes."""
        return Outcome(self._put(resource, key, obj).data, effect=True)

    def remove_raw(self, resource: Resource, key: Key, obj: Json) -> Outcome:
        """Remove ``obj`` without asking: for the server's own changes."""
        return self._remove(resource, key, obj)

    def rebuild_allocations(self) -> None:
        """Note anew what every object holds, after the store's content was replaced."""
        with self.store.lock:
            for storage, strategy in self.strategies.items():
                strategy.reset()
                if storage == "services":
                    for entry in self.store.table(storage).entries():
                        strategy.adopt(msgspec.json.decode(entry.data))


def _check_delete(resource: Resource, key: Key, meta: Json, options: DeleteOptions) -> None:
    wanted, found = options.uid, meta["uid"]
    if wanted and wanted != found:
        why = f"the UID in the precondition ({wanted}) does not match the UID in record ({found})."
        raise _precondition(
            resource, key, f"{why} The object might have been deleted and then recreated"
        )
    wanted, found = options.resource_version, meta["resourceVersion"]
    if wanted and wanted != found:
        why = (
            f"the ResourceVersion in the precondition ({wanted}) does not match the "
            f"ResourceVersion in record ({found}). The object might have been modified"
        )
        raise _precondition(resource, key, why)


def _precondition(resource: Resource, key: Key, why: str) -> status.StatusError:
    # Here kube-apiserver names the kind, not the resource.
    message = f'Operation cannot be fulfilled on {resource.kind} "{key[1]}": {why}'
    refusal = status.StatusError(409, "Conflict", message)
    refusal.details = {"name": key[1], "kind": resource.kind}
    if resource.group:
        refusal.message = message.replace(resource.kind, f"{resource.kind}.{resource.group}", 1)
        refusal.details["group"] = resource.group
    return refusal
