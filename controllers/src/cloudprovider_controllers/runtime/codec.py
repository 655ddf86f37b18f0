"""JSON of the API server to read-only structs, one object at a time.

Lists and events are first split into raw items, then each item is decoded alone: an object that
does not fit its struct costs itself, not the list (``spec/kubernetes-client.md`` 3.1).
"""

from __future__ import annotations

import functools
from typing import Any

import msgspec

from cloudprovider import models
from cloudprovider_controllers.runtime.resources import ObjectT, Resource


class _ListMeta(msgspec.Struct):
    resource_version: str | None = msgspec.field(name="resourceVersion", default=None)
    continue_: str | None = msgspec.field(name="continue", default=None)


class RawList(msgspec.Struct):
    """One page of a list."""

    metadata: _ListMeta
    items: list[msgspec.Raw] | None = None


class RawEvent(msgspec.Struct):
    """One line of a watch."""

    type: str
    object: msgspec.Raw


class _Meta(msgspec.Struct, rename="camel"):
    name: str = ""
    namespace: str | None = None
    resource_version: str | None = None
    annotations: dict[str, str] | None = None


class Head(msgspec.Struct):
    """The part of any object that says which one it is."""

    metadata: _Meta

    @property
    def key(self) -> str:
        """``namespace/name``, or ``name``; empty if it has no name."""
        meta = self.metadata
        return f"{meta.namespace}/{meta.name}" if meta.namespace else meta.name

    @property
    def version(self) -> str:
        """``metadata.resourceVersion``, or empty."""
        return self.metadata.resource_version or ""


_LIST = msgspec.json.Decoder(RawList)
_EVENT = msgspec.json.Decoder(RawEvent)
_HEAD = msgspec.json.Decoder(Head)


@functools.cache
def _decoder(model: type[models.Object]) -> msgspec.json.Decoder[Any]:
    return msgspec.json.Decoder(model)


def decode_object(resource: Resource[ObjectT], data: bytes | msgspec.Raw) -> ObjectT:
    """Decode one object. ``kind`` and ``api_version`` are filled in: items of lists lack them.

    Raises:
        msgspec.DecodeError: not JSON, or (ValidationError) a field has the wrong type.

    """
    value: ObjectT = _decoder(resource.model).decode(data)
    # Frozen for everybody who gets to see it; nobody has yet. Sharing two constants saves memory.
    msgspec.structs.force_setattr(value, "kind", resource.kind)
    msgspec.structs.force_setattr(value, "api_version", resource.api_version)
    return value


def decode_list(data: bytes) -> RawList:
    """Split a list into raw items. Raises msgspec.DecodeError."""
    return _LIST.decode(data)


def decode_event(line: bytes) -> RawEvent:
    """Split a line of a watch into its type and raw object. Raises msgspec.DecodeError."""
    return _EVENT.decode(line)


def decode_head(data: bytes | msgspec.Raw) -> Head:
    """Which object this is, whatever else is wrong with it. Raises msgspec.DecodeError."""
    return _HEAD.decode(data)


def shown(resource: Resource[ObjectT], item: msgspec.Raw) -> str:
    """Which object ``item`` is, for the log, although it does not fit its struct."""
    try:
        return f"{resource.kind} {decode_head(item).key}"
    except msgspec.DecodeError:
        return f"a {resource.kind} without a readable name"
