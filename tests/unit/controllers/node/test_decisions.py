"""The pure decisions of the node controller; upstream's tables and our own."""

import pytest

from cloudprovider.errors import CloudProviderError, InvalidConfiguration
from cloudprovider.interface import InstanceMetadata
from cloudprovider.models import Taint
from cloudprovider.testing.builders import make_addresses, make_node
from cloudprovider_controllers.node.addresses import PROVIDED_NODE_IP
from cloudprovider_controllers.node.decisions import (
    BETA_INSTANCE_TYPE,
    BETA_REGION,
    BETA_ZONE,
    INSTANCE_TYPE,
    REGION,
    UNINITIALIZED,
    ZONE,
    has_taint,
    initialization,
    needs_work,
    refreshed_labels,
    split_labels,
    stable_label_changes,
    with_provider_id,
    without_taint,
    work_changed,
)

OTHER = Taint(key="other", effect="NoSchedule")
OURS = Taint(key=UNINITIALIZED, effect="NoSchedule", value="true")
ADDRESSES = make_addresses(("InternalIP", "10.0.0.1"))
TAINTED = {"taints": [UNINITIALIZED]}


def metadata(**fields):
    return InstanceMetadata(**{"provider_id": "p://1", **fields})


@pytest.mark.parametrize(
    ("taints", "key", "expected"),
    [
        pytest.param([OURS], UNINITIALIZED, True, id="there"),
        pytest.param([OTHER], UNINITIALIZED, False, id="another"),
        pytest.param([], UNINITIALIZED, False, id="none at all"),
    ],
)
def test_has_taint(taints, key, expected):
    assert has_taint(make_node(taints=taints), key) is expected


# fmt: off
@pytest.mark.parametrize(
    ("taints", "expected"),
    [
        pytest.param([OURS, OTHER], (OTHER,), id="others stay"),
        pytest.param([OTHER], (OTHER,), id="not there"),
        pytest.param([OURS], (), id="the only one"),
        pytest.param(None, (), id="none at all"),
        pytest.param([OURS, Taint(key=UNINITIALIZED, effect="NoExecute", value="x")], (),
                     id="any value and effect"),
    ],
)
def test_without_taint(taints, expected):
    assert without_taint(taints, UNINITIALIZED) == expected


LABELS = [
    ("equal", {BETA_ZONE: "a", ZONE: "a", BETA_REGION: "r", REGION: "r",
               BETA_INSTANCE_TYPE: "t", INSTANCE_TYPE: "t"}, {}),
    ("stable ones missing", {BETA_ZONE: "a", BETA_REGION: "r", BETA_INSTANCE_TYPE: "t"},
     {ZONE: "a", REGION: "r", INSTANCE_TYPE: "t"}),
    ("stable ones differ", {BETA_ZONE: "a", ZONE: "b"}, {ZONE: "a"}),
    ("beta ones missing", {ZONE: "a", REGION: "r", INSTANCE_TYPE: "t"}, {}),
    ("no labels", None, {}),
]
# fmt: on


@pytest.mark.parametrize(
    ("labels", "expected"), [pytest.param(*row[1:], id=row[0]) for row in LABELS]
)
def test_stable_labels_follow_the_beta_ones(labels, expected):
    assert stable_label_changes(make_node(labels=labels)) == expected


def test_additional_labels_are_filtered():
    additional = {
        "topology.kubernetes.io/x": "1",
        "topology.k8s.io/x": "1",
        "kubernetes.io/x": "1",
        "k8s.io/x": "1",
        "app.k8snio/x": "1",
        "k8snio/x": "1",
        "mine/x": "new",
        "mine/same": "same",
    }
    node = make_node(labels={"mine/x": "old", "mine/same": "same"})
    wanted, refused, kept = split_labels(node, additional)
    assert wanted == {"app.k8snio/x": "1", "k8snio/x": "1"}
    assert set(refused) == {
        "topology.kubernetes.io/x",
        "topology.k8s.io/x",
        "kubernetes.io/x",
        "k8s.io/x",
    }
    assert kept == ["mine/x"]


def test_initialisation_sets_all_that_the_cloud_knows():
    node = make_node(taints=[OURS, OTHER], labels={"keep": "me"})
    facts = metadata(instance_type="t1", zone="z1", region="r1", additional_labels={"mine/x": "1"})
    plan = initialization(node, facts)
    assert plan.provider_id == "p://1"
    assert plan.taints == (OTHER,)
    assert plan.labels == {
        INSTANCE_TYPE: "t1",
        BETA_INSTANCE_TYPE: "t1",
        ZONE: "z1",
        BETA_ZONE: "z1",
        REGION: "r1",
        BETA_REGION: "r1",
        "mine/x": "1",
    }


def test_what_the_cloud_does_not_know_sets_no_label():
    assert initialization(make_node(**TAINTED), metadata()).labels == {}


def test_a_label_that_is_right_is_not_written_again():
    node = make_node(**TAINTED, labels={ZONE: "z1", BETA_ZONE: "old"})
    assert initialization(node, metadata(zone="z1")).labels == {BETA_ZONE: "z1"}


def test_initialisation_leaves_nothing_to_reconcile():
    node = make_node(**TAINTED, labels={BETA_ZONE: "z1"})
    assert initialization(node, metadata()).labels == {ZONE: "z1"}


@pytest.mark.parametrize(
    ("on_node", "from_cloud", "expected"),
    [
        pytest.param(None, "p://1", "p://1", id="from the cloud"),
        pytest.param("p://0", "p://1", None, id="the node's is kept"),
        pytest.param("p://0", "", None, id="the cloud has none, the node has"),
    ],
)
def test_provider_id(on_node, from_cloud, expected):
    node = make_node(**TAINTED, provider_id=on_node)
    assert initialization(node, metadata(provider_id=from_cloud)).provider_id == expected


def test_without_any_provider_id_there_is_no_metadata():
    found = with_provider_id(make_node(**TAINTED), metadata(provider_id=""))
    assert isinstance(found, CloudProviderError)
    assert "does not set node provider ID for node node-1" in str(found)


@pytest.mark.parametrize(("on_node", "from_cloud"), [("p://0", ""), ("", "p://1")])
def test_one_provider_id_is_enough(on_node, from_cloud):
    facts = metadata(provider_id=from_cloud)
    assert with_provider_id(make_node(provider_id=on_node), facts) is facts


def test_an_old_cloud_without_ids_can_still_initialise():
    plan = initialization(make_node(**TAINTED), metadata(provider_id=""))
    assert plan.provider_id is None
    assert plan.taints == ()


@pytest.mark.parametrize("provided", ["invalid-ip", "10.9.9.9", ""])
def test_a_kubelet_address_that_the_cloud_does_not_confirm_stops_initialisation(provided):
    node = make_node(**TAINTED, annotations={PROVIDED_NODE_IP: provided})
    with pytest.raises(InvalidConfiguration, match='provided node ip for node "node-1" is not'):
        initialization(node, metadata(node_addresses=ADDRESSES))


def test_a_kubelet_address_that_the_cloud_confirms_is_fine():
    node = make_node(**TAINTED, annotations={PROVIDED_NODE_IP: "10.0.0.1"})
    assert initialization(node, metadata(node_addresses=ADDRESSES)).taints == ()


# fmt: off
REFRESH = [
    ("all right", {INSTANCE_TYPE: "t1", BETA_INSTANCE_TYPE: "t1", ZONE: "z1", BETA_ZONE: "z1"},
     {}),
    ("resized", {INSTANCE_TYPE: "t0", BETA_INSTANCE_TYPE: "t0", ZONE: "z1", BETA_ZONE: "z1"},
     {INSTANCE_TYPE: "t1", BETA_INSTANCE_TYPE: "t1"}),
    ("another zone", {INSTANCE_TYPE: "t1", BETA_INSTANCE_TYPE: "t1", ZONE: "z0", BETA_ZONE: "z0"},
     {ZONE: "z1", BETA_ZONE: "z1"}),
    ("zone missing", {INSTANCE_TYPE: "t1", BETA_INSTANCE_TYPE: "t1"},
     {ZONE: "z1", BETA_ZONE: "z1"}),
]
# fmt: on


@pytest.mark.parametrize(
    ("labels", "expected"), [pytest.param(*row[1:], id=row[0]) for row in REFRESH]
)
def test_which_labels_the_status_loop_sets(labels, expected):
    node = make_node(labels=labels, provider_id="p://1")
    assert refreshed_labels(node, metadata(instance_type="t1", zone="z1")) == expected


# fmt: off
WORK = [
    ("registers", {}, TAINTED, True),
    ("heartbeat while it waits", TAINTED, {**TAINTED, "ready": "False"}, False),
    ("label while it waits", TAINTED, {**TAINTED, "labels": {"a": "b"}}, False),
    ("provider id appears", TAINTED, {**TAINTED, "provider_id": "p://1"}, True),
    ("address annotation appears", TAINTED,
     {**TAINTED, "annotations": {PROVIDED_NODE_IP: "10.0.0.1"}}, True),
    ("made anew", {**TAINTED, "uid": "1"}, {**TAINTED, "uid": "2"}, True),
    ("initialised", TAINTED, {}, False),
    ("beta label changes", {"labels": {BETA_ZONE: "a", ZONE: "a"}},
     {"labels": {BETA_ZONE: "b", ZONE: "a"}}, True),
    ("heartbeat while labels differ", {"labels": {BETA_ZONE: "b", ZONE: "a"}},
     {"labels": {BETA_ZONE: "b", ZONE: "a"}, "ready": "False"}, False),
    ("nothing to do", {}, {"labels": {"a": "b"}}, False),
]
# fmt: on


@pytest.mark.parametrize(
    ("old", "new", "expected"), [pytest.param(*row[1:], id=row[0]) for row in WORK]
)
def test_which_updates_give_work(old, new, expected):
    assert work_changed(make_node(**old), make_node(**new)) is expected


def test_needs_work():
    assert needs_work(make_node(**TAINTED))
    assert needs_work(make_node(labels={BETA_ZONE: "a"}))
    assert not needs_work(make_node())
