"""The health port: HTTPS that also answers plain-HTTP probes, on cheroot.

Manifests probe port 10258 over HTTPS (upstream's) or over plain HTTP (``spec/user-documents.md``
D2). A TLS connection starts with byte 0x16 and a plain request never does: the first byte decides.

A connection has :data:`DEADLINE` seconds for its request, and again for the answer. Waiting for
its first byte and the TLS handshake happen in worker threads, and there are more of these when all
are busy; when even that is not enough, the connection that has been without a request for longest
is ended. So slow connections do not keep a probe waiting, however many there are.
"""

from __future__ import annotations

import contextlib
import errno
import ipaddress
import socket
import ssl
from typing import Any

from cheroot import wsgi
from cheroot.makefile import MakeFile
from cheroot.ssl import Adapter

from cloudprovider.concurrency import Concurrency, Thread, current
from cloudprovider_manager.auth.identity import Caller, ClientCertificate
from cloudprovider_manager.contexts import ContextSource, client_certificate
from cloudprovider_manager.endpoints import CALLER, ENCRYPTED, Endpoints
from cloudprovider_manager.headers import Connection as HTTPConnection

#: Seconds from accepting a connection to the end of its request; and for sending the answer.
DEADLINE = 10
_MAX_CONNECTIONS = 128
#: Connections that may be without a whole request; one more ends the oldest of them.
_MAX_WAITING = 96
_GROWTH = 8
_TLS_HANDSHAKE = b"\x16"


class ServingError(Exception):
    """The port could not be opened. The message names the address."""


class HealthServer:
    """Serves ``endpoints`` on ``host:port`` (0 = a free one).

    Without ``tls`` it speaks plain HTTP only. An unspecified ``host``, 0.0.0.0 or ``::``, stands
    for all addresses of both families. ``share_port``: others may serve on it too (SO_REUSEPORT).
    """

    def __init__(
        self,
        endpoints: Endpoints,
        *,
        host: str,
        port: int,
        tls: ContextSource | None,
        share_port: bool = False,
        concurrency: Concurrency | None = None,
    ) -> None:
        self._concurrency = concurrency or current()
        self._host = host
        self._server = _Server(
            (_bindable(host), port),
            endpoints,
            numthreads=2,
            max=_MAX_CONNECTIONS,
            server_name="cloud-controller-manager",
            request_queue_size=128,
            timeout=DEADLINE,
            reuse_port=share_port and port != 0,
        )
        self._server.ConnectionClass = HTTPConnection
        self._server.gateway = _Gateway
        self._server.shutdown_timeout = 1
        self._server.max_request_header_size = 32 * 1024
        self._server.max_request_body_size = 1024
        self._server.ssl_adapter = _Sniffer(tls, self._concurrency)
        self._scheme = "https" if tls is not None else "http"
        self._thread: Thread | None = None

    def start(self) -> None:
        """Bind and serve in background threads.

        Raises:
            ServingError: the address cannot be bound.

        """
        try:
            self._server.prepare()
        except OSError as error:
            host, port = self._server.bind_addr[:2]
            raise ServingError(f"cannot serve on {host}:{port}: {error}") from error
        self._thread = self._concurrency.start_thread(self._server.serve, name="health-port")

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
        """Stop serving."""
        self._server.stop()
        if self._thread is not None:
            self._thread.join(timeout=2)


def _bindable(host: str) -> str:
    """What to bind: IPv6's unspecified address takes IPv4 too, as Go's listeners do."""
    if not ipaddress.ip_address(host).is_unspecified:
        return host
    return "::" if socket.has_dualstack_ipv6() else "0.0.0.0"  # noqa: S104 - what was asked for


class _Server(wsgi.Server):
    def process_conn(self, conn: Any) -> None:
        if self.requests.idle <= self.requests.qsize:
            self.requests.grow(_GROWTH)  # it waits 0.1 s for new threads to be ready
        super().process_conn(conn)

    def error_log(self, msg: str = "", level: int = 20, traceback: bool = False) -> None:
        """Broken connections are the client's business."""


class _Gateway(wsgi.Gateway_10):
    def get_environ(self) -> Any:
        environ: Any = super().get_environ()  # type: ignore[no-untyped-call]
        connection = self.req.conn.socket
        environ[ENCRYPTED] = connection.encrypted
        connection.was_read()
        environ[CALLER] = Caller(self.req.header_reader.pairs, *connection.certificate())
        return environ


class _Sniffer(Adapter):
    """Hands cheroot sockets that find out later whether they are encrypted."""

    def __init__(self, tls: ContextSource | None, concurrency: Concurrency) -> None:
        self._tls = tls
        self._concurrency = concurrency
        self._waiting = _Waiting(concurrency)

    def bind(self, sock: socket.socket) -> socket.socket:
        return sock

    def wrap(self, sock: socket.socket) -> tuple[_Connection, dict[str, str]]:
        return _Connection(sock, self._tls, self._waiting, self._concurrency), {}

    def get_environ(self) -> dict[str, str]:
        return {}

    def makefile(self, sock: Any, mode: str = "r", bufsize: int = -1) -> Any:
        return MakeFile(sock, mode, bufsize if bufsize > 0 else 8192)


class _Waiting:
    """The connections without a whole request, oldest first."""

    def __init__(self, concurrency: Concurrency) -> None:
        self._lock = concurrency.lock()
        self._connections: dict[_Connection, None] = {}

    def add(self, connection: _Connection) -> None:
        """``connection`` waits from now on; the oldest is ended if there are too many."""
        with self._lock:
            self._connections[connection] = None
            over = len(self._connections) > _MAX_WAITING
            oldest = next(iter(self._connections))
            if over:
                del self._connections[oldest]
        if over:
            oldest.shutdown(socket.SHUT_RDWR)  # its worker reads the end of it

    def discard(self, connection: _Connection) -> None:
        """``connection`` waits no more."""
        with self._lock:
            self._connections.pop(connection, None)


class _Connection:
    """A socket as far as cheroot uses one; settled at the first read, in the worker's thread."""

    def __init__(
        self,
        sock: socket.socket,
        tls: ContextSource | None,
        waiting: _Waiting,
        concurrency: Concurrency,
    ) -> None:
        self._sock = sock
        self._tls = tls
        self._waiting = waiting
        self._concurrency = concurrency
        self._deadline = concurrency.monotonic() + DEADLINE
        self._settled = tls is None
        self._answering = False
        waiting.add(self)

    @property
    def encrypted(self) -> bool:
        """Whether the client speaks TLS; known after the first read."""
        return isinstance(self._sock, ssl.SSLSocket)

    def certificate(self) -> tuple[ClientCertificate | None, bool]:
        """The client's certificate, as :func:`client_certificate` gives it."""
        if isinstance(self._sock, ssl.SSLSocket):
            return client_certificate(self._sock)
        return None, False

    def was_read(self) -> None:
        """The request is complete, but for a body maybe."""
        self._waiting.discard(self)

    def close(self) -> None:
        self._waiting.discard(self)
        self._sock.close()

    def recv_into(self, buffer: Any) -> int:
        self._settle()
        self._limit()
        return self._sock.recv_into(buffer)

    def send(self, data: bytes) -> int:
        if not self._answering:
            # Asking the API server about the caller may have taken some time.
            self._answering = True
            self._deadline = self._concurrency.monotonic() + DEADLINE
        self._limit()
        return self._sock.send(data)

    def shutdown(self, how: int) -> None:
        # An error here would end cheroot's worker, and with it the server.
        with contextlib.suppress(OSError):
            self._sock.shutdown(how)

    def _settle(self) -> None:
        if self._settled or self._tls is None:
            return
        self._limit()
        if self._sock.recv(1, socket.MSG_PEEK) == _TLS_HANDSHAKE:
            encrypted = self._tls().wrap_socket(
                self._sock, server_side=True, do_handshake_on_connect=False
            )
            self._sock = encrypted
            try:
                encrypted.do_handshake()
            except OSError as error:  # ssl.SSLError is one
                raise ConnectionResetError(errno.ECONNRESET, "TLS handshake failed") from error
        self._settled = True

    def _limit(self) -> None:
        left = self._deadline - self._concurrency.monotonic()
        if left <= 0:
            raise TimeoutError("timed out")  # the text by which cheroot knows it
        self._sock.settimeout(left)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._sock, name)
