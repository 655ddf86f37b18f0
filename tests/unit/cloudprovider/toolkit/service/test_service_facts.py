from __future__ import annotations

import ipaddress

import pytest

from cloudprovider.errors import InvalidConfiguration
from cloudprovider.models import (
    LoadBalancerIngress,
    LoadBalancerStatus,
    ObjectMeta,
    PortStatus,
    Service,
    ServiceSpec,
)
from cloudprovider.toolkit import service as facts

FINALIZER = "service.kubernetes.io/load-balancer-cleanup"

upstream = pytest.mark.upstream


def cases(test, *rows):
    """Rows of a table of upstream's that has no names: they are counted from 1."""
    return [
        pytest.param(*row, marks=upstream(f"{test}/row {number}"))
        for number, row in enumerate(rows, start=1)
    ]


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


@pytest.mark.parametrize("where", ["spec", "annotation"])
@pytest.mark.parametrize(
    ("text", "ranges"),
    cases(
        "TestGetLoadBalancerSourceRanges",
        ("10.0.0.1/33", None),
        ("foo.bar", None),
        ("10.0.0.1/32,*", None),
        ("10.0.0.1/32,", None),
        ("10.0.0.1/32, ", None),
        ("10.0.0.1", None),
        ("192.168.0.1/32", ["192.168.0.1/32"]),
        ("192.168.0.1/32,192.168.0.1/32", ["192.168.0.1/32"]),
        ("192.168.0.1/32,192.168.0.2/32", ["192.168.0.1/32", "192.168.0.2/32"]),
        ("  192.168.0.1/32 , 192.168.0.2/32   ", ["192.168.0.1/32", "192.168.0.2/32"]),
        (None, ["0.0.0.0/0"]),
        ("", ["0.0.0.0/0"]),
    ),
)
def test_source_ranges_mean_the_same_in_spec_and_annotation(text, ranges, where):
    spec = tuple(text.split(",")) if text and where == "spec" else None
    annotations = {facts.SOURCE_RANGES_ANNOTATION: text} if text is not None and not spec else None
    service = make(annotations, load_balancer_source_ranges=spec)
    if ranges is None:
        with pytest.raises(InvalidConfiguration):
            facts.source_ranges(service)
    else:
        found = facts.source_ranges(service)
        assert found == networks(*ranges)
        assert facts.allows_all(found) is (not text)


@pytest.mark.parametrize(
    ("ranges", "expected"),
    [
        *cases(
            "TestAllowAll",
            (["10.0.0.1/32"], False),
            (["10.0.0.1/32", "10.0.0.2/32"], False),
            (["10.0.0.1/32", "10.0.0.1/32"], False),
            (["0.0.0.0/0"], True),
            (["192.168.0.0/0"], True),
            (["192.168.0.1/32", "0.0.0.0/0"], True),
        ),
        pytest.param(["::/0"], False, id="everywhere in IPv6 is not everywhere"),
    ],
)
def test_only_the_ipv4_everywhere_allows_all(ranges, expected):
    service = make(load_balancer_source_ranges=tuple(ranges))
    assert facts.allows_all(facts.source_ranges(service)) is expected


@pytest.mark.parametrize(
    ("type_", "policy", "expected"),
    cases(
        "TestRequestsOnlyLocalTraffic",
        ("", None, False),
        ("ClusterIP", None, False),
        ("NodePort", None, False),
        ("NodePort", "Cluster", False),
        ("NodePort", "Local", True),
        ("LoadBalancer", "Cluster", False),
        ("LoadBalancer", "Local", True),
    ),
)
def test_who_wants_only_local_traffic(type_, policy, expected):
    service = make(type=type_, external_traffic_policy=policy)
    assert facts.requests_only_local_traffic(service) is expected


@pytest.mark.parametrize(
    ("type_", "policy", "expected"),
    cases(
        "TestNeedsHealthCheck",
        ("ClusterIP", None, False),
        ("NodePort", "Cluster", False),
        ("NodePort", "Local", False),
        ("LoadBalancer", "Cluster", False),
        ("LoadBalancer", "Local", True),
    ),
)
def test_who_needs_a_health_check(type_, policy, expected):
    service = make(type=type_, external_traffic_policy=policy)
    assert facts.needs_health_check(service) is expected


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


@pytest.mark.parametrize(
    ("finalizers", "expected"),
    [
        pytest.param(
            None, False, id="none", marks=upstream("TestHasLBFinalizer/service without finalizer")
        ),
        pytest.param(
            ("unrelated",),
            False,
            id="another",
            marks=upstream("TestHasLBFinalizer/service with unrelated finalizer"),
        ),
        pytest.param(
            (FINALIZER,),
            True,
            id="ours",
            marks=upstream("TestHasLBFinalizer/service with one finalizer"),
        ),
        pytest.param(
            (FINALIZER, "unrelated"),
            True,
            id="ours among others",
            marks=upstream("TestHasLBFinalizer/service with multiple finalizers"),
        ),
    ],
)
def test_the_finalizer_is_found(finalizers, expected):
    assert facts.has_load_balancer_finalizer(make(finalizers=finalizers)) is expected


def status(**fields):
    return LoadBalancerStatus(ingress=(LoadBalancerIngress(**fields),))


def at(address="192.168.0.1", *, mode=None, protocol=None):
    ports = (PortStatus(port=80, protocol=protocol),) if protocol else None
    return status(ip=address, ip_mode=mode, ports=ports)


# fmt: off
STATUSES = [
    ("empty", LoadBalancerStatus(), LoadBalancerStatus(), True),
    ("same ip", at(), at(), True),
    ("different ip", at("192.168.0.2"), at(), False),
    ("same ipmode", at(mode="VIP"), at(mode="VIP"), True),
    ("only one ipmode set", at(), at(mode="VIP"), False),
    ("different ipmode", at(mode="Proxy"), at(mode="VIP"), False),
    ("same ports", at(protocol="TCP"), at(protocol="TCP"), True),
    ("same ports different protocol", at(protocol="TCP"), at(protocol="UDP"), False),
    ("only one port", at(protocol="TCP"), at(), False),
]
# fmt: on


@pytest.mark.parametrize(
    ("left", "right", "expected"),
    [
        pytest.param(*row, id=name, marks=upstream(f"TestLoadBalancerStatusEqual/{name}"))
        for name, *row in STATUSES
    ],
)
def test_statuses_are_equal_if_they_say_the_same(left, right, expected):
    assert facts.load_balancer_status_equal(left, right) is expected
    assert facts.load_balancer_status_equal(right, left) is expected


def test_the_order_of_ingress_points_counts():
    one, two = at("1.1.1.1").ingress, at("2.2.2.2").ingress
    assert not facts.load_balancer_status_equal(
        LoadBalancerStatus(ingress=one + two), LoadBalancerStatus(ingress=two + one)
    )
    assert facts.load_balancer_status_equal(LoadBalancerStatus(), LoadBalancerStatus(ingress=()))
