"""What exists in the emulated cloud.

Records are immutable: a change puts a new record in the place of the old one. That makes
:meth:`~cloudprovider_alicloud.emulator.state.State.snapshot` a copy of references, and lets an
older view of the state be read while the newer one goes on.
"""

from __future__ import annotations

from typing import Any

import msgspec

Tags = dict[str, str]


class Record(msgspec.Struct, frozen=True, kw_only=True):
    """Anything with an id. Mappings inside a record are never changed in place."""

    id: str


class AccessKey(Record, frozen=True, kw_only=True):
    """A key pair that may sign requests; ``id`` is the access key id."""

    secret: str
    account: str = "1234567890123456"
    security_token: str = ""  #: of a temporary key
    expires: float = 0.0  #: POSIX seconds; 0 = never
    denied: tuple[str, ...] = ()  #: patterns ``product:Action`` that its policy forbids
    active: bool = True

    def __repr__(self) -> str:
        return f"AccessKey(id={self.id!r})"


class Zone(Record, frozen=True, kw_only=True):
    """An availability zone."""

    region: str


class Vpc(Record, frozen=True, kw_only=True):
    """A virtual private cloud."""

    region: str
    name: str = ""
    cidr: str
    secondary_cidrs: tuple[str, ...] = ()
    ipv6_cidr: str = ""
    router: str = ""
    created: str = ""
    tags: Tags = {}


class VSwitch(Record, frozen=True, kw_only=True):
    """A subnet in one zone."""

    region: str
    vpc: str
    zone: str
    name: str = ""
    cidr: str
    available: int = 252  #: addresses left
    next_host: int = 10  #: offset of the next address given out
    created: str = ""
    tags: Tags = {}


class RouteTable(Record, frozen=True, kw_only=True):
    """A route table of a VPC."""

    region: str
    vpc: str
    name: str = ""
    type: str = "System"
    created: str = ""
    tags: Tags = {}


class NextHop(msgspec.Struct, frozen=True, kw_only=True):
    """Where a route leads."""

    id: str
    type: str = "Instance"
    weight: int = 0


class RouteEntry(Record, frozen=True, kw_only=True):
    """A route; unique by destination in its table."""

    table: str
    cidr: str
    type: str = "Custom"
    status: str = "Available"
    name: str = ""
    description: str = ""
    next_hops: tuple[NextHop, ...] = ()


class Instance(Record, frozen=True, kw_only=True):
    """An ECS instance."""

    region: str
    zone: str
    vpc: str
    vswitch: str
    name: str = ""
    host_name: str = ""
    status: str = "Running"
    type: str = "ecs.g7.xlarge"
    charge_type: str = "PostPaid"
    spot_strategy: str = "NoSpot"
    private_ips: tuple[str, ...] = ()
    public_ips: tuple[str, ...] = ()
    eip: str = ""
    inner_ips: tuple[str, ...] = ()  #: classic network only
    eni: str = ""  #: primary network interface
    security_groups: tuple[str, ...] = ()
    created: str = ""
    tags: Tags = {}


class NetworkInterface(Record, frozen=True, kw_only=True):
    """An elastic network interface."""

    region: str
    zone: str
    vpc: str
    vswitch: str
    instance: str = ""
    type: str = "Primary"
    status: str = "InUse"
    private_ips: tuple[str, ...] = ()  #: the primary one first
    ipv6: tuple[str, ...] = ()
    mac: str = ""
    source_dest_check: bool = True
    security_groups: tuple[str, ...] = ()
    created: str = ""
    tags: Tags = {}


class SecurityGroup(Record, frozen=True, kw_only=True):
    """A security group."""

    region: str
    vpc: str
    name: str = ""
    description: str = ""
    type: str = "normal"
    created: str = ""
    tags: Tags = {}


class Eip(Record, frozen=True, kw_only=True):
    """An elastic public address."""

    region: str
    address: str
    instance: str = ""
    instance_type: str = ""
    status: str = "Available"
    bandwidth: int = 5
    created: str = ""
    tags: Tags = {}


class LoadBalancer(Record, frozen=True, kw_only=True):
    """A classic load balancer (SLB 2014-05-15)."""

    region: str
    name: str
    address: str
    address_type: str = "internet"
    ip_version: str = "ipv4"
    network_type: str = "classic"
    vpc: str = ""
    vswitch: str = ""
    bandwidth: int = 5120
    internet_charge_type: str = "paybytraffic"
    instance_charge_type: str = "PayBySpec"
    pay_type: str = "PayOnDemand"
    spec: str = ""
    status: str = "active"
    master_zone: str = ""
    slave_zone: str = ""
    delete_protection: str = "off"
    modification_protection: str = "NonProtection"
    modification_reason: str = ""
    resource_group: str = ""
    created: float = 0.0  #: POSIX seconds
    tags: Tags = {}
    listeners: tuple[str, ...] = ()  #: ids, oldest first
    vserver_groups: tuple[str, ...] = ()  #: ids, oldest first


class Listener(Record, frozen=True, kw_only=True):
    """A listener; ``id`` is ``<load balancer>_<protocol>_<port>`` as in SLB TagResources."""

    load_balancer: str
    port: int
    protocol: str  #: tcp, udp, http or https
    status: str = "stopped"
    busy: bool = False  #: in transition; refuses writes
    vserver_group: str = ""
    attributes: dict[str, Any] = {}  #: wire name to value, defaults filled in
    tags: Tags = {}


class Backend(msgspec.Struct, frozen=True, kw_only=True):
    """One server of a vServer group; (server, ip, port) identify it."""

    server: str
    ip: str = ""
    port: int
    weight: int = 100
    type: str = "ecs"
    description: str = ""


class VServerGroup(Record, frozen=True, kw_only=True):
    """A vServer group of one load balancer."""

    load_balancer: str
    name: str
    backends: tuple[Backend, ...] = ()
    created: float = 0.0
    tags: Tags = {}


class ServerCertificate(Record, frozen=True, kw_only=True):
    """A TLS certificate uploaded to SLB."""

    region: str
    name: str = ""
    common_name: str = ""
    expires: float = 0.0
    created: float = 0.0
    tags: Tags = {}


class DomainExtension(Record, frozen=True, kw_only=True):
    """A further domain of an HTTPS listener, with its own certificate."""

    listener: str
    domain: str
    certificate: str


class ClientToken(Record, frozen=True, kw_only=True):
    """A remembered ClientToken: ``id`` is account, product, action and token."""

    digest: str  #: of the other parameters
    body: dict[str, Any]
    time: float


class Transition(Record, frozen=True, kw_only=True):
    """A change that is still to happen: at ``due`` the record gets ``changes``, or goes."""

    due: float  #: seconds on the monotonic clock
    table: str
    key: str
    changes: dict[str, Any] | None  #: None = remove the record
