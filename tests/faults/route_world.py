"""A world whose nodes have ranges of addresses, and whose route table is judged beside all else."""

from __future__ import annotations

from world import World

from cloudprovider_alicloud.emulator.resources import NextHop, RouteEntry
from cloudprovider_controllers.runtime.resources import NODES

ANOTHERS = "k8s/route/5e0a2d34/c-other"


def cidr(number):
    return f"172.16.{number}.0/24"


class RouteWorld(World):
    """Some routes belong to people and to another cluster."""

    flags = ("--configure-cloud-routes=true", "--cluster-cidr=172.16.0.0/16")

    def __init__(self, **options):
        super().__init__(nodes=0, **options)
        self.ranges = {}  # node name: number of its range
        self.foreign = {}

    def start_manager(self, index=0):
        if not self.foreign:
            self._foreign_routes()
        super().start_manager(index)

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
        """A node joins with the range of this number."""
        self.ranges[name] = number
        self.join(name)

    def register(self, name, provider_id):
        """A kubelet makes its Node; kube-controller-manager gives it a range."""
        super().register(name, provider_id)
        if name in self.ranges:
            cidrs = [cidr(self.ranges[name])]
            spec = {"podCIDR": cidrs[0], "podCIDRs": cidrs}
            self.client.patch(NODES, name, {"spec": spec}, patch_type="merge")

    def change_range(self, name, number):
        """The Node is made anew, and gets another range."""
        self.ranges[name] = number
        self.client.delete(NODES, name)
        self.register(name, f"{self.cloud.region}.{self.instances[name].id}")

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
