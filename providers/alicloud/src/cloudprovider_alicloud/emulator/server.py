"""The emulator over HTTP, as the sandbox and the command start it."""

from __future__ import annotations

import base64
import itertools
import json
from collections.abc import Sequence

from cloudprovider.concurrency import Concurrency
from cloudprovider.testing.emulation import (
    EmulatedInstance,
    Emulator,
    EmulatorOptions,
    InventoryItem,
)
from cloudprovider.toolkit.webserver import WebServer
from cloudprovider_alicloud.emulator import world
from cloudprovider_alicloud.emulator.admin import Admin
from cloudprovider_alicloud.emulator.core import EmulatorCore
from cloudprovider_alicloud.emulator.inventory import inventory
from cloudprovider_alicloud.emulator.metadata import MetadataService
from cloudprovider_alicloud.emulator.resources import Instance
from cloudprovider_alicloud.emulator.settings import Settings
from cloudprovider_alicloud.emulator.web import Application

_THREADS = 48


class AlicloudEmulator(Emulator):
    """Alibaba Cloud on one port of this machine: all products, metadata service, admin path."""

    def __init__(
        self,
        options: EmulatorOptions | None = None,
        *,
        settings: Settings | None = None,
        counter: itertools.count[int] | None = None,
        concurrency: Concurrency | None = None,
    ) -> None:
        self.options = options or EmulatorOptions()
        self.core = EmulatorCore(
            settings=settings,
            seed=self.options.seed,
            counter=counter,
            concurrency=concurrency,
        )
        if self.options.latency:
            self.core.settings.latency = self.options.latency
        self.journal = self.core.journal
        self.faults = self.core.faults
        self.world = world.default_world(self.core)
        self._start = self.core.snapshot()
        self._metadata = MetadataService(self.core)
        application = Application(self.core, self._metadata, Admin(self.core, self))
        self._server = WebServer(
            application, host=self.options.host, port=self.options.port, threads=_THREADS
        )

    # -- serving ---------------------------------------------------------------------------

    def start(self) -> None:
        self._server.start()

    def stop(self) -> None:
        self._server.stop()

    def url(self) -> str:
        return self._server.url

    def environment(self) -> dict[str, str]:
        host = self._server.url.removeprefix("http://")
        return {
            "SLB_ENDPOINT": host,
            "ECS_ENDPOINT": host,
            "VPC_ENDPOINT": host,
            "NLB_ENDPOINT": host,
            "METADATA_ENDPOINT": self._server.url,
            "ALICLOUD_CLIENT_SCHEME": "HTTP",
        }

    def cloud_config(self) -> str:
        zones, switches = self.world.zones, self.world.vswitches
        values = {
            "accessKeyID": _base64(world.ACCESS_KEY_ID),
            "accessKeySecret": _base64(world.ACCESS_KEY_SECRET),
            "clusterID": self.options.cluster_id,
            "region": self.world.region,
            "vpcid": self.world.vpc,
            "vswitchid": ",".join(
                f"{zone}:{vswitch}" for zone, vswitch in zip(zones, switches, strict=True)
            ),
            "zoneid": zones[0],
            "routeTableIDs": self.world.route_table,
        }
        return json.dumps({"Global": values}, indent=2) + "\n"

    # -- instances -------------------------------------------------------------------------

    def launch_instance(self, name: str = "") -> EmulatedInstance:
        core = self.core
        with core.lock:
            core.remember()
            number = core.state.count("node")
            instance = world.launch_instance(
                core.state,
                region=self.world.region,
                vswitch=self.world.vswitches[(number - 1) % len(self.world.vswitches)],
                host_name=name or f"node-{number}",
                security_group=self.world.security_group,
                now=core.now(),
                tags={"ack.aliyun.com": self.options.cluster_id},
            )
        return emulated(instance)

    def terminate_instance(self, instance_id: str) -> None:
        """Make an instance vanish. Raises KeyError when it is not there."""
        with self.core.lock:
            self.core.remember()
            world.terminate_instance(self.core.state, self.core.state.instances[instance_id])

    def stop_instance(self, instance_id: str) -> None:
        """Shut an instance down. Raises KeyError when it is not there."""
        with self.core.lock:
            self.core.remember()
            self.core.state.change(self.core.state.instances[instance_id], status="Stopped")

    # -- looking and setting ---------------------------------------------------------------

    def inventory(self) -> Sequence[InventoryItem]:
        return inventory(self.core)

    def set_latency(self, seconds: float) -> None:
        self.core.settings.latency = seconds

    def reset(self) -> None:
        """Back to the state at the start, without instances of the cluster, faults or journal."""
        self.core.restore(self._start)
        self.journal.clear()
        self.faults.clear()


def emulated(instance: Instance) -> EmulatedInstance:
    """``instance`` as the contract of emulators describes it."""
    return EmulatedInstance(
        instance_id=instance.id,
        node_name=instance.host_name,
        provider_id=f"{instance.region}.{instance.id}",
        internal_ip=instance.private_ips[0],
        zone=instance.zone,
    )


def new_emulator(options: EmulatorOptions) -> AlicloudEmulator:
    """The factory of the entry point ``cloudprovider.emulators: alicloud``."""
    return AlicloudEmulator(options)


def _base64(text: str) -> str:
    return base64.b64encode(text.encode()).decode()
