"""Replaces itself by a program that the kernel kills when its parent dies (Linux).

Run as ``python -m cloudprovider_sandbox._child PARENT_PID PROGRAM ARGUMENT…``. The setting outlives
``exec``, so the program itself needs to know nothing, and a sandbox that is killed with SIGKILL
leaves no manager behind. Elsewhere than on Linux it only runs the program.
"""

from __future__ import annotations

import ctypes
import os
import signal
import sys

_PR_SET_PDEATHSIG = 1


def main(arguments: list[str]) -> None:
    """Become the program. Never returns."""
    parent, program, *rest = arguments
    if sys.platform == "linux":
        libc = ctypes.CDLL(None, use_errno=True)
        libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
        if os.getppid() != int(parent):  # it died before the setting took hold
            sys.exit(1)
    os.execv(program, [program, *rest])  # noqa: S606 - no shell wanted


if __name__ == "__main__":
    main(sys.argv[1:])
