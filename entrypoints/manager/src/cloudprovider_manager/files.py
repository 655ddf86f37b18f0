"""Something read from files, read again when they change.

Files are changed in two ways: in place, one after the other, and by replacing a symbolic link of
their folder (projected volumes of a Pod). Either may be seen half done, so a reading that fails
leaves the last good one in use, and is tried again.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Sequence
from typing import Generic, TypeVar

from cloudprovider.concurrency import Concurrency

_log = logging.getLogger(__name__)

T = TypeVar("T")

#: Seconds after which a reading that failed is tried again, though the files look the same.
RETRY = 1.0


class FileFault(Exception):
    """A file cannot be used. The message names it."""


class FromFiles(Generic[T]):
    """What ``make`` makes of ``paths``, made anew when they change. Thread-safe.

    Raises:
        FileFault: it cannot be made the first time.

    """

    def __init__(
        self, paths: Sequence[str], make: Callable[[], T], *, concurrency: Concurrency
    ) -> None:
        self._paths = tuple(paths)
        self._make = make
        self._concurrency = concurrency
        self._lock = concurrency.lock()
        self._tried = self._seen = self._stamps()
        self._retry_at = 0.0
        self._value = make()

    def current(self) -> T:
        """The last good one."""
        with self._lock:
            # Looked at before they are read: a change meanwhile is then seen the next time.
            stamps = self._stamps()
            if stamps != self._seen and (stamps != self._tried or self._due()):
                self._try(stamps)
            return self._value

    def _due(self) -> bool:
        return self._concurrency.monotonic() >= self._retry_at

    def _try(self, stamps: tuple[object, ...]) -> None:
        try:
            self._value = self._make()
        except FileFault as error:
            if stamps != self._tried:
                _log.warning("%s; the old content stays in use", error)
            self._tried = stamps
            self._retry_at = self._concurrency.monotonic() + RETRY
        else:
            self._tried = self._seen = stamps
            _log.info("read again: %s", ", ".join(self._paths))

    def _stamps(self) -> tuple[object, ...]:
        return tuple(_stamp(path) for path in self._paths)


def _stamp(path: str) -> object:
    """Changes when the file does, or another takes its place, maybe one of the same age."""
    try:
        found = os.stat(path)
    except OSError:
        return None
    return (found.st_mtime_ns, found.st_ctime_ns, found.st_size, found.st_dev, found.st_ino)


def read(path: str, what: str) -> bytes:
    """The content of the file ``path``. Raises FileFault naming ``what`` it is for."""
    try:
        with open(path, "rb") as file:
            return file.read()
    except OSError as error:
        raise FileFault(f"{what} {path}: {error.strerror or type(error).__name__}") from error
