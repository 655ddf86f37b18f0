"""The commands that talk to a running sandbox: inventory, journal, fault, node."""

from __future__ import annotations

import argparse
import dataclasses
import sys
from collections.abc import Callable, Iterable

import msgspec
from rich.console import Console

from cloudprovider.concurrency import Concurrency, current
from cloudprovider.testing.faults import Fault
from cloudprovider.toolkit.journal import Record, to_jsonl
from cloudprovider_sandbox.admin import KUBERNETES
from cloudprovider_sandbox.admin_client import AdminClient
from cloudprovider_sandbox.files import find
from cloudprovider_sandbox.show import inventory_lines, journal_line, plain_table

#: How the user agents of the sandbox's own parts begin.
OWN_PARTS = "sandbox/"
_LEASES = " leases"


def run(args: argparse.Namespace, out: Console) -> int:
    """Run the command that ``args`` name. Returns the exit code.

    Raises:
        NoSandbox: none runs.
        AdminError: it refused.

    """
    client = AdminClient(find(args.dir).admin)
    commands: dict[str, Callable[[argparse.Namespace, AdminClient, Console], None]] = {
        "inventory": _inventory,
        "journal": _journal,
        "fault": _fault,
        "node": _node,
    }
    commands[args.command](args, client, out)
    return 0


def _inventory(args: argparse.Namespace, client: AdminClient, out: Console) -> None:
    items = client.inventory()
    if args.json:
        _write(msgspec.json.format(msgspec.json.encode(items)) + b"\n")
    else:
        for line in inventory_lines(items):
            out.print(line, markup=False, soft_wrap=True)


@dataclasses.dataclass(frozen=True)
class _Filter:
    writes: bool
    api: str
    everything: bool

    def __call__(self, record: Record) -> bool:
        routine = record.api == KUBERNETES and (
            record.proc.startswith(OWN_PARTS) or record.op.endswith(_LEASES)
        )
        return (
            (record.write or not self.writes)
            and (not self.api or record.api == self.api)
            and (self.everything or not routine)
        )


def _journal(
    args: argparse.Namespace,
    client: AdminClient,
    out: Console,
    *,
    concurrency: Concurrency | None = None,
) -> None:
    clock = concurrency or current()
    wanted = _Filter(args.writes, args.api, args.all)
    since: int = args.since
    while True:
        records = client.journal(since)
        _print_records(filter(wanted, records), out, as_json=args.json)
        if not args.follow:
            return
        since = records[-1].n if records else since
        clock.sleep(0.5)


def _print_records(records: Iterable[Record], out: Console, *, as_json: bool) -> None:
    if as_json:
        _write(to_jsonl(records))
        return
    for record in records:
        out.print(journal_line(record), soft_wrap=True)


def _fault(args: argparse.Namespace, client: AdminClient, out: Console) -> None:
    if args.action == "add":
        client.add_fault(fault_of(args))
    elif args.action == "clear":
        client.clear_faults()
    table = plain_table("KIND", "API", "OP", "KEY", "NTH", "TIMES", "FIRED", right=("FIRED",))
    for state in client.faults():
        fault = state.fault
        times = str(fault.times or "always")
        table.add_row(
            fault.kind, fault.api, fault.op, fault.key, str(fault.nth), times, str(state.fired)
        )
    out.print(table if table.row_count else "no faults")


def fault_of(args: argparse.Namespace) -> Fault:
    """The rule that the options of ``fault add`` describe."""
    return Fault(
        kind=args.kind,
        api=args.api,
        op=args.op,
        key=args.key,
        nth=args.nth,
        times=args.times,
        code=args.code,
        status=args.status,
        after=args.after,
    )


def _node(args: argparse.Namespace, client: AdminClient, out: Console) -> None:
    if args.action == "add":
        instance = client.add_node(args.name)
        out.print(f"node {instance.node_name} joins ({instance.instance_id} in {instance.zone})")
    elif args.action == "remove":
        client.remove_node(args.name)
        out.print(f"instance of node {args.name} terminated")
    elif args.action == "stop":
        client.stop_node(args.name)
        out.print(f"instance of node {args.name} stopped")
    else:
        table = plain_table("NAME", "INSTANCE", "ADDRESS", "ZONE", "PROVIDER-ID")
        for item in client.nodes():
            table.add_row(
                item.node_name, item.instance_id, item.internal_ip, item.zone, item.provider_id
            )
        out.print(table)


def _write(data: bytes) -> None:
    sys.stdout.write(data.decode())
    sys.stdout.flush()
