"""The metrics of the process, in one registry of its own.

Source: ``spec/ccm-core.md`` 4.7.
"""

from __future__ import annotations

import platform

from prometheus_client import CollectorRegistry, Gauge, ProcessCollector
from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest

from cloudprovider.concurrency import Concurrency, current
from cloudprovider_controllers.runtime.metrics import RuntimeMetrics
from cloudprovider_manager.health_metrics import HealthMetrics
from cloudprovider_manager.release import version

_MANAGER = "cloud-controller-manager"
_SHORT_NAMES = {
    "cloud-node-controller": "cloud-node",
    "cloud-node-lifecycle-controller": "cloud-node-lifecycle",
    "service-lb-controller": "service",
    "node-route-controller": "route",
}


class Monitoring:
    """All metrics; ``registry`` is handed to whoever adds more."""

    content_type = CONTENT_TYPE_LATEST

    def __init__(self, *, concurrency: Concurrency | None = None) -> None:
        self.registry = CollectorRegistry()
        self.slis = HealthMetrics(concurrency=concurrency or current())
        ProcessCollector(registry=self.registry)
        self.runtime = RuntimeMetrics(self.registry)
        build = Gauge(
            "cloudprovider_build_info",
            "Always 1",
            ["version", "python_version", "platform"],
            registry=self.registry,
        )
        build.labels(version(), platform.python_version(), platform.machine()).set(1)
        self._running: Gauge | None = None

    def running(self, controller: str, running: bool) -> None:
        """Say whether the controller of this canonical name runs. Absent on a standby."""
        if self._running is None:
            self._running = Gauge(
                "running_managed_controllers",
                "1 if the controller runs",
                ["name", "manager"],
                registry=self.registry,
            )
        name = _SHORT_NAMES.get(controller, controller)
        self._running.labels(name, _MANAGER).set(1 if running else 0)

    def text(self) -> bytes:
        """All metrics in Prometheus' text format."""
        return generate_latest(self.registry)
