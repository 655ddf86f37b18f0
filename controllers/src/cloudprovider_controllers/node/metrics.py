"""Metrics of the node controller, upstream's names and buckets (``spec/ccm-core.md`` 4.7)."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Histogram

_SECONDS = (1.0, 4.0, 16.0, 64.0, 256.0, 1024.0)


class NodeMetrics:
    """In ``registry``; one per registry. Both count from the creation of the Node."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.taint_removal_delay = Histogram(
            "node_controller_cloud_provider_taint_removal_delay_seconds",
            "Seconds from the creation of a Node to the removal of its taint",
            buckets=_SECONDS,
            registry=registry,
        )
        self.initial_sync_delay = Histogram(
            "node_controller_initial_node_sync_delay_seconds",
            "Seconds from the creation of a Node to the end of its initialisation",
            buckets=_SECONDS,
            registry=registry,
        )
