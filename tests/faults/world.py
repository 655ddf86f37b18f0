"""A cluster, a cloud and our manager in one OS thread, on virtual time.

The manager is the real one: its flags, controllers, runtime and provider. Its calls reach the
embedded API server and the emulator through a :class:`Boundary`, which kills and faults it.
"""

from __future__ import annotations

import functools
import itertools

import msgspec
from cluster import CLUSTER_ID, Cluster, Unsettled

from cloudprovider.testing.harness import oracles
from cloudprovider.testing.harness.boundary import Boundary
from cloudprovider.testing.virtual import VirtualConcurrency
from cloudprovider_alicloud.api.caller import CallFailed
from cloudprovider_alicloud.config import load
from cloudprovider_alicloud.emulator.core import EmulatorCore
from cloudprovider_alicloud.emulator.inprocess import EmulatorCaller
from cloudprovider_alicloud.emulator.world import default_world
from cloudprovider_alicloud.provider import AlicloudProvider
from cloudprovider_controllers.runtime.client import Client
from cloudprovider_controllers.runtime.transport import Response, TransportError
from cloudprovider_manager import command
from cloudprovider_manager.app import Manager
from cloudprovider_sandbox.apiserver.inprocess import InProcessTransport
from cloudprovider_sandbox.apiserver.server import ApiServer, Options

FLAGS = [
    "--cloud-provider=alicloud",
    "--leader-elect=false",
    "--secure-port=0",
    "--configure-cloud-routes=false",
    "--node-status-update-frequency=10m",
    "--allow-untagged-cloud",
]


class CloudFailures:
    """How the provider's adapter sees a fault."""

    def lost(self):
        return CallFailed("read timed out", sent="unknown")

    def error(self):
        return CallFailed("internal error", code="InternalError", http_status=500, sent="answered")

    def throttled(self):
        return CallFailed("flow control", code="Throttling.User", http_status=400, sent="answered")


class FaultyCaller:
    """The emulator, behind the boundary."""

    def __init__(self, core, boundary):
        self._caller = EmulatorCaller(core)
        self._core = core
        self._boundary = boundary

    def call(self, product, action, params, *, read_timeout):
        return self._boundary.cross(
            lambda: self._caller.call(product, action, params, read_timeout=read_timeout),
            CloudFailures(),
            api=product,
            op=action,
            write=not action.startswith(("Describe", "List")),
        )


class KubernetesFailures:
    """How the runtime's transport sees a fault; refusals are answers, not exceptions."""

    def lost(self):
        return TransportError("connection broken", sent=True)

    def error(self):
        return _Refused(500, "InternalError")

    def throttled(self):
        return _Refused(429, "TooManyRequests")


class _Refused(Exception):
    def __init__(self, status, reason):
        super().__init__(reason)
        self.response = Response(
            status=status,
            headers={"content-type": "application/json", "retry-after": "1"},
            data=msgspec.json.encode(
                {"kind": "Status", "status": "Failure", "reason": reason, "code": status}
            ),
        )


class FaultyTransport:
    """The embedded API server, behind the boundary."""

    def __init__(self, server, boundary, proc):
        self._inner = InProcessTransport(server, proc=proc, user_agent="manager")
        self._boundary = boundary

    def request(self, method, path, *, query, headers, body, timeout):
        op, key = operation(method, path)
        try:
            return self._boundary.cross(
                lambda: self._inner.request(
                    method, path, query=query, headers=headers, body=body, timeout=timeout
                ),
                KubernetesFailures(),
                api="k8s",
                op=op,
                key=key,
                write=method != "GET",
            )
        except _Refused as refused:
            return refused.response

    def stream(self, path, *, query, headers, read_timeout):
        op, _ = operation("WATCH", path)
        try:
            return self._boundary.cross(
                lambda: self._inner.stream(
                    path, query=query, headers=headers, read_timeout=read_timeout
                ),
                KubernetesFailures(),
                api="k8s",
                op=op,
            )
        except _Refused as refused:
            raise TransportError(str(refused), sent=True) from refused


def operation(method, path):
    """``PATCH services/status`` and ``namespace/name`` of an API path."""
    parts = path.strip("/").split("/")
    parts = parts[2:] if parts[0] == "api" else parts[3:]
    namespace = ""
    if parts[:1] == ["namespaces"] and len(parts) > 2:
        namespace, parts = parts[1], parts[2:]
    name = parts[1] if len(parts) > 1 else ""
    resource = "/".join(parts[:1] + parts[2:])
    return f"{method} {resource}", f"{namespace}/{name}" if namespace else name


@functools.cache
def read_flags(flags):
    """The manager's options; reading them looks at every installed plugin."""
    return command.read(flags).options


class World(Cluster):
    """One run: everything in it is built inside :meth:`play` and judged there."""

    def __init__(self, *, injection=None, expected=None, nodes=2, flags=()):
        super().__init__()
        self.time = VirtualConcurrency()
        self._injection = injection
        self._expected = expected
        self._nodes = nodes
        self._flags = [*FLAGS, *flags]
        self.processes = itertools.count(1)

    def play(self, scenario):
        """Run ``scenario(world)`` on virtual time; self afterwards."""
        self.time.run(lambda: self._main(scenario))
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
        )
        self.client = Client(InProcessTransport(self.server, proc="user", user_agent="user"), qps=0)
        for number in range(1, self._nodes + 1):
            self.join(f"node-{number}")
        self.initial = self.view()
        self.boundary.after_effect = self._judge_safety
        self.start_manager()
        scenario(self)

    def _effects(self):
        return self.core.state.changes + self.server.store.version

    # -- the manager -----------------------------------------------------------------------

    def start_manager(self):
        """Start a manager in a process of its own."""
        self.process = f"manager-{next(self.processes)}"
        self.time.start_process(self._run_manager, process=self.process)

    def _run_manager(self):
        config = load(self._cloud_config(), {})
        cloud = AlicloudProvider(config, caller=FaultyCaller(self.core, self.boundary))
        transport = FaultyTransport(self.server, self.boundary, self.process)
        options = read_flags(tuple(self._flags))
        Manager(options, transport=transport, cloud=cloud).run(self.time.event())

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

    def restart_if_dead(self):
        """What a kubelet does with a manager that died."""
        if not self.time.threads(self.process):
            self.start_manager()

    # -- waiting and judging ---------------------------------------------------------------

    def settle(self):
        """Wait until cluster and cloud agree; a violation if they do not within an hour."""
        for _ in range(720):
            self.time.sleep(5)
            self.restart_if_dead()
            if not self.unsettled():
                return
        self.violations += self.unsettled()
        raise Unsettled(self.violations)

    def finish(self):
        """After the last action: a restart and every periodic check write nothing (O8).

        Where there was a fault, the first pass after it may repair, and tell of it.
        """
        start = self._second_pass()
        if self._injection is not None:
            while self._injection.at < len(self.boundary.records):
                start = self._second_pass()
                if self._injection.at < start:
                    break
        self.violations += oracles.quiet(self.boundary.records[start:])

    def _second_pass(self):
        """Restart, and let every period pass; the number of the pass's first call."""
        start = len(self.boundary.records)
        self.time.kill(self.process)
        self.start_manager()
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

    def _judge_safety(self, record):
        for violation in oracles.safe(self.initial, self.view()):
            text = f"{violation} (after {record.api} {record.op} {record.key})"
            if text not in self.violations:
                self.violations.append(text)
