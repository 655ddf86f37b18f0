"""What users are told about their Services, in upstream's words.

Source: ``spec/ccm-core.md`` 3.4.3, 3.4.5.
"""

from __future__ import annotations

from cloudprovider.concurrency import Concurrency, current
from cloudprovider.errors import (
    CloudProviderError,
    InvalidConfiguration,
    NotOwned,
    QuotaExceeded,
    RetryLater,
    Throttled,
    Unauthorized,
)
from cloudprovider.models import Service
from cloudprovider_controllers.runtime.recorder import EventRecorder
from cloudprovider_controllers.runtime.reminder import REMIND
from cloudprovider_controllers.service.decisions import ServiceState

#: Errors that stay until somebody changes something: told once an hour, not at each retry.
_LASTING = (InvalidConfiguration, Unauthorized, QuotaExceeded, NotOwned)


class SyncFailed(Exception):
    """An operation on a Service failed.

    Args:
        doing: What was being done, in upstream's words; empty if ``cause`` says it all.
        cause: Why it failed.
        update_of: For an update of backends: the names of the nodes, for the event.
        node_count: And how many there are.
        deletion: Whether it was the deletion for a Service that is gone.

    """

    def __init__(
        self,
        doing: str,
        cause: Exception,
        *,
        update_of: str | None = None,
        node_count: int = 0,
        deletion: bool = False,
    ) -> None:
        super().__init__(f"{doing}: {cause}" if doing else str(cause))
        self.cause = cause
        self.update_of = update_of
        self.node_count = node_count
        self.deletion = deletion

    def reason(self) -> str:
        """The reason of the Warning event."""
        if self.update_of is not None:
            return "UpdateLoadBalancerFailed"
        return "DeleteLoadBalancerFailed" if self.deletion else "SyncLoadBalancerFailed"

    def text(self) -> str:
        """The message of the Warning event."""
        if self.update_of is not None:
            return (
                f"Error updating load balancer with new hosts {self.update_of} "
                f"[node names limited, total number of nodes: {self.node_count}], error: {self}"
            )
        if self.deletion:
            return f"Error deleting load balancer: {self}"
        return f"Error syncing load balancer: {self}"


class ServiceEvents:
    """Events on Services, through ``recorder``."""

    def __init__(self, recorder: EventRecorder, concurrency: Concurrency | None = None) -> None:
        self._recorder = recorder
        self._concurrency = concurrency or current()

    def ensuring(self, service: Service) -> None:
        """The load balancer of a new or changed Service is about to be made or changed."""
        self._normal(service, "EnsuringLoadBalancer", "Ensuring load balancer")

    def ensured(self, service: Service) -> None:
        """It is as the Service wants it."""
        self._normal(service, "EnsuredLoadBalancer", "Ensured load balancer")

    def updated(self, service: Service) -> None:
        """Its backends are up to date again."""
        text = "Updated load balancer with new hosts"
        self._normal(service, "UpdatedLoadBalancer", text)

    def no_nodes(self, service: Service) -> None:
        """There is no node that could be a backend."""
        text = "There are no available nodes for LoadBalancer"
        self._recorder.event(service, "Warning", "UnAvailableLoadBalancer", text)

    def deleting(self, state: ServiceState, service: Service) -> None:
        """It is about to be deleted; said once."""
        if not state.announced_deletion:
            state.announced_deletion = True
            self._normal(service, "DeletingLoadBalancer", "Deleting load balancer")

    def deleted(self, service: Service) -> None:
        """It was deleted."""
        self._normal(service, "DeletedLoadBalancer", "Deleted load balancer")

    def failed(self, state: ServiceState, service: Service, failure: SyncFailed) -> None:
        """An operation failed. Waiting is no failure; a lasting error is told once an hour."""
        cause = failure.cause
        if isinstance(cause, Throttled):
            return
        complaint = _complaint(failure)
        now = self._concurrency.monotonic()
        repeated = complaint == state.warned and now < state.warned_at + REMIND
        state.warned = complaint
        if not repeated:
            state.warned_at = now
        if isinstance(cause, RetryLater):
            if not repeated:
                self._normal(service, "LoadBalancerInProgress", f"In progress: {failure}")
        elif not (repeated and isinstance(cause, _LASTING)):
            self._recorder.event(
                service, "Warning", failure.reason(), failure.text(), topic=complaint
            )

    def _normal(self, service: Service, reason: str, message: str) -> None:
        self._recorder.event(service, "Normal", reason, message)


def _complaint(failure: SyncFailed) -> str:
    """What makes two failures the same: all but the request id, which is never the same."""
    cause = failure.cause
    text = cause.message if isinstance(cause, CloudProviderError) else str(cause)
    code = cause.code if isinstance(cause, CloudProviderError) else ""
    return f"{failure.reason()} {type(cause).__name__} {code} {text}"
