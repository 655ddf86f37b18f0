"""From method and path to what is asked of which resource."""

from __future__ import annotations

import dataclasses

from cloudprovider_sandbox.apiserver import status
from cloudprovider_sandbox.apiserver.messages import Request
from cloudprovider_sandbox.apiserver.resources import Catalogue, Resource

_WORDS = {
    "get": "GET", "list": "LIST", "watch": "WATCH", "create": "POST", "update": "PUT",
    "patch": "PATCH", "delete": "DELETE", "deletecollection": "DELETECOLLECTION",
}  # fmt: skip
WRITES = frozenset({"create", "update", "patch", "delete", "deletecollection"})


@dataclasses.dataclass(frozen=True)
class Route:
    """What a request asks for. ``resource`` is None for paths like ``/healthz``."""

    verb: str
    path: str
    resource: Resource | None = None
    namespace: str = ""
    name: str = ""
    subresource: str = ""

    @property
    def op(self) -> str:
        """As journal and faults name it, e.g. ``PATCH services/status`` or ``GET /api``."""
        word = _WORDS[self.verb]
        if self.resource is None:
            return f"{word} {self.path}"
        return f"{word} {'/'.join(filter(None, (self.resource.plural, self.subresource)))}"

    @property
    def key(self) -> str:
        """``namespace/name``, ``name``, or the namespace of a list."""
        return "/".join(filter(None, (self.namespace, self.name)))

    @property
    def write(self) -> bool:
        """Whether it can change something."""
        return self.verb in WRITES and (self.resource is None or self.resource.stored)


def parse(request: Request, catalogue: Catalogue) -> Route:
    """The route of ``request``.

    Raises:
        StatusError: 404 for an unknown path, 405 for a method the resource does not have.

    """
    parts = [part for part in request.path.split("/") if part]
    if parts[:1] == ["api"] and len(parts) > 2:
        group, version, rest = "", parts[1], parts[2:]
    elif parts[:1] == ["apis"] and len(parts) > 3:
        group, version, rest = parts[1], parts[2], parts[3:]
    else:
        verb = {"GET": "get", "HEAD": "get"}.get(request.method)
        if verb is None:
            raise status.method_not_allowed()
        return Route(verb, request.path)
    namespace, rest = _namespace(rest)
    resource = catalogue.find(group, version, rest[0])
    if resource is None or len(rest) > 3:
        raise status.no_such_path()
    name = rest[1] if len(rest) > 1 else ""
    subresource = rest[2] if len(rest) > 2 else ""
    if subresource and subresource not in resource.subresources:
        raise status.no_such_path()
    if bool(namespace) and not resource.namespaced:
        raise status.no_such_path()
    verb = _verb(request, name)
    accepted = ("create",) if subresource == "token" else resource.verbs
    if verb not in accepted or (subresource and verb in {"list", "watch", "delete"}):
        raise status.method_not_allowed()
    if verb == "create" and name and subresource != "token":
        raise status.method_not_allowed()
    return Route(verb, request.path, resource, namespace, name, subresource)


def _namespace(rest: list[str]) -> tuple[str, list[str]]:
    if rest[0] == "namespaces" and len(rest) > 2 and rest[2] not in {"status", "finalize"}:
        return rest[1], rest[2:]
    return "", rest


def _verb(request: Request, name: str) -> str:
    method = request.method
    if method == "GET":
        if name:
            return "get"
        return "watch" if request.flag("watch") else "list"
    verb = {"POST": "create", "PUT": "update", "PATCH": "patch", "DELETE": "delete"}.get(method, "")
    if not verb or (verb in {"update", "patch"} and not name):
        raise status.method_not_allowed()
    if verb == "delete" and not name:
        return "deletecollection"
    return verb
