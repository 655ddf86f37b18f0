from __future__ import annotations

import pytest
from clb_world import CLUSTER, NAME, PREFIX, UID, make_node, make_service
from hypothesis import given
from hypothesis import strategies as st

from cloudprovider.errors import InvalidConfiguration
from cloudprovider.models import Node, ServicePort, Taint
from cloudprovider_alicloud import annotations as keys
from cloudprovider_alicloud.clb.backends import (
    NodeChange,
    backend_servers,
    unusable_nodes,
    why_not,
)
from cloudprovider_alicloud.clb.desired import desired_groups, desired_state
from cloudprovider_alicloud.config import AlicloudConfig, VSwitch

CONFIG = AlicloudConfig(
    region="cn-hangzhou",
    cluster_id=CLUSTER,
    vpc_id="vpc-1",
    vswitches=(VSwitch("vsw-1"), VSwitch("vsw-2")),
)


def state(service, nodes=(), config=CONFIG):
    values = keys.ANNOTATIONS.parse(service.metadata.annotations)
    return desired_state(service, nodes, values, config)


def values_of(**annotations: str):
    full = {PREFIX + key.replace("_", "-"): value for key, value in annotations.items()}
    return keys.ANNOTATIONS.parse(full)


class TestNamesAndTags:
    """Byte for byte those of spec/alicloud.md 4.2: a cluster can be taken over."""

    def test_of_everything(self):
        desired = state(make_service(80), [make_node("n1")])
        assert desired.create["LoadBalancerName"] == NAME
        assert desired.create["Tag"] == [
            {"Key": "kubernetes.do.not.delete", "Value": NAME},
            {"Key": "ack.aliyun.com", "Value": CLUSTER},
        ]
        (listener,) = desired.listeners
        assert listener.description == f"k8s/80/web/default/{CLUSTER}"
        (group,) = desired.groups
        assert group.name == listener.group == f"k8s/30080/web/default/{CLUSTER}"
        (backend,) = group.backends
        assert backend.description == group.name
        assert (backend.server_id, backend.port, backend.weight, backend.type) == (
            "i-n1",
            30080,
            100,
            "ecs",
        )

    def test_ports_with_one_node_port_share_a_group(self):
        ports = [
            ServicePort(port=53, protocol="TCP", node_port=30053),
            ServicePort(port=53, protocol="UDP", node_port=30053),
        ]
        desired = state(make_service(*ports))
        assert len(desired.groups) == 1
        assert {(item.protocol, item.port) for item in desired.listeners} == {
            ("tcp", 53),
            ("udp", 53),
        }


class TestTheCreateCall:
    def test_has_upstreams_defaults(self):
        create = state(make_service()).create
        sent = {key: value for key, value in create.items() if value is not None and key != "Tag"}
        assert sent == {
            "LoadBalancerName": NAME,
            "AddressType": "internet",
            "InstanceChargeType": "PayByCLCU",
            "AddressIPVersion": "ipv4",
            "DeleteProtection": "on",
            "ModificationProtectionStatus": "ConsoleProtection",
            "ModificationProtectionReason": "managed.by.ack",
        }

    @pytest.mark.parametrize(
        ("annotations", "sent"),
        [
            ({"name": "mine"}, {"LoadBalancerName": "mine"}),
            (
                {"spec": "slb.s2.small"},
                {"LoadBalancerSpec": "slb.s2.small", "InstanceChargeType": "PayBySpec"},
            ),
            (
                {"spec": "slb.s2.small", "instance-charge-type": "PayByCLCU"},
                {"LoadBalancerSpec": None, "InstanceChargeType": "PayByCLCU"},
            ),
            ({"instance-charge-type": "paybyspec"}, {"LoadBalancerSpec": "slb.s1.small"}),
            (
                {"master-zoneid": "z-a", "slave-zoneid": "z-b"},
                {"MasterZoneId": "z-a", "SlaveZoneId": "z-b"},
            ),
            ({"delete-protection": "off"}, {"DeleteProtection": "off"}),
            (
                {"modification-protection": "NonProtection"},
                {
                    "ModificationProtectionStatus": "NonProtection",
                    "ModificationProtectionReason": None,
                },
            ),
            (
                {"charge-type": "paybybandwidth", "bandwidth": "100"},
                {"InternetChargeType": "paybybandwidth", "Bandwidth": 100},
            ),
            ({"ip-version": "ipv6"}, {"AddressIPVersion": "ipv6"}),
            (
                {"address-type": "intranet", "vswitch-id": "vsw-9", "ip": "10.0.0.9"},
                {"VSwitchId": "vsw-9", "VpcId": "vpc-1", "Address": "10.0.0.9"},
            ),
            ({"resource-group-id": "rg-1"}, {"ResourceGroupId": "rg-1"}),
        ],
        ids=lambda value: ",".join(value) if isinstance(value, dict) else "",
    )
    def test_says_what_annotations_say(self, annotations, sent):
        create = state(make_service(annotations=annotations)).create
        assert {key: create.get(key) for key in sent} == sent

    def test_draws_the_vswitch_by_the_uid_so_that_every_attempt_is_the_same(self):
        def drawn(uid: str) -> object:
            service = make_service(uid=uid, annotations={"address-type": "intranet"})
            return state(service).create["VSwitchId"]

        assert {drawn(f"uid-{number}") for number in range(20)} == {"vsw-1", "vsw-2"}
        assert drawn(UID) == drawn(UID)

    def test_of_a_classic_private_address_names_no_vswitch(self):
        annotations = {"address-type": "intranet", "network-type": "classic"}
        assert "VSwitchId" not in state(make_service(annotations=annotations)).create

    def test_reads_the_old_prefix(self):
        old = {"service.beta.kubernetes.io/alicloud-loadbalancer-address-type": "intranet"}
        assert state(make_service(annotations=old)).create["AddressType"] == "intranet"


class TestWhatCannotBeDone:
    @pytest.mark.parametrize(
        ("annotations", "field"),
        [
            ({"adress-type": "intranet"}, "adress-type"),
            ({"address-type": "Internet"}, "address-type"),
            ({"spec": "large"}, "spec"),
            ({"delete-protection": "true"}, "delete-protection"),
            ({"protocol-port": "https:443"}, "protocol-port"),
            ({"vgroup-port": "rsp-1:80"}, "vgroup-port"),
            ({"service.beta.kubernetes.io/backend-type": "eni"}, "backend-type"),
            ({"backend-label": "a"}, "backend-label"),
            ({"bandwidth": "0"}, "bandwidth"),
        ],
        ids=lambda value: value if isinstance(value, str) else "",
    )
    def test_an_annotation_is_named_with_its_value_and_what_is_accepted(self, annotations, field):
        with pytest.raises(InvalidConfiguration) as caught:
            state(make_service(annotations=annotations))
        assert caught.value.field.endswith(field)
        assert caught.value.value == next(iter(annotations.values()))

    @pytest.mark.parametrize(
        ("port", "spec", "field"),
        [
            (ServicePort(port=80, node_port=None), {}, "spec.ports[0].nodePort"),
            (ServicePort(port=80, protocol="SCTP", node_port=1), {}, "spec.ports[0].protocol"),
            (
                ServicePort(port=80, protocol="UDP", node_port=1),
                {"external_traffic_policy": "Local"},
                "spec.ports[0].protocol",
            ),
            (
                80,
                {"load_balancer_source_ranges": ("10.0.0.0/8",)},
                "spec.loadBalancerSourceRanges",
            ),
        ],
        ids=["no node port", "SCTP", "UDP with Local", "source ranges without a list"],
    )
    def test_a_field_of_the_spec_is_named(self, port, spec, field):
        with pytest.raises(InvalidConfiguration) as caught:
            state(make_service(port, **spec))
        assert caught.value.field == field

    def test_a_service_without_ports(self):
        service = make_service()
        with pytest.raises(InvalidConfiguration, match="nothing to listen on"):
            state(type(service)(metadata=service.metadata))

    def test_public_addresses_where_the_operator_forbids_them(self):
        config = AlicloudConfig(region="r", disable_public_slb=True)
        with pytest.raises(InvalidConfiguration, match="create public address slb is not allowed"):
            state(make_service(), config=config)

    def test_a_private_address_without_any_vswitch(self):
        service = make_service(annotations={"address-type": "intranet"})
        with pytest.raises(InvalidConfiguration, match="needs a vSwitch"):
            state(service, config=AlicloudConfig(region="r"))

    def test_pods_as_backends_by_the_operators_default(self):
        config = AlicloudConfig(region="r", service_backend_type="eni")
        with pytest.raises(InvalidConfiguration, match="not supported yet"):
            state(make_service(), config=config)

    def test_other_annotations_do_not_stop_an_update_of_backends(self):
        service = make_service(annotations={"spec": "large", "unknown-key": "1"})
        values = keys.ANNOTATIONS.parse(service.metadata.annotations)
        assert desired_groups(service, [make_node("n1")], values, CONFIG)[0].backends

    def test_what_has_no_effect_yet_is_listed(self):
        values = values_of(idle_timeout="10", cert_id="c", region="cn-x", spec="slb.s1.small")
        assert not values.problems
        assert values.unsupported == tuple(
            PREFIX + key for key in ("cert-id", "idle-timeout", "region")
        )


class TestListeners:
    def test_annotations_become_attributes_of_the_protocols_they_fit(self):
        service = make_service(
            ServicePort(port=80, node_port=1),
            ServicePort(port=53, protocol="UDP", node_port=2),
            annotations={
                "scheduler": "wrr",
                "persistence-timeout": "0",
                "acl-status": "on",
                "acl-id": "acl-1, acl-2",
                "acl-type": "white",
                "health-check-interval": "7",
                "proxy-protocol": "on",
            },
        )
        tcp, udp = state(service).listeners
        shared = {
            "Scheduler": "wrr",
            "AclStatus": "on",
            "AclId": "acl-1,acl-2",
            "AclType": "white",
            "HealthCheckInterval": "7",
            "ProxyProtocolV2Enabled": "true",
        }
        assert tcp.attributes == {**shared, "PersistenceTimeout": "0"}
        assert udp.attributes == shared

    def test_an_access_list_that_is_off_is_not_sent(self):
        annotations = {"acl-status": "off", "acl-id": "acl-1", "acl-type": "white"}
        (listener,) = state(make_service(annotations=annotations)).listeners
        assert listener.attributes == {"AclStatus": "off"}

    def test_policy_local_checks_the_port_of_kube_proxy(self):
        service = make_service(external_traffic_policy="Local", health_check_node_port=32123)
        (listener,) = state(service).listeners
        assert listener.attributes == {
            "HealthCheckSwitch": "on",
            "HealthCheckType": "http",
            "HealthCheckConnectPort": "32123",
            "HealthCheckURI": "/healthz",
        }

    def test_a_protocol_can_be_chosen(self):
        (listener,) = state(make_service(annotations={"protocol-port": "udp:80"})).listeners
        assert listener.protocol == "udp"


@pytest.mark.parametrize(
    ("node", "annotations", "reason"),
    [
        (make_node("n"), {}, ""),
        (make_node("n", labels={"any": "label"}), {}, ""),
        (make_node("n", unschedulable=True), {}, ""),
        (make_node("n", unschedulable=True), {"remove_unscheduled_backend": "on"}, "cordoned"),
        (make_node("n", labels={"node-role.kubernetes.io/master": ""}), {}, "master"),
        (make_node("n", labels={"node-role.kubernetes.io/control-plane": ""}), {}, "control-plane"),
        (make_node("n", labels={"service.alibabacloud.com/exclude-node": "x"}), {}, "exclude-node"),
        (make_node("n", labels={"service.beta.kubernetes.io/exclude-node": ""}), {}, "exclude"),
        (
            make_node("n", labels={"alpha.service-controller.kubernetes.io/exclude-balancer": ""}),
            {},
            "exclude-balancer",
        ),
        (
            make_node("n", labels={"node.kubernetes.io/exclude-from-external-load-balancers": ""}),
            {},
            "exclude-from",
        ),
        (
            make_node("n", labels={"node.kubernetes.io/exclude-from-external-load-balancers": "f"}),
            {},
            "",
        ),
        (make_node("n", labels={"type": "virtual-kubelet"}), {}, "virtual"),
        (
            make_node("n", taints=(Taint(key="ToBeDeletedByClusterAutoscaler"),)),
            {},
            "autoscaler",
        ),
        (make_node("n", labels={"a": "b"}), {"backend_label": "a=b"}, ""),
        (make_node("n", labels={"a": "c"}), {"backend_label": "a=b"}, "lacks label a=b"),
        (make_node("n", labels={"a": "b"}), {"backend_label": "a=b,c=d"}, "lacks label c=d"),
    ],
)
def test_which_nodes_are_backends(node: Node, annotations, reason):
    found = why_not(node, values_of(**annotations))
    assert bool(found) is bool(reason)
    assert reason in found


@pytest.mark.parametrize(
    "provider_id",
    ["", "aws:///zone/i-1", "ack-hybrid://x", "nonsense", "alicloud://"],
)
def test_a_node_without_a_usable_provider_id_is_skipped_and_can_be_named(provider_id):
    node = make_node("n")
    node = type(node)(metadata=node.metadata, spec=type(node.spec)(provider_id=provider_id))
    assert backend_servers([node, make_node("m")], values_of()) == {"i-m": "m"}
    assert unusable_nodes([node, make_node("m")], values_of()) == ["n"]


def test_both_forms_of_a_provider_id_name_one_instance():
    nodes = [
        make_node("a", "cn-hangzhou.i-1"),
        make_node("b", "alicloud://cn-hangzhou.i-1"),
    ]
    assert backend_servers(nodes, values_of()) == {"i-1": "a"}


class TestChangesOfNodes:
    N1, N2 = make_node("n1"), make_node("n2")
    RELABELLED = make_node("n1", labels={"some": "label"})
    CORDONED = make_node("n1", unschedulable=True)
    MASTER = make_node("n1", labels={"node-role.kubernetes.io/control-plane": ""})

    @pytest.mark.parametrize(
        ("old", "new", "annotations", "changed"),
        [
            ([N1], [N1], {}, False),
            ([N1], [RELABELLED], {}, False),
            ([N1], [CORDONED], {}, False),
            ([N1], [CORDONED], {"remove_unscheduled_backend": "on"}, True),
            ([N1], [RELABELLED], {"backend_label": "some=label"}, True),
            ([N1], [N1, N2], {}, True),
            ([N1, N2], [N2], {}, True),
            ([N1], [MASTER], {}, True),
            ([N2], [N2, MASTER], {}, False),
            ([N1], [make_node("n1", "cn-hangzhou.i-new")], {}, True),
            ([N1], [make_node("n1b", "cn-hangzhou.i-n1")], {}, False),
            ([N1, make_node("x", "cn-hangzhou.i-n1")], [N1], {}, False),
        ],
    )
    def test_matter_only_if_they_change_who_is_a_backend(self, old, new, annotations, changed):
        change = NodeChange.of(old, new)
        assert change.changes_servers(values_of(**annotations)) is changed

    @given(
        kinds=st.lists(
            st.tuples(st.integers(0, 3), st.sampled_from(["", "master"]), st.sampled_from("obn")),
            max_size=8,
        )
    )
    def test_agree_with_comparing_everything(self, kinds):
        old: list[Node] = []
        new: list[Node] = []
        for index, (instance, role, where) in enumerate(kinds):
            labels = {"node-role.kubernetes.io/master": ""} if role else {}
            node = make_node(f"n{index}", f"cn-hangzhou.i-{instance}", labels=labels)
            if where in "ob":
                old.append(node)
            if where in "nb":
                new.append(node)
        values = values_of()
        expected = set(backend_servers(old, values)) != set(backend_servers(new, values))
        assert NodeChange.of(old, new).changes_servers(values) is expected
