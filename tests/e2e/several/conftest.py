"""A real manager on two clouds: the real SDK against an emulator, and the fake as a plugin."""

import contextlib
import json
import os
import pathlib
import signal
import socket
import ssl
import subprocess
import sys
import time
import urllib.error
import urllib.request

import pytest

from cloudprovider.owners import PROVIDER_LABEL
from cloudprovider.testing.emulation import EmulatorOptions
from cloudprovider_alicloud.emulator.server import AlicloudEmulator
from cloudprovider_controllers.runtime.client import Client
from cloudprovider_controllers.runtime.errors import NotFound
from cloudprovider_controllers.runtime.resources import EVENTS, NODES, SERVICES
from cloudprovider_sandbox.apiserver.http import ApiServerHttp
from cloudprovider_sandbox.apiserver.inprocess import InProcessTransport
from cloudprovider_sandbox.apiserver.server import ApiServer

TAINT = {
    "key": "node.cloudprovider.kubernetes.io/uninitialized",
    "value": "true",
    "effect": "NoSchedule",
}


class Clouds:
    """The API server, both clouds, and what users do and see."""

    def __init__(self, folder: pathlib.Path):
        self.folder = folder
        self.server = ApiServer()
        self._http = ApiServerHttp(self.server)
        self.emulator = AlicloudEmulator(EmulatorOptions(cluster_id="c-test", seed=1))
        self.client = Client(InProcessTransport(self.server, proc="user", user_agent="user"), qps=0)
        self.world = {"instances": {}, "failing": {}}
        self.config = f"alicloud={folder}/alicloud.conf,fake={folder}/fake.json"
        self.port = free_port()
        self._popen = None
        self._logs = 0

    def __enter__(self):
        self._http.start()
        self.emulator.start()
        (self.folder / "kubeconfig").write_text(self._http.kubeconfig())
        self._write("alicloud.conf", self.emulator.cloud_config())
        files = {name: str(self.folder / f"{name}.json") for name in ("world", "cloud")}
        self._write("fake.json", json.dumps({**files, "classes": ["example.com/fake"]}))
        self._save()
        info = self.folder / "site" / "fakecloud-1.0.dist-info"
        info.mkdir(parents=True)
        (info / "METADATA").write_text("Metadata-Version: 2.1\nName: fakecloud\nVersion: 1.0\n")
        (info / "entry_points.txt").write_text(
            "[cloudprovider.providers]\nfake = cloudprovider.testing.fake_plugin:new_fake\n"
        )
        return self

    def __exit__(self, *exc):
        if self._popen and self._popen.poll() is None:
            self._popen.kill()
            self._popen.wait()
        self.emulator.stop()
        self._http.stop()

    def _write(self, name, text):
        path = self.folder / f"{name}.part"
        path.write_text(text)
        path.chmod(0o600)
        path.replace(self.folder / name)

    def _save(self):
        self._write("world.json", json.dumps(self.world))

    # -- the manager -----------------------------------------------------------------------

    def start(self, providers="alicloud,fake", *flags, config=None):
        """Start a manager, after the one that runs has stopped."""
        self.stop()
        self._logs += 1
        self.log = self.folder / f"manager-{self._logs}.log"
        command = [
            sys.executable, "-m", "cloudprovider_manager.main", f"--cloud-provider={providers}",
            f"--cloud-config={self.config if config is None else config}",
            f"--kubeconfig={self.folder / 'kubeconfig'}", "--configure-cloud-routes=false",
            "--leader-elect=false", "--bind-address=127.0.0.1", f"--secure-port={self.port}",
            "--node-monitor-period=500ms",
            "--authorization-always-allow-paths=/healthz,/readyz,/metrics,/configz", *flags,
        ]  # fmt: skip
        environment = {"PYTHONPATH": str(self.folder / "site"), **self.emulator.environment()}
        with self.log.open("wb") as output:
            self._popen = subprocess.Popen(
                command, env={**os.environ, **environment}, stdin=subprocess.DEVNULL,
                stdout=output, stderr=subprocess.STDOUT,
            )  # fmt: skip
        return self

    def stop(self):
        """SIGTERM, if it runs; its exit code."""
        if self._popen is None or self._popen.poll() is not None:
            return None
        self._popen.send_signal(signal.SIGTERM)
        return self._popen.wait(20)

    def refused(self):
        """Wait until it gave up; what it said."""
        assert self._popen.wait(20) == 1, self.log.read_text()
        return self.log.read_text()

    def get(self, path):
        context = ssl._create_unverified_context()
        try:
            with urllib.request.urlopen(
                f"https://127.0.0.1:{self.port}{path}", context=context, timeout=5
            ) as answer:
                return answer.read().decode()
        except (OSError, urllib.error.URLError):
            return ""

    # -- users -----------------------------------------------------------------------------

    def join(self, name, cloud):
        """An instance starts in ``cloud`` and its kubelet registers the node."""
        if cloud == "alicloud":
            provider_id = self.emulator.launch_instance(name).provider_id
        else:
            provider_id = f"{cloud}://{name}"
        if cloud == "fake":
            self.world["instances"][name] = {"address": "10.9.0.1"}
            self._save()
        body = {
            "metadata": {"name": name},
            "spec": {"providerID": provider_id, "taints": [TAINT]},
            "status": {"conditions": [{"type": "Ready", "status": "True"}]},
        }
        self.client.create(NODES, body)

    def fall_silent(self, *names):
        body = {"status": {"conditions": [{"type": "Ready", "status": "Unknown"}]}}
        for name in names:
            self.client.patch(NODES, name, body, subresource="status")

    def terminate(self, name):
        """Of the fake cloud."""
        del self.world["instances"][name]
        self._save()

    def break_fake(self, **failing):
        self.world["failing"] = failing
        self._save()

    def expose(self, name, wanted=None):
        spec = {"type": "LoadBalancer", "ports": [{"port": 80}], "selector": {"app": name}}
        if wanted:
            spec["loadBalancerClass"] = wanted
        self.client.create(SERVICES, {"metadata": {"name": name}, "spec": spec}, "default")

    def delete(self, name):
        self.client.delete(SERVICES, name, namespace="default")

    # -- what they see -----------------------------------------------------------------------

    def node_names(self):
        return {node.metadata.name for node in self.client.list(NODES)}

    def initialized(self, name):
        return not self.client.get(NODES, name).spec.taints

    def service(self, name):
        with contextlib.suppress(NotFound):
            return self.client.get(SERVICES, name, "default")
        return None

    def address(self, name):
        ingress = self.service(name).status.load_balancer.ingress
        return ingress[0].ip if ingress else ""

    def record(self, name):
        return (self.service(name).metadata.labels or {}).get(PROVIDER_LABEL)

    def messages(self, name, reason):
        events = self.client.get_raw(EVENTS, "", "default")["items"]
        return [
            event["message"]
            for event in events
            if (event["involvedObject"]["name"], event["reason"]) == (name, reason)
        ]

    def fake_cloud(self):
        path = self.folder / "cloud.json"
        if not path.exists():
            return {"balancers": {}, "calls": {}}
        return {"balancers": {}, "calls": {}, **json.loads(path.read_text())}


def free_port():
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return sock.getsockname()[1]


@pytest.fixture
def clouds(tmp_path):
    with Clouds(tmp_path) as made:
        yield made


@pytest.fixture(scope="session")
def until():
    def eventually(condition, what="", timeout=20.0):
        deadline = time.monotonic() + timeout
        while not (found := condition()):
            assert time.monotonic() < deadline, f"it did not happen: {what}"
            time.sleep(0.02)
        return found

    return eventually
