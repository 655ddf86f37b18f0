"""One request and its reply, without sockets: what the server core works on."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any, Literal, Protocol

import msgspec

#: What becomes of the connection: answered in full; cut before any effect; cut after the effect.
Delivery = Literal["answered", "not_sent", "lost", "truncated"]

JSON = "application/json"


@dataclasses.dataclass(frozen=True)
class Request:
    """An HTTP request. Header names are lower case; ``query`` holds the last value of each key."""

    method: str
    path: str
    query: Mapping[str, str] = dataclasses.field(default_factory=dict)
    headers: Mapping[str, str] = dataclasses.field(default_factory=dict)
    body: bytes = b""
    proc: str = ""  #: who calls, where the transport knows; else the user agent counts
    groups: tuple[str, ...] = ()  #: of ``Impersonate-Group``, which may come several times

    def flag(self, name: str) -> bool:
        """Whether the query says ``name=true`` (or ``1``, or the bare name)."""
        return name in self.query and self.query[name].lower() not in {"false", "0"}

    @property
    def caller(self) -> str:
        """``proc``, or the user agent."""
        return self.proc or self.headers.get("user-agent", "")


class Stream(Protocol):
    """A watch in progress."""

    def next(self, timeout: float | None = None) -> bytes | None:
        """The next whole lines; ``b""`` after ``timeout`` s of silence; None when it has ended."""

    def close(self) -> None:
        """The client is gone."""


@dataclasses.dataclass
class Reply:
    """An HTTP answer: ``body``, or ``stream`` for a watch."""

    status: int
    body: bytes = b""
    headers: dict[str, str] = dataclasses.field(default_factory=lambda: {"content-type": JSON})
    stream: Stream | None = None
    delivery: Delivery = "answered"
    reason: str = ""  #: reason of a Status, for the journal
    effect: bool = False  #: whether a stored object changed


def json_reply(value: Any, status: int = 200, **kwargs: Any) -> Reply:
    """``value`` as a JSON answer."""
    return Reply(status, msgspec.json.encode(value), **kwargs)
