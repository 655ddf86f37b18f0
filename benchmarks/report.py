"""Figures, the table that is printed of them, and their JSON form."""

from __future__ import annotations

import argparse
import os
import pathlib
import platform
import sys
from collections.abc import Callable

import msgspec
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from cloudprovider_sandbox.signals import interruptible


class Figure(msgspec.Struct, frozen=True):
    """One row. ``met`` is None where there is no goal."""

    what: str
    ours: str
    go: str = ""  #: what the Go manager was measured at, ``spec/peers.md``
    goal: str = ""  #: ``design.md`` 10
    met: bool | None = None


class Result(msgspec.Struct, frozen=True):
    """What one benchmark found."""

    name: str
    title: str
    measured: str  #: what was run, in a sentence or two
    figures: list[Figure]
    notes: list[str] = []  #: what bounds the result, what differs from the Go manager's run
    load: float = 0.0  #: the machine's load average over the last minute, at the end

    @property
    def missed(self) -> list[Figure]:
        """The figures whose goal is not met."""
        return [figure for figure in self.figures if figure.met is False]


def figure(
    what: str, value: float, unit: str = "", *, go: str = "", most: float | None = None
) -> Figure:
    """A figure that is good if it is at most ``most``."""
    goal = "" if most is None else f"≤ {_text(most, unit)}" if most else "0"
    return Figure(what, _text(value, unit), go, goal, None if most is None else value <= most)


def _text(value: float, unit: str) -> str:
    """Three digits that count."""
    number = f"{value:,}" if isinstance(value, int) else f"{value:.3g}"
    return f"{number} {unit}".rstrip()


def show(result: Result) -> None:
    """Print ``result`` as a table."""
    out = Console(highlight=False, width=None if sys.stdout.isatty() else 130)
    table = Table(title=result.title, title_justify="left", title_style="bold")
    for name in ("", "ours", "Go manager", "goal", ""):
        table.add_column(name, overflow="fold")
    for row in result.figures:
        mark = {True: "[green]met[/]", False: "[bold red]missed[/]", None: ""}[row.met]
        table.add_row(*(escape(text) for text in (row.what, row.ours, row.go, row.goal)), mark)
    out.print(escape(result.measured))
    out.print(table)
    for note in result.notes:
        out.print(f"- {escape(note)}")
    out.print(f"load average {result.load:.1f}")


def machine() -> str:
    """The machine and its Python, in a line."""
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    return (
        f"{os.cpu_count()} cores, {memory:.0f} GiB, {platform.system()} {platform.machine()}, "
        f"Python {platform.python_version()}"
    )


def command(run: Callable[[], Result]) -> None:
    """The command line of one benchmark: ``--json FILE`` writes the result there too."""
    parser = argparse.ArgumentParser(description=sys.modules[run.__module__].__doc__)
    parser.add_argument("--json", type=pathlib.Path, help="also write the result to this file")
    arguments = parser.parse_args()
    with interruptible():
        result = run()
    result = msgspec.structs.replace(result, load=os.getloadavg()[0])
    show(result)
    if arguments.json:
        arguments.json.write_bytes(msgspec.json.encode(result))
