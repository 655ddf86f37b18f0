"""Kinds of Kubernetes objects: where they live in the API and which struct they decode to."""

from __future__ import annotations

import dataclasses
import urllib.parse
from typing import TYPE_CHECKING, Any, Generic

from cloudprovider import models

if TYPE_CHECKING:
    # Only checkers know a type variable's default on Python 3.11: a plain ``Informer`` is an
    # ``Informer[Any]``.
    from typing_extensions import TypeVar

    ObjectT = TypeVar("ObjectT", bound=models.Object, default=Any)
else:
    from typing import TypeVar

    ObjectT = TypeVar("ObjectT", bound=models.Object)


@dataclasses.dataclass(frozen=True)
class Resource(Generic[ObjectT]):
    """One kind of object.

    Args:
        group: API group; empty for the core group.
        version: e.g. ``v1``.
        plural: The name in paths, e.g. ``services``.
        kind: The name in bodies, e.g. ``Service``.
        namespaced: Whether objects live in a namespace.
        model: The struct that objects decode to.

    """

    group: str
    version: str
    plural: str
    kind: str
    namespaced: bool
    model: type[ObjectT]

    @property
    def api_version(self) -> str:
        """``v1`` or ``group/v1``."""
        return f"{self.group}/{self.version}" if self.group else self.version

    def path(self, namespace: str = "", name: str = "", subresource: str = "") -> str:
        """The URL path of the collection, of one object, or of its subresource.

        Without ``namespace``, the collection of a namespaced kind is that of all namespaces.

        Raises:
            ValueError: ``name`` of a namespaced kind without ``namespace``, or the other way round.

        """
        if name and self.namespaced and not namespace:
            raise ValueError(f"{self.kind} {name!r} needs a namespace")
        if namespace and not self.namespaced:
            raise ValueError(f"{self.kind} has no namespace, got {namespace!r}")
        parts = [f"/apis/{self.group}/{self.version}" if self.group else f"/api/{self.version}"]
        if namespace:
            parts += ["namespaces", _quote(namespace)]
        parts.append(self.plural)
        if name:
            parts.append(_quote(name))
        if subresource:
            parts.append(subresource)
        return "/".join(parts)


def _quote(segment: str) -> str:
    return urllib.parse.quote(segment, safe="")


NODES = Resource("", "v1", "nodes", "Node", False, models.Node)
SERVICES = Resource("", "v1", "services", "Service", True, models.Service)
ENDPOINT_SLICES = Resource(
    "discovery.k8s.io", "v1", "endpointslices", "EndpointSlice", True, models.EndpointSlice
)
LEASES = Resource("coordination.k8s.io", "v1", "leases", "Lease", True, models.Lease)
EVENTS = Resource("", "v1", "events", "Event", True, models.Object)
SERVICE_ACCOUNTS = Resource("", "v1", "serviceaccounts", "ServiceAccount", True, models.Object)
NAMESPACES = Resource("", "v1", "namespaces", "Namespace", False, models.Object)
CONFIG_MAPS = Resource("", "v1", "configmaps", "ConfigMap", True, models.Object)
