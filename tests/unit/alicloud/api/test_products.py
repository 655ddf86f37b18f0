"""ECS and VPC actions on the emulator; every field compared with the SDK's typed models."""

import dataclasses

import pytest

from cloudprovider.errors import CloudProviderError, InvalidConfiguration
from cloudprovider_alicloud.api.client import CloudApi
from cloudprovider_alicloud.api.ecs import EcsApi
from cloudprovider_alicloud.api.vpc import InstanceRoute, VpcApi

REGION = "cn-hangzhou"


@pytest.fixture
def cloud(world, typed):
    """An emulated cloud and its two APIs, on virtual time."""
    from cloudprovider_alicloud.emulator import world as start
    from cloudprovider_alicloud.emulator.core import EmulatorCore
    from cloudprovider_alicloud.emulator.inprocess import EmulatorCaller

    core = EmulatorCore(seed=1, concurrency=world)

    @dataclasses.dataclass
    class Cloud:
        world: start.World
        ecs: EcsApi
        vpc: VpcApi

        def launch(self, count=1, **options):
            options = {"vswitch": self.world.vswitches[0], "now": 0.0, **options}
            return [
                start.launch_instance(
                    core.state, region=REGION, **{"host_name": f"node-{number}", **options}
                )
                for number in range(count)
            ]

        def calls(self, action):
            return [record for record in core.journal.records() if record.op == action]

    api = CloudApi(typed(EmulatorCaller(core)), region=REGION, concurrency=world)
    return Cloud(start.default_world(core), EcsApi(api), VpcApi(api))


def test_instances_are_found_by_id_and_unknown_ids_left_out(cloud):
    first, second = cloud.launch(2)
    found = cloud.ecs.describe_instances(instance_ids=[first.id, second.id, "i-gone"])
    assert {item.instance_id for item in found} == {first.id, second.id}
    one = next(item for item in found if item.instance_id == first.id)
    assert (one.region, one.zone, one.status) == (REGION, first.zone, "Running")
    assert one.private_ips == tuple(first.private_ips)
    assert one.host_name == "node-0"


def test_a_hundred_ids_are_one_call(cloud):
    instances = cloud.launch(100)
    found = cloud.ecs.describe_instances(instance_ids=[item.id for item in instances])
    assert len(found) == 100
    assert len(cloud.calls("DescribeInstances")) == 1


def test_all_instances_of_a_vpc_are_listed_page_by_page(cloud):
    cloud.launch(250)
    found = cloud.ecs.describe_instances(vpc_id=cloud.world.vpc)
    assert len(found) >= 250
    assert len(cloud.calls("DescribeInstances")) == 3


def test_instances_are_found_by_address_and_by_tag(cloud):
    tagged, plain = cloud.launch(1, tags={"k": "v"}) + cloud.launch(1)
    ips = [*tagged.private_ips, *plain.private_ips]
    by_address = cloud.ecs.describe_instances(private_ips=ips, vpc_id=cloud.world.vpc)
    assert {item.instance_id for item in by_address} == {tagged.id, plain.id}
    with_tag = cloud.ecs.describe_instances(private_ips=ips, tag_key="k")
    assert [(item.instance_id, item.tags) for item in with_tag] == [(tagged.id, {"k": "v"})]


def test_some_instance_that_exists_is_named(cloud):
    assert cloud.ecs.any_instance().startswith("i-")


def test_network_interfaces_are_found_by_address(cloud):
    [instance] = cloud.launch(1)
    found = cloud.ecs.describe_network_interfaces(
        vpc_id=cloud.world.vpc, private_ips=list(instance.private_ips)
    )
    assert [item.instance_id for item in found] == [instance.id]
    assert found[0].private_ips == tuple(instance.private_ips)
    by_id = cloud.ecs.describe_network_interfaces(
        network_interface_ids=[found[0].network_interface_id]
    )
    assert by_id == found


def test_the_source_check_of_an_interface_is_switched(cloud):
    [instance] = cloud.launch(1)
    cloud.ecs.set_source_dest_check(instance.eni, enabled=False)
    [found] = cloud.ecs.describe_network_interfaces(network_interface_ids=[instance.eni])
    assert found.source_dest_check is False


def test_vswitches_are_listed_by_vpc_and_by_id(cloud):
    found = cloud.vpc.describe_vswitches(vpc_id=cloud.world.vpc)
    assert [item.vswitch_id for item in found] == list(cloud.world.vswitches)
    assert all(item.available_ip_count > 1000 and item.zone_id for item in found)
    [one] = cloud.vpc.describe_vswitches(vswitch_id=cloud.world.vswitches[1])
    assert one == found[1]


def test_the_ranges_of_a_vpc_are_read(cloud):
    assert cloud.vpc.describe_vpc(cloud.world.vpc).cidr_blocks == ("10.0.0.0/8",)


def test_a_vpc_that_is_not_there_is_a_wrong_configuration(cloud):
    with pytest.raises(InvalidConfiguration):
        cloud.vpc.describe_vpc("vpc-gone")


def test_addresses_bound_to_something_are_listed(cloud):
    found = cloud.vpc.describe_eip_addresses(instance_id="lb-none", instance_type="SlbInstance")
    assert found == ()


def test_every_page_of_a_numbered_list_is_read(world, scripted):
    def page(*ids):
        items = [{"VSwitchId": item, "AvailableIpAddressCount": "7"} for item in ids]
        return {"VSwitches": {"VSwitch": items}, "TotalCount": 51}

    def main():
        caller = scripted(page(*map(str, range(50))), page("last"))
        vpc = VpcApi(CloudApi(caller, region=REGION, concurrency=world))
        assert len(vpc.describe_vswitches(vpc_id="vpc-1")) == 51
        assert [call[2]["PageNumber"] for call in caller.calls] == ["1", "2"]

    world.run(main)


def test_a_list_that_repeats_its_token_ends_with_an_error(world, scripted):
    def main():
        caller = scripted({"Instances": {"Instance": []}, "NextToken": "same"})
        ecs = EcsApi(CloudApi(caller, region=REGION, concurrency=world))
        with pytest.raises(CloudProviderError, match="no end"):
            ecs.describe_instances(vpc_id="vpc-1")
        assert len(caller.calls) == 2

    world.run(main)


@pytest.mark.parametrize(
    "reply",
    [
        pytest.param({}, id="nothing"),
        pytest.param({"Instances": None}, id="null"),
        pytest.param({"Instances": {}}, id="empty object"),
        pytest.param({"Instances": {"Instance": None}}, id="null list"),
        pytest.param({"Instances": {"Instance": []}}, id="empty list"),
    ],
)
def test_absent_lists_are_empty(world, scripted, reply):
    def main():
        ecs = EcsApi(CloudApi(scripted(reply), region=REGION, concurrency=world))
        assert ecs.describe_instances(instance_ids=["i-1"]) == ()
        assert ecs.any_instance() == ""

    world.run(main)


@pytest.mark.parametrize(
    "reply", [{"Instances": []}, {"Instances": {"Instance": {}}}, {"Instances": "x"}]
)
def test_a_list_of_another_shape_is_an_error(world, scripted, reply):
    def main():
        ecs = EcsApi(CloudApi(scripted(reply), region=REGION, concurrency=world))
        with pytest.raises(CloudProviderError):
            ecs.describe_instances(instance_ids=["i-1"])

    world.run(main)


def test_an_instance_with_only_an_id_is_read(world, scripted):
    def main():
        caller = scripted({"Instances": {"Instance": [{"InstanceId": "i-1", "EipAddress": None}]}})
        ecs = EcsApi(CloudApi(caller, region=REGION, concurrency=world))
        [found] = ecs.describe_instances(instance_ids=["i-1"])
        assert (found.instance_id, found.eip, found.private_ips, found.tags) == ("i-1", "", (), {})

    world.run(main)


def test_route_tables_and_their_entries_are_listed_page_by_page(cloud):
    [table] = cloud.vpc.describe_route_tables(cloud.world.vpc)
    assert table == cloud.world.route_table
    [instance] = cloud.launch()
    routes = {InstanceRoute(f"172.16.{n}.0/24", instance.id): f"note {n}" for n in range(40)}
    assert cloud.vpc.create_route_entries(table, routes) == {}
    found = {entry.destination_cidr: entry for entry in cloud.vpc.describe_route_entries(table)}
    assert found["172.16.7.0/24"].next_hops == (("Instance", instance.id),)
    assert found["172.16.7.0/24"].description == "note 7"
    assert found["172.16.7.0/24"].status == "Available"
    assert {route.destination_cidr for route in routes} < found.keys()
    assert "100.64.0.0/10" not in found  # the system's


def test_a_batch_tells_what_was_refused(cloud):
    [instance] = cloud.launch()
    table = cloud.world.route_table
    good, bad = InstanceRoute("172.16.1.0/24", instance.id), InstanceRoute("172.16.2.0/24", "i-no")
    refused = cloud.vpc.create_route_entries(table, {good: "a", bad: "b"})
    assert refused.keys() == {bad}
    assert refused[bad].code == "VPC_ROUTE_ENTRY_NEXT_HOP_NOT_EXIST"
    assert refused[bad].message
    assert refused[bad].request_id
    assert cloud.vpc.delete_route_entries(table, [good, bad]).keys() == {bad}


def test_a_table_that_is_not_there_is_the_configurations_fault(cloud):
    with pytest.raises(InvalidConfiguration, match="RouteTableId"):
        cloud.vpc.describe_route_entries("vtb-no")
