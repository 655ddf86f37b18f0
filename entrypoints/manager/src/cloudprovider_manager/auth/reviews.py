"""Questions that the API server answers: TokenReview and SubjectAccessReview.

Source: ``spec/ccm-core.md`` 4.7 (time limit, attempts).
"""

from __future__ import annotations

import hashlib
import logging
from typing import Any

import msgspec

from cloudprovider.concurrency import Concurrency
from cloudprovider_controllers.runtime.client import Client
from cloudprovider_controllers.runtime.errors import api_error, retry_after
from cloudprovider_controllers.runtime.transport import Response, TransportError
from cloudprovider_manager.auth.answers import Answers, Busy
from cloudprovider_manager.auth.identity import AuthenticationFailed, User

_log = logging.getLogger(__name__)

#: Seconds that one question may take, all attempts together.
TIMEOUT = 10.0
#: Answers of one kind that are remembered.
REMEMBERED = 8192
#: Questions of one kind at once.
IN_FLIGHT = 32
_ATTEMPTS = 5
_FIRST_WAIT = 0.5
_WAIT_FACTOR = 1.5
_JITTER = 0.2
_TRANSIENT = frozenset({429, 500, 504})
#: Seconds between two complaints about the same API server: each request would make one.
_COMPLAINTS = 10.0

_TOKEN_REVIEWS = "/apis/authentication.k8s.io/v1/tokenreviews"  # noqa: S105 - a path
_ACCESS_REVIEWS = "/apis/authorization.k8s.io/v1/subjectaccessreviews"


class ReviewFailed(Exception):
    """The API server gave no usable answer. The text holds no credential."""


class _UserInfo(msgspec.Struct):
    username: str = ""
    uid: str = ""
    groups: list[str] | None = None
    extra: dict[str, list[str] | None] | None = None


class _TokenStatus(msgspec.Struct):
    authenticated: bool = False
    user: _UserInfo | None = None


class _TokenReview(msgspec.Struct):
    status: _TokenStatus


class _AccessStatus(msgspec.Struct):
    allowed: bool = False
    denied: bool = False
    reason: str = ""


class _AccessReview(msgspec.Struct):
    status: _AccessStatus


class Reviewer:
    """Sends reviews, again where the failure may pass, for :data:`TIMEOUT` seconds in all."""

    def __init__(self, client: Client, *, concurrency: Concurrency) -> None:
        self._client = client
        self._concurrency = concurrency
        self._complain_at = float("-inf")

    def send(self, path: str, body: dict[str, Any]) -> bytes:
        """Post ``body``; the answer's body.

        Raises:
            ReviewFailed: there is no good answer.

        """
        data = msgspec.json.encode(body)
        deadline = self._concurrency.monotonic() + TIMEOUT
        wait = _FIRST_WAIT
        for attempt in range(1, _ATTEMPTS + 1):
            left = deadline - self._concurrency.monotonic()
            try:
                answer = self._client.raw("POST", path, body=data, timeout=left, urgent=True)
            except TransportError as error:
                failure, transient = str(error), error.sent
            else:
                if answer.status < 300:
                    return answer.data
                failure, transient = str(api_error(answer)), _may_pass(answer)
            pause = wait * (1.0 + _JITTER * self._concurrency.random.random())
            over = self._concurrency.monotonic() + pause >= deadline
            if not transient or attempt == _ATTEMPTS or over:
                break
            self._concurrency.sleep(pause)
            wait *= _WAIT_FACTOR
        self._complain(body["kind"], failure)
        raise ReviewFailed(failure)

    def _complain(self, kind: str, failure: str) -> None:
        now = self._concurrency.monotonic()
        if now >= self._complain_at:
            self._complain_at = now + _COMPLAINTS
            _log.warning("no answer to a %s: %s", kind, failure)


def _may_pass(answer: Response) -> bool:
    return answer.status in _TRANSIENT or retry_after(answer.headers) is not None


class TokenReviews:
    """Bearer tokens, reviewed by the API server; a valid and an invalid one are remembered.

    Args:
        reviewer: Sends the questions.
        lifetime: Seconds that an answer is remembered.

    """

    def __init__(self, reviewer: Reviewer, lifetime: float, *, concurrency: Concurrency) -> None:
        self._reviewer = reviewer
        self._lifetime = lifetime
        self._salt = concurrency.uuid().encode()
        self._answers: Answers[User | None] = Answers(
            size=REMEMBERED, in_flight=IN_FLIGHT, concurrency=concurrency
        )

    def user(self, token: str) -> User:
        # Not the token itself: a dump of our memory should not hold those of others for long.
        key = hashlib.sha256(self._salt + token.encode()).digest()
        try:
            user = self._answers.get(key, lambda: self._ask(token), lambda _: self._lifetime)
        except (ReviewFailed, Busy) as error:
            raise AuthenticationFailed(f"the bearer token is not reviewed: {error}") from error
        if user is None:
            raise AuthenticationFailed("invalid bearer token")
        return user

    def _ask(self, token: str) -> User | None:
        body = {
            "kind": "TokenReview",
            "apiVersion": "authentication.k8s.io/v1",
            "spec": {"token": token},
        }
        try:
            status = msgspec.json.decode(
                self._reviewer.send(_TOKEN_REVIEWS, body), type=_TokenReview
            ).status
        except msgspec.DecodeError:
            # Not chained: the answer repeats the token.
            raise ReviewFailed("the answer is no TokenReview") from None
        info = status.user
        if not status.authenticated or info is None or not info.username:
            return None
        extra = {key: tuple(values or ()) for key, values in (info.extra or {}).items()}
        return User(info.username, info.uid, tuple(info.groups or ()), extra)


class AccessReviews:
    """What users may do outside of resources, decided by the API server.

    Args:
        reviewer: Sends the questions.
        allowed_for: Seconds that a permission is remembered.
        refused_for: Seconds that a refusal is remembered.

    """

    def __init__(
        self,
        reviewer: Reviewer,
        *,
        allowed_for: float,
        refused_for: float,
        concurrency: Concurrency,
    ) -> None:
        self._reviewer = reviewer
        self._lifetimes = {True: allowed_for, False: refused_for}
        self._answers: Answers[bool] = Answers(
            size=REMEMBERED, in_flight=IN_FLIGHT, concurrency=concurrency
        )

    def allowed(self, user: User, verb: str, path: str) -> bool:
        """Whether ``user`` may ``verb`` the ``path``.

        Raises:
            ReviewFailed: the API server does not say.

        """
        spec = {
            "user": user.name,
            "uid": user.uid,
            "groups": list(user.groups),
            "extra": {key: list(values) for key, values in user.extra.items()},
            "nonResourceAttributes": {"verb": verb, "path": path},
        }
        key = hashlib.sha256(msgspec.json.encode(spec, order="sorted")).digest()
        try:
            return self._answers.get(key, lambda: self._ask(spec), self._lifetimes.__getitem__)
        except Busy as error:
            raise ReviewFailed(str(error)) from error

    def _ask(self, spec: dict[str, Any]) -> bool:
        body = {
            "kind": "SubjectAccessReview",
            "apiVersion": "authorization.k8s.io/v1",
            "spec": spec,
        }
        try:
            status = msgspec.json.decode(
                self._reviewer.send(_ACCESS_REVIEWS, body), type=_AccessReview
            ).status
        except msgspec.DecodeError as error:
            raise ReviewFailed("the answer is no SubjectAccessReview") from error
        if status.allowed and status.denied:
            raise ReviewFailed("the API server both allowed and denied it")
        return status.allowed
