"""``python -m cloudprovider_alicloud.emulator``: run it alone and print how to reach it."""

from __future__ import annotations

import argparse
import pathlib
import shlex
import signal
import sys
from collections.abc import Sequence

from cloudprovider.concurrency import current
from cloudprovider.testing.emulation import EmulatorOptions
from cloudprovider_alicloud.emulator import world
from cloudprovider_alicloud.emulator.server import AlicloudEmulator


def main(argv: Sequence[str] | None = None) -> int:
    """Serve until SIGINT or SIGTERM."""
    arguments = _parser().parse_args(argv)
    emulator = AlicloudEmulator(
        EmulatorOptions(
            host=arguments.host,
            port=arguments.port,
            latency=arguments.latency,
            cluster_id=arguments.cluster_id,
            seed=arguments.seed,
        )
    )
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    emulator.start()
    try:
        _introduce(emulator, arguments.nodes, arguments.write_config)
        while True:
            # Never without a limit: a signal that comes just before the wait would not end it.
            current().sleep(0.5)
    except KeyboardInterrupt:
        return 0
    finally:
        emulator.stop()


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m cloudprovider_alicloud.emulator",
        description="A stand-in for Alibaba Cloud on this machine.",
    )
    parser.add_argument(
        "--host", default="127.0.0.1", help="address to bind (default: %(default)s)"
    )
    parser.add_argument("--port", type=int, default=0, help="port to bind (default: a free one)")
    parser.add_argument("--latency", type=float, default=0.0, help="seconds added to every call")
    parser.add_argument("--nodes", type=int, default=0, help="instances to launch at the start")
    parser.add_argument("--cluster-id", default="sandbox", help="the cluster's id in its config")
    parser.add_argument("--seed", type=int, default=None, help="of ids; default: random")
    parser.add_argument("--write-config", default="", help="where to write a --cloud-config file")
    return parser


def _introduce(emulator: AlicloudEmulator, nodes: int, config_path: str) -> None:
    """Print what a shell needs to know, nothing else on standard output but export lines."""
    for _ in range(nodes):
        node = emulator.launch_instance()
        print(f"# {node.node_name} {node.provider_id} {node.internal_ip}")  # noqa: T201
    values = {
        **emulator.environment(),
        "ACCESS_KEY_ID": world.ACCESS_KEY_ID,
        "ACCESS_KEY_SECRET": world.ACCESS_KEY_SECRET,
    }
    for name, value in values.items():
        print(f"export {name}={shlex.quote(value)}")  # noqa: T201
    if config_path:
        pathlib.Path(config_path).write_text(emulator.cloud_config())
        print(f"# --cloud-config={config_path}")  # noqa: T201
    print(f"# admin: {emulator.url()}/_emulator/", flush=True)  # noqa: T201


if __name__ == "__main__":
    sys.exit(main())
