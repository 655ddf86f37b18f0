"""A client for each component, under the process's identity or under one of its own.

Source: ``spec/ccm-core.md`` 1.2.
"""

from __future__ import annotations

import dataclasses
import logging
import platform
from typing import TYPE_CHECKING, Protocol

from cloudprovider.concurrency import Concurrency, current
from cloudprovider.toolkit import fence
from cloudprovider_controllers.runtime.client import Client
from cloudprovider_controllers.runtime.errors import AlreadyExists, ApiError, NotFound
from cloudprovider_controllers.runtime.kubeconfig import ClusterConfig
from cloudprovider_controllers.runtime.resources import NAMESPACES, SERVICE_ACCOUNTS
from cloudprovider_controllers.runtime.tokens import ServiceAccountTokens, Token
from cloudprovider_controllers.runtime.transport import (
    HttpTransport,
    TokenSource,
    Transport,
    TransportError,
    TransportFactory,
)

if TYPE_CHECKING:
    from cloudprovider_controllers.runtime.metrics import RequestMetrics

logger = logging.getLogger(__name__)

#: Where the ServiceAccounts of controllers live.
NAMESPACE = "kube-system"


class ClientBuilder(Protocol):
    """Makes clients for named components."""

    def client(self, name: str) -> Client:
        """A new client, with a rate limit of its own, for the component ``name``."""


@dataclasses.dataclass(frozen=True)
class ClientOptions:
    """What all clients of a process have in common."""

    user_agent: str  #: the first part; see :func:`user_agent`
    qps: float = 20.0
    burst: int = 30
    metrics: RequestMetrics | None = None
    check: fence.Check | None = None  #: asked when a write is about to leave


class SimpleClientBuilder:
    """Clients under the process's own identity. User agent: the common one + ``/<name>``."""

    def __init__(
        self,
        transports: TransportFactory,
        options: ClientOptions,
        *,
        concurrency: Concurrency | None = None,
    ) -> None:
        self._transports = transports
        self._options = options
        self._concurrency = concurrency or current()

    def client(self, name: str) -> Client:
        transport = self._transports(user_agent=f"{self._options.user_agent}/{name}")
        return _client(transport, self._options, self._concurrency)


class DynamicClientBuilder:
    """Clients under ServiceAccounts ``kube-system/<name>``, made if they are missing.

    Args:
        transports: Makes transports with the tokens of those accounts.
        options: Common to all clients.
        root: A client under the process's own identity; makes accounts and asks for tokens.

    """

    def __init__(
        self,
        transports: TransportFactory,
        options: ClientOptions,
        *,
        root: Client,
        concurrency: Concurrency | None = None,
    ) -> None:
        self._transports = transports
        self._options = options
        self._root = root
        self._concurrency = concurrency or current()
        self._lock = self._concurrency.lock()
        self._tokens: dict[str, ServiceAccountTokens] = {}

    def client(self, name: str) -> Client:
        """A new client for ``name``, whose ServiceAccount exists when this returns.

        Raises:
            ApiError: the account can be neither read nor made.
            TransportError: the API server does not answer.

        """
        self._ensure_account(name)
        with self._lock:
            if name not in self._tokens:
                self._tokens[name] = ServiceAccountTokens(
                    lambda: self._request_token(name), concurrency=self._concurrency
                )
            tokens = self._tokens[name]
        agent = f"{self._options.user_agent}/system:serviceaccount:{NAMESPACE}:{name}"
        transport = self._transports(user_agent=agent, tokens=tokens)
        return _client(transport, self._options, self._concurrency)

    def _request_token(self, name: str) -> Token:
        self._ensure_account(name)
        return self._root.create_token(name, NAMESPACE)

    def _ensure_account(self, name: str) -> None:
        try:
            self._root.get(SERVICE_ACCOUNTS, name, NAMESPACE)
            return
        except NotFound:
            self._ensure_namespace()
        account = {"metadata": {"name": name, "namespace": NAMESPACE}}
        try:
            self._root.create(SERVICE_ACCOUNTS, account, NAMESPACE)
        except AlreadyExists:
            self._root.get(SERVICE_ACCOUNTS, name, NAMESPACE)

    def _ensure_namespace(self) -> None:
        """Make the namespace; creating the account tells whether that worked."""
        try:
            self._root.get(NAMESPACES, NAMESPACE)
        except NotFound:
            try:
                self._root.create(NAMESPACES, {"metadata": {"name": NAMESPACE}})
            except (ApiError, TransportError) as error:
                logger.info("namespace %s not created: %s", NAMESPACE, error)
        except (ApiError, TransportError) as error:
            logger.info("namespace %s not read: %s", NAMESPACE, error)


def _client(transport: Transport, options: ClientOptions, concurrency: Concurrency) -> Client:
    return Client(
        transport,
        qps=options.qps,
        burst=options.burst,
        metrics=options.metrics,
        check=options.check,
        concurrency=concurrency,
    )


def http_transports(
    config: ClusterConfig, *, concurrency: Concurrency | None = None
) -> TransportFactory:
    """Transports over HTTP to the server of ``config``."""

    def make(*, user_agent: str, tokens: TokenSource | None = None) -> Transport:
        return HttpTransport(config, user_agent=user_agent, tokens=tokens, concurrency=concurrency)

    return make


def user_agent(program: str, version: str, commit: str = "unknown") -> str:
    """``program/version (os/arch) kubernetes/commit``, as Go's clients send it."""
    arch = {"x86_64": "amd64", "aarch64": "arm64"}.get(platform.machine(), platform.machine())
    return f"{program}/{version} ({platform.system().lower()}/{arch}) kubernetes/{commit}"
