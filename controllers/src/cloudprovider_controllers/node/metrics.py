"""Metrics of the node controller, upstream's names and buckets (``spec/ccm-core.md`` 4.7)."""

from __future__ import annotations

import functools

from prometheus_client import CollectorRegistry, Gauge, Histogram

from cloudprovider_controllers.provider_metrics import metric_of

_SECONDS = (1.0, 4.0, 16.0, 64.0, 256.0, 1024.0)


class NodeMetrics:
    """In ``registry``, one per registry and ``provider``. Seconds count from a Node's creation."""

    def __init__(self, registry: CollectorRegistry, provider: str = "") -> None:
        metric = functools.partial(metric_of, registry=registry, provider=provider)
        self.taint_removal_delay = metric(
            Histogram,
            "node_controller_cloud_provider_taint_removal_delay_seconds",
            "Seconds from the creation of a Node to the removal of its taint",
            buckets=_SECONDS,
        )
        self.initial_sync_delay = metric(
            Histogram,
            "node_controller_initial_node_sync_delay_seconds",
            "Seconds from the creation of a Node to the end of its initialisation",
            buckets=_SECONDS,
        )
        self.disputed = metric(
            Gauge,
            "node_controller_disputed_nodes",
            "Nodes left alone because it is not clear which provider they belong to",
        )
