"""The provider as a whole: found by name, built from a file, wired, over HTTP with the real SDK."""

from __future__ import annotations

import inspect
import io
import json
import logging
import subprocess
import sys
import traceback

import pytest
from prometheus_client import CollectorRegistry

from cloudprovider.concurrency import RealConcurrency
from cloudprovider.errors import CloudProviderError, InvalidConfiguration, Unauthorized
from cloudprovider.interface import InstanceState
from cloudprovider.models import Node, NodeSpec, ObjectMeta, Service, ServicePort, ServiceSpec
from cloudprovider.registry import cloud_providers, init_cloud_provider
from cloudprovider.testing.emulation import EmulatorOptions
from cloudprovider.testing.faults import Fault
from cloudprovider_alicloud.config import AlicloudConfig
from cloudprovider_alicloud.emulator import world as start
from cloudprovider_alicloud.emulator.server import AlicloudEmulator
from cloudprovider_alicloud.provider import AlicloudProvider, new_alicloud


@pytest.fixture(scope="module")
def server():
    server = AlicloudEmulator(EmulatorOptions(seed=1))
    server.start()
    yield server
    server.stop()


@pytest.fixture
def emulator(server):
    server.reset()
    return server


@pytest.fixture
def environment(emulator, monkeypatch):
    """The process environment that the emulator asks for."""
    for name in ("HTTP_PROXY", "http_proxy", "ACCESS_KEY_ID", "ACCESS_KEY_SECRET"):
        monkeypatch.delenv(name, raising=False)
    for name, value in emulator.environment().items():
        monkeypatch.setenv(name, value)
    return monkeypatch


class NoKubernetes:
    """A client builder for tests that never reach Kubernetes."""

    def client(self, name):
        return self


def provider(emulator) -> AlicloudProvider:
    return new_alicloud(io.StringIO(emulator.cloud_config()))


def node(instance) -> Node:
    return Node(
        metadata=ObjectMeta(name=instance.node_name),
        spec=NodeSpec(provider_id=instance.provider_id),
    )


def service() -> Service:
    uid = "5e0a2d34-8d3b-4a36-9a3b-7f9f0d1c2b3a"
    return Service(
        metadata=ObjectMeta(name="web", namespace="default", uid=uid),
        spec=ServiceSpec(type="LoadBalancer", ports=(ServicePort(port=80, node_port=30080),)),
    )


def test_it_is_found_by_its_name(emulator, environment, tmp_path):
    assert "alicloud" in cloud_providers()
    file = tmp_path / "cloud-config.conf"
    file.write_text(emulator.cloud_config())
    found = init_cloud_provider("alicloud", str(file))
    assert found.provider_name() == "alicloud"
    assert found.has_cluster_id()


def test_its_parts_are_there(emulator, environment):
    found = provider(emulator)
    assert found.instances_v2() is not None
    assert found.load_balancer() is not None
    assert found.routes() is not None
    assert found.clusters() is None
    assert found.claims_node(Node(spec=NodeSpec(provider_id="cn-hangzhou.i-1")))
    assert not found.claims_node(Node(spec=NodeSpec(provider_id="aws:///a/i-1")))


def test_nothing_but_variables_is_needed(emulator, environment):
    """D1: keys in two variables, the region from the metadata service, no file."""
    environment.setenv("ACCESS_KEY_ID", start.ACCESS_KEY_ID)
    environment.setenv("ACCESS_KEY_SECRET", start.ACCESS_KEY_SECRET)
    emulator.launch_instance()  # the machine that the metadata service speaks for
    found = new_alicloud(None)
    assert found.config.region == emulator.world.region
    launched = emulator.launch_instance()
    assert found.instances_v2().instance_exists(node(launched))


def test_instances_are_described_with_real_signatures(emulator, environment):
    found = provider(emulator)
    launched = [emulator.launch_instance() for _ in range(3)]
    emulator.stop_instance(launched[1].instance_id)
    emulator.terminate_instance(launched[2].instance_id)
    states = found.instances_v2().instance_states_many([node(item) for item in launched])
    assert [states[item.node_name] for item in launched] == [
        InstanceState(exists=True),
        InstanceState(exists=True, shutdown=True),
        InstanceState(exists=False),
    ]
    [record] = emulator.journal.records()
    assert (record.api, record.op, record.outcome) == ("ecs", "DescribeInstances", "ok")


def test_a_load_balancer_is_made_and_deleted_over_http(emulator, environment):
    found = provider(emulator)
    nodes = [node(emulator.launch_instance()) for _ in range(2)]
    balancer = found.load_balancer()
    status = balancer.ensure_load_balancer("kubernetes", service(), nodes)
    assert status.ingress[0].ip
    balancer.ensure_load_balancer_deleted("kubernetes", service())
    assert balancer.get_load_balancer("kubernetes", service()) is None


def test_the_flag_for_batches_reaches_the_calls(emulator, environment):
    found = new_alicloud(io.StringIO(emulator.cloud_config()), sg_batch_size=3)
    nodes = [node(emulator.launch_instance()) for _ in range(7)]
    found.load_balancer().ensure_load_balancer("kubernetes", service(), nodes)
    sizes = [
        len(json.loads(record.args["BackendServers"]))
        for record in emulator.journal.records()
        if "BackendServers" in record.args
    ]
    assert sizes == [3, 3, 1]


def test_its_flag_takes_what_the_api_takes():
    default, text, accepted = new_alicloud.flags["sg-batch-size"]
    assert inspect.signature(new_alicloud).parameters["sg_batch_size"].default == default == 20
    assert "1 to 40" in text
    assert (accepted[0], accepted[-1]) == (1, 40)


def test_metrics_go_to_the_registry_given(emulator, environment):
    found = provider(emulator)
    registry = CollectorRegistry()
    found.use_metrics(registry)
    found.instances_v2().instance_exists(node(emulator.launch_instance()))
    labels = {
        "provider": "alicloud",
        "service": "ecs",
        "action": "DescribeInstances",
        "code": "ok",
    }
    name = "cloudprovider_api_request_duration_seconds_count"
    assert registry.get_sample_value(name, labels) == 1


def test_initialize_loads_the_sdk_and_stops_writes_with_the_process(emulator, environment):
    found = provider(emulator)
    stop = RealConcurrency().event()
    found.initialize(NoKubernetes(), stop)
    assert "cloudprovider_alicloud.api.sdk" in sys.modules
    stop.set()
    with pytest.raises(CloudProviderError, match="stopping"):
        found.api.call("slb", "DeleteLoadBalancer", {}, idempotent=False, write=True)
    assert emulator.journal.records() == []


class TestRefusedKeys:
    """A wrong key or secret: Unauthorized that says what to do, and shows no credential."""

    @pytest.mark.parametrize(
        ("key", "secret", "code", "advice"),
        [
            ("LTAIcanary0unknown", start.ACCESS_KEY_SECRET, "InvalidAccessKeyId", "accessKeyID"),
            (
                start.ACCESS_KEY_ID,
                "canary0wrong0secret",
                "SignatureDoesNotMatch",
                "accessKeySecret",
            ),
        ],
        ids=["unknown key", "wrong secret"],
    )
    def test_it_says_what_to_do(
        self, emulator, environment, caplog, capfd, key, secret, code, advice
    ):
        caplog.set_level(logging.DEBUG)
        config = json.loads(emulator.cloud_config())
        config["Global"].update(accessKeyID=key, accessKeySecret=secret)
        found = new_alicloud(io.StringIO(json.dumps(config)))
        with pytest.raises(Unauthorized, match=advice) as caught:
            found.instances_v2().instance_exists(node(emulator.launch_instance()))
        assert caught.value.code.startswith(code)
        assert caught.value.request_id
        shown = "".join(traceback.format_exception(caught.value)) + caplog.text
        shown += "".join(capfd.readouterr()) + repr(found.config) + repr(vars(caught.value))
        assert secret not in shown
        assert "Signature=" not in shown


def test_a_missing_permission_is_named(emulator, environment):
    found = provider(emulator)
    emulator.faults.add(
        Fault(kind="error", op="DescribeInstances", code="Forbidden.RAM", status=403)
    )
    with pytest.raises(Unauthorized, match=r"ecs:DescribeInstances refused.*policy"):
        found.instances_v2().instance_exists(node(emulator.launch_instance()))


@pytest.mark.parametrize("kind", ["malformed", "truncated", "lost_answer", "not_sent"])
def test_a_read_survives_a_broken_answer(emulator, environment, kind):
    found = provider(emulator)
    launched = node(emulator.launch_instance())
    emulator.faults.add(Fault(kind=kind, op="DescribeInstances"))
    assert found.instances_v2().instance_exists(launched)


def test_a_bad_file_is_refused_before_any_call(environment):
    with pytest.raises(InvalidConfiguration, match=r"did you mean Global\.accessKeyID"):
        new_alicloud(io.StringIO('{"Global": {"accesKeyID": "x"}}'))


def test_a_file_that_is_no_text_is_refused_without_its_content(environment):
    file = io.TextIOWrapper(io.BytesIO(b"\xffcanary"), encoding="utf-8")
    with pytest.raises(InvalidConfiguration, match="cloud config: not UTF-8 text") as caught:
        new_alicloud(file)
    assert "canary" not in "".join(traceback.format_exception(caught.value))


def test_a_config_without_keys_needs_a_caller():
    with pytest.raises(ValueError, match="needs a caller"):
        AlicloudProvider(AlicloudConfig(region="cn-hangzhou"))


def test_building_it_loads_no_sdk():
    script = """
import sys
from cloudprovider_alicloud.config import AlicloudConfig
from cloudprovider_alicloud.credentials import StaticCredentials
from cloudprovider_alicloud.provider import AlicloudProvider
AlicloudProvider(AlicloudConfig(region="cn-hangzhou", credentials=StaticCredentials("a", "b")))
print([name for name in sys.modules if name.split(".")[0] in {"Tea", "darabonba", "requests"}])
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert (done.stdout.strip(), done.stderr) == ("[]", "")
