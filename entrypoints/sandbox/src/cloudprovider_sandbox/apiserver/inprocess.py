"""The server behind the runtime's transport seam: no sockets, and time may be virtual."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Protocol

from cloudprovider_controllers.runtime.transport import Response, TransportError
from cloudprovider_sandbox.apiserver.messages import Reply, Request
from cloudprovider_sandbox.apiserver.messages import Stream as Source
from cloudprovider_sandbox.apiserver.server import ApiServer


class TokenSource(Protocol):
    """Where a bearer token comes from."""

    def token(self) -> str:
        """The token to send now."""


class InProcessTransport:
    """A transport of ``cloudprovider_controllers.runtime`` on an :class:`ApiServer`.

    Args:
        server: The server.
        proc: Name of the calling process in journal and faults.
        user_agent: Header of every request.
        tokens: Sent as bearer token, where given.

    """

    def __init__(
        self,
        server: ApiServer,
        *,
        proc: str = "manager",
        user_agent: str = "cloud-controller-manager",
        tokens: TokenSource | None = None,
    ) -> None:
        self._server = server
        self._proc = proc
        self._user_agent = user_agent
        self._tokens = tokens

    def request(
        self,
        method: str,
        path: str,
        *,
        query: Mapping[str, str],
        headers: Mapping[str, str],
        body: bytes | None,
        timeout: float,
    ) -> Response:
        """Send one request. Raises TransportError where a fault drops the connection."""
        del timeout  # a fault that hangs says for how long
        reply = self._send(method, path, query, headers, body or b"")
        return Response(reply.status, reply.headers, reply.body)

    def stream(
        self,
        path: str,
        *,
        query: Mapping[str, str],
        headers: Mapping[str, str],
        read_timeout: float,
    ) -> InProcessStream:
        """Start a watch. A refusal is a stream whose only line is the Status."""
        reply = self._send("GET", path, query, headers, b"")
        return InProcessStream(reply, read_timeout)

    def _send(
        self,
        method: str,
        path: str,
        query: Mapping[str, str],
        headers: Mapping[str, str],
        body: bytes,
    ) -> Reply:
        sent = {"user-agent": self._user_agent} | {k.lower(): v for k, v in headers.items()}
        if self._tokens is not None:
            sent["authorization"] = f"Bearer {self._tokens.token()}"
        reply = self._server.handle(Request(method, path, query, sent, body, proc=self._proc))
        if reply.delivery == "not_sent":
            raise TransportError("the connection was refused", sent=False)
        if reply.delivery == "lost" or (reply.delivery == "truncated" and reply.stream is None):
            raise TransportError("the connection was closed before the answer came")
        return reply


class InProcessStream:
    """A watch, line by line."""

    def __init__(self, reply: Reply, read_timeout: float) -> None:
        self._reply = reply
        self._source: Source | None = reply.stream
        self._read_timeout = read_timeout
        self._closed = False

    @property
    def status(self) -> int:
        """HTTP status."""
        return self._reply.status

    @property
    def headers(self) -> Mapping[str, str]:
        """Headers, names in lower case."""
        return self._reply.headers

    def lines(self) -> Iterator[bytes]:
        """The lines, without their end, until the server ends.

        Raises:
            TransportError: nothing came for ``read_timeout`` seconds, or a fault cut the stream.

        """
        if self._source is None or self._reply.body:
            yield from self._reply.body.splitlines()
        while self._source is not None and not self._closed:
            chunk = self._source.next(self._read_timeout)
            if chunk is None:
                return
            if not chunk:
                self.close()
                raise TransportError(f"nothing came for {self._read_timeout:g} s")
            if self._reply.delivery == "truncated":
                self.close()
                yield chunk[: len(chunk) // 2]
                raise TransportError("the connection was closed within a line")
            yield from chunk.splitlines()

    def close(self) -> None:
        """Give up; a blocked read ends."""
        self._closed = True
        if self._source is not None:
            self._source.close()
