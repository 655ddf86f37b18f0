"""Who gets node ports, and who gives them back: upstream's integration tests of Services."""

import pytest
from apiserver_kube import STRATEGIC, SVC

upstream = pytest.mark.upstream

TWO = [{"port": 80, "name": "np-1"}, {"port": 81, "name": "np-2"}]


def node_ports(answer):
    """Whether each port of a Service has a node port."""
    assert answer.status in (200, 201), answer.body
    return [bool(port.get("nodePort")) for port in answer.body["spec"]["ports"]]


def again(kube, answer, *, without=(), **spec):
    """PUT the Service as it was read, with ``spec``, and no node port for the ports ``without``."""
    body = answer.body
    for index in without:
        del body["spec"]["ports"][index]["nodePort"]
    body["spec"].update(spec)
    return kube.put(f"{SVC}/{answer.meta['name']}", body)


@pytest.fixture
def balancer(kube):
    """Create a Service of type LoadBalancer."""

    def create(allocate, *ports):
        return kube.service(
            "web",
            type="LoadBalancer",
            allocateLoadBalancerNodePorts=allocate,
            ports=list(ports or [{"port": 80}]),
        )

    return create


@upstream("Test_ServiceLoadBalancerDisableAllocateNodePorts")
def test_who_wants_no_node_ports_gets_none(balancer):
    assert node_ports(balancer(False)) == [False]


@upstream("Test_ServiceUpdateLoadBalancerDisableAllocateNodePorts")
def test_who_becomes_a_load_balancer_without_node_ports_gets_none(kube):
    first = kube.service("web", type="ClusterIP", ports=[{"port": 80}])
    assert node_ports(first) == [False]
    changes = {"type": "LoadBalancer", "allocateLoadBalancerNodePorts": False}
    assert node_ports(again(kube, first, **changes)) == [False]


@upstream("Test_ServiceLoadBalancerEnableThenDisableAllocatedNodePorts")
def test_who_wants_none_any_more_keeps_those_that_he_names(kube, balancer):
    first = balancer(True)
    assert node_ports(first) == [True]
    port = first.body["spec"]["ports"][0]["nodePort"]
    second = again(kube, first, allocateLoadBalancerNodePorts=False)
    assert second.body["spec"]["ports"][0]["nodePort"] == port


@upstream("Test_ServiceLoadBalancerDisableAllocatedNodePort")
def test_who_wants_none_any_more_and_names_none_loses_it(kube, balancer):
    first = balancer(True)
    assert node_ports(first) == [True]
    second = again(kube, first, without=[0], allocateLoadBalancerNodePorts=False)
    assert node_ports(second) == [False]


@upstream("Test_ServiceLoadBalancerDisableAllocatedNodePorts")
def test_one_of_two_node_ports_can_be_given_back(kube, balancer):
    first = balancer(True, *TWO)
    kept = first.body["spec"]["ports"][1]["nodePort"]
    second = again(kube, first, without=[0], allocateLoadBalancerNodePorts=False)
    assert node_ports(second) == [False, True]
    assert second.body["spec"]["ports"][1]["nodePort"] == kept


@upstream("Test_ServiceLoadBalancerDisableAllocatedNodePortsByPatch")
def test_one_of_two_node_ports_can_be_given_back_by_a_patch(kube, balancer):
    first = balancer(True, *TWO)
    assert node_ports(first) == [True, True]
    change = {
        "allocateLoadBalancerNodePorts": False,
        "$setElementOrder/ports": [{"port": 80}, {"port": 81}],
        "ports": [{"port": 80, "nodePort": None}],
    }
    second = kube.patch(f"{SVC}/web", {"spec": change}, STRATEGIC)
    assert node_ports(second) == [False, True]


@upstream("Test_ServiceLoadBalancerDisableThenEnableAllocatedNodePorts")
def test_who_wants_them_after_all_gets_them(kube, balancer):
    first = balancer(False)
    assert node_ports(first) == [False]
    assert node_ports(again(kube, first, allocateLoadBalancerNodePorts=True)) == [True]


@upstream("Test_SetLoadBalancerClassThenUpdateLoadBalancerClass")
@upstream("Test_UpdateLoadBalancerWithLoadBalancerClass")
@pytest.mark.parametrize("first", [{}, {"loadBalancerClass": "test.com/test"}], ids=["none", "one"])
@pytest.mark.parametrize("second", ["test.com/update", "", None], ids=["other", "empty", "none"])
def test_the_class_of_a_load_balancer_cannot_be_changed(kube, first, second):
    kube.service("web", type="LoadBalancer", **first)
    answer = kube.patch(f"{SVC}/web", {"spec": {"loadBalancerClass": second}})
    if first.get("loadBalancerClass") == second:
        assert answer.status == 200
    else:
        assert answer.status == 422
        assert ("spec.loadBalancerClass", "FieldValueInvalid") in answer.causes
