"""Metadata, admin path, inventory and the command, over loopback."""

import base64
import json
import re
import subprocess
import sys

import msgspec
import pytest
import urllib3

from cloudprovider_alicloud.emulator import world
from cloudprovider_alicloud.emulator.inventory import foreign, problems, service_of

SLB = {"Version": "2014-05-15", "Action": "DescribeLoadBalancers", "RegionId": "cn-hangzhou"}


# -- metadata ----------------------------------------------------------------------------------


@pytest.fixture
def metadata(emulator, http):
    def get(path, **headers):
        base = emulator.environment()["METADATA_ENDPOINT"]
        response = http.request("GET", f"{base}/latest/{path}", headers=headers)
        return response.status, response.data.decode()

    return get


@pytest.fixture
def imds_token(emulator, http):
    def put(ttl="21600"):
        headers = {"X-aliyun-ecs-metadata-token-ttl-seconds": ttl}
        return http.request("PUT", f"{emulator.url()}/latest/api/token", headers=headers)

    return put


def test_metadata_describes_the_newest_instance(emulator, metadata):
    node = emulator.launch_instance("master")
    expected = {
        "region-id": "cn-hangzhou",
        "zone-id": node.zone,
        "instance-id": node.instance_id,
        "hostname": "master",
        "private-ipv4": node.internal_ip,
        "vpc-id": emulator.world.vpc,
        "vswitch-id": emulator.world.vswitches[0],
        "vpc-cidr-block": "10.0.0.0/8",
        "network-type": "vpc",
        "owner-account-id": world.ACCOUNT,
    }
    for name, value in expected.items():
        assert metadata(f"meta-data/{name}") == (200, value)
    assert metadata("meta-data/eipv4")[0] == 404
    assert metadata("user-data")[0] == 404


def test_metadata_of_version_two_needs_a_good_token(emulator, metadata, imds_token):
    emulator.core.settings.imds_v2_only = True
    assert metadata("meta-data/region-id")[0] == 401
    token = imds_token().data.decode()
    named = {"X-aliyun-ecs-metadata-token": token}
    assert metadata("meta-data/region-id", **named) == (200, "cn-hangzhou")
    assert (
        metadata("meta-data/region-id", **{**named, "X-aliyun-ecs-metadata-token": "x"})[0] == 401
    )
    emulator.core.settings.clock_offset = 30_000.0
    assert metadata("meta-data/region-id", **named)[0] == 401
    assert imds_token(ttl="99999").status == 400


def test_the_instances_role_gives_a_key_that_is_renewed(emulator, v1, metadata):
    path = "meta-data/ram/security-credentials/"
    _, role = metadata(path)
    first = json.loads(metadata(path + role)[1])
    assert first["Code"] == "Success"
    assert json.loads(metadata(path + role)[1])["AccessKeyId"] == first["AccessKeyId"]
    assert metadata(path + "other")[0] == 404
    status, _, _ = v1(
        **SLB,
        key=first["AccessKeyId"],
        secret=first["AccessKeySecret"],
        SecurityToken=first["SecurityToken"],
    )
    assert status == 200
    emulator.core.settings.clock_offset = 2_000.0
    assert json.loads(metadata(path + role)[1])["AccessKeyId"] != first["AccessKeyId"]


# -- the emulator as the sandbox sees it -------------------------------------------------------


def test_the_environment_points_every_product_at_one_port(emulator):
    environment = emulator.environment()
    host = emulator.url().removeprefix("http://")
    assert {environment[f"{name}_ENDPOINT"] for name in ("SLB", "ECS", "VPC", "NLB")} == {host}
    assert environment["ALICLOUD_CLIENT_SCHEME"] == "HTTP"
    assert world.ACCESS_KEY_SECRET not in environment.values()


def test_the_cloud_config_holds_what_the_emulator_accepts(emulator):
    values = json.loads(emulator.cloud_config())["Global"]
    assert base64.b64decode(values["accessKeyID"]).decode() == world.ACCESS_KEY_ID
    assert base64.b64decode(values["accessKeySecret"]).decode() == world.ACCESS_KEY_SECRET
    assert values["clusterID"] == "c1"
    zones, switches = emulator.world.zones, emulator.world.vswitches
    assert values["vswitchid"] == f"{zones[0]}:{switches[0]},{zones[1]}:{switches[1]}"


def test_instances_come_stop_and_go(emulator):
    one, two = emulator.launch_instance(), emulator.launch_instance("worker")
    assert (one.node_name, two.node_name) == ("node-1", "worker")
    assert one.provider_id == f"cn-hangzhou.{one.instance_id}"
    assert one.zone != two.zone
    emulator.stop_instance(one.instance_id)
    emulator.terminate_instance(two.instance_id)
    listed = {i.id: i.details["status"] for i in emulator.inventory() if i.kind == "instance"}
    assert listed[one.instance_id] == "Stopped"
    assert two.instance_id not in listed


def test_a_terminated_instance_leaves_every_group(emulator):
    state = emulator.core.state
    server_id = next(iter(state.instances))
    emulator.terminate_instance(server_id)
    assert all(not group.backends for group in state.vserver_groups.values())


def test_the_inventory_lists_parents_before_children_and_names_owners(emulator):
    items = emulator.inventory()
    assert [item.kind for item in items] == [
        "instance",
        "load balancer",
        "listener",
        "server group",
        "load balancer",
        "listener",
        "server group",
        "route",
    ]
    assert [item.owner for item in items if item.kind == "load balancer"] == ["", "default/shop"]


@pytest.mark.parametrize(
    ("name", "service"),
    [("k8s/80/web/default/c1", "default/web"), ("k8s/80/web", ""), ("web", "")],
)
def test_a_name_tells_its_service(name, service):
    assert service_of(name) == service


def test_the_default_world_is_sound_and_damage_is_found(emulator):
    state = emulator.core.state
    assert problems(emulator.core) == []
    before = foreign(emulator.core, "c1")
    assert len(foreign(emulator.core, world.OTHER_CLUSTER)) == len(before) - 3
    one, two = state.load_balancers.values()
    state.change(one, tags=dict(two.tags))
    state.remove(next(iter(state.instances.values())))
    state.remove(next(iter(state.vserver_groups.values())))
    found = " ".join(problems(emulator.core))
    for words in ("more than one load balancer", "which is gone", "which is not there"):
        assert words in found
    assert foreign(emulator.core, "c1") != before


def test_what_a_cluster_owns_inside_a_foreign_resource_is_not_foreign(emulator):
    state = emulator.core.state
    lb = next(iter(state.load_balancers.values()))
    group = state.vserver_groups[lb.vserver_groups[0]]
    before = foreign(emulator.core, "c1")
    ours = msgspec.structs.replace(group.backends[0], port=1, description="k8s/1/web/default/c1")
    state.change(group, backends=(*group.backends, ours))
    assert foreign(emulator.core, "c1") == before
    theirs = msgspec.structs.replace(group.backends[0], weight=1)
    state.change(group, backends=(theirs, ours))
    assert foreign(emulator.core, "c1") != before


# -- admin path --------------------------------------------------------------------------------


@pytest.fixture
def admin(emulator, http):
    def send(method, path, body=None):
        data = None if body is None else json.dumps(body)
        response = http.request(method, f"{emulator.url()}/_emulator/{path}", body=data)
        return response.status, response.json()

    return send


def test_the_admin_path_shows_and_changes_the_emulator(admin):
    _, node = admin("POST", "launch", {"name": "n1"})
    assert node["node_name"] == "n1"
    assert admin("POST", "stop", {"instance_id": node["instance_id"]})[0] == 200
    _, items = admin("GET", "inventory")
    assert {"n1", "legacy-web"} <= {item["name"] for item in items}
    _, tables = admin("GET", "snapshot")
    assert len(tables["load_balancers"]) == 2
    assert world.ACCESS_KEY_SECRET not in json.dumps(tables)
    assert admin("GET", "problems") == (200, [])
    assert admin("POST", "terminate", {"instance_id": node["instance_id"]})[0] == 200
    assert admin("POST", "terminate", {"instance_id": "i-no"})[0] == 400
    assert "GET /_emulator/journal" in admin("GET", "")[1]


def test_the_admin_path_scripts_faults_and_reads_the_journal(v1, admin):
    fault = {"kind": "error", "op": "DescribeLoadBalancers", "code": "SystemBusy"}
    assert admin("POST", "fault", fault)[0] == 200
    assert v1(**SLB)[1]["Code"] == "SystemBusy"
    _, records = admin("GET", "journal")
    assert (records[-1]["outcome"], records[-1]["fault"]) == ("SystemBusy", "error")
    assert admin("GET", f"journal?since={records[-1]['n']}") == (200, [])
    admin("POST", "fault", {**fault, "times": 0})
    admin("DELETE", "fault")
    assert v1(**SLB)[0] == 200


def test_the_admin_path_sets_clock_latency_and_settings(emulator, v1, admin):
    admin("POST", "clock", {"offset": 5000})
    assert v1(**SLB)[1]["Code"] == "InvalidTimeStamp.Expired"
    admin("POST", "clock", {"offset": 0})
    admin("POST", "latency", {"seconds": 0.001})
    assert emulator.core.settings.latency == 0.001
    status, settings = admin("POST", "settings", {"limits": {"backends": 40}})
    assert (status, settings["limits"]["backends"]) == (200, 40)
    assert settings["limits"]["instance_ids"] == 100
    assert emulator.core.settings.limits.backends == 40
    admin("POST", "settings", {"limits": {"backends": 20}})


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("settings", {"nonsense": 1}),
        ("settings", {"limits": {"backends": "many"}}),
        ("fault", {"kind": "nonsense"}),
        ("latency", {}),
    ],
)
def test_the_admin_path_refuses_nonsense(path, body, admin):
    status, answer = admin("POST", path, body)
    assert status == 400
    assert answer["error"]


def test_an_unknown_admin_path_is_not_found(admin):
    assert admin("GET", "nothing")[0] == 404


def test_reset_brings_the_start_back(emulator, v1, admin):
    emulator.launch_instance()
    v1(**SLB)
    admin("POST", "reset")
    assert len(emulator.core.state.instances) == 1
    assert emulator.journal.records() == []


# -- the command -------------------------------------------------------------------------------


def test_the_command_serves_and_prints_how_to_reach_it(tmp_path):
    config = tmp_path / "cloud.json"
    process = subprocess.Popen(
        [
            sys.executable,
            "-m",
            "cloudprovider_alicloud.emulator",
            "--nodes=2",
            f"--write-config={config}",
        ],
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        lines = [process.stdout.readline() for _ in range(12)]
        text = "".join(lines)
        endpoint = re.search(r"^export METADATA_ENDPOINT=(\S+)$", text, re.MULTILINE).group(1)
        assert text.count("# node-") == 2
        assert "export ACCESS_KEY_ID=" in text
        assert json.loads(config.read_text())["Global"]["clusterID"] == "sandbox"
        response = urllib3.request("GET", f"{endpoint}/_emulator/inventory")
        assert len(response.json()) == 10
    finally:
        process.terminate()
        assert process.wait(timeout=10) == 0
        process.stdout.close()
