"""Who is calling: a proxy's word, a client certificate, a bearer token, or nobody we know.

The methods are tried in this order; the first that knows the caller counts. If none does and one
found faulty credentials, the request is refused, even where everyone may read: a client that
believes it is known should learn that it is not. Source: ``spec/ccm-core.md`` 4.7.
"""

from __future__ import annotations

import hashlib
import urllib.parse
from collections.abc import Callable
from typing import Protocol

from cloudprovider_manager.auth.identity import (
    ANONYMOUS,
    AuthenticationFailed,
    Caller,
    ClientCertificate,
    User,
    with_group,
)
from cloudprovider_manager.auth.trust import Proxy, Trust

_CREDENTIAL_ID = "authentication.kubernetes.io/credential-id"


class Tokens(Protocol):
    """Knows users by bearer tokens."""

    def user(self, token: str) -> User:
        """Whose ``token`` it is. Raises AuthenticationFailed."""


class Authenticator:
    """Names the caller of a request.

    Args:
        trust: Gives what is trusted now.
        tokens: Reviews bearer tokens; None: they are not looked at.

    """

    def __init__(self, trust: Callable[[], Trust], tokens: Tokens | None) -> None:
        self._trust = trust
        self._tokens = tokens

    def user(self, caller: Caller) -> User:
        """Who ``caller`` is; :data:`ANONYMOUS` for one without credentials.

        Raises:
            AuthenticationFailed: credentials are not valid.

        """
        trust = self._trust()
        methods: tuple[Callable[[], User | None], ...] = (
            lambda: proxied(caller, trust.proxy),
            lambda: certified(caller, trust),
            lambda: self._by_token(caller),
        )
        faults = []
        for method in methods:
            try:
                user = method()
            except AuthenticationFailed as error:
                faults.append(str(error))
                continue
            if user is not None:
                return with_group(user)
        if faults:
            raise AuthenticationFailed("; ".join(dict.fromkeys(faults)))
        return ANONYMOUS

    def _by_token(self, caller: Caller) -> User | None:
        token = bearer_token(caller)
        return self._tokens.user(token) if self._tokens is not None and token else None


def bearer_token(caller: Caller) -> str:
    """The token in the header Authorization; empty without one, or for another scheme."""
    parts = caller.first(["authorization"]).strip().split(" ", 2)
    return parts[1] if len(parts) > 1 and parts[0].lower() == "bearer" else ""


def certified(caller: Caller, trust: Trust) -> User | None:
    """The user of the caller's certificate: its common name, in groups by its organizations.

    Raises:
        AuthenticationFailed: it was shown, and no authority for clients issued it.

    """
    if not trust.clients:
        return None
    certificate = _shown(caller)
    if certificate is None:
        return None
    if not certificate.issued_under(trust.clients):
        raise AuthenticationFailed("the client certificate is of no authority for clients")
    if len(certificate.uids) > 1:
        raise AuthenticationFailed("the client certificate names several uids")
    if not certificate.common_name:
        return None
    fingerprint = hashlib.sha256(certificate.chain[0]).hexdigest()
    return User(
        certificate.common_name,
        uid="".join(certificate.uids),
        groups=certificate.organizations,
        extra={_CREDENTIAL_ID: (f"X509SHA256={fingerprint}",)},
    )


def proxied(caller: Caller, proxy: Proxy | None) -> User | None:
    """The user that a proxy named, if the connection is a trusted proxy's.

    Raises:
        AuthenticationFailed: a certificate was shown that is no trusted proxy's.

    """
    if proxy is None:
        return None
    certificate = _shown(caller)
    if certificate is None:
        return None
    if not certificate.issued_under(proxy.authorities):
        raise AuthenticationFailed("the client certificate is of no authority for proxies")
    if proxy.allowed_names and certificate.common_name not in proxy.allowed_names:
        raise AuthenticationFailed(
            f"the proxy {certificate.common_name!r} is not in the list of allowed names"
        )
    name = caller.first(proxy.username_headers)
    if not name:
        return None
    return User(
        name,
        uid=caller.first(proxy.uid_headers),
        groups=caller.every(proxy.group_headers),
        extra=_extra(caller, proxy.extra_prefixes),
    )


def _shown(caller: Caller) -> ClientCertificate | None:
    if caller.certificate_failed:
        raise AuthenticationFailed("the client certificate was not verified on this connection")
    return caller.certificate


def _extra(caller: Caller, prefixes: tuple[str, ...]) -> dict[str, tuple[str, ...]]:
    found: dict[str, tuple[str, ...]] = {}
    for prefix in prefixes:
        for name, value in caller.headers:
            if name.startswith(prefix.lower()):
                key = urllib.parse.unquote(name[len(prefix) :])
                found[key] = (*found.get(key, ()), value)
    return found
