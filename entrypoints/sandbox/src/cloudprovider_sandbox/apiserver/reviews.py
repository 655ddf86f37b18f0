"""The reviews: questions that are answered and not stored."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from cloudprovider_sandbox.apiserver import status
from cloudprovider_sandbox.apiserver.auth import (
    ISSUER,
    Attributes,
    Authenticator,
    Authorizer,
    User,
)

Json = dict[str, Any]
_ABOUT_USERS = frozenset({"TokenReview", "SelfSubjectReview"})


class Reviews:
    """Answers TokenReview, the access reviews and who-am-I."""

    def __init__(self, authenticator: Authenticator, authorizer: Callable[[], Authorizer]) -> None:
        self._authenticator = authenticator
        self._authorizer = authorizer

    def answer(self, kind: str, body: Json, user: User, namespace: str) -> Json:
        """``body`` with its status filled in. Raises StatusError 422."""
        group = "authentication" if kind in _ABOUT_USERS else "authorization"
        head = {"kind": kind, "apiVersion": f"{group}.k8s.io/v1", "metadata": {}}
        return head | body | {"status": self._status(kind, body.get("spec") or {}, user, namespace)}

    def _status(self, kind: str, spec: Json, user: User, namespace: str) -> Json:
        if kind == "TokenReview":
            found = self._authenticator.review(spec.get("token", ""))
            if found is None:
                return {"user": {}, "error": "invalid bearer token"}
            return {"authenticated": True, "user": found.info(), "audiences": [ISSUER]}
        if kind == "SelfSubjectReview":
            return {"userInfo": user.info()}
        if kind == "SelfSubjectRulesReview":
            return self._rules(user, spec.get("namespace", namespace))
        if kind != "SelfSubjectAccessReview":
            user = User(spec.get("user", ""), tuple(spec.get("groups") or ()))
        allowed = self._authorizer().allowed(_attributes(user, spec))
        return {"allowed": allowed}

    def _rules(self, user: User, namespace: str) -> Json:
        rules = self._authorizer().rules(user, namespace)
        return {
            "resourceRules": [rule for rule in rules if "nonResourceURLs" not in rule],
            "nonResourceRules": [rule for rule in rules if "nonResourceURLs" in rule],
            "incomplete": False,
        }


def _attributes(user: User, spec: Json) -> Attributes:
    wanted = spec.get("resourceAttributes")
    if wanted:
        names = ("verb", "group", "resource", "subresource", "namespace", "name")
        return Attributes(user, **{name: wanted.get(name, "") for name in names})
    other = spec.get("nonResourceAttributes")
    if not other:
        why = "exactly one of nonResourceAttributes or resourceAttributes must be specified"
        error = status.invalid_value("spec.resourceAttributes", None, why)
        cause = {"reason": error.reason, "message": error.message, "field": error.field}
        details = {"group": "authorization.k8s.io", "causes": [cause]}
        message = f'.authorization.k8s.io "" is invalid: {error}'
        raise status.StatusError(422, "Invalid", message, details=details)
    return Attributes(user, other.get("verb", ""), path=other.get("path", ""))
