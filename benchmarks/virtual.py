"""The same work on virtual time: only waiting counts, neither this machine's speed nor its load.

API server, emulator and manager run in one thread, without HTTP and without the SDK.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence

from benchmarks.cluster import Cluster
from benchmarks.processes import BenchmarkError
from cloudprovider.testing.emulation import EmulatorOptions
from cloudprovider.testing.virtual import VirtualConcurrency
from cloudprovider.toolkit.journal import Record
from cloudprovider_alicloud.config import load
from cloudprovider_alicloud.emulator.inprocess import EmulatorCaller
from cloudprovider_alicloud.emulator.server import AlicloudEmulator
from cloudprovider_alicloud.provider import AlicloudProvider
from cloudprovider_manager import command
from cloudprovider_manager.app import Manager
from cloudprovider_sandbox.apiserver.inprocess import InProcessTransport

_FLAGS = (
    "--cloud-provider=alicloud",
    "--leader-elect=false",
    "--secure-port=0",
    "--configure-cloud-routes=false",
)


class VirtualBench:
    """A cluster and a cloud; built by :func:`play`."""

    def __init__(self, time: VirtualConcurrency, *, nodes: int, latency: float) -> None:
        self._time = time
        self.cluster = Cluster(clock=time.monotonic)
        self._emulator = AlicloudEmulator(EmulatorOptions(cluster_id="bench", seed=1))
        self._emulator.set_latency(latency)
        self.join(nodes)

    def join(self, count: int) -> None:
        """New instances become nodes at once."""
        for _ in range(count):
            self.cluster.register(self._emulator.launch_instance())

    def start(self, flags: Sequence[str]) -> None:
        """Start the manager, and wait until it has settled."""
        config = load(self._emulator.cloud_config(), {})
        provider = AlicloudProvider(config, caller=EmulatorCaller(self._emulator.core))
        transport = InProcessTransport(self.cluster.server)
        options = command.read([*_FLAGS, *flags]).options
        manager = Manager(options, transport=transport, cloud=provider)
        self._registry = manager.monitoring.registry

        def run() -> None:
            manager.run(self._time.event())

        self._time.start_process(run, process="manager")
        self.settle()

    def wait(self, done: Callable[[], object], what: str, *, timeout: float = 600.0) -> None:
        """Until ``done()``. Raises BenchmarkError after ``timeout`` virtual seconds."""
        deadline = self.now() + timeout
        while not done():
            if self.now() > deadline:
                raise BenchmarkError(f"not within {timeout:g} s: {what}")
            self._time.sleep(0.02)

    def settle(self) -> None:
        """Wait longer than any window of the controllers."""
        self._time.sleep(10.0)

    def now(self) -> float:
        """Virtual seconds."""
        return self._time.monotonic()

    def waited(self) -> dict[str, float]:
        """Seconds that calls have waited for their budget so far, by action; added up."""
        name = "cloudprovider_api_budget_wait_seconds_total"
        return {
            sample.labels["action"]: sample.value
            for metric in self._registry.collect()
            for sample in metric.samples
            if sample.name == name
        }

    def calls(self, since: int = -1) -> list[Record]:
        """Calls to the cloud."""
        return self._emulator.journal.records(since)


def play(
    story: Callable[[VirtualBench], None], *, nodes: int, latency: float, flags: Sequence[str] = ()
) -> None:
    """Run ``story`` with a manager that has settled."""
    time = VirtualConcurrency(max_steps=50_000_000)
    logging.disable()  # what the manager would log in a process of its own

    def main() -> None:
        made = VirtualBench(time, nodes=nodes, latency=latency)
        made.start(flags)
        story(made)

    time.run(main)
