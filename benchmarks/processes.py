"""Processes that are measured, and what ``/proc`` says about them (Linux)."""

from __future__ import annotations

import os
import pathlib
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from types import TracebackType

_TICKS = os.sysconf("SC_CLK_TCK")


class BenchmarkError(Exception):
    """The run is broken: what was to be measured did not happen."""


class Process:
    """One child; ends with the block."""

    def __init__(
        self, arguments: Sequence[str], *, environment: Mapping[str, str], log: pathlib.Path
    ) -> None:
        self.log = log
        self.started = time.monotonic()
        self._ended = False  # by us
        with log.open("ab") as output:
            self._popen = subprocess.Popen(
                [sys.executable, *arguments],
                env={**os.environ, **environment},
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
            )

    @property
    def pid(self) -> int:
        return self._popen.pid

    def check(self) -> None:
        """Raises BenchmarkError if it has ended by itself."""
        code = self._popen.poll()
        if code is not None and not self._ended:
            tail = "\n".join(self.log.read_text(errors="replace").splitlines()[-15:])
            raise BenchmarkError(f"a process ended with {code}; the end of {self.log}:\n{tail}")

    def signal(self, number: int) -> None:
        """Send a signal that is to end it, without waiting."""
        self._ended = True
        self._popen.send_signal(number)

    def ended(self) -> bool:
        """Whether it has ended."""
        return self._popen.poll() is not None

    def kill(self) -> None:
        """SIGKILL."""
        self._ended = True
        self._popen.kill()
        self._popen.wait()

    def stop(self) -> None:
        """SIGTERM, and SIGKILL after a while."""
        self._ended = True
        self._popen.terminate()
        try:
            self._popen.wait(25)
        except subprocess.TimeoutExpired:
            self.kill()

    def cpu(self) -> float:
        """Seconds of CPU that it has used so far."""
        return cpu_seconds(self.pid)

    def rss(self) -> float:
        """MiB resident now."""
        return _status(self.pid, "VmRSS")

    def peak_rss(self) -> float:
        """MiB resident at most, so far."""
        return _status(self.pid, "VmHWM")

    def __enter__(self) -> Process:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if self._popen.poll() is None:
            self.stop()


def cpu_seconds(pid: int) -> float:
    """User and system time of all threads of process ``pid``."""
    fields = pathlib.Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / _TICKS


def _status(pid: int, field: str) -> float:
    for line in pathlib.Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith(field):
            return int(line.split()[1]) / 1024
    raise BenchmarkError(f"no {field} of process {pid}")


def wait_for(condition: Callable[[], object], what: str, *, timeout: float = 120.0) -> None:
    """Until ``condition()`` holds. Raises BenchmarkError after ``timeout`` seconds."""
    deadline = time.monotonic() + timeout
    while not condition():
        if time.monotonic() > deadline:
            raise BenchmarkError(f"not within {timeout:g} s: {what}")
        time.sleep(0.02)
