"""Metrics of the route controller; the first is upstream's (``spec/ccm-core.md`` 4.7)."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter, Gauge


class RouteMetrics:
    """In ``registry``; one per registry."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.syncs = Counter(
            "route_controller_route_sync",
            "Comparisons of the cloud's routes with the nodes",
            registry=registry,
        )
        self.failing = Gauge(
            "route_controller_failing_nodes",
            "Nodes that have not all of their routes",
            registry=registry,
        )
        self.withheld = Gauge(
            "route_controller_withheld_deletions",
            "Routes that no node wants and whose deletion waits, for they are too many at once",
            registry=registry,
        )
        self.strangers = Gauge(
            "route_controller_foreign_routes",
            "Routes inside the cluster's range that are left alone, for they are not provably ours",
            registry=registry,
        )
