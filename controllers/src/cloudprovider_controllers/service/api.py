"""The Service as the API server has it right now: the few reads and writes of this controller.

Every write says which object it means: the UID is in the body, and the API server refuses it for
any other (spec/reliability.md 2.1 O15).
"""

from __future__ import annotations

from collections.abc import Callable

from cloudprovider.concurrency import Concurrency
from cloudprovider.models import LoadBalancerStatus, Service
from cloudprovider.owners import PROVIDER_LABEL, recorded
from cloudprovider_controllers.runtime import errors, patches
from cloudprovider_controllers.runtime.client import Client
from cloudprovider_controllers.runtime.resources import SERVICES
from cloudprovider_controllers.runtime.retry import ConflictBackoff, retry_on_conflict
from cloudprovider_controllers.service.decisions import (
    CLEANUP_FINALIZER,
    Ours,
    has_address,
    has_finalizer,
    needs_cleanup,
    wants_load_balancer,
    without_class,
)

_RELEASE = ConflictBackoff(5, 0.1)


class Outdated(Exception):
    """The cache is behind: the Service is gone, another one, or wants something else now."""


class Unwanted(Outdated):
    """The Service has our marks, and another controller's class by now: they have to go again."""


class FinalizerLost(errors.ApiError):
    """The API server took our write, and the finalizer is not there: a webhook took it out."""

    def __init__(self, service: Service) -> None:
        super().__init__(
            200,
            "",
            f"the write was taken, but Service {service.key} has no finalizer "
            f"{CLEANUP_FINALIZER} after it: an admission webhook must not take it out",
        )


class ServiceApi:
    """Reads and conditional writes of Services.

    Args:
        client: Access to the API server.
        may_begin: Called before a write that begins something; raises if nothing may be begun.
        may_end: Called before a write that ends something, which may still be made in a stop.
        concurrency: For waits between tries.
        ours: Whether a provider here has a say in a Service.

    """

    def __init__(
        self,
        client: Client,
        *,
        may_begin: Callable[[], None],
        may_end: Callable[[], None],
        concurrency: Concurrency,
        ours: Ours = without_class,
    ) -> None:
        self._client = client
        self._ours = ours
        self._may_begin = may_begin
        self._may_end = may_end
        self._concurrency = concurrency

    def list_alive(self) -> dict[str, str]:
        """UIDs by key of the Services that have the finalizer now, in one quorum read."""
        return {
            service.key: service.metadata.uid
            for service in self._client.list(SERVICES)
            if has_finalizer(service)
        }

    def live(self, service: Service) -> Service | None:
        """``service`` as it is now, or None if it is gone or another one has its name."""
        meta = service.metadata
        try:
            found: Service = self._client.get(SERVICES, meta.name, meta.namespace)
        except errors.NotFound:
            return None
        return found if found.metadata.uid == meta.uid else None

    def claim(self, service: Service, provider: str = "") -> Service:
        """Make sure that ``service`` exists with this UID and carries our marks; it then.

        The marks are the finalizer and the name of ``provider``, in one write: from the first call
        to the cloud on it is known who has the load balancer, whatever runs here later.

        One request, which changes nothing where the marks are there already. It proves against
        the live object, so that a load balancer is never made for a Service that the cache alone
        still has.

        Raises:
            Outdated: it is gone or being deleted, or it wants no load balancer any more.
            Unwanted: the same, and it has our marks now.
            FinalizerLost: it has no finalizer after all.
            ApiError: the API server refused for another reason.

        """
        others = [name for name in service.metadata.finalizers or () if name != CLEANUP_FINALIZER]
        try:
            self._may_begin()
            body = patches.add_finalizer(others)
            if provider and recorded(service) != provider:
                body["metadata"]["labels"] = {PROVIDER_LABEL: provider}
            found = self._patch(service, body)
        except errors.NotFound as error:
            raise Outdated(f"Service {service.key} is gone") from error
        except (errors.Conflict, errors.Invalid) as error:
            live = self.live(service)
            if live is None or live.metadata.deletion_timestamp is not None:
                raise Outdated(f"Service {service.key} is being deleted or another one") from error
            raise
        same = found.metadata.uid == service.metadata.uid
        alive = found.metadata.deletion_timestamp is None
        if not (same and alive):
            raise Outdated(f"Service {service.key} is not what the cache says")
        if not wants_load_balancer(found, self._ours):
            raise Unwanted(f"Service {service.key} wants no load balancer any more")
        if not has_finalizer(found):
            raise FinalizerLost(service)
        return self._recorded(found, provider)

    def _recorded(self, service: Service, provider: str) -> Service:
        """``service`` with the name of ``provider``, if only the cache had it."""
        if not provider or recorded(service):
            return service
        return self._patch(service, {"metadata": {"labels": {PROVIDER_LABEL: provider}}})

    def report(self, service: Service, status: LoadBalancerStatus) -> None:
        """Write ``status.loadBalancer``; no error if ``service`` is gone meanwhile."""
        try:
            self._patch(service, patches.service_status(status.ingress))
        except errors.NotFound:
            return
        except (errors.Conflict, errors.Invalid):
            if self.live(service) is not None:
                raise

    def release(self, service: Service) -> None:
        """Clear the status and remove our marks, in one write on the version just read.

        The condition keeps finalizers that others add meanwhile. No error if ``service`` is gone.

        Raises:
            Outdated: it wants a load balancer again.
            ApiError: the API server refused for another reason.

        """
        known: list[Service | None] = [service]

        def attempt() -> None:
            live = known.pop() if known else self.live(service)
            if live is None:
                return
            wants = wants_load_balancer(live, self._ours)
            if wants and not needs_cleanup(live) and has_finalizer(live):
                raise Outdated(f"Service {service.key} wants a load balancer again")
            version = live.metadata.resource_version
            body = patches.remove_finalizer(live.metadata.finalizers, resource_version=version)
            if has_address(live):
                body.update(patches.service_status(None))
            if recorded(live):
                metadata = {**body.get("metadata", {}), "labels": {PROVIDER_LABEL: None}}
                body["metadata"] = metadata
            if body:
                self._patch(live, body)

        try:
            retry_on_conflict(attempt, _RELEASE, concurrency=self._concurrency)
        except errors.NotFound:
            return

    def _patch(self, service: Service, body: patches.Body) -> Service:
        meta = service.metadata
        body = {**body, "metadata": {**body.get("metadata", {}), "uid": meta.uid}}
        self._may_end()
        found: Service = self._client.patch(
            SERVICES, meta.name, body, namespace=meta.namespace, subresource="status"
        )
        return found
