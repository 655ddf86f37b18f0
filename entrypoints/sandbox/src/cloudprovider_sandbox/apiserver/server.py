"""The API server without sockets: :meth:`ApiServer.handle` turns a request into a reply.

Around the verbs stand who is asking, whether they may, scripted faults and the journal.
"""

from __future__ import annotations

import dataclasses
import fnmatch
from collections.abc import Callable, Mapping
from typing import Any

import msgspec

from cloudprovider.concurrency import Concurrency, current
from cloudprovider.testing.faults import FaultPlan
from cloudprovider.toolkit.journal import Journal
from cloudprovider_sandbox.apiserver import codec, discovery, faulting, openapi, status
from cloudprovider_sandbox.apiserver.api import Api
from cloudprovider_sandbox.apiserver.auth import (
    AlwaysAllow,
    Attributes,
    Authenticator,
    Authorizer,
    User,
    impersonated,
    impersonation,
)
from cloudprovider_sandbox.apiserver.bootstrap import bootstrap
from cloudprovider_sandbox.apiserver.messages import Reply, Request, json_reply
from cloudprovider_sandbox.apiserver.reads import Reads
from cloudprovider_sandbox.apiserver.registry import Registry
from cloudprovider_sandbox.apiserver.resources import SERVICE_ACCOUNTS, Catalogue
from cloudprovider_sandbox.apiserver.reviews import Reviews
from cloudprovider_sandbox.apiserver.routes import Route, parse
from cloudprovider_sandbox.apiserver.selectors import selected_name
from cloudprovider_sandbox.apiserver.store import Key, Snapshot, Store
from cloudprovider_sandbox.apiserver.strategies.table import strategies
from cloudprovider_sandbox.apiserver.watch import Tampering

_HEALTH = frozenset({"healthz", "livez", "readyz"})


@dataclasses.dataclass(frozen=True)
class Options:
    """How the server behaves."""

    service_cidrs: tuple[str, ...] = ("10.96.0.0/16",)
    node_ports: tuple[int, int] = (30000, 32767)
    history: int = 10_000  #: changes kept per resource, at least
    bookmark_every: float = 10.0  #: seconds
    namespaces: tuple[str, ...] = ("default", "kube-system", "kube-public", "kube-node-lease")
    tokens: Mapping[str, User] = dataclasses.field(default_factory=dict)
    signing_key: bytes = b""  #: of ServiceAccount tokens; empty = a new one


class ApiServer:
    """A Kubernetes API server in this process. Safe for threads.

    Args:
        options: How it behaves.
        journal: Where every request is recorded; default: its own.
        faults: What goes wrong; default: nothing, until rules are added to :attr:`faults`.
        authorizer: Who may do what; default: everybody everything.
        on_crash: Called with the caller's ``proc`` by the faults crash_before and crash_after.

    """

    def __init__(
        self,
        options: Options | None = None,
        *,
        journal: Journal | None = None,
        faults: FaultPlan | None = None,
        authorizer: Authorizer | None = None,
        on_crash: Callable[[str], None] | None = None,
        concurrency: Concurrency | None = None,
    ) -> None:
        self.options = options or Options()
        self.concurrency = concurrency or current()
        self.journal = journal or Journal(concurrency=self.concurrency)
        self.faults = faults or FaultPlan(concurrency=self.concurrency)
        self.authorizer: Authorizer = authorizer or AlwaysAllow()
        self.on_crash = on_crash
        self.catalogue = Catalogue()
        self.store = Store(history=self.options.history, concurrency=self.concurrency)
        made = strategies(
            self.catalogue, cidrs=self.options.service_cidrs, node_ports=self.options.node_ports
        )
        self.registry = Registry(self.store, made, concurrency=self.concurrency)
        key = self.options.signing_key or self.concurrency.uuid().encode()
        self.authenticator = Authenticator(self.options.tokens, key, concurrency=self.concurrency)
        self.authenticator.account_exists = self._account_exists
        self.reads = Reads(
            self.store,
            bookmark_every=self.options.bookmark_every,
            concurrency=self.concurrency,
        )
        self.api = Api(
            self.registry,
            Reviews(self.authenticator, lambda: self.authorizer),
            self.authenticator,
            reads=self.reads,
            concurrency=self.concurrency,
        )
        self._honest = Tampering()
        self._tampering: dict[str, Tampering] = {}
        bootstrap(self.registry, self.options.namespaces)

    def _account_exists(self, namespace: str, name: str, uid: str) -> bool:
        entry = self.store.get(SERVICE_ACCOUNTS.storage, (namespace, name))
        return entry is not None and entry.uid == uid

    # -- requests --------------------------------------------------------------------------

    def handle(self, request: Request) -> Reply:
        """Answer ``request``, with what the fault plan has for it, and record it."""
        started = self.concurrency.monotonic()
        try:
            route = parse(request, self.catalogue)
        except status.StatusError as error:
            route = Route("get", request.path)
            reply = refusal(error)
            self._record(route, request, reply, started, key="", fault="")
            return reply
        key = route.key or ""
        if route.verb == "create" and route.resource is not None and not route.name:
            key = _body_key(route, request)
        fault = self.faults.match("k8s", route.op, key)
        reply = faulting.carry_out(fault, self, route, request)
        self._record(route, request, reply, started, key=key, fault=fault.kind if fault else "")
        if fault is not None and fault.kind in {"crash_before", "crash_after"} and self.on_crash:
            self.on_crash(request.caller)
        return reply

    def answer(self, route: Route, request: Request) -> Reply:
        """Answer without faults and journal; refusals are replies too."""
        try:
            user = self._user(request)
            self._authorize(_attributes(route, request, user))
            if route.resource is None:
                return self._other(request)
            caller = request.caller
            return self.api.call(route, request, user, lambda: self.tampering(caller))
        except status.StatusError as error:
            return refusal(error)

    def _user(self, request: Request) -> User:
        user = self.authenticator.user(request)
        for attributes in impersonation(user, request):
            self._authorize(attributes)
        return impersonated(user, request)

    def _authorize(self, attributes: Attributes) -> None:
        if not self.authorizer.allowed(attributes):
            raise status.forbidden(*_denied(attributes))

    def _other(self, request: Request) -> Reply:
        path = request.path.rstrip("/")
        parts = path.split("/")
        if len(parts) > 1 and parts[1] in _HEALTH:
            verbose = f"[+]ping ok\n{parts[1]} check passed\n"
            text = verbose if request.flag("verbose") else "ok"
            return Reply(200, text.encode(), {"content-type": "text/plain; charset=utf-8"})
        if path == "/openapi/v3":
            return json_reply(openapi.index(self.catalogue))
        if path.startswith("/openapi/v3/"):
            document = openapi.document(path, self.catalogue)
        else:
            aggregated = discovery.AGGREGATED in request.headers.get("accept", "")
            document = discovery.document(path, self.catalogue, aggregated=aggregated)
        if document is None:
            known = path.startswith("/api/") or parts[1:2] == ["openapi"]
            groups = {group for group, _ in self.catalogue.group_versions()}
            known = known or (len(parts) == 4 and parts[2] in groups)
            raise status.no_such_path() if known else status.page_not_found()
        reply = json_reply(document)
        if document.get("kind") == "APIGroupDiscoveryList":
            reply.headers["content-type"] = (
                f"application/json;g={discovery.AGGREGATED};v=v2;as=APIGroupDiscoveryList"
            )
        return reply

    def _record(
        self, route: Route, request: Request, reply: Reply, started: float, *, key: str, fault: str
    ) -> None:
        lost = {"not_sent": "not sent", "lost": "lost answer", "truncated": "truncated"}
        outcome = (
            lost.get(reply.delivery) or reply.reason or ("ok" if reply.status < 400 else "error")
        )
        self.journal.append(
            api="k8s",
            op=route.op,
            key=key,
            write=route.write,
            outcome=outcome,
            status=reply.status,
            effect=reply.effect,
            args=_arguments(route, request),
            pre=_precondition(route, request),
            proc=request.caller,
            thread=self.concurrency.thread_name(),
            fault=fault,
            seconds=self.concurrency.monotonic() - started,
        )

    # -- what tests and the sandbox do to it -----------------------------------------------

    def snapshot(self) -> Snapshot:
        """The whole state; cheap, nothing is copied."""
        return self.store.snapshot()

    def restore(self, snapshot: Snapshot) -> None:
        """Go back to ``snapshot``, versions included; watches end (K14, a restored backup)."""
        self.store.restore(snapshot)
        self.registry.rebuild_allocations()

    def expire_history(self, storage: str = "", *, running: bool = False) -> None:
        """Every version given out so far gets 410 on watches and pages (K5).

        Args:
            storage: Only of this resource, e.g. ``services``; default: all.
            running: Watches in progress get it too, as an ERROR event.

        """
        self.store.expire_history(storage, running=running)

    def end_watches(self, storage: str = "") -> None:
        """End running watches cleanly (K21)."""
        self.store.end_watches(storage)

    def tampering(self, caller: str) -> Tampering:
        """The faults of watches and cached reads that ``caller`` sees."""
        for pattern, tampering in self._tampering.items():
            if fnmatch.fnmatchcase(caller, pattern):
                return tampering
        return self._honest

    def tamper(self, caller: str = "*") -> Tampering:
        """What callers that match a shell pattern are shown, on running watches too.

        Set the fields of what is returned, then :meth:`wake` running watches. A ``held_at`` is a
        server that lags (K2); with ``all_reads`` even quorum reads are stale (K1), see
        :meth:`version_before`; ``skip_to`` hides a span of events (K3).
        """
        return self._tampering.setdefault(caller, Tampering())

    def version_before(self, count: int, storage: str, *keys: Key) -> int:
        """The version before the ``count``-th last change of ``storage``, or of some objects.

        ``keys`` are (namespace, name). Never older than the history reaches.
        """
        with self.store.lock:
            return self.store.table(storage).before_last(count, keys)

    def wake(self) -> None:
        """Let running watches look at their :class:`Tampering` again."""
        with self.store.lock:
            for storage in self.registry.strategies:
                self.store.table(storage).condition.notify_all()


def refusal(error: status.StatusError) -> Reply:
    """``error`` as a reply."""
    if error.code == 404 and not error.reason:
        return Reply(404, error.message.encode(), {"content-type": "text/plain; charset=utf-8"})
    reply = json_reply(error.status(), error.code)
    reply.reason = error.reason or str(error.code)
    if error.retry_after:
        reply.headers["retry-after"] = str(error.retry_after)
    return reply


def _attributes(route: Route, request: Request, user: User) -> Attributes:
    resource = route.resource
    if resource is None:
        return Attributes(user, route.verb, path=route.path)
    namespace, name = route.namespace, route.name
    if resource.storage == "namespaces":
        namespace = name  # a namespace lies in itself
    if route.verb in {"list", "watch", "deletecollection"}:
        name = selected_name(request.query.get("fieldSelector", ""))
    return Attributes(
        user,
        route.verb,
        resource.group,
        resource.plural,
        route.subresource,
        namespace,
        name,
    )


def _denied(attributes: Attributes) -> tuple[str, dict[str, Any] | None]:
    user = f'User "{attributes.user.name}"'
    if attributes.path:
        return f'forbidden: {user} cannot {attributes.verb} path "{attributes.path}"', None
    what = attributes.resource + (f"/{attributes.subresource}" if attributes.subresource else "")
    qualified = (
        f"{attributes.resource}.{attributes.group}" if attributes.group else attributes.resource
    )
    where = (
        f'in the namespace "{attributes.namespace}"'
        if attributes.namespace
        else "at the cluster scope"
    )
    name = f' "{attributes.name}"' if attributes.name else ""
    message = (
        f'{qualified}{name} is forbidden: {user} cannot {attributes.verb} resource "{what}" '
        f'in API group "{attributes.group}" {where}'
    )
    details = {"name": attributes.name, "group": attributes.group, "kind": attributes.resource}
    return message, {name: value for name, value in details.items() if value}


class _Meta(msgspec.Struct):
    name: str = ""
    generateName: str = ""
    resourceVersion: str = ""
    uid: str = ""


class _Body(msgspec.Struct):
    metadata: _Meta = msgspec.field(default_factory=_Meta)


def _meta(request: Request) -> _Meta:
    if codec.media_type(request) == codec.PROTOBUF:
        try:
            meta = codec.decode_object(request).get("metadata", {})
        except status.StatusError:
            return _Meta()
        return _Meta(name=meta.get("name", ""))
    try:
        return msgspec.json.decode(request.body, type=_Body).metadata
    except msgspec.MsgspecError:
        return _Meta()


def _body_key(route: Route, request: Request) -> str:
    meta = _meta(request)
    return "/".join(filter(None, (route.namespace, meta.name or meta.generateName)))


def _precondition(route: Route, request: Request) -> str:
    if route.verb not in {"update", "patch", "delete"} or not request.body:
        return ""
    if route.verb == "delete":
        try:
            wanted = msgspec.json.decode(request.body).get("preconditions") or {}
        except (msgspec.MsgspecError, AttributeError):
            return ""
        pairs = (("uid", wanted.get("uid")), ("resourceVersion", wanted.get("resourceVersion")))
    else:
        meta = _meta(request)
        pairs = (("uid", meta.uid), ("resourceVersion", meta.resourceVersion))
    return ",".join(f"{name}={value}" for name, value in pairs if value)


#: Kinds whose bodies may hold credentials; old manifests keep cloud keys in ConfigMaps.
_SECRET = frozenset({"secrets", "configmaps", "tokenreviews"})


def _arguments(route: Route, request: Request) -> dict[str, Any]:
    arguments: dict[str, Any] = dict(request.query)
    small_write = route.verb in {"patch", "update"} and len(request.body) < 4096
    secret = route.resource is not None and route.resource.plural in _SECRET
    if small_write and request.body and not secret:
        arguments["body"] = request.body.decode(errors="replace")
    return arguments
