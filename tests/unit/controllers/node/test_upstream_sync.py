"""Upstream's table of initialisations (``spec/ccm-core.md`` 5.2, Test_syncNode).

Each row is a Node as its kubelet registered it, what the cloud says of its instance, and the Node
afterwards. The rows of the old interface go through the adapter of :mod:`cloudprovider.legacy`.
Upstream compares the Node; here the events and the bodies sent are part of every row as well.
"""

import dataclasses

import pytest

from cloudprovider.errors import CloudProviderError, NotSupported
from cloudprovider.interface import InstanceMetadata
from cloudprovider.legacy import Instances, InstancesAdapter, Zone, Zones
from cloudprovider.models import Taint
from cloudprovider.testing.builders import make_addresses
from cloudprovider_controllers.runtime.resources import EVENTS

UNINITIALIZED = Taint(
    key="node.cloudprovider.kubernetes.io/uninitialized", value="true", effect="NoSchedule"
)
OTHER = Taint(key="dedicated", value="db", effect="NoSchedule")
PROVIDED = "alpha.kubernetes.io/provided-node-ip"

NAME = ("Hostname", "node0.internal")
KUBELETS_NAME = ("Hostname", "what-the-kubelet-says")
INSIDE = ("InternalIP", "10.0.0.1")
OUTSIDE = ("ExternalIP", "132.143.154.163")
ALL = (NAME, INSIDE, OUTSIDE)

ZONE = {
    "topology.kubernetes.io/zone": "west-1a",
    "failure-domain.beta.kubernetes.io/zone": "west-1a",
    "topology.kubernetes.io/region": "west",
    "failure-domain.beta.kubernetes.io/region": "west",
}
TYPE = {
    "node.kubernetes.io/instance-type": "t1.micro",
    "beta.kubernetes.io/instance-type": "t1.micro",
}


NOWHERE = Zone("", "")


@dataclasses.dataclass
class Facts:
    """What the cloud says of the one instance; an error is raised where it is asked for."""

    addresses: tuple = ()
    id: object = ""  #: of the old interface, without scheme
    provider_id: str = ""  #: of the new interface
    type: str = ""
    zone: Zone = NOWHERE
    labels: dict = dataclasses.field(default_factory=dict)
    metadata: object = ...  #: the whole answer of the new interface, in place of the above


class Old(Instances, Zones):
    """The interface of 2017 on the facts that the cloud has at the time."""

    def __init__(self, cloud):
        self._cloud = cloud

    @property
    def facts(self):
        return self._cloud.facts

    def instance_id(self, node_name):
        if isinstance(self.facts.id, Exception):
            raise self.facts.id
        return self.facts.id

    def node_addresses(self, node_name):
        return make_addresses(*self.facts.addresses)

    def instance_type(self, node_name):
        return self.facts.type

    def get_zone_by_node_name(self, node_name):
        return self.facts.zone

    node_addresses_by_provider_id = node_addresses
    instance_type_by_provider_id = instance_type
    get_zone_by_provider_id = get_zone_by_node_name

    def instance_exists_by_provider_id(self, provider_id):
        raise AssertionError("the node controller does not ask")

    instance_shutdown_by_provider_id = instance_exists_by_provider_id


def serve(world, facts, *, old):
    """Make the cloud of ``world`` say ``facts`` through the old or the new interface."""
    world.cloud.claims_node = lambda node: True
    world.cloud.heal()
    world.cloud.facts = facts
    if old:
        adapter = InstancesAdapter("fake", Old(world.cloud), Old(world.cloud))
        world.cloud.instances_v2 = lambda: adapter
    elif facts.metadata is ...:
        answer = InstanceMetadata(
            provider_id=facts.provider_id,
            instance_type=facts.type,
            node_addresses=make_addresses(*facts.addresses),
            zone=facts.zone.failure_domain,
            region=facts.zone.region,
            additional_labels=facts.labels,
        )
        world.cloud.answer("instance_metadata", answer)
    elif isinstance(facts.metadata, Exception):
        world.cloud.fail("instance_metadata", facts.metadata)
    else:
        world.cloud.answer("instance_metadata", facts.metadata)


@dataclasses.dataclass
class After:
    """The Node after its initialisation; labels beside those it had."""

    addresses: tuple
    provider_id: str | None
    labels: dict = dataclasses.field(default_factory=dict)
    taints: tuple = ()


def case(name, facts, node, after, *, old=True):
    """One row: ``node`` are fields of the Node beside the taint."""
    return pytest.param(
        old, facts, node, after, id=name, marks=pytest.mark.upstream(f"Test_syncNode/{name}")
    )


def case2(name, facts, node, after):
    return case(f"[instanceV2] {name}", facts, node, after, old=False)


WEST = Zone(failure_domain="west-1a", region="west")
KNOWN = Facts(ALL, id="12345", provider_id="fake://12345")
TWO = {"taints": [OTHER, UNINITIALIZED]}
ASKED_FOR = {**TWO, "annotations": {PROVIDED: "10.0.0.1"}, "addresses": [NAME]}
RESERVED = {
    f"{domain}/region": "elsewhere"
    for domain in ("topology.kubernetes.io", "topology.k8s.io", "kubernetes.io", "k8s.io")
}
MINE = {"my.label/foo": "bar", "my.label/bar": "foo"}
NOT_RESERVED = {"app.k8snio/bar": "foo", "k8snio/bar": "foo"}

# fmt: off
INITIALISED = [
    case("node initialized with hostname",
         dataclasses.replace(KNOWN, type="t1.micro"), {"addresses": [KUBELETS_NAME]},
         After(ALL, "fake://12345", TYPE)),
    case("node initialized with hostname and cloud provider missing hostname",
         dataclasses.replace(KNOWN, addresses=(INSIDE, OUTSIDE)), {"addresses": [KUBELETS_NAME]},
         After((INSIDE, OUTSIDE, KUBELETS_NAME), "fake://12345")),
    case("node initialized with provider ID", KNOWN, {}, After(ALL, "fake://12345")),
    case("zone/region topology labels added", dataclasses.replace(KNOWN, zone=WEST),
         {"labels": {}}, After(ALL, "fake://12345", ZONE)),
    case("node addresses", KNOWN, TWO, After(ALL, "fake://12345", taints=(OTHER,))),
    case("provided node IP address", Facts((INSIDE, OUTSIDE)),
         {**ASKED_FOR, "provider_id": "node0.aws.12345"},
         After((INSIDE, OUTSIDE, NAME), "node0.aws.12345", taints=(OTHER,))),
    case("provider ID already set", Facts(ALL, id="another"),
         {**TWO, "provider_id": "mine"}, After(ALL, "mine", taints=(OTHER,))),
    case("provider ID not implemented", Facts(ALL, id=NotSupported()), {}, After(ALL, None)),
    case2("node initialized with provider ID", KNOWN,
          {"provider_id": "fake://12345"}, After(ALL, "fake://12345")),
    case2("zone/region topology labels added", dataclasses.replace(KNOWN, zone=WEST),
          {"labels": {}}, After(ALL, "fake://12345", ZONE)),
    case2("node addresses", KNOWN, TWO, After(ALL, "fake://12345", taints=(OTHER,))),
    case2("provided node IP address", Facts((INSIDE, OUTSIDE)),
          {**ASKED_FOR, "provider_id": "node0.aws.12345"},
          After((INSIDE, OUTSIDE, NAME), "node0.aws.12345", taints=(OTHER,))),
    case2("provided additional labels",
          Facts((INSIDE, OUTSIDE), zone=WEST, labels={"topology.k8s.cp/zone-id": "az1", **MINE}),
          {**ASKED_FOR, "provider_id": "node0.cp.12345"},
          After((INSIDE, OUTSIDE, NAME), "node0.cp.12345", taints=(OTHER,),
                labels={**ZONE, "topology.k8s.cp/zone-id": "az1", **MINE})),
    case2("provided additional labels with labels to discard",
          Facts((INSIDE, OUTSIDE), zone=WEST, labels={**RESERVED, **MINE, **NOT_RESERVED}),
          {**ASKED_FOR, "provider_id": "node0.cp.12345",
           "labels": {"my.label/foo": "fizz", "my.label/bar": "foo"}},
          After((INSIDE, OUTSIDE, NAME), "node0.cp.12345", taints=(OTHER,),
                labels={**ZONE, **NOT_RESERVED})),
    case2("provider ID already set", dataclasses.replace(KNOWN, provider_id="fake://another"),
          {**TWO, "provider_id": "mine"}, After(ALL, "mine", taints=(OTHER,))),
]

UNTOUCHED = "left as it is, for good"
LEFT_TAINTED = [
    case("nil instanceMetadata provided by InstanceV2", Facts(metadata=None),
         {**ASKED_FOR, "provider_id": "node0.aws.12345"}, UNTOUCHED, old=False),
    case("provided node IP address is not valid", Facts((INSIDE, OUTSIDE)),
         {**ASKED_FOR, "provider_id": "x", "annotations": {PROVIDED: "invalid-ip"}},
         'failed to get node modifiers from cloud provider: metadata.annotations'
         '[alpha.kubernetes.io/provided-node-ip]=\'invalid-ip\': provided node ip for node "node0"'
         ' is not valid: not a node address; accepted: an address that the cloud gives for this'
         ' instance'),
    case("provided node IP address is not present", Facts((INSIDE, OUTSIDE)),
         {**ASKED_FOR, "provider_id": "x", "annotations": {PROVIDED: "10.0.0.2"}},
         'failed to get node modifiers from cloud provider: metadata.annotations'
         '[alpha.kubernetes.io/provided-node-ip]=\'10.0.0.2\': provided node ip for node "node0"'
         ' is not valid: failed to get node address from cloud provider that matches ip: 10.0.0.2;'
         ' accepted: an address that the cloud gives for this instance'),
    case2("provider ID not implemented", Facts(ALL), {},
          "failed to get instance metadata for node node0:"
          " cloud provider does not set node provider ID for node node0"),
    case2("error getting InstanceMetadata", Facts(metadata=CloudProviderError("metadata error")),
          {}, "failed to get instance metadata for node node0: metadata error"),
]
# fmt: on


def register(world, node):
    return world.add_node("node0", **{"taints": [UNINITIALIZED], "ready": "Unknown", **node})


def plain(objects, *fields):
    return [{field: getattr(item, field) for field in fields} for item in objects]


def expected_writes(before, after):
    """First the addresses, then the rest on the version that was read (``docs/decisions`` 0009)."""
    uid = before.metadata.uid
    addresses = plain(make_addresses(*after.addresses), "type", "address")
    yield "PATCH nodes/node0/status", {"metadata": {"uid": uid}, "status": {"addresses": addresses}}
    rest = {"metadata": {"uid": uid, "resourceVersion": ...}}
    if after.labels:
        rest["metadata"]["labels"] = after.labels
    rest["spec"] = {"taints": plain(after.taints, "key", "value", "effect") or None}
    if after.provider_id and not before.spec.provider_id:
        rest["spec"]["providerID"] = after.provider_id
    yield "PATCH nodes/node0", rest


@pytest.mark.parametrize(("old", "facts", "node", "after"), INITIALISED)
def test_a_tainted_node_is_initialised(play, sent, old, facts, node, after):
    def scene(world):
        serve(world, facts, old=old)
        world.start("node")
        writes = sent(world)
        before = register(world, node)
        world.wait(1)
        found = world.node("node0")
        assert found.spec.provider_id == after.provider_id
        assert found.spec.taints == (after.taints or None)
        labels = {**(node.get("labels") or {}), **after.labels}
        assert dict(found.metadata.labels or {}) == labels
        assert found.metadata.annotations == before.metadata.annotations
        assert found.status.addresses == make_addresses(*after.addresses)
        assert found.status.conditions == before.status.conditions
        bodies = []
        for write in writes:
            body = write.body
            if "resourceVersion" in body["metadata"]:
                assert body["metadata"]["resourceVersion"] == write.version
                body["metadata"]["resourceVersion"] = ...
            bodies.append((write.op, body))
        assert bodies == list(expected_writes(before, after))
        assert [write.content_type for write in writes] == [
            "application/merge-patch+json",
            "application/strategic-merge-patch+json",
        ]
        assert world.events() == [("Normal", "Synced", "Node synced successfully")]
        check_event(world, found)

    play(scene)


def check_event(world, node):
    [event] = world.user.list(EVENTS)
    raw = world.user.get_raw(EVENTS, event.metadata.name, "default")
    assert raw["involvedObject"].pop("resourceVersion")
    assert raw["involvedObject"] == {
        "apiVersion": "v1",
        "kind": "Node",
        "name": node.metadata.name,
        "uid": node.metadata.uid,
    }
    assert raw["source"] == {"component": "cloud-node-controller"}
    assert raw["reportingComponent"] == "cloud-node-controller"


@pytest.mark.parametrize(("old", "facts", "node", "complaint"), LEFT_TAINTED)
def test_a_node_that_cannot_be_initialised_keeps_everything(
    play, sent, old, facts, node, complaint
):
    def scene(world):
        serve(world, facts, old=old)
        manager = world.start("node")
        writes = sent(world)
        before = register(world, node)
        world.wait(60)
        assert world.node("node0") == before
        assert writes == []
        if complaint is UNTOUCHED:
            assert world.events() == []
            assert world.cloud.count() == 1
        else:
            assert world.events() == [("Warning", "FailedToInitialize", complaint)]
            [controller] = manager.running
            assert controller.healthy()
        # It is tried again and not given up; a null answer means "leave it alone".
        both = (*ALL, ("InternalIP", "10.0.0.2"))
        serve(world, dataclasses.replace(KNOWN, addresses=both), old=old)
        if PROVIDED in (before.metadata.annotations or {}) and complaint is not UNTOUCHED:
            world.patch_node({"metadata": {"annotations": {PROVIDED: "10.0.0.2"}}}, "node0")
        world.wait(120)
        tainted = UNINITIALIZED in (world.node("node0").spec.taints or ())
        assert tainted is (complaint is UNTOUCHED)

    play(scene)


@pytest.mark.parametrize(
    "old",
    [
        pytest.param(True, marks=pytest.mark.upstream("Test_syncNode/node ignored"), id="old"),
        pytest.param(
            False, marks=pytest.mark.upstream("Test_syncNode/[instanceV2] node ignored"), id="new"
        ),
    ],
)
def test_a_node_without_the_taint_is_not_touched(play, sent, old):
    def scene(world):
        serve(world, dataclasses.replace(KNOWN, type="t1.micro"), old=old)
        world.start("node", node_status_update_frequency=10_000.0)
        writes = sent(world)
        before = world.add_node("node0")
        world.wait(60)
        assert world.node("node0") == before
        assert writes == []
        assert world.events() == []
        assert world.cloud.calls == []

    play(scene)
