"""Reads the headers of a request, all values of each, and nothing that two readers may read apart.

Proxies name users in headers that may be repeated, and whoever can smuggle one is whom they like:
what is ambiguous is refused, and names with an underscore, which look like those with a hyphen to
a WSGI application, are left out. Source: ``spec/reliability.md`` 4.3.
"""

from __future__ import annotations

import re
from typing import Any

from cheroot.server import HTTPConnection, HTTPRequest

_NAME = re.compile(rb"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_LENGTH = re.compile(rb"[0-9]{1,18}")
_SINGLE = frozenset({b"Authorization", b"Content-Length", b"Host", b"Transfer-Encoding"})
_END = b"\r\n"
_MAX_HEADERS = 200


class HeaderReader:
    """Cheroot's header reader, for one request. ``pairs``: every header, names in lower case."""

    def __init__(self) -> None:
        self.pairs: list[tuple[str, str]] = []

    def __call__(self, rfile: Any, headers: dict[bytes, bytes]) -> dict[bytes, bytes]:
        """Read up to the empty line. Raises ValueError, which is answered with 400."""
        while (line := rfile.readline()) != _END:
            if not line.endswith(_END):
                raise ValueError("Malformed header line")
            if len(self.pairs) >= _MAX_HEADERS:
                raise ValueError("Too many headers")
            name, colon, value = line[:-2].partition(b":")
            if not colon or not _NAME.fullmatch(name):  # a continued line has none either
                raise ValueError("Malformed header line")
            self._add(name, value.strip(b" \t"), headers)
        if b"Content-Length" in headers and b"Transfer-Encoding" in headers:
            raise ValueError("Content-Length beside Transfer-Encoding")
        return headers

    def _add(self, name: bytes, value: bytes, headers: dict[bytes, bytes]) -> None:
        if b"\0" in value or b"\r" in value or b"\n" in value:
            raise ValueError("Malformed header line")
        key = name.title()
        if key in _SINGLE and key in headers:
            raise ValueError("Repeated header")
        if key == b"Content-Length" and not _LENGTH.fullmatch(value):
            raise ValueError("Malformed Content-Length Header.")
        self.pairs.append((name.decode("ascii").lower(), _text(value)))
        if b"_" not in name:
            headers[key] = b", ".join((headers[key], value)) if key in headers else value


def _text(value: bytes) -> str:
    """``value`` as text: names of users are UTF-8 where they are not ASCII."""
    try:
        return value.decode("utf-8")
    except UnicodeDecodeError:
        return value.decode("latin-1")


class Request(HTTPRequest):
    """A request whose headers are read by a reader of its own, and the last of its connection."""

    close_connection = True

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self.header_reader = HeaderReader()


class Connection(HTTPConnection):
    """A connection that makes such requests."""

    RequestHandlerClass = Request
