"""Parameters and answers against the vendor's SDK models: no field that the SDK does not know."""

import alibabacloud_ecs20140526.models
import alibabacloud_slb20140515.models
import alibabacloud_vpc20160428.models
import pytest

from cloudprovider_alicloud.emulator.catalogue import ACTIONS

MODELS = {
    "slb": alibabacloud_slb20140515.models,
    "ecs": alibabacloud_ecs20140526.models,
    "vpc": alibabacloud_vpc20160428.models,
}
WITH_MODEL = [action for action in ACTIONS if action.product in MODELS]

#: Parameters that the emulator reads and the SDK does not offer. HealthCheckInterval: the SDK
#: spells it healthCheckInterval at creation. ConnectionDrain: UDP listeners drain, but the SDK
#: cannot ask for it (spec/alicloud.md 7.3). The others come with the shared table of attributes.
EXTRA = {
    "CreateLoadBalancerTCPListener": {"HealthCheckInterval", "HealthCheckMethod", "VServerGroup"},
    "CreateLoadBalancerUDPListener": {
        "HealthCheckInterval",
        "ConnectionDrain",
        "ConnectionDrainTimeout",
        "VServerGroup",
    },
    "CreateLoadBalancerHTTPListener": {"VServerGroup"},
    "CreateLoadBalancerHTTPSListener": {"VServerGroup"},
    "SetLoadBalancerTCPListenerAttribute": {"BackendServerPort", "HealthCheckMethod"},
    "SetLoadBalancerUDPListenerAttribute": {
        "BackendServerPort",
        "ConnectionDrain",
        "ConnectionDrainTimeout",
    },
    "SetLoadBalancerHTTPListenerAttribute": {
        "BackendServerPort",
        "ForwardPort",
        "ListenerForward",
    },
    "SetLoadBalancerHTTPSListenerAttribute": {"BackendServerPort"},
}


def kept(model, value):
    """``value`` after a round through ``model``: what the model does not know is lost."""
    return model().from_map(value).to_map()


def lost(before, after, path=""):
    """Paths of ``before`` that are not in ``after``."""
    if isinstance(before, dict):
        after = after if isinstance(after, dict) else {}
        for name, value in before.items():
            if name not in after:
                yield f"{path}.{name}"
            else:
                yield from lost(value, after[name], f"{path}.{name}")
    elif isinstance(before, list):
        for number, value in enumerate(before):
            yield from lost(value, (after or [])[number], f"{path}[{number}]")


def sample(param):
    if param.kind == "texts":
        return ["x"]
    if param.kind == "objects":
        return [{field.name: "x" for field in param.fields}]
    return "x"


@pytest.mark.parametrize("action", WITH_MODEL, ids=lambda action: f"{action.product}:{action.name}")
def test_every_parameter_is_known_to_the_sdk(action):
    model = getattr(MODELS[action.product], f"{action.name}Request")
    wanted = {param.name: sample(param) for param in action.declared.values()}
    unknown = {path.lstrip(".") for path in lost(wanted, kept(model, wanted))}
    assert unknown == EXTRA.get(action.name, set())


def answers(cloud):
    """One full answer of every reading action and of every writing one that answers something."""
    node = cloud.instance("n")
    table = cloud.world.route_table
    created = cloud.ok(
        "CreateLoadBalancer",
        AddressType="intranet",
        VSwitchId=cloud.world.vswitches[0],
        Tag__1__Key="k",
        Tag__1__Value="v",
    )
    lb = created["LoadBalancerId"]
    yield "slb", "CreateLoadBalancer", created
    backends = [{"ServerId": node.id, "Port": 1, "Description": "d"}]
    group = cloud.ok("CreateVServerGroup", LoadBalancerId=lb, BackendServers=backends)
    yield "slb", "CreateVServerGroup", group
    rsp = {"VServerGroupId": group["VServerGroupId"]}
    for name in ("Add", "Remove"):
        action = f"{name}VServerGroupBackendServers"
        yield "slb", action, cloud.ok(action, **rsp, BackendServers=backends)
    yield "slb", "SetVServerGroupAttribute", cloud.ok("SetVServerGroupAttribute", **rsp)
    certificate = next(iter(cloud.state.certificates))
    for number, protocol in enumerate(("TCP", "UDP", "HTTP", "HTTPS"), 1):
        cloud.listener(
            lb,
            port=number,
            protocol=protocol,
            ServerCertificateId=certificate,
            **rsp,
            AclStatus="on",
            AclId="acl-1",
            AclType="white",
            Tag__1__Key="k",
            Description="d",
        )
        action = f"DescribeLoadBalancer{protocol}ListenerAttribute"
        yield "slb", action, cloud.ok(action, LoadBalancerId=lb, ListenerPort=number)
    reads = {
        "DescribeLoadBalancers": {},
        "DescribeLoadBalancerAttribute": {"LoadBalancerId": lb},
        "DescribeLoadBalancerListeners": {"LoadBalancerId__1": lb},
        "DescribeVServerGroups": {"LoadBalancerId": lb, "IncludeListener": True},
        "DescribeVServerGroupAttribute": rsp,
        "ListTagResources": {"ResourceType": "instance", "ResourceId__1": lb},
        "DescribeServerCertificates": {},
        "DescribeTags": {},
        "DescribeDomainExtensions": {"LoadBalancerId": lb, "ListenerPort": 4},
        "ModifyLoadBalancerInstanceSpec": {"LoadBalancerId": lb, "LoadBalancerSpec": "s"},
    }
    for action, params in reads.items():
        yield "slb", action, cloud.ok(action, **params)
    route = {"RouteEntries__1__RouteTableId": table, "RouteEntries__1__NextHop": node.id}
    wrong = {**route, "RouteEntries__1__DstCidrBlock": "x"}
    calls = [
        ("ecs", "DescribeInstances", {"MaxResults": 10}),
        ("ecs", "DescribeNetworkInterfaces", {}),
        ("ecs", "DescribeRegions", {}),
        ("ecs", "DescribeZones", {}),
        ("ecs", "DescribeSecurityGroups", {}),
        ("vpc", "DescribeVpcs", {}),
        ("vpc", "DescribeVpcAttribute", {"VpcId": cloud.world.vpc}),
        ("vpc", "DescribeVSwitches", {}),
        ("vpc", "DescribeRouteTableList", {}),
        ("vpc", "DescribeRouteEntryList", {"RouteTableId": table}),
        ("vpc", "CreateRouteEntries", wrong),
        ("vpc", "DeleteRouteEntries", wrong),
        ("vpc", "DescribeEipAddresses", {}),
    ]
    for product, action, params in calls:
        yield product, action, cloud.ok(action, product, **params)


def test_every_field_of_an_answer_is_known_to_the_sdk(cloud):
    unknown = {}
    for product, action, body in answers(cloud):
        model = getattr(MODELS[product], f"{action}ResponseBody")
        paths = sorted(lost(body, kept(model, body)))
        if paths:
            unknown[f"{product}:{action}"] = paths
    assert unknown == {}
