"""TLS towards the API server."""

from __future__ import annotations

import os
import pathlib
import ssl
import tempfile

from cloudprovider_controllers.runtime.credentials import KeyPair
from cloudprovider_controllers.runtime.kubeconfig import ClusterConfig, ConfigError, Pem


def client_context(config: ClusterConfig, pair: KeyPair | None) -> ssl.SSLContext:
    """What a client of ``config`` that shows ``pair`` connects with.

    Raises:
        ConfigError: a certificate or key cannot be used.

    """
    context = ssl.create_default_context()
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    # Certificate authorities of clusters often lack extensions that strict checks (the default
    # since Python 3.13) ask for.
    context.verify_flags &= ~ssl.VERIFY_X509_STRICT
    if config.insecure_skip_tls_verify:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    elif config.ca:
        context = _trusting(context, config.ca)
    if pair is not None:
        _show(context, pair)
    return context


def _trusting(system: ssl.SSLContext, ca: Pem) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = system.minimum_version
    context.verify_flags = system.verify_flags
    try:
        text = read_pem(ca).decode("ascii")
        context.load_verify_locations(cadata=text)
    except (OSError, ValueError) as error:  # ssl.SSLError is an OSError
        raise ConfigError(f"CA certificate {ca.path or '(data)'}: {_reason(error)}") from None
    return context


def _show(context: ssl.SSLContext, pair: KeyPair) -> None:
    """Load ``pair``. The ssl module reads files only, so bytes go through one for a moment."""
    try:
        with tempfile.TemporaryDirectory() as folder:
            certificate = _on_disk(pair.certificate, folder, "certificate")
            key = _on_disk(pair.key, folder, "key")
            # The password callback keeps OpenSSL from asking at a terminal.
            context.load_cert_chain(certificate, key, password=lambda: "")
    except (OSError, ValueError) as error:
        where = pair.certificate.path or "(data)"
        raise ConfigError(f"client certificate {where}: {_reason(error)}") from None


def _on_disk(pem: Pem, folder: str, name: str) -> str:
    if not pem.data:
        return pem.path
    path = os.path.join(folder, name)
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(handle, "wb") as file:
        file.write(pem.data)
    return path


def read_pem(pem: Pem) -> bytes:
    """The bytes of ``pem``. Raises OSError."""
    return pem.data or pathlib.Path(pem.path).read_bytes()


def _reason(error: Exception) -> str:
    reason = getattr(error, "reason", None) or getattr(error, "strerror", None)
    return str(reason) if reason else type(error).__name__


def signature(config: ClusterConfig, pair: KeyPair | None) -> tuple[object, ...]:
    """Changes when a file that :func:`client_context` reads changes, or ``pair`` does."""
    pems = [config.ca]
    if pair is not None:
        pems += [pair.certificate, pair.key]
    return tuple(_stamp(pem) for pem in pems)


def _stamp(pem: Pem) -> object:
    if pem.data or not pem.path:
        return pem.data
    try:
        found = os.stat(pem.path)
    except OSError:
        return None
    return (found.st_mtime_ns, found.st_size, found.st_ino)
