"""The certificate of the secure port: the operator's files, or a self-signed pair of our own.

Source: ``spec/ccm-core.md`` 4.2 (secure serving): the pair names ``localhost``, 127.0.0.1 and the
bind address.
"""

from __future__ import annotations

import contextlib
import dataclasses
import ipaddress
import logging
import os
import pathlib
import ssl
import tempfile
from collections.abc import Iterator

from cloudprovider.concurrency import Concurrency

_log = logging.getLogger(__name__)

_PAIR = "cloud-controller-manager"


@dataclasses.dataclass(frozen=True)
class Pair:
    """A certificate chain and its key, PEM."""

    certificate: bytes
    key: bytes = dataclasses.field(repr=False)


class CertificateError(Exception):
    """The certificate or its key cannot be used. The message names the file."""


class ServingCertificate:
    """The TLS context of the secure port; files are read again when they change."""

    def __init__(self, certificate: str, key: str, *, minimum: str) -> None:
        """Use the files ``certificate`` and ``key``; ``minimum`` is ``--tls-min-version``.

        Raises:
            CertificateError: they cannot be used.

        """
        self._paths = (certificate, key)
        self._minimum = minimum
        self._seen = self._stamps()
        self._context = self._load()

    def context(self) -> ssl.SSLContext:
        """The context for a new connection; a broken new pair leaves the old one in use."""
        stamps = self._stamps()
        if stamps != self._seen:
            self._seen = stamps
            try:
                self._context = self._load()
            except CertificateError as error:  # maybe half-written: its next change is seen
                _log.warning("%s; the old certificate stays in use", error)
        return self._context

    def _stamps(self) -> tuple[int, ...]:
        with contextlib.suppress(OSError):
            return tuple(os.stat(path).st_mtime_ns for path in self._paths)
        return ()

    def _load(self) -> ssl.SSLContext:
        context = new_context(self._minimum)
        certificate, key = self._paths
        try:
            context.load_cert_chain(certificate, key)
        except (OSError, ssl.SSLError) as error:
            reason = error.strerror or getattr(error, "reason", "") or "unreadable"
            raise CertificateError(f"certificate {certificate} with key {key}: {reason}") from error
        return context


def new_context(minimum: str) -> ssl.SSLContext:
    """A server's context with no certificate yet."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = (
        ssl.TLSVersion.TLSv1_3 if minimum == "VersionTLS13" else ssl.TLSVersion.TLSv1_2
    )
    context.set_ciphers("ECDHE+AESGCM:ECDHE+CHACHA20")
    context.options |= ssl.OP_NO_RENEGOTIATION | ssl.OP_NO_COMPRESSION
    return context


def in_memory(bind_address: str, *, minimum: str, concurrency: Concurrency) -> ssl.SSLContext:
    """A context with a fresh self-signed pair that stands in no file."""
    pair = self_signed(bind_address, concurrency=concurrency)
    context = new_context(minimum)
    with _as_file(pair.certificate) as certificate, _as_file(pair.key) as key:
        context.load_cert_chain(certificate, key)
    return context


def in_folder(folder: str, bind_address: str, *, concurrency: Concurrency) -> tuple[str, str]:
    """Paths of the pair in ``folder``, which is made if it is missing.

    Raises:
        CertificateError: the folder cannot be written.

    """
    certificate = pathlib.Path(folder, f"{_PAIR}.crt")
    key = pathlib.Path(folder, f"{_PAIR}.key")
    if not (certificate.exists() and key.exists()):
        pair = self_signed(bind_address, concurrency=concurrency)
        try:
            certificate.parent.mkdir(parents=True, exist_ok=True)
            key.touch(mode=0o600)
            key.write_bytes(pair.key)
            certificate.write_bytes(pair.certificate)
        except OSError as error:
            raise CertificateError(f"--cert-dir={folder}: {error.strerror}") from error
    return str(certificate), str(key)


def self_signed(bind_address: str, *, concurrency: Concurrency) -> Pair:
    """A new self-signed pair for this machine; P-256, because it is made in a millisecond."""
    import datetime

    from cryptography import x509  # 60 ms that a manager with a certificate of its own saves
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec
    from cryptography.x509.oid import NameOID

    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, _PAIR)])
    addresses = dict.fromkeys([ipaddress.ip_address("127.0.0.1"), ipaddress.ip_address("::1")])
    bound = ipaddress.ip_address(bind_address)
    if not bound.is_unspecified:
        addresses[bound] = None
    names = [x509.DNSName("localhost"), *(x509.IPAddress(address) for address in addresses)]
    now = concurrency.now()
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(hours=1))
        .not_valid_after(now + datetime.timedelta(days=365))
        .add_extension(x509.SubjectAlternativeName(names), critical=False)
        .sign(key, hashes.SHA256())
    )
    return Pair(
        certificate.public_bytes(serialization.Encoding.PEM),
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        ),
    )


@contextlib.contextmanager
def _as_file(data: bytes) -> Iterator[str]:
    """A path under which OpenSSL can read ``data``; in memory where the system can."""
    if hasattr(os, "memfd_create"):
        descriptor = os.memfd_create(_PAIR)
        path = f"/proc/self/fd/{descriptor}"
    else:
        descriptor, path = tempfile.mkstemp()
    try:
        os.write(descriptor, data)
        yield path
    finally:
        os.close(descriptor)
        if not path.startswith("/proc/"):
            os.unlink(path)
