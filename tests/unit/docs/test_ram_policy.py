"""The RAM policy allows what the provider calls, and nothing that it does not."""

import campaign
import pytest
import scenarios
from generator import ram_policy

from cloudprovider_alicloud.api.client import CloudApi
from cloudprovider_alicloud.api.ecs import EcsApi
from cloudprovider_alicloud.api.vpc import VpcApi
from cloudprovider_alicloud.emulator.inprocess import EmulatorCaller
from cloudprovider_alicloud.instances import Instances
from cloudprovider_alicloud.routes import VpcRoutes

CLOUD_APIS = {"slb", "ecs", "vpc", "nlb"}


def tour(clb, cloud):
    """A provider is brought to do everything that it can do, once."""
    node = cloud.nodes(1)[0]
    instances = Instances(EcsApi(api_of(cloud)), cloud.config)
    assert not isinstance(instances.instance_metadata_many([node])[node.metadata.name], Exception)
    change_everything(clb, cloud)
    full_vswitch(clb, cloud)
    untagged_and_preserved(clb, cloud)
    route_there_and_back(clb, cloud)


def api_of(cloud):
    return CloudApi(EmulatorCaller(cloud.core), region="cn-hangzhou", concurrency=cloud.clock)


def change_everything(clb, cloud):
    """Listeners of both kinds, members, attributes, payment, a bound elastic IP."""
    nodes, balancer = cloud.nodes(3), cloud.balancer()
    udp = clb.ServicePort(port=53, node_port=30053, protocol="UDP")
    plain = clb.make_service(80, udp)
    balancer.ensure_load_balancer("k", plain, nodes[:2])
    balancer.update_load_balancer("k", plain, nodes[1:])
    for changes in (
        {"spec": "slb.s2.small", "instance_charge_type": "PayBySpec", "scheduler": "wrr"},
        {"spec": "slb.s3.small", "instance_charge_type": "PayBySpec"},
        {"charge_type": "paybybandwidth", "bandwidth": "7", "instance_charge_type": "PayBySpec"},
        {"name": "other", "delete_protection": "off", "modification_protection": "NonProtection"},
        {"default_weight": "50", "external_ip_type": "eip"},
    ):
        balancer.ensure_load_balancer("k", clb.annotated(plain, **changes), nodes)
    cloud.clock.sleep(1000)
    balancer.ensure_load_balancer("k", clb.make_service(udp), nodes)
    balancer.ensure_load_balancer_deleted("k", plain)


def full_vswitch(clb, cloud):
    """Private addresses where all vSwitches but one have none left."""
    state = cloud.core.state
    for vswitch in cloud.world.vswitches[:-1]:
        state.change(state.vswitches[vswitch], available=0)
    for number in range(8):  # which vSwitch is tried first follows from the UID
        service = clb.make_service(uid=f"uid-{number}", annotations={"address-type": "intranet"})
        cloud.balancer().ensure_load_balancer("k", service, [])


def untagged_and_preserved(clb, cloud):
    """A load balancer whose tag was taken away, and which outlives its Service."""
    service = clb.make_service(uid="uid-kept", annotations={"preserve-lb-on-delete": "yes"})
    cloud.balancer().ensure_load_balancer("k", service, cloud.nodes(1))
    (made,) = (b for b in cloud.ours() if b.name == "auidkept")
    cloud.user(
        "UntagResources",
        ResourceType="instance",
        ResourceId=[made.id],
        TagKey=["ack.aliyun.com", "kubernetes.do.not.delete"],
    )
    labelled = clb.with_labels(service, {"service.k8s.alibaba/loadbalancer-id": made.id})
    cloud.balancer().ensure_load_balancer("k", labelled, cloud.nodes(1))
    cloud.balancer().ensure_load_balancer_deleted("k", labelled)


def route_there_and_back(clb, cloud):
    """A route to the Pods of a node."""
    (node,) = cloud.nodes(1, start=900)
    node = clb.make_node("n", node.spec.provider_id, pod_cidrs=("10.244.9.0/24",))
    routes = VpcRoutes(VpcApi(api_of(cloud)), cloud.config, concurrency=cloud.clock)
    wanted = [("uid", route) for route in routes.desired_routes(node)]
    assert routes.create_routes("k", wanted) == [None]
    made = [r for r in routes.list_routes("k") if r.destination_cidr == "10.244.9.0/24"]
    assert routes.delete_routes("k", made) == [None]


@pytest.fixture(scope="module")
def called(clb_world):
    """(product, action) of every call that the tour caused."""
    clock = clb_world.VirtualConcurrency()
    clouds = []

    def play():
        clouds.append(clb_world.make_cloud(clock))
        tour(clb_world, clouds[0])

    clock.run(play)
    return {
        (record.api, record.op)
        for record in clouds[0].core.journal.records()
        if record.proc != "user"
    }


def test_the_policy_is_exactly_what_the_provider_calls(called):
    assert called == set(ram_policy.actions())


@pytest.mark.parametrize("number", scenarios.ALL)
def test_it_suffices_for_a_whole_manager(number):
    records = campaign.recording(number)
    called = {(record.api, record.op) for record in records if record.api in CLOUD_APIS}
    assert called
    assert called <= set(ram_policy.actions())
