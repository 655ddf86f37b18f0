"""What flags say about TLS, in Go's words and in OpenSSL's.

Source: ``spec/ccm-core.md`` 4.2; the names are those of Go's ``crypto/tls``.
"""

from __future__ import annotations

import dataclasses
import ssl
from collections.abc import Iterator, Sequence

_TLS13_SUITES = frozenset({
    "TLS_AES_128_GCM_SHA256",
    "TLS_AES_256_GCM_SHA384",
    "TLS_CHACHA20_POLY1305_SHA256",
})  # fmt: skip
#: Suites of TLS 1.2 by Go's name. RC4 and 3DES, which Go still knows, are in no OpenSSL of today.
_SUITES = {
    "TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256": "ECDHE-ECDSA-AES128-GCM-SHA256",
    "TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384": "ECDHE-ECDSA-AES256-GCM-SHA384",
    "TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305": "ECDHE-ECDSA-CHACHA20-POLY1305",
    "TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256": "ECDHE-ECDSA-CHACHA20-POLY1305",
    "TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256": "ECDHE-RSA-AES128-GCM-SHA256",
    "TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384": "ECDHE-RSA-AES256-GCM-SHA384",
    "TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305": "ECDHE-RSA-CHACHA20-POLY1305",
    "TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256": "ECDHE-RSA-CHACHA20-POLY1305",
}
#: Suites without authenticated encryption or forward secrecy: only for who asks for them by name.
_WEAK_SUITES = {
    "TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA": "ECDHE-ECDSA-AES128-SHA",
    "TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA256": "ECDHE-ECDSA-AES128-SHA256",
    "TLS_ECDHE_ECDSA_WITH_AES_256_CBC_SHA": "ECDHE-ECDSA-AES256-SHA",
    "TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA": "ECDHE-RSA-AES128-SHA",
    "TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA256": "ECDHE-RSA-AES128-SHA256",
    "TLS_ECDHE_RSA_WITH_AES_256_CBC_SHA": "ECDHE-RSA-AES256-SHA",
    "TLS_RSA_WITH_AES_128_CBC_SHA": "AES128-SHA",
    "TLS_RSA_WITH_AES_128_CBC_SHA256": "AES128-SHA256",
    "TLS_RSA_WITH_AES_128_GCM_SHA256": "AES128-GCM-SHA256",
    "TLS_RSA_WITH_AES_256_CBC_SHA": "AES256-SHA",
    "TLS_RSA_WITH_AES_256_GCM_SHA384": "AES256-GCM-SHA384",
}
_ALL_SUITES = {**_SUITES, **_WEAK_SUITES}
_DEFAULT_SUITES = "ECDHE+AESGCM:ECDHE+CHACHA20"

#: Groups of a key exchange by Go's ``CurveID``, the most widely known first.
_CURVES = {
    23: "prime256v1",
    29: "X25519",
    24: "secp384r1",
    25: "secp521r1",
    4588: "X25519MLKEM768",
    4587: "SecP256r1MLKEM768",
    4589: "SecP384r1MLKEM1024",
}
_MAX_CURVE = 65535

#: Values of ``--tls-min-version``; what is older than 1.2 is taken as 1.2.
VERSIONS = ("VersionTLS10", "VersionTLS11", "VersionTLS12", "VersionTLS13")
OLD_VERSIONS = frozenset(VERSIONS[:2])


@dataclasses.dataclass(frozen=True)
class TLSSettings:
    """Values of ``--tls-min-version``, ``--tls-cipher-suites`` and ``--tls-curve-preferences``."""

    minimum: str = ""
    suites: tuple[str, ...] = ()
    curves: tuple[int, ...] = ()

    def problems(self) -> Iterator[str]:
        """What forbids these settings, in upstream's words."""
        for name in self.suites:
            if name not in _ALL_SUITES and name not in _TLS13_SUITES:
                yield f"Cipher suite {name} not supported or doesn't exist"
        yield from _curve_problems(self.curves)

    def warnings(self) -> Iterator[str]:
        """What is not done to the letter, or is unwise."""
        if self.minimum in OLD_VERSIONS:
            yield f"--tls-min-version={self.minimum}: nothing older than TLS 1.2 is spoken"
        weak = [name for name in self.suites if name in _WEAK_SUITES]
        if weak:
            yield f"--tls-cipher-suites: weak, and not used by default: {', '.join(weak)}"
        if len(self.curves) > 1:
            yield (
                "--tls-curve-preferences: Python can restrict TLS to one curve only; of those "
                f"given, {_preferred(self.curves)} is used"
            )

    def new_context(self) -> ssl.SSLContext:
        """A server's context with these settings, and no certificate yet."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        strong = [_ALL_SUITES[name] for name in self.suites if name in _ALL_SUITES]
        only_newest = self.minimum == "VersionTLS13" or (bool(self.suites) and not strong)
        context.minimum_version = ssl.TLSVersion.TLSv1_3 if only_newest else ssl.TLSVersion.TLSv1_2
        context.set_ciphers(":".join(strong) or _DEFAULT_SUITES)
        if self.curves:
            context.set_ecdh_curve(_preferred(self.curves))
        context.options |= ssl.OP_NO_RENEGOTIATION | ssl.OP_NO_COMPRESSION
        # A resumed session shows no certificate chain, and outlives authorities that are withdrawn.
        context.options |= ssl.OP_NO_TICKET
        context.num_tickets = 0
        return context


def suite_names() -> list[str]:
    """What ``--tls-cipher-suites`` takes."""
    return sorted({*_ALL_SUITES, *_TLS13_SUITES})


def curve_numbers() -> list[str]:
    """What ``--tls-curve-preferences`` takes here."""
    return [str(curve) for curve in sorted(_CURVES) if _supported(curve)]


def _curve_problems(curves: Sequence[int]) -> Iterator[str]:
    for position, curve in enumerate(curves):
        if not 0 < curve <= _MAX_CURVE:
            yield f"curve preference {curve} is out of range (must be 1-{_MAX_CURVE})"
        elif curve in curves[:position]:
            yield f"duplicate curve preference {curve}"
        elif not _supported(curve):
            yield f"curve preference {curve} is not supported by this OpenSSL"


def _supported(curve: int) -> bool:
    if curve not in _CURVES:
        return False
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).set_ecdh_curve(_CURVES[curve])
    except (ValueError, ssl.SSLError):
        return False
    return True


def _preferred(curves: Sequence[int]) -> str:
    return next(name for curve, name in _CURVES.items() if curve in curves)
