"""The one HTTP server of the project: cheroot (threads, TLS) under werkzeug's requests.

Used by the sandbox's API server, the emulators and the manager's health port. Needs the extra
``k8s-cloudprovider[server]``.
"""

from __future__ import annotations

import dataclasses
import logging
import pathlib
import socket
import ssl
import sys
from collections.abc import Callable, Iterable
from typing import Any

from cheroot import wsgi
from cheroot.ssl.builtin import BuiltinSSLAdapter

from cloudprovider.concurrency import Thread, current

_log = logging.getLogger(__name__)

WSGIApplication = Callable[[dict[str, Any], Callable[..., Any]], Iterable[bytes]]

#: The key of the WSGI environ under which the connection's socket stands.
SOCKET = "cloudprovider.socket"


class ConnectionDropped(Exception):
    """Raised by an application to close the connection without (the rest of) an answer."""


@dataclasses.dataclass(frozen=True)
class TLSFiles:
    """PEM files of a server."""

    certificate: pathlib.Path
    key: pathlib.Path
    client_ca: pathlib.Path | None = None


class WebServer:
    """Serves a WSGI application on ``host`` and a free or given port, in background threads."""

    def __init__(
        self,
        application: WSGIApplication,
        *,
        host: str = "127.0.0.1",
        port: int = 0,
        tls: TLSFiles | None = None,
        threads: int = 16,
    ) -> None:
        self._server = _Server(
            (host, port),
            _droppable(application),
            numthreads=threads,
            server_name="cloudprovider",
            request_queue_size=128,
            timeout=600,
        )
        self._server.gateway = _Gateway
        # The default closes connections after each answer beyond ten: a handshake for every call.
        self._server.keep_alive_conn_limit = 1024
        self._server.shutdown_timeout = 1
        if tls is not None:
            self._server.ssl_adapter = _tls_adapter(tls)
        self._scheme = "https" if tls is not None else "http"
        self._host = host
        self._thread: Thread | None = None

    def start(self) -> WebServer:
        """Bind and serve. Raises OSError if the port is taken."""
        self._server.prepare()
        self._thread = current().start_thread(self._server.serve, name=f"web-{self.port}")
        return self

    @property
    def port(self) -> int:
        """The port it is bound to."""
        return int(self._server.bind_addr[1])

    @property
    def url(self) -> str:
        """``scheme://host:port``."""
        host = f"[{self._host}]" if ":" in self._host else self._host
        return f"{self._scheme}://{host}:{self.port}"

    def stop(self) -> None:
        """Stop serving; open connections are closed."""
        self._server.stop()
        if self._thread is not None:
            self._thread.join(timeout=5)

    def __enter__(self) -> WebServer:
        return self.start()

    def __exit__(self, *exc: object) -> None:
        self.stop()


class _Server(wsgi.Server):
    """Logs what an application raised; broken connections are the client's business."""

    def error_log(self, msg: str = "", level: int = 20, traceback: bool = False) -> None:  # noqa: ARG002
        error = sys.exc_info()[1]
        if error is not None and not _is_the_clients(error):
            _log.error("%s", msg, exc_info=error)


def _is_the_clients(error: BaseException) -> bool:
    """Whether ``error``, or what it came from, is a connection that broke or was dropped."""
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, ConnectionDropped | OSError):
            return True
        cause = cause.__context__
    return False


class _Gateway(wsgi.Gateway_10):
    """Adds the connection's socket to the environ, so that a fault can drop it."""

    def get_environ(self) -> dict[str, Any]:  # type: ignore[override]
        environ: dict[str, Any] = super().get_environ()  # type: ignore[no-untyped-call]
        environ[SOCKET] = self.req.conn.socket
        return environ


def _droppable(application: WSGIApplication) -> WSGIApplication:
    def run(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        try:
            yield from application(environ, start_response)
        except ConnectionDropped:
            drop_connection(environ)
            raise

    return run


def drop_connection(environ: dict[str, Any]) -> None:
    """Close the client's connection now, in both directions."""
    sock = environ.get(SOCKET)
    if sock is not None:
        try:
            sock.shutdown(socket.SHUT_RDWR)
        except OSError:
            return


def _tls_adapter(tls: TLSFiles) -> BuiltinSSLAdapter:
    adapter = BuiltinSSLAdapter(str(tls.certificate), str(tls.key))
    adapter.context.minimum_version = ssl.TLSVersion.TLSv1_2
    if tls.client_ca is not None:
        adapter.context.load_verify_locations(str(tls.client_ca))
        adapter.context.verify_mode = ssl.CERT_OPTIONAL
    return adapter
