"""Results of health checks as metrics, on a page of their own: ``/metrics/slis``.

They say how the process would be seen by whoever probes it, so they change only when it is probed.
Names are upstream's. Source: ``spec/ccm-core.md`` 4.7.
"""

from __future__ import annotations

from collections.abc import Iterable

from prometheus_client import CollectorRegistry
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.exposition import generate_latest
from prometheus_client.registry import Collector

from cloudprovider.concurrency import Concurrency


class HealthMetrics(Collector):
    """Counts results of checks. Thread-safe."""

    def __init__(self, *, concurrency: Concurrency) -> None:
        self._lock = concurrency.lock()
        self._last: dict[tuple[str, str], bool] = {}
        self._totals: dict[tuple[str, str, str], int] = {}
        self._registry = CollectorRegistry()
        self._registry.register(self)

    def observe(self, name: str, endpoint: str, healthy: bool) -> None:
        """The check ``name``, asked by ``/endpoint``, had this result."""
        key = (name, endpoint, "success" if healthy else "error")
        with self._lock:
            self._last[name, endpoint] = healthy
            self._totals[key] = self._totals.get(key, 0) + 1

    def reset(self) -> None:
        """Forget every result."""
        with self._lock:
            self._last.clear()
            self._totals.clear()

    def text(self) -> bytes:
        """In Prometheus' text format."""
        return generate_latest(self._registry)

    def collect(self) -> Iterable[Metric]:
        last = GaugeMetricFamily(
            "kubernetes_healthcheck", "1 if the last check succeeded", labels=["name", "type"]
        )
        totals = CounterMetricFamily(
            "kubernetes_healthchecks", "Checks by result", labels=["name", "type", "status"]
        )
        with self._lock:
            for labels, healthy in self._last.items():
                last.add_metric(labels, 1 if healthy else 0)
            for key, count in self._totals.items():
                totals.add_metric(key, count)
        return [last, totals]
