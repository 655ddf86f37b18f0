"""What a Service and the nodes ask for. Pure.

Source: ``spec/ccm-core.md`` 3.4.
"""

from __future__ import annotations

import dataclasses
import enum
from collections.abc import Callable, Iterable, Sequence

import msgspec

from cloudprovider.models import (
    LoadBalancerIngress,
    LoadBalancerStatus,
    Node,
    Service,
    ServicePort,
)
from cloudprovider.owners import PROVIDER_LABEL, recorded

#: Keeps a Service until its load balancer is gone.
CLEANUP_FINALIZER = "service.kubernetes.io/load-balancer-cleanup"
#: Keeps a Node out of every load balancer, unless its value reads as false.
EXCLUDE_LABEL = "node.kubernetes.io/exclude-from-external-load-balancers"
#: Set by the cluster autoscaler on a node that it is about to remove.
AUTOSCALER_TAINT = "ToBeDeletedByClusterAutoscaler"
#: A node that has not been initialised yet; see ``node.decisions``.
UNINITIALIZED_TAINT = "node.cloudprovider.kubernetes.io/uninitialized"

_FALSE = frozenset({"0", "f", "F", "false", "False", "FALSE"})
_LOGGED_NODES = 20


# -- Services ----------------------------------------------------------------------------------


#: Whether a provider here has a say in a Service: :meth:`Interface.service_owner`.
Ours = Callable[[Service], bool]


def without_class(service: Service) -> bool:
    """Upstream's rule: any load balancer class, even an empty one, means somebody else's."""
    return service.spec.load_balancer_class is None


def wants_load_balancer(service: Service, ours: Ours = without_class) -> bool:
    """Whether this controller shall give ``service`` a load balancer (3.4.1)."""
    return service.spec.type == "LoadBalancer" and ours(service)


def says_no(service: Service, ours: Ours) -> bool:
    """Whether ``service`` plainly asks for no load balancer of ours.

    One that only nobody here claims, say because its marks were taken away, does not.
    """
    plain = service.spec.type != "LoadBalancer" or service.spec.load_balancer_class is not None
    return plain and not wants_load_balancer(service, ours)


def is_elsewhere(service: Service, ours: Ours) -> bool:
    """Whether another controller's class gives it ``service``, and with that its status.

    What is recorded does not count: it is about the load balancer that we had for it.
    """
    classed = service.spec.type == "LoadBalancer" and service.spec.load_balancer_class is not None
    return classed and not ours(_with_record(service, ""))


def has_finalizer(service: Service) -> bool:
    """Whether the cleanup finalizer is there."""
    return CLEANUP_FINALIZER in (service.metadata.finalizers or ())


def is_being_deleted(service: Service) -> bool:
    """Whether ``service`` only waits for its finalizers."""
    return service.metadata.deletion_timestamp is not None


def anybodys(service: Service) -> bool:  # noqa: ARG001 - an Ours
    """Upstream's rule: the finalizer is taken for ours, whoever set it."""
    return True


def needs_cleanup(service: Service, ours: Ours = anybodys) -> bool:
    """Whether the load balancer and the finalizer have to go (3.4.1)."""
    if not has_finalizer(service):
        return False
    leaves = is_being_deleted(service) or service.spec.type != "LoadBalancer"
    return leaves and ours(service)


def as_recorded(service: Service, record: str) -> Service:
    """``service`` with ``record`` for its provider: what we wrote, whatever stands there now."""
    if not record or recorded(service) == record:
        return service
    return _with_record(service, record)


def _with_record(service: Service, record: str) -> Service:
    labels = {**(service.metadata.labels or {}), PROVIDER_LABEL: record}
    metadata = msgspec.structs.replace(service.metadata, labels=labels)
    return msgspec.structs.replace(service, metadata=metadata)


def needs_update(old: Service, new: Service, ours: Ours = without_class) -> bool:
    """Whether going from ``old`` to ``new`` changes the load balancer (the table in 3.4.2)."""
    wants = wants_load_balancer(new, ours)
    if wants_load_balancer(old, ours) != wants:
        return True
    return wants and _load_balancer_inputs(old) != _load_balancer_inputs(new)


def _load_balancer_inputs(service: Service) -> tuple[object, ...]:
    spec = service.spec
    return (
        service.metadata.uid,
        dict(service.metadata.annotations or {}),
        tuple(spec.load_balancer_source_ranges or ()),
        tuple(_port_inputs(port) for port in spec.ports or ()),
        spec.session_affinity,
        spec.session_affinity_config,
        spec.load_balancer_ip,
        tuple(spec.external_ips or ()),
        spec.external_traffic_policy,
        spec.health_check_node_port,
        len(spec.ip_families or ()),
    )


def _port_inputs(port: ServicePort) -> tuple[object, ...]:
    return (
        port.name,
        port.protocol,
        port.port,
        port.node_port,
        port.target_port,
        port.app_protocol,
    )


def status_equal(left: LoadBalancerStatus, right: LoadBalancerStatus) -> bool:
    """Whether two statuses say the same. Order counts.

    The API server fills in ``ipMode: VIP``; a provider that leaves it out says the same.
    """
    return _ingress(left) == _ingress(right)


def _ingress(status: LoadBalancerStatus) -> list[tuple[object, ...]]:
    return [
        (item.ip or "", item.hostname or "", _ip_mode(item), tuple(item.ports or ()))
        for item in status.ingress or ()
    ]


def _ip_mode(item: LoadBalancerIngress) -> str | None:
    return item.ip_mode or ("VIP" if item.ip else None)


def has_address(service: Service) -> bool:
    """Whether the status names an address: a load balancer was there once."""
    return bool(service.status.load_balancer.ingress)


# -- Nodes -------------------------------------------------------------------------------------


def is_excluded(node: Node) -> bool:
    """Whether the exclusion label keeps ``node`` out: any value that does not read as false."""
    labels = node.metadata.labels or {}
    return EXCLUDE_LABEL in labels and labels[EXCLUDE_LABEL] not in _FALSE


def is_eligible(node: Node) -> bool:
    """Whether ``node`` may be a backend of any load balancer: the stable predicates (3.4.5).

    Readiness and cordon do not count. Unlike upstream, a node that waits for its first
    initialisation is left out: it would only be added without a provider id, then once more.
    """
    if node.metadata.deletion_timestamp is not None or is_excluded(node):
        return False
    taints = {taint.key for taint in node.spec.taints or ()}
    if UNINITIALIZED_TAINT in taints and not node.spec.provider_id:
        return False
    return AUTOSCALER_TAINT not in taints


def eligible_nodes(nodes: Iterable[Node]) -> tuple[Node, ...]:
    """The nodes that may be backends, by name."""
    return tuple(sorted(filter(is_eligible, nodes), key=lambda node: node.metadata.name))


def node_change_matters(old: Node, new: Node) -> bool:
    """Whether an update of a Node could change anybody's backends.

    A coarse filter before providers are asked: heartbeats and image lists do not pass.
    """
    return _backend_inputs(old) != _backend_inputs(new)


def _backend_inputs(node: Node) -> tuple[object, ...]:
    meta = node.metadata
    ready = [item.status for item in node.status.conditions or () if item.type == "Ready"]
    identity = (meta.uid, meta.labels, meta.annotations, meta.deletion_timestamp is None)
    return (*identity, node.spec, node.status.addresses, ready)


def logged_node_names(nodes: Sequence[Node]) -> str:
    """The first 20 names sorted, then how many more, as upstream writes them into events."""
    names = sorted(node.metadata.name for node in nodes[:_LOGGED_NODES])
    if len(nodes) > _LOGGED_NODES:
        names.append(f"<{len(nodes) - _LOGGED_NODES} more>")
    return f"[{' '.join(names)}]"


# -- Operations --------------------------------------------------------------------------------


class Operation(enum.Enum):
    """What one pass over a Service does."""

    NOTHING = "nothing"
    ENSURE = "ensure"  #: create it or bring all of it up to date
    UPDATE_NODES = "update nodes"  #: only its backends
    PATCH_STATUS = "patch status"  #: somebody changed the status that we reported
    CLEAN_UP = "clean up"  #: delete it, then remove the finalizer


@dataclasses.dataclass
class ServiceState:
    """What this process knows about one Service beyond the cache. Lost at a restart, safely."""

    service: Service  #: as the last pass saw it
    #: What :data:`PROVIDER_LABEL` says since our last write; None = not looked at yet.
    record: str | None = None
    proven: bool = False  #: known to exist with this UID, by a write or a live read of ours
    attempted: bool = False  #: the provider was asked to make a load balancer
    ensured: Service | None = None  #: as of the last success; None = must be ensured
    nodes: tuple[Node, ...] | None = None  #: backends in the cloud; None = not known
    recheck: bool = False  #: the nodes changed while a call was under way
    attempted_without_nodes: bool = False  #: the last attempt had no node to offer
    status: LoadBalancerStatus | None = None  #: what we reported; None = nothing to keep
    verify_at: float | None = None  #: when to look again although nothing changed, monotonic
    announced: Service | None = None  #: for which change ``EnsuringLoadBalancer`` was considered
    announced_deletion: bool = False  #: ``DeletingLoadBalancer`` was sent
    to_confirm: bool = False  #: whether ``EnsuredLoadBalancer`` is owed
    warned: str = ""  #: the last complaint; the same one is not repeated for a while
    warned_at: float = 0.0  #: when it was told, monotonic


def decide(
    service: Service,
    state: ServiceState | None,
    *,
    backends_changed: Callable[[ServiceState], bool],
    now: float,
    ours: Ours = without_class,
) -> Operation:
    """What to do for a Service, given what is known about it.

    Args:
        service: From the cache. Its UID is that of ``state``.
        state: None if this process has not dealt with this UID yet.
        backends_changed: Whether the eligible nodes differ for this Service; asked last.
        now: Seconds on the monotonic clock.
        ours: Whether a provider here has a say in it.

    """
    attempted = state is not None and state.attempted
    known = as_recorded(service, (state.record if state else "") or "")
    if needs_cleanup(service, lambda _: attempted or ours(known)):
        return Operation.CLEAN_UP
    if is_being_deleted(service) or not wants_load_balancer(known, ours):
        return Operation.CLEAN_UP if attempted else Operation.NOTHING
    if state is None or state.ensured is None or lacks_marks(service, state):
        return Operation.ENSURE
    if needs_update(state.ensured, known, ours):
        return Operation.ENSURE
    if state.verify_at is not None and now >= state.verify_at:
        return Operation.ENSURE
    if state.nodes is None or backends_changed(state):
        return Operation.UPDATE_NODES
    if state.status is not None and not status_equal(state.status, service.status.load_balancer):
        return Operation.PATCH_STATUS
    return Operation.NOTHING


def lacks_marks(service: Service, state: ServiceState) -> bool:
    """Whether somebody took away what we wrote on ``service``: the finalizer or the record."""
    return not has_finalizer(service) or recorded(service) != (state.record or "")


def announces_change(state: ServiceState, service: Service) -> bool:
    """Whether ensuring ``service`` now deserves ``EnsuringLoadBalancer``.

    True for a new Service and for a change of one. False for a retry, for a periodic look, and for
    the first pass of a process over a Service that already has its finalizer and an address.
    """
    if state.announced is None:
        return not (has_finalizer(service) and has_address(service))
    return needs_update(state.announced, service)
