"""Real managers with the real SDK, between an API server and the emulated Alibaba Cloud."""

from __future__ import annotations

import os
import pathlib
import re
import signal
import subprocess
import sys
import time

from cluster import CLUSTER_ID, Cluster

from cloudprovider.testing.emulation import EmulatorOptions
from cloudprovider_alicloud.emulator.server import AlicloudEmulator
from cloudprovider_controllers.runtime.client import Client
from cloudprovider_controllers.runtime.kubeconfig import load_cluster_config
from cloudprovider_controllers.runtime.resources import NODES, SERVICES
from cloudprovider_controllers.runtime.transport import HttpTransport

FLAGS = (
    "--cloud-provider=alicloud",
    "--secure-port=0",
    "--configure-cloud-routes=false",
    "--v=2",
)
LEASE = "/apis/coordination.k8s.io/v1/namespaces/kube-system/leases/cloud-controller-manager"
WITHIN = 30.0
_MISTAKE = re.compile(r"Traceback|\b40[13]\b|forbidden|(?<!-)unauthorized", re.IGNORECASE)


class Manager:
    """One ``cloud-controller-manager`` process."""

    def __init__(self, log, environment, arguments):
        self._log = log
        with log.open("wb") as output:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "cloudprovider_manager.main", *arguments],
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
            )

    @property
    def log(self):
        return self._log.read_text()

    def mistakes(self):
        """Lines of its log that no healthy run has."""
        return [line for line in self.log.splitlines() if _MISTAKE.search(line)]

    def stop(self, number=signal.SIGTERM):
        """End it; its exit code."""
        if self.process.poll() is None:
            self.process.send_signal(number)
        return self.process.wait(20)


class LiveCluster(Cluster):
    """A cluster on ``server``, emptied before and after, with a cloud and managers."""

    def __init__(self, server, folder: pathlib.Path):
        super().__init__()
        self.api = server
        self._folder = folder
        self.managers: list[Manager] = []

    def __enter__(self):
        self._emulator = AlicloudEmulator(EmulatorOptions(cluster_id=CLUSTER_ID, seed=1))
        self._emulator.start()
        self.core, self.cloud = self._emulator.core, self._emulator.world
        (self._folder / "cloud.conf").write_text(self._emulator.cloud_config())
        config = load_cluster_config(str(self.kubeconfig()), None)
        self._transport = HttpTransport(config, user_agent="user/1")
        self.client = Client(self._transport, qps=0)
        self._empty()
        self.initial = self.view()
        self._begin = self.api.mark()
        return self

    def __exit__(self, *exc):
        for manager in self.managers:
            if manager.process.poll() is None:
                manager.process.kill()
                manager.process.wait()
        self._empty()
        self._transport.close()
        self._emulator.stop()

    def _empty(self):
        for item in self.api.items("/api/v1/services"):
            meta = item["metadata"]
            if meta["name"] != "kubernetes":
                path = f"/api/v1/namespaces/{meta['namespace']}/services/{meta['name']}"
                none = {"metadata": {"finalizers": None}}
                self.api.do("PATCH", path, none, content_type="application/merge-patch+json")
                self.api.do("DELETE", path)
        self.api.do("DELETE", "/api/v1/nodes")
        self.api.do("DELETE", "/api/v1/namespaces/default/events")
        self.api.request("DELETE", LEASE)

    def kubeconfig(self, token=None):
        """A file for whom ``token`` stands for, or for the administrator."""
        path = self._folder / f"kubeconfig-{len(list(self._folder.iterdir()))}"
        path.write_text(self.api.kubeconfig(*([token] if token else ())))
        return path

    # -- managers --------------------------------------------------------------------------

    def start(self, *flags, token=None):
        """Start a manager, as the administrator or as whom ``token`` stands for."""
        arguments = [
            *FLAGS,
            *flags,
            f"--kubeconfig={self.kubeconfig(token)}",
            f"--cloud-config={self._folder / 'cloud.conf'}",
        ]
        environment = {**os.environ, **self._emulator.environment()}
        log = self._folder / f"manager-{len(self.managers)}.log"
        self.managers.append(Manager(log, environment, arguments))
        return self.managers[-1]

    def holder(self):
        """Who holds the lease; empty if nobody does."""
        answer = self.api.request("GET", LEASE)
        return answer.json["spec"].get("holderIdentity", "") if answer.status == 200 else ""

    def cloud_mark(self):
        """A moment, for :meth:`cloud_calls`."""
        records = self.core.journal.records()
        return records[-1].n if records else -1

    def cloud_calls(self, since=-1, *, write=None):
        """The cloud's actions called since then."""
        records = self.core.journal.records(since)
        return [record.op for record in records if write in (None, record.write)]

    # -- Kubernetes ------------------------------------------------------------------------

    def server_objects(self, plural):
        return self.client.list({"services": SERVICES, "nodes": NODES}[plural])

    def service(self, name="web"):
        return self.api.do("GET", f"/api/v1/namespaces/default/services/{name}")

    def node(self, name):
        return self.api.do("GET", f"/api/v1/nodes/{name}")

    def events(self, name):
        """(reason, type, component) of our events about the object ``name``, oldest first.

        The parts of a real API server tell of things too, without a source.
        """
        path = f"/api/v1/namespaces/default/events?fieldSelector=involvedObject.name%3D{name}"
        found = sorted(self.api.items(path), key=lambda item: item["metadata"]["name"])
        ours = [event for event in found if event["source"].get("component")]
        return [(e["reason"], e["type"], e["source"]["component"]) for e in ours]

    def versions(self):
        """resourceVersion of every node and Service."""
        objects = [*self.server_objects("nodes"), *self.server_objects("services")]
        return {item.metadata.uid: item.metadata.resource_version for item in objects}

    def writes(self, since=None):
        """What managers wrote to Kubernetes, but for leases and events."""
        calls = self.api.calls(self._begin if since is None else since)
        return [
            f"{call.verb} {call.what} {call.name}"
            for call in calls
            if _by_manager(call) and call.writes and call.what not in {"leases", "events"}
        ]

    def refusals(self):
        """Requests of managers that were refused for want of rights."""
        calls = self.api.calls(self._begin)
        return [call for call in calls if _by_manager(call) and call.status in (401, 403)]

    # -- waiting ---------------------------------------------------------------------------

    def settle(self):
        """Wait until cluster and cloud agree."""
        self.wait(lambda: not self.unsettled(), self.unsettled)

    def wait(self, done, why=lambda: "it did not happen"):
        """Wait until ``done()``; the seconds that took."""
        started = time.monotonic()
        while not done():
            ended = [manager.log[-2000:] for manager in self.managers[-1:]]
            assert time.monotonic() - started < WITHIN, (why(), *ended)
            time.sleep(0.05)
        return time.monotonic() - started

    def wait_until_quiet(self, seconds=1.0):
        """Wait until the cloud was not called for ``seconds``."""
        seen, since = self.cloud_mark(), time.monotonic()
        while time.monotonic() - since < seconds:
            time.sleep(0.05)
            if self.cloud_mark() != seen:
                seen, since = self.cloud_mark(), time.monotonic()

    def finish(self):
        """Stop every manager in order and judge what it did: no mistakes, no refusals."""
        codes = [manager.stop() for manager in self.managers if manager.process.poll() is None]
        assert set(codes) <= {0}
        mistakes = [line for manager in self.managers for line in manager.mistakes()]
        assert mistakes == [], "\n".join(mistakes)
        assert self.refusals() == []
        assert self.holder() == ""


def _by_manager(call):
    return call.agent.startswith("cloud-controller-manager")
