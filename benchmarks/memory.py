"""Resident memory of the manager, and its CPU from start to synced, in three sizes of cluster."""

from __future__ import annotations

import dataclasses
import time
from typing import Any

import msgspec

from benchmarks.bench import Bench, bench, each
from benchmarks.cluster import NODES, Cluster
from benchmarks.processes import Process
from benchmarks.report import Figure, Result, command, figure
from cloudprovider.testing.emulation import EmulatedInstance
from cloudprovider.toolkit.journal import Record
from cloudprovider_alicloud.annotations import PREFIXES
from cloudprovider_sandbox.kubelets import node_body

SMALL_NODES, SMALL_SERVICES = 100, 200
LARGE_NODES, LARGE_SERVICES, BALANCERS = 5_000, 10_000, 200
#: Nodes that the load balancers of the large cluster have as backends, chosen by label.
POOL = 20
#: Payloads of ``spec/kubernetes-client.md`` 0, bytes.
NODE_SIZE, SERVICE_SIZE = 13_600, 2_700
#: Seconds without a call after which nothing more is expected.
_IDLE = 3.0


def run() -> Result:
    """An idle manager, a small cluster, a large one."""
    figures = [*_idle(), *_small()]
    with bench() as made:
        sizes = _fill(made)
        figures += _large(made)
        figures += _large_with_balancers(made)
    return Result(
        name="memory",
        title="Memory and CPU of the manager",
        measured=(
            f"VmRSS of the manager's process, default flags. Large: {LARGE_NODES:,} Nodes of "
            f"{sizes[0] / 1000:.1f} kB and {LARGE_SERVICES:,} Services of {sizes[1] / 1000:.1f} "
            f"kB; all Services ClusterIP but one, or all but {BALANCERS} that have load balancers "
            f"with {POOL} backends each. Every Node is an instance in the emulated cloud."
        ),
        figures=figures,
        notes=[
            "Synced = the first write to the one Service that waits: both caches are filled and "
            "the workers run. Settled = nothing was called for 3 s: by then the node controller "
            "has asked the cloud about all nodes, and every load balancer was compared with it.",
            "The Go manager was not measured with the large cluster.",
        ],
    )


def _idle() -> list[Figure]:
    with bench() as made, made.manager() as manager:
        made.wait(lambda: _leads(made), "the manager leads")
        made.settle(_IDLE)
        return [figure("0 nodes, 0 Services: resident", manager.rss(), "MiB", go="46.6 MiB")]


def _leads(made: Bench) -> bool:
    """Whether the manager watches nodes, which only a leader does."""
    return any(record.op == "WATCH nodes" for record in made.cluster.requests())


def _small() -> list[Figure]:
    names = [f"web-{number}" for number in range(SMALL_SERVICES)]
    with bench(SMALL_NODES) as made, made.manager() as manager:
        made.wait(made.initialised, "the nodes are initialised")
        made.settle()
        nodes_only = manager.rss()
        each(made.cluster.expose, names)
        made.wait(made.addressed(names), "all Services have an address")
        made.settle(_IDLE)
        what = f"{SMALL_NODES} nodes"
        both = f"{what}, {SMALL_SERVICES} Services"
        steady, peak = manager.rss(), manager.peak_rss()
        cpu = manager.cpu()
        time.sleep(20)
        cpu = manager.cpu() - cpu
    return [
        figure(f"{what}: resident", nodes_only, "MiB", go="54-57 MiB"),
        figure(f"{both}: resident", steady, "MiB", go="63-64 MiB", most=120),
        figure(f"{both}: peak", peak, "MiB", go="66-87 MiB"),
        figure(f"{both}: CPU in 20 s idle", cpu, "s", go="0.03 s"),
    ]


# -- the large cluster ---------------------------------------------------------------------------


def _fill(made: Bench) -> tuple[float, float]:
    """Nodes that are initialised and ClusterIP Services; the mean sizes of their JSON."""
    for number, instance in enumerate(made.launch(LARGE_NODES)):
        _store(made.cluster, "nodes", "", _node(instance, number))
    for number in range(LARGE_SERVICES - BALANCERS):
        _store(made.cluster, "services", "default", _service(number))
    return _mean_size(made.cluster, "nodes"), _mean_size(made.cluster, "services")


def _large(made: Bench) -> list[Figure]:
    what = "5,000 nodes, 10,000 Services"
    calls, requests = made.cloud.last(), made.cluster.last()
    manager, synced = _start(made, "left-to-others")
    with manager:
        rss = manager.rss()
        made.settle(_IDLE)
        describes = sum(r.op == "DescribeInstances" for r in made.cloud.calls(calls))
        patches = sum(r.op.startswith("PATCH nodes") for r in made.cluster.requests(requests))
        return [
            figure(f"{what}: CPU from start to synced", synced.cpu, "s", most=3.0),
            figure(f"{what}: seconds from start to synced", synced.wall, "s"),
            figure(f"{what}: resident when synced", rss, "MiB", most=250),
            figure(f"{what}: resident when settled", manager.rss(), "MiB", most=250),
            figure(f"{what}: peak", manager.peak_rss(), "MiB", most=250),
            figure(f"{what}: CPU from start to settled", manager.cpu(), "s"),
            figure("5,000 nodes looked up: cloud calls", describes, go="⌈n/100⌉", most=50),
            figure("5,000 nodes looked up: writes to Nodes", patches, most=0),
        ]


def _large_with_balancers(made: Bench) -> list[Figure]:
    what = f"the same with {BALANCERS} load balancers"
    label = {PREFIXES[0] + "backend-label": "pool=edge"}
    names = [f"edge-{number}" for number in range(BALANCERS)]
    with made.manager():
        for name in names:
            made.cluster.expose(name, label)
        made.wait(made.addressed(names), "all Services have an address")
        made.settle()
    before = made.cloud.last()
    manager, synced = _start(made, "left-to-others-too")
    with manager:
        made.wait(lambda: len(made.cloud.calls(before)) > BALANCERS, "they are compared")
        made.settle(_IDLE)
        writes = sum(record.write for record in made.cloud.calls(before))
        rows = [
            figure(f"{what}: CPU from start to synced", synced.cpu, "s", most=3.0),
            figure(f"{what}: CPU from start to settled", manager.cpu(), "s"),
            figure(f"{what}: resident when settled", manager.rss(), "MiB", most=250),
            figure(f"{what}: peak", manager.peak_rss(), "MiB", most=250),
            figure(f"{what}: cloud writes of the restart", writes, most=0),
        ]
        cpu = manager.cpu()
        made.work(lambda: made.cluster.patch(f"{NODES}/{made.instances[0].node_name}", _LABEL))
        return [*rows, figure(f"{what}: CPU of one label change", manager.cpu() - cpu, "s")]


_LABEL = {"metadata": {"labels": {"a": "b"}}}


@dataclasses.dataclass
class _Synced:
    wall: float = 0.0
    cpu: float = 0.0


def _start(made: Bench, name: str) -> tuple[Process, _Synced]:
    """Start a manager; what it took until it first wrote to the new Service ``name``."""
    # Of a class that another controller serves: it is claimed, and costs no cloud call.
    others = {"service.beta.kubernetes.io/class": "other"}
    made.cluster.expose(name, others)
    synced = _Synced()
    process = made.manager()

    def note(record: Record) -> None:
        if not synced.wall and record.op.startswith("PATCH services") and name in record.key:
            synced.wall, synced.cpu = time.monotonic() - process.started, process.cpu()

    made.cluster.server.journal.listen(note)
    made.wait(lambda: synced.wall, "the manager has synced")
    return process, synced


def _store(cluster: Cluster, storage: str, namespace: str, obj: dict[str, Any]) -> None:
    """Put an object where the API server would, without the checks of a request."""
    name = obj["metadata"]["name"]
    cluster.server.store.put(storage, (namespace, name), obj, None)


def _mean_size(cluster: Cluster, storage: str) -> float:
    entries = cluster.server.store.table(storage).entries()
    return sum(len(entry.data) for entry in entries) / len(entries)


def _meta(name: str, number: int) -> dict[str, Any]:
    return {
        "name": name,
        "uid": f"00000000-0000-4000-8000-{number:012d}",
        "creationTimestamp": "2026-01-01T00:00:00Z",
    }


def _node(instance: EmulatedInstance, number: int) -> dict[str, Any]:
    """An initialised Node of the size that real ones have: images and managedFields."""
    from cloudprovider.concurrency import current

    body = node_body(instance, number=number, version="v1.33.0", now=current().now())
    body["spec"] |= {"providerID": instance.provider_id, "taints": []}
    body["metadata"] |= _meta(instance.node_name, number)
    region = instance.zone.rpartition("-")[0]
    for domain in ("topology.kubernetes.io/", "failure-domain.beta.kubernetes.io/"):
        body["metadata"]["labels"] |= {f"{domain}zone": instance.zone, f"{domain}region": region}
    if number < POOL:
        body["metadata"]["labels"]["pool"] = "edge"
    for domain in ("node.kubernetes.io/", "beta.kubernetes.io/"):
        body["metadata"]["labels"][f"{domain}instance-type"] = "ecs.g7.xlarge"  # the emulator's
    body["metadata"]["managedFields"] = _managed_fields(4)
    body["status"]["images"] = [
        {
            "names": [
                f"registry.example.com/team-{i}/application@sha256:{number:032x}{i:032x}",
                f"registry.example.com/team-{i}/application:v1.{i}.0",
            ],
            "sizeBytes": 10_000_000 + i,
        }
        for i in range(40)
    ]
    return _padded(body, NODE_SIZE)


def _service(number: int) -> dict[str, Any]:
    """A ClusterIP Service."""
    ports = [{"name": "http", "port": 80, "targetPort": 8080, "protocol": "TCP"}]
    body: dict[str, Any] = {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {**_meta(f"app-{number}", number), "namespace": "default"},
        "spec": {
            "type": "ClusterIP",
            "clusterIP": f"10.97.{number // 250}.{number % 250 + 1}",
            "selector": {"app": f"app-{number}"},
            "ports": ports,
            "sessionAffinity": "None",
        },
        "status": {"loadBalancer": {}},
    }
    body["metadata"]["managedFields"] = _managed_fields(1)
    return _padded(body, SERVICE_SIZE)


def _managed_fields(count: int) -> list[dict[str, Any]]:
    fields = {"f:metadata": {"f:labels": {".": {}, "f:app": {}}}, "f:spec": {"f:ports": {}}}
    return [
        {
            "manager": f"manager-{number}",
            "operation": "Update",
            "apiVersion": "v1",
            "fieldsType": "FieldsV1",
            "fieldsV1": fields,
        }
        for number in range(count)
    ]


def _padded(body: dict[str, Any], size: int) -> dict[str, Any]:
    """``body`` with managedFields as large as it takes to reach ``size`` bytes of JSON."""
    missing = size - len(msgspec.json.encode(body))
    fields: dict[str, Any] = {}
    for number in range(max(0, missing) // 30):
        fields[f"f:annotation-of-key-{number:04d}"] = {}
    body["metadata"]["managedFields"][0]["fieldsV1"] = fields
    return body


if __name__ == "__main__":
    command(run)
