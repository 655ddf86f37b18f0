"""Several providers in one manager; each Node and Service reaches its owner and nobody else.

:class:`Router` is what all clouds of a cluster share: Services, any of which may become any
provider's, so one controller serialises what is done for each. :class:`Share` is what one of them
has alone: its nodes and routes, which a controller of its own looks after, so that a cloud that is
slow or down holds up no other. To a controller both are a provider like any other. Which object is
whose is decided in :mod:`cloudprovider.owners`.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection, Sequence
from typing import TYPE_CHECKING

from cloudprovider import owners
from cloudprovider.concurrency import Concurrency, Event, current
from cloudprovider.errors import (
    CloudProviderError,
    ImplementedElsewhere,
    InvalidConfiguration,
    NotOwned,
    unexpected,
)
from cloudprovider.interface import (
    ClientBuilder,
    InstancesV2,
    Interface,
    LoadBalancer,
    Routes,
    settled,
)
from cloudprovider.models import Node, Service
from cloudprovider.owners import NOBODY, Owner
from cloudprovider.routed_balancers import RoutedLoadBalancers

if TYPE_CHECKING:
    from prometheus_client import CollectorRegistry

_log = logging.getLogger(__name__)

#: For ``default_load_balancer``: a Service that says nothing is nobody's.
NONE = "none"


class Router(Interface):
    """The providers of one cluster.

    Args:
        providers: At least one; the first is the default provider.
        default_load_balancer: The name of the one that takes Services without class, record and
            mark; empty = the default provider, :data:`NONE` = nobody.
        calls_at_once: Calls about Services that each provider may have in flight.

    Raises:
        InvalidConfiguration: no provider, a name twice, a class of two, or an unknown default.

    """

    def __init__(
        self,
        providers: Sequence[Interface],
        *,
        default_load_balancer: str = "",
        calls_at_once: int = 20,
        concurrency: Concurrency | None = None,
    ) -> None:
        self.providers = {provider.provider_name(): provider for provider in providers}
        self._list = tuple(providers)
        _check(providers, default_load_balancer)
        self._default = providers[0].provider_name()
        wanted = default_load_balancer or self._default
        self._default_balancer = "" if wanted == NONE else wanted
        self._calls_at_once = calls_at_once
        self._may_write: Callable[[], bool] | None = None
        #: Why a provider cannot be used, by name. The only one is never asked for.
        self._down = (
            dict.fromkeys(self.providers, "this has not ended yet") if providers[1:] else {}
        )
        self._balancers = RoutedLoadBalancers(
            self, calls_at_once=calls_at_once, concurrency=concurrency or current()
        )

    def provider_name(self) -> str:
        return ",".join(self.providers)

    def has_cluster_id(self) -> bool:
        return all(provider.has_cluster_id() for provider in self._list)

    def initialize(self, client_builder: ClientBuilder, stop: Event) -> None:
        """Initialise each provider, one after the other. One that fails stays down.

        Raises:
            Exception: what the only provider raised.

        """
        if len(self._list) == 1:
            self._begin(self._list[0], client_builder, stop)
            return
        for name in self.providers:
            self.initialize_one(name, client_builder, stop)

    def initialize_one(self, name: str, client_builder: ClientBuilder, stop: Event) -> bool:
        """Initialise provider ``name``, perhaps once more; whether it works now."""
        try:
            self._begin(self.providers[name], client_builder, stop)
        except (Exception, SystemExit) as error:  # noqa: BLE001 - it only fails itself (R6)
            ours = error if isinstance(error, CloudProviderError) else unexpected(error)
            self._down[name] = str(ours)
            _log.error("provider %s could not be initialised: %s", name, ours)
            _log.debug("where it happened", exc_info=error)
            return False
        self._down.pop(name, None)
        _log.info("provider %s is initialised", name)
        return True

    def _begin(self, provider: Interface, client_builder: ClientBuilder, stop: Event) -> None:
        fence = getattr(provider, "fence_writes", None)  # optional, like use_metrics
        if fence is not None and self._may_write is not None:
            fence(self._may_write)
        provider.initialize(client_builder, stop)

    @property
    def workers(self) -> int:
        """How many workers a controller of Services needs: no provider can keep them all."""
        several = len(self._list) > 1
        return self._calls_at_once * (2 * len(self._list) if several else 1)

    @property
    def down(self) -> Collection[str]:
        """The providers that are not initialised."""
        return tuple(self._down)

    def use_metrics(self, registry: CollectorRegistry) -> None:
        """Let each provider that counts its calls do so in ``registry``."""
        # Optional, and not part of the contract: a provider that counts its calls has it.
        for name, provider in self.providers.items():
            use_metrics = getattr(provider, "use_metrics", None)
            if use_metrics is not None:
                try:
                    use_metrics(registry)
                except Exception as error:  # noqa: BLE001 - it only fails itself (R6)
                    _log.error("provider %s counts no calls: %s", name, type(error).__name__)

    def fence_writes(self, may_write: Callable[[], bool]) -> None:
        """Let each provider that makes several calls for one of ours ask before each.

        It is told right before it is initialised: one that cannot be told never works (R5).
        """
        self._may_write = may_write

    def shares(self) -> list[Share]:
        """What each provider has alone, in order."""
        return [Share(self, provider) for provider in self._list]

    @property
    def speaker(self) -> str:
        """The provider whose controllers tell of what is nobody's: the first that works."""
        return next((name for name in self.providers if name not in self._down), self._default)

    def load_balancer(self) -> LoadBalancer | None:
        if len(self._list) == 1:
            return self._list[0].load_balancer()
        # One that is down may not know yet what it has.
        there = any(self.balancers_of(name) is not None for name in self.providers)
        return self._balancers if there or self._down else None

    # -- whose it is -------------------------------------------------------------------------

    def claims_node(self, node: Node) -> bool:
        return self.node_owner(node).proven

    def load_balancer_classes(self) -> Collection[str]:
        return [name for provider in self._list for name in provider.load_balancer_classes()]

    def claims_service(self, service: Service) -> bool:
        return any(provider.claims_service(service) for provider in self._list)

    def node_owner(self, node: Node) -> Owner:
        return owners.node_owner(node, self._list, default=self._default)

    def service_owner(self, service: Service) -> Owner:
        return owners.service_owner(service, self._list, default=self._default_balancer)

    def balancer_owner(self, service: Service) -> Owner:
        """Who has the load balancer that ``service`` has now. Pure."""
        return owners.balancer_owner(service, self._list, default=self._default_balancer)

    def own_nodes(self, service: Service, nodes: Sequence[Node]) -> Sequence[Node]:
        if len(self._list) == 1:
            return nodes
        try:
            return self._balancers.backends(self.service_owner(service).name, nodes)
        except CloudProviderError:
            return nodes  # nobody knows; the call that is made for them says why

    def settle_service_owner(self, cluster_name: str, service: Service) -> str:
        owner = self.service_owner(service)
        return self.settle(cluster_name, service, owner)

    def settle(self, cluster_name: str, service: Service, owner: Owner) -> str:
        """The name of ``owner``; where that is a guess about an old Service, the clouds are asked.

        A Service that had a load balancer before anything was recorded on it, say of another
        manager, belongs to the provider that has one for it.

        Raises:
            NotOwned: it is nobody's, or several have one.
            CloudProviderError: a provider that may have one did not answer.

        """
        guess = bool(owner.name) and not owner.proven
        if not guess or len(self._list) == 1 or not owners.had_balancer(service):
            return settled(service, owner)
        found = [name for name in self.providers if self._has_one(name, cluster_name, service)]
        if len(found) > 1:
            raise NotOwned(
                f"the providers {' and '.join(found)} have a load balancer for it; label "
                f"{owners.PROVIDER_LABEL} must name the right one",
                resource=service.key,
            )
        return found[0] if found else owner.name

    def _has_one(self, name: str, cluster_name: str, service: Service) -> bool:
        self.check_up(name)
        if self.balancers_of(name) is None:
            return False
        try:
            with self._balancers.turn(name, service) as balancers:
                return balancers.get_load_balancer(cluster_name, service) is not None
        except ImplementedElsewhere:
            return False

    def balancers_of(self, name: str) -> LoadBalancer | None:
        """The load balancers of provider ``name``, None if it has none or cannot say."""
        try:
            return self.providers[name].load_balancer()
        except (Exception, SystemExit) as error:  # noqa: BLE001 - it only fails itself (R6)
            _log.error("provider %s: load_balancer() raised %s", name, type(error).__name__)
            return None

    def check_up(self, name: str) -> None:
        """Raise unless provider ``name`` can be used.

        Raises:
            CloudProviderError: it is not initialised, and why.

        """
        if name in self._down:
            raise CloudProviderError(f"provider {name} is not initialised: {self._down[name]}")


class Share(Interface):
    """One provider's part of a cluster: it owns what the router says, and nothing else.

    Args:
        router: Decides.
        provider: Does the work.

    """

    def __init__(self, router: Router, provider: Interface) -> None:
        self._router = router
        self._provider = provider

    def provider_name(self) -> str:
        return self._provider.provider_name()

    def has_cluster_id(self) -> bool:
        return self._provider.has_cluster_id()

    def load_balancer(self) -> LoadBalancer | None:
        return self._provider.load_balancer()

    def instances_v2(self) -> InstancesV2 | None:
        return self._provider.instances_v2()

    def routes(self) -> Routes | None:
        return self._provider.routes()

    def load_balancer_classes(self) -> Collection[str]:
        return self._provider.load_balancer_classes()

    def claims_service(self, service: Service) -> bool:
        return self._provider.claims_service(service)

    def claims_node(self, node: Node) -> bool:
        return self.node_owner(node).proven

    def node_owner(self, node: Node) -> Owner:
        return self._mine(self._router.node_owner(node))

    def service_owner(self, service: Service) -> Owner:
        return self._mine(self._router.service_owner(service))

    def settle_service_owner(self, cluster_name: str, service: Service) -> str:
        name = self._router.settle_service_owner(cluster_name, service)
        return settled(service, Owner(name) if name == self.provider_name() else NOBODY)

    def _mine(self, owner: Owner) -> Owner:
        name = self.provider_name()
        if owner.name == name or (owner.problem and self._router.speaker == name):
            return owner
        return NOBODY


def _check(providers: Sequence[Interface], default_load_balancer: str) -> None:
    names = [provider.provider_name() for provider in providers]
    if not names:
        raise InvalidConfiguration("no provider is named", field="--cloud-provider")
    for name in names if len(names) > 1 else ():
        if not owners.is_recordable(name):
            raise InvalidConfiguration(
                "beside others, a provider's name must be usable as the value of a label",
                field="--cloud-provider",
                value=name,
                accepted="up to 63 letters, digits, '-', '_' and '.', the first and last a letter "
                "or digit",
            )
        if names.count(name) > 1:
            raise InvalidConfiguration(
                f"two providers call themselves {name}", field="--cloud-provider"
            )
    if default_load_balancer not in ("", NONE, *names):
        raise InvalidConfiguration(
            "no provider that runs here",
            field="default load balancer provider",
            value=default_load_balancer,
            accepted=", ".join((*names, NONE)),
        )
    takers: dict[str, str] = {}
    for provider in providers:
        for item in provider.load_balancer_classes():
            other = takers.setdefault(item, provider.provider_name())
            if other != provider.provider_name():
                raise InvalidConfiguration(
                    f"load balancer class {item} is that of {other} and of "
                    f"{provider.provider_name()}; they cannot run side by side",
                    field="--cloud-provider",
                )
