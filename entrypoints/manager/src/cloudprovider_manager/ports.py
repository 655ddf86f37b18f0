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
    from cloudprovider_manager.endpoints import Page
    from cloudprovider_manager.serving import ContextSource, HealthServer

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

    @property
    def url(self) -> str:
        """Where the first port is served, or empty."""
        return self._servers[0].url if self._servers else ""

    def open(self) -> None:
        """Serve the ports that the options ask for.

        Raises:
            PortError: a port is taken, or its certificate cannot be used.

        """
        options = self._options
        if not options.secure_port and not options.port:
            return
        # Here: the server and cryptography cost 130 ms, which a manager without ports saves.
        from cloudprovider_manager.certificates import CertificateError
        from cloudprovider_manager.serving import ServingError

        try:
            if options.secure_port:
                self._serve(options.serving_address, options.secure_port, tls=self._tls())
            if options.port:
                self._serve(options.address or _LOOPBACK, options.port, tls=None)
        except (CertificateError, ServingError) as error:
            self.close()
            raise PortError(str(error)) from error

    def close(self) -> None:
        """Stop serving."""
        for server in self._servers:
            server.stop()
        self._servers.clear()

    def _serve(self, host: str, port: int, *, tls: ContextSource | None) -> None:
        from cloudprovider_manager.endpoints import Endpoints
        from cloudprovider_manager.serving import HealthServer

        endpoints = Endpoints(self._health, self._pages() if tls else {})
        server = HealthServer(
            endpoints, host=host, port=port, tls=tls, concurrency=self._concurrency
        )
        server.start()
        self._servers.append(server)
        _log.info("serving health on %s", server.url)

    def _pages(self) -> dict[str, Page]:
        from cloudprovider_manager.endpoints import Page

        return {
            "/metrics": Page(self._monitoring.content_type, self._monitoring.text),
            "/configz": Page(_JSON, lambda: msgspec.json.encode(configz(self._options))),
            "/version": Page(_JSON, lambda: msgspec.json.encode(version_info())),
        }

    def _tls(self) -> ContextSource:
        from cloudprovider_manager import certificates

        options = self._options
        minimum = options.tls_min_version
        certificate, key = options.tls_cert_file, options.tls_private_key_file
        if options.cert_dir and not certificate:
            certificate, key = certificates.in_folder(
                options.cert_dir, options.serving_address, concurrency=self._concurrency
            )
        if certificate:
            return certificates.ServingCertificate(certificate, key, minimum=minimum).context
        context = certificates.in_memory(
            options.serving_address, minimum=minimum, concurrency=self._concurrency
        )
        return lambda: context
