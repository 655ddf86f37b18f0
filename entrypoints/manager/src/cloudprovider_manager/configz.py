"""What ``/configz`` shows: the configuration in force in upstream's shape and in our own.

The first key is upstream's ``CloudControllerManagerConfiguration``. The second is a file as
``--config`` reads it: every flag with its value. Neither holds anything secret.
Source: ``spec/ccm-core.md`` 4.7.
"""

from __future__ import annotations

from typing import Any

from cloudprovider_manager import config_file, controllers
from cloudprovider_manager.flags import declared
from cloudprovider_manager.options import Options
from cloudprovider_manager.values import format_duration

#: Upstream's group.
GROUP = "cloudcontrollermanager.config.k8s.io"


def configz(options: Options) -> dict[str, Any]:
    """The page as JSON takes it."""
    return {GROUP: upstream(options), config_file.API_VERSION.partition("/")[0]: own(options)}


def own(options: Options) -> dict[str, Any]:
    """Every flag and every flag of the provider's that was given, as a file for ``--config``."""
    known = declared(Options)
    values = {
        name: config_file.written(flag, getattr(options, name.replace("-", "_")))
        for name, flag in known.items()
        if name not in config_file.NOT_IN_FILE
    }
    provider = {
        name: list(value) if isinstance(value, tuple) else value
        for name, value in options.provider_options.items()
    }
    header = {"apiVersion": config_file.API_VERSION, "kind": config_file.KIND}
    return {**header, **values, **provider}


def upstream(options: Options) -> dict[str, Any]:
    """Upstream's ``v1alpha1`` object: its keys, its capitals, its spelling of durations."""
    syncs = options.concurrent_node_syncs
    return {
        "kind": "CloudControllerManagerConfiguration",
        "apiVersion": f"{GROUP}/v1alpha1",
        "Generic": _generic(options),
        "KubeCloudShared": _shared(options),
        "NodeController": {
            "ConcurrentNodeSyncs": syncs,
            "ConcurrentNodeStatusUpdates": options.concurrent_node_status_updates or syncs,
        },
        "ServiceController": {"ConcurrentServiceSyncs": options.concurrent_service_syncs},
        "NodeStatusUpdateFrequency": format_duration(options.node_status_update_frequency),
        "Webhook": {"Webhooks": list(options.webhooks) or None},
    }


def _generic(options: Options) -> dict[str, Any]:
    return {
        "Port": options.port,
        "Address": options.address or "0.0.0.0",  # noqa: S104 - shown, not bound
        "MinResyncPeriod": format_duration(options.min_resync_period),
        "ClientConnection": {
            "kubeconfig": options.kubeconfig,
            "acceptContentTypes": "",
            "contentType": options.kube_api_content_type,
            "qps": options.kube_api_qps,
            "burst": options.kube_api_burst,
        },
        "ControllerStartInterval": format_duration(options.controller_start_interval),
        "LeaderElection": {
            "leaderElect": options.leader_elect,
            "leaseDuration": format_duration(options.leader_elect_lease_duration),
            "renewDeadline": format_duration(options.leader_elect_renew_deadline),
            "retryPeriod": format_duration(options.leader_elect_retry_period),
            "resourceLock": options.leader_elect_resource_lock,
            "resourceName": options.leader_elect_resource_name,
            "resourceNamespace": options.leader_elect_resource_namespace,
        },
        "Controllers": list(controllers.resolve(options.controllers)),
        "Debugging": {
            "enableProfiling": options.profiling,
            "enableContentionProfiling": options.contention_profiling,
        },
        "LeaderMigrationEnabled": options.enable_leader_migration,
        "LeaderMigration": {"leaderName": "", "resourceLock": "", "controllerLeaders": None},
    }


def _shared(options: Options) -> dict[str, Any]:
    return {
        "CloudProvider": {
            "Name": options.cloud_provider,
            "CloudConfigFile": options.cloud_config,
        },
        "ExternalCloudVolumePlugin": options.external_cloud_volume_plugin,
        "UseServiceAccountCredentials": options.use_service_account_credentials,
        "AllowUntaggedCloud": options.allow_untagged_cloud,
        "RouteReconciliationPeriod": format_duration(options.route_reconciliation_period),
        "NodeMonitorPeriod": format_duration(options.node_monitor_period),
        "ClusterName": options.cluster_name,
        "ClusterCIDR": ",".join(options.cluster_cidr),
        "AllocateNodeCIDRs": options.allocate_node_cidrs,
        "CIDRAllocatorType": options.cidr_allocator_type,
        "ConfigureCloudRoutes": options.configure_cloud_routes,
        "NodeSyncPeriod": format_duration(options.node_sync_period),
    }
