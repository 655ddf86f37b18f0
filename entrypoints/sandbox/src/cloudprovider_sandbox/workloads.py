"""Stands in for scheduler, kube-controller-manager and containers: enough to run a Deployment.

Each Deployment gets Pods on nodes that are ready and not tainted, each Service with a selector its
EndpointSlice. Nothing is really run: a Pod that has a node is ready. What is decided stands in pure
functions below; :class:`Workloads` reads, applies and waits for the next change.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from cloudprovider.concurrency import Concurrency, Thread, current
from cloudprovider_sandbox.kube import Kube, KubeError

_log = logging.getLogger(__name__)

Object = Mapping[str, Any]

SERVICE_NAME = "kubernetes.io/service-name"
_DEPLOYMENTS = "/apis/apps/v1/deployments"
_SLICES = "/apis/discovery.k8s.io/v1"
#: Seconds after which everything is looked at again although nothing was announced.
_PERIOD = 5.0
#: Seconds that the last pass may take.
_LAST_PASS = 5.0


class Workloads:
    """Keeps Pods and EndpointSlices as Deployments and Services ask for."""

    def __init__(self, kube: Kube, *, concurrency: Concurrency | None = None) -> None:
        self._kube = kube
        self._concurrency = concurrency or current()
        self._wake = self._concurrency.condition()
        self._dirty = True
        self._stopped = False
        self._addresses = 0  # Pods started so far
        self._thread: Thread | None = None

    def start(self) -> None:
        """Work from now on."""
        self._thread = self._concurrency.start_thread(self._run, name="workloads")

    def close(self) -> None:
        """Work no more; returns when the pass in progress is over."""
        with self._wake:
            self._stopped = True
            self._wake.notify_all()
        if self._thread is not None:
            self._thread.join(_LAST_PASS)

    def changed(self) -> None:
        """Something was written to the API server: look again soon."""
        with self._wake:
            self._dirty = True
            self._wake.notify_all()

    def _run(self) -> None:
        while self._wait():
            try:
                self.reconcile()
            except KubeError as error:  # someone was faster; the next pass sees it
                _log.info("workloads could not be brought up to date: %s", error)
            except Exception:  # noqa: BLE001 - tried again at the next change
                _log.exception("workloads could not be brought up to date")

    def _wait(self) -> bool:
        with self._wake:
            self._wake.wait_for(lambda: self._dirty or self._stopped, timeout=_PERIOD)
            self._dirty = False
            return not self._stopped

    def reconcile(self) -> None:
        """One pass over everything."""
        nodes = self._kube.items("/api/v1/nodes")
        deployments = self._kube.items(_DEPLOYMENTS)
        pods = self._kube.items("/api/v1/pods")
        self._delete_pods(pods, nodes, deployments)
        for deployment in deployments:
            self._deployment(deployment, nodes)
        self._slices()

    def _delete_pods(
        self, pods: Iterable[Object], nodes: Iterable[Object], deployments: Iterable[Object]
    ) -> None:
        for pod in lost_pods(pods, nodes, deployments):
            self._kube.delete(_path(pod, "pods"))

    def _deployment(self, deployment: Object, nodes: Sequence[Object]) -> None:
        namespace = deployment["metadata"]["namespace"]
        pods = [
            pod
            for pod in self._kube.items(f"/api/v1/namespaces/{namespace}/pods")
            if _owner(pod) == deployment["metadata"]["uid"]
        ]
        wanted = deployment["spec"].get("replicas", 1)
        for pod in pods[wanted:]:
            self._kube.delete(_path(pod, "pods"))
        pods = pods[:wanted]
        for _ in range(wanted - len(pods)):
            node = emptiest(schedulable(nodes), pods)
            if node is None:
                break
            body = pod_body(deployment, node, suffix=self._concurrency.uuid()[:5])
            pod = self._kube.create(f"/api/v1/namespaces/{namespace}/pods", body)
            status = pod_status(pod, address=self._address(node))
            pods.append(self._kube.patch(f"{_path(pod, 'pods')}/status", {"status": status}))
        status = deployment_status(deployment, len(pods))
        if not status.items() <= (deployment.get("status") or {}).items():
            path = f"{_path(deployment, 'deployments', '/apis/apps/v1')}/status"
            self._kube.patch(path, {"status": status}, patch_type="merge")

    def _address(self, node: Object) -> str:
        """An address out of the node's Pod range."""
        network = (node["spec"].get("podCIDR") or "10.244.0.0/24").rpartition(".")[0]
        self._addresses += 1
        return f"{network}.{self._addresses % 250 + 2}"

    def _slices(self) -> None:
        services = self._kube.items("/api/v1/services")
        pods = self._kube.items("/api/v1/pods")
        existing = {
            (s["metadata"]["namespace"], s["metadata"]["name"]): s
            for s in self._kube.items(f"{_SLICES}/endpointslices")
            if (s["metadata"].get("labels") or {}).get("endpointslice.kubernetes.io/managed-by")
            == _MANAGED_BY
        }
        for service in services:
            if (service.get("spec") or {}).get("selector"):
                body = slice_body(service, pods)
                key = (body["metadata"]["namespace"], body["metadata"]["name"])
                self._put_slice(body, existing.pop(key, None))
        for old in existing.values():
            self._kube.delete(_path(old, "endpointslices", _SLICES))

    def _put_slice(self, body: dict[str, Any], old: Object | None) -> None:
        if old is None:
            collection = f"{_SLICES}/namespaces/{body['metadata']['namespace']}/endpointslices"
            self._kube.create(collection, body)
        elif any((old.get(key) or []) != body[key] for key in ("endpoints", "ports")):
            changes = {key: body[key] for key in ("endpoints", "ports")}
            try:
                path = _path(old, "endpointslices", _SLICES)
                self._kube.patch(path, changes, patch_type="merge")
            except KubeError as error:
                if error.status != 404:  # its Service was deleted meanwhile
                    raise


# -- decisions -------------------------------------------------------------------------------

_MANAGED_BY = "endpointslice-controller.k8s.io"


def schedulable(nodes: Iterable[Object]) -> list[Object]:
    """Nodes that take Pods: ready, not cordoned, no taint that keeps Pods away."""
    return [node for node in nodes if _takes_pods(node)]


def _takes_pods(node: Object) -> bool:
    spec = node.get("spec") or {}
    keeps_away = any(t.get("effect") in ("NoSchedule", "NoExecute") for t in spec.get("taints", ()))
    conditions = (node.get("status") or {}).get("conditions") or ()
    is_ready = any(c["type"] == "Ready" and c["status"] == "True" for c in conditions)
    return is_ready and not keeps_away and not spec.get("unschedulable")


def emptiest(nodes: Iterable[Object], pods: Iterable[Object]) -> Object | None:
    """The node with the fewest of ``pods``; the first by name among equals."""
    on = [pod["spec"].get("nodeName") for pod in pods]
    return min(
        nodes,
        key=lambda node: (on.count(node["metadata"]["name"]), node["metadata"]["name"]),
        default=None,
    )


def lost_pods(
    pods: Iterable[Object], nodes: Iterable[Object], deployments: Iterable[Object]
) -> list[Object]:
    """Pods of ours whose node or Deployment is gone."""
    names = {node["metadata"]["name"] for node in nodes}
    owners = {deployment["metadata"]["uid"] for deployment in deployments}
    return [
        pod
        for pod in pods
        if _owner(pod) and (_owner(pod) not in owners or pod["spec"].get("nodeName") not in names)
    ]


def pod_body(deployment: Object, node: Object, *, suffix: str) -> dict[str, Any]:
    """A Pod of ``deployment`` on ``node``."""
    metadata, template = deployment["metadata"], deployment["spec"]["template"]
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {
            "name": f"{metadata['name']}-{suffix}",
            "namespace": metadata["namespace"],
            "labels": template["metadata"].get("labels", {}),
            "ownerReferences": [
                {
                    "apiVersion": "apps/v1",
                    "kind": "Deployment",
                    "name": metadata["name"],
                    "uid": metadata["uid"],
                    "controller": True,
                }
            ],
        },
        "spec": {**template["spec"], "nodeName": node["metadata"]["name"]},
    }


def pod_status(pod: Object, *, address: str) -> dict[str, Any]:
    """The status of ``pod`` once its containers run."""
    return {
        "phase": "Running",
        "podIP": address,
        "podIPs": [{"ip": address}],
        "conditions": [
            {"type": kind, "status": "True"}
            for kind in ("PodScheduled", "Initialized", "ContainersReady", "Ready")
        ],
        "containerStatuses": [
            {
                "name": container["name"],
                "image": container["image"],
                "imageID": "",
                "ready": True,
                "started": True,
                "restartCount": 0,
                "state": {"running": {}},
            }
            for container in pod["spec"]["containers"]
        ],
    }


def deployment_status(deployment: Object, ready: int) -> dict[str, Any]:
    """The status of ``deployment`` with ``ready`` Pods."""
    enough = ready >= deployment["spec"].get("replicas", 1)
    return {
        "observedGeneration": deployment["metadata"].get("generation", 1),
        "replicas": ready,
        "updatedReplicas": ready,
        "readyReplicas": ready,
        "availableReplicas": ready,
        "conditions": [
            {
                "type": "Available",
                "status": "True" if enough else "False",
                "reason": "MinimumReplicasAvailable" if enough else "MinimumReplicasUnavailable",
            }
        ],
    }


def slice_body(service: Object, pods: Iterable[Object]) -> dict[str, Any]:
    """The EndpointSlice of ``service``."""
    metadata, spec = service["metadata"], service["spec"]
    backends = [
        pod
        for pod in pods
        if pod["metadata"]["namespace"] == metadata["namespace"]
        and spec["selector"].items() <= (pod["metadata"].get("labels") or {}).items()
        and (pod.get("status") or {}).get("podIP")
    ]
    return {
        "apiVersion": "discovery.k8s.io/v1",
        "kind": "EndpointSlice",
        "metadata": {
            "name": f"{metadata['name']}-sandbox",
            "namespace": metadata["namespace"],
            "labels": {
                SERVICE_NAME: metadata["name"],
                "endpointslice.kubernetes.io/managed-by": _MANAGED_BY,
            },
            "ownerReferences": [
                {
                    "apiVersion": "v1",
                    "kind": "Service",
                    "name": metadata["name"],
                    "uid": metadata["uid"],
                    "controller": True,
                    "blockOwnerDeletion": True,
                }
            ],
        },
        "addressType": "IPv4",
        "endpoints": [
            {
                "addresses": [pod["status"]["podIP"]],
                "conditions": {"ready": True, "serving": True, "terminating": False},
                "nodeName": pod["spec"]["nodeName"],
                "targetRef": {
                    "kind": "Pod",
                    "namespace": metadata["namespace"],
                    "name": pod["metadata"]["name"],
                    "uid": pod["metadata"]["uid"],
                },
            }
            for pod in sorted(backends, key=lambda pod: str(pod["metadata"]["name"]))
        ],
        "ports": [_slice_port(port, backends) for port in spec.get("ports") or ()],
    }


def _slice_port(port: Object, pods: Sequence[Object]) -> dict[str, Any]:
    target = port.get("targetPort", port["port"])
    if isinstance(target, str):
        target = _named_port(target, pods) or port["port"]
    return {
        "name": port.get("name", ""),
        "port": target,
        "protocol": port.get("protocol", "TCP"),
    }


def _named_port(name: str, pods: Sequence[Object]) -> int | None:
    for pod in pods:
        for container in pod["spec"]["containers"]:
            for port in container.get("ports") or ():
                if port.get("name") == name:
                    return int(port["containerPort"])
    return None


def _owner(pod: Object) -> str:
    """UID of the Deployment that owns ``pod``, or empty."""
    for owner in pod["metadata"].get("ownerReferences") or ():
        if owner.get("kind") == "Deployment":
            return str(owner["uid"])
    return ""


def _path(item: Object, plural: str, group: str = "/api/v1") -> str:
    metadata = item["metadata"]
    return f"{group}/namespaces/{metadata['namespace']}/{plural}/{metadata['name']}"
