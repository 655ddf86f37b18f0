"""The behaviour that every kind has unless it says otherwise."""

# ruff: noqa: ARG002 - hooks that most kinds do not care for
from __future__ import annotations

import dataclasses
from typing import Any

from cloudprovider_sandbox.apiserver.allocators import Reservation
from cloudprovider_sandbox.apiserver.resources import Resource
from cloudprovider_sandbox.apiserver.status import FieldError

Json = dict[str, Any]


@dataclasses.dataclass
class Strategy:
    """Hooks of one kind. Objects are plain dicts that the hooks may change."""

    resource: Resource

    def default(self, obj: Json) -> None:
        """Fill in what the user left out."""

    def prepare_create(self, obj: Json) -> None:
        """Drop what a client may not set on a new object."""
        if self.resource.has_generation:
            obj["metadata"]["generation"] = 1
        if "status" in self.resource.subresources and self.resource.has_generation:
            obj.pop("status", None)

    def prepare_update(self, new: Json, old: Json) -> None:
        """Undo what a client may not change through the main resource."""
        if "status" in self.resource.subresources:
            copy_field(new, old, "status")
        if self.resource.has_generation and _content(new) != _content(old):
            new["metadata"]["generation"] = old["metadata"].get("generation", 1) + 1

    def prepare_status(self, new: Json, old: Json) -> None:
        """Undo what a client may not change through ``/status``: all but status and metadata."""
        for name in set(new) | set(old):
            if name not in {"status", "metadata"}:
                copy_field(new, old, name)

    def validate(self, obj: Json) -> list[FieldError]:
        """The errors of an object."""
        return []

    def validate_update(self, new: Json, old: Json) -> list[FieldError]:
        """The errors of a change, and of what it leads to."""
        return self.validate(new)

    def validate_status(self, new: Json, old: Json) -> list[FieldError]:
        """The errors of a change through ``/status``."""
        return []

    def reserve(self, new: Json, old: Json | None) -> Reservation | None:
        """Take what ``new`` needs and write it in. Raises StatusError."""
        return None

    def released(self, obj: Json) -> None:
        """``obj`` is gone: give back what it held."""

    def reset(self) -> None:
        """Forget all reservations; :meth:`adopt` follows for every object."""

    def adopt(self, obj: Json) -> None:
        """``obj`` exists already: note what it holds."""


def copy_field(new: Json, old: Json, name: str) -> None:
    """Give ``new`` the field ``name`` of ``old``, or take it away."""
    if name in old:
        new[name] = old[name]
    else:
        new.pop(name, None)


def _content(obj: Json) -> Json:
    return {name: value for name, value in obj.items() if name not in {"metadata", "status"}}
