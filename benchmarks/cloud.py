"""The emulator of Alibaba Cloud as a process of its own, reached over HTTP."""

from __future__ import annotations

import contextlib
import pathlib
import shlex
from collections.abc import Iterator
from typing import Any

import msgspec
import urllib3

from benchmarks.processes import Process, wait_for
from cloudprovider.testing.emulation import EmulatedInstance
from cloudprovider.toolkit.journal import Record

_PREFIX = "# admin: "


class Cloud:
    """Drives a running emulator."""

    def __init__(self, process: Process, config: pathlib.Path) -> None:
        self.process = process
        self.config = config
        self.environment: dict[str, str] = {}
        self.latency = 0.0
        self._admin = ""
        self._last = -1
        self._pool = urllib3.PoolManager(retries=False)

    def introduced(self) -> bool:
        """Whether it has said where it is; takes note of it."""
        self.process.check()
        for line in self.process.log.read_text().splitlines():
            if line.startswith("export "):
                name, _, value = line.removeprefix("export ").partition("=")
                self.environment[name] = shlex.split(value)[0]
            elif line.startswith(_PREFIX):
                self._admin = line.removeprefix(_PREFIX)
        return bool(self._admin)

    def launch(self, name: str) -> EmulatedInstance:
        """A new instance."""
        return msgspec.convert(self._post("launch", {"name": name}), EmulatedInstance)

    def release(self, instance_id: str) -> None:
        """Terminate an instance."""
        self._post("terminate", {"instance_id": instance_id})

    def shut_down(self, instance_id: str) -> None:
        """Stop an instance."""
        self._post("stop", {"instance_id": instance_id})

    def set_latency(self, seconds: float) -> None:
        """Every call takes that long from now on."""
        self._post("latency", {"seconds": seconds})
        self.latency = seconds

    def calls(self, since: int = -1) -> list[Record]:
        """The calls after the one with index ``since``; times are this machine's monotonic ones."""
        reply = self._pool.request("GET", f"{self._admin}journal?since={since}")
        return msgspec.json.decode(reply.data, type=list[Record])

    def last(self) -> int:
        """Index of the last call; -1 if there was none."""
        for record in self.calls(self._last):
            self._last = record.n
        return self._last

    def _post(self, path: str, body: dict[str, Any]) -> Any:
        reply = self._pool.request("POST", self._admin + path, body=msgspec.json.encode(body))
        return msgspec.json.decode(reply.data)


@contextlib.contextmanager
def emulator(folder: pathlib.Path, *, latency: float = 0.0) -> Iterator[Cloud]:
    """A running emulator whose files are in ``folder``."""
    config = folder / "cloud-config"
    arguments = [
        "-m",
        "cloudprovider_alicloud.emulator",
        "--cluster-id=bench",
        f"--latency={latency}",
        f"--write-config={config}",
        "--seed=1",
    ]
    with Process(arguments, environment={}, log=folder / "emulator.log") as process:
        cloud = Cloud(process, config)
        cloud.latency = latency
        wait_for(cloud.introduced, "the emulator serves")
        yield cloud


def peak_in_flight(calls: list[Record], latency: float) -> int:
    """The most calls that the emulator had in hand at once."""
    changes = sorted(
        change
        for record in calls
        for change in ((record.t - record.seconds - latency, 1), (record.t, -1))
    )
    most = now = 0
    for _, change in changes:
        now += change
        most = max(most, now)
    return most
