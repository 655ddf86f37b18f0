"""Logs to stderr in the form of klog, or as JSON lines.

``I1120 10:50:00.123456   12345 app.py:42] message``: severity, month and day, time, process,
place. Only the project's own packages and the chosen plugin speak below WARNING, at any ``-v``:
at DEBUG, HTTP clients and cloud SDKs write signatures and tokens (``spec/reliability.md`` 4.2).
"""

from __future__ import annotations

import datetime
import logging
import os
import sys
import traceback
from collections.abc import Iterable
from typing import TextIO

import msgspec

from cloudprovider.plugins import explain

#: Packages of this project.
OWN = (
    "cloudprovider",
    "cloudprovider_controllers",
    "cloudprovider_manager",
)
_LETTERS = {logging.DEBUG: "I", logging.INFO: "I", logging.WARNING: "W", logging.ERROR: "E"}
_DEBUG_FROM = 4
#: Packages that may log below WARNING, since :func:`configure`.
_speaking = list(OWN)


def configure(
    verbosity: int, log_format: str, packages: Iterable[str] = (), stream: TextIO | None = None
) -> None:
    """Send logs to ``stream`` (stderr).

    ``verbosity`` is ``-v``; ``packages`` are further top-level packages that may log below WARNING.
    """
    handler = logging.StreamHandler(stream or sys.stderr)
    handler.setFormatter(JsonFormatter() if log_format == "json" else KlogFormatter())
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(logging.WARNING)
    _speaking[:] = [*OWN, *packages]
    set_verbosity(verbosity)


def set_verbosity(verbosity: int) -> None:
    """Let those who may log below WARNING do so as ``-v`` says."""
    level = logging.DEBUG if verbosity >= _DEBUG_FROM else logging.INFO
    for package in _speaking:
        logging.getLogger(package).setLevel(level)


class KlogFormatter(logging.Formatter):
    """One line for each record; a traceback follows on lines of its own."""

    def format(self, record: logging.LogRecord) -> str:
        when = datetime.datetime.fromtimestamp(record.created).strftime("%m%d %H:%M:%S.%f")
        letter = _LETTERS.get(record.levelno, "E" if record.levelno > logging.ERROR else "I")
        place = f"{record.filename}:{record.lineno}"
        text = f"{letter}{when} {os.getpid():>7} {place}] {one_line(record.getMessage())}"
        if record.exc_info:
            text += "\n" + stack(record.exc_info[1])
        return text


class JsonFormatter(logging.Formatter):
    """One JSON object for each record, with the keys of Kubernetes' JSON logs."""

    def format(self, record: logging.LogRecord) -> str:
        fields: dict[str, object] = {
            "ts": round(record.created * 1000, 3),
            "caller": f"{record.filename}:{record.lineno}",
            "severity": record.levelname.lower(),
            "logger": record.name,
            "msg": record.getMessage(),
        }
        if record.exc_info:
            fields["stacktrace"] = stack(record.exc_info[1])
        return msgspec.json.encode(fields).decode()


def stack(error: BaseException | None) -> str:
    """The traceback of ``error`` and of what it came from, oldest first.

    The texts of foreign exceptions are left out: they may hold a credential, say in a signed URL
    (R7, :func:`cloudprovider.plugins.explain`).
    """
    chain: list[BaseException] = []
    while error is not None and error not in chain:
        chain.append(error)
        error = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
    return "\n".join(_one(link) for link in reversed(chain))


def _one(error: BaseException) -> str:
    frames = "".join(traceback.format_tb(error.__traceback__))
    return f"Traceback (most recent call last):\n{frames}{type(error).__name__}: {explain(error)}"


def one_line(text: str) -> str:
    """``text`` with control characters escaped, so that a name cannot forge a log line."""
    if text.isprintable():
        return text
    return "".join(
        char if char.isprintable() else char.encode("unicode_escape").decode() for char in text
    )
