"""The real SDK against the emulator over HTTP, which checks every signature."""

import gc
import threading

import pytest

from cloudprovider.concurrency import RealConcurrency
from cloudprovider.errors import RetryLater
from cloudprovider_alicloud import config as configuration
from cloudprovider_alicloud.api.caller import CallFailed, SdkCaller, flatten
from cloudprovider_alicloud.api.client import CloudApi
from cloudprovider_alicloud.api.ecs import EcsApi
from cloudprovider_alicloud.api.vpc import VpcApi


@pytest.fixture(scope="module")
def caller(emulator):
    config = configuration.load(emulator.cloud_config(), emulator.environment())
    return SdkCaller(config.endpoints(), region=config.region, credentials=config.credentials)


@pytest.fixture
def api(caller, emulator):
    emulator.reset()
    return CloudApi(caller, region=emulator.world.region, concurrency=RealConcurrency())


def test_every_action_of_ours_passes_the_signature_check(emulator, api):
    ecs, vpc = EcsApi(api), VpcApi(api)
    world = emulator.world
    [one, two] = [emulator.launch_instance() for _ in range(2)]
    ids = [one.instance_id, two.instance_id]
    assert len(ecs.describe_instances(instance_ids=ids)) == 2
    assert len(ecs.describe_instances(private_ips=[one.internal_ip], vpc_id=world.vpc)) == 1
    assert ecs.describe_instances(vpc_id=world.vpc, tag_key="ack.aliyun.com")
    assert ecs.any_instance()
    [eni] = ecs.describe_network_interfaces(vpc_id=world.vpc, private_ips=[one.internal_ip])
    ecs.set_source_dest_check(eni.network_interface_id, enabled=False)
    assert len(vpc.describe_vswitches(vpc_id=world.vpc)) == 2
    assert vpc.describe_vpc(world.vpc).cidr_blocks
    assert vpc.describe_eip_addresses(instance_id="lb-1", instance_type="SlbInstance") == ()
    records = emulator.journal.records()
    assert {record.outcome for record in records} == {"ok"}
    assert {(record.api, record.op) for record in records} == {
        ("ecs", "DescribeInstances"),
        ("ecs", "DescribeNetworkInterfaces"),
        ("ecs", "ModifyNetworkInterfaceAttribute"),
        ("vpc", "DescribeVSwitches"),
        ("vpc", "DescribeVpcAttribute"),
        ("vpc", "DescribeEipAddresses"),
    }


@pytest.mark.parametrize("text", ["测试 a+b~*", "a b&c=d/e?f", "%41", "'\"\\"])
def test_any_text_is_signed_and_arrives_as_it_is(emulator, api, text):
    EcsApi(api).describe_instances(vpc_id=text)
    assert emulator.journal.records()[-1].outcome == "ok"
    api.call(
        "slb",
        "CreateLoadBalancer",
        {"LoadBalancerName": text, "AddressType": "internet", "ClientToken": text},
        idempotent=True,
        write=True,
    )
    assert text in {item.name for item in emulator.inventory()}


def test_many_threads_share_the_clients_without_a_bad_signature(emulator, caller):
    emulator.reset()
    failed: list[BaseException] = []
    params = flatten({"RegionId": emulator.world.region, "MaxResults": 10})

    def work() -> None:
        try:
            for _ in range(20):
                caller.call("ecs", "DescribeInstances", params, read_timeout=20.0)
        except CallFailed as error:
            failed.append(error)

    threads = [threading.Thread(target=work) for _ in range(48)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failed == []
    assert [record.outcome for record in emulator.journal.records()] == ["ok"] * 960


def test_memory_does_not_grow_with_calls(emulator, caller):
    emulator.reset()
    params = flatten({"RegionId": emulator.world.region})

    def call(times: int) -> None:
        for _ in range(times):
            caller.call("ecs", "DescribeInstances", params, read_timeout=20.0)
        emulator.journal.clear()
        gc.collect()

    call(200)
    before = resident()
    call(600)
    assert resident() - before < 2 * 1024


def resident() -> int:
    """Memory of this process, the emulator in it too, in KiB."""
    with open("/proc/self/status") as status:
        line = next(line for line in status if line.startswith("VmRSS"))
    return int(line.split()[1])


@pytest.mark.parametrize("passed", [0, 1, 2], ids=["first look", "second", "in the connection"])
def test_the_sdk_sends_no_write_once_the_lease_is_lost(emulator, caller, passed):
    """The looks are: before the budget, before the SDK, and when the request goes out."""
    emulator.reset()
    looks = iter([True] * passed)
    api = CloudApi(caller, region=emulator.world.region, concurrency=RealConcurrency())
    api.fence_writes(lambda: next(looks, False))
    with pytest.raises(RetryLater, match="not the leader any more"):
        api.call("slb", "CreateLoadBalancer", {"ClientToken": "t"}, idempotent=True, write=True)
    assert emulator.journal.records() == []
    api.read("ecs", "DescribeInstances", {})
    assert len(emulator.journal.records()) == 1
