"""A world whose managers are elected, killed, paused and cut off while users change everything."""

from __future__ import annotations

import random

from cluster import Cluster, Unsettled
from seeded_ends import Caller, Transport
from seeded_judges import MONITOR_PERIOD, deletions_allowed, election_event, one_writer
from seeded_plan import PREFIX
from seeded_users import UsersWorld, cidr
from wire import Wire
from world import read_flags

from cloudprovider.testing.harness import oracles
from cloudprovider.testing.virtual import VirtualConcurrency
from cloudprovider_alicloud.config import load
from cloudprovider_alicloud.emulator.core import EmulatorCore
from cloudprovider_alicloud.emulator.inprocess import EmulatorCaller
from cloudprovider_alicloud.emulator.resources import NextHop, RouteEntry
from cloudprovider_alicloud.emulator.world import default_world
from cloudprovider_alicloud.provider import AlicloudProvider
from cloudprovider_controllers.runtime.client import Client
from cloudprovider_controllers.runtime.errors import ApiError
from cloudprovider_controllers.runtime.resources import LEASES
from cloudprovider_manager.app import Manager
from cloudprovider_sandbox.apiserver.inprocess import InProcessTransport
from cloudprovider_sandbox.apiserver.server import ApiServer, Options

FLAGS = (
    f"--node-monitor-period={MONITOR_PERIOD:g}s",
    "--node-status-update-frequency=30s",
    "--route-reconciliation-period=30s",
    "--cluster-cidr=172.16.0.0/16",
    "--missing-nodes-threshold=1",  # these clusters are small
)
LEASE = "cloud-controller-manager"
#: Seconds: the longest of the periods above, and what a restart and an election take.
PASS = 60.0


class SeededWorld(UsersWorld):
    """Plays a :class:`seeded_plan.Plan`."""

    def __init__(self, plan):
        flags = [*FLAGS, f"--configure-cloud-routes={str(plan.routes).lower()}"]
        flags.append(f"--leader-elect={str(plan.elect).lower()}")
        super().__init__(nodes=plan.nodes, flags=flags)
        self.plan = plan
        self.time = VirtualConcurrency(seed=plan.seed)
        self.chance = random.Random(f"world-{plan.seed}")
        self.slots = [""] * plan.managers  #: process of each, or of what was there before it died
        self.fired = []
        self.in_flight = 0  #: calls that kills and pauses met on the way

    def _main(self, scenario):
        self.core = EmulatorCore(seed=1)
        self.cloud = default_world(self.core)
        self.server = ApiServer(Options(bookmark_every=60.0))
        self.wire = Wire(self.time, self.chance, effects=self._effects)
        self.client = Client(InProcessTransport(self.server, proc="user", user_agent="user"), qps=0)
        self._foreign()
        for number in range(1, self._nodes + 1):
            self.add_node(f"node-{number}")
        self.initial = self._last = self.view()
        self.wire.after_effect = self._judge_safety
        for slot in range(len(self.slots)):
            self.time.start_thread(lambda slot=slot: self._keep(slot), name=f"kubelet-{slot}")
        scenario(self)
        self._judge_journal()

    def _foreign(self):
        """What people and other clusters have in the account."""
        caller = EmulatorCaller(self.core)
        params = {"RegionId": self.cloud.region, "LoadBalancerName": "persons"}
        made = caller.call("slb", "CreateLoadBalancer", params)
        caller.call(
            "slb",
            "CreateVServerGroup",
            {"RegionId": self.cloud.region, "LoadBalancerId": made["LoadBalancerId"],
             "VServerGroupName": "k8s/30080/web/default/c-test"},
        )  # fmt: skip
        self._put_route("172.16.200.0/24", "i-other", "k8s/route/5e0a2d34/c-other")
        self._put_route("192.168.7.0/24", "i-person", "")
        self.foreign_routes = {item.id: item for item in self._entries()}

    # -- managers --------------------------------------------------------------------------

    def _keep(self, slot):
        """What a kubelet does: start it, and start it again when it has died."""
        while True:
            if not self.time.threads(self.slots[slot]):
                self.time.sleep(self.chance.uniform(0, 3) if self.slots[slot] else 0)
                self.slots[slot] = name = f"manager-{slot}-{next(self.processes)}"
                self.time.start_process(lambda name=name: self._run(name), process=name)
            self.time.sleep(0.5)

    def _run(self, name):
        self.stops[name] = self.time.event()
        cloud = AlicloudProvider(
            load(self._cloud_config(), {}), caller=Caller(self.core, self.wire)
        )
        transport = Transport(self.server, self.wire, name)
        options = read_flags(tuple(self._flags))
        Manager(options, transport=transport, cloud=cloud).run(self.stops[name])
        self.time.kill(name)  # the process exits, whatever threads are left

    def _alive(self):
        return [name for name in self.slots if self.time.threads(name)]

    def _leader(self):
        """Who leads, as far as the wire shows it; else anybody."""
        alive = self._alive()
        for proc, _, _ in reversed(self.wire.renewals):
            if proc in alive:
                return proc
        return self.chance.choice(alive) if alive else ""

    def _victim(self, target):
        while not self._alive():
            self.time.sleep(0.25)
        return self._leader() if target == "leader" else self.chance.choice(self._alive())

    # -- faults ----------------------------------------------------------------------------

    def strike(self, fault):
        """Let ``fault`` happen."""
        now, until = self.time.monotonic(), self.time.monotonic() + fault.seconds
        side, _, what = fault.kind.partition("_")
        trouble = self.wire.trouble["k8s" if side == "api" else "cloud"]
        if fault.kind in ("kill", "stop", "pause"):
            self._strike_process(fault)
        elif fault.kind == "lease_stolen":
            if not self._steal():
                return
        elif fault.kind == "api_expire":
            self.server.expire_history(running=True)
        elif fault.kind == "api_restart":
            trouble.down = max(trouble.down, until)
            self.server.end_watches()
        else:
            name = {"freeze": "frozen"}.get(what, what)
            setattr(trouble, name, max(getattr(trouble, name), until))
        self.fired.append((fault.kind, now))

    def _strike_process(self, fault):
        name = self._victim(fault.target)
        self.in_flight += self.wire.in_flight.get(name, 0) > 0
        if fault.kind == "kill":
            self.time.kill(name)
        elif fault.kind == "stop":
            if name in self.stops:
                self.stops[name].set()
        else:
            self.time.pause(name)
            self._later(lambda: self.time.resume(name), fault.seconds)

    def _later(self, act, seconds):
        def run():
            self.time.sleep(seconds)
            act()

        self.time.start_thread(run, name="later")

    def _steal(self):
        """Another writes himself into the Lease; whether there was one."""
        try:
            lease = self.client.get_raw(LEASES, LEASE, "kube-system")
            stamp = self.time.now().strftime("%Y-%m-%dT%H:%M:%S.%fZ")
            lease["spec"] |= {
                "holderIdentity": "thief",
                "leaseDurationSeconds": 15,
                "renewTime": stamp,
                "acquireTime": stamp,
            }
            self.client.update(LEASES, LEASE, lease, "kube-system")
        except ApiError:
            return False
        return True

    # -- routes ----------------------------------------------------------------------------

    def _entries(self):
        entries = self.core.state.route_entries.values()
        return [item for item in entries if item.type == "Custom"]

    def _put_route(self, destination, instance, description):
        state = self.core.state
        hops = (NextHop(id=instance),)
        route = self.cloud.route_table
        with self.core.lock:
            state.put(
                RouteEntry(
                    id=state.new_id("rte"),
                    table=route,
                    cidr=destination,
                    description=description,
                    next_hops=hops,
                )
            )

    def lose_route(self, name):
        """A person deletes the route of a node."""
        with self.core.lock:
            for item in self._entries():
                if item.cidr == cidr(self.ranges[name]) and item.id not in self.foreign_routes:
                    self.core.state.remove(item)

    # -- judging ---------------------------------------------------------------------------

    def unsettled(self):
        mine = [item for item in self._entries() if item.id not in self.foreign_routes]
        found = {item.cidr: item.next_hops[0].id for item in mine}
        wanted = {}
        if self.plan.routes:
            wanted = {cidr(n): self.instances[name].id for name, n in self.ranges.items()}
        wrong = [] if found == wanted else [f"O7: routes are {found}, not {wanted}"]
        return wrong + Cluster.unsettled(self)

    def _judge_safety(self, record):
        super()._judge_safety(record)
        there = {item.id: item for item in self._entries()}
        if any(there.get(key) != item for key, item in self.foreign_routes.items()):
            self.violations.append(f"O1: a foreign route changed (after {record.op})")
        mine = [item.cidr for item in there.values() if item.id not in self.foreign_routes]
        if len(mine) != len(set(mine)):
            self.violations.append(f"O2: a range is routed twice (after {record.op})")

    def _judge_journal(self):
        records, renewals = self.wire.records, self.wire.renewals
        if self.plan.elect:
            self.violations += one_writer(records, renewals)
        self.violations += deletions_allowed(records, self.terminated)

    def calm(self):
        """No more faults; what a user wrote wrongly he repairs."""
        for thread in self.waiting:
            thread.join(1800)
        for service in self.server_objects("services"):
            if (service.metadata.annotations or {}).get(PREFIX + "health-check-interval"):
                self.annotate(service.metadata.name, "health-check-interval", "")

    def settle(self):
        for _ in range(720):
            self.time.sleep(5)
            if not self.unsettled():
                return
        self.violations += self.unsettled()
        raise Unsettled(self.violations)

    def finish(self):
        """Two restarts of all managers, after which every period passes, write nothing (O8)."""
        self.time.sleep(PASS / 2)
        for _ in range(2):
            start = len(self.wire.records)
            for name in self._alive():
                self.time.kill(name)
            self.time.sleep(PASS)
            found = [record for record in self.wire.records[start:] if not election_event(record)]
            self.violations += oracles.quiet(found)

    def clean_up(self):
        """Delete everything; nothing may be left (O10)."""
        for service in self.server_objects("services"):
            if service.metadata.name != "kubernetes":
                self.remove(service.metadata.name)
        for name in list(self.instances):
            self.leave_node(name)
        self.settle()
        self.nothing_left()
        if any(s.metadata.name != "kubernetes" for s in self.server_objects("services")):
            self.violations.append("O10: a Service does not go away")
        if {item.id: item for item in self._entries()} != self.foreign_routes:
            self.violations.append("O10: routes are left behind")


def play(world):
    """The plan from its start to its end, and the fault-free tail."""
    plan = world.plan
    moments = sorted([*plan.actions, *plan.faults], key=lambda moment: moment.at)
    for moment in moments:
        world.time.sleep(max(0.0, moment.at - world.time.monotonic()))
        if hasattr(moment, "do"):
            world.carry_out(moment)
        else:
            world.strike(moment)
    ends = [fault.at + fault.seconds for fault in plan.faults]
    world.time.sleep(max(0.0, max(ends, default=0.0) - world.time.monotonic()))
    world.calm()
    world.settle()
    world.finish()
    world.clean_up()
