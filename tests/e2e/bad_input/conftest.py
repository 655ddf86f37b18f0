"""A real manager with the real SDK, against an API server and an emulated cloud over HTTP."""

import dataclasses
import http.client
import json
import os
import pathlib
import re
import socket
import subprocess
import sys
import time

import pytest

from cloudprovider.testing.emulation import EmulatorOptions
from cloudprovider_alicloud.emulator.inventory import foreign
from cloudprovider_alicloud.emulator.server import AlicloudEmulator
from cloudprovider_controllers.runtime.client import Client
from cloudprovider_controllers.runtime.resources import EVENTS, NODES, SERVICES
from cloudprovider_sandbox.apiserver.http import ApiServerHttp
from cloudprovider_sandbox.apiserver.inprocess import InProcessTransport
from cloudprovider_sandbox.apiserver.server import ApiServer

CLUSTER_ID = "c-test"
PREFIX = "service.beta.kubernetes.io/alibaba-cloud-loadbalancer-"


@dataclasses.dataclass
class Process:
    """One manager."""

    popen: subprocess.Popen
    log: pathlib.Path
    port: int
    config: pathlib.Path

    def text(self):
        """Everything it wrote."""
        return self.log.read_text()

    def errors(self):
        """What it says is wrong: the lines for an operator, without severity, time and place."""
        lines = [line for line in self.text().splitlines() if line.startswith("E")]
        return [re.sub(r"^E\d{4} \S+ +\d+ \S+\] ", "", line) for line in lines]

    def tries(self, what):
        """How often ``what`` (``service: default/web``, ``Nodes: node-1``) has failed."""
        return len(re.findall(rf"\] {re.escape(what)} failed, try \d+: ", self.text()))

    def refused(self):
        """Wait until it gave up; its errors."""
        assert self.popen.wait(50) == 1, self.text()
        assert "Traceback" not in self.text()
        return self.errors()

    def healthy(self):
        """Whether ``/healthz`` says ok."""
        made = http.client.HTTPConnection("127.0.0.1", self.port, timeout=5)
        try:
            made.request("GET", "/healthz")
            return made.getresponse().read() == b"ok"
        except OSError:
            return False
        finally:
            made.close()

    def stop(self):
        """SIGTERM; the exit code."""
        self.popen.terminate()
        return self.popen.wait(20)


def install(folder, name, body, attribute="new", distribution="acme"):
    """A distribution in ``folder``, for PYTHONPATH; its entry point ``name`` leads to ``body``."""
    module = f"{distribution}_provider"
    info = folder / f"{distribution}-1.0.dist-info"
    info.mkdir(parents=True)
    (folder / f"{module}.py").write_text(body)
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {distribution}\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(
        f"[cloudprovider.providers]\n{name} = {module}:{attribute}\n"
    )


class World:
    """The two servers, what users do, and what they see."""

    def __init__(self, folder):
        self.folder = folder
        self.server = ApiServer()
        self._http = ApiServerHttp(self.server)
        self.emulator = AlicloudEmulator(EmulatorOptions(cluster_id=CLUSTER_ID, seed=1))
        self.client = Client(InProcessTransport(self.server, proc="user", user_agent="user"), qps=0)
        self._processes = []

    def __enter__(self):
        self._http.start()
        self.emulator.start()
        (self.folder / "kubeconfig").write_text(self._http.kubeconfig())
        return self

    def __exit__(self, *exc):
        for process in self._processes:
            if process.popen.poll() is None:
                process.popen.kill()
                process.popen.wait()
        self.emulator.stop()
        self._http.stop()

    # -- the manager -----------------------------------------------------------------------

    def start(self, *flags, provider="alicloud", config=None, **environment):
        """Start a manager; ``config`` is the text or bytes of its cloud config."""
        number = len(self._processes)
        path = self.folder / f"cloud-{number}.conf"
        text = self.emulator.cloud_config() if config is None else config
        path.write_bytes(text.encode() if isinstance(text, str) else text)
        path.chmod(0o600)
        port = free_port()
        command = [
            sys.executable, "-m", "cloudprovider_manager.main",
            f"--cloud-provider={provider}", f"--kubeconfig={self.folder / 'kubeconfig'}",
            f"--cloud-config={path}", "--configure-cloud-routes=false", "--leader-elect=false",
            "--bind-address=127.0.0.1", f"--secure-port={port}", *flags,
        ]  # fmt: skip
        log = self.folder / f"manager-{number}.log"
        with log.open("wb") as output:
            popen = subprocess.Popen(
                command,
                env={**os.environ, **self.emulator.environment(), **environment},
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
            )
        self._processes.append(Process(popen, log, port, path))
        return self._processes[-1]

    def config(self, **values):
        """The emulator's cloud config with ``values`` of ``Global`` changed; None removes one."""
        document = json.loads(self.emulator.cloud_config())
        for name, value in values.items():
            document["Global"][name] = value
            if value is None:
                del document["Global"][name]
        return json.dumps(document)

    # -- users -----------------------------------------------------------------------------

    def join(self, name):
        """An instance starts and its kubelet registers the node."""
        taint = {
            "key": "node.cloudprovider.kubernetes.io/uninitialized",
            "value": "true",
            "effect": "NoSchedule",
        }
        provider_id = self.emulator.launch_instance(name).provider_id
        spec = {"providerID": provider_id, "taints": [taint]}
        self.client.create(NODES, {"metadata": {"name": name}, "spec": spec})

    def expose(self, name, annotations=None, **spec):
        """Create a Service of type LoadBalancer."""
        spec = {"type": "LoadBalancer", "ports": [{"port": 80}], "selector": {"app": name}, **spec}
        metadata = {"name": name, "annotations": annotations or {}}
        self.client.create(SERVICES, {"metadata": metadata, "spec": spec}, "default")

    def edit(self, name, annotations=None, **spec):
        """Change a Service; what is None goes away."""
        body = {"metadata": {"annotations": annotations or {}}, "spec": spec}
        self.client.patch(SERVICES, name, body, namespace="default", patch_type="merge")

    def delete(self, name):
        """Delete a Service."""
        self.client.delete(SERVICES, name, namespace="default")

    def services(self):
        """The names of the Services that there are."""
        found = self.client.list(SERVICES, namespace="default")
        return {service.metadata.name for service in found} - {"kubernetes"}

    # -- what they see -----------------------------------------------------------------------

    def initialized(self, name):
        """Whether the node has lost its taint."""
        return not self.client.get(NODES, name).spec.taints

    def address(self, name):
        """The address in the Service's status, or empty."""
        ingress = self.client.get(SERVICES, name, "default").status.load_balancer.ingress
        return ingress[0].ip if ingress else ""

    def warnings(self, name):
        """The Warning events about the object called ``name``."""
        events = self.client.get_raw(EVENTS, "", "default")["items"]
        return [
            event
            for event in events
            if event["involvedObject"]["name"] == name and event["type"] == "Warning"
        ]

    def cloud_calls(self, since=-1):
        """The calls that reached the cloud after the journal's record ``since``."""
        return self.emulator.journal.records(since)

    def foreign(self):
        """Everything in the cloud that is not the cluster's, byte for byte."""
        return foreign(self.emulator.core, CLUSTER_ID)


def free_port():
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return sock.getsockname()[1]


def eventually(condition, what="", timeout=15.0):
    """Wait until ``condition()`` is true and return what it is then."""
    deadline = time.monotonic() + timeout
    while not (found := condition()):
        assert time.monotonic() < deadline, f"it did not happen: {what}"
        time.sleep(0.02)
    return found


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    """One pair of servers for the tests of a module."""
    with World(tmp_path_factory.mktemp("world")) as made:
        yield made


@pytest.fixture(scope="session")
def until():
    return eventually


@pytest.fixture(scope="session")
def new_world():
    return World


@pytest.fixture(scope="session")
def plugin():
    return install
