"""Builders of the objects that the sandbox's tests talk about."""

import dataclasses

import pytest

from cloudprovider.testing.emulation import EmulatedInstance, InventoryItem

OWNER = "default/nginx-example"


def instance(number):
    return EmulatedInstance(
        instance_id=f"i-{number}",
        node_name=f"node-{number}",
        provider_id=f"cn-hangzhou.i-{number}",
        internal_ip=f"10.0.0.{number}",
        zone="cn-hangzhou-h",
    )


def node(number, **changes):
    """An initialised Node; ``changes`` replace labels, taints, provider_id or addresses."""
    labels = {
        "topology.kubernetes.io/region": "cn-hangzhou",
        "topology.kubernetes.io/zone": "cn-hangzhou-h",
        "node.kubernetes.io/instance-type": "ecs.g7.xlarge",
    }
    addresses = [{"type": "InternalIP", "address": f"10.0.0.{number}"}]
    return {
        "metadata": {"name": f"node-{number}", "labels": changes.get("labels", labels)},
        "spec": {
            "providerID": changes.get("provider_id", f"cn-hangzhou.i-{number}"),
            "taints": changes.get("taints", []),
        },
        "status": {
            "addresses": changes.get("addresses", addresses),
            "conditions": [{"type": "Ready", "status": changes.get("ready", "True")}],
        },
    }


def service(ports=((80, 30080),), ingress=("198.18.0.1",)):
    return {
        "metadata": {"name": "nginx-example", "namespace": "default", "uid": "u-1"},
        "spec": {
            "selector": {"app": "nginx-example"},
            "ports": [
                {"port": port, "nodePort": node_port, "protocol": "TCP", "targetPort": 80}
                for port, node_port in ports
            ],
        },
        "status": {"loadBalancer": {"ingress": [{"ip": ip} for ip in ingress]}},
    }


def balancer_items(
    listeners=((80, "rsp-1"),), groups=(("rsp-1", "i-1:30080 weight 100"),), status="running"
):
    """An inventory with one load balancer of the Service."""
    return [
        InventoryItem(
            "load balancer", "lb-1", "a1", OWNER, {"address": "198.18.0.1", "status": "active"}
        ),
        *(
            InventoryItem(
                "listener",
                f"lb-1_tcp_{port}",
                "k8s/80",
                OWNER,
                {"port": f"{port}/tcp", "status": status, "server group": group},
            )
            for port, group in listeners
        ),
        *(
            InventoryItem("server group", name, "k8s/30080", OWNER, {"backends": backends})
            for name, backends in groups
        ),
    ]


FOREIGN = [
    InventoryItem("load balancer", "lb-9", "legacy", "", {"address": "198.19.0.1"}),
    InventoryItem(
        "listener", "lb-9_tcp_80", "web", "", {"port": "80/tcp", "server group": "rsp-9"}
    ),
    InventoryItem("server group", "rsp-9", "web", "", {"backends": "i-9:80 weight 100"}),
]


@pytest.fixture
def build():
    """The builders of this module."""
    return _Builders()


@dataclasses.dataclass
class _Builders:
    instance = staticmethod(instance)
    node = staticmethod(node)
    service = staticmethod(service)
    balancer_items = staticmethod(balancer_items)
    owner = OWNER
    foreign = tuple(FOREIGN)
