"""What the command prints: tables as kubectl prints them, inventory and journal."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from rich.console import Console
from rich.table import Table as RichTable
from rich.text import Text

from cloudprovider.testing.emulation import InventoryItem
from cloudprovider.toolkit.journal import Record
from cloudprovider_sandbox.kube import Table


def console(*, color: bool = True, stderr: bool = False) -> Console:
    """A console; 120 columns wide where output is no terminal, so that tables stay whole."""
    made = Console(stderr=stderr, no_color=not color, highlight=False, soft_wrap=False)
    if not made.is_terminal:
        made.width = max(made.width, 120)
    return made


def kubectl_lines(table: Table) -> list[str]:
    """``table`` as ``kubectl get`` prints it: columns three blanks apart, no lines."""
    rows = [list(table.columns), *(list(row) for row in table.rows)]
    widths = [max(len(row[i]) for row in rows) for i in range(len(table.columns))]
    return [
        "   ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in rows
    ]


def inventory_lines(items: Iterable[InventoryItem]) -> list[str]:
    """Resources of the cloud, one a line, children indented below their parent."""
    rows = [
        (_kind(item), item.id, _shortened(item.name), item.owner, _details(item)) for item in items
    ]
    return kubectl_lines(Table(("KIND", "ID", "NAME", "OWNER", "DETAILS"), rows))


def brief_inventory_lines(items: Iterable[InventoryItem], names: Mapping[str, str]) -> list[str]:
    """As :func:`inventory_lines`, for one owner; ``names`` says what to call an instance's id."""
    rows = []
    for item in items:
        text = _details(item).replace(" weight 100", "")
        for instance, name in names.items():
            text = text.replace(instance, name)
        rows.append((_kind(item), item.id, text))
    return kubectl_lines(Table(("KIND", "ID", "DETAILS"), rows))


_CHILDREN = frozenset({"listener", "server group"})


def _kind(item: InventoryItem) -> str:
    return f"  {item.kind}" if item.kind in _CHILDREN else item.kind


def _details(item: InventoryItem) -> str:
    return "  ".join(f"{key}={value}" for key, value in item.details.items() if value != "")


def _shortened(name: str, longest: int = 40) -> str:
    return name if len(name) <= longest else f"{name[: longest - 1]}…"


def journal_line(record: Record) -> Text:
    """One call on one line."""
    line = Text(f"{record.n:>6}  {record.t:12.3f}  ")
    line.append("WRITE " if record.write else "read  ", style="yellow" if record.write else "dim")
    line.append(f"{record.api:<4} {record.op:<40} {record.key:<34} ")
    ok = record.outcome == "ok"
    line.append(record.outcome, style="green" if ok else "red")
    line.append(f"  {record.seconds * 1000:.0f} ms")
    if record.fault:
        line.append(f"  fault={record.fault}", style="magenta")
    line.append(f"  {who(record.proc)}", style="dim")
    return line


def who(user_agent: str) -> str:
    """Program and, where it says so, component of a caller: ``kubectl``, ``… service-controller``.

    Kubernetes' components put their name last, after the commit they were built from, or the name
    of the ServiceAccount they work under.
    """
    program = user_agent.partition("/")[0].partition(" ")[0]
    words = user_agent.split()
    parts = words[-1].split("/") if words else []
    return f"{program} {parts[-1].rpartition(':')[2]}" if len(parts) == 3 else program


def plain_table(*columns: str, right: Sequence[str] = ()) -> RichTable:
    """A table without lines, like kubectl's; ``right`` names columns that are right-aligned."""
    table = RichTable(box=None, pad_edge=False, padding=(0, 3, 0, 0), header_style="bold")
    for column in columns:
        table.add_column(column, justify="right" if column in right else "left", overflow="fold")
    return table
