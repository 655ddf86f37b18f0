"""What a Service asks for in vain is said, once."""

from __future__ import annotations

import pytest
from clb_world import make_service


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        pytest.param({}, [], id="nothing"),
        pytest.param({"load_balancer_ip": ""}, [], id="an empty address"),
        pytest.param(
            {"load_balancer_ip": "203.0.113.7"},
            ["default/web: not supported yet: spec.loadBalancerIP"],
            id="an address",
        ),
    ],
)
def test_an_address_in_the_spec_is_named_as_without_effect(cloud, caplog, asked, said):
    balancer, nodes = cloud.balancer(), cloud.nodes(1)
    for _ in range(2):
        balancer.ensure_load_balancer("k", make_service(**asked), nodes)
    assert [line for line in caplog.messages if "not supported" in line] == said
