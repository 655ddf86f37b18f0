"""The controllers of a leader: which run, what they stand on, and how they end.

Source: ``spec/ccm-core.md`` 3.0, 4.3, 4.8 steps 6 to 9.
"""

from __future__ import annotations

import dataclasses
import logging
from collections.abc import Callable, Sequence

from cloudprovider.concurrency import Concurrency, Event, Thread
from cloudprovider.interface import Interface
from cloudprovider.plugins import explain
from cloudprovider.router import Router
from cloudprovider_controllers.context import (
    ControllerContext,
    ControllerOptions,
    Informers,
    Running,
)
from cloudprovider_controllers.runtime.informer import Informer
from cloudprovider_controllers.runtime.recorder import EventRecorder
from cloudprovider_controllers.runtime.resources import NODES, SERVICES
from cloudprovider_manager.access import Access
from cloudprovider_manager.monitoring import Monitoring
from cloudprovider_manager.options import Options
from cloudprovider_manager.validation import controller_enabled, routes_managed

_log = logging.getLogger(__name__)


#: Starts a controller; None if the provider lacks what it needs.
_Start = Callable[[ControllerContext, Event], Running | None]

#: Seconds that slow providers are waited for before the others' controllers start.
_PATIENCE = 10.0
#: Seconds between two looks at whether waiting still makes sense.
_LOOK = 0.2


class Loops:
    """Starts the controllers once and waits for them at the end."""

    def __init__(
        self,
        options: Options,
        access: Access,
        monitoring: Monitoring,
        *,
        may_write: Callable[[], bool],
        on_started: Callable[[Running], None],
        concurrency: Concurrency,
    ) -> None:
        self._options = options
        self._access = access
        self._monitoring = monitoring
        self._may_write = may_write
        self._on_started = on_started
        self._concurrency = concurrency
        self._starting = concurrency.lock()
        self._chosen: list[tuple[str, _Start]] = []  # what the options ask for
        #: With their canonical names, which are empty for what is no controller.
        self._running: list[tuple[str, Running]] = []
        self._recorders: list[EventRecorder] = []
        # Events of the last calls in flight are still sent after the controllers were stopped.
        self._events_stop = concurrency.event()

    def start(self, router: Router, stop: Event) -> None:
        """Initialise the providers and start every controller that they and the options ask for.

        One controller looks after all Services; nodes and routes have one for each provider.
        """
        self._chosen = self._wanted()
        router.use_metrics(self._monitoring.registry)
        router.fence_writes(self._may_write)
        informers = self._informers()
        shares = router.shares()
        several = len(shares) > 1
        contexts = [
            self._context(share, informers, share.provider_name() if several else "")
            for share in shares
        ]
        if several:
            self._start_each(router, contexts, stop)
        else:
            router.initialize(self._access.components, stop)
            self._monitoring.provider(router.provider_name(), True)
            self._start_share(contexts[0], stop)
        self._start_services(router, informers, stop)
        informers.nodes.start(stop)
        informers.services.start(stop)

    def _start_services(self, router: Router, informers: Informers, stop: Event) -> None:
        from cloudprovider_controllers.service import controller as service

        context = self._context(router, informers)
        workers = router.workers
        options = dataclasses.replace(context.options, concurrent_service_syncs=workers)
        with self._starting:
            self._start_all([service.NAME], dataclasses.replace(context, options=options), stop)

    def _start_each(
        self, router: Router, contexts: Sequence[ControllerContext], stop: Event
    ) -> None:
        """Start the providers side by side, and wait a while for those that are slow.

        One that fails or is late gets its controllers once it works; its objects stay as they are
        until then, and the others run meanwhile (R6).
        """
        for context in contexts:
            self._monitoring.provider(context.provider, False)
        tried = [self._start_one(router, context, stop) for context in contexts]
        deadline = self._concurrency.monotonic() + _PATIENCE
        for one in tried:
            one.wait(max(0.0, deadline - self._concurrency.monotonic()))

    def _start_one(self, router: Router, context: ControllerContext, stop: Event) -> Event:
        """Initialise a provider until that works, then start its controllers.

        The event is set after the first attempt.
        """
        tried = self._concurrency.event()

        def run() -> None:
            pause = context.options.retry_base
            while not router.initialize_one(context.provider, self._access.components, stop):
                tried.set()
                if stop.wait(pause):
                    return
                pause = min(2 * pause, context.options.retry_cap)
            self._monitoring.provider(context.provider, True)
            try:
                self._start_share(context, stop)
            finally:
                tried.set()

        name = f"start-{context.provider}"
        thread = self._concurrency.start_thread(run, name=name)
        self._running.append(("", Running("provider", {name: thread}, lambda: True)))
        return tried

    def _start_share(self, context: ControllerContext, stop: Event) -> None:
        """Start the controllers that look after what one provider has alone."""
        from cloudprovider_controllers.node import controller as node
        from cloudprovider_controllers.nodelifecycle import controller as lifecycle
        from cloudprovider_controllers.route import controller as route

        with self._starting:
            self._start_all([node.NAME, lifecycle.NAME, route.NAME], context, stop)
            self._start_cleanup(context, stop)

    def _start_all(self, names: Sequence[str], context: ControllerContext, stop: Event) -> None:
        for name, start in self._chosen:
            if stop.is_set():
                return
            if name not in names:
                continue
            running = self._start_controller(name, start, context, stop)
            if running is None:
                continue
            _log.info("started %s", running.name)
            self._running.append((name, running))
            self._monitoring.running(name, True)
            self._on_started(running)
            if self._options.controller_start_interval:
                # Spread as upstream spreads it, for managers that start at once.
                spread = self._concurrency.random.uniform(1.0, 2.0)
                stop.wait(self._options.controller_start_interval * spread)

    def _start_controller(
        self, name: str, start: _Start, context: ControllerContext, stop: Event
    ) -> Running | None:
        provider = context.cloud.provider_name()
        try:
            running = start(context, stop)
        except Exception as error:  # one of several fails alone (R6)
            if not context.provider:
                raise
            _log.error("%s of provider %s could not be started: %s", name, provider, explain(error))
            return None
        if running is None:
            _log.warning("%s skipped: provider %s has no need of it", name, provider)
            return None
        if context.provider:
            running = dataclasses.replace(running, name=f"{running.name}-{context.provider}")
        return running

    def join(self, deadline: float, *, give_up: Callable[[], bool]) -> list[str]:
        """Wait until the work in flight ended; names of threads that are still busy.

        Ends at ``deadline`` (monotonic seconds) or soon after ``give_up`` says so.
        """
        while True:
            busy = self._busy()
            left = deadline - self._concurrency.monotonic()
            if not busy or left <= 0 or give_up():
                break
            busy[0][1].join(min(_LOOK, left))
        for name in {name for name, _ in self._running if name}:
            self._monitoring.running(name, False)
        return [name for name, _ in busy]

    def _busy(self) -> list[tuple[str, Thread]]:
        return [
            (f"{running.name}/{name}", thread)
            for _, running in list(self._running)
            for name, thread in list(running.threads.items())  # one may be added meanwhile
            if thread.is_alive()
        ]

    def flush(self, timeout: float) -> None:
        """Send the events that wait, for at most ``timeout`` seconds in all."""
        deadline = self._concurrency.monotonic() + timeout
        for recorder in self._recorders:
            if not recorder.flush(max(0.0, deadline - self._concurrency.monotonic())):
                _log.warning("not every event could be sent")
        self._events_stop.set()

    def _wanted(self) -> list[tuple[str, _Start]]:
        # Here: a standby need not import them.
        from cloudprovider_controllers.node import controller as node
        from cloudprovider_controllers.nodelifecycle import controller as lifecycle
        from cloudprovider_controllers.route import controller as route
        from cloudprovider_controllers.service import controller as service

        present: dict[str, _Start] = {
            node.NAME: node.start,
            lifecycle.NAME: lifecycle.start,
            service.NAME: service.start,
            route.NAME: route.start,
        }
        wanted: list[tuple[str, _Start]] = []
        for name, start in present.items():
            if not controller_enabled(name, self._options):
                _log.warning("%s is disabled", name)
            elif name != route.NAME or routes_managed(self._options):
                wanted.append((name, start))
        return wanted

    def _start_cleanup(self, context: ControllerContext, stop: Event) -> None:
        """Take back what the route controller wrote while routes were on."""
        from cloudprovider_controllers.route import controller as route

        off = not routes_managed(self._options) or context.cloud.routes() is None
        if off and controller_enabled(route.NAME, self._options):
            self._running.append((route.NAME, route.start_cleanup(context, stop)))

    def _informers(self) -> Informers:
        client = self._access.client("shared-informers")
        return Informers(
            nodes=Informer(client, NODES, concurrency=self._concurrency),
            services=Informer(client, SERVICES, concurrency=self._concurrency),
        )

    def _context(
        self, cloud: Interface, informers: Informers, provider: str = ""
    ) -> ControllerContext:
        options = self._options
        return ControllerContext(
            cloud=cloud,
            provider=provider,
            client_builder=self._access.components,
            informers=informers,
            recorder_factory=self._recorder,
            registry=self._monitoring.registry,
            runtime_metrics=self._monitoring.runtime,
            cluster_name=options.cluster_name,
            cluster_cidrs=options.cluster_cidr,
            options=ControllerOptions(
                concurrent_service_syncs=options.concurrent_service_syncs,
                concurrent_node_syncs=options.concurrent_node_syncs,
                concurrent_node_status_updates=options.concurrent_node_status_updates,
                node_status_update_frequency=options.node_status_update_frequency,
                node_monitor_period=options.node_monitor_period,
                missing_nodes_threshold=options.missing_nodes_threshold,
                route_reconciliation_period=options.route_reconciliation_period,
                service_verify_period=options.min_resync_period,
            ),
            may_write=self._may_write,
            concurrency=self._concurrency,
        )

    def _recorder(self, component: str) -> EventRecorder:
        recorder = _Recorder(
            # Upstream's event source route_controller is no name of a ServiceAccount.
            self._access.client(component.replace("_", "-")),
            component=component,
            host=self._concurrency.hostname(),
            concurrency=self._concurrency,
        )
        recorder.outlives = self._events_stop
        self._recorders.append(recorder)
        return recorder


class _Recorder(EventRecorder):
    """Goes on after the controllers' stop, until :meth:`Loops.flush` is through."""

    outlives: Event

    def start(self, stop: Event) -> list[Thread]:  # noqa: ARG002 - that is the point
        return super().start(self.outlives)
