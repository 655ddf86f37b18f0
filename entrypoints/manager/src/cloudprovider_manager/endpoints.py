"""What the health port answers: a WSGI application without I/O of its own.

Over TLS every request is authenticated and authorized, wherever it comes from; over plain HTTP
there are no credentials, so nothing but public health checks. Source: ``spec/ccm-core.md`` 4.7,
``spec/reliability.md`` 4.3; decision 0020.
"""

from __future__ import annotations

import dataclasses
import logging
import urllib.parse
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Protocol

import msgspec

from cloudprovider_manager.auth.authentication import Authenticator
from cloudprovider_manager.auth.authorization import Authorizer
from cloudprovider_manager.auth.identity import AuthenticationFailed, Caller, User
from cloudprovider_manager.auth.reviews import ReviewFailed
from cloudprovider_manager.health import ENDPOINTS, Health
from cloudprovider_manager.health_metrics import HealthMetrics

_log = logging.getLogger(__name__)

_TEXT = "text/plain; charset=utf-8"
_JSON = "application/json"
_REASONS = {
    200: "OK", 400: "Bad Request", 401: "Unauthorized", 403: "Forbidden", 404: "Not Found",
    405: "Method Not Allowed", 406: "Not Acceptable", 501: "Not Implemented",
}  # fmt: skip

#: The key of the WSGI environ that says whether the connection is encrypted.
ENCRYPTED = "cloudprovider.encrypted"
#: The key of the WSGI environ with the :class:`~cloudprovider_manager.auth.identity.Caller`.
CALLER = "cloudprovider.caller"
#: The longest body of a request that is read, in bytes.
MAX_BODY = 1024


@dataclasses.dataclass(frozen=True)
class Answer:
    """What is sent back."""

    status: int
    body: bytes
    content_type: str = _TEXT


@dataclasses.dataclass(frozen=True)
class Question:
    """What a page may look at."""

    method: str
    path: str
    body: bytes = b""


class Page(Protocol):
    """A protected page."""

    @property
    def methods(self) -> tuple[str, ...]:
        """Those it takes; others are answered with 405. None: it answers for itself."""

    def answer(self, question: Question) -> Answer:
        """The answer to one request."""


@dataclasses.dataclass(frozen=True)
class Document:
    """A page that only shows: its content type and what makes its body."""

    content_type: str
    body: Callable[[], bytes]
    methods: tuple[str, ...] = ("GET", "HEAD")

    def answer(self, question: Question) -> Answer:  # noqa: ARG002 - the protocol's
        return Answer(200, self.body(), self.content_type)


@dataclasses.dataclass(frozen=True)
class SLIs:
    """The results of health checks; DELETE forgets them."""

    content_type: str
    metrics: HealthMetrics
    methods: tuple[str, ...] = ("GET", "HEAD", "DELETE")

    def answer(self, question: Question) -> Answer:
        if question.method == "DELETE":
            self.metrics.reset()
            return text(200, "metrics reset\n")
        return Answer(200, self.metrics.text(), self.content_type)


@dataclasses.dataclass(frozen=True)
class Pages:
    """Pages by exact path, and those for all paths that begin alike; each ends with ``/``."""

    exact: Mapping[str, Page] = dataclasses.field(default_factory=dict)
    below: Mapping[str, Page] = dataclasses.field(default_factory=dict)

    def find(self, path: str) -> Page | None:
        """The page of ``path``."""
        if path in self.exact:
            return self.exact[path]
        return next((page for start, page in self.below.items() if path.startswith(start)), None)


@dataclasses.dataclass(frozen=True)
class Guard:
    """Who may do what."""

    authenticator: Authenticator
    authorizer: Authorizer


class Endpoints:
    """The WSGI application.

    Args:
        health: Answers ``/healthz``, ``/livez``, ``/readyz``.
        pages: Everything else.
        guard: Asked about every encrypted request. None: a port for health alone, open to everyone.

    """

    def __init__(self, health: Health, pages: Pages, guard: Guard | None) -> None:
        self._health = health
        self._pages = pages
        self._guard = guard

    def __call__(
        self, environ: dict[str, Any], start_response: Callable[..., Any]
    ) -> Iterable[bytes]:
        question = Question(environ["REQUEST_METHOD"], _path(environ))
        answer = self._refusal(question, environ) or self._answer(question, environ)
        start_response(
            f"{answer.status} {_REASONS.get(answer.status, 'Internal Server Error')}",
            [
                ("Content-Type", answer.content_type),
                ("Content-Length", str(len(answer.body))),
                ("Cache-Control", "no-cache, private"),
                ("X-Content-Type-Options", "nosniff"),
                ("Connection", "close"),
            ],
        )
        return [b"" if question.method == "HEAD" else answer.body]

    def _refusal(self, question: Question, environ: Mapping[str, Any]) -> Answer | None:
        """Why this caller gets no answer; None if it may have one."""
        health = _endpoint(question.path)[0] in ENDPOINTS
        if self._guard is None:
            return None if health else text(403, "only health is served on this port")
        if not environ.get(ENCRYPTED):
            if health and question.path in self._guard.authorizer.public:
                return None
            return text(403, "only health is served over plain HTTP; use HTTPS")
        return refusal(self._guard, question, environ.get(CALLER) or Caller())

    def _answer(self, question: Question, environ: Mapping[str, Any]) -> Answer:
        endpoint, name = _endpoint(question.path)
        if endpoint in ENDPOINTS:
            if question.method not in ("GET", "HEAD"):
                return text(405, "only GET and HEAD")
            return self._health_answer(endpoint, name, environ.get("QUERY_STRING", ""))
        page = self._pages.find(question.path)
        if page is None:
            return text(404, "404 page not found")
        if page.methods and question.method not in page.methods:
            return text(405, f"only {' and '.join(page.methods)}")
        if question.method == "PUT":
            question = dataclasses.replace(question, body=_body(environ))
        return page.answer(question)

    def _health_answer(self, endpoint: str, name: str, query: str) -> Answer:
        if name:
            return text(*self._health.report_one(endpoint, name))
        fields = urllib.parse.parse_qs(query, keep_blank_values=True)
        return text(
            *self._health.report(
                endpoint, verbose="verbose" in fields, exclude=fields.get("exclude", [])
            )
        )


def refusal(guard: Guard, question: Question, caller: Caller) -> Answer | None:
    """401, 403 or 500 for a caller that may not have what it asks for; else None."""
    verb, path = question.method.lower(), question.path
    try:
        user = guard.authenticator.user(caller)
    except AuthenticationFailed as error:
        _log.debug("not authenticated: %s", error)
        return _status(401, "Unauthorized", "Unauthorized")
    try:
        if guard.authorizer.allowed(user, verb, path):
            return None
    except ReviewFailed as error:
        _log.debug("cannot tell whether %r may %s %r: %s", user.name, verb, path, error)
        return text(500, "Internal Server Error: the API server does not say who may do this")
    _log.debug("%r may not %s %r", user.name, verb, path)
    return _status(403, "Forbidden", f"forbidden: {_forbidden(user, verb, path)}")


def _forbidden(user: User, verb: str, path: str) -> str:
    return f'User "{_safe(user.name)}" cannot {_safe(verb)} path "{_safe(path)}"'


def _safe(shown: str) -> str:
    # As upstream: a message must not be HTML, whoever shows it.
    return shown.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def _status(code: int, reason: str, message: str) -> Answer:
    """A ``Status``, as the API server answers; clients of Kubernetes understand it."""
    body = {
        "kind": "Status",
        "apiVersion": "v1",
        "metadata": {},
        "status": "Failure",
        "message": message,
        "reason": reason,
        **({"details": {}} if code == 403 else {}),
        "code": code,
    }
    return Answer(code, msgspec.json.encode(body), _JSON)


def text(status: int, words: str) -> Answer:
    """An answer in plain text."""
    return Answer(status, words.encode())


def _path(environ: Mapping[str, Any]) -> str:
    """The decoded path. WSGI hands bytes over as Latin-1."""
    raw: str = environ.get("PATH_INFO", "")
    return raw.encode("latin-1").decode("utf-8", "replace")


def _endpoint(path: str) -> tuple[str, str]:
    endpoint, _, name = path.removeprefix("/").partition("/")
    return endpoint, name


def _body(environ: Mapping[str, Any]) -> bytes:
    body: bytes = environ["wsgi.input"].read(MAX_BODY)
    return body
