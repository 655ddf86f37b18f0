"""What can be set about the emulated cloud: limits, quotas, delays, throttling, oddities."""

from __future__ import annotations

import msgspec


class Quotas(msgspec.Struct, kw_only=True):
    """How many there may be; 0 = no limit.

    The defaults limit what is fixed per resource. What an account can have raised (load balancers,
    backends) is unlimited here; :func:`documented_quotas` sets it (``spec/alicloud.md`` 4.12, 7.5).
    """

    load_balancers: int = 0
    listeners_per_load_balancer: int = 50
    backends_per_load_balancer: int = 0  #: different servers in the groups of one load balancer
    tags_per_resource: int = 20
    routes_per_table: int = 200


def documented_quotas() -> Quotas:
    """The quotas of a new account."""
    return Quotas(load_balancers=60, backends_per_load_balancer=200)


class Limits(msgspec.Struct, kw_only=True):
    """How much one call may carry, and the sizes of pages (``spec/alicloud.md`` 7.5)."""

    instance_ids: int = 100
    backends: int = 20
    tags: int = 20
    tagged_resources: int = 20
    network_interface_ips: int = 100
    route_entries: int = 50
    default_page: int = 10  #: small, so that a client that does not page is found out
    default_listener_page: int = 20
    tag_page: int = 50


class Delays(msgspec.Struct, kw_only=True):
    """Seconds that an asynchronous change takes; negative = for ever."""

    listener_start: float = 0.0
    listener_stop: float = 0.0
    listener_change: float = 0.0
    route_create: float = 0.0
    route_delete: float = 0.0


class Lag(msgspec.Struct, kw_only=True):
    """How far lists lag behind writes; reads by id are always up to date."""

    seconds: float = 0.0
    calls: int = 0  #: list calls, counted from the write


class Rate(msgspec.Struct, kw_only=True):
    """A token bucket for every (access key, region, action) that ``pattern`` matches."""

    pattern: str  #: shell pattern of ``product:Action``
    per_second: float
    burst: int = 1
    code: str = "Throttling.User"
    retry_after: float = 0.0  #: seconds; > 0 is sent as the header x-acs-retry-after


class Settings(msgspec.Struct, kw_only=True):
    """Everything that can be set; may be changed while the emulator runs."""

    region: str = "cn-hangzhou"
    regions: tuple[str, ...] = ("cn-hangzhou", "cn-shanghai", "cn-beijing")
    quotas: Quotas = msgspec.field(default_factory=Quotas)
    limits: Limits = msgspec.field(default_factory=Limits)
    delays: Delays = msgspec.field(default_factory=Delays)
    lag: Lag = msgspec.field(default_factory=Lag)
    rates: list[Rate] = msgspec.field(default_factory=list)
    latency: float = 0.0  #: seconds added to every call
    clock_offset: float = 0.0  #: seconds the cloud's clock is ahead of ours
    max_skew: float = 900.0  #: seconds that a request's date may be off
    client_token_lifetime: float = 86_400.0
    check_signatures: bool = True
    imds_v2_only: bool = False
    role_name: str = "KubernetesMasterRole"
    role_credential_seconds: float = 3_600.0
    sparse_replies: bool = False  #: leave out empty lists, add a field nobody knows
