"""SLB vServer groups and their backends, in process."""

import pytest

from cloudprovider_alicloud.emulator.settings import Quotas


@pytest.fixture
def group(cloud):
    return cloud.group(cloud.load_balancer(), VServerGroupName="k8s/30080/web/default/c1")


def server(instance, **fields):
    return {"ServerId": instance.id, "Port": 30080, **fields}


def test_backends_are_added_updated_and_removed(cloud, group):
    one, two = cloud.instance(), cloud.instance()
    named = {"VServerGroupId": group}
    cloud.ok("AddVServerGroupBackendServers", **named, BackendServers=[server(one), server(two)])
    changed = [server(two, Weight=7, Description="x")]
    cloud.ok("SetVServerGroupAttribute", **named, BackendServers=changed)
    assert cloud.backends(group) == [
        {"ServerId": one.id, "Port": 30080, "Weight": 100, "Type": "ecs"},
        {"ServerId": two.id, "Port": 30080, "Weight": 7, "Type": "ecs", "Description": "x"},
    ]
    body = cloud.ok("RemoveVServerGroupBackendServers", **named, BackendServers=[server(one)])
    assert [item["ServerId"] for item in body["BackendServers"]["BackendServer"]] == [two.id]


def test_keys_and_numbers_of_backends_are_read_loosely(cloud, group):
    one = cloud.instance()
    loose = [{"serverId": one.id, "port": "30080", "weight": "5", "type": "ecs", "NodeName": "n"}]
    cloud.ok("AddVServerGroupBackendServers", VServerGroupId=group, BackendServers=loose)
    assert cloud.backends(group) == [
        {"ServerId": one.id, "Port": 30080, "Weight": 5, "Type": "ecs"}
    ]


def test_a_member_is_identified_by_server_address_and_port(cloud, group):
    one = cloud.instance()
    rows = [server(one), server(one, Port=30081), server(one, Weight=3)]
    cloud.ok("AddVServerGroupBackendServers", VServerGroupId=group, BackendServers=rows)
    assert [(b["Port"], b["Weight"]) for b in cloud.backends(group)] == [(30080, 3), (30081, 100)]


def test_setting_ignores_what_is_no_member(cloud, group):
    one = cloud.instance()
    params = {"VServerGroupId": group, "BackendServers": [server(one, Weight=1)]}
    cloud.ok("SetVServerGroupAttribute", **params, VServerGroupName="renamed")
    assert cloud.backends(group) == []
    body = cloud.ok("DescribeVServerGroupAttribute", VServerGroupId=group)
    assert body["VServerGroupName"] == "renamed"


def test_some_backends_can_be_exchanged_for_others(cloud, group):
    one, two = cloud.instance(), cloud.instance()
    cloud.ok("AddVServerGroupBackendServers", VServerGroupId=group, BackendServers=[server(one)])
    cloud.ok(
        "ModifyVServerGroupBackendServers",
        VServerGroupId=group,
        OldBackendServers=[server(one)],
        NewBackendServers=[server(two)],
    )
    assert [item["ServerId"] for item in cloud.backends(group)] == [two.id]


def test_an_interface_is_a_backend_with_its_address(cloud, group):
    one = cloud.instance()
    row = {"ServerId": one.eni, "ServerIp": one.private_ips[0], "Port": 80, "Type": "eni"}
    cloud.ok("AddVServerGroupBackendServers", VServerGroupId=group, BackendServers=[row])
    assert cloud.backends(group)[0]["ServerIp"] == one.private_ips[0]
    wrong = {**row, "ServerIp": "10.99.0.1"}
    params = {"VServerGroupId": group, "BackendServers": [wrong]}
    assert cloud.code("AddVServerGroupBackendServers", **params) == "InvalidServerId.NotFound"


@pytest.mark.parametrize(
    ("backends", "code"),
    [
        pytest.param([{"ServerId": "i-no", "Port": 80}], "InvalidServerId.NotFound", id="server"),
        pytest.param([{"Port": 80}], "MissingServerId", id="no server"),
        pytest.param([{"ServerId": "i"}], "MissingPort", id="no port"),
        pytest.param([{"ServerId": "i", "Port": 0}], "InvalidPort", id="port"),
        pytest.param([{"ServerId": "i", "Port": 1, "Weight": 101}], "InvalidWeight", id="weight"),
        pytest.param([{"ServerId": "i", "Port": 1, "Type": "vm"}], "InvalidType", id="type"),
        pytest.param(
            [{"ServerId": "i", "Port": 1, "Description": "x" * 81}],
            "InvalidDescription",
            id="description",
        ),
        pytest.param({"ServerId": "i"}, "BackendServersMalformed", id="no list"),
        pytest.param("[{", "InvalidBackendServers", id="no JSON"),
        pytest.param([{"ServerId": "i", "Port": 1}] * 21, "TooManyBackendServers", id="21"),
    ],
)
def test_a_bad_backend_is_refused_and_nothing_is_added(cloud, group, backends, code):
    params = {"VServerGroupId": group, "BackendServers": backends}
    assert cloud.code("AddVServerGroupBackendServers", **params) == code
    assert cloud.backends(group) == []


def test_one_bad_backend_spoils_the_call(cloud, group):
    rows = [server(cloud.instance()), {"ServerId": "i-no", "Port": 1}]
    params = {"VServerGroupId": group, "BackendServers": rows}
    assert cloud.code("AddVServerGroupBackendServers", **params) == "InvalidServerId.NotFound"
    assert cloud.backends(group) == []


def test_the_limit_per_call_can_be_raised(cloud, group):
    cloud.settings.limits.backends = 40
    rows = [server(cloud.instance()) for _ in range(40)]
    cloud.ok("AddVServerGroupBackendServers", VServerGroupId=group, BackendServers=rows)
    assert len(cloud.backends(group)) == 40


def test_the_number_of_servers_behind_a_load_balancer_is_bounded(cloud, group):
    cloud.settings.quotas = Quotas(backends_per_load_balancer=1)
    one, two = cloud.instance(), cloud.instance()
    named = {"VServerGroupId": group}
    cloud.ok("AddVServerGroupBackendServers", **named, BackendServers=[server(one)])
    cloud.ok("AddVServerGroupBackendServers", **named, BackendServers=[server(one, Port=1)])
    code = cloud.code("AddVServerGroupBackendServers", **named, BackendServers=[server(two)])
    assert code == "InstanceBackendServerNumberOverLimit"


def test_a_group_in_use_cannot_be_deleted(cloud, group):
    lb = cloud.state.vserver_groups[group].load_balancer
    cloud.listener(lb, VServerGroupId=group)
    assert cloud.code("DeleteVServerGroup", VServerGroupId=group) == "RspoolVipExist"
    named = {"LoadBalancerId": lb, "ListenerPort": 80}
    cloud.ok("DeleteLoadBalancerListener", **named)
    cloud.ok("DeleteVServerGroup", VServerGroupId=group)
    assert cloud.code("DeleteVServerGroup", VServerGroupId=group) == "InvalidParameter"


def test_groups_are_listed_with_their_users(cloud, group):
    lb = cloud.state.vserver_groups[group].load_balancer
    other = cloud.group(lb, VServerGroupName="mine")
    cloud.listener(lb, VServerGroupId=group)
    body = cloud.ok("DescribeVServerGroups", LoadBalancerId=lb, IncludeListener=True)
    groups = body["VServerGroups"]["VServerGroup"]
    assert [item["VServerGroupId"] for item in groups] == [group, other]
    users = [item["AssociatedObjects"]["Listeners"]["Listener"] for item in groups]
    assert users == [[{"Port": 80, "Protocol": "tcp"}], []]


def test_a_group_can_be_created_with_backends(cloud):
    one = cloud.instance()
    group = cloud.group(cloud.load_balancer(), BackendServers=[server(one)])
    assert [item["ServerId"] for item in cloud.backends(group)] == [one.id]


def test_a_server_of_another_vpc_is_refused_behind_an_intranet_load_balancer(cloud):
    one = cloud.instance()
    cloud.state.change(one, vpc="vpc-other")
    lb = cloud.load_balancer(AddressType="intranet", VSwitchId=cloud.world.vswitches[0])
    params = {"LoadBalancerId": lb, "BackendServers": [server(one)]}
    assert cloud.code("CreateVServerGroup", **params) == "InvalidServerId.NotFound"
