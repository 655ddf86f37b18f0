"""The end of a leader that does not renew its lease: a timer of the kernel that kills the process.

The check before each write (``cloudprovider.toolkit.fence``) cannot help a process that is stopped
between its last look at the clock and the system call behind it, and goes on when the lease is
another's. The kernel's timer runs while the process is stopped or frozen, and while the machine is
suspended; SIGKILL then ends it where it stands, and nothing of it goes on. Why it is needed, with
figures: ``docs/decisions/0029-the-last-look-before-a-write.md``.
"""

from __future__ import annotations

import contextlib
import ctypes
import logging
import os
import signal
import sys
from collections.abc import Callable
from types import FrameType

_log = logging.getLogger(__name__)

#: Runs while the machine is suspended, too.
_CLOCK_BOOTTIME = 7
_KILLED = (
    "Error: the manager was killed by SIGKILL: it led and did not renew its lease in time, because "
    "it was stopped or starved of CPU, or it ran out of memory"
)
_SIGEV_SIGNAL = 0


class _Event(ctypes.Structure):
    """``struct sigevent`` of Linux."""

    _fields_ = (
        ("value", ctypes.c_void_p),
        ("signo", ctypes.c_int),
        ("notify", ctypes.c_int),
        ("rest", ctypes.c_char * 48),
    )


class _Time(ctypes.Structure):
    """``struct timespec``."""

    _fields_ = (("seconds", ctypes.c_long), ("nanoseconds", ctypes.c_long))


class _Setting(ctypes.Structure):
    """``struct itimerspec``."""

    _fields_ = (("interval", _Time), ("value", _Time))


class Deadman:
    """Kills this process unless it is armed anew in time. Safe for threads.

    Raises:
        OSError: the system has no such timer.

    """

    def __init__(self) -> None:
        if not sys.platform.startswith("linux") or ctypes.sizeof(ctypes.c_void_p) != 8:
            raise OSError("only on Linux with 64 bits")
        self._libc = ctypes.CDLL(None, use_errno=True)
        self._timer = ctypes.c_void_p()
        event = _Event(None, int(signal.SIGKILL), _SIGEV_SIGNAL, b"")
        try:
            create = self._libc.timer_create
        except AttributeError as error:
            raise OSError("the C library has no timers") from error
        self._checked(create(_CLOCK_BOOTTIME, ctypes.byref(event), ctypes.byref(self._timer)))

    def arm(self, seconds: float) -> None:
        """The process dies after ``seconds``, unless this is called again before."""
        # Zero would disarm it.
        self._set(max(seconds, 1e-6))

    def disarm(self) -> None:
        """The process lives."""
        self._set(0.0)

    def _set(self, seconds: float) -> None:
        whole = int(seconds)
        value = _Time(whole, int((seconds - whole) * 1e9))
        setting = _Setting(_Time(0, 0), value)
        self._checked(self._libc.timer_settime(self._timer, 0, ctypes.byref(setting), None))

    def _checked(self, result: int) -> None:
        if result != 0:
            number = ctypes.get_errno()
            raise OSError(number, os.strerror(number))


def create() -> Deadman | None:
    """A timer, or None where the system has none: then the checks before each write must do."""
    try:
        return Deadman()
    except OSError as error:
        _log.info("no timer that ends a leader which was stopped for too long: %s", error)
        return None


def leave_pid_1(run: Callable[[], int]) -> int:
    """``run()`` in a process that can be killed; its exit code.

    The first process of a container (PID 1) is immune to every SIGKILL from inside it, the timer's
    too. There this process becomes a parent that hands signals on and waits; else it runs itself.
    """
    if os.getpid() != 1:
        return run()
    child = os.fork()
    if child == 0:
        return run()
    return _wait_for(child)


def _wait_for(child: int) -> int:
    """Hand signals on to ``child``, collect orphans, and return its exit code."""

    def hand_on(number: int, frame: FrameType | None) -> None:  # noqa: ARG001 - Python's signature
        with contextlib.suppress(ProcessLookupError):
            os.kill(child, number)

    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, hand_on)
    while True:
        pid, status = os.wait()
        if pid == child:
            code = os.waitstatus_to_exitcode(status)
            if code == -signal.SIGKILL:
                # What was killed could say nothing itself.
                print(_KILLED, file=sys.stderr, flush=True)  # noqa: T201 - this process has no log
            return code if code >= 0 else 128 - code
