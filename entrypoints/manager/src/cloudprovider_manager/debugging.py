"""Pages for finding out what a running manager does; served with ``--profiling`` (decision 0021).

Source: ``spec/ccm-core.md`` 4.7.
"""

from __future__ import annotations

import sys
import traceback

from cloudprovider.concurrency import thread_names
from cloudprovider_manager import logs
from cloudprovider_manager.endpoints import Answer, Page, Pages, Question, text

_MAX_V = 10
_NO_PPROF = (
    "This manager is written in Python and has no pprof. /debug/stacks shows what every thread "
    "does; a profiler can be attached to the process from outside (py-spy).\n"
)
_INDEX = "/debug/flags/\n\nflags:\nv  (PUT a whole number)\n"


def pages() -> Pages:
    """All of them."""
    exact: dict[str, Page] = {
        "/debug/flags": _Index(),
        "/debug/flags/": _Index(),
        "/debug/flags/v": _Verbosity(),
        "/debug/stacks": _Stacks(),
        "/debug/pprof": _NoProfiles(),
    }
    return Pages(exact, {"/debug/pprof/": _NoProfiles()})


class _Index:
    methods = ("GET", "HEAD")

    def answer(self, question: Question) -> Answer:  # noqa: ARG002 - the protocol's
        return text(200, _INDEX)


class _Verbosity:
    methods = ()  # upstream answers 406 itself

    def answer(self, question: Question) -> Answer:
        if question.method != "PUT":
            return text(406, "unsupported http method\n")
        asked = question.body.decode("utf-8", "replace").strip()
        if not (asked.isascii() and asked.isdecimal() and int(asked) <= _MAX_V):
            return text(
                400,
                f"failed set klog.logging.verbosity {asked[:20]!r}: "
                f"accepted: a whole number from 0 to {_MAX_V}\n",
            )
        logs.set_verbosity(int(asked))
        return text(200, f"successfully set klog.logging.verbosity to {int(asked)}\n")


class _Stacks:
    methods = ("GET", "HEAD")

    def answer(self, question: Question) -> Answer:  # noqa: ARG002 - the protocol's
        return text(200, stacks())


class _NoProfiles:
    methods = ()

    def answer(self, question: Question) -> Answer:  # noqa: ARG002 - the protocol's
        return text(501, _NO_PPROF)


def stacks() -> str:
    """Where every thread is: places in the code, no values, which may be secret (R7)."""
    names = thread_names()
    parts = []
    for ident, frame in sorted(sys._current_frames().items()):
        lines = "".join(traceback.format_stack(frame))
        parts.append(f"thread {names.get(ident, 'unknown')}\n{lines}")
    return "\n".join(parts)
