"""The TLS context of each new connection: which certificate it shows, and whose it asks for.

A client's certificate is asked for where authorities are known, and checked in the handshake: one
of another authority, or an expired one, ends the connection (decision 0020).
"""

from __future__ import annotations

import dataclasses
import ipaddress
import logging
import ssl
from collections.abc import Callable, Sequence
from typing import Any, Protocol

from cloudprovider.concurrency import Concurrency
from cloudprovider_manager.auth.identity import ClientCertificate
from cloudprovider_manager.certificates import Pair, names_of
from cloudprovider_manager.files import FileFault
from cloudprovider_manager.tls_settings import TLSSettings

_log = logging.getLogger(__name__)

#: Gives the TLS context of a new connection.
ContextSource = Callable[[], ssl.SSLContext]

_UID_ATTRIBUTE = "1.3.6.1.4.1.57683.2"  # of the subject; Kubernetes' own


class PairSource(Protocol):
    """A pair that may change."""

    def current(self) -> Pair:
        """The pair to use now."""


@dataclasses.dataclass(frozen=True)
class FixedPair:
    """A pair that stays."""

    pair: Pair

    def current(self) -> Pair:
        return self.pair


@dataclasses.dataclass(frozen=True)
class NamedPair:
    """A pair for clients that ask for certain names; no ``names``: those of its certificate."""

    source: PairSource
    names: tuple[str, ...] = ()


class Contexts:
    """Makes contexts, and keeps the last as long as nothing changes. Thread-safe.

    Raises FileFault if the first cannot be made.

    Args:
        default: The certificate for everyone who asks for no name that is known.
        named: Others, by the name that the client asks for (SNI).
        authorities: DER of those whose client certificates count; asked at each connection.

    """

    def __init__(
        self,
        default: PairSource,
        settings: TLSSettings,
        *,
        named: Sequence[NamedPair] = (),
        authorities: Callable[[], frozenset[bytes]] = frozenset,
        concurrency: Concurrency,
    ) -> None:
        self._default = default
        self._settings = settings
        self._named = tuple(named)
        self._authorities = authorities
        self._lock = concurrency.lock()
        self._made_from: tuple[object, ...] = ()
        self._context = settings.new_context()
        self.current()

    def current(self) -> ssl.SSLContext:
        """The context for a new connection."""
        pairs = [self._default.current(), *(entry.source.current() for entry in self._named)]
        authorities = self._authorities()
        made_from = (*pairs, authorities)
        with self._lock:
            if made_from != self._made_from:
                self._renew(pairs, authorities)
                self._made_from = made_from
            return self._context

    def _renew(self, pairs: Sequence[Pair], authorities: frozenset[bytes]) -> None:
        try:
            self._context = self._make(pairs, authorities)
        except (OSError, ValueError) as error:  # ssl.SSLError is an OSError
            fault = f"certificates cannot be used together: {type(error).__name__}"
            if not self._made_from:
                raise FileFault(fault) from error
            _log.warning("%s; the old ones stay in use", fault)

    def _make(self, pairs: Sequence[Pair], authorities: frozenset[bytes]) -> ssl.SSLContext:
        default, *named = (self._one(pair, authorities) for pair in pairs)
        if named:
            table = _by_name(self._named, pairs[1:], named)

            def choose(connection: Any, name: str | None, _: ssl.SSLContext) -> None:
                wanted = name or _address(connection)
                chosen = find(table, wanted)
                if chosen is not None:
                    connection.context = chosen

            default.sni_callback = choose
        return default

    def _one(self, pair: Pair, authorities: frozenset[bytes]) -> ssl.SSLContext:
        context = self._settings.new_context()
        pair.load_into(context)
        if authorities:
            context.load_verify_locations(cadata=b"".join(sorted(authorities)))
            # As in Go: an authority counts although it is itself issued by another.
            context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
            context.verify_mode = ssl.CERT_OPTIONAL
        return context


def _by_name(
    entries: Sequence[NamedPair], pairs: Sequence[Pair], contexts: Sequence[ssl.SSLContext]
) -> dict[str, ssl.SSLContext]:
    """Names that were given win over those of certificates; the first pair of a name wins."""
    given: dict[str, ssl.SSLContext] = {}
    found: dict[str, ssl.SSLContext] = {}
    for entry, pair, context in zip(entries, pairs, contexts, strict=True):
        for name in entry.names:
            given.setdefault(name.lower(), context)
        for name in () if entry.names else names_of(pair.certificate):
            found.setdefault(name, context)
    return found | given


def find(table: dict[str, ssl.SSLContext], name: str) -> ssl.SSLContext | None:
    """The entry for ``name``: its own, else that with ``*`` in place of the first label."""
    name = name.lower().rstrip(".")
    _, dot, rest = name.partition(".")
    return table.get(name) or (table.get(f"*.{rest}") if dot else None)


def _address(connection: Any) -> str:
    """The address that a client connected to; it names none when it knows the address only."""
    try:
        address = ipaddress.ip_address(connection.getsockname()[0].partition("%")[0])
    except (OSError, ValueError, AttributeError):  # the last: TLS without a socket, in tests
        return ""
    return str(getattr(address, "ipv4_mapped", None) or address)


def client_certificate(connection: ssl.SSLSocket) -> tuple[ClientCertificate | None, bool]:
    """The verified certificate of the client, or None; and whether one was shown but is unusable.

    Call after the handshake.
    """
    own = connection.getpeercert(binary_form=True)
    if own is None:
        return None, False
    chain = _verified_chain(connection)
    if connection.session_reused or not chain or chain[0] != own:
        return None, True
    # Any: the type stub knows no names of several parts.
    subject: Any = (connection.getpeercert() or {}).get("subject", ())
    fields: dict[str, list[str]] = {}
    for names in subject:
        for name, value in names:
            fields.setdefault(name, []).append(value)
    common = fields.get("commonName", [""])[-1]  # the last one, as in Go
    certificate = ClientCertificate(
        common,
        tuple(fields.get("organizationName", ())),
        tuple(fields.get(_UID_ATTRIBUTE, ())),
        chain,
    )
    return certificate, False


def _verified_chain(connection: Any) -> tuple[bytes, ...]:
    if hasattr(connection, "get_verified_chain"):  # from Python 3.13 on
        return tuple(connection.get_verified_chain() or ())
    der = ssl._ssl.ENCODING_DER  # type: ignore[attr-defined]  # has been there since 3.10
    chain = connection._sslobj.get_verified_chain() or ()
    return tuple(certificate.public_bytes(der) for certificate in chain)
