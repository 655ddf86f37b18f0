"""Stands in for the kubelets: registers a Node for each instance and keeps it Ready.

What a kubelet started with ``--cloud-provider=external`` does: the Node comes with the
``uninitialized`` taint and its own address, without providerID, zone or type; heartbeats are a
Lease in ``kube-node-lease`` and the Ready condition. When an instance stops, its Node becomes
NotReady at once, for which a real cluster takes 40 s.
"""

from __future__ import annotations

import dataclasses
import datetime
import logging
from typing import Any

from cloudprovider.concurrency import Concurrency, Thread, current
from cloudprovider.testing.emulation import EmulatedInstance
from cloudprovider_sandbox.kube import Kube, KubeError

_log = logging.getLogger(__name__)

NODES = "/api/v1/nodes"
LEASES = "/apis/coordination.k8s.io/v1/namespaces/kube-node-lease/leases"
UNINITIALIZED = "node.cloudprovider.kubernetes.io/uninitialized"
#: The range of all Pods; kube-controller-manager would give each node its part.
POD_NETWORK = "10.244.0.0/16"
#: Seconds between two heartbeats, as kubelet's ``--node-status-update-frequency``.
PERIOD = 10.0


@dataclasses.dataclass
class _Member:
    instance: EmulatedInstance
    running: bool = True


class Kubelets:
    """The kubelets of all instances.

    Args:
        kube: Client of the API server.
        version: The Kubernetes version that the nodes report.

    """

    def __init__(self, kube: Kube, *, version: str, concurrency: Concurrency | None = None) -> None:
        self._kube = kube
        self._version = version
        self._concurrency = concurrency or current()
        self._stop = self._concurrency.event()
        self._lock = self._concurrency.lock()
        self._members: dict[str, _Member] = {}
        self._count = 0
        self._thread: Thread | None = None

    def start(self) -> None:
        """Send heartbeats from now on."""
        self._thread = self._concurrency.start_thread(self._run, name="kubelets")

    def close(self) -> None:
        """Send no more heartbeats; returns when those in progress are over."""
        self._stop.set()
        if self._thread is not None:
            self._thread.join(PERIOD)

    def instances(self) -> list[EmulatedInstance]:
        """The instances whose kubelet runs."""
        with self._lock:
            return [member.instance for member in self._members.values() if member.running]

    def register(self, instance: EmulatedInstance) -> None:
        """Create the Node of ``instance``.

        Raises:
            KubeError: the API server refused.

        """
        with self._lock:
            self._count += 1
            body = node_body(
                instance, number=self._count, version=self._version, now=self._concurrency.now()
            )
            self._members[instance.node_name] = _Member(instance)
        self._kube.create(NODES, body)
        self._heartbeat(instance.node_name)

    def find(self, name: str) -> EmulatedInstance:
        """The instance behind node ``name``; its instance id is a name too.

        Raises:
            KeyError: there is none.

        """
        with self._lock:
            for member in self._members.values():
                if name in (member.instance.node_name, member.instance.instance_id):
                    return member.instance
        raise KeyError(name)

    def stop(self, name: str) -> None:
        """The kubelet of node ``name`` stops: no more heartbeats, the Node is NotReady."""
        with self._lock:
            member = self._members.get(name)
            if member is None:
                return
            member.running = False
        body = {"status": {"conditions": [not_ready(self._concurrency.now())]}}
        try:
            self._kube.patch(f"{NODES}/{name}/status", body)
        except KubeError as error:
            if error.status != 404:
                raise

    def forget(self, name: str) -> None:
        """The instance of node ``name`` is gone for good, and with it what its kubelet wrote."""
        with self._lock:
            self._members.pop(name, None)
        self._kube.delete(f"{LEASES}/{name}")

    def _run(self) -> None:
        while not self._stop.wait(PERIOD):
            for instance in self.instances():
                try:
                    self._heartbeat(instance.node_name)
                except Exception:  # noqa: BLE001 - one node never stops the others
                    _log.exception("heartbeat of %s failed", instance.node_name)

    def _heartbeat(self, name: str) -> None:
        now = self._concurrency.now()
        try:
            node = self._kube.get(f"{NODES}/{name}")
        except KubeError as error:
            if error.status == 404:  # deleted: a kubelet registers only when it starts
                return
            raise
        self._renew_lease(name, node["metadata"]["uid"], now)
        body = {"status": {"conditions": [ready(now)]}}
        self._kube.patch(f"{NODES}/{name}/status", body)

    def _renew_lease(self, name: str, uid: str, now: datetime.datetime) -> None:
        body = lease_body(name, uid, now)
        try:
            self._kube.patch(f"{LEASES}/{name}", {"spec": body["spec"]}, patch_type="merge")
        except KubeError as error:
            if error.status != 404:
                raise
            self._kube.create(LEASES, body)


def node_body(
    instance: EmulatedInstance, *, number: int, version: str, now: datetime.datetime
) -> dict[str, Any]:
    """The Node that the kubelet of ``instance`` registers. ``number`` chooses its Pod range."""
    resources = {"cpu": "4", "memory": "16Gi", "pods": "110", "ephemeral-storage": "40Gi"}
    pod_cidr = f"10.244.{number % 256}.0/24"  # of POD_NETWORK
    labels = {
        "kubernetes.io/hostname": instance.node_name,
        "kubernetes.io/os": "linux",
        "kubernetes.io/arch": "amd64",
        "beta.kubernetes.io/os": "linux",
        "beta.kubernetes.io/arch": "amd64",
    }
    return {
        "apiVersion": "v1",
        "kind": "Node",
        "metadata": {"name": instance.node_name, "labels": labels},
        "spec": {
            "podCIDR": pod_cidr,
            "podCIDRs": [pod_cidr],
            "taints": [{"key": UNINITIALIZED, "value": "true", "effect": "NoSchedule"}],
        },
        "status": {
            "capacity": resources,
            "allocatable": resources,
            "addresses": [
                {"type": "InternalIP", "address": instance.internal_ip},
                {"type": "Hostname", "address": instance.node_name},
            ],
            "conditions": [
                {**condition, "lastTransitionTime": _seconds(now)}
                for condition in (*_pressures(now), ready(now))
            ],
            "daemonEndpoints": {"kubeletEndpoint": {"Port": 10250}},
            "nodeInfo": {
                "architecture": "amd64",
                "operatingSystem": "linux",
                "osImage": "Sandbox Linux",
                "kernelVersion": "6.1.0",
                "kubeletVersion": version,
                "kubeProxyVersion": version,
                "containerRuntimeVersion": "containerd://1.7.0",
                "machineID": instance.instance_id,
                "systemUUID": instance.instance_id,
                "bootID": instance.instance_id,
            },
        },
    }


_PRESSURES = {
    "MemoryPressure": ("KubeletHasSufficientMemory", "kubelet has sufficient memory available"),
    "DiskPressure": ("KubeletHasNoDiskPressure", "kubelet has no disk pressure"),
    "PIDPressure": ("KubeletHasSufficientPID", "kubelet has sufficient PID available"),
}


def _pressures(now: datetime.datetime) -> list[dict[str, str]]:
    return [_condition(kind, "False", now) for kind in _PRESSURES]


def _condition(kind: str, status: str, now: datetime.datetime) -> dict[str, str]:
    reason, message = _PRESSURES.get(kind, ("KubeletReady", "kubelet is posting ready status"))
    return {
        "type": kind,
        "status": status,
        "reason": reason,
        "message": message,
        "lastHeartbeatTime": _seconds(now),
    }


def ready(now: datetime.datetime) -> dict[str, str]:
    """The Ready condition of a node that is well."""
    return _condition("Ready", "True", now)


def not_ready(now: datetime.datetime) -> dict[str, str]:
    """The Ready condition that kube-controller-manager writes when heartbeats end."""
    return {
        "type": "Ready",
        "status": "Unknown",
        "reason": "NodeStatusUnknown",
        "message": "Kubelet stopped posting node status.",
        "lastTransitionTime": _seconds(now),
    }


def lease_body(name: str, uid: str, now: datetime.datetime) -> dict[str, Any]:
    """The Lease that says that the kubelet of node ``name`` lives."""
    owner = {"apiVersion": "v1", "kind": "Node", "name": name, "uid": uid}
    return {
        "apiVersion": "coordination.k8s.io/v1",
        "kind": "Lease",
        "metadata": {
            "name": name,
            "namespace": "kube-node-lease",
            "ownerReferences": [owner],
        },
        "spec": {
            "holderIdentity": name,
            "leaseDurationSeconds": 40,
            "renewTime": now.strftime("%Y-%m-%dT%H:%M:%S.%fZ"),
        },
    }


def _seconds(now: datetime.datetime) -> str:
    return now.strftime("%Y-%m-%dT%H:%M:%SZ")
