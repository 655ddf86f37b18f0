"""From any state to any other: what is wanted is there afterwards, and nothing else moved."""

from __future__ import annotations

import contextlib
import json
from typing import Any

from clb_world import CLUSTER, NAME, Cloud, ids, make_cloud, make_service
from hypothesis import HealthCheck, Phase, example, given, settings
from hypothesis import strategies as st

from cloudprovider.errors import CloudProviderError, NotOwned
from cloudprovider.models import Service, ServicePort
from cloudprovider.testing.virtual import VirtualConcurrency
from cloudprovider_alicloud import annotations as keys
from cloudprovider_alicloud.api.caller import CallFailed
from cloudprovider_alicloud.clb.desired import desired_state

PORTS = (80, 81, 443)
NODES = 45

#: Without explanations, which trace every line.
quick = settings(
    deadline=None,
    suppress_health_check=list(HealthCheck),
    phases=[Phase.explicit, Phase.reuse, Phase.generate, Phase.shrink],
)

port_lists = st.lists(
    st.tuples(
        st.sampled_from(PORTS),
        st.sampled_from(["TCP", "UDP"]),
        st.sampled_from([30001, 30002, 30003]),
    ),
    min_size=1,
    max_size=4,
    unique_by=lambda item: item[:2],
)
annotation_sets = st.fixed_dictionaries(
    {},
    optional={
        "scheduler": st.sampled_from(["rr", "wrr"]),
        "delete-protection": st.sampled_from(["on", "off"]),
        "default-weight": st.sampled_from(["0", "50", "100"]),
        "health-check-interval": st.sampled_from(["2", "7"]),
        "connection-drain": st.just("off"),
        "name": st.sampled_from(["one", "two"]),
    },
)
node_sets = st.sets(st.integers(0, NODES - 1), max_size=NODES)
wishes = st.tuples(port_lists, annotation_sets, node_sets)
accidents = st.lists(
    st.sampled_from(
        ["stop", "delete listener", "drop members", "foreign member", "foreign listener", "untag"]
    ),
    max_size=3,
)


def service_of(ports: Any, annotations: Any) -> Service:
    listed = [ServicePort(port=p, protocol=proto, node_port=node) for p, proto, node in ports]
    return make_service(*listed, annotations=annotations)


def befall(cloud: Cloud, accident: str) -> None:
    """Something that a person does to our load balancer."""
    (made,) = cloud.ours() or [None]
    if made is None:
        return
    listeners = list(cloud.listeners(made).values())
    groups = cloud.groups(made)
    if accident == "stop" and listeners:
        _listener(cloud, "StopLoadBalancerListener", made, listeners[0])
    elif accident == "delete listener" and listeners:
        _listener(cloud, "DeleteLoadBalancerListener", made, listeners[-1])
    elif accident == "drop members" and groups and groups[0].backends:
        gone = [{"ServerId": m.server, "Port": m.port} for m in groups[0].backends[:7]]
        _members(cloud, "RemoveVServerGroupBackendServers", groups[0], gone)
    elif accident == "foreign member" and groups:
        stranger = next(iter(cloud.core.state.instances))
        new = [{"ServerId": stranger, "Port": 7, "Description": "by hand"}]
        _members(cloud, "AddVServerGroupBackendServers", groups[-1], new)
    elif accident == "foreign listener":
        _try(
            cloud,
            "CreateLoadBalancerTCPListener",
            LoadBalancerId=made.id,
            ListenerPort=8888,
            BackendServerPort=8888,
            Bandwidth=-1,
            Description="by hand",
        )
    elif accident == "untag" and made.name == NAME:  # else nothing would prove it ours
        tags = ["kubernetes.do.not.delete"]
        _try(cloud, "UntagResources", ResourceType="instance", ResourceId=[made.id], TagKey=tags)


def _listener(cloud: Cloud, action: str, balancer: Any, listener: Any) -> None:
    _try(
        cloud,
        action,
        LoadBalancerId=balancer.id,
        ListenerPort=listener.port,
        ListenerProtocol=listener.protocol,
    )


def _members(cloud: Cloud, action: str, group: Any, members: list[dict[str, Any]]) -> None:
    _try(cloud, action, VServerGroupId=group.id, BackendServers=json.dumps(members))


def _try(cloud: Cloud, action: str, **params: Any) -> None:
    with contextlib.suppress(CallFailed):
        cloud.user(action, **params)


def strangers(cloud: Cloud) -> Any:
    """What people put on our load balancer."""
    (made,) = cloud.ours() or [None]
    if made is None:
        return None
    listeners = {k: v for k, v in cloud.listeners(made).items() if k.endswith(":8888")}
    return listeners, {
        member.server for g in cloud.groups(made) for member in g.backends if member.port == 7
    }


def check(cloud: Cloud, service: Service, nodes: list[Any]) -> None:
    """What is there is what is wanted."""
    values = keys.ANNOTATIONS.parse(service.metadata.annotations)
    wanted = desired_state(service, nodes, values, cloud.config)
    (made,) = cloud.ours()
    groups = {group.id: group for group in cloud.groups(made)}
    found = {
        (item.protocol, item.port, item.status, groups[item.vserver_group].name)
        for item in cloud.listeners(made).values()
        if item.attributes["Description"] != "by hand"
    }
    assert found == {(i.protocol, i.port, "running", i.group) for i in wanted.listeners}
    by_name = {group.name: group for group in groups.values()}
    assert len(by_name) == len(groups)
    for group in wanted.groups:
        members = {m.server: m for m in by_name[group.name].backends if m.port != 7}
        assert set(members) == ids(nodes)
        assert {m.weight for m in members.values()} <= {b.weight for b in group.backends}
    extra = set(by_name) - {group.name for group in wanted.groups}
    for name in extra:  # only what holds a stranger's member may stay
        assert [m.port for m in by_name[name].backends] == [7]


@settings(quick, max_examples=60)
@given(steps=st.lists(st.tuples(wishes, accidents, st.booleans()), min_size=1, max_size=4))
@example(  # a group that stayed for a stranger's member, which a person then takes away
    steps=[
        (([(80, "TCP", 30001)], {}, set()), [], False),
        (([(80, "TCP", 30002)], {}, set()), ["foreign member"], False),
        (([(80, "TCP", 30002)], {}, set()), ["drop members"], False),
    ]
)
def test_any_state_is_reached_from_any_other(steps):
    clock = VirtualConcurrency()

    def main() -> None:
        cloud = make_cloud(clock)
        nodes = cloud.nodes(NODES)
        foreign = cloud.foreign()
        balancer = cloud.balancer()
        labels: dict[str, str] = {}
        for (ports, written, chosen), happened, restart in steps:
            for accident in happened:
                befall(cloud, accident)
            before = strangers(cloud)
            if restart:
                balancer = cloud.balancer()
            clock.sleep(60)
            service = service_of(ports, written)
            if cloud.recorded:
                labels = {k: v for k, v in cloud.recorded[-1][1].items() if v}
            service = make_service(
                *service.spec.ports, annotations=service.metadata.annotations, labels=labels
            )
            eligible = [nodes[index] for index in sorted(chosen)]
            balancer.ensure_load_balancer("k", service, eligible)
            check(cloud, service, eligible)
            assert not balancer.plan(service, eligible).plan
            assert not cloud.writes(
                lambda b=balancer, s=service, e=eligible: b.ensure_load_balancer("k", s, e)
            )
            after = strangers(cloud)
            if before is not None and after is not None:
                assert after[0] == before[0]
                assert after[1] >= before[1]
            assert cloud.foreign() == foreign
        balancer.ensure_load_balancer_deleted("k", service)
        assert cloud.ours() == []
        assert cloud.foreign() == foreign

    clock.run(main)


@settings(quick, max_examples=40)
@given(
    steps=st.lists(
        st.tuples(st.integers(0, 2), st.sets(st.sampled_from(PORTS), min_size=1)),
        min_size=1,
        max_size=6,
    )
)
def test_services_that_share_one_never_touch_each_other(steps):
    clock = VirtualConcurrency()

    def main() -> None:
        cloud = make_cloud(clock)
        nodes = cloud.nodes(3)
        balancer = cloud.balancer()
        mine = cloud.user_balancer()
        shared = {"id": mine, "force-override-listeners": "true"}
        held: dict[int, set[int]] = {}
        for owner, ports in steps:
            service = make_service(*ports, name=f"s{owner}", uid=f"uid-{owner}", annotations=shared)
            taken = set().union(*(v for k, v in held.items() if k != owner))
            try:
                balancer.ensure_load_balancer("k", service, nodes)
            except NotOwned:
                assert ports & taken
            except CloudProviderError:
                raise
            else:
                assert not ports & taken
            held[owner] = ports - taken
            listeners = cloud.listeners(cloud.core.state.load_balancers[mine])
            descriptions = {item.attributes["Description"] for item in listeners.values()}
            assert descriptions == {
                f"k8s/{port}/s{name}/default/{CLUSTER}" for name in held for port in held[name]
            }

    clock.run(main)
