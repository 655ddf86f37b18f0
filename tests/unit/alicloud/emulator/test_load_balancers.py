"""SLB load balancers and their tags, in process."""

import json

import pytest

from cloudprovider_alicloud.emulator.settings import Quotas, Settings

NAME_TAG = "kubernetes.do.not.delete"


def test_a_new_load_balancer_is_active_and_public(cloud):
    body = cloud.ok("CreateLoadBalancer", LoadBalancerName="web")
    assert body["Address"].startswith("198.18.")
    assert body["NetworkType"] == "classic"
    assert "VpcId" not in body
    attribute = cloud.ok("DescribeLoadBalancerAttribute", LoadBalancerId=body["LoadBalancerId"])
    assert attribute["LoadBalancerStatus"] == "active"
    assert attribute["AddressType"] == "internet"
    assert attribute["Tags"] == {"Tag": []}


def test_an_intranet_load_balancer_takes_an_address_of_its_vswitch(cloud):
    vswitch = cloud.world.vswitches[1]
    before = cloud.state.vswitches[vswitch].available
    body = cloud.ok(
        "CreateLoadBalancer", AddressType="intranet", VSwitchId=vswitch, VpcId=cloud.world.vpc
    )
    assert body["Address"] == "10.1.0.10"
    assert body["NetworkType"] == "vpc"
    assert cloud.state.vswitches[vswitch].available == before - 1
    cloud.ok("DeleteLoadBalancer", LoadBalancerId=body["LoadBalancerId"])
    assert cloud.state.vswitches[vswitch].available == before


def test_an_address_may_be_chosen_inside_the_vswitch_once(cloud):
    params = {
        "AddressType": "intranet",
        "VSwitchId": cloud.world.vswitches[0],
        "Address": "10.0.9.9",
    }
    assert cloud.ok("CreateLoadBalancer", **params)["Address"] == "10.0.9.9"
    assert cloud.code("CreateLoadBalancer", **params) == "ObtainIpFail"


@pytest.mark.parametrize(
    ("params", "code"),
    [
        pytest.param({"AddressType": "public"}, "InvalidAddressType", id="choice"),
        pytest.param({"Bandwidth": "many"}, "InvalidBandwidth", id="no number"),
        pytest.param({"Bandwidth": 6000}, "InvalidBandwidth", id="out of range"),
        pytest.param({"LoadBalancerName": "x" * 81}, "InvalidLoadBalancerName", id="length"),
        pytest.param({"AutoPay": "yes"}, "InvalidAutoPay", id="no boolean"),
        pytest.param({"RegionId": ""}, "MissingRegionId", id="no region"),
        pytest.param({"RegionId": "mars-1"}, "InvalidRegionId.NotFound", id="unknown region"),
        pytest.param(
            {"AddressType": "intranet", "VSwitchId": "vsw-no"},
            "InvalidVSwitchId.NotFound",
            id="unknown vSwitch",
        ),
        pytest.param(
            {"Tag__1__Key": "acs:x", "Tag__1__Value": "v"}, "InvalidTagKey.Malformed", id="tag key"
        ),
        pytest.param(
            {"Tag__1__Key": "k", "Tag__1__Value": "v" * 129},
            "InvalidTagValue.Malformed",
            id="tag value",
        ),
        pytest.param({"Tag__one__Key": "k"}, "InvalidTag", id="list not numbered"),
        pytest.param({"Tag": "k=v"}, "InvalidTag", id="list as a scalar"),
    ],
)
def test_a_bad_parameter_is_refused(cloud, params, code):
    assert cloud.code("CreateLoadBalancer", **params) == code
    assert len(cloud.state.load_balancers) == 2


def test_a_full_vswitch_refuses(cloud):
    vswitch = cloud.state.vswitches[cloud.world.vswitches[0]]
    cloud.state.change(vswitch, available=0)
    params = {"AddressType": "intranet", "VSwitchId": vswitch.id}
    assert cloud.code("CreateLoadBalancer", **params) == "VSwitchAvailableIpNotExist"


def test_the_same_client_token_gives_the_same_load_balancer(cloud):
    params = {"LoadBalancerName": "web", "ClientToken": "t1"}
    first, second = (cloud.ok("CreateLoadBalancer", **params) for _ in range(2))
    assert first["LoadBalancerId"] == second["LoadBalancerId"]
    assert first["RequestId"] != second["RequestId"]
    assert [record.effect for record in cloud.core.journal.records()] == [True, False]
    assert cloud.core.journal.records()[0].pre == "t1"


def test_a_client_token_with_other_parameters_conflicts(cloud):
    cloud.ok("CreateLoadBalancer", LoadBalancerName="web", ClientToken="t1")
    code = cloud.code("CreateLoadBalancer", LoadBalancerName="other", ClientToken="t1")
    assert code == "LX_REQUEST_TOKEN_CONFLICT"


def test_a_client_token_of_a_refused_call_can_be_used_again(cloud):
    assert cloud.code("CreateLoadBalancer", Bandwidth=9999, ClientToken="t1")
    assert cloud.ok("CreateLoadBalancer", Bandwidth=5, ClientToken="t1")["LoadBalancerId"]


def test_a_client_token_is_forgotten_after_its_life_time(cloud):
    first = cloud.load_balancer(ClientToken="t1")
    cloud.settings.clock_offset = cloud.settings.client_token_lifetime
    assert cloud.load_balancer(ClientToken="t1") != first


def test_delete_protection_refuses_deletion(cloud):
    lb = cloud.load_balancer(DeleteProtection="on")
    code = cloud.code("DeleteLoadBalancer", LoadBalancerId=lb)
    assert code == "OperationDenied.DeleteProtectionIsOn"
    cloud.ok("SetLoadBalancerDeleteProtection", LoadBalancerId=lb, DeleteProtection="off")
    cloud.ok("DeleteLoadBalancer", LoadBalancerId=lb)
    reply = cloud.reply("DescribeLoadBalancerAttribute", LoadBalancerId=lb)
    assert (reply.status, reply.code) == (404, "InvalidLoadBalancerId.NotFound")
    assert reply.body["Message"] == "The specified LoadBalancerId does not exist."


def test_listeners_and_groups_go_with_the_load_balancer(cloud):
    lb = cloud.load_balancer()
    group = cloud.group(lb)
    cloud.listener(lb, VServerGroupId=group)
    cloud.ok("DeleteLoadBalancer", LoadBalancerId=lb)
    assert cloud.code("DescribeVServerGroupAttribute", VServerGroupId=group) == "InvalidParameter"
    assert not [item for item in cloud.state.listeners.values() if item.load_balancer == lb]


@pytest.mark.parametrize(
    ("action", "params", "expected"),
    [
        ("SetLoadBalancerName", {"LoadBalancerName": "new"}, {"LoadBalancerName": "new"}),
        (
            "SetLoadBalancerStatus",
            {"LoadBalancerStatus": "inactive"},
            {"LoadBalancerStatus": "inactive"},
        ),
        (
            "SetLoadBalancerModificationProtection",
            {
                "ModificationProtectionStatus": "ConsoleProtection",
                "ModificationProtectionReason": "managed.by.ack",
            },
            {
                "ModificationProtectionStatus": "ConsoleProtection",
                "ModificationProtectionReason": "managed.by.ack",
            },
        ),
        (
            "ModifyLoadBalancerInstanceSpec",
            {"LoadBalancerSpec": "slb.s2.small"},
            {"LoadBalancerSpec": "slb.s2.small"},
        ),
        (
            "ModifyLoadBalancerInternetSpec",
            {"InternetChargeType": "paybybandwidth", "Bandwidth": 7},
            {"InternetChargeType": "paybybandwidth", "Bandwidth": 7},
        ),
        (
            "ModifyLoadBalancerInstanceChargeType",
            {"InstanceChargeType": "PayByCLCU"},
            {"InstanceChargeType": "PayByCLCU", "LoadBalancerSpec": "slb.lcu.elastic"},
        ),
    ],
)
def test_an_attribute_can_be_changed(cloud, action, params, expected):
    lb = cloud.load_balancer()
    cloud.ok(action, LoadBalancerId=lb, **params)
    cloud.ok(action, LoadBalancerId=lb, **params)
    body = cloud.ok("DescribeLoadBalancerAttribute", LoadBalancerId=lb)
    assert {name: body[name] for name in expected} == expected
    effects = [r.effect for r in cloud.core.journal.records() if r.op == action]
    assert effects == [True, False]


@pytest.mark.parametrize(
    "action",
    [
        "DescribeLoadBalancerAttribute",
        "DeleteLoadBalancer",
        "DescribeVServerGroups",
        "CreateVServerGroup",
    ],
)
def test_an_unknown_load_balancer_is_not_found(cloud, action):
    assert cloud.code(action, LoadBalancerId="lb-no") == "InvalidLoadBalancerId.NotFound"


def test_another_regions_load_balancer_is_not_found(cloud):
    lb = cloud.load_balancer()
    params = {"LoadBalancerId": lb, "RegionId": "cn-shanghai"}
    code = cloud.code("DescribeLoadBalancerAttribute", **params)
    assert code == "InvalidLoadBalancerId.NotFound"


def found(cloud, **filters):
    body = cloud.ok("DescribeLoadBalancers", **filters)
    return [item["LoadBalancerId"] for item in body["LoadBalancers"]["LoadBalancer"]]


def test_load_balancers_are_found_by_every_filter(cloud):
    first = cloud.load_balancer(
        LoadBalancerName="a", Tag__1__Key=NAME_TAG, Tag__1__Value="a", Tag__2__Key="x"
    )
    second = cloud.load_balancer(LoadBalancerName="b", Tag__1__Key=NAME_TAG, Tag__1__Value="b")
    address = cloud.state.load_balancers[second].address
    assert found(cloud, LoadBalancerName="a") == [first]
    assert found(cloud, LoadBalancerName="a,b") == [first, second]
    assert found(cloud, LoadBalancerId=f"{first},{second},lb-no") == [first, second]
    assert found(cloud, Address=address) == [second]
    assert found(cloud, Tags=[{"TagKey": NAME_TAG, "TagValue": "b"}]) == [second]
    assert found(cloud, Tag__1__Key=NAME_TAG, Tag__1__Value="a") == [first]
    both = [{"TagKey": NAME_TAG, "TagValue": "a"}, {"TagKey": "x", "TagValue": ""}]
    assert found(cloud, Tags=both) == [first]
    assert found(cloud, Tags=[{"TagKey": "x"}]) == [first]
    assert found(cloud, VpcId=cloud.world.vpc) == []


def test_lists_come_in_pages_of_ten(cloud):
    created = [cloud.load_balancer(LoadBalancerName="p") for _ in range(23)]
    body = cloud.ok("DescribeLoadBalancers", LoadBalancerName="p")
    assert (body["PageNumber"], body["PageSize"], body["TotalCount"]) == (1, 10, 23)
    pages = [found(cloud, LoadBalancerName="p", PageNumber=n, PageSize=9) for n in (1, 2, 3, 4)]
    assert [len(page) for page in pages] == [9, 9, 5, 0]
    assert [item for page in pages for item in page] == created
    assert cloud.code("DescribeLoadBalancers", PageSize=101) == "InvalidPageSize"


def test_the_list_answers_the_charge_type_as_an_alias(cloud):
    body = cloud.ok("DescribeLoadBalancers")
    first = body["LoadBalancers"]["LoadBalancer"][0]
    assert (first["InternetChargeType"], first["InternetChargeTypeAlias"]) == ("4", "paybytraffic")


def test_tags_are_added_listed_and_removed(cloud):
    lb = cloud.load_balancer(Tag__1__Key="a", Tag__1__Value="1")
    ids = {"ResourceType": "instance", "ResourceId__1": lb}
    cloud.ok("TagResources", **ids, Tag__1__Key="b", Tag__1__Value="2")
    rows = cloud.ok("ListTagResources", **ids)["TagResources"]["TagResource"]
    assert [(row["ResourceId"], row["TagKey"], row["TagValue"]) for row in rows] == [
        (lb, "a", "1"),
        (lb, "b", "2"),
    ]
    cloud.ok("UntagResources", **ids, TagKey__1="a", TagKey__2="no")
    assert cloud.state.load_balancers[lb].tags == {"b": "2"}
    cloud.ok("UntagResources", **ids, All=True)
    assert cloud.state.load_balancers[lb].tags == {}


def test_tagging_an_unknown_resource_changes_nothing(cloud):
    lb = cloud.load_balancer()
    ids = {"ResourceType": "instance", "ResourceId__1": lb, "ResourceId__2": "lb-no"}
    code = cloud.code("TagResources", **ids, Tag__1__Key="b", Tag__1__Value="2")
    assert code == "InvalidResourceId.NotFound"
    assert cloud.state.load_balancers[lb].tags == {}


def test_a_resource_has_a_bounded_number_of_tags(cloud):
    tags = {f"Tag__{n}__Key": f"k{n}" for n in range(1, 21)}
    lb = cloud.load_balancer(**tags)
    ids = {"ResourceType": "instance", "ResourceId__1": lb}
    assert cloud.code("TagResources", **ids, Tag__1__Key="more") == "TagCountLimit"
    assert cloud.code("CreateLoadBalancer", **tags, Tag__21__Key="k21") == "InvalidTag"


def test_the_old_tag_actions_work_on_one_load_balancer(cloud):
    lb = cloud.load_balancer()
    tags = json.dumps([{"TagKey": "a", "TagValue": "1"}])
    cloud.ok("AddTags", LoadBalancerId=lb, Tags=tags)
    sets = cloud.ok("DescribeTags", LoadBalancerId=lb)["TagSets"]["TagSet"]
    assert sets == [{"TagKey": "a", "TagValue": "1", "InstanceCount": 1}]
    cloud.ok("RemoveTags", LoadBalancerId=lb, Tags=tags)
    assert cloud.state.load_balancers[lb].tags == {}


def test_the_quota_of_load_balancers_is_kept(cloud):
    cloud.settings.quotas = Quotas(load_balancers=3)
    cloud.load_balancer()
    assert cloud.code("CreateLoadBalancer") == "OverQuota"


def test_quotas_are_off_unless_set():
    assert Settings().quotas.load_balancers == 0
