"""Runs every benchmark, one after the other; ``--write`` writes the reference page from it."""

from __future__ import annotations

import argparse
import pathlib
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence

import msgspec

from benchmarks.report import Figure, Result, machine

NAMES = ("calls", "converge", "start", "takeover", "memory", "scale", "faults")
_ROOT = pathlib.Path(__file__).parent.parent
_PAGE = _ROOT / "docs" / "reference" / "benchmarks.md"
_MARKS = {True: "met", False: "**missed**", None: ""}

_HEAD = """\
# Benchmarks

Written by `python -m benchmarks.all --write`; do not edit. One alone: `python -m benchmarks.NAME`.

Measured on {machine}.
The manager, the emulator of Alibaba Cloud (over HTTP, with the vendor's SDK and real signatures)
and the API server with the benchmark itself are three processes there. **Counts and ratios are what
is compared**; seconds depend on the machine and on what else it does.

"Go manager" is the Alibaba Cloud Controller Manager, measured against a recorder in memory and a
real kube-apiserver, without leader election, with routes. Ours runs with election and without
routes, against the sandbox's API server. The goals are the project's own.
"""


def main() -> int:
    """The exit code: 0 if every run worked, whether goals are met or not."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--write", action="store_true", help=f"write {_PAGE.relative_to(_ROOT)}")
    parser.add_argument("names", nargs="*", default=NAMES, help="which (default: all)")
    arguments = parser.parse_args()
    results, broken = run_all(arguments.names)
    for name in broken:
        print(f"broken: {name}")
    for result in results:
        for row in result.missed:
            print(f"missed: {result.name}: {row.what}: {row.ours}, goal {row.goal}")
    if arguments.write and not broken:
        _PAGE.write_text(page(results))
    return 1 if broken else 0


def run_all(names: Sequence[str]) -> tuple[list[Result], list[str]]:
    """Results, and the names of those that failed. Each has a process of its own."""
    results, broken = [], []
    with tempfile.TemporaryDirectory(prefix="bench-") as folder:
        for name in names:
            path = pathlib.Path(folder, f"{name}.json")
            command = [sys.executable, "-m", f"benchmarks.{name}", f"--json={path}"]
            code = subprocess.run(command, cwd=_ROOT, check=False).returncode
            if code:
                broken.append(name)
            else:
                results.append(msgspec.json.decode(path.read_bytes(), type=Result))
            print(flush=True)
    return results, broken


def page(results: Sequence[Result]) -> str:
    """The reference page."""
    parts = [_HEAD.format(machine=machine())]
    parts += ["\n".join(_section(result)) for result in results]
    return "\n".join(parts)


def _section(result: Result) -> Iterator[str]:
    yield f"## {result.title}"
    yield ""
    yield f"`python -m benchmarks.{result.name}`. {result.measured}"
    yield ""
    yield "| | ours | Go manager | goal | |"
    yield "|---|---|---|---|---|"
    yield from (_row(row) for row in result.figures)
    yield ""
    yield from (f"- {note}" for note in result.notes)
    yield f"- Load average at the end: {result.load:.1f}."
    yield ""


def _row(row: Figure) -> str:
    return f"| {row.what} | {row.ours} | {row.go} | {row.goal} | {_MARKS[row.met]} |"


if __name__ == "__main__":
    sys.exit(main())
