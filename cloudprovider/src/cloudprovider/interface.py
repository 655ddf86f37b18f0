"""The contract: what a cloud is to Kubernetes.

One abstract class per capability. :class:`Interface` hands out the parts; a part that a cloud does
not have is ``None`` (Go's ``(x, false)``). Names are upstream's (``k8s.io/cloud-provider``) in
snake case. Objects given to a provider are read-only. A provider may raise anything from
:mod:`cloudprovider.errors`; whatever else it raises fails only the item at hand.

Source: ``spec/ccm-core.md`` 1.
"""

from __future__ import annotations

import abc
import dataclasses
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Protocol, TypeVar

from cloudprovider import owners
from cloudprovider.concurrency import Event
from cloudprovider.errors import CloudProviderError, NotFound, NotOwned, unexpected
from cloudprovider.models import LoadBalancerStatus, Node, NodeAddress, Service

_T = TypeVar("_T")


class KubernetesResponse(Protocol):
    """An answer of the API server, whatever its status."""

    @property
    def status(self) -> int:
        """HTTP status."""

    @property
    def data(self) -> bytes:
        """The body."""


class KubernetesClient(Protocol):
    """What a provider may count on; the manager's client can do more."""

    def raw(
        self, method: str, path: str, *, body: bytes | None = None, content_type: str = ...
    ) -> KubernetesResponse:
        """Send one request. Raises if there is no answer."""


class ClientBuilder(Protocol):
    """Gives a provider access to the Kubernetes API under a component's own identity."""

    def client(self, name: str) -> KubernetesClient:
        """A Kubernetes client for the component ``name``, e.g. ``service-controller``."""


class Interface(abc.ABC):
    """One cloud. Built by the registered factory, then :meth:`initialize` is called once."""

    @abc.abstractmethod
    def provider_name(self) -> str:
        """The name it is registered under, e.g. ``alicloud``."""

    @abc.abstractmethod
    def has_cluster_id(self) -> bool:
        """Whether this cluster can be told apart from others in the same account."""

    def initialize(self, client_builder: ClientBuilder, stop: Event) -> None:  # noqa: B027
        """Called once, after leadership is won and before any controller starts.

        Background work started here must end when ``stop`` is set. If it raises and other
        providers run beside it, it is called again later: start nothing before what may fail.
        """

    def load_balancer(self) -> LoadBalancer | None:
        """Load balancers, or None if the cloud has none."""
        return None

    def instances_v2(self) -> InstancesV2 | None:
        """Instances, or None if the cloud has none."""
        return None

    def routes(self) -> Routes | None:
        """Routes between nodes' pod networks, or None."""
        return None

    def clusters(self) -> Clusters | None:
        """Clusters of this cloud, or None. No controller calls it."""
        return None

    def claims_node(self, node: Node) -> bool:
        """Whether ``node`` is an instance of this provider, by the form of its providerID.

        Pure and without I/O. Only a node that it claims may ever be deleted, so never claim by
        what is absent: other providers may run in the same cluster.
        The default: its providerID has this provider's name as scheme.
        """
        return (node.spec.provider_id or "").startswith(f"{self.provider_name()}://")

    def load_balancer_classes(self) -> Collection[str]:
        """Values of ``spec.loadBalancerClass`` that mean this provider; always the same ones.

        A Service with any other class is left alone.
        """
        return ()

    def claims_service(self, service: Service) -> bool:  # noqa: ARG002 - for those with a mark
        """Whether ``service`` carries a mark that only this provider sets, such as an id label.

        Pure and without I/O. It proves whose load balancer a Service has that was made before the
        manager recorded it. What users write, such as annotations, is no mark.
        """
        return False

    # What follows is asked by the controllers and answered for providers; they leave it as it is.

    def node_owner(self, node: Node) -> owners.Owner:
        """Whose ``node`` is: this provider's, or nobody's here. Pure."""
        return owners.node_owner(node, (self,), default=self.provider_name())

    def service_owner(self, service: Service) -> owners.Owner:
        """Whose the load balancer of ``service`` is: this provider's, or nobody's here. Pure."""
        return owners.service_owner(service, (self,), default=self.provider_name())

    def own_nodes(self, service: Service, nodes: Sequence[Node]) -> Sequence[Node]:  # noqa: ARG002
        """Those of ``nodes`` that can be backends of ``service``: its owner's. Pure."""
        return nodes

    def settle_service_owner(self, cluster_name: str, service: Service) -> str:  # noqa: ARG002
        """The same name for good, to be recorded; may ask clouds who has a load balancer for it.

        Raises:
            NotOwned: it is nobody's, and why.
            CloudProviderError: a cloud that may have it did not answer.

        """
        return settled(service, self.service_owner(service))


def settled(service: Service, owner: owners.Owner) -> str:
    """The name of ``owner``, which is that of ``service``.

    Raises:
        NotOwned: it has none, and why.

    """
    if not owner.name:
        raise NotOwned(owner.problem or "no provider here looks after it", resource=service.key)
    return owner.name


@dataclasses.dataclass(frozen=True)
class Survey:
    """What a cheap look at all load balancers of a cluster found; a hint, no proof."""

    #: What is no longer as it was left, in words, by UID of the Service.
    drifted: Mapping[str, str] = dataclasses.field(default_factory=dict)
    #: Load balancers marked as this cluster's whose Service is none of those given: whose each was,
    #: as far as it says, by id.
    orphans: Mapping[str, str] = dataclasses.field(default_factory=dict)
    #: Load balancers marked as this cluster's and one of the Services given: id by UID of the
    #: Service, whether it wants one or not.
    marked: Mapping[str, str] = dataclasses.field(default_factory=dict)


class LoadBalancer(abc.ABC):
    """Exposes Services of type LoadBalancer. Every method is idempotent.

    ``cluster_name`` is the manager's ``--cluster-name``.
    """

    @abc.abstractmethod
    def get_load_balancer(self, cluster_name: str, service: Service) -> LoadBalancerStatus | None:
        """The status of the balancer of ``service``, or None if there is none."""

    @abc.abstractmethod
    def get_load_balancer_name(self, cluster_name: str, service: Service) -> str:
        """The name that the balancer of ``service`` has or would have."""

    @abc.abstractmethod
    def ensure_load_balancer(
        self, cluster_name: str, service: Service, nodes: Sequence[Node]
    ) -> LoadBalancerStatus:
        """Create the balancer or bring it to what ``service`` and ``nodes`` ask for.

        Raises:
            RetryLater: in progress.
            ImplementedElsewhere: another controller owns this Service.

        """

    @abc.abstractmethod
    def update_load_balancer(
        self, cluster_name: str, service: Service, nodes: Sequence[Node]
    ) -> None:
        """Bring only the backends of an existing balancer to ``nodes``."""

    @abc.abstractmethod
    def ensure_load_balancer_deleted(self, cluster_name: str, service: Service) -> None:
        """Delete the balancer and all its parts. No error if nothing is there."""

    def survey(self, cluster_name: str, services: Sequence[Service]) -> Survey | None:  # noqa: ARG002
        """Look for what somebody changed or left in the cloud. Reads only, and few: by pages.

        Asked every few minutes with every Service there is, of any type. A Service that is reported
        is ensured again, which finds out what is so; one that this process never ensured, or that
        a call is under way for, need not be. None: the cloud cannot tell cheaply, or this provider
        does not; each load balancer is then ensured again at long intervals only.
        """
        return None

    def backend_nodes_changed(
        self,
        service: Service,  # noqa: ARG002 - for providers that look at it
        old: Sequence[Node],
        new: Sequence[Node],
    ) -> bool:
        """Whether going from ``old`` to ``new`` eligible nodes changes the backends of ``service``.

        Pure and without I/O: asked for every Service at every node change, so that a node's
        heartbeat, label or readiness costs no cloud call unless it changes who is a backend.
        Both lists already passed the generic node predicates. The default compares names and
        providerIDs, as upstream does.
        """
        return {(n.metadata.name, n.spec.provider_id) for n in old} != {
            (n.metadata.name, n.spec.provider_id) for n in new
        }


@dataclasses.dataclass(frozen=True)
class InstanceMetadata:
    """What the cloud knows about one instance, and where it lands on the Node."""

    provider_id: str  #: ``spec.providerID`` if that is still empty
    instance_type: str = ""  #: labels ``node.kubernetes.io/instance-type`` and its beta form
    node_addresses: Sequence[NodeAddress] = ()  #: ``status.addresses``
    zone: str = ""  #: labels ``topology.kubernetes.io/zone`` and its beta form
    region: str = ""  #: labels ``topology.kubernetes.io/region`` and its beta form
    additional_labels: Mapping[str, str] = dataclasses.field(default_factory=dict)


@dataclasses.dataclass(frozen=True)
class InstanceState:
    """Whether an instance is there, and whether it is shut down."""

    exists: bool
    shutdown: bool = False


#: One node's outcome of a bulk call: the answer, or the error that only this node has.
#: :class:`~cloudprovider.errors.InstanceNotFound` means an authentic "not there".
MetadataOutcome = InstanceMetadata | CloudProviderError
StateOutcome = InstanceState | CloudProviderError


class InstancesV2(abc.ABC):
    """Instances behind nodes. Find by ``spec.providerID`` first, else by name or address.

    Controllers call only the bulk forms. The base class makes them from the single ones, so a
    small provider implements three methods; a cloud that answers for many at once overrides them.
    """

    @abc.abstractmethod
    def instance_exists(self, node: Node) -> bool:
        """Whether the instance exists; a stopped one does.

        Raise any error but InstanceNotFound if that cannot be told.
        """

    @abc.abstractmethod
    def instance_shutdown(self, node: Node) -> bool:
        """Whether the instance exists and is shut down."""

    @abc.abstractmethod
    def instance_metadata(self, node: Node) -> InstanceMetadata:
        """Metadata of the instance.

        Raises:
            InstanceNotFound: it does not exist.

        """

    def instance_metadata_many(self, nodes: Sequence[Node]) -> dict[str, MetadataOutcome]:
        """One outcome for each of ``nodes``, by node name. Never raises for a single node."""
        return {node.metadata.name: _outcome(self.instance_metadata, node) for node in nodes}

    def instance_states_many(self, nodes: Sequence[Node]) -> dict[str, StateOutcome]:
        """Existence and power state of each of ``nodes``, by node name. Never raises for one."""
        return {node.metadata.name: _outcome(self._state, node) for node in nodes}

    def _state(self, node: Node) -> InstanceState:
        exists: object = self.instance_exists(node)
        if exists is False:
            return InstanceState(exists=False)
        if exists is not True:  # a forgotten return must not read as "not there"
            raise CloudProviderError(
                f"instance_exists answered {type(exists).__name__}, not a bool"
            )
        try:
            return InstanceState(exists=True, shutdown=self.instance_shutdown(node))
        except NotFound as error:  # a node is not deleted on an answer that contradicts another
            raise CloudProviderError(f"an instance that exists was not found: {error}") from error


def _outcome(ask: Callable[[Node], _T], node: Node) -> _T | CloudProviderError:
    try:
        return ask(node)
    except CloudProviderError as error:
        return error
    except Exception as error:  # noqa: BLE001 - whatever a provider raises fails only this node
        return unexpected(error)


@dataclasses.dataclass(frozen=True)
class Route:
    """One route to a node's pod network.

    ``destination_cidr`` is canonical text (host bits zero, IPv6 compressed).
    """

    name: str  #: the provider's name; ignored on create
    #: The node as :meth:`Routes.desired_routes` names it: its name, unless the provider says
    #: otherwise. Empty if unknown or gone.
    target_node: str
    destination_cidr: str
    target_node_addresses: Sequence[NodeAddress] = ()
    enable_node_addresses: bool = False
    blackhole: bool = False
    #: Listed routes only. True: a mark proves that this cluster made it, so it may be deleted once
    #: no node wants it. None: there is no mark; it is deleted only where it stands in the way of a
    #: node's route, or if a node was seen to need it. False: another's; it is never deleted.
    owned: bool | None = True
    #: Listed routes only. False: it is not in force yet, or not everywhere; to create it again
    #: completes it.
    ready: bool = True


class Routes(abc.ABC):
    """Routes of one cluster. Lists in, one outcome per route out: None, or the error it had."""

    def desired_routes(self, node: Node) -> Sequence[Route]:
        """The routes that ``node`` needs now. Pure and without I/O; empty if none yet.

        The default: one to the node's name for each of its podCIDRs. A cloud whose routes lead to
        instances and that does not know nodes' names puts what it lists into ``target_node``.

        Raises:
            CloudProviderError: why this node cannot have routes.

        """
        cidrs = node.spec.pod_cidrs or ((node.spec.pod_cidr,) if node.spec.pod_cidr else ())
        addresses = node.status.addresses or ()
        return [Route("", node.metadata.name, cidr, addresses) for cidr in cidrs]

    @abc.abstractmethod
    def list_routes(self, cluster_name: str) -> Sequence[Route]:
        """Every route of this cluster that the provider manages."""

    @abc.abstractmethod
    def create_routes(
        self, cluster_name: str, routes: Sequence[tuple[str, Route]]
    ) -> Sequence[CloudProviderError | None]:
        """Create each (name hint, route). No error if one is there already.

        The hint is the Node's UID, the same for all its CIDRs. RetryLater: it was taken on, but is
        not in force yet.
        """

    @abc.abstractmethod
    def delete_routes(
        self, cluster_name: str, routes: Sequence[Route]
    ) -> Sequence[CloudProviderError | None]:
        """Delete routes as :meth:`list_routes` returned them. No error if one is gone."""


class Clusters(abc.ABC):
    """Clusters of the cloud. Kept for completeness of the contract; no controller calls it."""

    @abc.abstractmethod
    def list_clusters(self) -> Sequence[str]:
        """Names of the clusters."""

    @abc.abstractmethod
    def master(self, cluster_name: str) -> str:
        """The address of the control plane of ``cluster_name``."""
