"""Flags of the secure port itself: address, certificates, TLS, and what may be debugged through it.

Names and meanings are upstream's; where a default differs the help says so. Source:
``spec/ccm-core.md`` 4.2.
"""

from __future__ import annotations

import dataclasses
from typing import Final

from cloudprovider_manager.flags import Status, flag
from cloudprovider_manager.tls_settings import VERSIONS, TLSSettings
from cloudprovider_manager.values import ADDRESS, BOOL, LIST, PATH, BadValue, Kind, integer

_SERVING: Final = "Health, metrics and secure serving"
_NO_HTTP2: Final = "the secure port speaks HTTP/1.1 only: one short request per connection"
_MAX_PORT = 65535


def _parse_port(text: str) -> int:
    try:
        value = int(text, 10)
    except ValueError:
        raise BadValue("not a whole number") from None
    if not 0 <= value <= _MAX_PORT:
        raise BadValue(
            f"--secure-port {value} must be between 0 and {_MAX_PORT}, inclusive. "
            "0 for turning off secure port"
        )
    return value


def _parse_version(text: str) -> str:
    if text and text not in VERSIONS:
        raise BadValue(f'unknown tls version "{text}"')
    return text


def _parse_curves(text: str) -> tuple[int, ...]:
    try:
        return tuple(int(item, 10) for item in text.split(",")) if text else ()
    except ValueError:
        raise BadValue("not whole numbers") from None


def _format_curves(value: tuple[int, ...]) -> str:
    return ",".join(map(str, value))


@dataclasses.dataclass(frozen=True)
class NamedFiles:
    """One ``--tls-sni-cert-key``; no ``names``: those of the certificate."""

    certificate: str
    key: str
    names: tuple[str, ...] = ()

    def __str__(self) -> str:
        files = f"{self.certificate},{self.key}"
        return f"{files}:{','.join(self.names)}" if self.names else files


def _parse_named(text: str) -> tuple[NamedFiles, ...]:
    files, colon, names = (part.strip() for part in text.partition(":"))
    if colon and not names:
        raise BadValue("empty names list is not allowed")
    certificate, comma, key = (part.strip() for part in files.partition(","))
    if not certificate or not comma or not key or "," in key:
        raise BadValue("expected comma separated certificate and key file paths")
    return (NamedFiles(certificate, key, tuple(name.strip() for name in names.split(",") if name)),)


def _format_named(value: tuple[NamedFiles, ...]) -> str:
    return ";".join(map(str, value))


_PORT = Kind("int", "a whole number from 0 to 65535", _parse_port)
_VERSION = Kind("string", f'{" or ".join(VERSIONS)} or ""', _parse_version)
_CURVES = Kind(
    "numbers", "numbers of Go's CurveID separated by commas, such as 23,29", _parse_curves,
    _format_curves, appends=True,
)  # fmt: skip
_NAMED = Kind(
    "cert,key[:names]", "certificate,key or certificate,key:name,*.name; the flag may be repeated",
    _parse_named, _format_named, appends=True,
)  # fmt: skip


@dataclasses.dataclass(frozen=True, kw_only=True)
class ServingFlags:
    """The secure port."""

    bind_address: str = flag(
        "0.0.0.0",  # noqa: S104 - upstream's default; callers are authenticated
        ADDRESS, "Address of --secure-port; 0.0.0.0 or :: = all, of both families.",
        group=_SERVING,
    )  # fmt: skip
    secure_port: int = flag(
        10258, _PORT, "Port of HTTPS: /healthz /livez /readyz /metrics /metrics/slis /configz "
        "/version; the first three also answer plain HTTP there. 0 = off.", group=_SERVING,
    )  # fmt: skip
    cert_dir: str = flag(
        "", PATH, "Folder of cloud-controller-manager.crt and .key, made if missing. Empty = a "
        "new pair in memory. Not used with --tls-cert-file.", group=_SERVING,
    )  # fmt: skip
    tls_cert_file: str = flag("", PATH, "Certificate chain, PEM; re-read.", group=_SERVING)
    tls_private_key_file: str = flag("", PATH, "Its key, PEM; re-read.", group=_SERVING)
    tls_sni_cert_key: tuple[NamedFiles, ...] = flag(
        (), _NAMED, "Another certificate, for clients that ask for one of the names; without "
        "names, for those in the certificate. Re-read.", group=_SERVING,
    )  # fmt: skip
    tls_min_version: str = flag(
        "VersionTLS12", _VERSION, "Oldest TLS version accepted; nothing before 1.2 is spoken.",
        group=_SERVING,
    )  # fmt: skip
    tls_cipher_suites: tuple[str, ...] = flag(
        (), LIST, "Suites of TLS 1.2, by Go's names; those of 1.3 are always on. Empty = those "
        "with forward secrecy and authenticated encryption.", group=_SERVING,
    )  # fmt: skip
    tls_curve_preferences: tuple[int, ...] = flag(
        (), _CURVES, "Curves of the key exchange, by Go's numbers: 23 P-256, 24 P-384, 25 P-521, "
        "29 X25519. Of several, the most widely known one is used.", group=_SERVING,
    )  # fmt: skip
    http2_max_streams_per_connection: int = flag(
        0, integer(0), "HTTP/2.", group=_SERVING, status=Status.IGNORED, note=_NO_HTTP2
    )
    disable_http2_serving: bool = flag(
        False, BOOL, "HTTP/2.", group=_SERVING, status=Status.IGNORED, note=_NO_HTTP2
    )
    permit_port_sharing: bool = flag(
        False, BOOL, "Let other processes listen on the same port (SO_REUSEPORT).", group=_SERVING
    )
    permit_address_sharing: bool = flag(
        False, BOOL, "SO_REUSEADDR.", group=_SERVING, status=Status.IGNORED,
        note="always set, as it is for Go's listeners on Linux.",
    )  # fmt: skip
    profiling: bool = flag(
        False, BOOL, "Serve /debug/stacks (what every thread does) and /debug/flags/v (PUT sets "
        "-v) on --secure-port (upstream: on, with Go's pprof).", group=_SERVING,
    )  # fmt: skip
    contention_profiling: bool = flag(
        False, BOOL, "Profiles of locks.", group=_SERVING, status=Status.IGNORED,
        note="Python has no such profile; /debug/stacks of --profiling shows who waits where.",
    )  # fmt: skip

    @property
    def tls(self) -> TLSSettings:
        """What flags say about TLS."""
        return TLSSettings(self.tls_min_version, self.tls_cipher_suites, self.tls_curve_preferences)
