"""Which addresses a Node shall have; upstream's tables and our own."""

import pytest

from cloudprovider.errors import CloudProviderError, InvalidConfiguration
from cloudprovider.testing.builders import make_addresses, make_node
from cloudprovider_controllers.node.addresses import (
    PROVIDED_NODE_IP,
    add_missing,
    desired_addresses,
    filter_by_node_ip,
    parse_node_ips,
)

IN1 = ("InternalIP", "10.1.1.1")
IN2 = ("InternalIP", "10.1.1.2")
IN3 = ("InternalIP", "10.1.1.3")
OUT1 = ("ExternalIP", "55.55.55.55")
OUT2 = ("ExternalIP", "66.66.66.66")
OUT_AS_IN1 = ("ExternalIP", "10.1.1.1")
NAME = ("Hostname", "node-1")
INTERNAL_DNS = ("InternalDNS", "ip-10-1-1-1.internal")
EXTERNAL_DNS = ("ExternalDNS", "ec2.example")
IN6 = ("InternalIP", "fd01::1234")
IN6_LONG = ("InternalIP", "fd01:0000::1234")
IN6_OTHER = ("InternalIP", "fd01::5678")
OUT6 = ("ExternalIP", "2001:db1::1")


def upstream(test, case):
    return pytest.mark.upstream(f"{test}/{case}")


def added(case):
    return upstream("TestAddToNodeAddresses", case)


def asked_for(case):
    return upstream("TestGetNodeAddressesFromNodeIP", case)


def detected(row):
    return upstream("TestNodeAddressesChangeDetected", row)


# fmt: off
@pytest.mark.parametrize(
    ("present", "extra", "expected"),
    [
        pytest.param([], [], [], id="nothing to nothing",
                     marks=added("add no addresses to empty node addresses")),
        pytest.param([], [OUT1, NAME], [OUT1, NAME], id="new to nothing",
                     marks=added("add new node addresses to empty existing addresses")),
        pytest.param([], [OUT1, OUT1], [OUT1], id="the same twice",
                     marks=added("add a duplicate node address")),
        pytest.param([OUT1, IN1], [OUT1, NAME], [OUT1, IN1, NAME], id="one new, one there",
                     marks=added("add 1 new and 1 duplicate address")),
        pytest.param([IN1], [], [IN1], id="nothing"),
        pytest.param([IN1], [IN2], [IN1, IN2], id="new"),
        pytest.param([IN1, NAME], [NAME, IN2, OUT1], [IN1, NAME, IN2, OUT1], id="some of each"),
    ],
)
def test_add_missing(present, extra, expected):
    assert add_missing(make_addresses(*present), make_addresses(*extra)) == list(
        make_addresses(*expected)
    )


FILTERS = [
    ("A single InternalIP", "10.1.1.1", [IN1, NAME], [IN1, NAME]),
    ("NodeIP is external", "55.55.55.55", [IN1, OUT1, NAME], [OUT1, IN1, NAME]),
    ("InternalIP and ExternalIP are the same", "10.1.1.1",
     [IN2, ("ExternalIP", "10.1.1.2"), IN1, OUT_AS_IN1, NAME], [IN1, OUT_AS_IN1, NAME]),
    ("An Internal/ExternalIP, an Internal/ExternalDNS", "10.1.1.1",
     [IN1, OUT1, INTERNAL_DNS, EXTERNAL_DNS, NAME], [IN1, OUT1, INTERNAL_DNS, EXTERNAL_DNS, NAME]),
    ("An Internal with multiple internal IPs", "10.1.1.1", [IN1, IN2, IN3, OUT1, NAME],
     [IN1, OUT1, NAME]),
    ("Dual-stack cloud, with nodeIP, different IPv6 formats", "fd01::1234", [IN1, IN6_LONG, NAME],
     [IN6_LONG, NAME]),
    ("Dual-stack cloud, IPv4 first, IPv4-primary request", "10.1.1.1,fd01::1234", [IN1, IN6, NAME],
     [IN1, IN6, NAME]),
    ("Dual-stack cloud, IPv6 first, IPv4-primary request", "10.1.1.1,fd01::1234", [IN6, IN1, NAME],
     [IN1, IN6, NAME]),
    ("Dual-stack cloud, dual-stack request, multiple IPs", "10.1.1.1,fd01::1234",
     [IN1, IN2, IN6_OTHER, IN6, NAME], [IN1, IN6, NAME]),
    ("Dual-stack cloud, dual-stack request, extra ExternalIP", "10.1.1.1,fd01::1234",
     [IN1, OUT1, IN6_OTHER, IN6, NAME], [IN1, IN6, OUT1, NAME]),
    ("Dual-stack cloud, dual-stack request, multiple ExternalIPs", "fd01::1234,10.1.1.1",
     [IN1, OUT1, IN6, OUT6, NAME], [IN6, IN1, OUT1, OUT6, NAME]),
    ("Dual-stack cloud, dual-stack request, mixed InternalIP/ExternalIP match",
     "55.55.55.55,fd01::1234", [IN1, OUT1, IN6, OUT6, NAME], [OUT1, IN6, NAME]),
]
OUR_FILTERS = [
    ("IPv6 first, IPv6-primary request", "fd01::1234,10.1.1.1", [IN1, IN6, NAME], [IN6, IN1, NAME]),
    ("leading zeros", "010.001.001.001", [IN1, IN2], [IN1]),
    ("IPv4 in IPv6", "::ffff:10.1.1.1", [IN1, IN2], [IN1]),
]


@pytest.mark.parametrize(
    ("provided", "cloud", "expected"),
    [
        *(pytest.param(*row[1:], id=row[0], marks=asked_for(row[0])) for row in FILTERS),
        *(pytest.param(*row[1:], id=row[0]) for row in OUR_FILTERS),
    ],
)
def test_the_address_that_the_kubelet_was_told_comes_first(provided, cloud, expected):
    chosen = filter_by_node_ip(provided, make_addresses(*cloud))
    assert chosen == list(make_addresses(*expected))
# fmt: on


@pytest.mark.parametrize(
    ("provided", "cloud"),
    [
        pytest.param(
            "10.9.9.9",
            [IN1, OUT1, NAME],
            id="not found",
            marks=asked_for("An InternalIP that isn't valid: should error"),
        ),
        pytest.param(
            "10.1.1.1,fd01::1234",
            [IN1, NAME],
            id="single-stack cloud",
            marks=upstream(
                "TestGetNodeAddressesFromNodeIP", "Single-stack cloud, dual-stack request"
            ),
        ),
    ],
)
def test_an_address_that_the_cloud_does_not_know_is_an_error(provided, cloud):
    with pytest.raises(CloudProviderError, match="failed to get node address from cloud provider"):
        filter_by_node_ip(provided, make_addresses(*cloud))


@pytest.mark.parametrize(
    "text",
    [
        "",
        "invalid-ip",
        "10.1.1.1, fd01::1",
        " 10.1.1.1",
        "10.1.1.1,",
        "10.1.1.1,10.1.1.2",
        "fd01::1,fd01::2",
        "0.0.0.0,fd01::1",
        "10.1.1.1,::",
        "10.1.1.1,fd01::1,10.1.1.2",
        "10.1.1",
        "10.1.1.256",
        "fe80::1%eth0",
    ],
)
def test_an_annotation_that_cannot_be_read_is_refused(text):
    with pytest.raises(InvalidConfiguration) as caught:
        parse_node_ips(text)
    assert PROVIDED_NODE_IP in str(caught.value)


# fmt: off
DESIRED = [
    ("row 1", "equal", [IN1, OUT1], [IN1, OUT1], None),
    ("row 2", "another value", [IN1, OUT1], [IN1, OUT2], [IN1, OUT2]),
    ("row 3", "fewer", [IN1, OUT1, EXTERNAL_DNS], [IN1, OUT1], [IN1, OUT1]),
    ("row 4", "more", [IN1, OUT1], [IN1, OUT1, EXTERNAL_DNS], [IN1, OUT1, EXTERNAL_DNS]),
    ("row 5", "types swapped", [("ExternalIP", "10.1.1.1"), ("InternalIP", "55.55.55.55")],
     [IN1, OUT1], [IN1, OUT1]),
]
OUR_DESIRED = [
    ("dual stack unchanged", [IN1, IN6, NAME], [IN1, IN6, NAME], None),
    ("dual stack changed", [IN1, IN6, NAME], [IN2, IN6, NAME], [IN2, IN6, NAME]),
    ("order changed", [IN1, IN2], [IN2, IN1], [IN2, IN1]),
    ("cloud gives none", [IN1], [], None),
    ("first addresses", [], [IN1], [IN1]),
    ("kubelet's host name stays", [NAME], [IN1], [IN1, NAME]),
    ("cloud's host name wins", [NAME], [IN1, ("Hostname", "other")],
     [IN1, ("Hostname", "other")]),
    ("kubelet's host name stays, unchanged", [IN1, NAME], [IN1], None),
]
# fmt: on


@pytest.mark.parametrize(
    ("present", "cloud", "expected"),
    [
        *(pytest.param(*row[2:], id=row[1], marks=detected(row[0])) for row in DESIRED),
        *(pytest.param(*row[1:], id=row[0]) for row in OUR_DESIRED),
    ],
)
def test_desired_addresses(present, cloud, expected):
    node = make_node(addresses=present)
    wanted = desired_addresses(node, make_addresses(*cloud))
    assert wanted == (None if expected is None else list(make_addresses(*expected)))


def test_the_annotation_filters_the_clouds_addresses():
    node = make_node(annotations={PROVIDED_NODE_IP: "10.1.1.2"}, addresses=[NAME])
    wanted = desired_addresses(node, make_addresses(IN1, IN2, OUT1))
    assert wanted == list(make_addresses(IN2, OUT1, NAME))
