"""The service controller: gives every Service of type LoadBalancer its load balancer.

One queue, one key per Service, one operation per pass, decided anew each time from the cached
Service, the nodes and what this process knows (:func:`~.decisions.decide`). Node changes only
queue the Services that they concern, so a Service is never worked on twice at a time and a failed
update of its backends is retried with back-off like anything else.

Source: ``spec/ccm-core.md`` 3.4.
"""

from __future__ import annotations

import logging
from collections.abc import Callable

from cloudprovider.concurrency import Event, Thread, current
from cloudprovider.errors import RetryLater
from cloudprovider.interface import LoadBalancer
from cloudprovider.models import Service
from cloudprovider_controllers.context import (
    ControllerContext,
    Running,
    WritesStopped,
    write_guard,
)
from cloudprovider_controllers.runtime.informer import Handler
from cloudprovider_controllers.runtime.limiters import ExponentialLimiter
from cloudprovider_controllers.runtime.worker import Result, run_workers
from cloudprovider_controllers.service.api import Outdated, ServiceApi
from cloudprovider_controllers.service.decisions import (
    Operation,
    ServiceState,
    decide,
    has_address,
    has_finalizer,
    is_being_deleted,
    lacks_marks,
    needs_cleanup,
    needs_update,
    status_equal,
    wants_load_balancer,
)
from cloudprovider_controllers.service.events import ServiceEvents, SyncFailed
from cloudprovider_controllers.service.metrics import ServiceMetrics
from cloudprovider_controllers.service.nodes import EligibleNodes, NodeWatcher
from cloudprovider_controllers.service.state import StateTable
from cloudprovider_controllers.service.surveyor import Surveyor
from cloudprovider_controllers.service.sync import Syncer

logger = logging.getLogger(__name__)

NAME = "service-lb-controller"
#: Client, ServiceAccount and event source (``spec/ccm-core.md`` 3.0).
COMPONENT = "service-controller"

#: Seconds; first passes over load balancers that are there already let new Services go first.
_KNOWN_DELAY = 1.0
#: Seconds until a Service is looked at again for which the cache was behind.
_OUTDATED_DELAY = 5.0
#: Seconds; a field of ours that somebody changed is set again no more often.
_REPAIR_DELAY = 1.0


def start(context: ControllerContext, stop: Event) -> Running | None:
    """Start the controller; None if the cloud has no load balancers."""
    load_balancer = context.cloud.load_balancer()
    if load_balancer is None:
        logger.warning("%s has no load balancers", context.cloud.provider_name())
        return None
    return ServiceController(context, load_balancer, stop).start()


class ServiceController:
    """See the module.

    Args:
        context: What it stands on.
        load_balancer: The cloud's load balancers.
        stop: Ends it.

    """

    def __init__(
        self, context: ControllerContext, load_balancer: LoadBalancer, stop: Event
    ) -> None:
        self._context = context
        self._stop = stop
        self._concurrency = concurrency = context.concurrency or current()
        options = context.options
        self._services = context.informers.services
        self._states = StateTable(concurrency)
        limiter = ExponentialLimiter(options.retry_base, options.retry_cap, concurrency=concurrency)
        self.queue = context.queue("service", limiter)
        nodes = EligibleNodes(context.informers.nodes.store, concurrency)
        check = write_guard(context, stop)
        self._recorder = context.recorder_factory(COMPONENT)
        self._events = ServiceEvents(self._recorder, concurrency)
        self._metrics = ServiceMetrics(context.registry)
        self._api = self._new_api(check)
        self._sync = Syncer(
            cluster_name=context.cluster_name,
            cloud=context.cloud,
            load_balancer=load_balancer,
            api=self._api,
            events=self._events,
            nodes=nodes,
            states=self._states,
            metrics=self._metrics,
            options=options,
            check=check,
            concurrency=concurrency,
        )
        self._watcher = NodeWatcher(
            nodes=nodes,
            states=self._states,
            load_balancer=load_balancer,
            enqueue=self.queue.add,
            options=options,
            concurrency=concurrency,
        )
        self._surveyor = self._new_surveyor(load_balancer)
        #: UIDs by key that an authoritative list showed alive at the start.
        self._alive: dict[str, str] = {}
        #: UIDs by key of Services that were cleaned up and whose deletion is yet to be seen.
        self._finished: dict[str, str] = {}
        self._threads: dict[str, Thread] = {}

    def _new_api(self, may_begin: Callable[[], None]) -> ServiceApi:
        return ServiceApi(
            self._context.client_builder.client(COMPONENT),
            may_begin=may_begin,
            may_end=write_guard(self._context),
            concurrency=self._concurrency,
            ours=self._ours,
            cached=self._services.store.get,
        )

    def _new_surveyor(self, load_balancer: LoadBalancer) -> Surveyor:
        return Surveyor(
            load_balancer,
            cluster_name=self._context.cluster_name,
            services=self._services.store,
            states=self._states,
            ours=self._ours,
            enqueue=self.queue.add,
            metrics=self._metrics,
            concurrency=self._concurrency,
        )

    # -- life ------------------------------------------------------------------------------

    def start(self) -> Running:
        """Start the threads; they wait for the caches."""
        self._recorder.start(self._stop)
        self._context.informers.nodes.add_handler(self._watcher.handler())
        self._services.add_handler(Handler(self._on_add, self._on_update, self._on_delete))
        self._thread("service-controller", self._run)
        self._thread("service-controller-stop", self._wait_for_stop)
        return Running(NAME, self._threads, self.healthy)

    def healthy(self) -> bool:
        """Whether all threads live and none is stuck with one Service."""
        if self._stop.is_set():
            return True
        longest = max(self.queue.processing().values(), default=0.0)
        alive = all(thread.is_alive() for thread in list(self._threads.values()))
        return alive and longest < self._context.options.stuck_after

    def _thread(self, name: str, target: Callable[[], None]) -> None:
        self._threads[name] = self._concurrency.start_thread(target, name=name)

    def _wait_for_stop(self) -> None:
        self._stop.wait()
        self.queue.shut_down(drain=False)
        self._watcher.wake()

    def _run(self) -> None:
        """Wait for the caches, start the workers, then look after the node changes."""
        for informer in (self._context.informers.nodes, self._services):
            if not informer.wait_for_sync(self._stop):
                return
        self._learn_alive()
        workers = run_workers(
            self.queue,
            self.reconcile,
            count=self._context.options.concurrent_service_syncs,
            name="service-worker",
            concurrency=self._concurrency,
        )
        self._threads.update({worker.name: worker for worker in workers})
        if self._context.options.service_verify_period:
            self._thread("service-verifier", self._verify)
        period = self._context.options.service_survey_period
        if period and self._surveyor.useful:
            self._thread("service-surveyor", lambda: self._surveyor.run(self._stop, period))
        self._watcher.run(self._stop, self._metrics.node_seconds.observe)

    def _learn_alive(self) -> None:
        """One list spares a write per Service; without it, each is proved alone."""
        if not any(has_finalizer(service) for service in self._services.store.list()):
            return
        try:
            self._alive = self._api.list_alive()
        except Exception:
            logger.warning("services cannot be listed, each will be checked alone", exc_info=True)

    def _verify(self) -> None:
        """Queue the load balancers that were not compared with the cloud for a long time."""
        while not self._stop.wait(self._context.options.service_verify_period / 20):
            now = self._concurrency.monotonic()
            for key, state in self._states.items():
                if state.verify_at is not None and state.verify_at <= now:
                    self.queue.add(key)

    # -- what queues a Service -------------------------------------------------------------

    def _ours(self, service: Service) -> bool:
        return self._sync.ours(service)

    def _on_add(self, service: Service, initial: bool) -> None:
        ours = self._ours
        if not (wants_load_balancer(service, ours) or needs_cleanup(service, ours)):
            return
        known = initial and has_finalizer(service) and has_address(service)
        if known and not needs_cleanup(service):
            self.queue.add_after(service.key, _KNOWN_DELAY)
        else:
            self.queue.add(service.key)

    def _on_update(self, old: Service, new: Service) -> None:
        cleanup = needs_cleanup(new) and not needs_cleanup(old)
        deletion = is_being_deleted(new) and not is_being_deleted(old)
        if needs_update(old, new, self._ours) or cleanup or deletion:
            self.queue.forget(new.key)  # what failed may work now
            self.queue.add(new.key)
        elif self._was_tampered_with(new):
            self.queue.add_after(new.key, _REPAIR_DELAY)

    def _was_tampered_with(self, service: Service) -> bool:
        state = self._states.get(service.key)
        if state is None:
            return False
        # Also while a pass is under way: it goes by what it read before, and the queue keeps the
        # key for after it.
        status = service.status.load_balancer
        foreign = state.status is not None and not status_equal(state.status, status)
        claimed = state.ensured is not None or state.proven
        return foreign or (claimed and lacks_marks(service, state))

    def _on_delete(self, service: Service) -> None:
        cloud = self._context.cloud
        finished = self._finished.pop(service.key, "") == service.metadata.uid
        had_balancer = has_finalizer(service) or has_address(service)
        known = self._states.get(service.key) is not None
        # Not what is only disputed: there the record, say, names a provider that is not here.
        owned = wants_load_balancer(service, lambda it: bool(cloud.service_owner(it).name))
        if owned and had_balancer and not (finished or known):
            # Its finalizer was taken away by hand before this process ever looked at it.
            self._states.of(service).attempted = True
        self.queue.add(service.key)

    # -- one pass --------------------------------------------------------------------------

    def reconcile(self, key: str) -> Result | None:
        """One pass over the Service ``key``.

        Raises:
            SyncFailed: it failed; the user was told, the queue retries it.

        """
        service = self._services.store.get(key)
        state = self._states.get(key)
        try:
            if state is not None and _is_another(state, service):
                self._leave(key, state)
                state = None
            return self._operate(key, service, state)
        except WritesStopped:
            return Result(after=1.0)
        except Outdated as reason:
            logger.info("%s; looking again in %g s", reason, _OUTDATED_DELAY)
            return Result(after=_OUTDATED_DELAY)
        except SyncFailed as failure:
            state = self._states.get(key)
            if state is not None:
                self._events.failed(state, state.service, failure)
            if isinstance(failure.cause, RetryLater):
                return Result(after=failure.cause.after)
            raise

    def _leave(self, key: str, state: ServiceState) -> None:
        """The Service that ``state`` is about is gone; what stands under its name is another."""
        if state.attempted:
            self._sync.delete_gone(state)
        self._states.drop(key)

    def _operate(
        self, key: str, service: Service | None, state: ServiceState | None
    ) -> Result | None:
        if service is None:
            return None
        operation = decide(
            service,
            state,
            backends_changed=self._watcher.backends_changed,
            now=self._concurrency.monotonic(),
            ours=self._ours,
        )
        if operation is Operation.NOTHING:
            if state is not None and not wants_load_balancer(service, self._ours):
                self._states.drop(key)
            return None
        if state is None:
            state = self._new_state(service)
        state.service = service
        again = False
        if operation is Operation.ENSURE:
            again = self._sync.ensure(state, service)
        elif operation is Operation.UPDATE_NODES:
            again = self._sync.update_nodes(state, service)
        elif operation is Operation.PATCH_STATUS:
            self._sync.restore_status(state, service)
        else:
            self._clean_up(key, state, service)
        if again:
            self.queue.add(key)
        return None

    def _new_state(self, service: Service) -> ServiceState:
        state = self._states.of(service)
        alive = self._alive.pop(service.key, "") == service.metadata.uid
        state.proven = alive and has_address(service)
        return state

    def _clean_up(self, key: str, state: ServiceState, service: Service) -> None:
        self._sync.clean_up(state, service)
        self._finished[key] = service.metadata.uid
        self._states.drop(key)


def _is_another(state: ServiceState, service: Service | None) -> bool:
    return service is None or service.metadata.uid != state.service.metadata.uid
