"""The pure decisions of the service controller; tables of upstream's cases and our own."""

import pytest

from cloudprovider.models import (
    LoadBalancerIngress,
    LoadBalancerStatus,
    PortStatus,
    ServicePort,
)
from cloudprovider.testing.builders import make_node, make_service
from cloudprovider_controllers.service.decisions import (
    CLEANUP_FINALIZER,
    Operation,
    ServiceState,
    announces_change,
    decide,
    has_finalizer,
    needs_cleanup,
    needs_update,
    status_equal,
    wants_load_balancer,
)

FINALIZER = (CLEANUP_FINALIZER,)

upstream = pytest.mark.upstream


def port(**fields):
    return ServicePort(**{"port": 80, "name": "http", "node_port": 30080, **fields})


@pytest.mark.parametrize(
    ("service", "expected"),
    [
        pytest.param(make_service(), True, id="load balancer"),
        pytest.param(make_service(type="ClusterIP"), False, id="cluster IP"),
        pytest.param(make_service(type="NodePort"), False, id="node port"),
        pytest.param(make_service(type="ExternalName"), False, id="external name"),
        pytest.param(make_service(load_balancer_class="a/b"), False, id="foreign class"),
        pytest.param(make_service(load_balancer_class=""), False, id="empty class is a class"),
    ],
)
def test_wants_load_balancer(service, expected):
    assert wants_load_balancer(service) is expected


@pytest.mark.parametrize(
    ("finalizers", "expected"),
    [
        pytest.param((), False, id="none"),
        pytest.param(("other/finalizer",), False, id="another"),
        pytest.param(FINALIZER, True, id="ours"),
        pytest.param(("other/finalizer", *FINALIZER), True, id="ours among others"),
    ],
)
def test_has_finalizer(finalizers, expected):
    assert has_finalizer(make_service(finalizers=finalizers)) is expected


@pytest.mark.parametrize(
    ("service", "expected"),
    [
        pytest.param(
            make_service(type="ClusterIP"),
            False,
            id="no finalizer",
            marks=upstream("TestNeedsCleanup/service without finalizer"),
        ),
        pytest.param(make_service(deleted=True), False, id="deleted without finalizer"),
        pytest.param(
            make_service(finalizers=FINALIZER, deleted=True),
            True,
            id="deleted",
            marks=upstream("TestNeedsCleanup/service with finalizer with timestamp"),
        ),
        pytest.param(
            make_service(finalizers=FINALIZER, type="NodePort"),
            True,
            id="other type",
            marks=upstream("TestNeedsCleanup/service with finalizer without timestamp without LB"),
        ),
        pytest.param(
            make_service(finalizers=FINALIZER),
            False,
            id="alive and wanted",
            marks=upstream("TestNeedsCleanup/service with finalizer without timestamp with LB"),
        ),
        pytest.param(
            make_service(finalizers=FINALIZER, load_balancer_class="x/y"), False, id="foreign class"
        ),
    ],
)
def test_needs_cleanup(service, expected):
    assert needs_cleanup(service) is expected


# fmt: off
NEEDS_UPDATE = [
    ("type to ClusterIP", {}, {"type": "ClusterIP"}, True),
    ("type from ClusterIP", {"type": "ClusterIP"}, {}, True),
    ("neither wants one", {"type": "ClusterIP"}, {"type": "NodePort"}, False),
    ("ports", {}, {"ports": [port(port=81)]}, True),
    ("all of three ports", {"ports": [port(port=n) for n in (8000, 9000, 10000)]},
     {"ports": [port(port=n) for n in (8001, 9001, 10001)]}, True),
    ("one port more", {}, {"ports": [port(), port(port=81, name="b")]}, True),
    ("order of ports", {"ports": [port(name="a"), port(name="b")]},
     {"ports": [port(name="b"), port(name="a")]}, True),
    ("port name", {}, {"ports": [port(name="web")]}, True),
    ("port protocol", {}, {"ports": [port(protocol="UDP")]}, True),
    ("node port", {}, {"ports": [port(node_port=30081)]}, True),
    ("count of external IPs", {"external_ips": ("1.1.1.1",)},
     {"external_ips": ("1.1.1.1", "2.2.2.2")}, True),
    ("an external IP", {"external_ips": ("1.1.1.1",)}, {"external_ips": ("2.2.2.2",)}, True),
    ("UID", {}, {"uid": "another"}, True),
    ("externalTrafficPolicy", {"external_traffic_policy": "Local"},
     {"external_traffic_policy": "Cluster"}, True),
    ("healthCheckNodePort", {"health_check_node_port": 30001},
     {"health_check_node_port": 30002}, True),
    ("target port number", {"ports": [port(target_port=20)]},
     {"ports": [port(target_port=21)]}, True),
    ("target port name", {"ports": [port(target_port="a")]},
     {"ports": [port(target_port="b")]}, True),
    ("target port number to name", {"ports": [port(target_port=22)]},
     {"ports": [port(target_port="dns")]}, True),
    ("same appProtocol", {"ports": [port(app_protocol="http")]},
     {"ports": [port(app_protocol="http")]}, False),
    ("appProtocol set", {}, {"ports": [port(app_protocol="http")]}, True),
    ("appProtocol changed", {"ports": [port(app_protocol="http")]},
     {"ports": [port(app_protocol="tcp")]}, True),
    ("ipFamilies 1 to 2", {"ip_families": ("IPv4",)}, {"ip_families": ("IPv4", "IPv6")}, True),
    ("ipFamilies 2 to 1", {"ip_families": ("IPv4", "IPv6")}, {"ip_families": ("IPv4",)}, True),
    ("same ipFamilies", {"ip_families": ("IPv4",)}, {"ip_families": ("IPv4",)}, False),
    ("source ranges", {}, {"load_balancer_source_ranges": ("10.0.0.0/8",)}, True),
    ("empty source ranges are none", {}, {"load_balancer_source_ranges": ()}, False),
    ("sessionAffinity", {"session_affinity": "None"}, {"session_affinity": "ClientIP"}, True),
    ("sessionAffinityConfig", {}, {"session_affinity_config": {"clientIP": {}}}, True),
    ("loadBalancerIP", {}, {"load_balancer_ip": "1.2.3.4"}, True),
    ("any annotation", {}, {"annotations": {"a": "b"}}, True),
    ("empty annotations are none", {}, {"annotations": {}}, False),
    ("loadBalancerClass", {}, {"load_balancer_class": "x/y"}, True),
    ("selector", {}, {"selector": {"app": "x"}}, False),
    ("cluster IP", {}, {"cluster_ip": "10.0.0.1"}, False),
    ("internalTrafficPolicy", {}, {"internal_traffic_policy": "Local"}, False),
    ("publishNotReadyAddresses", {}, {"publish_not_ready_addresses": True}, False),
    ("finalizers", {}, {"finalizers": FINALIZER}, False),
    ("deletion", {}, {"deleted": True}, False),
    ("status", {}, {"addresses": ["1.2.3.4"]}, False),
]
# fmt: on

#: Which of them are upstream's, under its names.
UPSTREAM_UPDATES = {
    "type to ClusterIP": "If the service type is changed from LoadBalancer to ClusterIP",
    "all of three ports": "If the Ports are different",
    "count of external IPs": "If external ip counts are different",
    "an external IP": "If external ips are different",
    "UID": "If UID is different",
    "externalTrafficPolicy": "If ExternalTrafficPolicy is different",
    "healthCheckNodePort": "If HealthCheckNodePort is different",
    "target port number": "If TargetGroup is different 1",
    "target port number to name": "If TargetGroup is different 2",
    "same appProtocol": "If appProtocol is the same",
    "ipFamilies 1 to 2": "If service IPFamilies from single stack to dual stack",
    "ipFamilies 2 to 1": "If service IPFamilies from dual stack to single stack",
    "same ipFamilies": "If service IPFamilies not change",
    "appProtocol set": "If appProtocol is set when previously unset",
    "appProtocol changed": "If appProtocol is set to a different value",
}


def needs_update_row(name, *row):
    case = UPSTREAM_UPDATES.get(name)
    return pytest.param(*row, id=name, marks=[upstream(f"TestNeedsUpdate/{case}")] if case else [])


@pytest.mark.parametrize(
    ("old", "new", "expected"), [needs_update_row(*row) for row in NEEDS_UPDATE]
)
def test_needs_update(old, new, expected):
    assert needs_update(make_service(**old), make_service(**new)) is expected


def status(*ingress):
    return LoadBalancerStatus(ingress=tuple(LoadBalancerIngress(**item) for item in ingress))


PORTS = (PortStatus(port=80, protocol="TCP"),)


@pytest.mark.parametrize(
    ("left", "right", "expected"),
    [
        pytest.param(
            LoadBalancerStatus(),
            LoadBalancerStatus(),
            True,
            id="empty",
            marks=upstream("TestLoadBalancerStatusEqual/empty"),
        ),
        pytest.param(LoadBalancerStatus(), LoadBalancerStatus(ingress=()), True, id="null is none"),
        pytest.param(
            status({"ip": "a"}),
            status({"ip": "a"}),
            True,
            id="same IP",
            marks=upstream("TestLoadBalancerStatusEqual/same ip"),
        ),
        pytest.param(
            status({"ip": "a"}),
            status({"ip": "b"}),
            False,
            id="other IP",
            marks=upstream("TestLoadBalancerStatusEqual/different ip"),
        ),
        pytest.param(status({"ip": "a"}), status({"hostname": "a"}), False, id="IP or host name"),
        pytest.param(
            status({"ip": "a"}, {"ip": "b"}), status({"ip": "b"}, {"ip": "a"}), False, id="order"
        ),
        pytest.param(
            status({"ip": "a", "ip_mode": "VIP"}),
            status({"ip": "a", "ip_mode": "VIP"}),
            True,
            id="same ipMode",
            marks=upstream("TestLoadBalancerStatusEqual/same ipmode"),
        ),
        pytest.param(
            status({"ip": "a"}),
            status({"ip": "a", "ip_mode": "VIP"}),
            True,
            id="default ipMode",
            marks=upstream(
                "TestLoadBalancerStatusEqual/only one ipmode set",
                instead="VIP is what the API server fills in where a provider says nothing: the "
                "same status, no patch. Proxy on one side alone does differ.",
            ),
        ),
        pytest.param(
            status({"ip": "a", "ip_mode": "Proxy"}), status({"ip": "a"}), False, id="one ipMode"
        ),
        pytest.param(
            status({"ip": "a", "ip_mode": "VIP"}),
            status({"ip": "a", "ip_mode": "Proxy"}),
            False,
            id="other ipMode",
            marks=upstream("TestLoadBalancerStatusEqual/different ipmode"),
        ),
        pytest.param(
            status({"ip": "a", "ports": PORTS}),
            status({"ip": "a", "ports": PORTS}),
            True,
            id="same ports",
            marks=upstream("TestLoadBalancerStatusEqual/same ports"),
        ),
        pytest.param(
            status({"ip": "a", "ports": PORTS}),
            status({"ip": "a", "ports": (PortStatus(port=80, protocol="UDP"),)}),
            False,
            id="port protocol",
            marks=upstream("TestLoadBalancerStatusEqual/same ports different protocol"),
        ),
        pytest.param(
            status({"ip": "a", "ports": PORTS}),
            status({"ip": "a"}),
            False,
            id="ports left only",
            marks=upstream("TestLoadBalancerStatusEqual/only one port"),
        ),
        pytest.param(
            status({"ip": "a"}),
            status({"ip": "a", "ports": PORTS}),
            False,
            id="ports right only",
            marks=upstream("TestLoadBalancerStatusEqual/only one port"),
        ),
    ],
)
def test_statuses_are_compared_by_meaning(left, right, expected):
    assert status_equal(left, right) is expected


READY = make_service(finalizers=FINALIZER, addresses=["1.2.3.4"])
NODES = (make_node("a"),)


def settled(**fields):
    defaults = {
        "proven": True,
        "attempted": True,
        "ensured": READY,
        "nodes": NODES,
        "status": READY.status.load_balancer,
        "announced": READY,
    }
    return ServiceState(READY, **{**defaults, **fields})


# fmt: off
DECISIONS = [
    ("new", make_service(), None, False, Operation.ENSURE),
    ("first pass after a start", READY, None, False, Operation.ENSURE),
    ("settled", READY, settled(), False, Operation.NOTHING),
    ("last ensure failed", READY, settled(ensured=None), False, Operation.ENSURE),
    ("changed", make_service(finalizers=FINALIZER, annotations={"a": "b"}), settled(), False,
     Operation.ENSURE),
    ("finalizer taken away", make_service(addresses=["1.2.3.4"]), settled(), False,
     Operation.ENSURE),
    ("time to look again", READY, settled(verify_at=99.0), False, Operation.ENSURE),
    ("not yet time to look", READY, settled(verify_at=101.0), False, Operation.NOTHING),
    ("nodes changed", READY, settled(), True, Operation.UPDATE_NODES),
    ("last update failed", READY, settled(nodes=None), False, Operation.UPDATE_NODES),
    ("status cleared by somebody", make_service(finalizers=FINALIZER), settled(), False,
     Operation.PATCH_STATUS),
    ("status is another controller's", make_service(finalizers=FINALIZER), settled(status=None),
     False, Operation.NOTHING),
    ("deleted", make_service(finalizers=FINALIZER, deleted=True), None, False, Operation.CLEAN_UP),
    ("other type", make_service(finalizers=FINALIZER, type="ClusterIP"), None, False,
     Operation.CLEAN_UP),
    ("deleted, finalizer taken away", make_service(deleted=True), settled(), False,
     Operation.CLEAN_UP),
    ("deleted, never ours, kept by another finalizer",
     make_service(deleted=True, finalizers=("other/one",)), None, False, Operation.NOTHING),
    ("never wanted one", make_service(type="ClusterIP"), None, False, Operation.NOTHING),
    ("class of another controller", make_service(load_balancer_class="x/y"), None, False,
     Operation.NOTHING),
    ("class of another controller, its finalizer of the same name",
     make_service(load_balancer_class="x/y", finalizers=FINALIZER), None, False,
     Operation.NOTHING),
    ("given to another controller", make_service(load_balancer_class="x/y", finalizers=FINALIZER),
     settled(), False, Operation.CLEAN_UP),
    ("no longer wanted, never asked for", make_service(type="NodePort"),
     settled(attempted=False), False, Operation.NOTHING),
]
# fmt: on


@pytest.mark.parametrize(
    ("service", "state", "nodes_changed", "expected"),
    [pytest.param(*row[1:], id=row[0]) for row in DECISIONS],
)
def test_what_one_pass_does(service, state, nodes_changed, expected):
    decision = decide(service, state, backends_changed=lambda _: nodes_changed, now=100.0)
    assert decision is expected


@pytest.mark.parametrize(
    ("service", "announced", "expected"),
    [
        pytest.param(make_service(), None, True, id="new"),
        pytest.param(
            make_service(finalizers=FINALIZER), None, True, id="a start found it half made"
        ),
        pytest.param(READY, None, False, id="a start found it done"),
        pytest.param(READY, READY, False, id="retry or periodic look"),
        pytest.param(READY, make_service(annotations={"a": "b"}), True, id="changed since"),
    ],
)
def test_which_passes_are_announced(service, announced, expected):
    assert announces_change(ServiceState(service, announced=announced), service) is expected
