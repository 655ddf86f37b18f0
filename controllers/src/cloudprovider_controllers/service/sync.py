"""The operations on one Service: the only place of this controller that calls the cloud.

Source: ``spec/ccm-core.md`` 3.4.3 to 3.4.5.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import TypeVar

from cloudprovider.concurrency import Concurrency
from cloudprovider.errors import CloudProviderError, ImplementedElsewhere, ResourceNotFound
from cloudprovider.interface import Interface, LoadBalancer
from cloudprovider.models import LoadBalancerStatus, Node, Service
from cloudprovider.owners import is_recordable, recorded
from cloudprovider.toolkit import fence
from cloudprovider_controllers.context import ControllerOptions
from cloudprovider_controllers.provider_calls import guarded
from cloudprovider_controllers.runtime.errors import ApiError
from cloudprovider_controllers.runtime.transport import TransportError
from cloudprovider_controllers.service.api import Outdated, ServiceApi
from cloudprovider_controllers.service.decisions import (
    ServiceState,
    announces_change,
    as_recorded,
    has_address,
    has_finalizer,
    is_being_deleted,
    is_elsewhere,
    logged_node_names,
    needs_update,
    status_equal,
    wants_load_balancer,
)
from cloudprovider_controllers.service.events import ServiceEvents, SyncFailed
from cloudprovider_controllers.service.metrics import ServiceMetrics
from cloudprovider_controllers.service.nodes import EligibleNodes
from cloudprovider_controllers.service.state import StateTable

_T = TypeVar("_T")

#: Seconds until a Service is looked at again that changed under a pass.
_AT_ONCE = 0.1


@dataclasses.dataclass(frozen=True)
class Syncer:
    """Carries out what was decided for one Service.

    Every operation raises SyncFailed (with the error inside) after it told the user what there is
    to tell, Outdated if the cache is behind, and WritesStopped if nothing may be written.
    """

    cluster_name: str
    cloud: Interface
    load_balancer: LoadBalancer
    api: ServiceApi
    events: ServiceEvents
    nodes: EligibleNodes
    states: StateTable
    metrics: ServiceMetrics
    options: ControllerOptions
    check: Callable[[], None]
    concurrency: Concurrency

    def ours(self, service: Service) -> bool:
        """Whether a provider here has a say in ``service``."""
        owner = self.cloud.service_owner(service)
        return bool(owner.name or owner.problem)

    def ensure(self, state: ServiceState, service: Service) -> bool:
        """Create the load balancer or bring all of it up to date; True to look again at once."""
        state.ensured = None
        announce = announces_change(state, service)
        service = self._claim(state, service)
        state.record = recorded(service)
        state.announced = service
        state.announced_deletion = False
        if announce:
            state.to_confirm = True
            state.warned = ""
            self.events.ensuring(service)
        nodes = self.nodes.current()
        if announce and not self.cloud.own_nodes(service, nodes):
            self.events.no_nodes(service)
        again = self._ensure_in_cloud(state, service, nodes)
        if state.status is not None:
            self.patch_status(state, service)
        return again

    def _ensure_in_cloud(
        self, state: ServiceState, service: Service, nodes: tuple[Node, ...]
    ) -> bool:
        self.states.begin_call(state)
        self.check()
        state.attempted = True
        state.attempted_without_nodes = not self.cloud.own_nodes(service, nodes)
        self.metrics.syncs.inc()
        try:
            state.status = self._while_current(
                service,
                lambda: self.load_balancer.ensure_load_balancer(self.cluster_name, service, nodes),
            )
        except ImplementedElsewhere:
            state.to_confirm = False
            state.status = None
        except Exception as error:
            raise SyncFailed("failed to ensure load balancer", error) from error
        else:
            _check_status(state.status)
        state.ensured = service
        state.verify_at = self._next_look()
        return self.states.end_call(state, nodes)

    def patch_status(self, state: ServiceState, service: Service) -> None:
        """Write the status that the provider reported, if the Service has another."""
        status = state.status or LoadBalancerStatus()
        changed = not status_equal(status, service.status.load_balancer)
        if changed:
            try:
                self.api.report(service, status)
            except (ApiError, TransportError) as error:
                raise SyncFailed("failed to update load balancer status", error) from error
        if state.to_confirm or state.warned or changed:
            self.events.ensured(service)
        state.to_confirm = False
        state.warned = ""

    def restore_status(self, state: ServiceState, service: Service) -> None:
        """Write the status that we reported again, if the live Service has another.

        The cache may only not have seen yet what we wrote last.
        """
        live = self._api_call("failed to read the service", lambda: self.api.live(service))
        if live is not None:
            self.patch_status(state, live)

    def update_nodes(self, state: ServiceState, service: Service) -> bool:
        """Bring only the backends up to date; True to look again at once."""
        nodes = self.nodes.current()
        own = self.cloud.own_nodes(service, nodes)
        self.states.begin_call(state)
        self.check()
        self.metrics.syncs.inc()
        started = self.concurrency.monotonic()
        try:
            self._while_current(
                service,
                lambda: self.load_balancer.update_load_balancer(self.cluster_name, service, nodes),
            )
        except ImplementedElsewhere:
            return self.states.end_call(state, nodes)
        except ResourceNotFound:
            # Somebody deleted it in the cloud: everything has to be made anew.
            state.ensured = None
            return True
        except Exception as error:
            self.metrics.node_errors.inc()
            names = logged_node_names(own)
            raise SyncFailed("", error, update_of=names, node_count=len(own)) from error
        self.metrics.update_seconds.observe(self.concurrency.monotonic() - started)
        if own:
            self.events.updated(service)
        else:
            self.events.no_nodes(service)
        state.warned = ""
        return self.states.end_call(state, nodes)

    def clean_up(self, state: ServiceState, service: Service) -> None:
        """Delete the load balancer of a Service that still exists, then let go of it.

        The live object decides, not the cache: it may know an address that the cache does not.
        """
        live = self._api_call("failed to read the service", lambda: self.api.live(service))
        if live is None:
            if state.attempted:
                raise Outdated(f"Service {service.key} is gone without waiting for us")
            return
        live = as_recorded(live, state.record or "")
        if wants_load_balancer(live, self.ours) and not is_being_deleted(live):
            raise Outdated(f"Service {service.key} wants a load balancer again")
        if not state.attempted:
            self._owner(live)
        reported = state.status
        # An address of one that another controller serves by now proves nothing.
        existed = has_address(live) and not is_elsewhere(live, self.ours)
        if not existed:
            found = self._in_cloud(live)
            existed, reported = found is not None, reported or found
        state.attempted = state.attempted or has_finalizer(live)
        if existed:
            self.events.deleting(state, live)
        if existed or state.attempted:
            state.ensured = None  # also for whoever asks for it again before we are done
            self._delete(live)
        self._api_call(
            "failed to remove load balancer cleanup finalizer",
            lambda: self.api.release(live, reported),
        )
        if existed:
            self.events.deleted(live)

    def delete_gone(self, state: ServiceState) -> None:
        """Delete the load balancer of a Service that vanished without waiting for us."""
        service = as_recorded(state.service, state.record or "")
        live = self._api_call("failed to read the service", lambda: self.api.live(service))
        if live is not None:
            raise Outdated(f"Service {service.key} is still there")
        existed = state.status is not None or has_address(service)
        if existed:
            self.events.deleting(state, service)
        self.check()
        try:
            self._delete_call(service)
        except ImplementedElsewhere:
            return
        except Exception as error:
            raise SyncFailed("", error, deletion=True) from error
        if existed:
            self.events.deleted(service)

    # -- inside ----------------------------------------------------------------------------

    def _claim(self, state: ServiceState, service: Service) -> Service:
        """``service`` with our marks on it. The record, once made, stays what it is."""
        owner = state.record or self._owner(service)
        if not is_recordable(owner):
            owner = ""
        noted = recorded(service) == owner
        if not noted and not recorded(service) and not state.record:
            noted = not self.cloud.service_owner(service).record  # it is known without
        if state.proven and has_finalizer(service) and noted:
            return service
        doing = "failed to add load balancer cleanup finalizer"
        service = self._api_call(doing, lambda: self.api.claim(service, owner))
        state.proven = True
        return service

    def _owner(self, service: Service) -> str:
        try:
            return guarded(lambda: self.cloud.settle_service_owner(self.cluster_name, service))
        except CloudProviderError as error:
            raise SyncFailed("", error) from error

    def _in_cloud(self, service: Service) -> LoadBalancerStatus | None:
        try:
            return guarded(lambda: self.load_balancer.get_load_balancer(self.cluster_name, service))
        except ImplementedElsewhere:
            return None
        except Exception as error:
            doing = "failed to check if load balancer exists before cleanup"
            raise SyncFailed(doing, error) from error

    def _delete(self, service: Service) -> None:
        self.check()
        try:
            self._delete_call(service)
        except ImplementedElsewhere:
            return
        except Exception as error:
            raise SyncFailed("failed to delete load balancer", error) from error

    def _delete_call(self, service: Service) -> None:
        self._while_current(
            service,
            lambda: self.load_balancer.ensure_load_balancer_deleted(self.cluster_name, service),
        )

    def _while_current(self, service: Service, call: Callable[[], _T]) -> _T:
        """``call()``, which takes nothing away any more once ``service`` asks for something else.

        A pass may take minutes, and what it deletes may be asked for again meanwhile. Our cache
        tells; the next pass goes by what there is then.
        """
        record = recorded(service)

        def check() -> None:
            newest = as_recorded(self.api.newest(service), record)
            if needs_update(service, newest, self.ours):
                raise fence.Overtaken(
                    f"Service {service.key} was changed meanwhile: nothing more is taken away "
                    "before it is looked at again",
                    after=_AT_ONCE,
                )

        with fence.resting_on(check):
            return guarded(call)

    def _api_call(self, doing: str, call: Callable[[], _T]) -> _T:
        try:
            return call()
        except (ApiError, TransportError) as error:
            raise SyncFailed(doing, error) from error

    def _next_look(self) -> float | None:
        period = self.options.service_verify_period
        if not period:
            return None
        # Spread, so that a start does not repeat itself as a wave.
        return self.concurrency.monotonic() + period * (1.0 + self.concurrency.random.random())


def _check_status(status: object) -> None:
    if not isinstance(status, LoadBalancerStatus):
        nothing = CloudProviderError("service status returned by EnsureLoadBalancer is nil")
        raise SyncFailed("", nothing)
