"""What an instance says of itself lands on the Node."""

import pytest

from cloudprovider_alicloud.api.ecs import Instance
from cloudprovider_alicloud.instances import addresses, metadata


def instance(**fields):
    defaults = {
        "instance_id": "i-1",
        "region": "cn-hangzhou",
        "zone": "cn-hangzhou-h",
        "instance_type": "ecs.g7.xlarge",
        "status": "Running",
        "host_name": "h",
        "name": "n",
        "charge_type": "",
        "spot_strategy": "",
        "public_ips": (),
        "eip": "",
        "inner_ips": (),
        "private_ips": ("10.0.0.1",),
        "ipv6_addresses": (),
        "tags": {},
    }
    return Instance(**{**defaults, **fields})


class TestMetadata:
    def test_type_zone_region_and_id_come_from_the_instance(self, node):
        found = metadata(instance(), node(), ipv6=False)
        assert (found.provider_id, found.instance_type) == ("cn-hangzhou.i-1", "ecs.g7.xlarge")
        assert (found.zone, found.region) == ("cn-hangzhou-h", "cn-hangzhou")

    @pytest.mark.parametrize(
        ("fields", "labels"),
        [
            pytest.param({}, {}, id="none"),
            pytest.param(
                {
                    "charge_type": "PostPaid",
                    "spot_strategy": "NoSpot",
                    "tags": {"ack.alibabacloud.com/nodepool-id": "np1", "other": "x"},
                },
                {
                    "node.alibabacloud.com/nodepool-id": "np1",
                    "node.alibabacloud.com/instance-charge-type": "PostPaid",
                    "node.alibabacloud.com/spot-strategy": "NoSpot",
                },
                id="all",
            ),
        ],
    )
    def test_labels_are_upstreams(self, node, fields, labels):
        assert metadata(instance(**fields), node(), ipv6=False).additional_labels == labels

    def test_addresses_are_in_upstreams_order_each_once(self, node):
        found = addresses(
            instance(
                public_ips=("47.1.1.1", "47.1.1.2"),
                eip="47.1.1.1",
                inner_ips=("11.0.0.1",),
                private_ips=("10.0.0.1", "10.0.0.2"),
                ipv6_addresses=("fd00::1",),
            ),
            node(hostname="worker", ips=["192.168.0.1"]),
            ipv6=True,
        )
        assert [(item.type, item.address) for item in found] == [
            ("ExternalIP", "47.1.1.1"),
            ("ExternalIP", "47.1.1.2"),
            ("InternalIP", "11.0.0.1"),
            ("InternalIP", "10.0.0.1"),
            ("InternalIP", "10.0.0.2"),
            ("InternalIP", "fd00::1"),
            ("Hostname", "worker"),
        ]

    def test_ipv6_addresses_need_the_gate(self, node):
        found = addresses(instance(ipv6_addresses=("fd00::1",)), node(), ipv6=False)
        assert [item.address for item in found] == ["10.0.0.1"]

    def test_the_gate_of_the_config_decides(self, cloud_with):
        for enabled in (True, False):
            cloud = cloud_with(feature_gates={"IPv6DualStack": enabled})

            def main(cloud=cloud, enabled=enabled):
                one = cloud.launch()
                interface = cloud.core.state.network_interfaces[one.eni]
                cloud.core.state.change(interface, ipv6=("fd00::1",))
                found = cloud.instances.instance_metadata(cloud.node(one)).node_addresses
                assert ("fd00::1" in [item.address for item in found]) is enabled

            cloud.run(main)
