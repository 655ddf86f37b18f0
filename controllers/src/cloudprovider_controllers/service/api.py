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
    as_recorded,
    has_address,
    has_finalizer,
    is_being_deleted,
    is_elsewhere,
    needs_cleanup,
    status_equal,
    wants_load_balancer,
    without_class,
)

_CONFLICTS = ConflictBackoff(5, 0.1)


class Outdated(Exception):
    """The cache is behind: the Service is gone, another one, or wants something else now."""


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
        cached: A Service by key, as the cache has it.

    """

    def __init__(
        self,
        client: Client,
        *,
        may_begin: Callable[[], None],
        may_end: Callable[[], None],
        concurrency: Concurrency,
        ours: Ours = without_class,
        cached: Callable[[str], Service | None] = lambda _key: None,
    ) -> None:
        self._client = client
        self._ours = ours
        self._cached = cached
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

    def newest(self, service: Service) -> Service:
        """``service`` as the cache has it, if that is newer; without a request."""
        cached = self._cached(service.key)
        if cached is None or cached.metadata.uid != service.metadata.uid:
            return service
        versions = [item.metadata.resource_version or "" for item in (cached, service)]
        newer = all(map(str.isdecimal, versions)) and int(versions[0]) > int(versions[1])
        return cached if newer else service

    def claim(self, service: Service, provider: str = "") -> Service:
        """Make sure that ``service`` exists with this UID and carries our marks; it then.

        The marks are the finalizer and the name of ``provider``, in one write: from the first call
        to the cloud on it is known who has the load balancer, whatever runs here later.

        One request, which changes nothing where the marks are there already. It proves against
        the live object, so that a load balancer is never made for a Service that the cache alone
        still has, and is taken only for the version that was looked at: another controller's
        Service gets no marks of ours.

        Raises:
            Outdated: it is gone or being deleted, or it wants no load balancer any more.
            FinalizerLost: it has no finalizer after all.
            ApiError: the API server refused for another reason.

        """

        def mark(live: Service) -> Service:
            self._may_begin()
            meta = live.metadata
            others = [name for name in meta.finalizers or () if name != CLEANUP_FINALIZER]
            body = patches.add_finalizer(others)
            if provider and recorded(live) != provider:
                body["metadata"]["labels"] = {PROVIDER_LABEL: provider}
            return self._patch_version(live, body)

        found = self._while_wanted(service, mark, "is being deleted or another one")
        if not has_finalizer(found):
            raise FinalizerLost(service)
        return found

    def report(self, service: Service, status: LoadBalancerStatus) -> None:
        """Write ``status.loadBalancer``, unless the Service is another controller's by now.

        Raises:
            Outdated: it is gone, or it wants no load balancer any more.
            ApiError: the API server refused for another reason.

        """

        def write(live: Service) -> Service:
            return self._patch_version(live, patches.service_status(status.ingress))

        self._while_wanted(self.newest(service), write, "is gone")

    def _while_wanted(
        self, service: Service, write: Callable[[Service], Service], otherwise: str
    ) -> Service:
        """What ``write`` makes of ``service``, or of what that has become, if it still wants us."""
        known = [service]

        def attempt() -> Service:
            live = known.pop() if known else self.live(service)
            if live is None or is_being_deleted(live):
                raise Outdated(f"Service {service.key} {otherwise}")
            if not wants_load_balancer(as_recorded(live, recorded(service)), self._ours):
                raise Outdated(f"Service {service.key} wants no load balancer any more")
            return write(live)

        try:
            return retry_on_conflict(attempt, _CONFLICTS, concurrency=self._concurrency)
        except errors.NotFound as error:
            raise Outdated(f"Service {service.key} is gone") from error
        except errors.Invalid as error:  # so it is said of another UID, too
            if self.live(service) is None:
                raise Outdated(f"Service {service.key} {otherwise}") from error
            raise

    def release(self, service: Service, reported: LoadBalancerStatus | None = None) -> None:
        """Clear the status and remove our marks, in one write on the version just read.

        The condition keeps finalizers that others add meanwhile. No error if ``service`` is gone.

        Args:
            service: Whose load balancer is gone.
            reported: What we wrote into its status; of one that another controller serves by now
                no other status is cleared.

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
            others = is_elsewhere(live, self._ours)
            if has_address(live) and not (others and _differs(live, reported)):
                body.update(patches.service_status(None))
            if recorded(live):
                metadata = {**body.get("metadata", {}), "labels": {PROVIDER_LABEL: None}}
                body["metadata"] = metadata
            if body:
                self._patch(live, body)

        try:
            retry_on_conflict(attempt, _CONFLICTS, concurrency=self._concurrency)
        except errors.NotFound:
            return

    def _patch_version(self, service: Service, body: patches.Body) -> Service:
        """Patch ``service`` if it still is what it was when it was read."""
        version = {"resourceVersion": service.metadata.resource_version}
        return self._patch(service, {**body, "metadata": {**body.get("metadata", {}), **version}})

    def _patch(self, service: Service, body: patches.Body) -> Service:
        meta = service.metadata
        body = {**body, "metadata": {**body.get("metadata", {}), "uid": meta.uid}}
        self._may_end()
        found: Service = self._client.patch(
            SERVICES, meta.name, body, namespace=meta.namespace, subresource="status"
        )
        return found


def _differs(service: Service, reported: LoadBalancerStatus | None) -> bool:
    return not status_equal(service.status.load_balancer, reported or LoadBalancerStatus())
