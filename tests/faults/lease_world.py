"""Several real managers and one lease, real HTTP, a cloud in which calls take long.

Each manager has an access key and an API server's port of its own, so that the servers, which run
in this process, know who sent what and when it arrived.
"""

from __future__ import annotations

import dataclasses
import json
import os
import pathlib
import random
import signal
import subprocess
import sys
import threading
import time

import msgspec
from cluster import CLUSTER_ID, Cluster, Unsettled

from cloudprovider.testing.emulation import EmulatorOptions
from cloudprovider_alicloud.emulator.resources import AccessKey
from cloudprovider_alicloud.emulator.server import AlicloudEmulator
from cloudprovider_controllers.runtime.client import Client
from cloudprovider_controllers.runtime.resources import SERVICES
from cloudprovider_sandbox.apiserver.http import ApiServerHttp
from cloudprovider_sandbox.apiserver.inprocess import InProcessTransport
from cloudprovider_sandbox.apiserver.server import ApiServer

#: Short, so that many leases expire; and long enough for a busy machine to renew them.
FLAGS = (
    "--cloud-provider=alicloud",
    "--secure-port=0",
    "--configure-cloud-routes=false",
    "--leader-elect-lease-duration=3s",
    "--leader-elect-renew-deadline=2s",
    "--leader-elect-retry-period=300ms",
)
WITHIN = 90.0
SERVICE_COUNT = 6
#: Seconds that each call to the cloud takes.
LATENCY = 0.2


class Arrival(msgspec.Struct, frozen=True):
    """A request as it came in."""

    t: float  #: monotonic seconds of this process
    side: str
    op: str
    write: bool


@dataclasses.dataclass
class Pause:
    """One run: a leader was stopped, another took over, the first went on."""

    leader: str
    in_flight: int = 0  #: writes to the cloud that were on their way when it was stopped
    takeover: float = 0.0  #: seconds from the stop to the other's first write
    overlap: float = 0.0  #: seconds from the other's first write until it went on
    late: list[Arrival] = dataclasses.field(default_factory=list)  #: after the other's first write
    exit_code: int | None = None


class Front:
    """The API server as one manager reaches it; everything that comes in is noted."""

    def __init__(self, server, side, note):
        self._server, self._side, self._note = server, side, note
        self.leads_since = 0.0

    def __getattr__(self, name):
        return getattr(self._server, name)

    def handle(self, request):
        lease = "/leases" in request.path
        election = request.method == "POST" and "/namespaces/kube-system/events" in request.path
        write = request.method != "GET" and not lease and not election
        arrived = time.monotonic()
        self._note(Arrival(arrived, self._side, f"{request.method} {request.path}", write))
        reply = self._server.handle(request)
        if lease and request.method in ("PUT", "POST") and reply.status < 300:
            if b'"holderIdentity":""' in request.body:
                self.leads_since = 0.0
            else:
                self.leads_since = arrived
        return reply


class LeaseWorld(Cluster):
    """A context manager: no process outlives it."""

    def __init__(
        self, folder, *, seed=0, sides="abc", wrapper=("-m", "cloudprovider_manager.main")
    ):
        super().__init__()
        self._folder, self._wrapper = folder, wrapper
        self.chance = random.Random(f"leases-{seed}")
        self.sides = sides
        self.arrivals: list[Arrival] = []
        self._on_the_way: dict[str, int] = dict.fromkeys(sides, 0)
        self._lock = threading.Lock()
        self.processes: dict[str, subprocess.Popen] = {}
        self._paused = ""  #: the side that is not started again when it ends
        self._stop = threading.Event()

    def __enter__(self):
        self.server = ApiServer()
        self._emulator = AlicloudEmulator(EmulatorOptions(cluster_id=CLUSTER_ID, seed=1))
        self.core, self.cloud = self._emulator.core, self._emulator.world
        self.client = Client(InProcessTransport(self.server, proc="user", user_agent="user"), qps=0)
        self._listen()
        self._emulator.start()
        self.fronts = {side: Front(self.server, side, self.arrivals.append) for side in self.sides}
        self._https = {side: ApiServerHttp(self.fronts[side]).start() for side in self.sides}
        self.join("node-1")
        self.join("node-2")
        for number in range(SERVICE_COUNT):
            self.expose(80, name=f"web-{number}")
        self.initial = self.view()
        self._write_files()
        for side in self.sides:
            self.start(side)
        self._thread = threading.Thread(target=self._churn)
        self._thread.start()
        return self

    def __exit__(self, *exc):
        self._stop.set()
        self._thread.join()
        for process in self.processes.values():
            if process.poll() is None:
                process.kill()
            process.wait()
        self._emulator.stop()
        for http in self._https.values():
            http.stop()

    def _listen(self):
        """Note each call to the cloud when it comes in, before it takes its time."""
        admit, carry_out = self.core.admit, self.core.carry_out
        self.core.settings.latency = LATENCY

        def noted(request):
            side = request.access_key_id.removeprefix("LTAI-")
            write = not request.action.startswith(("Describe", "List"))
            with self._lock:
                self.arrivals.append(Arrival(time.monotonic(), side, request.action, write))
                self._on_the_way[side] = self._on_the_way.get(side, 0) + write
            return admit(request)

        def carried(request, fault=None):
            reply = carry_out(request, fault)
            if not request.action.startswith(("Describe", "List")):
                with self._lock:
                    self._on_the_way[request.access_key_id.removeprefix("LTAI-")] -= 1
            return reply

        self.core.admit, self.core.carry_out = noted, carried
        for side in self.sides:
            self.core.state.put(AccessKey(id=f"LTAI-{side}", secret=f"secret-{side}"))

    def _write_files(self):
        for side in self.sides:
            self._https[side].write_kubeconfig(self._folder / f"kubeconfig-{side}")
            config = json.loads(self._emulator.cloud_config())
            config["Global"] |= {
                "accessKeyID": _base64(f"LTAI-{side}"),
                "accessKeySecret": _base64(f"secret-{side}"),
            }
            (self._folder / f"cloud-{side}.conf").write_text(json.dumps(config))

    def start(self, side):
        """Start the manager ``side``, again or for the first time."""
        command = [sys.executable, *self._wrapper, *FLAGS]
        command += [f"--kubeconfig={self._folder / f'kubeconfig-{side}'}"]
        command += [f"--cloud-config={self._folder / f'cloud-{side}.conf'}"]
        with (self._folder / f"log-{side}").open("ab") as log:
            self.processes[side] = subprocess.Popen(
                command,
                env={**os.environ, **self._emulator.environment()},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )

    def server_objects(self, plural):
        return super().server_objects(plural)

    def _churn(self):
        """Users change Services all the time, so that there is always something to write."""
        turn = 0
        while not self._stop.wait(0.25):
            turn += 1
            name = f"web-{turn % SERVICE_COUNT}"
            ports = (80, 81) if (turn // SERVICE_COUNT) % 2 else (80,)
            body = {"spec": {"ports": own_ports(turn % SERVICE_COUNT, ports)}}
            self.client.patch(SERVICES, name, body, namespace="default", patch_type="merge")

    def expose(self, *ports, name="web"):
        number = int(name.rpartition("-")[2])
        spec = {"type": "LoadBalancer", "selector": {"app": name}}
        spec["ports"] = own_ports(number, ports)
        self.client.create(SERVICES, {"metadata": {"name": name}, "spec": spec}, "default")

    # -- runs ------------------------------------------------------------------------------

    def leader(self):
        """Who got or kept the lease last; empty if nobody has it."""
        side = max(self.sides, key=lambda side: self.fronts[side].leads_since)
        running = self.processes[side].poll() is None
        return side if running and self.fronts[side].leads_since else ""

    def run(self):
        """Stop the leader in the middle of its calls until another writes, and let it go on."""
        self.wait(self._busy_leader, "a leader that writes")
        time.sleep(self.chance.uniform(0, LATENCY))
        pause = Pause(self.leader())
        self._paused, process = pause.leader, self.processes[pause.leader]
        process.send_signal(signal.SIGSTOP)
        stopped = time.monotonic()
        self.wait(lambda: state(process) in ("T", ""), "the stop of the leader")
        pause.in_flight = self._on_the_way[pause.leader]
        mark = len(self.arrivals)
        what = f"a takeover from {pause.leader}, process {process.pid}"
        first = self.wait(lambda: self._first_of_others(mark, pause.leader), what)
        pause.takeover = first.t - stopped
        time.sleep(self.chance.choice((0.0, 0.0, self.chance.uniform(0, 0.5))))
        pause.overlap = time.monotonic() - first.t
        process.send_signal(signal.SIGCONT)
        self.wait(lambda: process.poll() is not None, "the end of the old leader")
        pause.exit_code = process.returncode
        pause.late = [
            arrival
            for arrival in self.arrivals[mark:]
            if arrival.write and arrival.side == pause.leader and arrival.t > first.t
        ]
        self._paused = ""
        self._revive()
        return pause

    def _revive(self):
        """Start again what has ended: on a busy machine a leader may lose its lease by itself."""
        for side, process in self.processes.items():
            if side != self._paused and process.poll() is not None:
                self.fronts[side].leads_since = 0.0
                self.start(side)

    def _busy_leader(self):
        leader = self.leader()
        return leader and self._on_the_way.get(leader, 0) > 0

    def _first_of_others(self, mark, leader):
        cloud = (
            arrival
            for arrival in self.arrivals[mark:]
            if arrival.write and arrival.side not in ("", leader)
        )
        return next(cloud, None)

    def wait(self, done, what):
        """What ``done()`` returns, once it is true."""
        deadline = time.monotonic() + WITHIN
        while not (found := done()):
            self._revive()
            if time.monotonic() > deadline:
                raise Unsettled([f"not within {WITHIN:g} s: {what}", *map(self._story, self.sides)])
            time.sleep(0.002)
        return found

    def _story(self, side):
        """What is known of a manager, for whoever reads a failure."""
        now, process = time.monotonic(), self.processes[side]
        last = [f"{now - a.t:.1f} s ago {a.op}" for a in self.arrivals if a.side == side][-4:]
        led = now - self.fronts[side].leads_since
        log = (self._folder / f"log-{side}").read_text()[-700:]
        told = f"{process.pid} {state(process)}, led {led:.1f} s ago, {last}, {log}"
        return f"{side}: {told}"

    def settle(self):
        """No more changes: wait until cluster and cloud agree."""
        self._stop.set()
        self._thread.join()
        self.wait(lambda: not self.unsettled(), "agreement")


def state(process):
    """``T`` for a process that is stopped, empty for one that has ended."""
    if process.poll() is not None:
        return ""
    return pathlib.Path(f"/proc/{process.pid}/stat").read_text().rpartition(")")[2].split()[0]


def own_ports(number, ports):
    """Ports of the Service ``number``, whose node ports nobody else has."""
    return [
        {
            "name": f"p{port}",
            "port": port,
            "protocol": "TCP",
            "nodePort": 30000 + 100 * number + port,
        }
        for port in ports
    ]


def _base64(text):
    import base64

    return base64.b64encode(text.encode()).decode()
