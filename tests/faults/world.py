"""A cluster, a cloud and our manager in one OS thread, on virtual time.

The manager is the real one: its flags, controllers, runtime and provider. Its calls reach the
embedded API server and the emulator through a :class:`Boundary`, which kills and faults it.
"""

from __future__ import annotations

import functools
import itertools

import fresh
import kinds
import msgspec
from cluster import CLUSTER_ID, OWNER_TAG, Cluster, Unsettled
from histories import MONITOR_PERIOD, RENEW_DEADLINE, RETRY_PERIOD, History
from others import Admission, wiped
from seams import CloudFailures, FaultyCaller, FaultyTransport

from cloudprovider.testing.harness import oracles
from cloudprovider.testing.harness.boundary import Boundary
from cloudprovider.testing.virtual import VirtualConcurrency
from cloudprovider_alicloud.config import load
from cloudprovider_alicloud.emulator.core import EmulatorCore
from cloudprovider_alicloud.emulator.world import default_world
from cloudprovider_alicloud.provider import AlicloudProvider
from cloudprovider_controllers.runtime.client import Client
from cloudprovider_manager import command
from cloudprovider_manager.app import Manager
from cloudprovider_sandbox.apiserver.inprocess import InProcessTransport
from cloudprovider_sandbox.apiserver.server import ApiServer, Options

FLAGS = [
    "--cloud-provider=alicloud",
    "--secure-port=0",
    "--node-status-update-frequency=10m",
    f"--node-monitor-period={MONITOR_PERIOD:g}s",
    "--allow-untagged-cloud",
]
ALONE = ["--leader-elect=false"]
#: Slower than by default: what is judged is the order, and renewals cost the most calls.
ELECTED = [
    "--leader-elect-lease-duration=60s",
    f"--leader-elect-renew-deadline={RENEW_DEADLINE:g}s",
    f"--leader-elect-retry-period={RETRY_PERIOD:g}s",
]
#: Seconds for which a node has been a backend before it is an outage if it is taken out.
STEADY = 10.0


@functools.cache
def read_flags(flags):
    """The manager's options; reading them looks at every installed plugin."""
    return command.read(flags).options


class World(Cluster):
    """One run: everything in it is built inside :meth:`play` and judged there.

    Args:
        injection: The fault; None = none.
        expected: The recording that the run must equal until then.
        nodes: How many there are at the start.
        flags: Of the manager, beside the usual ones.
        managers: How many run at a time. More than one race for a lease.

    """

    flags: tuple[str, ...] = ("--configure-cloud-routes=false",)

    def __init__(self, *, injection=None, expected=None, nodes=2, flags=(), managers=1):
        super().__init__()
        self.time = VirtualConcurrency()
        self._injection = injection
        self._expected = expected
        self._nodes = nodes
        self.elected = managers > 1
        self._flags = [*FLAGS, *self.flags, *(ELECTED if self.elected else ALONE), *flags]
        self.processes = itertools.count(1)
        self.managers = [""] * managers
        self.held = set()  #: indices of those that are not started again for now
        self.stops = {}  #: by process: what a SIGTERM to it sets
        self.actors = 0  #: others who are still busy
        kind = kinds.KINDS.get(injection.kind) if injection else None
        self._excused = kind.excuses if kind else ()
        self.patience = kind.patience if kind else 1
        self._hours = kind.hours if kind else 1.5
        self._eligible: dict[str, float] = {}
        self._ended_with = None  #: what users wanted before they deleted it, and what they had

    @property
    def process(self):
        """The first manager."""
        return self.managers[0]

    def play(self, scenario):
        """Run ``scenario(world)`` on virtual time; self afterwards."""
        self.time.run(lambda: self._main(scenario))
        if self._ended_with is not None:
            declaration, found = self._ended_with
            usual = fresh.from_nothing(declaration)
            self._accuse(oracles.independent_of_the_way(usual, found), "")
        return self

    def _main(self, scenario):
        self.core = EmulatorCore(seed=1)
        self.cloud = default_world(self.core)
        self.server = ApiServer(Options(bookmark_every=60.0))
        self.boundary = Boundary(
            self.time,
            effects=self._effects,
            injection=self._injection,
            expected=self._expected,
            disturbances=kinds.of(self),
        )
        self.client = Client(InProcessTransport(self.server, proc="user", user_agent="user"), qps=0)
        self.history = History(self)
        self.admission = Admission(self)
        for number in range(1, self._nodes + 1):
            self.join(f"node-{number}")
        self.initial = self._last = self.view()
        self.boundary.after_effect = self._judge_safety
        for index in range(len(self.managers)):
            self.start_manager(index)
        scenario(self)
        self._accuse(self.history.violations(), "")

    def _effects(self):
        return self.core.state.changes + self.server.store.version

    # -- the manager -----------------------------------------------------------------------

    def start_manager(self, index=0):
        """Start a manager in a process of its own, in place of the one with this index."""
        self.managers[index] = process = f"manager-{next(self.processes)}"
        self.history.processes += 1
        self.time.start_process(lambda: self._run_manager(process), process=process)

    def _run_manager(self, process):
        config = load(self._cloud_config(), {})
        caller = FaultyCaller(
            self.core, self.boundary, owner=self.owner_of, answered=self.history.answered
        )
        cloud = AlicloudProvider(config, caller=caller)
        transport = FaultyTransport(
            self.server,
            self.boundary,
            process,
            watched=self.history.watches.append,
            admit=self.admission.review,
        )
        options = read_flags(tuple(self._flags))
        stop = self.stops[process] = self.time.event()
        code = Manager(options, transport=transport, cloud=cloud).run(stop)
        self.history.has_ended(process, code)
        self.time.kill(process)  # the process ends, whatever its threads are at

    def _cloud_config(self):
        vswitches = ",".join(
            f"{zone}:{vswitch}"
            for zone, vswitch in zip(self.cloud.zones, self.cloud.vswitches, strict=True)
        )
        return msgspec.json.encode(
            {
                "Global": {
                    "accessKeyID": "TFRBSWVtdWxhdG9y",
                    "accessKeySecret": "ZW11bGF0b3Itc2VjcmV0",
                    "region": self.cloud.region,
                    "vpcid": self.cloud.vpc,
                    "vswitchid": vswitches,
                    "clusterID": CLUSTER_ID,
                }
            }
        ).decode()

    def owner_of(self, params):
        """``namespace/name`` of the Service that a call to the cloud is about, if it is one."""
        state = self.core.state
        names = {f"a{s.metadata.uid.replace('-', '')}"[:32]: s.key for s in self._services()}
        group = state.vserver_groups.get(params.get("VServerGroupId") or "")
        balancer = params.get("LoadBalancerId") or (group.load_balancer if group else "")
        if balancer in state.load_balancers:
            return names.get(state.load_balancers[balancer].tags.get(OWNER_TAG), "")
        tag = next((value for value in params.values() if value in names), "")
        return names.get(tag, "")

    def _services(self):
        return self.server_objects("services")

    def restart_if_dead(self):
        """What a kubelet does with a manager that died."""
        for index, process in enumerate(self.managers):
            if not self.time.threads(process) and index not in self.held:
                self.start_manager(index)

    def ask_to_end(self, process):
        """SIGTERM."""
        self.history.was_asked_to_end(process)
        self.stops[process].set()

    # -- others ----------------------------------------------------------------------------

    def act(self, action):
        """Somebody else does something that takes a while; :meth:`settle` waits for it."""
        self.actors += 1

        def run():
            action()
            self.actors -= 1

        self.time.start_process(run, process="somebody")

    def cloud_fails(self, seconds):
        """Every call to the cloud is answered with an error for ``seconds``."""
        for api in ("ecs", "slb", "vpc"):
            self.boundary.deny(CloudFailures().error, seconds=seconds, api=api)

    def expect_warning(self, name, *parts):
        """The Service's one Warning must say ``parts`` (O12)."""
        self.history.due[name] = parts

    def unsettled(self):
        missing = self.history.unsaid() + self.history.unheard()
        found = super().unsettled() + wiped(self)
        return found + [f"O12: nothing was said of {name}" for name in missing]

    def steady(self, backends):
        now = self.time.elapsed()
        self._eligible = {server: self._eligible.get(server, now) for server in backends}
        return frozenset(s for s, since in self._eligible.items() if now - since >= STEADY)

    def unsteady(self, name):
        """The Node of this name is not to be relied on for a while."""
        self._eligible[self.instances[name].id] = self.time.elapsed()

    # -- waiting and judging ---------------------------------------------------------------

    def settle(self):
        """Wait until cluster and cloud agree; a violation if they do not in time."""
        for _ in range(int(self._hours * 720)):
            self.time.sleep(5)
            self.restart_if_dead()
            if not (self.actors or self.boundary.frozen or self.unsettled()):
                return
        self.violations += self.unsettled()
        raise Unsettled(self.violations)

    def finish(self):
        """After the last action: a restart and every periodic check write nothing (O8).

        After a fault the first pass may repair, and tell of it; then another must be quiet.
        """
        start = self._second_pass()
        for _ in range(3):
            found = oracles.quiet(self.boundary.records[start:])
            if not found or not self.boundary.fired:
                break
            start = self._second_pass()
        self.violations += oracles.quiet(self.boundary.records[start:])
        if not self.unsettled():
            self._ended_with = fresh.declared(self), fresh.reached(self)

    def _second_pass(self):
        """Restart, and let every period pass; the number of the pass's first call."""
        start = len(self.boundary.records)
        for index, process in enumerate(self.managers):
            self.time.kill(process)
            self.start_manager(index)
        self.time.sleep(1800)
        self.restart_if_dead()
        return start

    def wait_until_gone(self, *, name="web"):
        """Wait until the deleted Service's finalizer has let it go."""
        for _ in range(36_000):
            if all(s.metadata.name != name for s in self.server_objects("services")):
                return
            self.restart_if_dead()
            self.time.sleep(0.1)
        raise Unsettled(["O7: the deleted Service does not go away"])

    def budget(self):
        """The most calls that the run may make (O11): thrice what it makes in the time."""
        if self._expected is None:
            return 100_000
        last = self._expected[-1].t if self._expected else 0.0
        slower = max(1.0, self.time.elapsed() / max(last, 600.0))
        return round((3 * len(self._expected) + 60) * slower * self.patience)

    def view_after(self, record):
        """The view by which ``record``'s effect is judged.

        A call that was sent cannot be called back: it knows what could be known before it.
        """
        return msgspec.structs.replace(self.view(), fresh=self.history.unknown_to(record))

    def _judge_safety(self, record):
        now = self.view_after(record)
        found = oracles.safe(self.initial, now) + oracles.step(self._last, now)
        self._last = now
        self._accuse(found, f" (after {record.api} {record.op} {record.key})")

    def _accuse(self, found, where):
        for violation in found:
            text = f"{violation}{where}"
            if not violation.startswith(self._excused) and text not in self.violations:
                self.violations.append(text)
