"""Namespaces: content needs one, and goes with it.

The server does the namespace controller's work itself, within the write that asks for it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from cloudprovider_sandbox.apiserver import status
from cloudprovider_sandbox.apiserver.resources import (
    NAMESPACES,
    SERVICE_ACCOUNTS,
    Catalogue,
    Resource,
)
from cloudprovider_sandbox.apiserver.store import Key, Store
from cloudprovider_sandbox.apiserver.strategies.base import Json

if TYPE_CHECKING:
    from cloudprovider_sandbox.apiserver.registry import Outcome, Registry


class Namespaces:
    """Admission, default ServiceAccount and deletion of namespaces. Used under the store's lock."""

    def __init__(self, store: Store, registry: Registry) -> None:
        self._store = store
        self._registry = registry
        self._resources = Catalogue().namespaced()

    def admit(self, resource: Resource, key: Key) -> None:
        """Refuse content of a namespace that is absent (404) or going away (403)."""
        if not resource.namespaced:
            return
        entry = self._store.get("namespaces", ("", key[0]))
        if entry is None:
            raise status.not_found(NAMESPACES, key[0])
        if not (entry.fields and entry.fields.get("status.phase") == "Terminating"):
            return
        why = f"unable to create new content in namespace {key[0]} because it is being terminated"
        message = f'{resource.qualified} "{key[1]}" is forbidden: {why}'
        cause = {
            "reason": "NamespaceTerminating",
            "message": f"namespace {key[0]} is being terminated",
            "field": "metadata.namespace",
        }
        details = {"name": key[1], "kind": resource.plural, "causes": [cause]}
        raise status.forbidden(message, details)

    def created(self, resource: Resource, key: Key) -> None:
        """A new namespace gets its ServiceAccount."""
        if resource.storage != "namespaces":
            return
        account = {
            "kind": "ServiceAccount",
            "apiVersion": "v1",
            "metadata": {"name": "default", "namespace": key[1]},
        }
        self._registry.stamp(account)
        self._registry.write_raw(SERVICE_ACCOUNTS, (key[1], "default"), account)

    def delete(self, resource: Resource, key: Key, obj: Json) -> Outcome:
        """Mark the namespace, delete its content, and itself once nothing is left."""
        if not obj["metadata"].get("deletionTimestamp"):
            obj["metadata"]["deletionTimestamp"] = self._registry.now()
            obj["status"] = {"phase": "Terminating"}
            outcome = self._registry.write_raw(resource, key, obj)
        else:
            outcome = self._registry.mark_deleted(resource, key, obj)
        from cloudprovider_sandbox.apiserver.registry import DeleteOptions  # import cycle

        for content in self._resources:
            for entry in self._store.table(content.storage).entries(key[1]):
                self._registry.delete(content, entry.key, DeleteOptions())
        self._finish(key[1])
        return outcome

    def removed(self, resource: Resource, key: Key) -> None:
        """Something went: perhaps it was the last thing its namespace waited for."""
        if resource.namespaced:
            entry = self._store.get("namespaces", ("", key[0]))
            if entry is not None and (entry.fields or {}).get("status.phase") == "Terminating":
                self._finish(key[0])

    def _finish(self, name: str) -> None:
        entry = self._store.get("namespaces", ("", name))
        if entry is None:
            return
        if any(self._store.table(content.storage).entries(name) for content in self._resources):
            return
        obj: Json = msgspec.json.decode(entry.data)
        obj["spec"] = {}
        if not obj["metadata"].get("finalizers"):
            self._registry.remove_raw(NAMESPACES, entry.key, obj)
