"""Writes what the code itself can tell, pages of ``docs/reference/`` and manifests: ``make docs``.

A page is a function that returns its text. ``--check`` writes nothing; it names the pages that are
not as the code says, and exits with 1. ``tests/unit/docs`` runs that check.
"""

from __future__ import annotations

import argparse
import pathlib
import sys
from collections.abc import Callable, Mapping, Sequence

from generator import (
    configuration_file,
    conformance,
    emulator_actions,
    errors,
    events,
    faults,
    flags,
    metrics,
    ram_policy,
    rbac,
    service_annotations,
)

ROOT = pathlib.Path(__file__).parent.parent

PAGES: Mapping[str, Callable[[], str]] = {
    "docs/reference/flags.md": flags.page,
    "docs/reference/errors.md": errors.page,
    "docs/reference/events.md": events.page,
    "docs/reference/metrics.md": metrics.page,
    "docs/reference/alicloud-annotations.md": service_annotations.page,
    "docs/reference/alicloud-emulator-actions.md": emulator_actions.page,
    "docs/reference/alicloud-ram-policy.md": ram_policy.page,
    "docs/reference/alicloud-ram-policy.json": ram_policy.policy,
    "examples/rbac/one-account.yaml": rbac.one_account,
    "examples/rbac/account-per-controller.yaml": rbac.account_per_controller,
    "docs/reference/conformance-to-upstream.md": conformance.page,
    "docs/reference/configuration-file.md": configuration_file.page,
    "docs/reference/faults.md": faults.page,
}


def main(arguments: Sequence[str] | None = None) -> int:
    """Write every page, or with ``--check`` compare them; the exit code."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--check", action="store_true", help="write nothing; 1 if a page is stale")
    asked = parser.parse_args(arguments)
    stale = [name for name in PAGES if not _is_current(name)]
    if asked.check:
        for name in stale:
            sys.stderr.write(f"{name} is stale: run `make docs`\n")
        return 1 if stale else 0
    for name in stale:
        (ROOT / name).parent.mkdir(parents=True, exist_ok=True)
        (ROOT / name).write_text(PAGES[name](), encoding="utf-8")
        sys.stdout.write(f"{name} written\n")
    return 0


def _is_current(name: str) -> bool:
    path = ROOT / name
    return path.is_file() and path.read_text(encoding="utf-8") == PAGES[name]()


if __name__ == "__main__":
    sys.exit(main())
