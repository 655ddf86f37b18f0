"""Field names are those of the SDK's typed models, though production does not load them.

``docs/decisions/0003-generic-calls-typed-tests.md`` says why.
"""

import pytest

from cloudprovider.models import (
    Node,
    NodeAddress,
    NodeCondition,
    NodeSpec,
    NodeStatus,
    ObjectMeta,
    Service,
    ServicePort,
    ServiceSpec,
)
from cloudprovider_alicloud.config import AlicloudConfig, VSwitch
from cloudprovider_alicloud.provider import AlicloudProvider

PREFIX = "service.beta.kubernetes.io/alibaba-cloud-loadbalancer-"


class Answer:
    """A caller that answers the same reply to everything."""

    def __init__(self, **reply):
        self._reply = {"RequestId": "R-1", **reply}

    def call(self, product, action, params, *, read_timeout):
        return self._reply


def test_a_misspelt_parameter_is_found(typed):
    caller = typed(Answer())
    with pytest.raises(AssertionError, match="InstanceIDs"):
        caller.call("ecs", "DescribeInstances", {"InstanceIDs": "[]"}, read_timeout=1.0)


def test_a_misspelt_part_of_a_parameter_is_found(typed):
    caller = typed(Answer())
    params = {"Tag": [{"TagKey": "k"}]}
    with pytest.raises(AssertionError, match="TagKey"):
        caller.call("ecs", "DescribeInstances", params, read_timeout=1.0)


def test_an_unknown_action_is_found(typed):
    with pytest.raises(AttributeError, match="DescribeInstanceRequest"):
        typed(Answer()).call("ecs", "DescribeInstance", {}, read_timeout=1.0)


@pytest.mark.parametrize(
    ("path", "exists"),
    [
        (("RequestId",), True),
        (("Instances",), True),
        (("Instances", "Instance", "[]", "HostName"), True),
        (("Instances", "Instance", "[]", "Tags", "Tag", "[]", "TagKey"), True),
        (("Instances", "Instance", "[]", "Hostname"), False),
        (("Instances", "Instance", "[]", "Tags", "Tag", "[]", "Key"), False),
        (("Instance",), False),
    ],
    ids=lambda value: ".".join(value) if isinstance(value, tuple) else None,
)
def test_fields_of_replies_are_looked_up_in_the_models(typed_models, path, exists):
    model, has_field = typed_models
    assert has_field(model("ecs", "DescribeInstancesResponseBody"), path) is exists


def test_a_misspelt_field_of_a_reply_is_found(typed):
    caller = typed(Answer(Instances={"Instance": [{"Hostname": "x"}]}))
    reply = caller.call("ecs", "DescribeInstances", {}, read_timeout=1.0)
    assert reply["Instances"]["Instance"][0].get("Hostname") == "x"
    with pytest.raises(AssertionError, match="Hostname"):
        caller.check()
    caller.read.clear()


def node(instance) -> Node:
    return Node(
        metadata=ObjectMeta(name=instance.host_name),
        spec=NodeSpec(provider_id=f"{instance.region}.{instance.id}"),
        status=NodeStatus(
            addresses=(NodeAddress(type="InternalIP", address=instance.private_ips[0]),),
            conditions=(NodeCondition(type="Ready", status="True"),),
        ),
    )


def service(annotations, *, protocol="TCP", ports=(80,)) -> Service:
    return Service(
        metadata=ObjectMeta(
            name="web",
            namespace="default",
            uid="5e0a2d34-8d3b-4a36-9a3b-7f9f0d1c2b3a",
            annotations={f"{PREFIX}{key}": value for key, value in annotations.items()},
        ),
        spec=ServiceSpec(
            type="LoadBalancer",
            ports=tuple(
                ServicePort(port=port, node_port=30000 + port, protocol=protocol, name=f"p{port}")
                for port in ports
            ),
        ),
    )


@pytest.mark.parametrize(
    ("annotations", "protocol"),
    [
        pytest.param({}, "TCP", id="plain"),
        pytest.param({}, "UDP", id="udp"),
        pytest.param({"address-type": "intranet"}, "TCP", id="intranet"),
        pytest.param(
            {
                "spec": "slb.s1.small",
                "bandwidth": "100",
                "charge-type": "paybybandwidth",
                "scheduler": "rr",
                "persistence-timeout": "600",
                "health-check-type": "tcp",
                "delete-protection": "off",
                "additional-resource-tags": "a=b,c=d",
            },
            "TCP",
            id="many annotations",
        ),
    ],
)
def test_the_life_of_a_load_balancer_uses_only_known_fields(world, typed, annotations, protocol):
    from cloudprovider_alicloud.emulator import world as start
    from cloudprovider_alicloud.emulator.core import EmulatorCore
    from cloudprovider_alicloud.emulator.inprocess import EmulatorCaller

    def main():
        core = EmulatorCore(seed=1, concurrency=world)
        cloud = start.default_world(core)
        config = AlicloudConfig(
            region="cn-hangzhou",
            cluster_id="c-1",
            vpc_id=cloud.vpc,
            vswitches=tuple(VSwitch(vswitch) for vswitch in cloud.vswitches),
        )
        provider = AlicloudProvider(config, caller=typed(EmulatorCaller(core)), concurrency=world)
        nodes = [
            node(
                start.launch_instance(
                    core.state,
                    region="cn-hangzhou",
                    vswitch=cloud.vswitches[0],
                    host_name=f"node-{number}",
                    now=0.0,
                )
            )
            for number in range(3)
        ]
        balancer = provider.load_balancer()
        one = service(annotations, protocol=protocol)
        status = balancer.ensure_load_balancer("kubernetes", one, nodes)
        assert status.ingress
        balancer.update_load_balancer("kubernetes", one, nodes[:2])
        two = service({**annotations, "name": "renamed"}, protocol=protocol, ports=(80, 81))
        balancer.ensure_load_balancer("kubernetes", two, nodes)
        balancer.get_load_balancer("kubernetes", two)
        balancer.ensure_load_balancer_deleted("kubernetes", two)
        assert balancer.get_load_balancer("kubernetes", two) is None

    world.run(main)
