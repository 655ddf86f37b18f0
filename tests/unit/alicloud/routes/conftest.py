"""An emulated cloud with a route table, on virtual time, and the routes of one cluster in it."""

from __future__ import annotations

import dataclasses
import itertools

import pytest

from cloudprovider.interface import Route
from cloudprovider.testing.builders import make_node
from cloudprovider.testing.virtual import VirtualConcurrency
from cloudprovider_alicloud.api.client import CloudApi
from cloudprovider_alicloud.api.vpc import VpcApi
from cloudprovider_alicloud.config import AlicloudConfig
from cloudprovider_alicloud.emulator import world as start
from cloudprovider_alicloud.emulator.core import EmulatorCore
from cloudprovider_alicloud.emulator.inprocess import EmulatorCaller
from cloudprovider_alicloud.emulator.resources import NextHop, RouteEntry, RouteTable
from cloudprovider_alicloud.routes import VpcRoutes

REGION = "cn-hangzhou"
CLUSTER = "c-mine"
UID = "5e0a2d34-8d3b-4a36-9a3b-7f9f0d1c2b3a"


class Cloud:
    """The emulator's core and :class:`VpcRoutes` that call it. Use inside :meth:`run`."""

    def __init__(self, **config):
        self.clock = VirtualConcurrency()
        self.core = EmulatorCore(seed=1, concurrency=self.clock)
        self.start = start.default_world(self.core)
        self.table = self.start.route_table
        self._names = itertools.count(1)
        self.config = AlicloudConfig(
            **{"region": REGION, "cluster_id": CLUSTER, "vpc_id": self.start.vpc, **config}
        )
        self.routes = self.connect()

    def connect(self, **config):
        """New :class:`VpcRoutes`, as after a restart."""
        api = CloudApi(EmulatorCaller(self.core), region=REGION, concurrency=self.clock)
        config = dataclasses.replace(self.config, **config)
        return VpcRoutes(VpcApi(api), config, concurrency=self.clock)

    def run(self, scene):
        self.clock.run(scene)

    # -- the cloud --------------------------------------------------------------------------

    def launch(self):
        """An instance; its id."""
        launched = start.launch_instance(
            self.core.state, region=REGION, vswitch=self.start.vswitches[0], now=0.0
        )
        return launched.id

    def add_table(self):
        """A further route table of the VPC; its id."""
        table = RouteTable(
            id=self.core.state.new_id("vtb"), region=REGION, vpc=self.start.vpc, type="Custom"
        )
        return self.core.state.put(table).id

    def put(self, cidr, *hops, table="", **fields):
        """An entry that is there already; ``hops`` are instances."""
        fields.setdefault("next_hops", tuple(NextHop(id=hop) for hop in hops))
        entry = RouteEntry(
            id=self.core.state.new_id("rte"), table=table or self.table, cidr=cidr, **fields
        )
        return self.core.state.put(entry)

    def entries(self, table=""):
        """Custom entries: instance by destination, without the person's own of the start."""
        return {
            entry.cidr: entry.next_hops[0].id
            for entry in self.core.state.route_entries.values()
            if entry.table == (table or self.table)
            and entry.type == "Custom"
            and entry.name != "office"
        }

    def statuses(self):
        return {
            entry.cidr: entry.status
            for entry in self.core.state.route_entries.values()
            if entry.cidr in self.entries()
        }

    # -- what the controller does -----------------------------------------------------------

    def create(self, *pairs, routes=None):
        """Create routes (destination, instance); their outcomes."""
        wanted = [(UID, Route("", target, cidr)) for cidr, target in pairs]
        return list((routes or self.routes).create_routes("kubernetes", wanted))

    def delete(self, *listed):
        return list(self.routes.delete_routes("kubernetes", listed))

    def listed(self):
        return {route.destination_cidr: route for route in self.routes.list_routes("kubernetes")}

    def calls(self):
        """Names of the calls since :meth:`forget`."""
        return [record.op for record in self.core.journal.records()]

    def forget(self):
        self.core.journal.clear()


@pytest.fixture
def cloud():
    return Cloud()


@pytest.fixture(scope="session")
def cloud_with():
    """A cloud whose provider has the given config fields."""
    return Cloud


@pytest.fixture
def node():
    """A node of an instance with podCIDRs."""

    def make(*pod_cidrs, provider_id=f"{REGION}.i-1", **fields):
        return make_node("node-1", provider_id=provider_id, pod_cidrs=pod_cidrs, **fields)

    return make
