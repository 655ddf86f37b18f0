"""The verbs on resources: one method each, from request to reply."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec

from cloudprovider.concurrency import Concurrency
from cloudprovider_sandbox.apiserver import codec, listing, options, scale, status, views
from cloudprovider_sandbox.apiserver.auth import (
    DEFAULT_SECONDS,
    ISSUER,
    MAX_SECONDS,
    MIN_SECONDS,
    Authenticator,
    User,
)
from cloudprovider_sandbox.apiserver.messages import Reply, Request, json_reply
from cloudprovider_sandbox.apiserver.patches.apply import Manager
from cloudprovider_sandbox.apiserver.patching import patch_edit
from cloudprovider_sandbox.apiserver.reads import Reads, Shown, selector_of
from cloudprovider_sandbox.apiserver.registry import (
    DeleteOptions,
    Outcome,
    Registry,
    Write,
    timestamp,
)
from cloudprovider_sandbox.apiserver.resources import SERVICE_ACCOUNTS, TOKEN_REQUESTS, Resource
from cloudprovider_sandbox.apiserver.reviews import Reviews
from cloudprovider_sandbox.apiserver.routes import Route
from cloudprovider_sandbox.apiserver.store import Key

Json = dict[str, Any]


class Api:
    """Carries out what a :class:`~cloudprovider_sandbox.apiserver.routes.Route` asks for."""

    def __init__(
        self,
        registry: Registry,
        reviews: Reviews,
        authenticator: Authenticator,
        *,
        reads: Reads,
        concurrency: Concurrency,
    ) -> None:
        self._registry = registry
        self._store = registry.store
        self._reviews = reviews
        self._authenticator = authenticator
        self.reads = reads
        self._concurrency = concurrency

    def call(self, route: Route, request: Request, user: User, shown: Shown) -> Reply:
        """The reply; ``shown`` is what this caller gets to see. Raises StatusError."""
        resource = route.resource
        if resource is None:
            raise status.no_such_path()
        if not resource.stored:
            body = codec.decode_object(request)
            answer = self._reviews.answer(resource.kind, body, user, route.namespace)
            return json_reply(answer, 201)
        if resource.namespaced and not route.namespace and route.verb not in {"list", "watch"}:
            raise status.no_such_path()
        reads = {"get": self.reads.get, "list": self.reads.list, "watch": self.reads.watch}
        if route.verb in reads and route.subresource != "scale":
            return reads[route.verb](resource, route, request, shown)
        if route.subresource == "scale":
            return self._scale(resource, route, request)
        verbs: dict[str, Callable[[Resource, Route, Request], Reply]] = {
            "create": self._create,
            "update": self._update,
            "patch": self._patch,
            "delete": self._delete,
            "deletecollection": self._delete_collection,
        }
        return verbs[route.verb](resource, route, request)

    # -- writes ----------------------------------------------------------------------------

    def _create(self, resource: Resource, route: Route, request: Request) -> Reply:
        body = codec.decode_object(request)
        if route.subresource == "token":
            return self._token(route, body)
        if resource.namespaced and not route.namespace:
            raise status.bad_request("an empty namespace may not be set during creation")
        write = self._write(resource, route, request)
        outcome = self._registry.create(resource, route.namespace, body, write)
        return self._answer(resource, request, outcome, write)

    def _token(self, route: Route, body: Json) -> Reply:
        entry = self._registry.get(SERVICE_ACCOUNTS, _key(route))
        spec = body.get("spec") or {}
        seconds = spec.get("expirationSeconds") or DEFAULT_SECONDS
        if not MIN_SECONDS <= seconds <= MAX_SECONDS:
            why = "may not specify a duration less than 10 minutes"
            error = status.invalid_value("spec.expirationSeconds", seconds, why)
            raise status.invalid(TOKEN_REQUESTS, "", [error])
        audiences = spec.get("audiences") or [ISSUER]
        token = self._authenticator.issue(
            route.namespace, route.name, entry.uid, seconds, audiences
        )
        until = timestamp(_later(self._concurrency, seconds))
        answer = {
            "kind": "TokenRequest",
            "apiVersion": "authentication.k8s.io/v1",
            "metadata": {
                "name": route.name,
                "namespace": route.namespace,
                "uid": entry.uid,
                "creationTimestamp": self._registry.now(),
            },
            "spec": {
                "audiences": audiences,
                "expirationSeconds": seconds,
                "boundObjectRef": None,
            },
            "status": {"token": token, "expirationTimestamp": until},
        }
        return json_reply(answer, 201)

    def _update(self, resource: Resource, route: Route, request: Request) -> Reply:
        body = codec.decode_object(request)
        _check_name(body, route)

        def edit(old: Json | None) -> Json:
            meta = body["metadata"]
            if old is None:
                if not resource.create_on_update or route.subresource:
                    raise status.not_found(resource, route.name)
                if meta.get("uid"):
                    raise status.uid_conflict(resource, route.name, meta["uid"], "")
                meta.pop("resourceVersion", None)
            elif meta.get("uid", old["metadata"]["uid"]) != old["metadata"]["uid"]:
                raise status.uid_conflict(resource, route.name, meta["uid"], old["metadata"]["uid"])
            return body

        return self._edit(resource, route, request, edit)

    def _patch(self, resource: Resource, route: Route, request: Request) -> Reply:
        write = self._write(resource, route, request)
        edit = patch_edit(resource, route, request, write, now=self._registry.now)
        return self._edit(resource, route, request, edit, write)

    def _scale(self, resource: Resource, route: Route, request: Request) -> Reply:
        key = _key(route)
        if route.verb == "get":
            return Reply(200, scale.view(self._registry.get(resource, key).data))
        write = self._write(resource, route, request)
        edit = scale.edit(resource, route, request)
        outcome = self._registry.edit(resource, key, edit, write)
        return Reply(200, scale.view(outcome.data), effect=outcome.effect)

    def _edit(
        self,
        resource: Resource,
        route: Route,
        request: Request,
        edit: Callable[[Json | None], Json],
        write: Write | None = None,
    ) -> Reply:
        write = write or self._write(resource, route, request)
        outcome = self._registry.edit(
            resource, _key(route), edit, write, subresource=route.subresource
        )
        return self._answer(resource, request, outcome, write)

    def _delete(self, resource: Resource, route: Route, request: Request) -> Reply:
        outcome = self._registry.delete(resource, _key(route), _delete_options(request))
        if resource.returns_deleted or not outcome.removed:
            return self._answer(resource, request, outcome, None)
        uid = msgspec.json.decode(outcome.data)["metadata"]["uid"]
        details = {"name": route.name, "kind": resource.plural, "uid": uid}
        if resource.group:
            details["group"] = resource.group
        body = {
            "kind": "Status",
            "apiVersion": "v1",
            "metadata": {},
            "status": "Success",
            "details": details,
        }
        return json_reply(body, effect=outcome.effect)

    def _delete_collection(self, resource: Resource, route: Route, request: Request) -> Reply:
        wanted = _delete_options(request)
        selector = selector_of(resource, request)
        page = listing.read(self._store, resource, route.namespace, selector, request)
        outcomes = []
        for entry in page.entries:
            try:
                outcomes.append(self._registry.delete(resource, entry.key, wanted))
            except status.StatusError as error:
                if error.code != 404:
                    raise
        view = views.negotiate(request, resource, self._concurrency)
        # As they were when they were listed.
        body = view.many([entry.data for entry in page.entries], self._store.version, "", 0)
        return Reply(200, body, effect=any(outcome.effect for outcome in outcomes))

    def _write(self, resource: Resource, route: Route, request: Request) -> Write:
        agent = request.headers.get("user-agent", "").split("/")[0] or "unknown"
        name = request.query.get("fieldManager") or agent
        applies = codec.media_type(request).startswith("application/apply-patch")
        operation = "Apply" if applies and route.verb == "patch" else "Update"
        options.check_write(route.verb, request.query, applies=operation == "Apply")
        manager = Manager(
            name[:128],
            operation,
            resource.group_version,
            route.subresource,
            isolated="status" in resource.subresources,
        )
        return Write(
            manager,
            dry_run="dryRun" in request.query,
            patched=route.verb == "patch",
            strict=request.query.get("fieldValidation") == "Strict",
            tracked=operation == "Update",
        )

    def _answer(
        self, resource: Resource, request: Request, outcome: Outcome, write: Write | None
    ) -> Reply:
        view = views.negotiate(request, resource, self._concurrency)
        code = 201 if outcome.created else 200
        reply = Reply(code, view.one(outcome.data), effect=outcome.effect)
        if (
            write is not None
            and write.warnings
            and request.query.get("fieldValidation") != "Ignore"
        ):
            texts = [text.replace('"', '\\"') for text in write.warnings]
            reply.headers["warning"] = ", ".join(f'299 - "{text}"' for text in texts)
        return reply


def _check_name(body: Json, route: Route) -> None:
    name = (body.get("metadata") or {}).get("name")
    if not name:
        raise status.bad_request(
            f"the name of the object ({route.name} based on URL) was undeterminable: "
            "name must be provided"
        )
    if name != route.name:
        raise status.bad_request(
            f"the name of the object ({name}) does not match the name on the URL ({route.name})"
        )


def _key(route: Route) -> Key:
    return (route.namespace, route.name)


def _later(concurrency: Concurrency, seconds: int) -> Any:
    import datetime  # only for the arithmetic

    return concurrency.now() + datetime.timedelta(seconds=seconds)


def _delete_options(request: Request) -> DeleteOptions:
    body = codec.decode_object(request) if request.body else {}
    options.check_delete(body, request.query)
    wanted = body.get("preconditions") or {}
    dry = request.query.get("dryRun") == "All" or "All" in (body.get("dryRun") or [])
    return DeleteOptions(
        uid=wanted.get("uid") or "",
        resource_version=wanted.get("resourceVersion") or "",
        dry_run=dry,
    )
