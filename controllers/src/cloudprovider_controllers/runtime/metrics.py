"""Metrics of the runtime, under upstream's names, labels and buckets (``spec/ccm-core.md`` 4.7)."""

from __future__ import annotations

import weakref
from collections.abc import Callable
from typing import TYPE_CHECKING

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from cloudprovider_controllers.runtime.progress import Progress, ProgressMetrics

if TYPE_CHECKING:
    from cloudprovider_controllers.runtime.workqueue import WorkQueue

_QUEUE_SECONDS = tuple(1e-8 * 10.0**k for k in range(10))
_REQUEST_SECONDS = (0.005, 0.025, 0.1, 0.25, 0.5, 1, 2, 4, 8, 15, 30, 60)
_REQUEST_BYTES = (64, 256, 512, 1024, 4096, 16384, 65536, 262144, 1048576, 4194304, 16777216)


class RuntimeMetrics:
    """All metrics of the runtime, in ``registry``. One per registry."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.registry = registry
        self._queues = _QueueFamilies(registry)
        self._progress = ProgressMetrics(registry)
        self._requests = _RequestFamilies(registry)
        self._leader = Gauge(
            "leader_election_master_status",
            "1 if this process holds the lease, 0 on a standby",
            ["name"],
            registry=registry,
        )
        self._slowpath = Counter(
            "leader_election_slowpath_total",
            "Renewals that needed a read of the lease",
            ["name"],
            registry=registry,
        )

    def queue(self, name: str) -> QueueMetrics:
        """Metrics of the work queue ``name``."""
        return QueueMetrics(self._queues, self._progress, name)

    def loop(self, name: str, progress: Progress) -> None:
        """Show the ``progress`` of the loop ``name``."""
        self._progress.loop(name, progress)

    def requests(self, host: str) -> RequestMetrics:
        """Metrics of requests to the API server at ``host:port``."""
        return RequestMetrics(self._requests, host)

    def election(self, name: str) -> ElectionMetrics:
        """Metrics of the race for the lease ``name``."""
        return ElectionMetrics(self._leader, self._slowpath, name)


class _QueueFamilies:
    def __init__(self, registry: CollectorRegistry) -> None:
        def gauge(name: str, text: str) -> Gauge:
            return Gauge(f"workqueue_{name}", text, ["name"], registry=registry)

        def histogram(name: str, text: str) -> Histogram:
            full = f"workqueue_{name}"
            return Histogram(full, text, ["name"], registry=registry, buckets=_QUEUE_SECONDS)

        self.depth = gauge("depth", "Keys that are ready")
        self.unfinished = gauge("unfinished_work_seconds", "Seconds of work in progress, summed")
        self.longest = gauge("longest_running_processor_seconds", "Seconds of the longest work")
        self.adds = Counter("workqueue_adds", "Keys added", ["name"], registry=registry)
        self.retries = Counter("workqueue_retries", "Delayed adds", ["name"], registry=registry)
        self.waited = histogram("queue_duration_seconds", "Seconds from ready to taken")
        self.worked = histogram("work_duration_seconds", "Seconds of work on a key")


class QueueMetrics:
    """What a work queue reports. Gauges are computed when they are read."""

    def __init__(self, families: _QueueFamilies, progress: ProgressMetrics, name: str) -> None:
        self._families = families
        self._progress = progress
        self._name = name
        self._adds = families.adds.labels(name)
        self._retries = families.retries.labels(name)
        self._waited = families.waited.labels(name)
        self._worked = families.worked.labels(name)

    def attach(self, queue: WorkQueue) -> None:
        """Let the gauges read ``queue`` for as long as it lives."""
        self._progress.queue(self._name, queue)
        reference = weakref.ref(queue)

        def reading(read: Callable[[WorkQueue], float]) -> Callable[[], float]:
            def value() -> float:
                alive = reference()
                return 0.0 if alive is None else read(alive)

            return value

        families, name = self._families, self._name
        families.depth.labels(name).set_function(reading(len))
        families.unfinished.labels(name).set_function(
            reading(lambda found: sum(found.processing().values()))
        )
        families.longest.labels(name).set_function(
            reading(lambda found: max(found.processing().values(), default=0.0))
        )

    def added(self) -> None:
        """A key was added that was not there."""
        self._adds.inc()

    def retried(self) -> None:
        """A key was added with a delay, be it zero."""
        self._retries.inc()

    def taken(self, seconds: float) -> None:
        """A worker took a key that was ready for ``seconds``."""
        self._waited.observe(seconds)

    def finished(self, seconds: float) -> None:
        """A worker spent ``seconds`` on a key."""
        self._worked.observe(seconds)


class _RequestFamilies:
    def __init__(self, registry: CollectorRegistry) -> None:
        def histogram(name: str, text: str, buckets: tuple[float, ...]) -> Histogram:
            full = f"rest_client_{name}"
            return Histogram(full, text, ["verb", "host"], registry=registry, buckets=buckets)

        self.seconds = histogram(
            "request_duration_seconds", "Seconds per request", _REQUEST_SECONDS
        )
        self.limited = histogram(
            "rate_limiter_duration_seconds", "Seconds in the own rate limit", _REQUEST_SECONDS
        )
        self.sent = histogram("request_size_bytes", "Bytes of request bodies", _REQUEST_BYTES)
        self.received = histogram("response_size_bytes", "Bytes of answers", _REQUEST_BYTES)
        self.total = Counter(
            "rest_client_requests", "Requests", ["code", "method", "host"], registry=registry
        )
        self.retries = Counter(
            "rest_client_request_retries", "Retries", ["code", "verb", "host"], registry=registry
        )


class RequestMetrics:
    """What a client reports."""

    def __init__(self, families: _RequestFamilies, host: str) -> None:
        self._families = families
        self._host = host

    def answered(
        self, method: str, status: int, seconds: float, *, sent: int, received: int
    ) -> None:
        """A request ended with ``status``; 0 stands for no answer."""
        families, host = self._families, self._host
        families.total.labels(str(status) if status else "<error>", method, host).inc()
        families.seconds.labels(method, host).observe(seconds)
        families.sent.labels(method, host).observe(sent)
        if status:
            families.received.labels(method, host).observe(received)

    def throttled(self, method: str, seconds: float) -> None:
        """A request waited ``seconds`` for the client's own rate limit."""
        self._families.limited.labels(method, self._host).observe(seconds)

    def retried(self, code: str, method: str) -> None:
        """A request is sent again after ``code``."""
        self._families.retries.labels(code, method, self._host).inc()


class ElectionMetrics:
    """What an elector reports."""

    def __init__(self, leader: Gauge, slowpath: Counter, name: str) -> None:
        self._leader = leader.labels(name)
        self._slowpath = slowpath.labels(name)
        self._leader.set(0)

    def leading(self, leads: bool) -> None:
        """Whether this process holds the lease."""
        self._leader.set(1 if leads else 0)

    def slow(self) -> None:
        """A renewal needed a read of the lease."""
        self._slowpath.inc()
