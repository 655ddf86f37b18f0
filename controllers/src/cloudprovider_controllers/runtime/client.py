"""Requests to the API server: typed answers, minimal bodies, a rate limit, bounded retries.

Reads give read-only structs; writes take plain dicts with the fields to change
(``spec/kubernetes-client.md`` 2.5, 7). Source of the retry rules: ``spec/ccm-core.md`` 3.1.3,
``spec/reliability.md`` 2.2 K8 and K9.
"""

from __future__ import annotations

import dataclasses
import logging
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal, NoReturn

import msgspec

from cloudprovider.concurrency import Concurrency, current
from cloudprovider.toolkit import fence
from cloudprovider_controllers.runtime import tokens
from cloudprovider_controllers.runtime.codec import decode_list, decode_object, shown
from cloudprovider_controllers.runtime.errors import MalformedResponse, api_error, retry_delay
from cloudprovider_controllers.runtime.ratelimit import TokenBucket
from cloudprovider_controllers.runtime.resources import (
    LEASES,
    SERVICE_ACCOUNTS,
    ObjectT,
    Resource,
)
from cloudprovider_controllers.runtime.tokens import Token
from cloudprovider_controllers.runtime.transport import (
    Response,
    Stream,
    Transport,
    TransportError,
)

if TYPE_CHECKING:
    from cloudprovider_controllers.runtime.metrics import RequestMetrics

logger = logging.getLogger(__name__)

PatchType = Literal["strategic", "merge", "json"]

_CONTENT_TYPES: dict[str, str] = {
    "strategic": "application/strategic-merge-patch+json",
    "merge": "application/merge-patch+json",
    "json": "application/json-patch+json",
}
_JSON = "application/json"
#: Objects per page of a list.
PAGE = 500
#: Seconds that one request may spend in all on waiting because the server said Retry-After.
MAX_WAIT = 30.0
_MAX_ATTEMPTS = 10
#: Tries of a request that provably was not sent, or of a GET whose answer was lost.
_TRANSPORT_ATTEMPTS = 3


class Client:
    """One identity's access to one API server. Safe for threads.

    Args:
        transport: Sends the requests.
        qps: Requests per second in the long run; 0 or less means no limit.
        burst: Requests at once.
        timeout: Seconds to wait for an answer.
        metrics: Where requests are counted.
        check: Asked when a write is about to leave, at each try; it raises WritesStopped.

    Every method raises :class:`~cloudprovider_controllers.runtime.errors.ApiError` when the server
    refuses, and :class:`~cloudprovider_controllers.runtime.transport.TransportError` when there is
    no answer. Leases wait for no rate limit and are not retried here: they have deadlines.

    """

    def __init__(
        self,
        transport: Transport,
        *,
        qps: float = 20.0,
        burst: int = 30,
        timeout: float = 30.0,
        metrics: RequestMetrics | None = None,
        check: fence.Check | None = None,
        concurrency: Concurrency | None = None,
    ) -> None:
        self._transport = transport
        self._concurrency = concurrency or current()
        self._bucket = TokenBucket(qps, burst, concurrency=self._concurrency)
        self._timeout = timeout
        self._metrics = metrics
        self._check = check

    # -- reads -----------------------------------------------------------------------------

    def get(self, resource: Resource[ObjectT], name: str, namespace: str = "") -> ObjectT:
        """Read one object, up to date (a quorum read)."""
        response = self._call("GET", resource, resource.path(namespace, name))
        return _decoded(resource, response)

    def get_raw(
        self, resource: Resource[ObjectT], name: str, namespace: str = ""
    ) -> dict[str, Any]:
        """Read one object with every field it has, as dicts and lists."""
        return _json(self._call("GET", resource, resource.path(namespace, name)))

    def list(
        self,
        resource: Resource[ObjectT],
        *,
        namespace: str = "",
        label_selector: str = "",
        field_selector: str = "",
    ) -> list[ObjectT]:
        """Read all objects, in pages. One that cannot be decoded is logged and left out."""
        query = {"labelSelector": label_selector, "fieldSelector": field_selector}
        found: list[ObjectT] = []
        continue_ = ""
        while True:
            page = self.list_page(resource, query, namespace=namespace, continue_=continue_)
            for item in page.items:
                try:
                    found.append(decode_object(resource, item))
                except msgspec.DecodeError as error:
                    logger.warning("%s left out of a list: %s", shown(resource, item), error)
            continue_ = page.continue_
            if not continue_:
                return found

    def list_page(
        self,
        resource: Resource[ObjectT],
        query: Mapping[str, str],
        *,
        namespace: str = "",
        continue_: str = "",
        limit: int = PAGE,
        urgent: bool = False,
    ) -> Page:
        """Read one page of raw objects; ``limit`` 0 asks for all at once. ``urgent`` as in `raw`.

        Raises:
            Gone: ``continue_`` expired; start again.

        """
        params = {**query, "continue": continue_, "limit": str(limit) if limit else ""}
        path = resource.path(namespace)
        response = self._call("GET", resource, path, query=_set(params), urgent=urgent)
        try:
            raw = decode_list(response.data)
        except msgspec.DecodeError as error:
            _malformed(response, path, error)
        meta = raw.metadata
        return Page(raw.items or [], meta.resource_version or "", meta.continue_ or "")

    def watch(
        self, resource: Resource[ObjectT], query: Mapping[str, str], *, read_timeout: float
    ) -> Stream:
        """Open a watch over all namespaces. The caller must close the stream.

        Raises:
            ApiError: the answer's status was not 200; the stream is closed.

        """
        path = resource.path()
        started = self._concurrency.monotonic()
        headers = {"accept": _JSON}
        params = _set({**query, "watch": "true"})
        stream = self._transport.stream(
            path, query=params, headers=headers, read_timeout=read_timeout
        )
        self._observe("GET", stream.status, started, 0, 0)
        if stream.status == 200:
            return stream
        try:
            body = b"".join(stream.lines())
        except TransportError:
            body = b""  # the status says enough
        finally:
            stream.close()
        raise api_error(Response(stream.status, stream.headers, body))

    # -- writes ----------------------------------------------------------------------------

    def create(
        self, resource: Resource[ObjectT], body: Mapping[str, Any], namespace: str = ""
    ) -> ObjectT:
        """Create an object. ``kind`` and ``apiVersion`` are filled in.

        Raises:
            AlreadyExists: there is one of that name.

        """
        path = resource.path(namespace)
        return _decoded(resource, self._call("POST", resource, path, body=_typed(resource, body)))

    def update(
        self,
        resource: Resource[ObjectT],
        name: str,
        body: Mapping[str, Any],
        namespace: str = "",
        subresource: str = "",
    ) -> ObjectT:
        """Replace an object with ``body``, every field of it (PUT).

        Start from :meth:`get_raw`: fields that ``body`` lacks are deleted.

        Raises:
            Conflict: ``metadata.resourceVersion`` of ``body`` is not the current one.

        """
        path = resource.path(namespace, name, subresource)
        return _decoded(resource, self._call("PUT", resource, path, body=_typed(resource, body)))

    def patch(
        self,
        resource: Resource[ObjectT],
        name: str,
        body: Mapping[str, Any] | Sequence[Mapping[str, Any]],
        *,
        namespace: str = "",
        subresource: str = "",
        patch_type: PatchType = "strategic",
    ) -> ObjectT:
        """Change the fields in ``body``; None in it goes out as null, which deletes.

        Raises:
            Conflict: ``body`` carries a ``metadata.resourceVersion`` that is not the current one.

        """
        path = resource.path(namespace, name, subresource)
        content_type = _CONTENT_TYPES[patch_type]
        response = self._call("PATCH", resource, path, body=body, content_type=content_type)
        return _decoded(resource, response)

    def delete(
        self,
        resource: Resource[ObjectT],
        name: str,
        *,
        namespace: str = "",
        uid: str = "",
        resource_version: str = "",
    ) -> None:
        """Delete an object, only if it still has ``uid`` and ``resource_version`` where given.

        Raises:
            Conflict: a precondition failed.
            NotFound: it is not there.

        """
        preconditions = _set({"uid": uid, "resourceVersion": resource_version})
        body: dict[str, Any] = {"kind": "DeleteOptions", "apiVersion": "v1"}
        if preconditions:
            body["preconditions"] = preconditions
        self._call("DELETE", resource, resource.path(namespace, name), body=body)

    def create_token(
        self, service_account: str, namespace: str, expiration_seconds: int = 3600
    ) -> Token:
        """Ask for a token of a ServiceAccount (TokenRequest)."""
        path = SERVICE_ACCOUNTS.path(namespace, service_account, "token")
        body = tokens.request_body(expiration_seconds)
        return tokens.read(self._call("POST", SERVICE_ACCOUNTS, path, body=body))

    # -- the request itself ----------------------------------------------------------------

    def raw(
        self,
        method: str,
        path: str,
        *,
        query: Mapping[str, str] | None = None,
        body: bytes | None = None,
        content_type: str = _JSON,
        timeout: float | None = None,
        urgent: bool = False,
    ) -> Response:
        """Send any request; the answer, whatever its status.

        429 and 503 with Retry-After are waited for, :data:`MAX_WAIT` seconds in all. A request that
        was not sent is sent again, and so is a GET whose answer was lost. ``urgent``: no rate
        limit, no waiting, one try.
        """
        headers = {"accept": _JSON}
        if body is not None:
            headers["content-type"] = content_type
        params, seconds = query or {}, self._timeout if timeout is None else timeout
        waited = 0.0
        for attempt in range(1, _MAX_ATTEMPTS + 1):
            if not urgent:
                self._throttle(method)
            try:
                response = self._send(
                    method, path, headers=headers, body=body, query=params, timeout=seconds
                )
            except TransportError as error:
                repeatable = not error.sent or method == "GET"
                if urgent or not repeatable or attempt >= _TRANSPORT_ATTEMPTS:
                    raise
                delay, code = 0.1 * attempt * (1.0 + self._concurrency.random.random()), "<error>"
            else:
                delay, code = retry_delay(response), str(response.status)
                if urgent or delay < 0 or waited + delay > MAX_WAIT or attempt == _MAX_ATTEMPTS:
                    return response
            waited += delay
            if self._metrics is not None:
                self._metrics.retried(code, method)
            self._concurrency.sleep(delay)
        raise AssertionError("unreachable")

    def _call(
        self,
        method: str,
        resource: Resource[ObjectT],
        path: str,
        *,
        query: Mapping[str, str] | None = None,
        body: Any = None,
        content_type: str = _JSON,
        urgent: bool = False,
    ) -> Response:
        data = None if body is None else msgspec.json.encode(body)
        urgent = urgent or resource is LEASES
        response = self.raw(
            method, path, query=query, body=data, content_type=content_type, urgent=urgent
        )
        if response.status >= 400:
            raise api_error(response)
        return response

    def _throttle(self, method: str) -> None:
        waited = self._bucket.wait()
        if self._metrics is not None:
            self._metrics.throttled(method, waited)
        if waited > 1.0:
            logger.info("%s waited %.1f s for the client's own rate limit", method, waited)

    def _send(
        self, method: str, path: str, *, headers: Mapping[str, str], body: bytes | None, **rest: Any
    ) -> Response:
        started = self._concurrency.monotonic()
        size = len(body or b"")
        try:
            with fence.guarding(None if method == "GET" else self._check):
                fence.look()  # here for transports that have no sockets
                response = self._transport.request(method, path, headers=headers, body=body, **rest)
        except TransportError:
            self._observe(method, 0, started, size, 0)
            raise
        self._observe(method, response.status, started, size, len(response.data))
        return response

    def _observe(self, method: str, status: int, started: float, sent: int, received: int) -> None:
        if self._metrics is not None:
            seconds = self._concurrency.monotonic() - started
            self._metrics.answered(method, status, seconds, sent=sent, received=received)


@dataclasses.dataclass(frozen=True)
class Page:
    """Part of a list: raw objects, the list's version, and the token of the next page."""

    items: list[msgspec.Raw]
    resource_version: str
    continue_: str


def _set(params: Mapping[str, str]) -> dict[str, str]:
    return {key: value for key, value in params.items() if value}


def _typed(resource: Resource[ObjectT], body: Mapping[str, Any]) -> dict[str, Any]:
    return {"apiVersion": resource.api_version, "kind": resource.kind, **body}


def _decoded(resource: Resource[ObjectT], response: Response) -> ObjectT:
    try:
        return decode_object(resource, response.data)
    except msgspec.DecodeError as error:
        _malformed(response, resource.kind, error)


def _json(response: Response) -> dict[str, Any]:
    try:
        return msgspec.json.decode(response.data, type=dict[str, Any])
    except msgspec.DecodeError as error:
        _malformed(response, "object", error)


def _malformed(response: Response, what: str, error: msgspec.DecodeError) -> NoReturn:
    raise MalformedResponse(response.status, "", f"{what} not understood: {error}") from error
