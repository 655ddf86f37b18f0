"""``metrics.md``: the metrics of a leading manager, from the registry that it serves."""

from __future__ import annotations

import importlib
import inspect
from collections.abc import Iterator

from prometheus_client import CollectorRegistry
from prometheus_client.metrics import MetricWrapperBase

from cloudprovider.toolkit.calls import call_metrics
from cloudprovider_manager.monitoring import Monitoring
from generator import markdown, source_events

_INTRODUCTION = """\
Served on `/metrics` of the secure port to [those who may](../guides/metrics.md). Names, labels and
buckets are those of Kubernetes' own managers where those have one. A histogram `x` is served as
`x_bucket`, `x_sum` and `x_count`. Counters end in `_total`. Where several providers run, those of
nodes and routes have the label `provider` too."""

_ALSO = """\
On Linux also `process_…` of prometheus_client: CPU seconds, memory, open files, start time.

On a page of its own, `/metrics/slis`: the gauge `kubernetes_healthcheck` (labels `name`, `type`; 1
if the last check succeeded) and the counter `kubernetes_healthchecks_total` (`name`, `type`,
`status` = `success` or `error`). `type` is `healthz`, `livez` or `readyz`; a check is counted when
one of these is asked for. An HTTP DELETE forgets them."""


def page() -> str:
    """The page."""
    return markdown.page(
        "Metrics",
        _INTRODUCTION,
        markdown.table(("Name", "Type", "Labels", "Meaning", "Buckets"), rows()),
        _ALSO,
    )


def rows() -> list[tuple[str, ...]]:
    """One row for each metric, by name."""
    return sorted(_row(metric) for metric in _registered(_registry()))


def _registry() -> CollectorRegistry:
    """What a manager that leads with a provider serves."""
    monitoring = Monitoring()
    monitoring.running("cloud-node-controller", True)
    monitoring.provider("alicloud", True)
    for controller in sorted(source_events.started()):
        module = importlib.import_module(f"cloudprovider_controllers.{controller}.metrics")
        for name, item in vars(module).items():
            if inspect.isclass(item) and item.__module__ == module.__name__:
                vars(module)[name](monitoring.registry)
    call_metrics(monitoring.registry)
    return monitoring.registry


def _registered(registry: CollectorRegistry) -> Iterator[MetricWrapperBase]:
    # The registry has no public list of what is in it, only of samples.
    collectors = dict.fromkeys(registry._names_to_collectors.values())
    return (item for item in collectors if isinstance(item, MetricWrapperBase))


def _row(metric: MetricWrapperBase) -> tuple[str, ...]:
    (family,) = metric.describe()
    name = f"{family.name}_total" if family.type == "counter" else family.name
    bounds = [bound for bound in getattr(metric, "_upper_bounds", []) if bound != float("inf")]
    return (
        markdown.code(name),
        family.type,
        ", ".join(markdown.code(label) for label in metric._labelnames),
        family.documentation,
        f"{bounds[0]:g} to {bounds[-1]:g}" if bounds else "",
    )
