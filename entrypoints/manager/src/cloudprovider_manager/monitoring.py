"""The metrics of the process, in one registry of its own.

Source: ``spec/ccm-core.md`` 4.7.
"""

from __future__ import annotations

import platform
from collections.abc import Iterable, Iterator

from prometheus_client import CollectorRegistry, Gauge, Metric, ProcessCollector
from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest

from cloudprovider.concurrency import Concurrency, current
from cloudprovider_controllers.runtime.metrics import RuntimeMetrics
from cloudprovider_manager import logs
from cloudprovider_manager.health_metrics import HealthMetrics
from cloudprovider_manager.release import version, version_info

_MANAGER = "cloud-controller-manager"
_SHORT_NAMES = {
    "cloud-node-controller": "cloud-node",
    "cloud-node-lifecycle-controller": "cloud-node-lifecycle",
    "service-lb-controller": "service",
    "node-route-controller": "route",
}


class Monitoring:
    """All metrics; ``registry`` is handed to whoever adds more.

    ``disabled`` names metrics that are not served.
    """

    content_type = CONTENT_TYPE_LATEST

    def __init__(
        self, disabled: Iterable[str] = (), *, concurrency: Concurrency | None = None
    ) -> None:
        self.registry = CollectorRegistry()
        self._served = _Served(self.registry, frozenset(disabled))
        self.slis = HealthMetrics(concurrency=concurrency or current())
        ProcessCollector(registry=self.registry)
        self.runtime = RuntimeMetrics(self.registry)
        _build_info(self.registry)
        lost = Gauge(
            "cloudprovider_log_lost_lines",
            "Lines of the log that were dropped because nobody read it fast enough",
            registry=self.registry,
        )
        lost.set_function(logs.lost)
        self._running: Gauge | None = None
        self._initialized: Gauge | None = None

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

    def provider(self, name: str, works: bool) -> None:
        """Say whether the provider ``name`` could be initialised. Absent on a standby."""
        if self._initialized is None:
            self._initialized = Gauge(
                "cloudprovider_initialized",
                "1 if the provider could be initialised; its objects are left alone until then",
                ["provider"],
                registry=self.registry,
            )
        self._initialized.labels(name).set(1 if works else 0)

    def text(self) -> bytes:
        """All metrics in Prometheus' text format."""
        return generate_latest(self._served)


class _Served(CollectorRegistry):
    """What is in ``registry`` without the metrics that ``--disabled-metrics`` names."""

    def __init__(self, registry: CollectorRegistry, disabled: frozenset[str]) -> None:
        super().__init__()
        self._source = registry
        self._disabled = disabled

    def collect(self) -> Iterator[Metric]:
        for family in self._source.collect():
            if not {family.name, f"{family.name}_total"} & self._disabled:
                yield family


def _build_info(registry: CollectorRegistry) -> None:
    """Which version runs: under a name of ours, and under the name that dashboards ask for."""
    own = Gauge(
        "cloudprovider_build_info",
        "Always 1",
        ["version", "python_version", "platform"],
        registry=registry,
    )
    own.labels(version(), platform.python_version(), platform.machine()).set(1)
    info = version_info()
    labels = {
        "major": info["major"],
        "minor": info["minor"],
        "git_version": info["gitVersion"],
        "git_commit": "",
        "git_tree_state": "",
        "build_date": "",
        "go_version": "",
        "compiler": platform.python_implementation(),
        "platform": info["platform"],
    }
    theirs = Gauge(
        "kubernetes_build_info",
        "Always 1; the version is this manager's, not Kubernetes'",
        list(labels),
        registry=registry,
    )
    theirs.labels(**labels).set(1)
