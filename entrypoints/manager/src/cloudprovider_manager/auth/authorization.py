"""What a caller may do: nothing but public paths, unless the API server allows it.

Source: ``spec/ccm-core.md`` 4.2 (authorization), 4.7.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Protocol

from cloudprovider_manager.auth.identity import MASTERS, User


class Access(Protocol):
    """Decides what users may do."""

    def allowed(self, user: User, verb: str, path: str) -> bool:
        """Whether ``user`` may ``verb`` the ``path``. Raises ReviewFailed."""


class PublicPaths:
    """The paths of ``--authorization-always-allow-paths``: exact, or a beginning followed by ``*``.

    Raises:
        ValueError: a ``*`` stands elsewhere.

    """

    def __init__(self, paths: Iterable[str]) -> None:
        exact, beginnings = set(), []
        for path in paths:
            bare = path.removeprefix("/")
            if "*" in bare[:-1]:
                raise ValueError(f'only trailing * allowed in "{bare}"')
            if bare.endswith("*"):
                beginnings.append(bare[:-1])
            else:
                exact.add(bare)
        self._exact = frozenset(exact)
        self._beginnings = tuple(beginnings)

    def __contains__(self, path: object) -> bool:
        bare = str(path).removeprefix("/")
        return bare in self._exact or bare.startswith(self._beginnings)


class Authorizer:
    """Decides requests.

    Args:
        public: What everyone may do.
        reviews: Asks the API server; None: nobody but members of system:masters may do the rest.

    """

    def __init__(self, public: PublicPaths, reviews: Access | None) -> None:
        self.public = public
        self._reviews = reviews

    def allowed(self, user: User, verb: str, path: str) -> bool:
        """Whether ``user`` may ``verb`` (the HTTP method in lower case) the ``path``.

        Raises:
            ReviewFailed: the API server does not say; then nobody may.

        """
        if MASTERS in user.groups or path in self.public:
            return True
        return self._reviews is not None and self._reviews.allowed(user, verb, path)
