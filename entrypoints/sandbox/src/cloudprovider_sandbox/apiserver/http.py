"""The server over HTTP(S): WSGI on the project's web server."""

from __future__ import annotations

import logging
import pathlib
import select
import urllib.parse
from collections.abc import Callable, Iterable, Iterator
from http.client import responses
from typing import Any

from cloudprovider.toolkit.webserver import SOCKET, ConnectionDropped, TLSFiles, WebServer
from cloudprovider_sandbox.apiserver import status
from cloudprovider_sandbox.apiserver.kubeconfig import kubeconfig
from cloudprovider_sandbox.apiserver.messages import Reply, Request, Stream
from cloudprovider_sandbox.apiserver.server import ApiServer, refusal

_LOG = logging.getLogger(__name__)

#: Seconds between looks whether a quiet watch's client is still there.
CLIENT_CHECK = 5.0
#: Bytes of a body that are written at a time.
CHUNK = 256 * 1024

StartResponse = Callable[..., Any]


class ApiServerHttp:
    """Serves an :class:`ApiServer` on ``host`` and a free or given port.

    Args:
        server: The server.
        host: Address to bind.
        port: Port to bind; 0 = a free one.
        tls: Certificate and key; None = plain HTTP.
        threads: Requests (watches among them) served at once.

    """

    def __init__(
        self,
        server: ApiServer,
        *,
        host: str = "127.0.0.1",
        port: int = 0,
        tls: TLSFiles | None = None,
        threads: int = 64,
    ) -> None:
        self._server = server
        self._tls = tls
        self._web = WebServer(self._application, host=host, port=port, tls=tls, threads=threads)

    def start(self) -> ApiServerHttp:
        """Bind and serve in background threads. Raises OSError if the port is taken."""
        self._web.start()
        return self

    def stop(self) -> None:
        """End watches and stop serving."""
        self._server.end_watches()
        self._web.stop()

    @property
    def url(self) -> str:
        """``scheme://host:port``."""
        return self._web.url

    def kubeconfig(self, token: str = "") -> str:
        """Text of a kubeconfig for it."""
        ca = self._tls.certificate.read_bytes() if self._tls is not None else b""
        return kubeconfig(self.url, token=token, ca=ca)

    def write_kubeconfig(self, path: pathlib.Path, token: str = "") -> None:
        """Write :meth:`kubeconfig` to ``path``, readable by its owner only."""
        path.touch(mode=0o600)
        path.write_text(self.kubeconfig(token))

    def __enter__(self) -> ApiServerHttp:
        return self.start()

    def __exit__(self, *exc: object) -> None:
        self.stop()

    def _application(
        self, environ: dict[str, Any], start_response: StartResponse
    ) -> Iterable[bytes]:
        try:
            reply = self._server.handle(request_of(environ))
        except Exception:  # noqa: BLE001 - a defect of ours must not look like a broken network
            _LOG.exception("%s %s failed", environ["REQUEST_METHOD"], environ["PATH_INFO"])
            reply = refusal(status.internal("defect in the sandbox's API server"))
        if reply.delivery in {"not_sent", "lost"}:
            raise ConnectionDropped
        return _send(reply, environ, start_response)


def request_of(environ: dict[str, Any]) -> Request:
    """The request in a WSGI ``environ``."""
    headers = {
        name[5:].replace("_", "-").lower(): value
        for name, value in environ.items()
        if name.startswith("HTTP_")
    }
    if environ.get("CONTENT_TYPE"):
        headers["content-type"] = environ["CONTENT_TYPE"]
    query = dict(urllib.parse.parse_qsl(environ.get("QUERY_STRING", ""), keep_blank_values=True))
    groups = tuple(part for part in headers.get("impersonate-group", "").split(",") if part)
    # WSGI decodes the path as Latin-1; Kubernetes' is UTF-8.
    path = environ["PATH_INFO"].encode("latin-1").decode(errors="replace")
    body = environ["wsgi.input"].read() if _has_body(environ) else b""
    return Request(environ["REQUEST_METHOD"], path, query, headers, body, groups=groups)


def _has_body(environ: dict[str, Any]) -> bool:
    chunked = "chunked" in environ.get("HTTP_TRANSFER_ENCODING", "").lower()
    return chunked or environ.get("CONTENT_LENGTH", "") not in {"", "0"}


def _send(reply: Reply, environ: dict[str, Any], start_response: StartResponse) -> Iterator[bytes]:
    headers = list(reply.headers.items())
    if reply.stream is None:
        headers.append(("content-length", str(len(reply.body))))
    write = start_response(f"{reply.status} {responses.get(reply.status, 'Unknown')}", headers)
    if reply.stream is not None:
        write(b"")  # the headers go out at once, however quiet the watch is
        yield from _watch(reply, reply.stream, environ)
    elif reply.delivery == "truncated":
        yield reply.body[: len(reply.body) // 2]
        raise ConnectionDropped
    elif environ["REQUEST_METHOD"] != "HEAD":
        # The server copies what a socket does not take at once: never hand it a whole long list.
        for start in range(0, len(reply.body), CHUNK):
            yield reply.body[start : start + CHUNK]


def _watch(reply: Reply, stream: Stream, environ: dict[str, Any]) -> Iterator[bytes]:
    try:
        while True:
            chunk = stream.next(CLIENT_CHECK)
            if chunk is None:
                return
            if chunk and reply.delivery == "truncated":
                yield chunk[: len(chunk) // 2]
                raise ConnectionDropped
            if chunk:
                yield chunk
            elif _gone(environ):
                return
    finally:
        stream.close()


def _gone(environ: dict[str, Any]) -> bool:
    """Whether the client has closed: during a watch it sends nothing, so readable means closed."""
    sock = environ.get(SOCKET)
    if sock is None:
        return False
    poll = select.poll()
    poll.register(sock, select.POLLIN | select.POLLHUP)
    return bool(poll.poll(0))
