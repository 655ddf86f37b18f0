"""The real manager process over real HTTP, killed by SIGKILL at a call it makes.

The servers run in this process; the manager is ``cloud-controller-manager`` as a user starts it.
"""

from __future__ import annotations

import collections
import os
import signal
import subprocess
import sys
import threading
import time

import msgspec
from cluster import CLUSTER_ID, Cluster, Unsettled

from cloudprovider.testing.emulation import EmulatorOptions
from cloudprovider.testing.faults import Fault, FaultPlan
from cloudprovider.testing.harness import oracles
from cloudprovider_alicloud.emulator.server import AlicloudEmulator
from cloudprovider_controllers.runtime.client import Client
from cloudprovider_sandbox.apiserver.http import ApiServerHttp
from cloudprovider_sandbox.apiserver.inprocess import InProcessTransport
from cloudprovider_sandbox.apiserver.server import ApiServer

FLAGS = [
    "--cloud-provider=alicloud",
    "--leader-elect=false",
    "--secure-port=0",
    "--configure-cloud-routes=false",
]
WITHIN = 40.0


class Kill(msgspec.Struct, frozen=True):
    """SIGKILL at the nth call of an operation, before or after its effect."""

    api: str
    op: str
    nth: int
    after: bool

    def __str__(self):
        return f"{'after' if self.after else 'before'}-{self.op.replace('/', '-')}-{self.nth}"


class KillPlan(FaultPlan):
    """Counts the manager's calls to both servers, and kills it at one of them.

    Calls of the test itself come from the main thread and do not count.
    """

    def __init__(self, kill=None):
        super().__init__()
        self._kill = kill
        self._calls = threading.Lock()
        self.calls: list[tuple[str, str]] = []
        self.kills = 0
        self.pid = 0

    def match(self, api, op, key=""):
        if threading.current_thread() is threading.main_thread():
            return None
        with self._calls:
            self.calls.append((api, op))
            count = self.calls.count((api, op))
            if self._kill is None or self.kills or (api, op, count) != self._at():
                return None
            self.kills += 1
            # Dead from here on: what is still carried out is what the server had received.
            os.kill(self.pid, signal.SIGKILL)
        return None if self._kill.after else Fault(kind="not_sent")

    def _at(self):
        return self._kill.api, self._kill.op, self._kill.nth


class ProcessWorld(Cluster):
    """One run with real processes. A context manager: nothing outlives it."""

    def __init__(self, folder, *, kill=None, nodes=2):
        super().__init__()
        self._folder = folder
        self._nodes = nodes
        self.plan = KillPlan(kill)
        self.restarts = -1
        self._manager = None

    def __enter__(self):
        self.server = ApiServer(faults=self.plan)
        emulator = AlicloudEmulator(EmulatorOptions(cluster_id=CLUSTER_ID, seed=1))
        emulator.core.faults = self.plan
        self.core, self.cloud = emulator.core, emulator.world
        self._http, self._emulator = ApiServerHttp(self.server).start(), emulator
        emulator.start()
        self.client = Client(InProcessTransport(self.server, proc="user", user_agent="user"), qps=0)
        self._write_files()
        for number in range(1, self._nodes + 1):
            self.join(f"node-{number}")
        self.initial = self.view()
        self.restart_if_dead()
        return self

    def __exit__(self, *exc):
        if self._manager.poll() is None:
            self._manager.terminate()
            self._manager.wait(20)
        self._emulator.stop()
        self._http.stop()

    def _write_files(self):
        (self._folder / "kubeconfig").write_text(self._http.kubeconfig())
        (self._folder / "cloud.conf").write_text(self._emulator.cloud_config())

    def restart_if_dead(self):
        """What a kubelet does with a manager that died."""
        if self._manager is not None and self._manager.poll() is None:
            return
        command = [sys.executable, "-m", "cloudprovider_manager.main", *FLAGS]
        command += [f"--kubeconfig={self._folder / 'kubeconfig'}"]
        command += [f"--cloud-config={self._folder / 'cloud.conf'}"]
        with (self._folder / "log").open("ab") as log:
            self._manager = subprocess.Popen(
                command,
                env={**os.environ, **self._emulator.environment()},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )
        self.plan.pid = self._manager.pid
        self.restarts += 1

    def settle(self):
        """Wait until cluster and cloud agree."""
        self._wait(lambda: not self.unsettled())

    def wait_until_killed(self):
        """Wait for calls that come after the last step, and for the manager after them."""
        self._wait(lambda: (self.plan.kills, self.restarts) == (1, 1))
        self.settle()

    def _wait(self, done):
        deadline = time.monotonic() + WITHIN
        while time.monotonic() < deadline:
            self.restart_if_dead()
            problems = oracles.nothing_twice(self.view())
            if problems:
                raise Unsettled(problems)
            if done():
                return
            time.sleep(0.02)
        log = (self._folder / "log").read_text()[-3000:]
        raise Unsettled([*self.unsettled(), f"kills: {self.plan.kills}", log])


def create_and_delete(world):
    """Scenario 1, as far as it goes without virtual time."""
    world.settle()
    world.expose(80)
    world.settle()
    world.delete()
    world.settle()


def kills(calls):
    """Every way to kill at the recorded ``calls``: twice at writes, once at reads."""
    seen = collections.Counter()
    for api, op in calls:
        seen[api, op] += 1
        reads = op.startswith(("GET", "WATCH", "Describe", "LIST", "List"))
        for after in (False,) if reads else (False, True):
            yield Kill(api, op, seen[api, op], after)
