"""What a controller is given: the cloud, the caches, the clients and the settings.

Every controller package has a function ``start(context, stop) -> Running | None`` in its
``controller`` module: it starts the threads and returns at once; None means that the cloud has no
such capability. The threads wait for the caches themselves. ``stop`` ends them.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Protocol

from prometheus_client import CollectorRegistry

from cloudprovider.concurrency import Concurrency, Event, Thread, current
from cloudprovider.interface import Interface
from cloudprovider_controllers.runtime.errors import WritesStopped as WritesStopped  # noqa: PLC0414 - told from here
from cloudprovider_controllers.runtime.progress import Progress
from cloudprovider_controllers.runtime.workqueue import WorkQueue

if TYPE_CHECKING:
    from cloudprovider_controllers.runtime.client import Client
    from cloudprovider_controllers.runtime.informer import Informer
    from cloudprovider_controllers.runtime.metrics import RuntimeMetrics
    from cloudprovider_controllers.runtime.recorder import EventRecorder
    from cloudprovider_controllers.runtime.workqueue import Limiter


class Clients(Protocol):
    """Hands out Kubernetes clients, each with a request budget of its own."""

    def client(self, name: str) -> Client:
        """A client that presents itself as the component ``name``."""


@dataclasses.dataclass(frozen=True)
class Informers:
    """The shared caches. Whoever builds the context starts them."""

    nodes: Informer
    services: Informer
    endpoint_slices: Informer | None = None


@dataclasses.dataclass(frozen=True)
class ControllerOptions:
    """Settings of the controllers. Durations are seconds.

    The first four and ``node_monitor_period`` are flags of upstream's manager
    (``spec/ccm-core.md`` 4.2); the rest have no upstream counterpart.
    """

    concurrent_service_syncs: int = 20
    """Services worked on at once. The provider's budget per cloud API is the real limit, so this
    is wide; upstream's default is 1."""
    concurrent_node_syncs: int = 10
    """Nodes written to Kubernetes at once. The cloud is asked in batches whatever this is."""
    concurrent_node_status_updates: int = 0
    """The same in the node status loop; 0 = as many as ``concurrent_node_syncs``."""
    node_status_update_frequency: float = 300.0
    """Pause between two passes of the node status loop."""
    node_batch_size: int = 100
    """Nodes initialised with one question to the provider."""
    node_batch_window: float = 0.1
    """How long a node waits for others to be asked about together."""
    node_monitor_period: float = 5.0
    """Pause between two looks at the nodes that are not ready."""
    node_startup_grace_period: float = 60.0
    """A node that waits for its initialisation is not looked up while it is younger than this."""
    missing_nodes_threshold: float = 1 / 3
    """No Node is deleted while more than this part of the cloud's nodes is missing, 1 = always."""
    node_burst_window: float = 0.5
    """Node changes this close together are one change for the load balancers."""
    node_burst_limit: float = 5.0
    """The longest that a burst of node changes is collected."""
    node_compare_period: float = 300.0
    """Backends wanted and last sent are compared at least this often, without any call."""
    service_verify_period: float = 21600.0
    """Load balancers are compared with the cloud again after this to twice this; 0 = never."""
    service_survey_period: float = 300.0
    """A provider that can tell cheaply is asked this often what was changed; 0 = never."""
    route_reconciliation_period: float = 300.0
    """Routes are compared with the cloud at least this often, and at each change of a node's."""
    route_delete_window: float = 60.0
    """In this time at most max(1, 10 %) of the routes are deleted because no node wants them."""
    pod_cidr_grace: float = 60.0
    """A node that has no podCIDR at this age is marked as without network."""
    retry_base: float = 5.0
    """First wait after a failure; it doubles up to ``retry_cap``."""
    retry_cap: float = 300.0
    stuck_after: float = 900.0
    """A controller that works on one item for longer is unhealthy."""

    def __post_init__(self) -> None:
        """Refuse what would silently switch a controller off or make it spin."""
        for field in dataclasses.fields(self):
            value = getattr(self, field.name)
            if field.name not in _MAY_BE_ZERO and value <= 0:
                raise ValueError(f"{field.name} must be a positive number, got {value}")
            if value < 0:
                raise ValueError(f"{field.name} cannot be a negative number, got {value}")


_MAY_BE_ZERO = frozenset(
    {
        "concurrent_node_status_updates",
        "node_batch_window",
        "node_burst_window",
        "node_startup_grace_period",
        "pod_cidr_grace",
        "service_survey_period",
        "service_verify_period",
    }
)


@dataclasses.dataclass(frozen=True)
class ControllerContext:
    """Everything that a controller stands on."""

    cloud: Interface
    client_builder: Clients
    informers: Informers
    recorder_factory: Callable[[str], EventRecorder]
    """Gives the event recorder of a component; the controller starts it."""
    registry: CollectorRegistry
    """Where the controllers' own metrics go."""
    runtime_metrics: RuntimeMetrics | None = None
    """Those of the runtime in the same registry: the work queues'."""
    provider: str = ""
    """The provider that ``cloud`` is, where several run: the label of metrics."""
    cluster_name: str = "kubernetes"
    cluster_cidrs: tuple[str, ...] = ()
    """The Pods' ranges; without one there are no routes."""
    options: ControllerOptions = ControllerOptions()
    may_write: Callable[[], bool] = lambda: True
    """Whether this process still holds the lease; asked before every write."""
    concurrency: Concurrency | None = None

    def queue(self, name: str, limiter: Limiter) -> WorkQueue:
        """A work queue called ``name`` in the metrics."""
        name = self._named(name)
        metrics = self.runtime_metrics.queue(name) if self.runtime_metrics else None
        return WorkQueue(name, limiter=limiter, metrics=metrics, concurrency=self.concurrency)

    def loop(self, name: str) -> Progress:
        """Where the loop called ``name`` in the metrics says how its passes go."""
        progress = Progress(self.concurrency or current())
        if self.runtime_metrics:
            self.runtime_metrics.loop(self._named(name), progress)
        return progress

    def _named(self, name: str) -> str:
        """``name`` in the metrics: where several providers run, each has its own."""
        return f"{name}-{self.provider}" if self.provider else name


@dataclasses.dataclass(frozen=True)
class Running:
    """A started controller."""

    name: str
    """Its canonical name (``spec/ccm-core.md`` 3.0), also that of its health check."""
    threads: Mapping[str, Thread]
    healthy: Callable[[], bool]
    """False when a thread died or one item takes longer than ``stuck_after``."""

    def join(self, timeout: float | None = None) -> None:
        """Wait until the work in flight is done, ``timeout`` seconds for each thread."""
        for thread in self.threads.values():
            thread.join(timeout)


def write_guard(context: ControllerContext, stop: Event | None = None) -> Callable[[], None]:
    """A check to make right before each write to the cloud or to Kubernetes.

    Without ``stop`` only the lease counts: for the write that ends what was begun before a stop.

    Raises (the check):
        WritesStopped: ``stop`` is set or the lease is lost.
    """
    return guard(context.may_write, stop)


def guard(may_write: Callable[[], bool], stop: Event | None = None) -> Callable[[], None]:
    """See :func:`write_guard`."""

    def check() -> None:
        if (stop is not None and stop.is_set()) or not may_write():
            raise WritesStopped("not the leader any more, or stopping; nothing was written")

    return check
