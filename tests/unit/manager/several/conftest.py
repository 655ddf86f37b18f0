"""One cluster on two clouds: an emulated Alibaba Cloud and the recording fake, on virtual time."""

from __future__ import annotations

import itertools

import msgspec
import pytest

from cloudprovider.owners import PROVIDER_LABEL
from cloudprovider.testing.fake import FakeCloud
from cloudprovider.testing.virtual import VirtualConcurrency
from cloudprovider_alicloud.config import load
from cloudprovider_alicloud.emulator.core import EmulatorCore
from cloudprovider_alicloud.emulator.inprocess import EmulatorCaller
from cloudprovider_alicloud.emulator.world import default_world, launch_instance, terminate_instance
from cloudprovider_alicloud.provider import AlicloudProvider
from cloudprovider_controllers.runtime.client import Client
from cloudprovider_controllers.runtime.errors import NotFound
from cloudprovider_controllers.runtime.resources import EVENTS, NODES, SERVICES
from cloudprovider_manager.app import Manager
from cloudprovider_manager.options import Options
from cloudprovider_sandbox.apiserver.inprocess import InProcessTransport
from cloudprovider_sandbox.apiserver.server import ApiServer

UNINITIALIZED = "node.cloudprovider.kubernetes.io/uninitialized"
CLB = "alibabacloud.com/clb"


class Clouds:
    """What the cluster stands on, and what its users do."""

    def __init__(self, hub):
        self.hub = hub
        self.server = ApiServer(concurrency=hub)
        self.user = Client(
            InProcessTransport(self.server, proc="user", user_agent="kubectl"), qps=0
        )
        self.core = EmulatorCore(seed=1)
        self.region = default_world(self.core)
        #: Survives managers, as a cloud does.
        self.fake = FakeCloud(concurrency=hub)
        self.fake.classes = ("example.com/fake",)
        self.emulated = {}
        self.managers = []
        self.codes = []
        self._balancers = set(self.core.state.load_balancers)
        self._processes = itertools.count(1)

    # -- managers --------------------------------------------------------------------------

    def providers(self, names):
        made = {"alicloud": self._alicloud, "fake": lambda: self.fake}
        return [made[name]() for name in names.split(",")]

    def _alicloud(self):
        zones = zip(self.region.zones, self.region.vswitches, strict=True)
        config = {
            "Global": {
                "accessKeyID": "TFRBSWVtdWxhdG9y",
                "accessKeySecret": "ZW11bGF0b3Itc2VjcmV0",
                "region": self.region.region,
                "vpcid": self.region.vpc,
                "vswitchid": ",".join(f"{zone}:{vswitch}" for zone, vswitch in zones),
                "routeTableIDs": self.region.route_table,
                "clusterID": "c-test",
            }
        }
        return AlicloudProvider(
            load(msgspec.json.encode(config).decode(), {}), caller=EmulatorCaller(self.core)
        )

    def start(self, names, *, seconds=20.0, clouds=None, **fields):
        """A manager with ``--cloud-provider=NAMES``, given time to settle."""
        self.stop()
        options = Options(
            cloud_provider=names, secure_port=0, leader_elect=False,
            **{"configure_cloud_routes": False, **fields},
        )  # fmt: skip
        name = f"manager-{next(self._processes)}"
        transport = InProcessTransport(self.server, proc=name, user_agent="manager")
        stop = self.hub.event()
        manager = Manager(
            options,
            transport=transport,
            cloud=clouds or self.providers(names),
            concurrency=self.hub,
        )
        self.hub.start_process(lambda: self.codes.append(manager.run(stop)), process=name)
        self.managers.append((manager, stop))
        self.hub.sleep(seconds)
        return manager

    def stop(self):
        """Stop the manager that runs, in order."""
        if self.managers and not self.managers[-1][1].is_set():
            self.managers[-1][1].set()
            self.hub.sleep(20)

    def runs(self):
        """Whether the last manager was not killed."""
        return bool(self.hub.threads(f"manager-{len(self.managers)}"))

    def wait(self, seconds):
        self.hub.sleep(seconds)

    # -- nodes -----------------------------------------------------------------------------

    def join_alicloud(self, name, *, provider_id=True, **fields):
        with self.core.lock:
            instance = launch_instance(
                self.core.state, region=self.region.region, vswitch=self.region.vswitches[0],
                now=self.core.now(), host_name=name,
            )  # fmt: skip
        self.emulated[name] = instance
        self._join(name, f"{self.region.region}.{instance.id}" if provider_id else "", **fields)

    def join_fake(self, name, *, provider_id=True, **fields):
        self.fake.add_instance(name, addresses=[("InternalIP", "10.9.0.1")])
        self._join(name, f"fake://{name}" if provider_id else "", **fields)

    def join_foreign(self, name, **fields):
        self._join(name, f"other:///{name}", **fields)

    def _join(self, name, provider_id, *, label="", ready="True", tainted=True):
        spec = {"providerID": provider_id} if provider_id else {}
        if tainted:
            spec["taints"] = [{"key": UNINITIALIZED, "value": "true", "effect": "NoSchedule"}]
        labels = {PROVIDER_LABEL: label} if label else {}
        body = {
            "metadata": {"name": name, "labels": labels},
            "spec": spec,
            "status": {"conditions": [{"type": "Ready", "status": ready}]},
        }
        self.user.create(NODES, body)
        self.user.patch(NODES, name, {"status": body["status"]}, subresource="status")

    def lose(self, name):
        """Its kubelet falls silent; the cloud no longer has the instance, if it ever had."""
        if name in self.emulated:
            with self.core.lock:
                instance = self.core.state.instances[self.emulated.pop(name).id]
                terminate_instance(self.core.state, instance)
        self.fake.instances.pop(name, None)
        body = {"status": {"conditions": [{"type": "Ready", "status": "Unknown"}]}}
        self.user.patch(NODES, name, body, subresource="status")

    def node(self, name):
        try:
            return self.user.get(NODES, name)
        except NotFound:
            return None

    def initialised(self, name):
        taints = {taint.key for taint in self.node(name).spec.taints or ()}
        return UNINITIALIZED not in taints

    # -- Services --------------------------------------------------------------------------

    def expose(self, name, *, wanted=None, labels=None):
        spec = {"type": "LoadBalancer", "ports": [{"port": 80}], "selector": {"app": name}}
        if wanted is not None:
            spec["loadBalancerClass"] = wanted
        body = {"metadata": {"name": name, "labels": labels or {}}, "spec": spec}
        return self.user.create(SERVICES, body, "default")

    def service(self, name):
        try:
            return self.user.get(SERVICES, name, "default")
        except NotFound:
            return None

    def change(self, name, body):
        self.user.patch(SERVICES, name, body, namespace="default", patch_type="merge")

    def label(self, name, value):
        self.change(name, {"metadata": {"labels": {PROVIDER_LABEL: value}}})

    def delete(self, name):
        self.user.delete(SERVICES, name, namespace="default")

    def record(self, name):
        return (self.service(name).metadata.labels or {}).get(PROVIDER_LABEL)

    def address(self, name):
        ingress = self.service(name).status.load_balancer.ingress
        return ingress[0].ip if ingress else None

    def who_has(self):
        """How many load balancers each cloud has, made by the managers."""
        made = set(self.core.state.load_balancers) - self._balancers
        return {"alicloud": len(made), "fake": len(self.fake.balancers)}

    def routed(self):
        """The ranges of Pods that the emulated cloud routes."""
        entries = self.core.state.route_entries.values()
        return {entry.cidr for entry in entries if entry.cidr.startswith("10.244.")}

    # -- looking back ----------------------------------------------------------------------

    def events(self, name):
        found = []
        for event in self.user.list(EVENTS):
            raw = self.user.get_raw(EVENTS, event.metadata.name, event.metadata.namespace)
            if raw["involvedObject"]["name"] == name:
                found += [(raw["reason"], raw["message"])] * raw.get("count", 1)
        return found

    def said(self, name, reason):
        return [message for why, message in self.events(name) if why == reason]


@pytest.fixture
def play():
    """Run a scene on virtual time with :class:`Clouds` of its own."""

    def run(scene):
        hub = VirtualConcurrency()

        def main():
            clouds = Clouds(hub)
            scene(clouds)
            clouds.stop()
            assert set(clouds.codes) <= {0}, clouds.codes

        hub.run(main)
        assert hub.errors() == []

    return run
