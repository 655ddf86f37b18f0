"""The ports of the process: HTTPS on ``--secure-port``, plain HTTP on the old ``--port``."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

import msgspec

from cloudprovider.concurrency import Concurrency
from cloudprovider_manager.configz import configz
from cloudprovider_manager.health import Health
from cloudprovider_manager.monitoring import Monitoring
from cloudprovider_manager.options import Options
from cloudprovider_manager.release import version_info

if TYPE_CHECKING:
    from collections.abc import Callable

    from cloudprovider_manager.auth.delegation import Delegation
    from cloudprovider_manager.contexts import ContextSource, PairSource
    from cloudprovider_manager.endpoints import Guard, Pages
    from cloudprovider_manager.serving import HealthServer

_log = logging.getLogger(__name__)

_JSON = "application/json"
_LOOPBACK = "127.0.0.1"


class PortError(Exception):
    """A port cannot be served. The message names the address or the file."""


class Ports:
    """What this process serves. Nothing is opened before :meth:`open`."""

    def __init__(
        self,
        options: Options,
        health: Health,
        monitoring: Monitoring,
        *,
        concurrency: Concurrency,
    ) -> None:
        self._options = options
        self._health = health
        self._monitoring = monitoring
        self._concurrency = concurrency
        self._servers: list[HealthServer] = []
        self._delegation: Delegation | None = None

    @property
    def url(self) -> str:
        """Where the first port is served, or empty."""
        return self._servers[0].url if self._servers else ""

    def open(self) -> None:
        """Serve the ports that the options ask for.

        Raises:
            PortError: a port is taken, a certificate or an authority cannot be used, or callers
                cannot be authenticated as was asked for.

        """
        options = self._options
        if not options.secure_port and not options.port:
            return
        # Here: the server and cryptography cost 130 ms, which a manager without ports saves.
        from cloudprovider_manager.auth.delegation import DelegationError
        from cloudprovider_manager.files import FileFault
        from cloudprovider_manager.serving import ServingError

        try:
            if options.secure_port:
                self._serve_secure()
            if options.port:
                self._serve(options.address or _LOOPBACK, options.port)
        except (FileFault, DelegationError, ServingError) as error:
            self.close()
            raise PortError(str(error)) from error

    def close(self) -> None:
        """Stop serving."""
        for server in self._servers:
            server.stop()
        self._servers.clear()
        if self._delegation is not None:
            self._delegation.close()

    def _serve_secure(self) -> None:
        from cloudprovider_manager.auth.delegation import Delegation
        from cloudprovider_manager.endpoints import Guard

        options = self._options
        delegation = Delegation.open(
            options, self._monitoring.runtime, concurrency=self._concurrency
        )
        self._delegation = delegation
        guard = Guard(delegation.authenticator, delegation.authorizer)
        tls = self._tls(lambda: delegation.trust().authorities)
        self._serve(options.serving_address, options.secure_port, tls=tls, guard=guard)

    def _serve(
        self,
        host: str,
        port: int,
        *,
        tls: ContextSource | None = None,
        guard: Guard | None = None,
    ) -> None:
        from cloudprovider_manager.endpoints import Endpoints, Pages
        from cloudprovider_manager.serving import HealthServer

        pages = self._pages() if guard else Pages()
        server = HealthServer(
            Endpoints(self._health, pages, guard),
            host=host,
            port=port,
            tls=tls,
            share_port=self._options.permit_port_sharing,
            concurrency=self._concurrency,
        )
        server.start()
        self._servers.append(server)
        _log.info("serving health on %s", server.url)

    def _pages(self) -> Pages:
        from cloudprovider_manager import debugging
        from cloudprovider_manager.endpoints import Document, Page, Pages, SLIs

        monitoring = self._monitoring
        exact: dict[str, Page] = {
            "/metrics": Document(monitoring.content_type, monitoring.text),
            "/metrics/slis": SLIs(monitoring.content_type, monitoring.slis),
            "/configz": Document(_JSON, lambda: msgspec.json.encode(configz(self._options))),
            "/version": Document(_JSON, lambda: msgspec.json.encode(version_info())),
        }
        debug = debugging.pages() if self._options.profiling else Pages()
        return Pages({**exact, **debug.exact}, debug.below)

    def _tls(self, authorities: Callable[[], frozenset[bytes]]) -> ContextSource:
        from cloudprovider_manager import certificates
        from cloudprovider_manager.contexts import Contexts, NamedPair

        options = self._options
        named = [
            NamedPair(
                certificates.from_files(
                    entry.certificate, entry.key, concurrency=self._concurrency
                ),
                entry.names,
            )
            for entry in options.tls_sni_cert_key
        ]
        contexts = Contexts(
            self._default_pair(),
            options.tls,
            named=named,
            authorities=authorities,
            concurrency=self._concurrency,
        )
        return contexts.current

    def _default_pair(self) -> PairSource:
        from cloudprovider_manager import certificates
        from cloudprovider_manager.contexts import FixedPair

        options = self._options
        certificate, key = options.tls_cert_file, options.tls_private_key_file
        if options.cert_dir and not certificate:
            certificate, key = certificates.in_folder(
                options.cert_dir, options.serving_address, concurrency=self._concurrency
            )
        if certificate:
            return certificates.from_files(certificate, key, concurrency=self._concurrency)
        pair = certificates.self_signed(options.serving_address, concurrency=self._concurrency)
        return FixedPair(pair)
