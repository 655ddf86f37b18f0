"""Upstream's table (``spec/ccm-core.md`` 5.3), with what we decide otherwise.

A node is deleted after the second pass that does not find its instance, not after the first; one
without providerID is nobody's, unless the provider claims it by another mark.
"""

import pytest

from cloudprovider.errors import CloudProviderError, InstanceNotFound
from cloudprovider.legacy import Instances, InstancesAdapter

DOWN = CloudProviderError("err!")
DELETED, KEPT, TAINTED = "deleted", "kept", "tainted"
SHUTDOWN = "node.cloudprovider.kubernetes.io/shutdown"


class Old(Instances):
    """The interface of 2017, with scripted answers: values, or exceptions to raise."""

    def __init__(self, *, exists=True, shutdown=False, instance_id="node-1"):
        self.exists, self.shutdown, self.id = exists, shutdown, instance_id

    def instance_exists_by_provider_id(self, provider_id):
        return answer(self.exists)

    def instance_shutdown_by_provider_id(self, provider_id):
        return answer(self.shutdown)

    def instance_id(self, node_name):
        return answer(self.id)

    def node_addresses(self, node_name):
        raise AssertionError

    node_addresses_by_provider_id = node_addresses
    instance_type = instance_type_by_provider_id = node_addresses


def answer(value):
    if isinstance(value, Exception):
        raise value
    return value


def outcome(world, cluster):
    cluster.start()
    cluster.passes(4)
    if not cluster.names():
        return DELETED
    return TAINTED if SHUTDOWN in cluster.taints() else KEPT


NODES_DELETED = [
    pytest.param("False", False, DELETED, id="not ready, gone"),
    pytest.param("False", DOWN, KEPT, id="not ready, provider error"),
    pytest.param("False", True, KEPT, id="not ready, there"),
    pytest.param("Unknown", False, DELETED, id="unknown, gone"),
    pytest.param("Unknown", True, KEPT, id="unknown, there"),
    pytest.param("True", False, KEPT, id="ready though gone"),
]


@pytest.mark.parametrize("interface", ["V1", "V2"])
@pytest.mark.parametrize(("ready", "exists", "expected"), NODES_DELETED)
def test_nodes_deleted(stage, interface, ready, exists, expected):
    def scene(world, cluster):
        cluster.join(ready=ready, instance=exists is True)
        if interface == "V1":
            adapter = InstancesAdapter("fake", Old(exists=exists))
            world.cloud.instances_v2 = lambda: adapter
        elif exists is DOWN:
            world.cloud.fail("instance_states", DOWN)
        assert outcome(world, cluster) == expected

    stage(scene)


NODES_SHUTDOWN = [
    pytest.param({"shutdown": True}, {}, TAINTED, id="shut down"),
    pytest.param({"shutdown": True}, {"provider_id": ""}, TAINTED, id="no providerID"),
    pytest.param(
        {"instance_id": "", "exists": False}, {"provider_id": ""}, DELETED, id="id of nothing"
    ),
    pytest.param({"instance_id": DOWN}, {"provider_id": ""}, KEPT, id="id cannot be found out"),
    pytest.param(
        {"instance_id": InstanceNotFound("x")},
        {"provider_id": ""},
        DELETED,
        id="id says that it is not there",
    ),
    pytest.param({"exists": False, "shutdown": DOWN}, {}, DELETED, id="gone, power state unknown"),
    pytest.param({"exists": False}, {}, DELETED, id="gone, not shut down"),
    pytest.param({"shutdown": True}, {"ready": "True"}, KEPT, id="ready though shut down"),
    pytest.param({"exists": False, "shutdown": True}, {}, DELETED, id="gone, shut down"),
    # Not among upstream's:
    pytest.param({}, {}, KEPT, id="there, not shut down"),
    pytest.param({"shutdown": DOWN}, {}, KEPT, id="there, power state unknown"),
    pytest.param({"exists": None}, {}, KEPT, id="neither yes nor no"),
]


@pytest.mark.parametrize(("old", "node", "expected"), NODES_SHUTDOWN)
def test_nodes_shutdown(stage, old, node, expected):
    def scene(world, cluster):
        adapter = InstancesAdapter("fake", Old(**old))
        world.cloud.instances_v2 = lambda: adapter
        world.cloud.claims_node = lambda node: True
        cluster.join(**{"ready": "Unknown", **node})
        assert outcome(world, cluster) == expected

    stage(scene)


@pytest.mark.parametrize(("old", "node", "expected"), NODES_SHUTDOWN)
def test_a_node_without_provider_id_is_left_alone_by_a_provider_that_goes_by_it(
    stage, old, node, expected
):
    def scene(world, cluster):
        adapter = InstancesAdapter("fake", Old(**old))
        world.cloud.instances_v2 = lambda: adapter
        cluster.join(**{"ready": "Unknown", **node})
        assert outcome(world, cluster) == (KEPT if "provider_id" in node else expected)

    stage(scene)
