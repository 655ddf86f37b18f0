"""A cluster and a cloud: what users do to them, and how the oracles see them.

Whoever runs the manager (:mod:`world` on virtual time, :mod:`process_world` for real) brings
``server`` (the embedded API server), ``core`` and ``cloud`` (the emulator) and ``client``.
"""

from __future__ import annotations

import hashlib

import msgspec

from cloudprovider import models
from cloudprovider.testing.harness import oracles
from cloudprovider_alicloud.emulator.world import launch_instance, terminate_instance
from cloudprovider_alicloud.provider import CLB_CLASS
from cloudprovider_controllers.runtime.resources import NODES, SERVICES

OWNER_TAG = "kubernetes.do.not.delete"
CLUSTER_ID = "c-test"
#: Name of objects that do not fit their type.
UNREADABLE = "unreadable"
UNINITIALIZED = {
    "key": "node.cloudprovider.kubernetes.io/uninitialized",
    "value": "true",
    "effect": "NoSchedule",
}


class Cluster:
    """Users' actions and the judges' view."""

    def __init__(self):
        self.instances: dict[str, object] = {}
        self.stopped: frozenset[str] = frozenset()
        self.excluded: frozenset[str] = frozenset()
        self.broken: frozenset[str] = frozenset()
        self.elsewhere: frozenset[str] = frozenset()  #: UIDs of what other controllers serve
        self.violations: list[str] = []
        self._decoded: dict[tuple[str, str, int], object] = {}

    # -- user actions ----------------------------------------------------------------------

    def join(self, name):
        """An instance starts and its kubelet registers the node."""
        with self.core.lock:
            instance = launch_instance(
                self.core.state,
                region=self.cloud.region,
                vswitch=self.cloud.vswitches[0],
                now=self.core.now(),
                host_name=name,
            )
        self.register(name, f"{self.cloud.region}.{instance.id}")
        self.instances[name] = instance

    def register(self, name, provider_id):
        """A kubelet makes its Node. Labels that people gave it before are lost."""
        self.excluded -= {name}
        self.client.create(
            NODES,
            {
                "metadata": {"name": name},
                "spec": {"providerID": provider_id, "taints": [UNINITIALIZED]},
                "status": {"conditions": [{"type": "Ready", "status": "True"}]},
            },
        )

    def replace(self, name):
        """Another instance takes the place of a released one, under the same node name."""
        instance = self.instances.pop(name)
        with self.core.lock:
            terminate_instance(self.core.state, self.core.state.instances[instance.id])
        self.client.delete(NODES, name)
        self.join(name)

    def terminate(self, name):
        """Its instance is released and its kubelet falls silent: the Node is to go."""
        instance = self.instances.pop(name)
        with self.core.lock:
            terminate_instance(self.core.state, self.core.state.instances[instance.id])
        self._set_ready(name, "Unknown")

    def stop(self, name):
        """Its instance is shut down and its kubelet falls silent: the Node is to be tainted."""
        self.stopped |= {name}
        self._set_power(name, "Stopped")
        self._set_ready(name, "Unknown")

    def resume(self, name):
        """Its instance is started again, and its kubelet reports."""
        self.stopped -= {name}
        self._set_power(name, "Running")
        self._set_ready(name, "True")

    def silence(self, *names):
        """Kubelets fall silent, whatever their instances do."""
        for name in names:
            self._set_ready(name, "Unknown")

    def hear(self, *names):
        """They report again."""
        for name in names:
            self._set_ready(name, "True")

    def _set_power(self, name, status):
        state = self.core.state
        with self.core.lock:
            state.change(state.instances[self.instances[name].id], status=status)

    def _set_ready(self, name, status):
        body = {"status": {"conditions": [{"type": "Ready", "status": status}]}}
        self.client.patch(NODES, name, body, subresource="status")

    def leave(self, name):
        """The node is removed from the cluster."""
        del self.instances[name]
        self.client.delete(NODES, name)

    def cordon(self, name):
        """Mark a node unschedulable; it stays a backend."""
        self.client.patch(NODES, name, {"spec": {"unschedulable": True}}, patch_type="merge")

    def exclude(self, name):
        """Take a node out of every load balancer, by its label."""
        self.excluded |= {name}
        self._label(name, "true")

    def include(self, name):
        """Take the label away again."""
        self.excluded -= {name}
        self._label(name, None)

    def _label(self, name, value):
        labels = {"node.kubernetes.io/exclude-from-external-load-balancers": value}
        self.client.patch(NODES, name, {"metadata": {"labels": labels}}, patch_type="merge")

    def expose(self, *ports, name="web", namespace="default", annotations=None):
        """A Service of type LoadBalancer with TCP ``ports``."""
        spec = {"type": "LoadBalancer", "selector": {"app": name}, "ports": as_ports(ports)}
        meta = {"name": name, "annotations": annotations or {}}
        self.client.create(SERVICES, {"metadata": meta, "spec": spec}, namespace)

    def edit(self, spec, *, name="web"):
        """Merge ``spec`` into the Service's."""
        self.client.patch(SERVICES, name, {"spec": spec}, namespace="default", patch_type="merge")

    def set_ports(self, *ports):
        """Change the Service's ports."""
        self.edit({"ports": as_ports(ports)})

    def delete(self, *, name="web", namespace="default"):
        """Delete the Service."""
        self.client.delete(SERVICES, name, namespace=namespace)

    # -- judging -----------------------------------------------------------------------------

    def unsettled(self):
        """What cluster and cloud still disagree about."""
        nodes = {node.metadata.name: taints(node) for node in self.server_objects("nodes")}
        pending = [f"O7: node {name} has no instance" for name in nodes.keys() - self.instances]
        for name, found in sorted(nodes.items()):
            if "uninitialized" in found:
                pending.append(f"O7: node {name} is not initialised")
            if ("shutdown" in found) != (name in self.stopped):
                pending.append(f"O7: node {name} has the taints {found}")
        view = self.view()
        return pending + oracles.converged(view) + oracles.nothing_twice(view)

    def nothing_left(self):
        """Judge O10."""
        self.violations += oracles.nothing_left(self.initial, self.view())

    def view(self):
        """Kubernetes and the cloud now, as the oracles see them."""
        services = tuple(
            service
            for service in self.server_objects("services")
            if service.metadata.name != "kubernetes"
        )
        names = {f"a{s.metadata.uid.replace('-', '')}"[:32]: s.metadata.uid for s in services}
        state = self.core.state
        ours, foreign = [], {}
        for balancer in state.load_balancers.values():
            if balancer.tags.get("ack.aliyun.com") == CLUSTER_ID:
                owner = names.get(balancer.tags[OWNER_TAG], balancer.tags[OWNER_TAG])
                ours.append(as_balancer(state, balancer, owner))
            else:
                foreign |= digests(state, balancer)
        backends = frozenset(
            instance.id for name, instance in self.instances.items() if name not in self.excluded
        )
        return oracles.View(
            services=services,
            balancers=tuple(ours),
            foreign=foreign,
            backends=backends,
            nodes=frozenset(node.metadata.name for node in self.server_objects("nodes")),
            members=frozenset(self.instances),
            steady=self.steady(backends),
            broken=self.broken,
            classes=frozenset({CLB_CLASS}),
            elsewhere=self.elsewhere,
        )

    def steady(self, backends):
        """Those of ``backends`` that have been eligible for a while; none where nobody knows."""
        del backends
        return frozenset()

    def server_objects(self, plural):
        """Objects of the API server, read past its journal; without those nobody can read."""
        model = {"services": models.Service, "nodes": models.Node}[plural]
        found = []
        for entry in self.server.store.table(plural).entries():
            if entry.key[1] == UNREADABLE:
                continue
            version = (plural, entry.uid, entry.version)
            if version not in self._decoded:
                self._decoded[version] = msgspec.json.decode(entry.data, type=model)
            found.append(self._decoded[version])
        return found


class Unsettled(AssertionError):
    """Cluster and cloud did not come to agree."""


def objects(server, resource):
    """Every stored object of a resource, past the server's journal and faults."""
    entries = server.store.table(resource.plural).entries()
    return [msgspec.json.decode(entry.data) for entry in entries]


def taints(node):
    """The last parts of the keys of a node's taints."""
    return [taint.key.rpartition("/")[2] for taint in node.spec.taints or ()]


def as_ports(ports, protocol="TCP"):
    """Service ports as the API has them; the node port follows from the port."""
    return [
        {"name": f"p{port}", "port": port, "protocol": protocol, "nodePort": 30000 + port}
        for port in ports
    ]


def as_balancer(state, balancer, owner):
    """An emulated load balancer as the oracles see it."""
    groups = [state.vserver_groups[group] for group in balancer.vserver_groups]
    names = {group.id: group.name for group in groups}
    listeners = [state.listeners[listener] for listener in balancer.listeners]
    return oracles.Balancer(
        id=balancer.id,
        owner_uid=owner,
        address=balancer.address,
        listeners={
            (item.protocol.upper(), item.port): oracles.Listener(
                running=item.status == "running",
                group=names.get(item.vserver_group, ""),
                id=item.id,
            )
            for item in listeners
        },
        groups={
            group.name: frozenset((b.server, b.port) for b in group.backends) for group in groups
        },
        group_ids=tuple(names),
    )


def digests(state, balancer):
    """A digest of a load balancer and of each of its parts."""
    parts = [balancer]
    parts += [state.vserver_groups[group] for group in balancer.vserver_groups]
    parts += [state.listeners[listener] for listener in balancer.listeners]
    return {part.id: hashlib.sha256(msgspec.json.encode(part)).hexdigest() for part in parts}
