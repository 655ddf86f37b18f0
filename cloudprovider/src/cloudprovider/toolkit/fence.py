"""The last look before a write leaves the process: whether it may still be sent (rules R1, R5).

A check before a call is not enough. Between it and the socket lie a rate limit, a retry, a busy
connection pool, connecting, TLS; and a process may be stopped at any of them for as long as the
lease lasts. So whoever sends puts its check around the call with :func:`guarding`, and a connection
of :class:`FencedConnection` asks it again when the request is about to go into the socket.

What remains is a process that is stopped between that look and the system call after it, and does
not go on before the lease is over: ``docs/decisions/0029-the-last-look-before-a-write.md``.

What takes something away rests on more than the lease: that nobody asked for it again while a slow
cloud held the pass up. Whoever begins a pass says so with :func:`resting_on`, and whoever sends
such a call asks :func:`confirm` before it: ``docs/decisions/0032-a-look-before-a-deletion.md``.
"""

from __future__ import annotations

import contextlib
import contextvars
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

from cloudprovider.errors import RetryLater

if TYPE_CHECKING:
    from http.client import HTTPConnection as _Base
else:
    _Base = object

#: Raises an exception if the write may not be sent (any more).
Check = Callable[[], None]


class Overtaken(RetryLater):
    """What a call was to take away is asked for again; it was not sent."""


_checks: contextvars.ContextVar[Check | None] = contextvars.ContextVar("fence", default=None)


def guarding(check: Check | None) -> contextlib.AbstractContextManager[None]:
    """What the calling thread sends inside the block is subject to ``check``; None lifts it."""
    return _within(_checks, check)


def look() -> None:
    """Raise what the check of the calling thread raises; nothing outside of :func:`guarding`."""
    check = _checks.get()
    if check is not None:
        check()


_premises: contextvars.ContextVar[Check | None] = contextvars.ContextVar("premise", default=None)


def resting_on(premise: Check) -> contextlib.AbstractContextManager[None]:
    """What the calling thread takes away in the cloud inside the block rests on ``premise``.

    It raises :class:`Overtaken` once that does not hold any more.
    """
    return _within(_premises, premise)


def confirm() -> None:
    """Raise what the premise of the calling thread raises; nothing outside of :func:`resting_on`.

    To be asked before each attempt at a call that deletes or removes something.
    """
    premise = _premises.get()
    if premise is not None:
        premise()


@contextlib.contextmanager
def _within(variable: contextvars.ContextVar[Check | None], check: Check | None) -> Iterator[None]:
    token = variable.set(check)
    try:
        yield
    finally:
        variable.reset(token)


class FencedConnection(_Base):
    """Mix-in for ``http.client.HTTPConnection``: :func:`look` before each piece is sent.

    It comes before the connection's own class among the bases. The exception of the check reaches
    the caller as it is; the connection is then no longer usable, and a request that was begun is
    never complete, so that no server carries it out.
    """

    def send(self, data: Any) -> None:
        if self.sock is None and self.auto_open:
            self.connect()  # may take long; what it sends itself carries no request
        look()
        super().send(data)
