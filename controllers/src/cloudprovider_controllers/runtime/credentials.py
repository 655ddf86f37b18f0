"""Credentials that change while we run: token files, exec plugins, tokens from elsewhere.

Source: ``spec/kubernetes-client.md`` 5. No text made here holds a credential.
"""

from __future__ import annotations

import base64
import dataclasses
import datetime
import json
import logging
import os
import pathlib
import subprocess
from typing import TYPE_CHECKING, Any, Protocol

import msgspec

from cloudprovider.concurrency import Concurrency, current
from cloudprovider_controllers.runtime.kubeconfig import ClusterConfig, ExecConfig, Pem

if TYPE_CHECKING:
    from cloudprovider_controllers.runtime.transport import TokenSource

logger = logging.getLogger(__name__)

#: Seconds for which a token file is not read again.
REREAD = 60.0
#: Seconds before its expiry at which a credential is renewed.
LEEWAY = 10.0
#: Seconds between two runs of a plugin because the server refused what it gave.
EXEC_PAUSE = 10.0
#: Seconds that a plugin may take.
EXEC_TIMEOUT = 60.0


class CredentialError(Exception):
    """There is no credential to send. The text says why, without showing one."""


@dataclasses.dataclass(frozen=True)
class KeyPair:
    """A client certificate and its key."""

    certificate: Pem
    key: Pem


class Credentials(Protocol):
    """What a transport proves its identity with. Safe for threads."""

    def authorization(self) -> str:
        """The Authorization header; empty for none. Raises CredentialError."""

    def refresh(self, refused: str) -> bool:
        """The server refused the header ``refused``; whether there is another now."""

    def key_pair(self) -> KeyPair | None:
        """The client certificate, or None."""


def credentials(
    config: ClusterConfig, tokens: TokenSource | None, concurrency: Concurrency | None = None
) -> Credentials:
    """The credentials of ``config``; ``tokens`` replaces them all, client certificates too."""
    if tokens is not None:
        return _Bearer(tokens, None)
    pair = None
    if config.client_certificate:
        pair = KeyPair(config.client_certificate, config.client_key)
    if config.token_file:
        return _Bearer(TokenFile(config.token_file, concurrency=concurrency), pair)
    if config.token:
        return _Fixed(f"Bearer {_clean(config.token, 'token')}", pair)
    if config.exec is not None:
        return ExecCredentials(config, config.exec, concurrency=concurrency)
    if config.username:
        pair_text = f"{config.username}:{config.password}".encode()
        return _Fixed(f"Basic {base64.b64encode(pair_text).decode()}", pair)
    return _Fixed("", pair)


def _clean(token: str, where: str) -> str:
    """``token`` without white space around it. White space inside would end up in an error text."""
    stripped = token.strip()
    if not stripped.isascii() or not stripped.isprintable() or " " in stripped:
        raise CredentialError(f"{where}: not a bearer token")
    if not stripped:
        raise CredentialError(f"{where}: empty")
    return stripped


class _Fixed:
    def __init__(self, header: str, pair: KeyPair | None) -> None:
        self._header = header
        self._pair = pair

    def authorization(self) -> str:
        return self._header

    def refresh(self, refused: str) -> bool:  # noqa: ARG002 - there is no other
        return False

    def key_pair(self) -> KeyPair | None:
        return self._pair


class _Bearer:
    def __init__(self, tokens: TokenSource, pair: KeyPair | None) -> None:
        self._tokens = tokens
        self._pair = pair

    def authorization(self) -> str:
        return f"Bearer {self._tokens.token()}"

    def refresh(self, refused: str) -> bool:
        return self._tokens.refresh(refused.removeprefix("Bearer "))

    def key_pair(self) -> KeyPair | None:
        return self._pair


class TokenFile:
    """A token in a file that somebody else renews. A :class:`TokenSource`."""

    def __init__(self, path: str, *, concurrency: Concurrency | None = None) -> None:
        self._path = pathlib.Path(path)
        self._concurrency = concurrency or current()
        self._lock = self._concurrency.lock()
        self._token = ""
        self._read_at = float("-inf")

    def token(self) -> str:
        """The token, read from the file at most once a minute.

        Raises:
            CredentialError: it never could be read.

        """
        with self._lock:
            if self._concurrency.monotonic() - self._read_at >= REREAD:
                self._read()
            return self._token

    def refresh(self, refused: str) -> bool:
        with self._lock:
            if self._token == refused:
                self._read()
            return self._token != refused

    def _read(self) -> None:
        try:
            self._token = _clean(self._path.read_text(), f"token file {self._path}")
        except (OSError, UnicodeDecodeError, CredentialError) as error:
            if not self._token:
                raise CredentialError(f"token file {self._path}: {_why(error)}") from None
            # It may be in the middle of a rotation; the old token mostly works for a while.
            logger.warning("token file %s: %s; using the last one", self._path, _why(error))
        self._read_at = self._concurrency.monotonic()


def _why(error: Exception) -> str:
    if isinstance(error, OSError):
        return error.strerror or type(error).__name__
    return "not UTF-8 text" if isinstance(error, UnicodeDecodeError) else "not a bearer token"


class _ExecStatus(msgspec.Struct, rename="camel"):
    token: str | None = None
    client_certificate_data: str | None = None
    client_key_data: str | None = None
    expiration_timestamp: datetime.datetime | None = None


class _ExecCredential(msgspec.Struct, rename="camel"):
    api_version: str
    kind: str
    status: _ExecStatus | None = None


class ExecCredentials:
    """Credentials that a command prints, kept until they expire or are refused."""

    def __init__(
        self, config: ClusterConfig, plugin: ExecConfig, *, concurrency: Concurrency | None = None
    ) -> None:
        self._config = config
        self._plugin = plugin
        self._concurrency = concurrency or current()
        self._lock = self._concurrency.lock()
        self._status: _ExecStatus | None = None
        self._ran_at = float("-inf")

    def authorization(self) -> str:
        token = self._current().token
        return f"Bearer {token}" if token else ""

    def key_pair(self) -> KeyPair | None:
        status = self._current()
        if not status.client_certificate_data or not status.client_key_data:
            return None
        certificate, key = status.client_certificate_data, status.client_key_data
        return KeyPair(Pem(data=certificate.encode()), Pem(data=key.encode()))

    def refresh(self, refused: str) -> bool:
        with self._lock:
            token = self._status.token if self._status is not None else None
            if token and f"Bearer {token}" != refused:
                return True
            if self._concurrency.monotonic() - self._ran_at < EXEC_PAUSE:
                return False
            before = self._status
            self._run()
            return self._status != before

    def _current(self) -> _ExecStatus:
        with self._lock:
            if self._status is None or self._expired(self._status):
                self._run()
            if self._status is None:
                raise CredentialError(f"exec plugin {self._plugin.command}: no credential")
            return self._status

    def _expired(self, status: _ExecStatus) -> bool:
        expiry = status.expiration_timestamp
        if expiry is None:
            return False
        if expiry.tzinfo is None:
            expiry = expiry.replace(tzinfo=datetime.UTC)
        return (expiry - self._concurrency.now()).total_seconds() < LEEWAY

    def _run(self) -> None:
        self._ran_at = self._concurrency.monotonic()
        command = self._plugin.command
        environment = {**os.environ, **self._plugin.env, "KUBERNETES_EXEC_INFO": self._info()}
        try:
            # The user's own kubeconfig names the command. Its error output goes where ours goes.
            done = subprocess.run(  # noqa: S603
                [command, *self._plugin.args],
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                timeout=EXEC_TIMEOUT,
                check=False,
            )
        except FileNotFoundError:
            hint = f": {self._plugin.install_hint}" if self._plugin.install_hint else ""
            raise CredentialError(f"exec plugin {command}: not found{hint}") from None
        except subprocess.TimeoutExpired:
            raise CredentialError(
                f"exec plugin {command}: no answer in {EXEC_TIMEOUT:g} s"
            ) from None
        except OSError as error:
            raise CredentialError(f"exec plugin {command}: {error.strerror}") from None
        if done.returncode:
            raise CredentialError(f"exec plugin {command}: exit code {done.returncode}")
        self._status = self._read(done.stdout)

    def _read(self, output: bytes) -> _ExecStatus:
        where = f"exec plugin {self._plugin.command}"
        try:
            answer = msgspec.json.decode(output, type=_ExecCredential)
        except msgspec.DecodeError:
            raise CredentialError(f"{where}: printed no ExecCredential") from None
        if answer.api_version != self._plugin.api_version or answer.kind != "ExecCredential":
            wanted = self._plugin.api_version
            raise CredentialError(f"{where}: printed no ExecCredential of {wanted}")
        status = answer.status or _ExecStatus()
        if bool(status.client_certificate_data) != bool(status.client_key_data):
            raise CredentialError(f"{where}: printed half of a client certificate and key")
        if status.token:
            return msgspec.structs.replace(status, token=_clean(status.token, where))
        if not status.client_certificate_data:
            raise CredentialError(f"{where}: printed neither token nor client certificate")
        return status

    def _info(self) -> str:
        spec: dict[str, Any] = {"interactive": False}
        if self._plugin.provide_cluster_info:
            spec["cluster"] = _cluster_info(self._config)
        body = {"apiVersion": self._plugin.api_version, "kind": "ExecCredential", "spec": spec}
        return json.dumps(body)


def _cluster_info(config: ClusterConfig) -> dict[str, Any]:
    info: dict[str, Any] = {"server": config.server}
    if config.tls_server_name:
        info["tls-server-name"] = config.tls_server_name
    if config.insecure_skip_tls_verify:
        info["insecure-skip-tls-verify"] = True
    if config.proxy_url:
        info["proxy-url"] = config.proxy_url
    if config.ca:
        data = config.ca.data or pathlib.Path(config.ca.path).read_bytes()
        info["certificate-authority-data"] = base64.b64encode(data).decode()
    return info
