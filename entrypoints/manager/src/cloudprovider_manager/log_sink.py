"""Lines on their way to a stream, so that whoever logs never waits for it.

A full pipe blocks the process that writes to it. Were that the thread that renews the lease, a log
collector that hangs would end leadership (``spec/reliability.md`` P10). So lines wait in memory, of
which there is a limit, and one thread writes them; what does not fit is counted and said later. See
``docs/decisions/0023-logs-are-dropped-not-waited-for.md``.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TextIO

from cloudprovider.concurrency import Concurrency

#: Characters that may wait; as many more may be on their way into the stream.
LIMIT = 4 << 20


class Sink:
    """Writes lines to ``stream`` in a thread of its own. Safe for threads.

    Args:
        stream: Where they go; its ``write`` may block or fail.
        lost: Makes the line that says how many were dropped.
        hold: Characters that are written at once; 0 = every line as soon as possible.
        hold_seconds: The longest that a line waits for others.
        limit: Characters that may wait.
        concurrency: Whose thread and clock.

    """

    def __init__(
        self,
        stream: TextIO,
        lost: Callable[[int], str],
        *,
        hold: int = 0,
        hold_seconds: float = 5.0,
        limit: int = LIMIT,
        concurrency: Concurrency,
    ) -> None:
        self._stream = stream
        self._lost_line = lost
        self._hold = hold
        self._hold_seconds = hold_seconds
        self._limit = limit
        self._concurrency = concurrency
        self._condition = concurrency.condition(concurrency.lock())
        self._lines: list[str] = []
        self._size = 0
        self._since = 0.0  # when the oldest line came
        self._writing = False
        self._hurry = False
        self._closed = False
        self._unsaid = 0  # dropped since the last line that said so
        self.lost = 0  #: lines dropped in all
        concurrency.start_thread(self._run, name="log-sink")

    def add(self, line: str) -> None:
        """Take ``line``, which ends in no newline; dropped if too many wait already."""
        with self._condition:
            if self._closed or self._size + len(line) > self._limit:
                self.lost += 1
                self._unsaid += 1
                return
            if not self._lines:
                self._since = self._concurrency.monotonic()
            self._lines.append(line)
            self._size += len(line) + 1
            self._condition.notify_all()

    def flush(self, timeout: float) -> bool:
        """Write what waits now, for at most ``timeout`` seconds; whether all is written."""
        with self._condition:
            self._hurry = True
            self._condition.notify_all()
            done = self._condition.wait_for(lambda: not self._lines and not self._writing, timeout)
            self._hurry = False
            return done

    def close(self) -> None:
        """Take no more lines; what waits is still written."""
        with self._condition:
            self._closed = True
            self._condition.notify_all()

    def _run(self) -> None:
        while (text := self._next()) is not None:
            written = self._write(text)
            with self._condition:
                self._writing = False
                if not written:
                    count = text.count("\n")
                    self.lost += count
                    self._unsaid += count
                self._condition.notify_all()

    def _next(self) -> str | None:
        """The text to write, once there is some to be written; None at the end."""
        with self._condition:
            while (wait := self._wait()) != 0.0:
                self._condition.wait(wait)
            if not self._lines:
                return None
            lines, self._lines = self._lines, []
            self._size = 0
            if self._unsaid:
                lines.append(self._lost_line(self._unsaid))
                self._unsaid = 0
            self._writing = True
        return "\n".join(lines) + "\n"

    def _wait(self) -> float | None:
        """Seconds until something is to be done; 0 = now, None = nobody knows."""
        if self._closed:
            return 0.0
        if not self._lines:
            return None
        if self._hurry or self._size >= self._hold:
            return 0.0
        due = self._since + self._hold_seconds
        return max(0.0, due - self._concurrency.monotonic())

    def _write(self, text: str) -> bool:
        try:
            # Half of a surrogate pair, out of a name of a file, would refuse the whole text.
            self._stream.write(text.encode("utf-8", "backslashreplace").decode())
            self._stream.flush()
        except (OSError, ValueError):  # a closed pipe, a closed stream: there is nowhere to say so
            return False
        return True
