"""Metrics of the node lifecycle controller. Upstream has none for it; the names are ours."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter, Gauge


class LifecycleMetrics:
    """In ``registry``; one per registry."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.deleted = Counter(
            "node_lifecycle_controller_deleted_nodes",
            "Nodes deleted because their instance is gone",
            registry=registry,
        )
        self.failed = Counter(
            "node_lifecycle_controller_node_deletion_errors",
            "Deletions of Nodes that failed",
            registry=registry,
        )
        self.unanswered = Counter(
            "node_lifecycle_controller_instance_lookup_errors",
            "Nodes that were not Ready and about which the cloud gave no answer",
            registry=registry,
        )
        self.missing = Gauge(
            "node_lifecycle_controller_missing_nodes",
            "Nodes whose instance the cloud did not find in its last answer",
            registry=registry,
        )
        self.waiting = Gauge(
            "node_lifecycle_controller_waiting_nodes",
            "Nodes to be deleted that wait for the limit per period or for the end of a pause",
            registry=registry,
        )
        self.paused = Gauge(
            "node_lifecycle_controller_deletions_paused",
            "1 while no Node is deleted because too many are missing at once",
            registry=registry,
        )
