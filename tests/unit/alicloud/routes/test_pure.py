"""What a node needs, and whose an entry is: no cloud is asked."""

import pytest

from cloudprovider.errors import CloudProviderError, InvalidConfiguration, NotOwned
from cloudprovider.interface import Route
from cloudprovider.toolkit.ownership import Ownership
from cloudprovider_alicloud.routes import pod_cidr, whose

V4, OTHER_V4, V6, OTHER_V6 = "172.16.1.0/24", "172.16.2.0/24", "fd00:1::/64", "fd00:2::/64"


@pytest.mark.parametrize(
    ("ranges", "chosen"),
    [
        pytest.param([], "", id="none yet"),
        pytest.param([V4], V4, id="one"),
        pytest.param([V4, V6], V4, id="IPv4 first"),
        pytest.param([V6, V4], V4, id="IPv4 second"),
        pytest.param([V4, OTHER_V4], V4, id="the first of two"),
        pytest.param([V6], V6, id="IPv6 alone"),
        pytest.param([V6, OTHER_V6], OTHER_V6, id="the last of two IPv6"),
    ],
)
def test_one_range_of_a_node_is_routed(node, ranges, chosen):
    made = node(*ranges)
    if not (ranges and ":" in ranges[0] and len(ranges) > 1):  # podCIDR repeats the first
        assert pod_cidr(made) == chosen
    else:
        assert pod_cidr(made) in {chosen, ranges[0]}


@pytest.mark.parametrize(
    ("provider_id", "target"),
    [
        pytest.param("cn-hangzhou.i-1", "i-1", id="today's form"),
        pytest.param("alicloud://cn-hangzhou.i-1", "i-1", id="the older form"),
        pytest.param(None, None, id="none yet"),
    ],
)
def test_a_route_leads_to_the_instance(cloud, node, provider_id, target):
    made = cloud.routes.desired_routes(node("172.16.1.7/24", provider_id=provider_id))
    expected = [] if target is None else [Route("", target, "172.16.1.0/24")]
    assert made == expected


def test_a_node_without_a_range_needs_none_yet(cloud, node):
    assert cloud.routes.desired_routes(node()) == []


@pytest.mark.parametrize(
    ("fields", "error"),
    [
        pytest.param({"provider_id": "aws:///a/i-1"}, InvalidConfiguration, id="another cloud"),
        pytest.param({"provider_id": "cn-beijing.i-1"}, CloudProviderError, id="another region"),
        pytest.param({"provider_id": "ack-hybrid://x"}, NotOwned, id="outside the cloud"),
        pytest.param(
            {"labels": {"service.alibabacloud.com/exclude-node": ""}}, NotOwned, id="excluded"
        ),
        pytest.param({"labels": {"type": "virtual-kubelet"}}, NotOwned, id="virtual"),
    ],
)
def test_a_node_that_is_not_here_has_no_route(cloud, node, fields, error):
    with pytest.raises(error):
        cloud.routes.desired_routes(node("172.16.1.0/24", **fields))


@pytest.mark.parametrize(
    ("description", "cluster", "verdict"),
    [
        ("k8s/route/uid/c-1", "c-1", Ownership.OURS),
        ("k8s/route/uid/c-2", "c-1", Ownership.ANOTHERS),
        ("k8s/route/uid/a/b", "a/b", Ownership.OURS),
        ("k8s/route/uid/" + "x" * 200, "x" * 250, Ownership.OURS),
        ("k8s/route/uid/clusterid", "clusterid", Ownership.UNMARKED),  # everybody's default
        ("k8s/route/uid/c-2", "clusterid", Ownership.ANOTHERS),
        ("k8s/route/c-1", "c-1", Ownership.UNMARKED),
        ("", "c-1", Ownership.UNMARKED),
        ("to the office", "c-1", Ownership.UNMARKED),
    ],
)
def test_the_mark_says_whose_an_entry_is(description, cluster, verdict):
    assert whose(description, cluster) is verdict
