"""Certificate authorities and what they issue, for tests."""

import dataclasses
import datetime

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

_UID = x509.ObjectIdentifier("1.3.6.1.4.1.57683.2")


@dataclasses.dataclass(frozen=True)
class Issued:
    """A certificate with its key."""

    certificate: x509.Certificate
    key: ec.EllipticCurvePrivateKey

    @property
    def pem(self):
        return self.certificate.public_bytes(serialization.Encoding.PEM)

    @property
    def der(self):
        return self.certificate.public_bytes(serialization.Encoding.DER)

    @property
    def key_pem(self):
        return self.key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )

    def write(self, folder, name):
        """Write ``name.crt`` and ``name.key``; their paths."""
        paths = folder / f"{name}.crt", folder / f"{name}.key"
        paths[0].write_bytes(self.pem)
        paths[1].write_bytes(self.key_pem)
        return tuple(map(str, paths))


class Authority(Issued):
    """A certificate authority, its own or another's."""

    def issue(self, name, *, organizations=(), uids=(), **options):
        """A client's certificate."""
        attributes = [x509.NameAttribute(NameOID.ORGANIZATION_NAME, o) for o in organizations]
        attributes += [x509.NameAttribute(_UID, uid) for uid in uids]
        if name:
            attributes.append(x509.NameAttribute(NameOID.COMMON_NAME, name))
        return Issued(*_issue(x509.Name(attributes), self, **options))

    def intermediate(self, name):
        return Authority(*_issue(_name(name), self, ca=True))


def authority(name="ca"):
    """A new self-signed authority."""
    return Authority(*_issue(_name(name), None, ca=True))


def server(*names, common_name="server"):
    """A self-signed server's certificate."""
    sans = x509.SubjectAlternativeName([x509.DNSName(name) for name in names])
    return Issued(*_issue(_name(common_name), None, sans=sans if names else None))


def _name(text):
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])


def _issue(subject, issuer, *, ca=False, sans=None, days=1, usage="client"):
    key = ec.generate_private_key(ec.SECP256R1())
    now = datetime.datetime.now(datetime.UTC)
    after = now + datetime.timedelta(days=days)
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer.certificate.subject if issuer else subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(min(now, after) - datetime.timedelta(hours=1))
        .not_valid_after(after)
    )
    # Key identifiers, as Go and openssl put them in: they tell authorities of one name apart.
    own = x509.SubjectKeyIdentifier.from_public_key(key.public_key())
    parent = (issuer.key if issuer else key).public_key()
    builder = builder.add_extension(own, critical=False).add_extension(
        x509.AuthorityKeyIdentifier.from_issuer_public_key(parent), critical=False
    )
    if ca:
        builder = builder.add_extension(x509.BasicConstraints(True, None), critical=True)
    elif issuer:
        purposes = {
            "client": ExtendedKeyUsageOID.CLIENT_AUTH,
            "server": ExtendedKeyUsageOID.SERVER_AUTH,
        }
        builder = builder.add_extension(x509.ExtendedKeyUsage([purposes[usage]]), critical=False)
    if sans is not None:
        builder = builder.add_extension(sans, critical=False)
    return builder.sign(issuer.key if issuer else key, hashes.SHA256()), key
