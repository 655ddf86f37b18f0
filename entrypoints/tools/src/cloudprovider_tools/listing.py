"""``cloudprovider list``: which providers are installed, and by which distribution."""

from __future__ import annotations

import dataclasses
import json
import sys
from collections.abc import Sequence

from cloudprovider.plugins import PluginError, PluginInfo, list_plugins, load_plugin
from cloudprovider.registry import GROUP
from cloudprovider.testing.emulation import GROUP as EMULATORS


@dataclasses.dataclass(frozen=True)
class Row:
    """One provider. ``problem`` is empty if it can be used, as far as that was checked."""

    name: str
    distribution: str
    version: str
    target: str  #: ``module:attribute`` of its factory
    emulator: bool  #: whether the sandbox can stand in for its cloud
    problem: str = ""


def providers(*, check: bool = False) -> list[Row]:
    """The installed providers by name. ``check`` loads each of them, which imports its SDK."""
    emulators = list_plugins(EMULATORS)
    rows: list[Row] = []
    for name, infos in list_plugins(GROUP).items():
        problem = _conflict(infos) or (_load(name) if check else "")
        rows.extend(
            Row(name, info.distribution, info.version, info.target, name in emulators, problem)
            for info in infos
        )
    return rows


def _conflict(infos: Sequence[PluginInfo]) -> str:
    return "claimed by several distributions: uninstall all but one" if len(infos) > 1 else ""


def _load(name: str) -> str:
    try:
        load_plugin(GROUP, name, what="cloud provider")
    except PluginError as error:
        return str(error)
    return ""


def show(rows: Sequence[Row], output: str) -> None:
    """Print ``rows`` as ``table``, ``json`` or ``name`` (one per line)."""
    if output == "json":
        json.dump([dataclasses.asdict(row) for row in rows], sys.stdout, indent=2)
        sys.stdout.write("\n")
    elif output == "name":
        sys.stdout.writelines(f"{name}\n" for name in dict.fromkeys(row.name for row in rows))
    else:
        _show_table(rows)


def _show_table(rows: Sequence[Row]) -> None:
    from rich.console import Console  # 100 ms that the other outputs save
    from rich.table import Table
    from rich.text import Text

    if not rows:
        sys.stdout.write(
            "No provider is installed. Install one, e.g. pip install k8s-cloudprovider-alicloud\n"
        )
        return
    table = Table(box=None, pad_edge=False)
    for heading in ("NAME", "DISTRIBUTION", "VERSION", "EMULATOR", "PROBLEM"):
        table.add_column(heading, overflow="fold")
    for row in rows:
        cells = (row.name, row.distribution, row.version, "yes" if row.emulator else "no")
        table.add_row(*map(Text, (*cells, row.problem)))
    Console(soft_wrap=False).print(table)
