"""The seam between the client and the wire, and the real transport: HTTP over urllib3.

Tests and the sandbox bring transports of their own.
"""

from __future__ import annotations

import contextlib
import dataclasses
import urllib.parse
from collections.abc import Iterator, Mapping
from typing import Any, Protocol

import urllib3
from urllib3 import exceptions

from cloudprovider.concurrency import Concurrency, current
from cloudprovider_controllers.runtime.credentials import CredentialError, KeyPair, credentials
from cloudprovider_controllers.runtime.kubeconfig import ClusterConfig, ConfigError
from cloudprovider_controllers.runtime.pool import explain, pool_manager
from cloudprovider_controllers.runtime.tls import signature

#: Seconds to wait for a connection.
CONNECT_TIMEOUT = 10.0
#: Seconds after which files of certificates are looked at again.
FILES_CHECK = 60.0
#: Longest line of a watch, in bytes.
MAX_LINE = 64 * 1024 * 1024
_CHUNK = 65536


@dataclasses.dataclass(frozen=True)
class Response:
    """A whole answer. Header names are lower case."""

    status: int
    headers: Mapping[str, str]
    data: bytes


class TransportError(Exception):
    """There is no (whole) answer.

    Args:
        message: One sentence for a person, without credentials.
        sent: False if the request provably never reached the server; else it may have been
            carried out.

    """

    def __init__(self, message: str, *, sent: bool = True) -> None:
        super().__init__(message)
        self.sent = sent


class Stream(Protocol):
    """An answer that arrives line by line, for as long as the server likes."""

    @property
    def status(self) -> int:
        """HTTP status."""

    @property
    def headers(self) -> Mapping[str, str]:
        """Headers, names in lower case."""

    def lines(self) -> Iterator[bytes]:
        """The lines, without their end, blocking for the next one. Ends when the server ends.

        Raises:
            TransportError: the connection broke, or nothing came for ``read_timeout`` seconds.

        """

    def close(self) -> None:
        """Give the connection up; from any thread, any number of times. A blocked read ends."""


class Transport(Protocol):
    """Sends requests to one API server under one identity. Safe for threads."""

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
        """Send one request and wait for the whole answer, whatever its status.

        ``timeout`` is in seconds and bounds connecting and each wait for data.

        Raises:
            TransportError: there is no answer.

        """

    def stream(
        self,
        path: str,
        *,
        query: Mapping[str, str],
        headers: Mapping[str, str],
        read_timeout: float,
    ) -> Stream:
        """Send a GET and return as soon as the headers of the answer are there.

        Raises:
            TransportError: there is no answer.

        """


class TokenSource(Protocol):
    """Where a bearer token comes from. Safe for threads."""

    def token(self) -> str:
        """The token to send now. Raises an exception if there is none."""

    def refresh(self, refused: str) -> bool:
        """The server refused the token ``refused``; whether there is another now."""


class TransportFactory(Protocol):
    """Makes a transport for one named client."""

    def __call__(self, *, user_agent: str, tokens: TokenSource | None = None) -> Transport:
        """A transport under ``user_agent``, with ``tokens`` in place of the usual credentials."""


class HttpTransport:
    """A :class:`Transport` over HTTP. Connections are kept and shared.

    Credentials that the server refuses (401) are renewed once, and the request repeated.

    Args:
        config: Which server and which identity.
        user_agent: Header of every request.
        tokens: Replaces the credentials of ``config``.

    Raises:
        ConfigError: certificates cannot be used.

    """

    def __init__(
        self,
        config: ClusterConfig,
        *,
        user_agent: str,
        tokens: TokenSource | None = None,
        concurrency: Concurrency | None = None,
    ) -> None:
        self._config = config
        self._concurrency = concurrency or current()
        self._credentials = credentials(config, tokens, self._concurrency)
        self._headers = {"User-Agent": user_agent, "Accept-Encoding": "identity"}
        self._lock = self._concurrency.lock()
        self._manager: urllib3.PoolManager | None = None
        self._signature: tuple[object, ...] = ()
        self._checked = float("-inf")

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
        wait = urllib3.Timeout(connect=min(CONNECT_TIMEOUT, timeout), read=timeout)
        options = {"body": body, "timeout": wait, "preload_content": True}
        answer = self._send(method, _target(path, query), headers, options)
        return Response(answer.status, _lower(answer.headers), answer.data)

    def stream(
        self,
        path: str,
        *,
        query: Mapping[str, str],
        headers: Mapping[str, str],
        read_timeout: float,
    ) -> Stream:
        wait = urllib3.Timeout(connect=CONNECT_TIMEOUT, read=read_timeout)
        options = {"timeout": wait, "preload_content": False}
        answer = self._send("GET", _target(path, query), headers, options)
        return _HttpStream(answer, self._concurrency)

    def close(self) -> None:
        """Close connections that are not in use. A later request opens new ones."""
        with self._lock:
            manager, self._manager = self._manager, None
        if manager is not None:
            manager.clear()

    def _send(
        self, method: str, target: str, headers: Mapping[str, str], options: Mapping[str, Any]
    ) -> urllib3.BaseHTTPResponse:
        authorization = self._authorization()
        answer = self._once(method, target, self._all(headers, authorization), options)
        if answer.status == 401 and self._refresh(authorization):
            answer.drain_conn()
            answer = self._once(method, target, self._all(headers, self._authorization()), options)
        return answer

    def _once(
        self, method: str, target: str, headers: Mapping[str, str], options: Mapping[str, Any]
    ) -> urllib3.BaseHTTPResponse:
        url = self._config.server + target
        try:
            return self._pool().urlopen(
                method, url, headers=headers, retries=False, redirect=False, **options
            )
        except exceptions.HTTPError as error:
            what = f"{method} {target.partition('?')[0]}"
            text = f"{what}: {explain(error)}"
            raise TransportError(text, sent=not _never_sent(error)) from None

    def _all(self, headers: Mapping[str, str], authorization: str) -> urllib3.HTTPHeaderDict:
        every = urllib3.HTTPHeaderDict({**self._headers, **headers})
        if authorization:
            every["Authorization"] = authorization
        whom = self._config.impersonate
        if whom.user:
            every["Impersonate-User"] = whom.user
            if whom.uid:
                every["Impersonate-Uid"] = whom.uid
            for group in whom.groups:
                every.add("Impersonate-Group", group)
            for key, values in whom.extra.items():
                for value in values:
                    every.add(f"Impersonate-Extra-{urllib.parse.quote(key, safe='')}", value)
        return every

    def _authorization(self) -> str:
        try:
            return self._credentials.authorization()
        except CredentialError as error:
            raise TransportError(str(error), sent=False) from error

    def _refresh(self, refused: str) -> bool:
        try:
            return self._credentials.refresh(refused)
        except CredentialError as error:
            raise TransportError(str(error), sent=False) from error

    def _pool(self) -> urllib3.PoolManager:
        """The connections; new ones if certificates changed."""
        try:
            pair = self._credentials.key_pair()
            with self._lock:
                now = self._concurrency.monotonic()
                if self._manager is None or now - self._checked >= FILES_CHECK or _held(pair):
                    self._checked = now
                    self._renew(pair)
                if self._manager is None:
                    raise AssertionError("unreachable: renewed above")
                return self._manager
        except (CredentialError, ConfigError) as error:
            raise TransportError(str(error), sent=False) from error

    def _renew(self, pair: KeyPair | None) -> None:
        found = signature(self._config, pair)
        if self._manager is not None and found == self._signature:
            return
        try:
            manager = pool_manager(self._config, pair)
        except ConfigError:
            if self._manager is None:
                raise
            return  # files in the middle of a rotation: go on with the old ones, look again later
        self._manager, self._signature = manager, found


def _held(pair: KeyPair | None) -> bool:
    """The pair is in memory: cheap to compare, and may change with any call of a plugin."""
    return pair is not None and bool(pair.certificate.data)


def _target(path: str, query: Mapping[str, str]) -> str:
    return f"{path}?{urllib.parse.urlencode(query)}" if query else path


def _lower(headers: Mapping[str, str]) -> dict[str, str]:
    return {key.lower(): value for key, value in headers.items()}


def _never_sent(error: Exception) -> bool:
    """Whether the connection was not even there."""
    if isinstance(error, exceptions.ProxyError):
        error = error.original_error
    return (
        isinstance(error, exceptions.NewConnectionError | exceptions.ConnectTimeoutError)
        or "certificate verify failed" in str(error).lower()
    )


class _HttpStream:
    """A :class:`Stream` over a connection of its own."""

    def __init__(self, answer: urllib3.BaseHTTPResponse, concurrency: Concurrency) -> None:
        self._answer = answer
        self.status = answer.status
        self.headers: Mapping[str, str] = _lower(answer.headers)
        self._reading = concurrency.lock()
        self._closed = False

    def lines(self) -> Iterator[bytes]:
        rest = b""
        pieces: list[bytes] = []
        size = 0
        while data := self._read():
            *whole, last = data.split(b"\n")
            if not whole:  # a long line: collect, without copying it again and again
                pieces.append(last)
                size += len(last)
                if size > MAX_LINE:
                    raise TransportError(f"a line of more than {MAX_LINE} bytes")
                continue
            whole[0] = b"".join([*pieces, whole[0]])
            pieces, size = [last], len(last)
            yield from whole
        rest = b"".join(pieces)
        if rest and not self._framed():
            raise TransportError("the connection ended in the middle of a line")
        if rest:
            yield rest

    def _read(self) -> bytes:
        with self._reading:
            if self._ended():
                return b""
            try:
                return self._answer.read1(_CHUNK) or b""
            except exceptions.HTTPError as error:
                if self._ended():
                    return b""
                raise TransportError(f"watch: {explain(error)}") from None

    def _ended(self) -> bool:
        return self._closed

    def _framed(self) -> bool:
        """Whether the end of the body was marked, so that nothing can have been cut off."""
        return bool(self.headers.keys() & {"content-length", "transfer-encoding"})

    def close(self) -> None:
        if self._closed:
            return
        self._closed = True
        with contextlib.suppress(ValueError, RuntimeError, OSError):  # it may be gone already
            self._answer.shutdown()  # a thread that reads now gets the end
        with self._reading:
            self._answer.close()
