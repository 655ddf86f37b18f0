"""Metrics of the service controller, upstream's names and buckets (``spec/ccm-core.md`` 4.7)."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

_SECONDS = tuple(float(2**k) for k in range(15))


class ServiceMetrics:
    """In ``registry``; one per registry."""

    def __init__(self, registry: CollectorRegistry) -> None:
        #: Upstream counts only updates of backends here; ours counts every pass that asked the
        #: provider to bring a load balancer up to date.
        self.syncs = Counter(
            "service_controller_loadbalancer_sync",
            "Load balancers brought up to date",
            registry=registry,
        )
        self.node_errors = Counter(
            "service_controller_nodesync_error",
            "Updates of backends that failed",
            registry=registry,
        )
        self.drift = Counter(
            "service_controller_loadbalancer_drift",
            "Load balancers found changed or deleted by somebody else, and ensured again",
            registry=registry,
        )
        self.orphans = Gauge(
            "service_controller_orphan_loadbalancers",
            "Load balancers with this cluster's mark and no Service; never deleted",
            registry=registry,
        )
        self.node_seconds = Histogram(
            "service_controller_nodesync_latency_seconds",
            "Seconds to find the load balancers that a burst of node changes concerns",
            buckets=_SECONDS,
            registry=registry,
        )
        self.update_seconds = Histogram(
            "service_controller_update_loadbalancer_host_latency_seconds",
            "Seconds to update the backends of one load balancer",
            buckets=_SECONDS,
            registry=registry,
        )
