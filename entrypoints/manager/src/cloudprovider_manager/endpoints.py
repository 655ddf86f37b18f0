"""What the health port answers: a WSGI application without I/O of its own.

Health is open to everyone. ``/metrics``, ``/configz`` and ``/version`` are answered only to callers
on this machine and only over TLS, until callers can be authenticated against the API server.
Source: ``spec/ccm-core.md`` 4.7, ``spec/reliability.md`` 4.3.
"""

from __future__ import annotations

import dataclasses
import ipaddress
import urllib.parse
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from cloudprovider_manager.health import ENDPOINTS, Health

_TEXT = "text/plain; charset=utf-8"
_REASONS = {200: "OK", 403: "Forbidden", 404: "Not Found", 405: "Method Not Allowed"}

#: The key of the WSGI environ that says whether the connection is encrypted.
ENCRYPTED = "cloudprovider.encrypted"


@dataclasses.dataclass(frozen=True)
class Page:
    """A protected page: its content type and what makes its body."""

    content_type: str
    body: Callable[[], bytes]


@dataclasses.dataclass(frozen=True)
class _Answer:
    status: int
    body: bytes
    content_type: str = _TEXT


class Endpoints:
    """The WSGI application. ``pages`` are the protected ones, by path."""

    def __init__(self, health: Health, pages: Mapping[str, Page]) -> None:
        self._health = health
        self._pages = pages

    def __call__(
        self, environ: dict[str, Any], start_response: Callable[..., Any]
    ) -> Iterable[bytes]:
        answer = self._answer(environ)
        head = environ["REQUEST_METHOD"] == "HEAD"
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
        return [b"" if head else answer.body]

    def _answer(self, environ: Mapping[str, Any]) -> _Answer:
        if environ["REQUEST_METHOD"] not in ("GET", "HEAD"):
            return _text(405, "only GET and HEAD")
        path = environ.get("PATH_INFO", "")
        endpoint, _, name = path.lstrip("/").partition("/")
        if endpoint in ENDPOINTS:
            return self._health_answer(endpoint, name, environ.get("QUERY_STRING", ""))
        page = self._pages.get(path)
        if not environ.get(ENCRYPTED):
            return _text(403, "only health is served over plain HTTP; use HTTPS")
        if not local(environ.get("REMOTE_ADDR", "")):
            return _text(403, "served to callers on this machine only")
        if page is None:
            return _text(404, "404 page not found")
        return _Answer(200, page.body(), page.content_type)

    def _health_answer(self, endpoint: str, name: str, query: str) -> _Answer:
        if name:
            return _text(*self._health.report_one(endpoint, name))
        fields = urllib.parse.parse_qs(query, keep_blank_values=True)
        return _text(
            *self._health.report(
                endpoint, verbose="verbose" in fields, exclude=fields.get("exclude", [])
            )
        )


def _text(status: int, text: str) -> _Answer:
    return _Answer(status, text.encode())


def local(address: str) -> bool:
    """Whether ``address`` is this machine's loopback."""
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:
        return False
    mapped = getattr(parsed, "ipv4_mapped", None)
    return (mapped or parsed).is_loopback
