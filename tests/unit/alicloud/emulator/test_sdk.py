"""The vendor's SDK against the emulator over HTTP, signatures checked."""

import json

import pytest
from alibabacloud_ecs20140526 import models as ecs
from alibabacloud_ecs20140526.client import Client as EcsClient
from alibabacloud_slb20140515 import models as slb
from alibabacloud_slb20140515.client import Client as SlbClient
from alibabacloud_tea_openapi.exceptions import (
    ClientException,
    ServerException,
    ThrottlingException,
)
from alibabacloud_tea_openapi.utils_models import Config
from alibabacloud_vpc20160428 import models as vpc
from alibabacloud_vpc20160428.client import Client as VpcClient
from darabonba.exceptions import UnretryableException

from cloudprovider.testing.emulation import EmulatorOptions
from cloudprovider.testing.faults import Fault
from cloudprovider_alicloud.emulator import world
from cloudprovider_alicloud.emulator.server import new_emulator

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning:alibabacloud_tea_openapi")

REGION = "cn-hangzhou"
CLIENTS = {"slb": SlbClient, "ecs": EcsClient, "vpc": VpcClient}


@pytest.fixture(scope="module")
def server():
    emulator = new_emulator(EmulatorOptions(seed=7))
    emulator.start()
    yield emulator
    emulator.stop()


@pytest.fixture
def emulator(server):
    server.reset()
    server.core.settings.clock_offset = 0.0
    return server


def client(emulator, product="slb", **options):
    config = Config(
        **{
            "endpoint": emulator.environment()[f"{product.upper()}_ENDPOINT"],
            "protocol": "http",
            "region_id": REGION,
            "access_key_id": world.ACCESS_KEY_ID,
            "access_key_secret": world.ACCESS_KEY_SECRET,
            "read_timeout": 5000,
            **options,
        }
    )
    return CLIENTS[product](config)


def describe(emulator, **options):
    request = slb.DescribeLoadBalancersRequest(region_id=REGION)
    return client(emulator, **options).describe_load_balancers(request).body


def test_a_service_can_be_exposed_with_typed_calls(emulator):
    api = client(emulator)
    node = emulator.launch_instance()
    created = api.create_load_balancer(
        slb.CreateLoadBalancerRequest(
            region_id=REGION,
            load_balancer_name="测试 a+b~*",
            auto_pay=True,
            client_token="tok-1",
            tag=[slb.CreateLoadBalancerRequestTag(key="k", value="v w")],
        )
    ).body
    servers = [{"ServerId": node.instance_id, "Port": "30080", "Weight": "100", "Type": "ecs"}]
    group = api.create_vserver_group(
        slb.CreateVServerGroupRequest(
            region_id=REGION,
            load_balancer_id=created.load_balancer_id,
            vserver_group_name="k8s/80/web/default/c1",
            backend_servers=json.dumps(servers),
        )
    ).body
    api.create_load_balancer_tcplistener(
        slb.CreateLoadBalancerTCPListenerRequest(
            region_id=REGION,
            load_balancer_id=created.load_balancer_id,
            listener_port=80,
            bandwidth=-1,
            vserver_group_id=group.vserver_group_id,
            health_check_interval=7,
        )
    )
    api.start_load_balancer_listener(
        slb.StartLoadBalancerListenerRequest(
            region_id=REGION,
            load_balancer_id=created.load_balancer_id,
            listener_port=80,
            listener_protocol="tcp",
        )
    )
    listener = api.describe_load_balancer_listeners(
        slb.DescribeLoadBalancerListenersRequest(
            region_id=REGION, load_balancer_id=[created.load_balancer_id]
        )
    ).body.listeners[0]
    assert listener.status == "running"
    assert listener.vserver_group_id == group.vserver_group_id
    assert listener.tcplistener_config.health_check_interval == 7
    members = api.describe_vserver_group_attribute(
        slb.DescribeVServerGroupAttributeRequest(
            region_id=REGION, vserver_group_id=group.vserver_group_id
        )
    ).body.backend_servers.backend_server
    assert [(m.server_id, m.port, m.weight, m.type) for m in members] == [
        (node.instance_id, 30080, 100, "ecs")
    ]
    attribute = api.describe_load_balancer_attribute(
        slb.DescribeLoadBalancerAttributeRequest(
            region_id=REGION, load_balancer_id=created.load_balancer_id
        )
    ).body
    assert attribute.load_balancer_name == "测试 a+b~*"
    assert attribute.internet_charge_type == "paybytraffic"
    assert [(t.tag_key, t.tag_value) for t in attribute.tags.tag] == [("k", "v w")]


def test_instances_are_described_by_a_json_list_of_ids(emulator):
    nodes = [emulator.launch_instance() for _ in range(3)]
    ids = [node.instance_id for node in nodes]
    body = (
        client(emulator, "ecs")
        .describe_instances(
            ecs.DescribeInstancesRequest(
                region_id=REGION,
                instance_ids=json.dumps([*ids, "i-unknown"]),
                max_results=100,
                additional_attributes=["NETWORK_PRIMARY_ENI_IP"],
            )
        )
        .body
    )
    found = body.instances.instance
    assert [item.instance_id for item in found] == ids
    assert [item.vpc_attributes.private_ip_address.ip_address for item in found] == [
        [node.internal_ip] for node in nodes
    ]
    assert body.page_size == 100
    assert body.next_token is None


def test_routes_are_created_in_batches(emulator):
    node = emulator.launch_instance()
    api = client(emulator, "vpc")
    tables = api.describe_route_table_list(
        vpc.DescribeRouteTableListRequest(region_id=REGION, vpc_id=emulator.world.vpc)
    ).body.router_table_list.router_table_list_type
    assert [table.route_table_id for table in tables] == [emulator.world.route_table]
    row = vpc.CreateRouteEntriesRequestRouteEntries(
        route_table_id=emulator.world.route_table,
        dst_cidr_block="172.16.1.0/24",
        next_hop=node.instance_id,
        next_hop_type="Instance",
    )
    request = vpc.CreateRouteEntriesRequest(
        region_id=REGION, dry_run=False, route_entries=[row, row]
    )
    body = api.create_route_entries(request).body
    assert (body.success_count, body.failed_count) == (1, 1)
    assert body.failed_route_entries[0].failed_code == "VPC_ROUTE_ENTRY_CIDR_BLOCK_DUPLICATE"
    entries = api.describe_route_entry_list(
        vpc.DescribeRouteEntryListRequest(
            region_id=REGION,
            route_table_id=emulator.world.route_table,
            route_entry_type="Custom",
            next_hop_id=node.instance_id,
        )
    ).body.route_entrys.route_entry
    assert [(e.destination_cidr_block, e.next_hops.next_hop[0].next_hop_id) for e in entries] == [
        ("172.16.1.0/24", node.instance_id)
    ]


@pytest.mark.parametrize(
    ("options", "code"),
    [
        pytest.param(
            {"access_key_id": "LTAInobody"}, "InvalidAccessKeyId.NotFound", id="unknown key"
        ),
        pytest.param({"access_key_secret": "wrong"}, "SignatureDoesNotMatch", id="wrong secret"),
        pytest.param(
            {"security_token": "stolen"},
            "InvalidSecurityToken.MismatchWithAccessKey",
            id="token of another key",
        ),
    ],
)
def test_a_request_with_wrong_credentials_is_refused(emulator, options, code):
    with pytest.raises(ClientException) as error:
        describe(emulator, **options)
    assert error.value.code == code
    assert error.value.request_id


@pytest.mark.parametrize("offset", [1000, -1000])
def test_a_request_with_a_date_far_off_is_refused(emulator, offset):
    emulator.core.settings.clock_offset = offset
    with pytest.raises(ClientException) as error:
        describe(emulator)
    assert error.value.code == "InvalidTimeStamp.Expired"


def test_the_old_signature_in_the_query_is_accepted(emulator):
    assert describe(emulator, signature_algorithm="v2").total_count == 2


def test_the_old_signature_with_a_wrong_secret_is_refused(emulator):
    with pytest.raises(ClientException) as error:
        describe(emulator, signature_algorithm="v2", access_key_secret="wrong")
    assert error.value.code == "SignatureDoesNotMatch"


def test_an_error_comes_with_its_code_and_status(emulator):
    request = slb.DescribeLoadBalancerAttributeRequest(region_id=REGION, load_balancer_id="lb-no")
    with pytest.raises(ClientException) as error:
        client(emulator).describe_load_balancer_attribute(request)
    assert error.value.code == "InvalidLoadBalancerId.NotFound"
    assert error.value.status_code == 404
    assert error.value.data["Message"] == "The specified LoadBalancerId does not exist."


@pytest.mark.parametrize(
    ("fault", "raised"),
    [
        pytest.param(Fault(kind="error", code="SystemBusy"), ClientException, id="error"),
        pytest.param(Fault(kind="error"), ServerException, id="server error"),
        pytest.param(Fault(kind="throttle", after=0.5), ThrottlingException, id="throttle"),
        pytest.param(Fault(kind="throttle"), ClientException, id="throttle without a hint"),
        pytest.param(Fault(kind="lost_answer"), UnretryableException, id="lost answer"),
        pytest.param(Fault(kind="not_sent"), UnretryableException, id="not sent"),
        pytest.param(Fault(kind="malformed"), UnretryableException, id="malformed"),
        pytest.param(Fault(kind="truncated"), UnretryableException, id="truncated"),
    ],
)
def test_the_transport_carries_faults_out(emulator, fault, raised):
    emulator.faults.add(fault)
    with pytest.raises(raised):
        describe(emulator)
    assert emulator.faults.fired() == [1]
    assert describe(emulator).total_count == 2


def test_a_hanging_answer_runs_into_the_clients_timeout(emulator):
    emulator.faults.add(Fault(kind="hang", after=0.3))
    with pytest.raises(UnretryableException, match="Read timed out"):
        describe(emulator, read_timeout=50)


def test_every_request_over_http_is_journalled_with_its_caller(emulator):
    describe(emulator)
    record = emulator.journal.records()[-1]
    assert (record.api, record.op, record.outcome) == ("slb", "DescribeLoadBalancers", "ok")
    assert "TeaDSL" in record.proc
    assert not record.write
