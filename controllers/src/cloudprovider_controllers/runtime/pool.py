"""Connections to the API server: TLS, proxies, keepalive."""

from __future__ import annotations

import logging
import socket
import urllib.parse
from typing import Any, ClassVar

import urllib3
from urllib3 import exceptions
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool

from cloudprovider.toolkit.fence import FencedConnection
from cloudprovider_controllers.runtime.credentials import KeyPair
from cloudprovider_controllers.runtime.kubeconfig import ClusterConfig, ConfigError
from cloudprovider_controllers.runtime.tls import client_context

logger = logging.getLogger(__name__)

#: Seconds: idle time before the first TCP probe, and between two; number of probes.
KEEPALIVE = (30, 15, 9)


class _Named(FencedConnection):
    """Is called after its server in messages: what it could not reach stands in front of them."""

    scheme: ClassVar[str]
    host: str
    port: int

    def __str__(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{self.scheme}://{host}:{self.port}"


class _Http(_Named, HTTPConnection):
    scheme = "http"


class _Https(_Named, HTTPSConnection):
    scheme = "https"


class _HttpPool(HTTPConnectionPool):
    ConnectionCls = _Http


class _HttpsPool(HTTPSConnectionPool):
    ConnectionCls = _Https


def _fenced(manager: urllib3.PoolManager) -> urllib3.PoolManager:
    manager.pool_classes_by_scheme = {"http": _HttpPool, "https": _HttpsPool}
    return manager


def pool_manager(config: ClusterConfig, pair: KeyPair | None) -> urllib3.PoolManager:
    """Connections to the server of ``config``. Raises ConfigError."""
    options: dict[str, Any] = {"maxsize": 32, "socket_options": _socket_options()}
    if config.server.startswith("https:"):
        options["ssl_context"] = client_context(config, pair)
        if config.tls_server_name:
            options["server_hostname"] = config.tls_server_name
        if config.insecure_skip_tls_verify:
            options["cert_reqs"] = "CERT_NONE"
            logger.warning("%s is not verified: insecure-skip-tls-verify is set", config.server)
            urllib3.disable_warnings(exceptions.InsecureRequestWarning)  # one line is enough
    proxy = config.proxy_url or _proxy_of_environment(config.server)
    if not proxy:
        return _fenced(urllib3.PoolManager(**options))
    parts = urllib.parse.urlsplit(proxy)
    user = urllib.parse.unquote(f"{parts.username or ''}:{parts.password or ''}")
    headers = urllib3.make_headers(proxy_basic_auth=user) if parts.username else None
    bare = parts._replace(netloc=parts.netloc.rpartition("@")[2]).geturl()
    try:
        return _fenced(urllib3.ProxyManager(bare, proxy_headers=headers, **options))
    except exceptions.HTTPError as error:
        raise ConfigError(f"proxy: {explain(error)}") from None


def _proxy_of_environment(server: str) -> str:
    from urllib.request import getproxies_environment, proxy_bypass  # slow to import

    parts = urllib.parse.urlsplit(server)
    proxies = getproxies_environment()
    if proxy_bypass(parts.netloc.rpartition("@")[2]):
        return ""
    return proxies.get(parts.scheme, "")


def _socket_options() -> list[tuple[int, int, int]]:
    options = [*HTTPConnection.default_socket_options, (socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)]
    for name, value in zip(
        ("TCP_KEEPIDLE", "TCP_KEEPINTVL", "TCP_KEEPCNT"), KEEPALIVE, strict=True
    ):
        number = getattr(socket, name, None)  # not on every platform
        if number is not None:
            options.append((socket.IPPROTO_TCP, number, value))
    return options


def explain(error: Exception) -> str:
    """``error`` in words. urllib3's texts hold hosts and paths, never headers."""
    text = str(error)
    return text.partition(": ")[2] if text.startswith("<") or "object at 0x" in text else text
