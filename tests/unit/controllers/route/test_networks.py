"""Address ranges."""

import ipaddress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cloudprovider_controllers.route.networks import Claims, Ranges, read

UPSTREAMS = [
    ("10.244.0.0/16", "10.244.0.0/24", True),
    ("10.244.0.0/16", "10.244.10.0/24", True),
    ("10.244.0.0/16", "10.244.255.0/24", True),
    ("10.244.0.0/14", "10.244.0.0/24", True),
    ("10.244.0.0/14", "10.247.255.0/24", True),
    ("a00:100::/10", "a00:100::/24", True),
    ("10.244.0.0/16", "10.224.0.0/24", False),
    ("10.244.0.0/16", "10.0.10.0/24", False),
    ("10.244.0.0/16", "10.255.255.0/24", False),
    ("10.244.0.0/14", "10.248.0.0/24", False),
    ("10.244.0.0/14", "10.243.255.0/24", False),
    ("a00:100::/10", "b00:100::/24", False),
]


@pytest.mark.parametrize(
    ("cluster", "cidr", "ours"),
    [
        *(
            pytest.param(
                *row, marks=pytest.mark.upstream(f"TestIsResponsibleForRoute/row {number}")
            )
            for number, row in enumerate(UPSTREAMS, start=1)
        ),
        ("10.244.0.0/16", "10.244.0.0/16", True),
        ("10.244.0.0/16", "10.243.255.0/24", False),
        ("10.244.0.0/16", "10.245.0.0/24", False),
        # Upstream takes these for its own, for their first address is inside.
        ("10.244.0.0/16", "10.244.0.0/15", False),
        ("10.244.0.0/16", "0.0.0.0/0", False),
        ("10.244.0.0/16", "2001:db8::/64", False),
        ("10.244.0.0/16,2001:db8::/48", "2001:db8:0:7::/64", True),
    ],
)
def test_a_route_is_the_clusters_if_it_lies_inside(cluster, cidr, ours):
    assert Ranges(cluster.split(",")).contain(read(cidr)) is ours


@pytest.mark.parametrize(
    ("text", "canonical"),
    [
        ("10.0.0.7/24", "10.0.0.0/24"),
        (" 10.0.0.0/24 ", "10.0.0.0/24"),
        ("10.0.0.0/255.255.255.0", "10.0.0.0/24"),
        ("10.0.0.1", "10.0.0.1/32"),
        ("2001:DB8:0:0::/64", "2001:db8::/64"),
        ("10.0.0.0/33", None),
        ("vpc", None),
        ("", None),
    ],
)
def test_cidrs_are_read_as_networks(text, canonical):
    found = read(text)
    assert (None if found is None else str(found)) == canonical


def test_ranges_know_their_families():
    ranges = Ranges(["10.0.0.0/8"])
    assert ranges.has_family(read("192.168.0.0/24"))
    assert not ranges.has_family(read("2001:db8::/64"))
    assert str(Ranges(["10.0.0.1/8", "fd00::/8"])) == "10.0.0.0/8,fd00::/8"


networks = st.builds(
    lambda number, length: ipaddress.ip_network((number, length), strict=False),
    st.integers(0, 2**32 - 1).map(lambda number: number & 0xFF00FFFF | 0x0A000000),
    st.integers(6, 32),
)


@given(st.lists(networks, max_size=30), networks)
def test_claims_are_what_a_slow_comparison_says(taken, asked):
    claims, kept = Claims(), []
    for network in taken:
        overlapped = [one for one in kept if one.overlaps(network)]
        holder = claims.take(network, network)
        assert (holder in overlapped) if overlapped else (holder is None)
        kept += [network] if holder is None else []
    assert claims.cover(asked) == any(asked.subnet_of(one) for one in kept)
