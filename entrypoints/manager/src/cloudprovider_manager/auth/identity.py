"""Users, and what a request tells about its caller."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping, Sequence


@dataclasses.dataclass(frozen=True)
class User:
    """An identity, as in ``authentication.k8s.io`` UserInfo."""

    name: str
    uid: str = ""
    groups: tuple[str, ...] = ()
    extra: Mapping[str, tuple[str, ...]] = dataclasses.field(default_factory=dict)


#: A member may do everything, here as in the API server.
MASTERS = "system:masters"
AUTHENTICATED = "system:authenticated"
_UNAUTHENTICATED = "system:unauthenticated"
ANONYMOUS = User("system:anonymous", groups=(_UNAUTHENTICATED,))


class AuthenticationFailed(Exception):
    """Credentials were shown and are not valid. The text holds none of them."""


@dataclasses.dataclass(frozen=True)
class ClientCertificate:
    """A client's certificate whose chain was verified in the handshake.

    ``chain``: DER, the client's own first, the authority that we trust last.
    """

    common_name: str
    organizations: tuple[str, ...]
    uids: tuple[str, ...]
    chain: tuple[bytes, ...] = dataclasses.field(repr=False)

    def issued_under(self, authorities: frozenset[bytes]) -> bool:
        """Whether one of ``authorities`` (DER) stands in the verified chain."""
        return not authorities.isdisjoint(self.chain)


@dataclasses.dataclass(frozen=True)
class Caller:
    """What a request brings: its headers (names in lower case), and the connection's certificate.

    ``certificate_failed``: one was shown, and its chain is not known.
    """

    headers: Sequence[tuple[str, str]] = dataclasses.field(default=(), repr=False)
    certificate: ClientCertificate | None = None
    certificate_failed: bool = False

    def first(self, names: Sequence[str]) -> str:
        """The first value, not empty, of the first of the headers ``names`` that has one."""
        for name in names:
            for value in self._values(name):
                if value:
                    return value
                break  # as in Go: only the first of several headers of one name is looked at
        return ""

    def every(self, names: Sequence[str]) -> tuple[str, ...]:
        """All values, not empty, of the headers ``names``."""
        return tuple(value for name in names for value in self._values(name) if value)

    def _values(self, name: str) -> Iterator[str]:
        lower = name.lower()
        return (value for key, value in self.headers if key == lower)


def with_group(user: User) -> User:
    """``user`` with the group of all who are authenticated, as the API server adds it."""
    marked = {AUTHENTICATED, _UNAUTHENTICATED}.intersection(user.groups)
    if marked or user.name == ANONYMOUS.name:
        return user
    return dataclasses.replace(user, groups=(*user.groups, AUTHENTICATED))
