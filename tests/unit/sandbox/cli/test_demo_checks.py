"""The demo notices everything that can be wrong with what the manager did."""

import dataclasses

import pytest

from cloudprovider.testing.emulation import InventoryItem
from cloudprovider_sandbox.demo import checks
from cloudprovider_sandbox.demo.balancers import balancers_of


def test_an_initialised_node_has_no_problem(build):
    assert checks.initialised([build.node(1)], [build.instance(1)]) == []


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        pytest.param({"labels": {}}, "label topology.kubernetes.io/zone is missing", id="labels"),
        pytest.param(
            {"taints": [{"key": checks.UNINITIALIZED}]}, "taint is still there", id="taint"
        ),
        pytest.param({"provider_id": None}, "providerID is None", id="no provider id"),
        pytest.param({"provider_id": "cn-hangzhou.i-2"}, "not 'cn-hangzhou.i-1'", id="another's"),
        pytest.param({"addresses": None}, "InternalIP 10.0.0.1 is missing", id="no address"),
    ],
)
def test_what_a_node_lacks_is_named(build, changes, problem):
    found = checks.initialised([build.node(1, **changes)], [build.instance(1)])
    assert any(problem in text for text in found), found


def test_a_node_that_never_registered_is_named(build):
    assert checks.initialised([], [build.instance(1)]) == ["node node-1 is not there"]


def test_a_node_waits_to_be_initialised_when_it_has_the_taint(build):
    waiting = build.node(1, taints=[{"key": checks.UNINITIALIZED}])
    instances = [build.instance(1), build.instance(2), build.instance(3)]
    assert checks.tainted([waiting, build.node(2)], instances) == [
        "node node-3 is not there",
        "node node-2 has no taint",
    ]


def exposed(build, items, **service):
    balancers = balancers_of(items, build.owner)
    return checks.exposed(build.service(**service), balancers, [build.instance(1)])


def test_a_service_is_exposed_with_address_listener_and_backends(build):
    assert exposed(build, build.balancer_items()) == []


@pytest.mark.parametrize(
    ("items", "service", "problem"),
    [
        pytest.param({}, {"ingress": ()}, "the Service's address is []", id="no address"),
        pytest.param({}, {"ingress": ("198.18.0.2",)}, "198.18.0.1", id="another address"),
        pytest.param(
            {}, {"ports": ((443, 30443),)}, "listeners are 80/TCP, not 443/TCP", id="wrong port"
        ),
        pytest.param({"status": "stopped"}, {}, "listeners 80/TCP do not run", id="stopped"),
        pytest.param(
            {"groups": (("rsp-1", ""),)}, {}, "backends of 80/TCP are none", id="no backend"
        ),
        pytest.param(
            {"groups": (("rsp-1", "i-1:30080 weight 100, i-2:30080 weight 100"),)},
            {},
            "i-2:30080",
            id="a backend too many",
        ),
        pytest.param(
            {"groups": (("rsp-1", "i-1:30081 weight 100"),)}, {}, "i-1:30081", id="wrong node port"
        ),
        pytest.param({"listeners": ((80, ""),)}, {}, "backends of 80/TCP are none", id="no group"),
    ],
)
def test_what_a_balancer_lacks_is_named(build, items, service, problem):
    found = exposed(build, build.balancer_items(**items), **service)
    assert any(problem in text for text in found), found


def test_two_balancers_of_one_service_are_a_problem(build):
    twice = [*build.balancer_items(), *build.balancer_items()]
    assert exposed(build, twice) == ["the cloud has 2 load balancers of this Service, not 1"]


def test_balancers_of_others_are_left_out(build):
    items = [*build.foreign, *build.balancer_items()]
    assert [found.id for found in balancers_of(items, build.owner)] == ["lb-1"]


def test_a_balancer_is_the_services_when_only_a_listener_says_so(build):
    head, *rest = build.balancer_items()
    items = [dataclasses.replace(head, owner=""), *rest]
    assert [found.id for found in balancers_of(items, build.owner)] == ["lb-1"]


def test_foreign_resources_that_changed_or_vanished_are_named(build):
    changed = dataclasses.replace(build.foreign[1], details={"port": "81/tcp"})
    found = checks.untouched(build.foreign, [build.foreign[0], changed])
    assert found == [
        "listener lb-9_tcp_80 (web), not ours, was changed",
        "server group rsp-9 (web), not ours, is gone",
    ]


def test_what_is_left_behind_is_named(build):
    left = build.balancer_items()[-1]
    assert checks.same(build.foreign, [*build.foreign, left]) == [
        "server group rsp-1 (k8s/30080) was left behind"
    ]


def route(cidr, hop):
    return InventoryItem("route", f"rte-{cidr}", cidr, details={"next hop": hop})


@pytest.mark.parametrize(
    ("routes", "problem"),
    [
        pytest.param([("10.244.1.0/24", "i-1")], "", id="one to its instance"),
        pytest.param([], "lead to [], not to node-1", id="none"),
        pytest.param([("10.244.1.0/24", "i-2")], "lead to ['i-2']", id="to another"),
        pytest.param(
            [("10.244.1.0/24", "i-1"), ("10.244.1.0/24", "i-9")], "'i-9'", id="one too many"
        ),
    ],
)
def test_each_nodes_pods_have_one_route(build, routes, problem):
    node = build.node(1)
    node["spec"]["podCIDR"] = "10.244.1.0/24"
    found = checks.routed([node], [route(*one) for one in routes], [build.instance(1)])
    assert problem in "".join(found)
    assert bool(found) == bool(problem)


def test_routes_to_nodes_that_are_there_are_not_left_behind(build):
    mine, stale = route("10.244.1.0/24", "i-1"), route("10.244.2.0/24", "i-2")
    assert checks.without_nodes([mine, stale], [build.instance(1)]) == [stale]
