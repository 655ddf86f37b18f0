"""Managers as real processes against an embedded API server over HTTP."""

import contextlib
import dataclasses
import http.client
import json
import os
import pathlib
import signal
import socket
import ssl
import subprocess
import sys
import time

import pytest

from cloudprovider_sandbox.apiserver.auth import ADMIN
from cloudprovider_sandbox.apiserver.http import ApiServerHttp
from cloudprovider_sandbox.apiserver.messages import Request
from cloudprovider_sandbox.apiserver.server import ApiServer
from cloudprovider_sandbox.apiserver.server import Options as ServerOptions

TOKEN = "canary-service-account-token"

#: A provider of its own distribution: what an out-of-tree author would publish.
PLUGIN = """
import json, os, sys, time
from cloudprovider.interface import Interface, LoadBalancer
from cloudprovider.models import LoadBalancerIngress, LoadBalancerStatus


def note(**fields):
    with open(os.environ["FAKECLOUD_JOURNAL"], "a") as journal:
        journal.write(json.dumps({"pid": os.getpid(), "t": time.time(), **fields}) + "\\n")


class Balancer(LoadBalancer):
    def get_load_balancer(self, cluster_name, service):
        return None

    def get_load_balancer_name(self, cluster_name, service):
        return service.metadata.uid

    def ensure_load_balancer(self, cluster_name, service, nodes):
        note(call="begin", service=service.key, cluster=cluster_name)
        time.sleep(float(os.environ.get("FAKECLOUD_SECONDS", "0")))
        note(call="end", service=service.key)
        return LoadBalancerStatus(ingress=(LoadBalancerIngress(ip="192.0.2.1"),))

    def update_load_balancer(self, cluster_name, service, nodes):
        pass

    def ensure_load_balancer_deleted(self, cluster_name, service):
        note(call="delete", service=service.key)


class Cloud(Interface):
    def provider_name(self):
        return "fakecloud"

    def has_cluster_id(self):
        return True

    def initialize(self, client_builder, stop):
        note(call="initialize", modules=sorted(sys.modules))

    def load_balancer(self):
        return Balancer()


def new_fakecloud(config):
    text = config.read() if config else ""
    if "broken" in text:
        raise ValueError("line 1: broken is not known")
    note(call="build")
    return Cloud()
"""


@dataclasses.dataclass
class Process:
    """One manager."""

    popen: subprocess.Popen
    log: pathlib.Path
    port: int

    def text(self):
        return self.log.read_text()

    def signal(self, number=signal.SIGTERM):
        self.popen.send_signal(number)

    def wait(self, timeout=20):
        return self.popen.wait(timeout)

    def get(self, path, *, tls=True, token=""):
        """HTTP status and body; (0, "") while nothing listens."""
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        try:
            if tls:
                context = ssl._create_unverified_context()
                made = http.client.HTTPSConnection("127.0.0.1", self.port, context=context)
            else:
                made = http.client.HTTPConnection("127.0.0.1", self.port)
            with contextlib.closing(made):
                made.request("GET", path, headers=headers)
                answer = made.getresponse()
                return answer.status, answer.read().decode()
        except OSError:
            return 0, ""


class Cluster:
    """The API server, and the managers started against it."""

    def __init__(self, folder):
        self.folder = folder
        self.server = ApiServer(ServerOptions(tokens={TOKEN: ADMIN}))
        self.http = ApiServerHttp(self.server)
        self.processes = []
        self.journal_file = folder / "fakecloud.jsonl"
        self.journal_file.touch()
        self.kubeconfig = folder / "kubeconfig"
        #: Flags with which TOKEN may read everything on the secure port.
        self.readable = (
            f"--authentication-kubeconfig={self.kubeconfig}",
            f"--authorization-kubeconfig={self.kubeconfig}",
        )
        self.environment = {"FAKECLOUD_JOURNAL": str(self.journal_file)}
        self._install_plugin()

    def serve(self):
        self.http.start()
        self.http.write_kubeconfig(self.kubeconfig, TOKEN)

    def _install_plugin(self):
        site = self.folder / "site"
        info = site / "fakecloud-1.0.dist-info"
        info.mkdir(parents=True)
        (site / "fakecloud.py").write_text(PLUGIN)
        (info / "METADATA").write_text("Metadata-Version: 2.1\nName: fakecloud\nVersion: 1.0\n")
        (info / "entry_points.txt").write_text(
            "[cloudprovider.providers]\n"
            "fakecloud = fakecloud:new_fakecloud\n"
            "brokencloud = no_such_module:new\n"
        )
        self.environment["PYTHONPATH"] = str(site)

    def start(self, *arguments, provider="fakecloud", port=None, **environment):
        """Start a manager with the usual flags and ``arguments``."""
        port = free_port() if port is None else port
        log = self.folder / f"manager-{len(self.processes)}.log"
        command = [
            sys.executable, "-m", "cloudprovider_manager.main",
            f"--cloud-provider={provider}", f"--kubeconfig={self.kubeconfig}",
            "--bind-address=127.0.0.1", f"--secure-port={port}",
            "--configure-cloud-routes=false", *arguments,
        ]  # fmt: skip
        return self.launch(command, log, port, environment)

    def start_typed(self, *arguments, port, **environment):
        """Start a manager with ``arguments`` and nothing else."""
        log = self.folder / f"manager-{len(self.processes)}.log"
        command = [sys.executable, "-m", "cloudprovider_manager.main", *arguments]
        return self.launch(command, log, port, environment)

    def launch(self, command, log, port, environment):
        with log.open("wb") as output:
            popen = subprocess.Popen(
                command,
                env={**os.environ, **self.environment, **environment},
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
            )
        process = Process(popen, log, port)
        self.processes.append(process)
        return process

    def request(self, method, path, body=None):
        sent = json.dumps(body).encode() if body is not None else b""
        headers = {"content-type": "application/json", "authorization": f"Bearer {TOKEN}"}
        reply = self.server.handle(Request(method, path, {}, headers, sent, proc="test"))
        assert reply.status < 300, (reply.status, reply.body)
        return json.loads(reply.body)

    def holder(self):
        path = "/apis/coordination.k8s.io/v1/namespaces/kube-system/leases"
        leases = self.request("GET", path)["items"]
        return leases[0]["spec"].get("holderIdentity", "") if leases else ""

    def create_service(self, name="web", **annotations):
        body = {
            "apiVersion": "v1",
            "kind": "Service",
            "metadata": {"name": name, "annotations": annotations},
            "spec": {"type": "LoadBalancer", "ports": [{"port": 80}], "selector": {"app": name}},
        }
        self.request("POST", "/api/v1/namespaces/default/services", body)

    def address(self, name="web"):
        service = self.request("GET", f"/api/v1/namespaces/default/services/{name}")
        ingress = service["status"]["loadBalancer"].get("ingress") or [{}]
        return ingress[0].get("ip", "")

    def register_node(self, name, provider_id="", pod_cidr=""):
        """What a kubelet with --cloud-provider=external registers."""
        taint = {
            "key": "node.cloudprovider.kubernetes.io/uninitialized",
            "value": "true",
            "effect": "NoSchedule",
        }
        ready = {"type": "Ready", "status": "True"}
        spec = {"providerID": provider_id, "podCIDR": pod_cidr, "podCIDRs": [pod_cidr]}
        if not pod_cidr:
            del spec["podCIDRs"]
        body = {
            "apiVersion": "v1",
            "kind": "Node",
            "metadata": {"name": name},
            "spec": {"taints": [taint], **{key: value for key, value in spec.items() if value}},
            "status": {"conditions": [ready]},
        }
        self.request("POST", "/api/v1/nodes", body)

    def node(self, name):
        return self.request("GET", f"/api/v1/nodes/{name}")

    def condition(self, name, kind):
        """Status and reason of a condition of a node, or None."""
        found = [c for c in self.node(name)["status"].get("conditions", ()) if c["type"] == kind]
        return (found[0]["status"], found[0].get("reason")) if found else None

    def set_condition(self, name, **condition):
        """Add a condition, as another controller did before."""
        node = self.node(name)
        node["status"].setdefault("conditions", []).append(condition)
        self.request("PUT", f"/api/v1/nodes/{name}/status", node)

    def cloud_calls(self, call=None):
        lines = [json.loads(line) for line in self.journal_file.read_text().splitlines()]
        return [line for line in lines if call in (None, line["call"])]

    def close(self):
        for process in self.processes:
            if process.popen.poll() is None:
                process.popen.kill()
                process.popen.wait()
        with contextlib.suppress(Exception):
            self.http.stop()


def free_port():
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return sock.getsockname()[1]


def eventually(condition, timeout=15.0):
    """Wait until ``condition()`` is true; the seconds it took."""
    started = time.monotonic()
    while not condition():
        assert time.monotonic() - started < timeout, "it did not happen"
        time.sleep(0.02)
    return time.monotonic() - started


@pytest.fixture
def cluster(tmp_path):
    made = Cluster(tmp_path)
    made.serve()
    yield made
    made.close()


@pytest.fixture
def until():
    return eventually


@pytest.fixture
def port():
    return free_port()


@pytest.fixture
def other_port():
    return free_port()
