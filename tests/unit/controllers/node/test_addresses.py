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


# fmt: off
@pytest.mark.parametrize(
    ("present", "extra", "expected"),
    [
        pytest.param([IN1], [], [IN1], id="nothing"),
        pytest.param([IN1], [IN2], [IN1, IN2], id="new"),
        pytest.param([IN1], [IN1, IN1], [IN1], id="there already"),
        pytest.param([IN1, NAME], [NAME, IN2, OUT1], [IN1, NAME, IN2, OUT1], id="some of each"),
    ],
)
def test_add_missing(present, extra, expected):
    assert add_missing(make_addresses(*present), make_addresses(*extra)) == list(
        make_addresses(*expected)
    )


FILTERS = [
    ("one internal", "10.1.1.1", [IN1, NAME], [IN1, NAME]),
    ("node IP is external", "55.55.55.55", [IN1, OUT1, NAME], [OUT1, IN1, NAME]),
    ("internal equals external", "10.1.1.1", [IN1, OUT_AS_IN1, NAME], [IN1, OUT_AS_IN1, NAME]),
    ("with DNS names", "10.1.1.1", [IN1, OUT1, EXTERNAL_DNS, INTERNAL_DNS, NAME],
     [IN1, OUT1, EXTERNAL_DNS, INTERNAL_DNS, NAME]),
    ("several internal", "10.1.1.1", [IN1, IN2, IN3, OUT1, NAME], [IN1, OUT1, NAME]),
    ("IPv6 text forms", "fd01::1234", [IN6_LONG, NAME], [IN6_LONG, NAME]),
    ("dual, IPv4 first", "10.1.1.1,fd01::1234", [IN1, IN6, NAME], [IN1, IN6, NAME]),
    ("dual, IPv6 first", "fd01::1234,10.1.1.1", [IN1, IN6, NAME], [IN6, IN1, NAME]),
    ("dual, several IPs", "10.1.1.1,fd01::1234", [IN1, IN2, IN6_OTHER, IN6, NAME],
     [IN1, IN6, NAME]),
    ("dual, extra external", "10.1.1.1,fd01::1234", [IN1, IN6, OUT1, NAME],
     [IN1, IN6, OUT1, NAME]),
    ("dual, several external", "10.1.1.1,fd01::1234", [IN1, IN6, OUT1, OUT6, NAME],
     [IN1, IN6, OUT1, OUT6, NAME]),
    ("dual, internal and external match", "55.55.55.55,fd01::1234", [IN1, IN6, OUT1, OUT6, NAME],
     [OUT1, IN6, NAME]),
    ("leading zeros", "010.001.001.001", [IN1, IN2], [IN1]),
    ("IPv4 in IPv6", "::ffff:10.1.1.1", [IN1, IN2], [IN1]),
]


@pytest.mark.parametrize(
    ("provided", "cloud", "expected"), [pytest.param(*row[1:], id=row[0]) for row in FILTERS]
)
def test_the_address_that_the_kubelet_was_told_comes_first(provided, cloud, expected):
    chosen = filter_by_node_ip(provided, make_addresses(*cloud))
    assert chosen == list(make_addresses(*expected))
# fmt: on


@pytest.mark.parametrize(
    ("provided", "cloud"),
    [
        pytest.param("10.9.9.9", [IN1, NAME], id="not found"),
        pytest.param("10.1.1.1,fd01::1234", [IN1, NAME], id="single-stack cloud"),
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
    ],
)
def test_an_annotation_that_cannot_be_read_is_refused(text):
    with pytest.raises(InvalidConfiguration) as caught:
        parse_node_ips(text)
    assert PROVIDED_NODE_IP in str(caught.value)


# fmt: off
DESIRED = [
    ("equal", [NAME, IN1], [NAME, IN1], None),
    ("one value differs", [NAME, IN1], [NAME, IN2], [NAME, IN2]),
    ("fewer", [NAME, IN1, OUT1], [NAME, IN1], [NAME, IN1]),
    ("more", [NAME, IN1], [NAME, IN1, OUT1], [NAME, IN1, OUT1]),
    ("types swapped", [IN1, ("ExternalIP", "10.1.1.2")],
     [IN2, ("ExternalIP", "10.1.1.1")], [IN2, ("ExternalIP", "10.1.1.1"),]),
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
    ("present", "cloud", "expected"), [pytest.param(*row[1:], id=row[0]) for row in DESIRED]
)
def test_desired_addresses(present, cloud, expected):
    node = make_node(addresses=present)
    wanted = desired_addresses(node, make_addresses(*cloud))
    assert wanted == (None if expected is None else list(make_addresses(*expected)))


def test_the_annotation_filters_the_clouds_addresses():
    node = make_node(annotations={PROVIDED_NODE_IP: "10.1.1.2"}, addresses=[NAME])
    wanted = desired_addresses(node, make_addresses(IN1, IN2, OUT1))
    assert wanted == list(make_addresses(IN2, OUT1, NAME))
