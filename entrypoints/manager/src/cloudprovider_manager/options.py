"""Every flag of the manager, each declared once.

A field is a flag: ``cloud_provider`` is ``--cloud-provider``. Parsing, help, ``/configz`` and the
reference page are derived from these declarations; what concerns more than one flag is checked in
:mod:`cloudprovider_manager.validation`. Names and meanings are upstream's; where a default differs
the help says so.

Source: ``spec/ccm-core.md`` 4.2, 4.5; ``spec/alicloud.md`` 8.1.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any, Final

from cloudprovider_manager.auth_options import AuthFlags
from cloudprovider_manager.compound_values import SWITCHES
from cloudprovider_manager.flags import Status, flag
from cloudprovider_manager.log_options import LogFlags
from cloudprovider_manager.old_options import OLD_LOCKS, OldFlags
from cloudprovider_manager.serving_options import ServingFlags
from cloudprovider_manager.values import (
    BOOL,
    CIDRS,
    CONFIGS,
    LIST,
    PATH,
    TEXT,
    URL,
    choice,
    duration,
    fraction,
    integer,
    number,
)

_GENERIC: Final = "Cloud and cluster"
_CONTROLLERS: Final = "Controllers"
_LEADER: Final = "Leader election"
_CLIENT: Final = "Kubernetes API"

_WORKERS = integer(1)


@dataclasses.dataclass(frozen=True, kw_only=True)
class _Generic:
    cloud_provider: str = flag(
        "",
        TEXT,
        "Name of the cloud provider; see `cloudprovider list`. Several, separated by commas, run "
        "side by side; the first is the default one. Required.",
        group=_GENERIC,
    )
    cloud_config: str = flag(
        "",
        CONFIGS,
        "Configuration file of the provider; of several NAME=PATH for each.",
        group=_GENERIC,
    )
    default_load_balancer_provider: str = flag(
        "",
        TEXT,
        "Provider of Services of type LoadBalancer that have no loadBalancerClass; 'none' leaves "
        "them alone. Empty: the first of --cloud-provider. Services that have their load balancer "
        "keep their provider.",
        group=_GENERIC,
    )
    config: str = flag(
        "",
        PATH,
        "File with values of flags, YAML or JSON; what is typed counts more (upstream: none).",
        group=_GENERIC,
    )
    cluster_name: str = flag(
        "kubernetes",
        TEXT,
        "Name of this cluster; part of names and tags in the cloud.",
        group=_GENERIC,
    )
    cluster_cidr: tuple[str, ...] = flag(
        (), CIDRS, "Ranges of the Pods' addresses, for routes.", group=_GENERIC
    )
    allow_untagged_cloud: bool = flag(
        False,
        BOOL,
        "Run although the provider cannot tell this cluster from others in the account.",
        group=_GENERIC,
        status=Status.DEPRECATED,
        note="give the cluster an id in the provider's configuration instead.",
    )
    allocate_node_cidrs: bool = flag(
        False,
        BOOL,
        "Allocate the Pods' ranges to nodes.",
        group=_GENERIC,
        status=Status.IGNORED,
        note="kube-controller-manager allocates them; false also switches routes off "
        "if --cluster-cidr is not given.",
    )
    cidr_allocator_type: str = flag(
        "RangeAllocator",
        TEXT,
        "How ranges are allocated.",
        group=_GENERIC,
        status=Status.IGNORED,
        note="kube-controller-manager allocates them.",
    )
    external_cloud_volume_plugin: str = flag(
        "",
        TEXT,
        "In-tree volume plugin.",
        group=_GENERIC,
        status=Status.IGNORED,
        note="a CSI driver looks after volumes.",
    )


@dataclasses.dataclass(frozen=True, kw_only=True)
class _Controllers:
    controllers: tuple[str, ...] = flag(
        ("*",),
        LIST,
        "Controllers to run: '*' all, 'name' this one, '-name' not this one. Names: "
        "cloud-node-controller, cloud-node-lifecycle-controller, service-lb-controller, "
        "node-route-controller.",
        group=_CONTROLLERS,
    )
    concurrent_service_syncs: int = flag(
        20,
        _WORKERS,
        "Services worked on at once (upstream: 1). The provider's own budget per cloud API "
        "limits the calls.",
        group=_CONTROLLERS,
    )
    concurrent_node_syncs: int = flag(
        10, _WORKERS, "Nodes worked on at once (upstream: 1).", group=_CONTROLLERS
    )
    concurrent_node_status_updates: int = flag(
        0,
        integer(0),
        "Nodes whose addresses are refreshed at once; 0 = as many as --concurrent-node-syncs.",
        group=_CONTROLLERS,
    )
    node_status_update_frequency: float = flag(
        300.0,
        duration(1),
        "How often addresses and labels of all nodes are refreshed.",
        group=_CONTROLLERS,
    )
    node_monitor_period: float = flag(
        5.0,
        duration(0.1),
        "How often nodes that are not ready are looked up in the cloud. A node is deleted when its "
        "instance was not found twice in a row.",
        group=_CONTROLLERS,
    )
    missing_nodes_threshold: float = flag(
        1 / 3,
        fraction(),
        "While more than this part of the cloud's nodes is not found there, no node is deleted "
        "(upstream: no limit).",
        group=_CONTROLLERS,
    )
    node_sync_period: float = flag(
        0.0,
        duration(0),
        "Nothing.",
        group=_CONTROLLERS,
        status=Status.IGNORED,
        note="upstream ignores it too; use --node-status-update-frequency.",
    )
    configure_cloud_routes: bool = flag(
        True,
        BOOL,
        "Manage routes to the Pods' ranges in the cloud; needs --cluster-cidr.",
        group=_CONTROLLERS,
    )
    route_reconciliation_period: float = flag(
        300.0,
        duration(1),
        "How often routes are compared with the cloud (upstream: 10s). Changes of nodes are acted "
        "on at once, whatever this is.",
        group=_CONTROLLERS,
        aliases=("route-reconcilation-period",),  # kube-aliyun's spelling
    )
    min_resync_period: float = flag(
        21600.0,
        duration(0),
        "Load balancers whose Service did not change are compared with the cloud again after once "
        "to twice this (upstream: 12h, and no comparison); 0 = never. Nodes and routes have "
        "periods of their own.",
        group=_CONTROLLERS,
    )
    controller_start_interval: float = flag(
        0.0,
        duration(0),
        "Pause after the start of each controller, once to twice this.",
        group=_CONTROLLERS,
    )
    feature_gates: tuple[tuple[str, str], ...] = flag(
        (),
        SWITCHES,
        "Feature gates of upstream's manager; none has an effect, and those that ask for what is "
        "not there are warned about.",
        group=_CONTROLLERS,
    )


@dataclasses.dataclass(frozen=True, kw_only=True)
class _Leader:
    leader_elect: bool = flag(
        True, BOOL, "Work only while holding the lease, so that several can run.", group=_LEADER
    )
    leader_elect_lease_duration: float = flag(
        15.0, duration(1), "Others may take the lease after this time.", group=_LEADER
    )
    leader_elect_renew_deadline: float = flag(
        10.0, duration(0.1), "The leader gives up after this time.", group=_LEADER
    )
    leader_elect_retry_period: float = flag(
        2.0, duration(0.01), "Time between two attempts to take or renew it.", group=_LEADER
    )
    leader_elect_resource_lock: str = flag(
        "leases", choice("leases", *OLD_LOCKS), "Kind of the lock; always a Lease.", group=_LEADER
    )
    leader_elect_resource_name: str = flag(
        "cloud-controller-manager", TEXT, "Name of the Lease.", group=_LEADER
    )
    leader_elect_resource_namespace: str = flag(
        "kube-system", TEXT, "Namespace of the Lease.", group=_LEADER
    )


@dataclasses.dataclass(frozen=True, kw_only=True)
class _Client:
    kubeconfig: str = flag(
        "", PATH, "How to reach the API server; empty = as a Pod of the cluster.", group=_CLIENT
    )
    master: str = flag(
        "",
        URL,
        "URL of the API server, instead of the kubeconfig's.",
        group=_CLIENT,
        aliases=("server",),  # kube-aliyun's name
    )
    kube_api_qps: float = flag(
        200.0,
        number(),
        "Requests per second to the API server, for each client in the process (upstream: 20).",
        group=_CLIENT,
    )
    kube_api_burst: int = flag(
        400, integer(1), "Requests that may exceed --kube-api-qps (upstream: 30).", group=_CLIENT
    )
    kube_api_content_type: str = flag(
        "application/json",
        TEXT,
        "Content type of requests.",
        group=_CLIENT,
        status=Status.IGNORED,
        note="JSON is always used; the answers are the same.",
    )
    use_service_account_credentials: bool = flag(
        False,
        BOOL,
        "Each controller uses its own ServiceAccount in kube-system.",
        group=_CLIENT,
    )


@dataclasses.dataclass(frozen=True, kw_only=True)
class Options(
    OldFlags, LogFlags, AuthFlags, ServingFlags, _Client, _Leader, _Controllers, _Generic
):
    """What the manager was asked to do; durations in seconds."""

    #: Names of the flags that were typed, e.g. ``cluster-cidr``.
    given: frozenset[str] = frozenset()
    #: Values of the provider's own flags, as its factory takes them.
    provider_options: Mapping[str, Any] = dataclasses.field(default_factory=dict)

    @property
    def serving_address(self) -> str:
        """The address of ``--secure-port``; without ``--bind-address``, ``--address`` counts."""
        if self.address and "bind-address" not in self.given:
            return self.address
        return self.bind_address
