"""How this process reaches the API server: connection, identities, rate limits."""

from __future__ import annotations

import dataclasses

from cloudprovider.concurrency import Concurrency
from cloudprovider.toolkit import fence
from cloudprovider_controllers.runtime.client import Client
from cloudprovider_controllers.runtime.clientbuilder import (
    ClientBuilder,
    ClientOptions,
    DynamicClientBuilder,
    SimpleClientBuilder,
    http_transports,
    user_agent,
)
from cloudprovider_controllers.runtime.credentials import KeyPair
from cloudprovider_controllers.runtime.kubeconfig import (
    ClusterConfig,
    ConfigError,
    load_cluster_config,
)
from cloudprovider_controllers.runtime.metrics import RuntimeMetrics
from cloudprovider_controllers.runtime.tls import client_context
from cloudprovider_controllers.runtime.transport import TokenSource, Transport, TransportFactory
from cloudprovider_manager.options import Options
from cloudprovider_manager.release import version

_INJECTED = "injected"


class AccessError(Exception):
    """The API server cannot be reached with what was configured. The message says why."""


@dataclasses.dataclass(frozen=True)
class Access:
    """Makes clients. ``own`` speaks as the process itself, ``components`` as each controller.

    Only those of ``components`` are asked for a lease when they write: ``own`` gets the lease.
    """

    own: SimpleClientBuilder
    components: ClientBuilder

    @classmethod
    def open(
        cls,
        options: Options,
        transport: Transport | None,
        metrics: RuntimeMetrics,
        *,
        check: fence.Check | None = None,
        concurrency: Concurrency,
    ) -> Access:
        """Read the configuration; no request is made.

        Args:
            options: The flags.
            transport: Reaches the API server; None = as the options say.
            metrics: Where requests are counted.
            check: Asked by the clients of ``components`` when a write is about to leave.
            concurrency: Clocks and locks.

        Raises:
            AccessError: the kubeconfig, or what it refers to, cannot be used.

        """
        transports, host = _transports(options, transport, concurrency)
        settings = ClientOptions(
            user_agent=user_agent("cloud-controller-manager", f"v{version()}"),
            qps=options.kube_api_qps,
            burst=options.kube_api_burst,
            metrics=metrics.requests(host),
        )
        own = SimpleClientBuilder(transports, settings, concurrency=concurrency)
        fenced = dataclasses.replace(settings, check=check)
        if not options.use_service_account_credentials:
            return cls(own, SimpleClientBuilder(transports, fenced, concurrency=concurrency))
        root = own.client("service-account-tokens")
        accounts = DynamicClientBuilder(transports, fenced, root=root, concurrency=concurrency)
        return cls(own, accounts)

    def client(self, component: str) -> Client:
        """A client that speaks as ``component``, with a rate limit of its own."""
        return self.components.client(component)


def _transports(
    options: Options, transport: Transport | None, concurrency: Concurrency
) -> tuple[TransportFactory, str]:
    if transport is not None:

        def injected(*, user_agent: str, tokens: TokenSource | None = None) -> Transport:  # noqa: ARG001
            return transport

        return injected, _INJECTED
    try:
        config = load_cluster_config(options.kubeconfig, options.master)
        check_certificates(config)
    except ConfigError as error:
        raise AccessError(str(error)) from error
    return http_transports(config, concurrency=concurrency), config.host


def check_certificates(config: ClusterConfig) -> None:
    """Make sure that the certificates of ``config`` can be used. Raises ConfigError."""
    # Else they would be looked at with the first request, which is repeated for ever.
    if config.server.startswith("https:"):
        certificate = config.client_certificate
        client_context(config, KeyPair(certificate, config.client_key) if certificate else None)
