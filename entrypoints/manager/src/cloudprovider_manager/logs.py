"""Logs to stderr in the form of klog, or as JSON lines.

``I1120 10:50:00.123456   12345 app.py:42] message``: severity, month and day, time, process,
place. Only the project's own packages and the chosen plugin speak below WARNING, at any ``-v``:
at DEBUG, HTTP clients and cloud SDKs write signatures and tokens (``spec/reliability.md`` 4.2).
Logging never waits for the stream (:mod:`cloudprovider_manager.log_sink`).
"""

from __future__ import annotations

import dataclasses
import datetime
import fnmatch
import functools
import logging
import os
import sys
import traceback
from collections.abc import Iterable, Sequence
from typing import TextIO

import msgspec

from cloudprovider.concurrency import Concurrency, current
from cloudprovider.plugins import explain
from cloudprovider_manager.log_sink import Sink

#: Packages of this project.
OWN = (
    "cloudprovider",
    "cloudprovider_controllers",
    "cloudprovider_manager",
)
_LETTERS = {logging.DEBUG: "I", logging.INFO: "I", logging.WARNING: "W", logging.ERROR: "E"}
#: The verbosity that DEBUG needs.
DEBUG_FROM = 4


@dataclasses.dataclass(frozen=True)
class Settings:
    """What the flags say of the log."""

    verbosity: int = 0
    log_format: str = "text"  #: ``text`` or ``json``
    #: Pattern of a source file's name, without ``.py``, or with a slash of its path; verbosity.
    modules: Sequence[tuple[str, str]] = ()
    split: bool = False  #: what is below WARNING goes to stdout
    hold: int = 0  #: bytes that stdout is given at once
    hold_seconds: float = 5.0


class _Installed:
    """The handler in use, of which there is one in a process."""

    handler: _Handler | None = None


def configure(
    settings: Settings,
    packages: Iterable[str] = (),
    *,
    err: TextIO | None = None,
    out: TextIO | None = None,
    concurrency: Concurrency | None = None,
) -> None:
    """Send logs to ``err`` (stderr) and, where ``settings`` split them, to ``out`` (stdout).

    ``packages`` are further top-level packages that may log below WARNING.
    """
    if _Installed.handler is not None:
        _Installed.handler.end()
    source = concurrency or current()
    formatter = JsonFormatter() if settings.log_format == "json" else KlogFormatter()
    lost = functools.partial(_lost_line, formatter)
    errors = Sink(err or sys.stderr, lost, concurrency=source)
    infos = errors
    if settings.split:
        hold, seconds = settings.hold, settings.hold_seconds
        infos = Sink(out or sys.stdout, lost, hold=hold, hold_seconds=seconds, concurrency=source)
    handler = _Handler(errors, infos, settings, tuple(packages))
    handler.setFormatter(formatter)
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(logging.WARNING)
    _Installed.handler = handler
    handler.set_levels()


def set_verbosity(verbosity: int) -> None:
    """Speak from now on as if ``-v`` were ``verbosity``."""
    if _Installed.handler is not None:
        _Installed.handler.set_verbosity(verbosity)
    else:
        _set_levels(verbosity, OWN)


def flush(timeout: float) -> bool:
    """Write what waits to be written, for at most ``timeout`` seconds; whether all was."""
    handler = _Installed.handler
    return handler is None or all(sink.flush(timeout) for sink in handler.sinks)


def lost() -> int:
    """Lines that were dropped, because the stream did not take them in time."""
    handler = _Installed.handler
    return 0 if handler is None else sum(sink.lost for sink in handler.sinks)


def _set_levels(verbosity: int, packages: Iterable[str]) -> None:
    level = logging.DEBUG if verbosity >= DEBUG_FROM else logging.INFO
    for package in packages:
        logging.getLogger(package).setLevel(level)


def _lost_line(formatter: logging.Formatter, count: int) -> str:
    text = "%d lines of the log were lost: it was not read fast enough"
    return formatter.format(
        logging.LogRecord(__name__, logging.WARNING, __file__, 0, text, (count,), None)
    )


class _Handler(logging.Handler):
    """Hands each line to the sink of its severity; decides by verbosity and file."""

    def __init__(
        self, errors: Sink, infos: Sink, settings: Settings, packages: tuple[str, ...]
    ) -> None:
        super().__init__()
        self.sinks = list(dict.fromkeys((errors, infos)))
        self._errors = errors
        self._infos = infos
        self._verbosity = settings.verbosity
        self._modules = [(pattern, int(level)) for pattern, level in settings.modules]
        self._packages = packages
        self._levels: dict[str, int] = {}

    def emit(self, record: logging.LogRecord) -> None:
        if record.levelno < logging.INFO and self._level(record) < DEBUG_FROM:
            return
        sink = self._errors if record.levelno >= logging.WARNING else self._infos
        try:
            line = self.format(record)
        except Exception:  # noqa: BLE001 - logging's own answer would write to stderr, and wait
            line = f"a record of {record.name} at {record.filename}:{record.lineno} has no text"
        sink.add(line)

    def set_verbosity(self, verbosity: int) -> None:
        self._verbosity = verbosity
        self.set_levels()

    def set_levels(self) -> None:
        most = max([self._verbosity, *(level for _, level in self._modules)])
        _set_levels(most, (*OWN, *self._packages))

    def end(self) -> None:
        for sink in self.sinks:
            sink.close()

    def _level(self, record: logging.LogRecord) -> int:
        """The verbosity for the file that speaks."""
        if self._verbosity >= DEBUG_FROM or not self._modules:
            return self._verbosity
        found = self._levels.get(record.pathname)
        if found is None:
            found = self._levels[record.pathname] = self._level_of(record.pathname)
        return max(found, self._verbosity)

    def _level_of(self, path: str) -> int:
        whole = path.removesuffix(".py")
        name = os.path.basename(whole)
        for pattern, level in self._modules:
            if fnmatch.fnmatchcase(whole if "/" in pattern else name, pattern):
                return level
        return 0


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
    """One JSON object for each record, with the keys of Kubernetes' JSON logs.

    As there, ``v`` is the verbosity that the line needs and errors have none.
    """

    def format(self, record: logging.LogRecord) -> str:
        fields: dict[str, object] = {
            "ts": round(record.created * 1000, 3),
            "caller": f"{record.filename}:{record.lineno}",
            "severity": record.levelname.lower(),
            "logger": record.name,
            # JSON knows no half of a surrogate pair, which names of files may hold.
            "msg": record.getMessage().encode("utf-8", "backslashreplace").decode(),
        }
        if record.levelno < logging.ERROR:
            fields["v"] = DEBUG_FROM if record.levelno < logging.INFO else 0
        error = record.exc_info[1] if record.exc_info else None
        if error is not None:
            fields["err"] = f"{type(error).__name__}: {explain(error)}"
            fields["stacktrace"] = stack(error)
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
