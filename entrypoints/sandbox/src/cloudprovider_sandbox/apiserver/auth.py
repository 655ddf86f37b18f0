"""Who is asking, and whether they may: bearer tokens, TokenRequest, and the authorization seam."""

from __future__ import annotations

import base64
import binascii
import dataclasses
import hashlib
import hmac
from collections.abc import Callable, Mapping
from typing import Any, Protocol

import msgspec

from cloudprovider.concurrency import Concurrency
from cloudprovider_sandbox.apiserver import status
from cloudprovider_sandbox.apiserver.messages import Request

ISSUER = "https://kubernetes.default.svc.cluster.local"
MIN_SECONDS, MAX_SECONDS, DEFAULT_SECONDS = 600, 2**32, 3600
#: Paths that need no identity.
PUBLIC = ("/healthz", "/livez", "/readyz", "/version")


@dataclasses.dataclass(frozen=True)
class User:
    """An identity."""

    name: str
    groups: tuple[str, ...] = ()
    uid: str = ""

    def info(self) -> dict[str, Any]:
        """As ``authentication.k8s.io`` UserInfo."""
        return {"username": self.name, "uid": self.uid, "groups": list(self.groups)}


ADMIN = User("kubernetes-admin", ("system:masters", "system:authenticated"))
ANONYMOUS = User("system:anonymous", ("system:unauthenticated",))


@dataclasses.dataclass(frozen=True)
class Attributes:
    """What someone wants to do."""

    user: User
    verb: str
    group: str = ""
    resource: str = ""
    subresource: str = ""
    namespace: str = ""
    name: str = ""
    path: str = ""  #: instead of a resource


class Authorizer(Protocol):
    """Decides; see :mod:`cloudprovider_sandbox.apiserver.rbac`."""

    def allowed(self, attributes: Attributes) -> bool:
        """Whether they may."""

    def rules(self, user: User, namespace: str) -> list[dict[str, Any]]:
        """What ``user`` may do in ``namespace``, as PolicyRules."""


class AlwaysAllow:
    """Everybody may do everything."""

    def allowed(self, attributes: Attributes) -> bool:  # noqa: ARG002 - the protocol's
        return True

    def rules(self, user: User, namespace: str) -> list[dict[str, Any]]:  # noqa: ARG002 - the protocol's
        everything = {"verbs": ["*"], "apiGroups": ["*"], "resources": ["*"]}
        return [everything, {"verbs": ["*"], "nonResourceURLs": ["*"]}]


class Authenticator:
    """Tokens to users.

    Args:
        tokens: Fixed tokens. If empty, a request without a token is :data:`ADMIN`'s.
        key: Secret that signs ServiceAccount tokens.

    """

    def __init__(self, tokens: Mapping[str, User], key: bytes, *, concurrency: Concurrency) -> None:
        self._tokens = dict(tokens)
        self._key = key
        self._concurrency = concurrency
        #: Whether a ServiceAccount is still there: (namespace, name, uid).
        self.account_exists: Callable[[str, str, str], bool] = lambda *_: True

    def add(self, token: str, user: User) -> None:
        """Accept ``token`` as ``user``'s from now on."""
        self._tokens[token] = user

    def revoke(self, token: str) -> None:
        """Accept ``token`` no more."""
        self._tokens.pop(token, None)

    def user(self, request: Request) -> User:
        """Whose ``request`` it is, before impersonation. Raises StatusError 401."""
        header = request.headers.get("authorization", "")
        if header.lower().startswith("bearer "):
            user = self.review(header[7:].strip())
            if user is None:
                raise status.unauthorized()
        elif not self._tokens:
            user = ADMIN
        elif request.path.split("/")[1:2] and request.path.startswith(PUBLIC):
            user = ANONYMOUS
        else:
            raise status.unauthorized()
        return user

    def review(self, token: str) -> User | None:
        """The user of ``token``, or None if it is not valid (now)."""
        known = self._tokens.get(token)
        return known if known is not None else self._service_account(token)

    def issue(self, namespace: str, name: str, uid: str, seconds: int, audiences: list[str]) -> str:
        """A token for a ServiceAccount, valid for ``seconds``."""
        now = int(self._concurrency.now().timestamp())
        claims = {
            "aud": audiences or [ISSUER],
            "exp": now + seconds,
            "iat": now,
            "iss": ISSUER,
            "jti": self._concurrency.uuid(),
            "kubernetes.io": {"namespace": namespace, "serviceaccount": {"name": name, "uid": uid}},
            "nbf": now,
            "sub": f"system:serviceaccount:{namespace}:{name}",
        }
        head = _encoded(msgspec.json.encode({"alg": "HS256", "kid": "sandbox"}))
        signed = f"{head}.{_encoded(msgspec.json.encode(claims))}"
        return f"{signed}.{self._signature(signed)}"

    def _signature(self, text: str) -> str:
        return _encoded(hmac.new(self._key, text.encode(), hashlib.sha256).digest())

    def _service_account(self, token: str) -> User | None:
        signed, dot, signature = token.rpartition(".")
        if not dot or not hmac.compare_digest(signature.encode(), self._signature(signed).encode()):
            return None
        try:
            claims = msgspec.json.decode(_decoded(signed.split(".")[1]))
        except (msgspec.DecodeError, binascii.Error, IndexError):
            return None
        expired = claims["exp"] <= self._concurrency.now().timestamp()
        if expired or ISSUER not in claims["aud"]:
            return None  # a token for somebody else proves nothing here
        account = claims["kubernetes.io"]
        namespace, known = account["namespace"], account["serviceaccount"]
        if not self.account_exists(namespace, known["name"], known["uid"]):
            return None
        groups = (
            "system:serviceaccounts",
            f"system:serviceaccounts:{namespace}",
            "system:authenticated",
        )
        return User(claims["sub"], groups, known["uid"])


def _encoded(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def _decoded(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


def impersonation(user: User, request: Request) -> list[Attributes]:
    """What ``user`` must be allowed for the identity that ``request`` asks for."""
    name = request.headers.get("impersonate-user")
    if not name:
        return []
    wanted = [("users", name), *(("groups", group) for group in request.groups)]
    return [Attributes(user, "impersonate", resource=kind, name=each) for kind, each in wanted]


def impersonated(user: User, request: Request) -> User:
    """Who ``user`` wants to be for ``request``."""
    name = request.headers.get("impersonate-user")
    if not name:
        return user
    return User(
        name, (*request.groups, "system:authenticated"), request.headers.get("impersonate-uid", "")
    )
