from __future__ import annotations

import ipaddress

import pytest

from cloudprovider.errors import InvalidConfiguration
from cloudprovider.models import (
    LoadBalancerIngress,
    LoadBalancerStatus,
    ObjectMeta,
    Service,
    ServiceSpec,
)
from cloudprovider.toolkit import service as facts


def make(annotations=None, finalizers=None, uid="", **spec) -> Service:
    meta = ObjectMeta(name="web", uid=uid, annotations=annotations, finalizers=finalizers)
    return Service(metadata=meta, spec=ServiceSpec(**{"type": "LoadBalancer", **spec}))


def networks(*texts: str):
    return frozenset(ipaddress.ip_network(text) for text in texts)


@pytest.mark.parametrize(
    ("uid", "name"),
    [
        pytest.param("", "a", id="no UID"),
        pytest.param(
            "9a2c6f1e-0b7d-4c3a-8e5f-112233445566",
            "a9a2c6f1e0b7d4c3a8e5f11223344556",
            id="the last digit is cut",
        ),
    ],
)
def test_the_default_name_is_upstreams(uid, name):
    assert facts.default_load_balancer_name(make(uid=uid)) == name


@pytest.mark.parametrize(
    ("spec", "annotation", "ranges"),
    [
        pytest.param(None, None, ["0.0.0.0/0"], id="nothing: everybody"),
        pytest.param(("10.0.0.0/8",), None, ["10.0.0.0/8"], id="spec"),
        pytest.param(("10.0.0.0/8",), "11.0.0.0/8", ["10.0.0.0/8"], id="spec before annotation"),
        pytest.param((), " 10.0.0.0/8 , 11.0.0.0/8 ", ["10.0.0.0/8", "11.0.0.0/8"], id="blanks"),
        pytest.param((" 10.1.2.3/8 ",), None, ["10.0.0.0/8"], id="host bits are masked"),
        pytest.param(("192.168.000.000/0",), None, ["0.0.0.0/0"], id="leading zeros"),
        pytest.param(("10.0.0.0/8", "10.0.0.0/8"), None, ["10.0.0.0/8"], id="duplicates collapse"),
        pytest.param(("fd00::/8",), None, ["fd00::/8"], id="IPv6"),
        pytest.param(None, "  ", ["0.0.0.0/0"], id="blank annotation"),
    ],
)
def test_source_ranges(spec, annotation, ranges):
    annotations = {facts.SOURCE_RANGES_ANNOTATION: annotation} if annotation is not None else None
    service = make(annotations, load_balancer_source_ranges=spec)
    assert facts.source_ranges(service) == networks(*ranges)


@pytest.mark.parametrize(
    ("spec", "annotation", "field"),
    [
        pytest.param(("10.0.0.0",), None, "spec.loadBalancerSourceRanges", id="no length"),
        pytest.param(("x/8",), None, "spec.loadBalancerSourceRanges", id="no address"),
        pytest.param(("",), None, "spec.loadBalancerSourceRanges", id="empty"),
        pytest.param(None, "10.0.0.0/8,", facts.SOURCE_RANGES_ANNOTATION, id="trailing comma"),
        pytest.param(("10.0.0.0/33",), None, "spec.loadBalancerSourceRanges", id="long"),
    ],
)
def test_a_wrong_source_range_names_where_it_stands(spec, annotation, field):
    annotations = {facts.SOURCE_RANGES_ANNOTATION: annotation} if annotation else None
    with pytest.raises(InvalidConfiguration) as caught:
        facts.source_ranges(make(annotations, load_balancer_source_ranges=spec))
    assert caught.value.field == field
    assert "10.0.0.0/24" in caught.value.accepted


def test_only_the_ipv4_everywhere_allows_all():
    assert facts.allows_all(networks("0.0.0.0/0", "10.0.0.0/8"))
    assert not facts.allows_all(networks("::/0"))


@pytest.mark.parametrize(
    ("type_", "policy", "port", "local", "check", "path_port"),
    [
        ("LoadBalancer", "Local", 32000, True, True, ("/healthz", 32000)),
        ("LoadBalancer", "Local", None, True, True, ("", 0)),
        ("LoadBalancer", "Cluster", 32000, False, False, ("", 0)),
        ("LoadBalancer", None, None, False, False, ("", 0)),
        ("NodePort", "Local", 32000, True, False, ("", 0)),
        ("ClusterIP", "Local", 32000, False, False, ("", 0)),
    ],
)
def test_local_traffic_and_its_health_check(type_, policy, port, local, check, path_port):
    service = make(type=type_, external_traffic_policy=policy, health_check_node_port=port)
    assert facts.requests_only_local_traffic(service) is local
    assert facts.needs_health_check(service) is check
    assert facts.health_check_path_port(service) == path_port


def test_the_finalizer_is_found():
    assert facts.has_load_balancer_finalizer(
        make(finalizers=("other", "service.kubernetes.io/load-balancer-cleanup"))
    )
    assert not facts.has_load_balancer_finalizer(make())


def test_statuses_are_equal_if_their_ingress_lists_are():
    point, other = LoadBalancerIngress(ip="1.1.1.1"), LoadBalancerIngress(hostname="x")
    equal = facts.load_balancer_status_equal
    assert equal(LoadBalancerStatus(), LoadBalancerStatus(ingress=()))
    assert equal(LoadBalancerStatus(ingress=(point,)), LoadBalancerStatus(ingress=(point,)))
    assert not equal(
        LoadBalancerStatus(ingress=(point, other)), LoadBalancerStatus(ingress=(other, point))
    )
