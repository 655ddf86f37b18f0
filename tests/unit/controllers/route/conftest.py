"""Routes, nodes and what they come to, in short form."""

from __future__ import annotations

import pathlib
import sys

import pytest

from cloudprovider.interface import Route
from cloudprovider.testing.builders import make_node
from cloudprovider.testing.fake import FakeCloud
from cloudprovider_controllers.route.decisions import plan, readable
from cloudprovider_controllers.route.demand import Key, demand
from cloudprovider_controllers.route.networks import Ranges

sys.path.insert(0, str(pathlib.Path(__file__).parent))  # the modules beside this one

CLUSTER = ("10.244.0.0/16", "fd00:244::/48")


class Diff:
    """The plan for nodes and listed routes, in text."""

    def __init__(self, nodes, listed, *, seen=(), cluster=CLUSTER, cloud=None):
        cloud = cloud or FakeCloud()
        self.listed, self.unreadable = readable(listed)
        wants = demand(nodes, cloud, cloud.routes())
        seen = {Key(*item) for item in seen}
        self.plan = plan(wants, self.listed, ranges=Ranges(cluster), seen=seen)

    @property
    def deleted(self):
        return {str(item.key) for item in (*self.plan.in_the_way, *self.plan.stale)}

    @property
    def stale(self):
        return {str(item.key) for item in self.plan.stale}

    @property
    def created(self):
        return [str(item.key) for item in self.plan.creates]

    @property
    def satisfied(self):
        return {f"{item.cidr} to {item.node}" for item in self.plan.satisfied}

    @property
    def refused(self):
        return {f"{item.cidr} to {item.node}": str(why) for item, why in self.plan.refused.items()}

    @property
    def strangers(self):
        return {str(item.key) for item in self.plan.strangers}


@pytest.fixture(scope="session")
def diff():
    return Diff


@pytest.fixture(scope="session")
def node():
    """A node with podCIDRs, made at second ``age`` of some day."""

    def make(name, *pod_cidrs, **fields):
        return make_node(name, pod_cidrs=pod_cidrs, **fields)

    return make


@pytest.fixture(scope="session")
def route():
    """A listed route."""

    def make(cidr, target="", **fields):
        return Route(f"r-{cidr}-{target}", target, cidr, **fields)

    return make
