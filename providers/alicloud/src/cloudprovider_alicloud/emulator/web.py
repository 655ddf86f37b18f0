"""The HTTP side: APIs on ``/``, metadata under ``/latest/``, admin under ``/_emulator/``."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Iterator
from typing import Any
from urllib.parse import parse_qsl

import msgspec
from werkzeug.wrappers import Request as WebRequest
from werkzeug.wrappers import Response

from cloudprovider.toolkit.webserver import ConnectionDropped
from cloudprovider_alicloud.emulator.admin import PREFIX, Admin
from cloudprovider_alicloud.emulator.core import EmulatorCore
from cloudprovider_alicloud.emulator.gateway import Gateway
from cloudprovider_alicloud.emulator.metadata import ROOT, MetadataService
from cloudprovider_alicloud.emulator.replies import Reply
from cloudprovider_alicloud.emulator.signing import HttpRequest

log = logging.getLogger(__name__)

StartResponse = Callable[..., Any]
_FORM = "application/x-www-form-urlencoded"
_BROKEN_PAGE = b"<html><body><h1>502 Bad Gateway</h1></body></html>"


class Application:
    """The WSGI application."""

    def __init__(self, core: EmulatorCore, metadata: MetadataService, admin: Admin) -> None:
        self._gateway = Gateway(core)
        self._metadata = metadata
        self._admin = admin

    def __call__(self, environ: dict[str, Any], start_response: StartResponse) -> Iterable[bytes]:
        request = WebRequest(environ)
        if request.path.startswith(PREFIX):
            return self._admin_answer(request)(environ, start_response)
        if request.path.startswith(ROOT):
            return self._metadata_answer(request)(environ, start_response)
        reply = self._gateway.handle(_http_request(request))
        return _send(reply, environ, start_response)

    def _admin_answer(self, request: WebRequest) -> Response:
        status, body = self._admin.handle(
            request.method,
            request.path.removeprefix(PREFIX),
            dict(request.args),
            request.get_data(),
        )
        return Response(msgspec.json.encode(body), status, content_type="application/json")

    def _metadata_answer(self, request: WebRequest) -> Response:
        headers = {name.lower(): value for name, value in request.headers.items()}
        status, kind, body = self._metadata.handle(request.method, request.path, headers)
        return Response(body, status, content_type=kind)


def _http_request(request: WebRequest) -> HttpRequest:
    body = request.get_data()
    form = body.decode("utf-8", "replace") if request.mimetype == _FORM else ""
    query = request.query_string.decode("ascii", "replace")
    return HttpRequest(
        method=request.method,
        path=request.path,
        query=parse_qsl(query, keep_blank_values=True),
        form=parse_qsl(form, keep_blank_values=True),
        headers={name.lower(): value for name, value in request.headers.items()},
        body=body,
    )


def _send(reply: Reply, environ: dict[str, Any], start_response: StartResponse) -> Iterable[bytes]:
    if reply.disruption == "malformed":
        page = Response(_BROKEN_PAGE, 200, content_type="text/html")
        return page(environ, start_response)
    data = msgspec.json.encode(reply.body)
    headers = {**reply.headers, "x-acs-request-id": reply.request_id}
    response = Response(data, reply.status, headers, content_type="application/json;charset=utf-8")
    if reply.disruption == "truncated":
        return _half(response, data, environ, start_response)
    if reply.disruption:
        raise ConnectionDropped(reply.disruption)
    return response(environ, start_response)


def _half(
    response: Response, data: bytes, environ: dict[str, Any], start_response: StartResponse
) -> Iterator[bytes]:
    """Announces the whole body, sends half of it and drops the connection."""
    list(response(environ, start_response))
    yield data[: len(data) // 2]
    raise ConnectionDropped("truncated")
