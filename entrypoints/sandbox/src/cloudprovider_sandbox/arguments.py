"""The command line of ``cloud-sandbox``."""

from __future__ import annotations

import argparse
import pathlib
import re
import typing
from collections.abc import Sequence

from cloudprovider.testing.faults import Kind

_EPILOG = """\
First:          cloud-sandbox demo --cloud-provider=alicloud
Then, to play:  cloud-sandbox up --cloud-provider=alicloud
"""
_UNITS = {"": 1.0, "s": 1.0, "ms": 0.001, "m": 60.0}


def parse(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    """Read ``arguments`` (None = the process's). Ends the process where they are wrong."""
    parser = argparse.ArgumentParser(
        prog="cloud-sandbox",
        description="A Kubernetes API server, an emulated cloud and the real "
        "cloud-controller-manager on this machine.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--no-color", action="store_true", help="plain text")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    _add_up(commands)
    _add_demo(commands)
    _add_inventory(commands)
    _add_journal(commands)
    _add_fault(commands)
    _add_node(commands)
    return parser.parse_args(arguments)


if typing.TYPE_CHECKING:
    _Commands = argparse._SubParsersAction[argparse.ArgumentParser]


def _add_up(commands: _Commands) -> None:
    up = commands.add_parser("up", help="start a sandbox and keep it until Ctrl-C")
    _sandbox_options(up)
    up.add_argument("--dir", type=pathlib.Path, help="folder for its files (a temporary one)")
    up.add_argument("--tls", action="store_true", help="serve the API over HTTPS, with a token")
    up.add_argument(
        "--rbac",
        type=pathlib.Path,
        metavar="FILE",
        help="let the manager do only what this manifest grants; with HTTPS",
    )
    up.add_argument("--no-manager", action="store_true", help="start no manager: run your own")


def _add_demo(commands: _Commands) -> None:
    demo = commands.add_parser("demo", help="play and check the life of one Service")
    _sandbox_options(demo)
    demo.add_argument(
        "--timeout", type=duration, default=45.0, metavar="TIME", help="of each step (45s)"
    )
    demo.set_defaults(dir=None, tls=False, rbac=None, no_manager=False)


def _sandbox_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--cloud-provider", required=True, help="name of the cloud: alicloud, …")
    parser.add_argument("--nodes", type=_count, default=3, metavar="N", help="nodes (3)")
    parser.add_argument(
        "--latency", type=duration, default=0.0, metavar="TIME", help="of each cloud call: 50ms, 1s"
    )
    parser.add_argument(
        "--manager-arg",
        action="append",
        default=[],
        metavar="FLAG",
        help="added to the manager's command line: --manager-arg=--v=5; may be repeated",
    )


def _running(commands: _Commands, name: str, text: str) -> argparse.ArgumentParser:
    """A command that talks to a running sandbox."""
    parser = commands.add_parser(name, help=text)
    parser.add_argument("--dir", type=pathlib.Path, help="the sandbox's folder (the newest one's)")
    return parser


def _add_inventory(commands: _Commands) -> None:
    inventory = _running(commands, "inventory", "what exists in the cloud")
    inventory.add_argument("--json", action="store_true", help="print JSON")


def _add_journal(commands: _Commands) -> None:
    journal = _running(commands, "journal", "calls to the cloud and to Kubernetes")
    journal.add_argument("-f", "--follow", action="store_true", help="go on until Ctrl-C")
    journal.add_argument("--since", type=int, default=-1, metavar="N", help="after call number N")
    journal.add_argument("--writes", action="store_true", help="only calls that change something")
    journal.add_argument("--api", default="", help="only this API: slb, ecs, vpc, k8s, …")
    journal.add_argument(
        "--all", action="store_true", help="also leases and the sandbox's own calls"
    )
    journal.add_argument("--json", action="store_true", help="print JSON lines")


def _add_fault(commands: _Commands) -> None:
    fault = _running(commands, "fault", "make calls fail")
    actions = fault.add_subparsers(dest="action", required=True, metavar="ACTION")
    actions.add_parser("list", help="the rules, and how often each fired")
    actions.add_parser("clear", help="remove all rules")
    add = actions.add_parser("add", help="add a rule")
    add.add_argument("--kind", required=True, choices=typing.get_args(Kind))
    add.add_argument("--api", required=True, help="shell pattern: slb, ecs, k8s, …")
    add.add_argument("--op", default="*", help="shell pattern: CreateLoadBalancer, 'PATCH *'")
    add.add_argument("--key", default="*", help="shell pattern of the object's key or id")
    add.add_argument("--nth", type=_count, default=1, help="first at the nth matching call (1)")
    add.add_argument("--times", type=_count, default=1, help="how often; 0 = for ever (1)")
    add.add_argument("--code", default="", help="error code")
    add.add_argument("--status", type=int, default=0, help="HTTP status")
    add.add_argument("--after", type=duration, default=0.0, metavar="TIME", help="delay or retry")


def _add_node(commands: _Commands) -> None:
    node = _running(commands, "node", "add, remove or stop a node")
    actions = node.add_subparsers(dest="action", required=True, metavar="ACTION")
    actions.add_parser("list", help="instances whose kubelet runs")
    add = actions.add_parser("add", help="launch an instance; it joins as a node")
    add.add_argument("name", nargs="?", default="", help="host name (the cloud chooses)")
    for action, text in (
        ("remove", "terminate the instance of a node"),
        ("stop", "shut the instance of a node down"),
    ):
        actions.add_parser(action, help=text).add_argument("name", help="node name or instance id")


def duration(text: str) -> float:
    """Seconds of ``50ms``, ``1.5s``, ``2m`` or a plain number."""
    match = re.fullmatch(r"(\d+(?:\.\d+)?)(ms|s|m|)", text)
    if match is None:
        raise argparse.ArgumentTypeError(f"{text!r} is no time such as 50ms or 1.5s")
    return float(match[1]) * _UNITS[match[2]]


def _count(text: str) -> int:
    if not text.isdecimal():
        raise argparse.ArgumentTypeError(f"{text!r} is no whole number")
    return int(text)
