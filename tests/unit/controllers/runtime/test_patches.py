"""The exact body of every write (spec/ccm-core.md 3.1.4)."""

import datetime

import msgspec
import pytest

from cloudprovider.models import LoadBalancerIngress, NodeAddress, PortStatus, Taint
from cloudprovider_controllers.runtime import patches

LB = "service.kubernetes.io/load-balancer-cleanup"
IP = NodeAddress(type="InternalIP", address="10.0.0.1")
NAME = NodeAddress(type="Hostname", address="n1")
GONE = Taint(key="k", effect="NoSchedule", value="v")
ADDED = datetime.datetime(2026, 1, 2, 3, 4, 5, tzinfo=datetime.UTC)


@pytest.mark.parametrize(
    ("old", "new", "body"),
    [
        (
            None,
            [IP],
            {"status": {"addresses": [{"type": "InternalIP", "address": "10.0.0.1"}]}},
        ),
        (
            [NAME],
            [IP, NAME],
            {
                "status": {
                    "addresses": [
                        {"type": "InternalIP", "address": "10.0.0.1"},
                        {"type": "Hostname", "address": "n1"},
                        {"$patch": "replace"},
                    ]
                }
            },
        ),
        ([IP], [], {"status": {"addresses": [{"$patch": "replace"}]}}),
        ([IP, NAME], (IP, NAME), {}),
        (None, [], {}),
    ],
    ids=["first", "changed", "none left", "unchanged", "never any"],
)
def test_node_addresses(old, new, body):
    assert patches.node_addresses(old, new) == body


def test_node_labels():
    body = {"metadata": {"labels": {"a": "b", "gone": None}}}
    assert patches.node_labels({"a": "b", "gone": None}) == body


@pytest.mark.parametrize(
    ("taints", "value"),
    [
        ([], None),
        ([GONE], [{"key": "k", "effect": "NoSchedule", "value": "v"}]),
        (
            [Taint(key="k", effect="NoExecute", time_added=ADDED)],
            [{"key": "k", "effect": "NoExecute", "timeAdded": "2026-01-02T03:04:05Z"}],
        ),
    ],
    ids=["the last one goes", "with value", "with time"],
)
def test_node_taints(taints, value):
    body = {"metadata": {"resourceVersion": "7"}, "spec": {"taints": value}}
    assert patches.node_taints(taints, "7") == body


def test_a_taint_replaces_the_one_of_its_key_and_effect():
    other = Taint(key="k", effect="NoExecute", value="v")
    new = Taint(key="k", effect="NoSchedule", value="w")
    assert patches.with_taint([GONE, other], new) == [other, new]
    assert patches.with_taint(None, new) == [new]


def test_a_taint_is_removed_whatever_its_value():
    other = Taint(key="k", effect="NoExecute")
    assert patches.without_taint([GONE, other], "k", "NoSchedule") == [other]
    assert patches.without_taint(None, "k", "NoSchedule") == []


@pytest.mark.parametrize(
    ("fields", "rest"),
    [
        ({}, {}),
        ({"provider_id": "alicloud://r.i"}, {"spec": {"providerID": "alicloud://r.i"}}),
        ({"taints": []}, {"spec": {"taints": None}}),
        ({"labels": {}}, {}),
    ],
    ids=["nothing", "provider id", "no taint left", "no labels"],
)
def test_node_initialise(fields, rest):
    body = {"metadata": {"resourceVersion": "7"}, **rest}
    assert patches.node_initialise("7", **fields) == body


def test_node_initialise_in_one_write():
    body = patches.node_initialise("7", provider_id="p://i", labels={"a": "b"}, taints=[GONE])
    assert body == {
        "metadata": {"resourceVersion": "7", "labels": {"a": "b"}},
        "spec": {
            "providerID": "p://i",
            "taints": [{"key": "k", "effect": "NoSchedule", "value": "v"}],
        },
    }


def test_node_condition():
    body = patches.node_condition(
        "NetworkUnavailable", status=False, reason="RouteCreated", message="done", now=ADDED
    )
    assert body == {
        "status": {
            "conditions": [
                {
                    "type": "NetworkUnavailable",
                    "status": "False",
                    "reason": "RouteCreated",
                    "message": "done",
                    "lastHeartbeatTime": "2026-01-02T03:04:05Z",
                    "lastTransitionTime": "2026-01-02T03:04:05Z",
                }
            ]
        }
    }


@pytest.mark.parametrize("have", [None, ()])
def test_the_first_finalizer(have):
    assert patches.add_finalizer(have) == {"metadata": {"finalizers": [LB]}}


def test_a_further_finalizer():
    assert patches.add_finalizer(["x", "y"]) == {
        "metadata": {"$setElementOrder/finalizers": ["x", "y", LB], "finalizers": [LB]}
    }


@pytest.mark.upstream("Test_getPatchBytes")
def test_a_further_finalizer_is_upstreams_patch_byte_for_byte():
    assert msgspec.json.encode(patches.add_finalizer(["foo"], "bar")) == (
        b'{"metadata":{"$setElementOrder/finalizers":["foo","bar"],"finalizers":["bar"]}}'
    )


def test_one_of_several_finalizers_goes():
    assert patches.remove_finalizer(["x", LB, "y"]) == {
        "metadata": {
            "$deleteFromPrimitiveList/finalizers": [LB],
            "$setElementOrder/finalizers": ["x", "y"],
        }
    }


def test_the_only_finalizer_goes():
    assert patches.remove_finalizer([LB]) == {"metadata": {"finalizers": None}}


def test_the_only_finalizer_goes_from_the_version_that_was_read():
    assert patches.remove_finalizer([LB], resource_version="7") == {
        "metadata": {"finalizers": None, "resourceVersion": "7"}
    }


def test_finalizers_that_are_right_already_need_no_write():
    assert patches.add_finalizer([LB]) == {}
    assert patches.remove_finalizer(["x"]) == {}
    assert patches.remove_finalizer(None) == {}


@pytest.mark.parametrize(
    ("ingress", "value"),
    [
        (None, None),
        ([], None),
        ([LoadBalancerIngress(ip="1.2.3.4")], [{"ip": "1.2.3.4"}]),
        (
            [
                LoadBalancerIngress(
                    hostname="h", ip_mode="Proxy", ports=(PortStatus(port=80, protocol="TCP"),)
                )
            ],
            [{"hostname": "h", "ipMode": "Proxy", "ports": [{"port": 80, "protocol": "TCP"}]}],
        ),
    ],
    ids=["none", "cleared", "address", "name with mode and ports"],
)
def test_service_status(ingress, value):
    assert patches.service_status(ingress) == {"status": {"loadBalancer": {"ingress": value}}}


def test_times_are_utc_whatever_they_were():
    local = ADDED.astimezone(datetime.timezone(datetime.timedelta(hours=8)))
    assert patches.timestamp(local) == "2026-01-02T03:04:05Z"
    micro = local.replace(microsecond=70)
    assert patches.micro_timestamp(micro) == "2026-01-02T03:04:05.000070Z"
