"""Writes the pages of ``docs/reference/`` that the code itself can tell: ``make docs``.

A page is a function that returns its text. ``--check`` writes nothing; it names the pages that are
not as the code says, and exits with 1. ``tests/unit/docs`` runs that check.
"""

from __future__ import annotations

import argparse
import pathlib
import sys
from collections.abc import Callable, Mapping, Sequence

from generator import (
    emulator_actions,
    errors,
    events,
    faults,
    flags,
    metrics,
    ram_policy,
    service_annotations,
)

REFERENCE = pathlib.Path(__file__).parent / "reference"

PAGES: Mapping[str, Callable[[], str]] = {
    "flags.md": flags.page,
    "errors.md": errors.page,
    "events.md": events.page,
    "metrics.md": metrics.page,
    "faults.md": faults.page,
    "alicloud-annotations.md": service_annotations.page,
    "alicloud-emulator-actions.md": emulator_actions.page,
    "alicloud-ram-policy.md": ram_policy.page,
    "alicloud-ram-policy.json": ram_policy.policy,
}


def main(arguments: Sequence[str] | None = None) -> int:
    """Write every page, or with ``--check`` compare them; the exit code."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--check", action="store_true", help="write nothing; 1 if a page is stale")
    asked = parser.parse_args(arguments)
    stale = [name for name in PAGES if not _is_current(name)]
    if asked.check:
        for name in stale:
            sys.stderr.write(f"docs/reference/{name} is stale: run `make docs`\n")
        return 1 if stale else 0
    REFERENCE.mkdir(exist_ok=True)
    for name in stale:
        (REFERENCE / name).write_text(PAGES[name](), encoding="utf-8")
        sys.stdout.write(f"docs/reference/{name} written\n")
    return 0


def _is_current(name: str) -> bool:
    path = REFERENCE / name
    return path.is_file() and path.read_text(encoding="utf-8") == PAGES[name]()


if __name__ == "__main__":
    sys.exit(main())
