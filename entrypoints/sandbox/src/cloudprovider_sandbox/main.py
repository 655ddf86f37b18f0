"""``cloud-sandbox``: the command."""

from __future__ import annotations

import logging
import sys
from collections.abc import Sequence

from cloudprovider.plugins import PluginError
from cloudprovider_sandbox import arguments
from cloudprovider_sandbox.admin_client import AdminError
from cloudprovider_sandbox.files import NoSandbox
from cloudprovider_sandbox.kube import KubeError
from cloudprovider_sandbox.show import console


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command. Returns its exit code: 0, 1 failed, 2 wrong usage."""
    args = arguments.parse(argv)
    logging.basicConfig(level=logging.WARNING, format="%(levelname)s %(name)s: %(message)s")
    out = console(color=not args.no_color)
    try:
        if args.command in ("up", "demo"):
            # Imported here: servers and manager, which the small commands do not need.
            from cloudprovider_sandbox import running

            return running.run(args, out)
        from cloudprovider_sandbox import queries

        return queries.run(args, out)
    except (PluginError, NoSandbox, AdminError, KubeError, OSError, ValueError) as error:
        print(f"cloud-sandbox: {error}", file=sys.stderr)  # noqa: T201 - the command's answer
        return 1
    except KeyboardInterrupt:
        return 130


if __name__ == "__main__":
    sys.exit(main())
