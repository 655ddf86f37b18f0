"""Upstream's tables (``spec/ccm-core.md`` 5.3), with what we decide otherwise.

A node is deleted after the second pass that does not find its instance, not after the first; one
without providerID is nobody's, unless the provider claims it by another mark. Upstream compares the
Node; here the requests, their bodies and the events are part of every row as well.
"""

import dataclasses

import pytest

from cloudprovider.errors import CloudProviderError, InstanceNotFound
from cloudprovider.interface import InstanceMetadata, InstancesV2
from cloudprovider.legacy import Instances, InstancesAdapter
from cloudprovider.models import Taint
from cloudprovider.testing.builders import make_node
from cloudprovider_controllers.runtime.resources import EVENTS

DOWN = CloudProviderError("err!")
DELETED, KEPT, TAINTED = "deleted", "kept", "tainted"
SHUTDOWN = "node.cloudprovider.kubernetes.io/shutdown"
TWICE = "a Node goes when two passes in a row, a period apart, do not find its instance"


@dataclasses.dataclass
class Facts:
    """What the cloud says; exceptions are raised. ``ids`` are those it was asked about."""

    exists: object = True
    shutdown: object = False
    id: object = "12345"
    ids: list = dataclasses.field(default_factory=list)

    def says(self, name, about):
        self.ids.append(about)
        value = getattr(self, name)
        if isinstance(value, Exception):
            raise value
        return value


class Old(Instances):
    """The interface of 2017."""

    def __init__(self, facts):
        self.facts = facts

    def instance_exists_by_provider_id(self, provider_id):
        return self.facts.says("exists", provider_id)

    def instance_shutdown_by_provider_id(self, provider_id):
        return self.facts.says("shutdown", provider_id)

    def instance_id(self, node_name):
        return self.facts.says("id", node_name)

    def node_addresses(self, node_name):
        raise AssertionError

    node_addresses_by_provider_id = node_addresses
    instance_type = instance_type_by_provider_id = node_addresses


class New(InstancesV2):
    """The interface of today, without a bulk form."""

    def __init__(self, facts):
        self.facts = facts

    def instance_exists(self, node):
        return self.facts.says("exists", node.spec.provider_id)

    def instance_shutdown(self, node):
        return self.facts.says("shutdown", node.spec.provider_id)

    def instance_metadata(self, node):
        return InstanceMetadata(self.facts.id)


def serve(world, facts, *, old):
    instances = InstancesAdapter("fake", Old(facts)) if old else New(facts)
    world.cloud.instances_v2 = lambda: instances
    world.cloud.claims_node = lambda node: True


def event(world):
    """The one event, without what differs each time."""
    [found] = world.user.list(EVENTS)
    raw = world.user.get_raw(EVENTS, found.metadata.name, found.metadata.namespace)
    fields = ("type", "reason", "message", "involvedObject", "source", "reportingComponent")
    return {"namespace": found.metadata.namespace, **{field: raw[field] for field in fields}}


def deletion_event(node):
    name = node.metadata.name
    return {
        "namespace": "default",
        "type": "Normal",
        "reason": "DeletingNode",
        "message": f"Deleting node {name} because it does not exist in the cloud provider",
        "involvedObject": {
            "apiVersion": "v1",
            "kind": "Node",
            "name": name,
            "uid": node.metadata.uid,
        },
        "source": {"component": "cloud-node-lifecycle-controller"},
        "reportingComponent": "cloud-node-lifecycle-controller",
    }


def deletion(node):
    """The Node that was approved, or none: neither a namesake nor one that changed meanwhile."""
    version = {"uid": node.metadata.uid, "resourceVersion": node.metadata.resource_version}
    return ("DELETE nodes/node-1", version)


def taints_patch(node, taints):
    return (
        "PATCH nodes/node-1",
        {
            "metadata": {
                "resourceVersion": node.metadata.resource_version,
                "uid": node.metadata.uid,
            },
            "spec": {"taints": taints},
        },
    )


def written(writes):
    return [
        (write.op, write.body.get("preconditions") if "DELETE" in write.op else write.body)
        for write in writes
    ]


def check(world, cluster, writes, node, expected):
    """Start the controller, let it look several times, and see what became of ``node``."""
    manager = cluster.start()
    if expected is not TAINTED:
        assert world.node() == node  # nothing in the first pass
        assert (writes, world.events()) == ([], [])
    cluster.passes(4)
    if expected is DELETED:
        assert cluster.names() == []
        assert written(writes) == [deletion(node)]
        assert event(world) == deletion_event(node)
    elif expected is TAINTED:
        assert world.node().spec.taints == (Taint(key=SHUTDOWN, effect="NoSchedule"),)
        assert written(writes) == [
            taints_patch(node, [{"key": SHUTDOWN, "effect": "NoSchedule"}]),
        ]
        assert world.events() == []
    else:
        assert world.node() == node
        assert (writes, world.events()) == ([], [])
    assert manager.running[0].healthy()


def row(name, node, facts, expected):
    """``node``: (Ready, providerID)."""
    options = {"instead": TWICE} if expected is DELETED else {}
    return pytest.param(node, facts, expected, id=name, marks=pytest.mark.upstream(name, **options))


def deleted(case, node, facts, expected):
    return row(f"Test_NodesDeleted/{case}", node, facts, expected)


def shut_down(case, node, facts, expected):
    return row(f"Test_NodesShutdown/{case}", node, facts, expected)


OLD_ROWS = [
    deleted("node is not ready and does not exist", ("False", ""), {"exists": False}, DELETED),
    deleted("node is not ready and provider returns err", ("False", "x"), {"exists": DOWN}, KEPT),
    deleted("node is not ready but still exists", ("False", "x"), {}, KEPT),
    deleted(
        "node ready condition is unknown, node doesn't exist",
        ("Unknown", ""),
        {"exists": False},
        DELETED,
    ),
    deleted("node ready condition is unknown, node exists", ("Unknown", ""), {}, KEPT),
    deleted(
        "node is ready, but provider said it is deleted (maybe a bug in provider)",
        ("True", "x"),
        {"exists": False},
        KEPT,
    ),
    shut_down(
        "node is not ready and was shutdown, but exists",
        ("False", "x"),
        {"shutdown": True},
        TAINTED,
    ),
    shut_down(
        "node with empty spec providerID is not ready and was shutdown, but exists",
        ("False", ""),
        {"shutdown": True},
        TAINTED,
    ),
    shut_down(
        "node with non-existing providerID (missing in cloud provider) gets deleted",
        ("False", ""),
        {"id": "", "exists": False},
        DELETED,
    ),
    shut_down(
        "node with error when getting providerID does not have shutdown taint",
        ("False", ""),
        {"id": DOWN, "shutdown": True},
        KEPT,
    ),
    shut_down(
        "node with InstanceID returning InstanceNotFound gets deleted",
        ("False", ""),
        {"id": InstanceNotFound("x")},
        DELETED,
    ),
    shut_down(
        "node is not ready, but there is error checking if node is shutdown",
        ("False", ""),
        {"exists": False, "shutdown": DOWN},
        DELETED,
    ),
    shut_down("node is not ready and is not shutdown", ("False", ""), {"exists": False}, DELETED),
    shut_down(
        "node is ready but provider says it's shutdown (maybe a bug by provider)",
        ("True", ""),
        {"shutdown": True},
        KEPT,
    ),
    shut_down(
        "node is shutdown but provider says it does not exist",
        ("Unknown", ""),
        {"exists": False, "shutdown": True},
        DELETED,
    ),
]
NEW_ROWS = [
    deleted(
        "[instance2] node is not ready and does not exist",
        ("False", ""),
        {"exists": False},
        DELETED,
    ),
    deleted(
        "[instancev2] node is not ready and provider returns err",
        ("False", "x"),
        {"exists": DOWN},
        KEPT,
    ),
    deleted("[instancev2] node is not ready but still exists", ("False", "x"), {}, KEPT),
    deleted(
        "[instancev2] node ready condition is unknown, node doesn't exist",
        ("Unknown", ""),
        {"exists": False},
        DELETED,
    ),
    deleted("[instancev2] node ready condition is unknown, node exists", ("Unknown", ""), {}, KEPT),
    deleted(
        "[instancev2] node is ready, but provider said it is deleted (maybe a bug in provider)",
        ("True", "x"),
        {"exists": False},
        KEPT,
    ),
]
#: What upstream leaves out; the same through both interfaces.
OUR_ROWS = [
    pytest.param(("False", "x"), {"shutdown": DOWN}, KEPT, id="there, power state unknown"),
    pytest.param(("False", "x"), {"exists": None}, KEPT, id="neither yes nor no"),
    pytest.param((None, "x"), {"exists": False}, DELETED, id="no condition Ready, gone"),
    pytest.param((None, "x"), {"shutdown": True}, TAINTED, id="no condition Ready, shut down"),
    pytest.param(("True", "x"), {"exists": DOWN}, KEPT, id="ready, not asked about"),
]


@pytest.mark.parametrize(("node", "facts", "expected"), [*OLD_ROWS, *OUR_ROWS])
def test_what_becomes_of_a_node_through_the_old_interface(stage, sent, node, facts, expected):
    ready, provider_id = node

    def scene(world, cluster):
        said = Facts(**facts)
        serve(world, said, old=True)
        before = cluster.join(ready=ready, provider_id=provider_id)
        check(world, cluster, sent(world), before, expected)
        assert bool(said.ids) is (ready != "True")  # a node that is well costs no question

    stage(scene)


@pytest.mark.parametrize(("node", "facts", "expected"), [*NEW_ROWS, *OUR_ROWS])
def test_what_becomes_of_a_node_through_the_new_interface(stage, sent, node, facts, expected):
    ready, provider_id = node

    def scene(world, cluster):
        said = Facts(**facts)
        serve(world, said, old=False)
        before = cluster.join(ready=ready, provider_id=provider_id)
        check(world, cluster, sent(world), before, expected)
        assert bool(said.ids) is (ready != "True")  # a node that is well costs no question

    stage(scene)


def test_an_instance_that_exists_and_is_not_found_when_asked_for_its_power_is_kept(stage, sent):
    def scene(world, cluster):
        serve(world, Facts(shutdown=InstanceNotFound("x")), old=False)
        before = cluster.join(ready="False")
        check(world, cluster, sent(world), before, KEPT)

    stage(scene)


@pytest.mark.parametrize(("node", "facts", "expected"), OLD_ROWS)
def test_a_node_without_provider_id_is_left_alone_by_a_provider_that_goes_by_it(
    stage, sent, node, facts, expected
):
    ready, provider_id = node

    def scene(world, cluster):
        serve(world, Facts(**facts), old=True)
        del world.cloud.claims_node
        before = cluster.join(ready=ready, provider_id=provider_id and "fake://x")
        check(world, cluster, sent(world), before, expected if provider_id else KEPT)

    stage(scene)


# -- which instance is meant --------------------------------------------------------------------


def identified(case, **options):
    name = f"Test_GetProviderID/{case}"
    return {"id": case, "marks": pytest.mark.upstream(name, **options)}


NO_IDS = "no id is made up: the cloud is given the Node itself, and finds it by what it carries"


@pytest.mark.parametrize(
    ("on_node", "instance_id", "asked"),
    [
        pytest.param("fake://12345", DOWN, ["fake://12345"],
                     **identified("node initialized with provider ID")),
        pytest.param("", "12345", ["node0", "fake://12345"],
                     **identified("cloud implemented with Instances")),
    ],
)  # fmt: skip
def test_the_old_interface_is_asked_about_an_id(on_node, instance_id, asked):
    facts = Facts(id=instance_id)
    node = make_node("node0", provider_id=on_node)
    assert InstancesAdapter("fake", Old(facts)).instance_exists(node) is True
    assert facts.ids == asked


@pytest.mark.parametrize(
    ("on_node", "in_cloud"),
    [
        pytest.param("fake://12345", "",
                     **identified("node initialized with provider ID with InstancesV2")),
        pytest.param("", "fake://12345",
                     **identified("cloud implemented with InstancesV2", instead=NO_IDS)),
        pytest.param("", "", **identified("cloud implemented with InstancesV2 (without providerID)",
                                          instead=NO_IDS)),
    ],
)  # fmt: skip
def test_the_new_interface_is_asked_about_the_node(stage, on_node, in_cloud):
    def scene(world, cluster):
        facts = Facts(id=in_cloud)
        serve(world, facts, old=False)
        cluster.join(ready="False", provider_id=on_node)
        cluster.start()
        assert facts.ids == [on_node or None] * 2  # whether it exists, whether it is shut down

    stage(scene)


@pytest.mark.parametrize(
    ("error", "kind", "text"),
    [
        pytest.param(InstanceNotFound("instance not found"), InstanceNotFound, "instance not found",
                     **identified("cloud implemented with Instances with instance missing")),
        pytest.param(CloudProviderError("unknown error"), CloudProviderError,
                     "failed to get instance ID from cloud provider: unknown error",
                     **identified("cloud implemented with Instances with unknown error")),
    ],
)  # fmt: skip
def test_an_id_that_the_old_interface_cannot_give(error, kind, text):
    instances = InstancesAdapter("fake", Old(Facts(id=error)))
    with pytest.raises(CloudProviderError) as caught:
        instances.instance_metadata(make_node("node0"))
    assert type(caught.value) is kind
    assert str(caught.value) == text
