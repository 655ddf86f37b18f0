"""Whose certificates are believed, and which proxies may name their users in headers.

Either comes from files that flags name, or from the ConfigMap that every API server keeps for this;
both are looked at again while the manager runs. Source: ``spec/ccm-core.md`` 4.2, 4.8 step 2;
decision 0020.
"""

from __future__ import annotations

import base64
import binascii
import dataclasses
import re
import ssl
from collections.abc import Mapping

import msgspec

_BLOCK = re.compile(rb"-----BEGIN CERTIFICATE-----(.*?)-----END CERTIFICATE-----", re.DOTALL)


class TrustError(Exception):
    """A bundle or a list in the ConfigMap cannot be used. The text says which."""


@dataclasses.dataclass(frozen=True)
class Proxy:
    """Who may name users in headers, and in which. Empty ``allowed_names``: any of the authority.

    Header names are compared without regard to case.
    """

    authorities: frozenset[bytes] = dataclasses.field(repr=False)
    allowed_names: tuple[str, ...]
    username_headers: tuple[str, ...]
    uid_headers: tuple[str, ...]
    group_headers: tuple[str, ...]
    extra_prefixes: tuple[str, ...]


@dataclasses.dataclass(frozen=True)
class Trust:
    """Authorities as DER. ``proxy`` None: no proxy is believed."""

    clients: frozenset[bytes] = dataclasses.field(default=frozenset(), repr=False)
    proxy: Proxy | None = None

    @property
    def authorities(self) -> frozenset[bytes]:
        """All whose certificates a connection may show."""
        return self.clients | (self.proxy.authorities if self.proxy else frozenset())


def authorities(bundle: bytes, where: str) -> frozenset[bytes]:
    """The certificates (DER) in the PEM text ``bundle``; anything around them is left out.

    Raises:
        TrustError: there is none, or one is broken. The text names ``where``.

    """
    found = set()
    for block in _BLOCK.findall(bundle):
        try:
            found.add(base64.b64decode(b"".join(block.split()), validate=True))
        except binascii.Error:
            raise TrustError(f"{where}: a certificate is not base64") from None
    if not found:
        raise TrustError(f"{where}: no certificate in PEM form")
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_verify_locations(cadata=b"".join(found))
    except (ssl.SSLError, ValueError):
        raise TrustError(f"{where}: not a bundle of certificates") from None
    return frozenset(found)


@dataclasses.dataclass(frozen=True)
class Published:
    """What the ConfigMap says; a half that it lacks is empty."""

    clients: frozenset[bytes] = dataclasses.field(default=frozenset(), repr=False)
    proxy: Proxy | None = None


def published(data: Mapping[str, str], where: str) -> Published:
    """What the ``data`` of the ConfigMap ``where`` says.

    Raises:
        TrustError: a key cannot be understood.

    """
    client_ca = data.get("client-ca-file", "")
    proxy_ca = data.get("requestheader-client-ca-file", "")
    clients: frozenset[bytes] = frozenset()
    if client_ca:
        clients = authorities(client_ca.encode(), f"{where}: client-ca-file")
    proxy = None
    if proxy_ca:
        proxy = Proxy(
            authorities(proxy_ca.encode(), f"{where}: requestheader-client-ca-file"),
            allowed_names=_names(data, "requestheader-allowed-names", where),
            username_headers=_names(data, "requestheader-username-headers", where),
            uid_headers=_names(data, "requestheader-uid-headers", where),
            group_headers=_names(data, "requestheader-group-headers", where),
            extra_prefixes=_names(data, "requestheader-extra-headers-prefix", where),
        )
    return Published(clients, proxy)


def _names(data: Mapping[str, str], key: str, where: str) -> tuple[str, ...]:
    text = data.get(key, "")
    if not text:
        return ()
    try:
        names = msgspec.json.decode(text, type=list[str])
    except msgspec.DecodeError:
        raise TrustError(f"{where}: {key}: not a JSON list of strings") from None
    return tuple(name.strip() for name in names if name.strip())
