from __future__ import annotations

import dataclasses

import pytest
from clb_world import CLUSTER, NAME, make_node, make_service

from cloudprovider.errors import InvalidConfiguration, NotOwned
from cloudprovider.models import ServicePort
from cloudprovider.toolkit.ownership import Owner
from cloudprovider_alicloud import annotations as keys
from cloudprovider_alicloud.api.slb import Backend, Listener, LoadBalancer, ServerGroup
from cloudprovider_alicloud.clb.desired import desired_state, nothing
from cloudprovider_alicloud.clb.diff import Observed, diff
from cloudprovider_alicloud.config import AlicloudConfig

CONFIG = AlicloudConfig(region="cn-hangzhou", cluster_id=CLUSTER)
TAGS = {"kubernetes.do.not.delete": NAME, "ack.aliyun.com": CLUSTER}
BALANCER = LoadBalancer(
    id="lb-1",
    name=NAME,
    address="1.1.1.1",
    address_type="internet",
    ip_version="ipv4",
    network_type="classic",
    master_zone_id="z-a",
    slave_zone_id="z-b",
    spec="slb.s1.small",
    instance_charge_type="PayBySpec",
    internet_charge_type="paybytraffic",
    delete_protection="on",
    modification_protection="ConsoleProtection",
    tags=TAGS,
)
N1, N2, N3 = make_node("n1"), make_node("n2"), make_node("n3")


def wanted(service, nodes=(N1,)):
    values = keys.ANNOTATIONS.parse(service.metadata.annotations)
    return desired_state(service, nodes, values, CONFIG)


def group_name(port: int = 30080) -> str:
    return f"k8s/{port}/web/default/{CLUSTER}"


def member(server: str, port: int = 30080, **fields) -> Backend:
    return Backend(server, port, **{"description": group_name(port), **fields})


def group(*members: Backend, port: int = 30080, id: str = "rsp-1") -> ServerGroup:
    return ServerGroup(id, group_name(port), tuple(sorted(members)))


def listener(port: int = 80, protocol: str = "tcp", **fields) -> Listener:
    given = {
        "status": "running",
        "group_id": "rsp-1",
        "description": f"k8s/{port}/web/default/{CLUSTER}",
        "attributes": {"Scheduler": "rr", "Bandwidth": "-1"},
        **fields,
    }
    return Listener("lb-1", protocol, port, **given)


def there(*, balancer=BALANCER, listeners=None, groups=None) -> Observed:
    return Observed(
        balancer,
        (listener(),) if listeners is None else tuple(listeners),
        (group(member("i-n1")),) if groups is None else tuple(groups),
    )


def keys_of(change) -> list[str]:
    return [action.key for action in change.plan]


def waits(change) -> dict[str, tuple[str, ...]]:
    return {action.key: action.after for action in change.plan}


class TestFromNothing:
    def test_everything_is_made_in_order(self):
        change = diff(wanted(make_service()), Observed(), batch=20)
        name = group_name()
        assert waits(change) == {
            "balancer create": (),
            f"group {name} create": ("balancer create",),
            "listener tcp:80 create": ("balancer create", f"group {name} create"),
            "listener tcp:80 start": ("listener tcp:80 create",),
        }

    def test_only_one_batch_of_members_goes_into_the_create_call(self):
        nodes = [make_node(f"n{number:02d}") for number in range(45)]
        change = diff(wanted(make_service(), nodes), Observed(), batch=20)
        details = {action.key: action.details for action in change.plan}
        assert len(details[f"group {group_name()} create"].backends) == 20
        assert len(details[f"group {group_name()} add"].backends) == 25

    def test_the_dry_run_can_be_read(self):
        text = str(diff(wanted(make_service()), Observed(), batch=20).plan)
        assert f"1. create load balancer {NAME}: internet load balancer" in text
        assert f"2. create server group {group_name()}: 1 backend: i-n1:30080 (after 1)" in text
        assert "4. start listener tcp:80: a new listener is stopped (after 3)" in text


class TestTakenOver:
    def test_nothing_changes_on_what_upstreams_manager_made(self):
        assert not diff(wanted(make_service()), there(), batch=20).plan

    def test_only_annotations_that_are_there_are_compared(self):
        odd = dataclasses.replace(
            BALANCER,
            delete_protection="off",
            modification_protection="NonProtection",
            spec="slb.s3.large",
            ip_version="ipv6",
            address_type="intranet",
        )
        attributes = {"Scheduler": "wlc", "Bandwidth": "5", "HealthCheckInterval": "9"}
        observed = there(balancer=odd, listeners=[listener(attributes=attributes)])
        change = diff(wanted(make_service()), observed, batch=20)
        assert not change.plan
        assert not change.problems


class TestMembers:
    @pytest.mark.parametrize(
        ("nodes", "members", "kinds"),
        [
            ([N1, N2], [member("i-n1")], ["add"]),
            ([N1], [member("i-n1"), member("i-n2")], ["remove"]),
            ([N2], [member("i-n1")], ["add", "remove"]),
            ([N1], [member("i-n1", weight=5)], ["set"]),
            ([N1], [member("i-n1", description="")], ["set"]),
            ([N1], [member("i-n1"), member("i-x", description="somebody's")], []),
            ([N1], [member("i-n1"), member("i-x", description="k8s/1/a/b/c")], []),
            ([N1], [member("i-n1"), member("i-n1", port=31000)], ["remove"]),
            ([], [member("i-n1")], ["remove"]),
        ],
        ids=[
            "joins",
            "leaves",
            "replaced: added before removed",
            "weight",
            "description",
            "a person's member stays",
            "another Service's member stays",
            "an old port goes",
            "nobody left",
        ],
    )
    def test_change_in_place(self, nodes, members, kinds):
        name = f"group {group_name()} "
        change = diff(wanted(make_service(), nodes), there(groups=[group(*members)]), batch=20)
        assert keys_of(change) == [name + kind for kind in kinds]
        for before, after in zip(change.plan.actions, change.plan.actions[1:], strict=False):
            assert after.after == (before.key,)

    def test_weights_can_be_left_alone(self):
        service = make_service(annotations={"ignore-weight-update": "on"})
        change = diff(wanted(service), there(groups=[group(member("i-n1", weight=5))]), batch=20)
        assert not change.plan


class TestListeners:
    @pytest.mark.parametrize(
        ("service", "observed", "expected"),
        [
            pytest.param(
                make_service(),
                there(listeners=[listener(status="stopped")]),
                ["listener tcp:80 start"],
                id="a stopped one is started",
            ),
            pytest.param(
                make_service(),
                there(listeners=[listener(description="k8s/80/web/default/" + CLUSTER + "x")]),
                [],
                id="another cluster's is a conflict",
            ),
            pytest.param(
                make_service(annotations={"scheduler": "wrr"}),
                there(),
                ["listener tcp:80 update"],
                id="an attribute is changed in place",
            ),
            pytest.param(
                make_service(annotations={"scheduler": "RR".lower()}),
                there(),
                [],
                id="an attribute that is so already",
            ),
            pytest.param(
                make_service(annotations={"scheduler": "wrr"}),
                there(listeners=[listener(status="stopped")]),
                ["listener tcp:80 update", "listener tcp:80 start"],
                id="changed and stopped",
            ),
            pytest.param(
                make_service(),
                there(listeners=[listener(), listener(81)]),
                ["listener tcp:81 delete"],
                id="one of ours that is no longer wanted goes",
            ),
            pytest.param(
                make_service(),
                there(listeners=[listener(), listener(81, description="somebody's")]),
                [],
                id="one made by hand stays",
            ),
            pytest.param(
                make_service(),
                there(listeners=[]),
                ["listener tcp:80 create", "listener tcp:80 start"],
                id="one that was deleted comes back",
            ),
            pytest.param(
                make_service(),
                there(listeners=[listener(protocol="udp")]),
                ["listener udp:80 delete", "listener tcp:80 create", "listener tcp:80 start"],
                id="another protocol on the same port",
            ),
        ],
    )
    def test_are_brought_to_what_is_wanted(self, service, observed, expected):
        assert keys_of(diff(wanted(service), observed, batch=20)) == expected

    def test_a_port_is_free_before_its_new_protocol_listens(self):
        service = make_service(ServicePort(port=80, protocol="UDP", node_port=30080))
        change = diff(wanted(service), there(), batch=20)
        assert "listener tcp:80 delete" in waits(change)["listener udp:80 create"]

    @pytest.mark.parametrize(
        ("found", "owner"),
        [
            (listener(description=f"k8s/80/other/default/{CLUSTER}"), "default/other"),
            (listener(description="by hand"), "by hand"),
            (listener(description=""), ""),
            (listener(protocol="http", description="by hand"), "by hand"),
        ],
        ids=["another Service's", "made by hand", "without description", "other protocol"],
    )
    def test_one_that_is_not_ours_on_our_port_is_refused_not_touched(self, found, owner):
        change = diff(wanted(make_service()), there(listeners=[found]), batch=20)
        assert not change.plan
        (problem,) = change.problems
        assert isinstance(problem, NotOwned)
        assert problem.owner == owner
        assert ":80" in str(problem)

    def test_a_conflict_on_one_port_does_not_stop_another(self):
        observed = there(listeners=[listener(description="by hand")])
        change = diff(wanted(make_service(80, 81)), observed, batch=20)
        assert "listener tcp:81 start" in keys_of(change)
        assert len(change.problems) == 1


class TestGroups:
    def test_a_new_node_port_moves_the_listener_before_the_old_group_goes(self):
        service = make_service(ServicePort(port=80, node_port=31000))
        change = diff(wanted(service), there(), batch=20)
        order = waits(change)
        create, update = f"group {group_name(31000)} create", "listener tcp:80 update"
        delete = f"group {group_name()} rsp-1 delete"
        assert list(order) == [create, update, delete]
        assert order[update] == (create,)
        assert order[delete] == (update,)

    def test_of_two_with_one_name_the_one_in_use_stays(self):
        groups = [group(id="rsp-0"), group(member("i-n1"), id="rsp-1")]
        change = diff(wanted(make_service()), there(groups=groups), batch=20)
        assert keys_of(change) == [f"group {group_name()} rsp-0 delete"]
        assert change.group_ids == {group_name(): "rsp-1"}

    def test_an_old_one_with_members_of_others_is_only_left(self):
        old = group(
            member("i-n1", port=30090),
            member("i-x", port=30090, description="by hand"),
            port=30090,
            id="rsp-2",
        )
        groups = [group(member("i-n1")), old]
        change = diff(wanted(make_service()), there(groups=groups), batch=20)
        (action,) = change.plan
        assert action.kind == "remove"
        assert [backend.server_id for backend in action.details.backends] == ["i-n1"]

    def test_an_old_one_that_a_foreign_listener_uses_is_named_and_kept(self):
        groups = [group(member("i-n1")), group(port=30090, id="rsp-2")]
        listeners = [listener(), listener(90, group_id="rsp-2", description="by hand")]
        observed = there(groups=groups, listeners=listeners)
        change = diff(wanted(make_service()), observed, batch=20)
        assert not change.plan
        assert "tcp:90" in str(change.problems[0])


class TestTheBalancerItself:
    @pytest.mark.parametrize(
        ("annotations", "changes", "method"),
        [
            ({"name": "mine"}, {}, "set_name"),
            ({"delete-protection": "off"}, {}, "set_delete_protection"),
            (
                {"modification-protection": "NonProtection"},
                {},
                "set_modification_protection",
            ),
            ({"spec": "slb.s2.small"}, {}, "modify_spec"),
            ({"instance-charge-type": "PayByCLCU"}, {}, "modify_instance_charge_type"),
            (
                {"charge-type": "paybybandwidth", "bandwidth": "5"},
                {},
                "modify_internet_spec",
            ),
            ({}, {"tags": {}}, "tag"),
            ({"spec": "slb.s2.small"}, {"instance_charge_type": "PayByCLCU"}, None),
            ({"bandwidth": "5"}, {}, None),
            (
                {"charge-type": "paybybandwidth"},
                {"address_type": "intranet"},
                None,
            ),
            ({}, {"tags": {str(number): "" for number in range(10)}}, None),
            ({"delete-protection": "on", "spec": "slb.s1.small"}, {}, None),
        ],
    )
    def test_is_changed_in_place(self, annotations, changes, method):
        observed = there(balancer=dataclasses.replace(BALANCER, **changes))
        change = diff(wanted(make_service(annotations=annotations)), observed, batch=20)
        assert [action.details.method for action in change.plan] == ([method] if method else [])
        assert not change.problems

    @pytest.mark.parametrize(
        ("annotations", "text"),
        [
            (
                {"master-zoneid": "z-c"},
                "alicloud: can not change LoadBalancer master zone id once created",
            ),
            ({"slave-zoneid": "z-c"}, "slave zone id"),
            ({"ip-version": "ipv6"}, "AddressIPVersion"),
            ({"network-type": "vpc"}, "network type"),
            (
                {"address-type": "intranet", "network-type": "classic"},
                "AddressType once created. delete and retry",
            ),
        ],
    )
    def test_what_can_never_change_is_said_and_the_rest_is_done(self, annotations, text):
        service = make_service(annotations={**annotations, "delete-protection": "off"})
        change = diff(wanted(service), there(), batch=20)
        assert keys_of(change) == ["balancer set_delete_protection set"]
        (problem,) = change.problems
        assert isinstance(problem, InvalidConfiguration)
        assert text in str(problem)


class TestReuse:
    MINE = dataclasses.replace(BALANCER, name="mine", tags={"team": "a"})

    def test_without_override_listeners_are_left_to_the_user(self):
        service = make_service(annotations={"id": "lb-1"})
        observed = there(balancer=self.MINE, listeners=[listener(description="by hand")])
        change = diff(wanted(service), observed, batch=20)
        assert keys_of(change) == ["balancer tag set"]
        assert not change.problems

    @pytest.mark.parametrize(
        ("description", "expected", "conflict"),
        [
            ("by hand", ["balancer tag set", "listener tcp:80 update"], False),
            (f"k8s/80/other/default/{CLUSTER}", ["balancer tag set"], True),
            ("k8s/80/web/default/c-elsewhere", ["balancer tag set"], True),
        ],
        ids=["made by hand: taken over", "another Service's", "another cluster's"],
    )
    def test_with_override_only_listeners_of_nobody_are_taken_over(
        self, description, expected, conflict
    ):
        service = make_service(annotations={"id": "lb-1", "force-override-listeners": "true"})
        observed = there(balancer=self.MINE, listeners=[listener(description=description)])
        change = diff(wanted(service), observed, batch=20)
        assert keys_of(change) == expected
        assert bool(change.problems) is conflict

    def test_leaving_takes_only_what_is_ours(self):
        observed = there(
            balancer=self.MINE,
            listeners=[listener(), listener(90, description="by hand", group_id="rsp-9")],
        )
        change = diff(nothing(Owner(CLUSTER, "default", "web")), observed, batch=20)
        assert waits(change) == {
            "listener tcp:80 delete": (),
            f"group {group_name()} rsp-1 delete": ("listener tcp:80 delete",),
        }
