"""Scenario 6: routes, with a fault at every call of the manager.

Nodes join, leave and pass on their range; a route is deleted by hand, one stands in the way, and
others belong to people and to another cluster (``spec/reliability.md`` 3.5).
"""

import functools

import pytest
from world import World

from cloudprovider.testing.harness.boundary import WRITE_KINDS, injections
from cloudprovider_alicloud.emulator.resources import NextHop, RouteEntry
from cloudprovider_controllers.runtime.resources import NODES

pytestmark = [pytest.mark.faults, pytest.mark.timeout(500)]

FLAGS = ("--configure-cloud-routes=true", "--cluster-cidr=172.16.0.0/16")
ANOTHERS = "k8s/route/5e0a2d34/c-other"


def cidr(number):
    return f"172.16.{number}.0/24"


class RouteWorld(World):
    """Nodes have ranges; the table is judged beside everything else."""

    def __init__(self, **options):
        super().__init__(nodes=0, flags=FLAGS, **options)
        self.ranges = {}  # node name: number of its range
        self.foreign = {}

    def start_manager(self):
        if not self.foreign:
            self._foreign_routes()
        super().start_manager()

    def _foreign_routes(self):
        self.put("172.16.200.0/24", "i-other", ANOTHERS)  # another cluster's, in our range
        self.put("172.16.100.0/24", "i-person")
        self.put("192.168.7.0/24", "i-person")
        self.foreign = {item.id: item for item in self.entries()}

    def entries(self):
        state = self.core.state
        return [item for item in state.route_entries.values() if item.type == "Custom"]

    def put(self, destination, instance, description=""):
        with self.core.lock:
            self.core.state.put(
                RouteEntry(
                    id=self.core.state.new_id("rte"),
                    table=self.cloud.route_table,
                    cidr=destination,
                    description=description,
                    next_hops=(NextHop(id=instance),),
                )
            )

    def join_with_range(self, name, number):
        """A node joins; kube-controller-manager gives it a range."""
        self.join(name)
        self.ranges[name] = number
        spec = {"podCIDR": cidr(number), "podCIDRs": [cidr(number)]}
        self.client.patch(NODES, name, {"spec": spec}, patch_type="merge")

    def leave(self, name):
        del self.ranges[name]
        super().leave(name)

    def lose_route(self, name):
        """A person deletes the route of a node."""
        with self.core.lock:
            for item in self.entries():
                if item.cidr == cidr(self.ranges[name]):
                    self.core.state.remove(item)

    def unsettled(self):
        wanted = {cidr(number): self.instances[name].id for name, number in self.ranges.items()}
        mine = [item for item in self.entries() if item.id not in self.foreign]
        found = {item.cidr: item.next_hops[0].id for item in mine}
        wrong = [] if found == wanted else [f"O7: routes are {found}, not {wanted}"]
        if len(mine) != len(found):
            wrong.append("O2: a range is routed twice")
        for node in self.server_objects("nodes"):
            said = {
                c.reason for c in node.status.conditions or () if c.type == "NetworkUnavailable"
            }
            if said != {"RouteCreated"}:
                wrong.append(f"O7: node {node.metadata.name} says {said}")
        return super().unsettled() + wrong

    def _judge_safety(self, record):
        super()._judge_safety(record)
        there = {item.id: item for item in self.entries()}
        lost = [item for key, item in self.foreign.items() if there.get(key) != item]
        if lost:
            self.violations.append(f"O1: foreign routes changed: {lost} (after {record.op})")


def scenario(world):
    """6: routes."""
    for number in (1, 2, 3):
        world.join_with_range(f"node-{number}", number)
    world.settle()
    world.leave("node-1")
    world.settle()
    world.join_with_range("node-4", 1)  # the range of the node that left
    world.put(cidr(5), "i-gone")
    world.join_with_range("node-5", 5)  # somebody's route stands in its way
    world.settle()
    world.leave("node-2")
    world.join_with_range("node-6", 2)
    world.lose_route("node-3")
    world.settle()
    world.finish()


@functools.cache
def recording():
    """The calls without any fault."""
    return tuple(RouteWorld().play(scenario).boundary.records)


def test_without_a_fault_no_invariant_is_violated():
    world = RouteWorld().play(scenario)
    assert world.violations == []
    writes = [record.op for record in world.boundary.records if record.write]
    assert {"CreateRouteEntries", "DeleteRouteEntries", "PATCH nodes/status"} <= set(writes)
    assert len(world.boundary.records) == len(recording())


@pytest.mark.parametrize("kind", WRITE_KINDS)
def test_at_every_boundary_the_fault_is_survived(kind):
    plans = [plan for plan in injections(recording()) if plan.kind == kind]
    assert plans
    failed = {}
    for plan in plans:
        problems = run(plan)
        if problems:
            record = recording()[plan.at]
            failed[f"{kind} at {plan.at}: {record.api} {record.op} {record.key}"] = problems
    assert not failed, "\n".join(f"{where}: {what}" for where, what in failed.items())


def run(plan):
    """The violations of one run under ``plan``."""
    world = RouteWorld(injection=plan, expected=list(recording()))
    try:
        world.play(scenario)
    except AssertionError as error:
        return [*world.violations, repr(error)]
    fired = [] if world.boundary.fired == 1 else [f"it fired {world.boundary.fired} times"]
    return [*world.violations, *fired]
