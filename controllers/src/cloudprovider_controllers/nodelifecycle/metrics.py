"""Metrics of the node lifecycle controller. Upstream has none for it; the names are ours."""

from __future__ import annotations

import functools

from prometheus_client import CollectorRegistry, Counter, Gauge

from cloudprovider_controllers.provider_metrics import metric_of


class LifecycleMetrics:
    """In ``registry``; one per registry and ``provider``."""

    def __init__(self, registry: CollectorRegistry, provider: str = "") -> None:
        metric = functools.partial(metric_of, registry=registry, provider=provider)
        self.deleted = metric(
            Counter,
            "node_lifecycle_controller_deleted_nodes",
            "Nodes deleted because their instance is gone",
        )
        self.failed = metric(
            Counter,
            "node_lifecycle_controller_node_deletion_errors",
            "Deletions of Nodes that failed",
        )
        self.unanswered = metric(
            Counter,
            "node_lifecycle_controller_instance_lookup_errors",
            "Nodes that were not Ready and about which the cloud gave no answer",
        )
        self.missing = metric(
            Gauge,
            "node_lifecycle_controller_missing_nodes",
            "Nodes whose instance the cloud did not find in its last answer",
        )
        self.waiting = metric(
            Gauge,
            "node_lifecycle_controller_waiting_nodes",
            "Nodes to be deleted that wait for the limit per period or for the end of a pause",
        )
        self.paused = metric(
            Gauge,
            "node_lifecycle_controller_deletions_paused",
            "1 while no Node is deleted because too many are missing at once",
        )
