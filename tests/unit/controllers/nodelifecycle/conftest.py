"""Nodes and their instances, and what the controller did to them."""

import pytest

SHUTDOWN = "node.cloudprovider.kubernetes.io/shutdown"


class Cluster:
    """Short ways around a :class:`World`; nodes are initialised and, unless asked, not Ready."""

    period = 5.0

    def __init__(self, world):
        self.world = world

    def join(self, name="node-1", *, ready="Unknown", instance=True, **fields):
        """A node, and the instance it runs on."""
        if instance:
            self.world.cloud.add_instance(name)
        fields.setdefault("provider_id", f"fake://{name}")
        return self.world.add_node(name, ready=ready, **fields)

    def join_many(self, count, **fields):
        for index in range(count):
            self.join(f"n{index:04}", **fields)

    def lose(self, *names):
        """The instances are released."""
        for name in names:
            del self.world.cloud.instances[name]

    def set_ready(self, name, status):
        condition = {"type": "Ready", "status": status}
        self.world.patch_node({"status": {"conditions": [condition]}}, name, subresource="status")

    def start(self, **options):
        options.setdefault("node_monitor_period", self.period)
        return self.world.start("lifecycle", settle=0.5, **options)

    def passes(self, count):
        """Let ``count`` more passes be over."""
        self.world.wait(count * self.period)

    def names(self):
        return sorted(node.metadata.name for node in self.world.nodes())

    def taints(self, name="node-1"):
        return [taint.key for taint in self.world.node(name).spec.taints or ()]

    def records(self, op):
        """The manager's calls to the API server of this kind."""
        records = self.world.server.journal.records()
        return [record for record in records if record.op == op and record.proc == "manager"]

    def asked(self):
        """The nodes of each question to the cloud."""
        return [call.nodes for call in self.world.cloud.called("instance_states_many")]


@pytest.fixture
def stage(play):
    """Run a function with a world on virtual time and a :class:`Cluster` in it."""

    def run(scene, **options):
        play(lambda world: scene(world, Cluster(world)), **options)

    return run
