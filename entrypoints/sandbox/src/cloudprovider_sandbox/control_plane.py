"""The embedded API server as the sandbox uses it: served over HTTP, with who may call."""

from __future__ import annotations

import pathlib
from collections.abc import Callable

from cloudprovider.concurrency import Concurrency, current
from cloudprovider.toolkit.journal import Record
from cloudprovider.toolkit.webserver import TLSFiles
from cloudprovider_sandbox.apiserver.auth import ADMIN, User
from cloudprovider_sandbox.apiserver.http import ApiServerHttp
from cloudprovider_sandbox.apiserver.rbac import RbacAuthorizer
from cloudprovider_sandbox.apiserver.server import ApiServer
from cloudprovider_sandbox.files import write_private

_MANAGER = User(
    "system:serviceaccount:kube-system:cloud-controller-manager",
    ("system:serviceaccounts", "system:serviceaccounts:kube-system", "system:authenticated"),
)


class ControlPlane:
    """One API server on a free port of the loopback.

    Args:
        tls: Serve HTTPS and ask for a token; else HTTP, and everybody is the administrator.
        rbac: Ask Roles and bindings who may do what; else everybody may do everything.
        folder: Where certificate and key go.

    """

    def __init__(
        self,
        *,
        tls: bool,
        rbac: bool = False,
        folder: pathlib.Path,
        concurrency: Concurrency | None = None,
    ) -> None:
        self._concurrency = concurrency or current()
        self.admin_token = self._concurrency.uuid() if tls else ""
        self.manager_token = self._concurrency.uuid() if tls else ""
        self.server = ApiServer(concurrency=self._concurrency)
        if rbac:
            self.server.authorizer = RbacAuthorizer(self.server.store)
        files = self._identify(folder) if tls else None
        self.ca = files.certificate.read_bytes() if files else b""
        self._http = ApiServerHttp(self.server, tls=files)
        self.journal = self.server.journal
        self.faults = self.server.faults

    def start(self) -> None:
        """Serve."""
        self._http.start()

    def stop(self) -> None:
        """Serve no more; watches end."""
        self._http.stop()

    @property
    def url(self) -> str:
        """Where it serves."""
        return self._http.url

    def kubeconfig(self, token: str) -> str:
        """Text of a kubeconfig for the user of ``token``."""
        return self._http.kubeconfig(token)

    def on_write(self, changed: Callable[[], None], *, but: str) -> None:
        """Call ``changed`` after writes, but not those of user agents that begin with ``but``."""

        def listen(record: Record) -> None:
            if record.write and not record.proc.startswith(but):
                changed()

        self.journal.listen(listen)

    def _identify(self, folder: pathlib.Path) -> TLSFiles:
        """A certificate of its own, and tokens for the administrator and the manager."""
        # Imported here: cryptography, which plain HTTP does not need.
        from cloudprovider_manager.certificates import self_signed

        pair = self_signed("127.0.0.1", concurrency=self._concurrency)
        files = TLSFiles(folder / "apiserver.crt", folder / "apiserver.key")
        write_private(files.certificate, pair.certificate.decode())
        write_private(files.key, pair.key.decode())
        self.server.authenticator.add(self.admin_token, ADMIN)
        self.server.authenticator.add(self.manager_token, _MANAGER)
        return files
