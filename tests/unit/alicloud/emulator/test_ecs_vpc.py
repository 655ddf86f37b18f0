"""ECS and VPC actions, in process."""

import pytest


def instances(cloud, **filters):
    body = cloud.ok("DescribeInstances", "ecs", **filters)
    return [item["InstanceId"] for item in body["Instances"]["Instance"]]


def test_unknown_instances_are_simply_absent(cloud):
    one = cloud.instance()
    assert instances(cloud, InstanceIds=[one.id, "i-no"]) == [one.id]
    assert instances(cloud, InstanceIds=[]) == []


def test_at_most_a_hundred_ids_go_into_one_call(cloud):
    assert cloud.code("DescribeInstances", "ecs", InstanceIds=["i"] * 101) == "InvalidInstanceIds"
    assert cloud.code("DescribeInstances", "ecs", InstanceIds='{"a":1}') == "InvalidInstanceIds"


def test_instances_are_found_by_address_network_and_tag(cloud):
    one, two = cloud.instance(), cloud.instance(vswitch=1)
    cloud.state.change(two, tags={"role": "worker"})
    assert instances(cloud, PrivateIpAddresses=list(two.private_ips)) == [two.id]
    assert instances(cloud, VSwitchId=cloud.world.vswitches[1]) == [two.id]
    assert instances(cloud, Tag__1__Key="role") == [two.id]
    assert one.id in instances(cloud, VpcId=cloud.world.vpc, InstanceNetworkType="vpc")
    assert instances(cloud, VpcId="vpc-no") == []
    assert instances(cloud, RegionId="cn-shanghai") == []


def test_instances_are_paged_by_token_with_the_page_size_beside(cloud):
    created = [cloud.instance().id for _ in range(24)]
    seen, token = [], ""
    while True:
        body = cloud.ok("DescribeInstances", "ecs", MaxResults=10, NextToken=token)
        seen += [item["InstanceId"] for item in body["Instances"]["Instance"]]
        assert (body["PageSize"], body["TotalCount"]) == (10, 25)
        token = body.get("NextToken", "")
        if not token:
            break
    assert seen[1:] == created
    assert len(instances(cloud)) == 10
    assert len(instances(cloud, PageNumber=3, PageSize=10)) == 5


def test_an_instance_tells_its_addresses(cloud):
    one = cloud.instance("web-1")
    body = cloud.ok("DescribeInstances", "ecs", InstanceIds=[one.id])["Instances"]["Instance"][0]
    assert body["HostName"] == "web-1"
    assert body["VpcAttributes"]["PrivateIpAddress"]["IpAddress"] == list(one.private_ips)
    interface = body["NetworkInterfaces"]["NetworkInterface"][0]
    assert (interface["NetworkInterfaceId"], interface["Type"]) == (one.eni, "Primary")
    assert interface["PrimaryIpAddress"] == one.private_ips[0]


def interfaces(cloud, **filters):
    body = cloud.ok("DescribeNetworkInterfaces", "ecs", **filters)
    return [i["NetworkInterfaceId"] for i in body["NetworkInterfaceSets"]["NetworkInterfaceSet"]]


def test_interfaces_are_found_by_address_and_id(cloud):
    one, two = cloud.instance(), cloud.instance()
    filters = {"VpcId": cloud.world.vpc, "Status": "InUse", "MaxResults": 100}
    addresses = {f"PrivateIpAddress__{n}": i.private_ips[0] for n, i in enumerate((two, one), 1)}
    assert interfaces(cloud, **filters, **addresses) == [one.eni, two.eni]
    assert interfaces(cloud, **filters, PrivateIpAddress__1="10.99.0.1") == []
    assert interfaces(cloud, NetworkInterfaceId__1=two.eni) == [two.eni]
    too_many = {f"PrivateIpAddress__{n}": f"10.0.0.{n}" for n in range(1, 102)}
    code = cloud.code("DescribeNetworkInterfaces", "ecs", **too_many)
    assert code == "InvalidPrivateIpAddress"


def test_the_source_destination_check_can_be_turned_off(cloud):
    one = cloud.instance()
    named = {"NetworkInterfaceId": one.eni}
    cloud.ok("ModifyNetworkInterfaceAttribute", "ecs", **named, SourceDestCheck=False)
    body = cloud.ok("DescribeNetworkInterfaces", "ecs", NetworkInterfaceId__1=one.eni)
    item = body["NetworkInterfaceSets"]["NetworkInterfaceSet"][0]
    assert item["SourceDestCheck"] is False
    unknown = cloud.code("ModifyNetworkInterfaceAttribute", "ecs", NetworkInterfaceId="eni-no")
    assert unknown == "InvalidEniId.NotFound"


def test_regions_and_zones_are_listed(cloud):
    regions = cloud.ok("DescribeRegions", "ecs")["Regions"]["Region"]
    assert "cn-hangzhou" in [item["RegionId"] for item in regions]
    zones = cloud.ok("DescribeZones", "ecs")["Zones"]["Zone"]
    assert [item["ZoneId"] for item in zones] == list(cloud.world.zones)


def test_the_vpc_and_its_vswitches_are_described(cloud):
    vpc = cloud.world.vpc
    body = cloud.ok("DescribeVpcAttribute", "vpc", VpcId=vpc)
    assert body["CidrBlock"] == "10.0.0.0/8"
    assert body["SecondaryCidrBlocks"] == {"SecondaryCidrBlock": []}
    assert cloud.code("DescribeVpcAttribute", "vpc", VpcId="vpc-no") == "InvalidVpcId.NotFound"
    assert cloud.ok("DescribeVpcs", "vpc")["Vpcs"]["Vpc"][0]["VpcId"] == vpc
    switches = cloud.ok("DescribeVSwitches", "vpc", VpcId=vpc)["VSwitches"]["VSwitch"]
    assert [item["VSwitchId"] for item in switches] == list(cloud.world.vswitches)
    one = cloud.ok("DescribeVSwitches", "vpc", VSwitchId=cloud.world.vswitches[1])
    assert one["VSwitches"]["VSwitch"][0]["AvailableIpAddressCount"] == 65_532
    security = cloud.ok("DescribeSecurityGroups", "ecs")["SecurityGroups"]["SecurityGroup"]
    assert [item["SecurityGroupId"] for item in security] == [cloud.world.security_group]
    assert cloud.ok("DescribeEipAddresses", "vpc")["TotalCount"] == 0


def rows(cloud, *pairs):
    params = {}
    for number, (cidr, hop) in enumerate(pairs, 1):
        params[f"RouteEntries__{number}__RouteTableId"] = cloud.world.route_table
        params[f"RouteEntries__{number}__DstCidrBlock"] = cidr
        params[f"RouteEntries__{number}__NextHop"] = hop
    return params


def routes(cloud, **filters):
    filters = {"RouteTableId": cloud.world.route_table, "RouteEntryType": "Custom", **filters}
    body = cloud.ok("DescribeRouteEntryList", "vpc", **filters)
    return {
        entry["DestinationCidrBlock"]: entry["NextHops"]["NextHop"][0]["NextHopId"]
        for entry in body["RouteEntrys"]["RouteEntry"]
    }


def test_a_batch_tells_the_failure_of_each_entry(cloud):
    one = cloud.instance()
    body = cloud.ok(
        "CreateRouteEntries",
        "vpc",
        **rows(
            cloud,
            ("172.16.0.0/24", one.id),
            ("172.16.0.0/24", one.id),
            ("172.16.1.0/24", "i-no"),
            ("10.0.3.0/24", one.id),
            ("nonsense", one.id),
            ("100.64.1.0/24", one.id),
        ),
    )
    assert (body["SuccessCount"], body["FailedCount"]) == (1, 5)
    assert [(e["DstCidrBlock"], e["FailedCode"]) for e in body["FailedRouteEntries"]] == [
        ("172.16.0.0/24", "VPC_ROUTE_ENTRY_CIDR_BLOCK_DUPLICATE"),
        ("172.16.1.0/24", "VPC_ROUTE_ENTRY_NEXT_HOP_NOT_EXIST"),
        ("10.0.3.0/24", "VPC_ROUTE_ENTRY_CIDR_BLOCK_INVALID"),
        ("nonsense", "VPC_ROUTE_ENTRY_CIDR_BLOCK_INVALID"),
        ("100.64.1.0/24", "VPC_ROUTE_ENTRY_CIDR_BLOCK_INVALID"),
    ]
    assert routes(cloud, NextHopId=one.id) == {"172.16.0.0/24": one.id}
    removed = cloud.ok(
        "DeleteRouteEntries",
        "vpc",
        **rows(cloud, ("172.16.0.0/24", one.id), ("172.16.9.0/24", one.id)),
    )
    assert (removed["SuccessCount"], removed["FailedCount"]) == (1, 1)
    assert removed["FailedRouteEntries"][0]["FailedCode"] == "VPC_ROUTER_ENTRY_NOT_EXIST"
    assert routes(cloud, NextHopId=one.id) == {}


def test_a_batch_is_bounded(cloud):
    one = cloud.instance()
    pairs = [(f"172.16.{n}.0/24", one.id) for n in range(51)]
    assert cloud.code("CreateRouteEntries", "vpc", **rows(cloud, *pairs)) == "InvalidRouteEntries"


@pytest.mark.parametrize(
    ("cidr", "hop", "code"),
    [
        ("172.16.0.0/24", "", "MissingNextHopId"),
        ("", "i", "MissingDestinationCidrBlock"),
        ("172.16.0.0/24", "i-no", "InvalidNextHop.NotFound"),
        ("172.16.0.1/24", "i", "InvalidCidrBlock.Malformed"),
        ("192.168.77.0/24", "i", "InvalidCIDRBlock.Duplicate"),
    ],
)
def test_a_single_route_is_refused_with_its_code(cloud, cidr, hop, code):
    one = cloud.instance()
    params = {
        "RouteTableId": cloud.world.route_table,
        "DestinationCidrBlock": cidr,
        "NextHopId": one.id if hop == "i" else hop,
    }
    assert cloud.code("CreateRouteEntry", "vpc", **params) == code


def test_single_routes_are_created_and_deleted(cloud):
    one = cloud.instance()
    params = {
        "RouteTableId": cloud.world.route_table,
        "DestinationCidrBlock": "172.16.0.0/24",
        "NextHopId": one.id,
    }
    assert cloud.ok("CreateRouteEntry", "vpc", **params, DryRun=True)["RouteEntryId"] == ""
    assert cloud.ok("CreateRouteEntry", "vpc", **params, ClientToken="t")["RouteEntryId"]
    assert cloud.ok("CreateRouteEntry", "vpc", **params, ClientToken="t")["RouteEntryId"]
    other = {**params, "DestinationCidrBlock": "172.16.1.0/24"}
    code = cloud.code("CreateRouteEntry", "vpc", **other, ClientToken="t")
    assert code == "IdempotentParameterMismatch"
    cloud.ok("DeleteRouteEntry", "vpc", **params)
    assert cloud.code("DeleteRouteEntry", "vpc", **params) == "InvalidRouteEntry.NotFound"


def test_the_number_of_routes_per_table_is_bounded(cloud):
    cloud.settings.quotas.routes_per_table = 2
    one = cloud.instance()
    pairs = [(f"172.16.{n}.0/24", one.id) for n in range(2)]
    body = cloud.ok("CreateRouteEntries", "vpc", **rows(cloud, *pairs))
    assert body["FailedRouteEntries"][0]["FailedCode"] == "VPC_ROUTE_ENTRY_QUOTA_EXCEEDED"


def test_routes_are_listed_in_token_pages_with_the_systems_own(cloud):
    one = cloud.instance()
    pairs = [(f"172.16.{n}.0/24", one.id) for n in range(12)]
    cloud.ok("CreateRouteEntries", "vpc", **rows(cloud, *pairs))
    named = {"RouteTableId": cloud.world.route_table}
    first = cloud.ok("DescribeRouteEntryList", "vpc", **named)
    assert len(first["RouteEntrys"]["RouteEntry"]) == 10
    assert first["TotalCount"] == 16
    second = cloud.ok("DescribeRouteEntryList", "vpc", **named, NextToken=first["NextToken"])
    assert len(second["RouteEntrys"]["RouteEntry"]) == 6
    assert len(routes(cloud, MaxResult=500)) == 13
    unknown = cloud.code("DescribeRouteEntryList", "vpc", RouteTableId="vtb-no")
    assert unknown == "InvalidRouteTableId.NotFound"
