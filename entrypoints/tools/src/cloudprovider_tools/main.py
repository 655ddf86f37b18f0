"""The command ``cloudprovider``."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Sequence

from cloudprovider_tools import listing


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command with ``argv`` (default: the process's arguments); returns the exit code."""
    arguments = _parser().parse_args(sys.argv[1:] if argv is None else argv)
    run: Callable[[argparse.Namespace], int] = arguments.run
    return run(arguments)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="cloudprovider", description="Tools around cloud providers for Kubernetes."
    )
    commands = parser.add_subparsers(metavar="COMMAND", required=True)
    list_command = commands.add_parser(
        "list",
        help="show the providers that are installed",
        description="Show the providers that --cloud-provider can name. Loads none of them, "
        "unless --check is given. Exit code 1 if one cannot be used.",
    )
    list_command.add_argument("--check", action="store_true", help="load each, to see if it works")
    list_command.add_argument(
        "-o", "--output", choices=("table", "json", "name"), default="table", help="how to print"
    )
    list_command.set_defaults(run=_list)
    return parser


def _list(arguments: argparse.Namespace) -> int:
    rows = listing.providers(check=arguments.check)
    listing.show(rows, arguments.output)
    return 1 if any(row.problem for row in rows) else 0


if __name__ == "__main__":
    sys.exit(main())
