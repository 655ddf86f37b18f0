"""Metrics of the route controller; the first is upstream's (``spec/ccm-core.md`` 4.7)."""

from __future__ import annotations

import functools

from prometheus_client import CollectorRegistry, Counter, Gauge

from cloudprovider_controllers.provider_metrics import metric_of


class RouteMetrics:
    """In ``registry``; one per registry and ``provider``."""

    def __init__(self, registry: CollectorRegistry, provider: str = "") -> None:
        metric = functools.partial(metric_of, registry=registry, provider=provider)
        self.syncs = metric(
            Counter,
            "route_controller_route_sync",
            "Comparisons of the cloud's routes with the nodes",
        )
        self.failing = metric(
            Gauge,
            "route_controller_failing_nodes",
            "Nodes that have not all of their routes",
        )
        self.withheld = metric(
            Gauge,
            "route_controller_withheld_deletions",
            "Routes that no node wants and whose deletion waits, for they are too many at once",
        )
        self.strangers = metric(
            Gauge,
            "route_controller_foreign_routes",
            "Routes inside the cluster's range that are left alone, for they are not provably ours",
        )
