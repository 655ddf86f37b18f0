"""The certificates of the secure port: the operator's files, or a self-signed pair of our own.

Source: ``spec/ccm-core.md`` 4.2 (secure serving): the pair names ``localhost``, 127.0.0.1 and the
bind address.
"""

from __future__ import annotations

import contextlib
import dataclasses
import ipaddress
import os
import pathlib
import re
import ssl
import tempfile
from collections.abc import Iterator

from cloudprovider.concurrency import Concurrency
from cloudprovider_manager.files import FileFault, FromFiles, read

_PAIR = "cloud-controller-manager"
_DOMAIN = re.compile(r"(\*\.)?[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*")


@dataclasses.dataclass(frozen=True)
class Pair:
    """A certificate chain and its key, PEM."""

    certificate: bytes
    key: bytes = dataclasses.field(repr=False)

    def load_into(self, context: ssl.SSLContext) -> None:
        """Show this certificate. Raises OSError (``ssl.SSLError`` is one) or ValueError."""
        with _as_file(self.certificate) as certificate, _as_file(self.key) as key:
            # The password callback keeps OpenSSL from asking at a terminal.
            context.load_cert_chain(certificate, key, password=lambda: "")


def from_files(certificate: str, key: str, *, concurrency: Concurrency) -> FromFiles[Pair]:
    """The pair in the files ``certificate`` and ``key``, as it is now.

    Raises:
        FileFault: it cannot be used.

    """

    def make() -> Pair:
        pair = Pair(read(certificate, "certificate"), read(key, "key"))
        try:
            pair.load_into(ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER))
        except (OSError, ValueError) as error:
            reason = getattr(error, "reason", "") or getattr(error, "strerror", "") or "unusable"
            raise FileFault(f"certificate {certificate} with key {key}: {reason}") from error
        return pair

    return FromFiles((certificate, key), make, concurrency=concurrency)


def in_folder(folder: str, bind_address: str, *, concurrency: Concurrency) -> tuple[str, str]:
    """Paths of the pair in ``folder``, which is made if it is missing.

    Raises:
        FileFault: the folder cannot be written.

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
            raise FileFault(f"--cert-dir={folder}: {error.strerror}") from error
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


def names_of(certificate: bytes) -> list[str]:
    """The domain names that the first certificate of the PEM text is for, in lower case.

    The common name is among them where it can be one; addresses are not, as clients name none.
    """
    from cryptography import x509  # only for --tls-sni-cert-key without names
    from cryptography.x509.oid import NameOID

    parsed = x509.load_pem_x509_certificates(certificate)[0]
    common = [
        str(each.value) for each in parsed.subject.get_attributes_for_oid(NameOID.COMMON_NAME)
    ]
    found = [name.lower() for name in common if _DOMAIN.fullmatch(name) and not _is_address(name)]
    with contextlib.suppress(x509.ExtensionNotFound):
        names = parsed.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
        found += [name.lower() for name in names.get_values_for_type(x509.DNSName)]
    return list(dict.fromkeys(found))


def _is_address(name: str) -> bool:
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True


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
