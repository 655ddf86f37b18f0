"""The world at the start: a VPC to run a cluster in, and what belongs to others."""

from __future__ import annotations

import dataclasses

from cloudprovider_alicloud.emulator.actions import timestamp
from cloudprovider_alicloud.emulator.addresses import release_address, take_address
from cloudprovider_alicloud.emulator.core import EmulatorCore
from cloudprovider_alicloud.emulator.resources import (
    AccessKey,
    Backend,
    Instance,
    Listener,
    LoadBalancer,
    NetworkInterface,
    NextHop,
    RouteEntry,
    RouteTable,
    SecurityGroup,
    ServerCertificate,
    Vpc,
    VServerGroup,
    VSwitch,
    Zone,
)
from cloudprovider_alicloud.emulator.slb.listener_table import DEFAULTS
from cloudprovider_alicloud.emulator.state import State

#: The key that :meth:`AlicloudEmulator.cloud_config` hands out. It opens nothing else.
ACCESS_KEY_ID = "LTAIemulator"
ACCESS_KEY_SECRET = "emulator-secret"  # noqa: S105 - of the emulator only
ACCOUNT = "1234567890123456"
OTHER_CLUSTER = "c-other"


@dataclasses.dataclass(frozen=True)
class World:
    """Ids of the default world."""

    region: str
    zones: tuple[str, str]
    vpc: str
    vswitches: tuple[str, str]
    route_table: str
    security_group: str
    foreign: tuple[str, str]  #: load balancers of a person and of another cluster


def default_world(core: EmulatorCore) -> World:
    """Fill an empty core: region, two zones, VPC, two vSwitches, and foreign load balancers."""
    state, region = core.state, core.settings.region
    with core.lock:
        now = core.now()
        created = timestamp(now)
        state.put(AccessKey(id=ACCESS_KEY_ID, secret=ACCESS_KEY_SECRET, account=ACCOUNT))
        zones = (f"{region}-h", f"{region}-i")
        for zone in zones:
            state.put(Zone(id=zone, region=region))
        vpc = state.put(
            Vpc(
                id=state.new_id("vpc"),
                region=region,
                name="k8s-vpc",
                cidr="10.0.0.0/8",
                router=state.new_id("vrt"),
                created=created,
            )
        )
        vswitches = _vswitches(state, vpc, zones)
        table = state.put(
            RouteTable(id=state.new_id("vtb"), region=region, vpc=vpc.id, created=created)
        )
        group = state.put(
            SecurityGroup(
                id=state.new_id("sg"), region=region, vpc=vpc.id, name="k8s-sg", created=created
            )
        )
        state.put(
            ServerCertificate(
                id=f"{ACCOUNT}_{region}_certificate",
                region=region,
                name="example",
                common_name="example.com",
                created=now,
                expires=now + 365 * 86_400,
            )
        )
        _system_routes(state, table, vpc)
        foreign = _foreign(state, region, vswitches[0], now)
        _foreign_route(state, table)
    return World(region, zones, vpc.id, vswitches, table.id, group.id, foreign)


def _vswitches(state: State, vpc: Vpc, zones: tuple[str, str]) -> tuple[str, str]:
    first, second = (
        state.put(
            VSwitch(
                id=state.new_id("vsw"),
                region=vpc.region,
                vpc=vpc.id,
                zone=zone,
                name=f"k8s-vswitch-{number}",
                cidr=f"10.{number}.0.0/16",
                available=65_532,
                created=vpc.created,
            )
        ).id
        for number, zone in enumerate(zones)
    )
    return first, second


def _system_routes(state: State, table: RouteTable, vpc: Vpc) -> None:
    """What the VPC routes by itself: its vSwitches and the range of the cloud's services."""
    cidrs = [item.cidr for item in state.vswitches.values() if item.vpc == vpc.id]
    for cidr in (*cidrs, "100.64.0.0/10"):
        hop = NextHop(id="", type="local")
        state.put(
            RouteEntry(
                id=state.new_id("rte"), table=table.id, cidr=cidr, type="System", next_hops=(hop,)
            )
        )


def _foreign_route(state: State, table: RouteTable) -> None:
    """A person's route; no cluster may touch it."""
    server = next(iter(state.instances.values()))
    state.put(
        RouteEntry(
            id=state.new_id("rte"),
            table=table.id,
            cidr="192.168.77.0/24",
            name="office",
            next_hops=(NextHop(id=server.id),),
        )
    )


def _foreign(state: State, region: str, vswitch: str, now: float) -> tuple[str, str]:
    """A person's load balancer and one of another cluster: nobody may touch them."""
    server = launch_instance(state, region=region, vswitch=vswitch, host_name="legacy-web", now=now)
    person = _load_balancer(state, region, now, name="legacy-web", address="198.19.0.1", tags={})
    _listen(state, person, server.id, name="web", description="web")
    uid = "a5d2c40d2b1f04b1d8ec1f6b3a0e9c77"
    other = _load_balancer(
        state,
        region,
        now,
        name=uid,
        address="198.19.0.2",
        tags={"kubernetes.do.not.delete": uid, "ack.aliyun.com": OTHER_CLUSTER},
    )
    name = f"k8s/80/shop/default/{OTHER_CLUSTER}"
    _listen(state, other, server.id, name=name, description=name)
    return person.id, other.id


def _load_balancer(
    state: State, region: str, now: float, *, name: str, address: str, tags: dict[str, str]
) -> LoadBalancer:
    return state.put(
        LoadBalancer(
            id=state.new_id("lb"),
            region=region,
            name=name,
            address=address,
            spec="slb.s1.small",
            created=now,
            tags=tags,
        )
    )


def _listen(
    state: State, parent: LoadBalancer, server: str, *, name: str, description: str
) -> None:
    """A listener on port 80 with one backend."""
    backend = Backend(server=server, port=30080, description=name)
    group = state.put(
        VServerGroup(
            id=state.new_id("rsp"), load_balancer=parent.id, name=name, backends=(backend,)
        )
    )
    listener = state.put(
        Listener(
            id=f"{parent.id}_tcp_80",
            load_balancer=parent.id,
            port=80,
            protocol="tcp",
            status="running",
            vserver_group=group.id,
            attributes={**DEFAULTS["tcp"], "Bandwidth": -1, "Description": description},
        )
    )
    state.change(parent, listeners=(listener.id,), vserver_groups=(group.id,))


def launch_instance(
    state: State,
    *,
    region: str,
    vswitch: str,
    now: float,
    host_name: str = "",
    security_group: str = "",
    tags: dict[str, str] | None = None,
) -> Instance:
    """A running instance with its primary network interface in ``vswitch``."""
    place = state.vswitches[vswitch]
    address = take_address(state, place)
    number = state.count("mac")
    instance_id, interface_id = state.new_id("i"), state.new_id("eni")
    groups = (security_group,) if security_group else ()
    created = timestamp(now)
    state.put(
        NetworkInterface(
            id=interface_id,
            region=region,
            zone=place.zone,
            vpc=place.vpc,
            vswitch=vswitch,
            instance=instance_id,
            private_ips=(address,),
            mac=":".join(f"{part:02x}" for part in (0, 22, 62, *number.to_bytes(3, "big"))),
            security_groups=groups,
            created=created,
        )
    )
    name = host_name or f"node-{address.replace('.', '-')}"
    return state.put(
        Instance(
            id=instance_id,
            region=region,
            zone=place.zone,
            vpc=place.vpc,
            vswitch=vswitch,
            name=name,
            host_name=name,
            private_ips=(address,),
            eni=interface_id,
            security_groups=groups,
            created=created,
            tags=dict(tags or {}),
        )
    )


def terminate_instance(state: State, instance: Instance) -> None:
    """The instance, its interfaces and its place in every group are gone.

    The service removes a released instance from the groups by itself.
    """
    interfaces = [i for i in state.network_interfaces.values() if i.instance == instance.id]
    for interface in interfaces:
        state.remove(interface)
        release_address(state, interface.vswitch)
    servers = {instance.id, *(interface.id for interface in interfaces)}
    for group in list(state.vserver_groups.values()):
        kept = tuple(backend for backend in group.backends if backend.server not in servers)
        if len(kept) != len(group.backends):
            state.change(group, backends=kept)
    state.remove(instance)
