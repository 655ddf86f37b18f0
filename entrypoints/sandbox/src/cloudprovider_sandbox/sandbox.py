"""A cluster without machines: API server, cloud, nodes and the real manager on this computer."""

from __future__ import annotations

import contextlib
import dataclasses
import logging
import os
import pathlib
import signal
import socket
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from cloudprovider.concurrency import Concurrency, current
from cloudprovider.plugins import load_plugin
from cloudprovider.testing import emulation
from cloudprovider.testing.emulation import (
    EmulatedInstance,
    Emulator,
    EmulatorOptions,
    InventoryItem,
)
from cloudprovider.toolkit.webserver import WebServer
from cloudprovider_sandbox.admin import AdminApp, FaultPlans, MergedJournal, UnknownNode
from cloudprovider_sandbox.control_plane import ControlPlane
from cloudprovider_sandbox.files import (
    SandboxFiles,
    SandboxInfo,
    announce,
    create_folder,
    retract,
    write_private,
)
from cloudprovider_sandbox.kube import Kube, KubeError
from cloudprovider_sandbox.kubelets import Kubelets
from cloudprovider_sandbox.process import ManagerProcess, manager_command
from cloudprovider_sandbox.rbac import apply_rbac
from cloudprovider_sandbox.workloads import Workloads

_log = logging.getLogger(__name__)

#: Id of the cluster in the cloud: part of tags and names there.
CLUSTER_ID = "sandbox"
_LEASE = "/apis/coordination.k8s.io/v1/namespaces/kube-system/leases/cloud-controller-manager"


@dataclasses.dataclass(frozen=True)
class SandboxOptions:
    """What is started."""

    cloud_provider: str
    nodes: int = 3
    latency: float = 0.0  #: seconds that every cloud call takes
    folder: pathlib.Path | None = None  #: None = a new temporary one
    manager_arguments: Sequence[str] = ()  #: added to the manager's command line
    manager: bool = True  #: False: the user starts one
    tls: bool = False
    rbac: pathlib.Path | None = None  #: what the manager may do, a manifest; switches tls on
    seed: int | None = None  #: of the cloud's ids


class ManagerDied(Exception):
    """The manager ended by itself. ``log`` holds its last lines."""

    def __init__(self, code: int, log: Sequence[str]) -> None:
        how = f"exit code {code}"
        if code < 0:
            how = f"signal {signal.Signals(-code).name}"
        if code == -signal.SIGKILL:
            how += ", by which a leader also ends itself that did not renew its lease in time"
        super().__init__(f"the manager ended early: {how}")
        self.code = code
        self.log = tuple(log)


class Sandbox:
    """Everything that ``cloud-sandbox up`` starts.

    :meth:`start` and :meth:`stop` belong to one thread; what the admin endpoint calls may come
    from any.
    """

    def __init__(self, options: SandboxOptions, *, concurrency: Concurrency | None = None) -> None:
        self._options = options
        self._concurrency = concurrency or current()
        self.files: SandboxFiles = create_folder(options.folder)
        self.emulator = load_emulator(options)
        self.control_plane = ControlPlane(
            tls=options.tls or options.rbac is not None,
            rbac=options.rbac is not None,
            folder=self.files.folder,
            concurrency=self._concurrency,
        )
        self.journal = MergedJournal(
            [self.control_plane.journal, self.emulator.journal], concurrency=self._concurrency
        )
        self.faults = FaultPlans(self.control_plane.faults, self.emulator.faults)
        self.manager: ManagerProcess | None = None
        self.admin: WebServer | None = None
        self._manager_port = 0
        self._running = contextlib.ExitStack()

    # -- life ------------------------------------------------------------------------------

    def start(self) -> None:
        """Start all parts; returns once the manager's process runs, not yet its controllers.

        Raises:
            OSError: a port or a file could not be had.

        """
        self.start_cloud()
        self.start_cluster()
        if self._options.manager:
            self.start_manager()

    def start_cloud(self) -> Sequence[InventoryItem]:
        """Start the emulator. Returns what the cloud holds before the cluster has any node."""
        self.emulator.start()
        self._running.callback(self.emulator.stop)
        return self.inventory()

    def start_cluster(self) -> None:
        """Start the API server, the admin endpoint, and the nodes with their stand-ins."""
        self.control_plane.start()
        self._running.callback(self.control_plane.stop)
        self.admin = WebServer(AdminApp(self), threads=4).start()
        self._running.callback(self.admin.stop)
        if self._options.rbac is not None:
            apply_rbac(self.kube("sandbox/rbac"), self._options.rbac)
        self._start_stand_ins()
        for _ in range(self._options.nodes):
            self.add_node()
        self._write_files()
        self._announce()
        self._running.callback(retract, self.info())

    def start_manager(self) -> ManagerProcess:
        """Start the manager's process."""
        self.manager = self._new_manager()
        self.manager.start()
        self._announce()
        return self.manager

    def log_tail(self, lines: int = 20) -> list[str]:
        """The last lines of the manager's output."""
        return self.manager.log_tail(lines) if self.manager else []

    def stop(self) -> int | None:
        """End all parts, the manager first. Returns the manager's exit code."""
        code = self.manager.stop() if self.manager else None
        self._running.close()
        return code

    def restart_manager(self) -> int | None:
        """Stop the manager in order and start another. Returns the old one's exit code."""
        code = self.manager.stop() if self.manager else None
        self.start_manager()
        return code

    def check_manager(self) -> None:
        """Make sure that the manager runs.

        Raises:
            ManagerDied: it ended by itself.

        """
        code = self.manager.exit_code() if self.manager else None
        if self.manager and code is not None:
            raise ManagerDied(code, self.manager.log_tail())

    def leader(self) -> str:
        """Who holds the manager's lease; empty if nobody does."""
        try:
            lease = self.kube("sandbox/observer").get(_LEASE)
        except KubeError as error:
            if error.status != 404:
                raise
            return ""
        return str((lease.get("spec") or {}).get("holderIdentity") or "")

    def kube(self, user_agent: str) -> Kube:
        """A client of the API server with the administrator's rights."""
        plane = self.control_plane
        return Kube(plane.url, user_agent=user_agent, token=plane.admin_token, ca=plane.ca)

    # -- what the admin endpoint drives ----------------------------------------------------

    def info(self) -> SandboxInfo:
        """Where everything is."""
        manager = self.manager
        return SandboxInfo(
            cloud_provider=self._options.cloud_provider,
            dir=str(self.files.folder),
            pid=os.getpid(),
            manager_pid=manager.pid if manager else 0,
            manager_command=list(manager.command) if manager else [],
            api_server=self.control_plane.url,
            emulator=self.emulator.url(),
            admin=self.admin.url if self.admin else "",
            manager=f"https://127.0.0.1:{self._manager_port}" if manager else "",
            kubeconfig=str(self.files.kubeconfig),
        )

    def describe(self) -> Mapping[str, Any]:
        described: dict[str, Any] = msgspec.to_builtins(self.info())
        return described

    def inventory(self) -> Sequence[InventoryItem]:
        return self.emulator.inventory()

    def nodes(self) -> Sequence[EmulatedInstance]:
        return self._kubelets.instances()

    def add_node(self, name: str = "") -> EmulatedInstance:
        instance = self.emulator.launch_instance(name)
        self._kubelets.register(instance)
        return instance

    def remove_node(self, name: str) -> None:
        """Terminate the instance of node ``name``; its Node is the manager's to delete."""
        instance = self._find(name)
        self.emulator.terminate_instance(instance.instance_id)
        self._kubelets.stop(instance.node_name)
        self._kubelets.forget(instance.node_name)

    def stop_node(self, name: str) -> None:
        instance = self._find(name)
        self.emulator.stop_instance(instance.instance_id)
        self._kubelets.stop(instance.node_name)

    def set_latency(self, seconds: float) -> None:
        self.emulator.set_latency(seconds)

    # -- parts -----------------------------------------------------------------------------

    def _find(self, name: str) -> EmulatedInstance:
        try:
            return self._kubelets.find(name)
        except KeyError:
            known = ", ".join(i.node_name for i in self.nodes()) or "none"
            raise UnknownNode(f"no node {name!r} runs here; there are: {known}") from None

    def _announce(self) -> None:
        announce(self.files, self.info())

    def _start_stand_ins(self) -> None:
        kube = self.kube("sandbox/kubelet")
        version = str(kube.get("/version")["gitVersion"]).partition("-")[0]
        self._kubelets = Kubelets(kube, version=version, concurrency=self._concurrency)
        self._kubelets.start()
        self._running.callback(self._kubelets.close)
        self._workloads = Workloads(self.kube("sandbox/workloads"), concurrency=self._concurrency)
        self.control_plane.on_write(self._workloads.changed, but="sandbox/")
        self._workloads.start()
        self._running.callback(self._workloads.close)

    def _write_files(self) -> None:
        files, plane = self.files, self.control_plane
        write_private(files.kubeconfig, plane.kubeconfig(plane.admin_token))
        write_private(files.manager_kubeconfig, plane.kubeconfig(plane.manager_token))
        write_private(files.cloud_config, self.emulator.cloud_config())
        write_private(files.manager_log, "")

    def _new_manager(self) -> ManagerProcess:
        self._manager_port = free_port()
        command = manager_command(
            cloud_provider=self._options.cloud_provider,
            kubeconfig=self.files.manager_kubeconfig,
            cloud_config=self.files.cloud_config,
            port=self._manager_port,
        )
        return ManagerProcess(
            [*command, *self._options.manager_arguments],
            environment=self.emulator.environment(),
            log=self.files.manager_log,
        )


def load_emulator(options: SandboxOptions) -> Emulator:
    """The emulator of the cloud, not yet started.

    Raises:
        PluginError: there is none of that name, or it does not load.

    """
    new_emulator = load_plugin(emulation.GROUP, options.cloud_provider, what="emulator")
    emulator: Emulator = new_emulator(
        EmulatorOptions(latency=options.latency, cluster_id=CLUSTER_ID, seed=options.seed)
    )
    return emulator


def free_port() -> int:
    """A TCP port of the loopback that is free now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
