"""Load balancers of several providers behind one contract; see :mod:`cloudprovider.router`."""

from __future__ import annotations

import contextlib
import dataclasses
import logging
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, NamedTuple

from cloudprovider.concurrency import Concurrency
from cloudprovider.errors import CloudProviderError, InvalidConfiguration, Throttled, unexpected
from cloudprovider.interface import LoadBalancer, Survey
from cloudprovider.models import LoadBalancerStatus, Node, Service
from cloudprovider.owners import Owner

if TYPE_CHECKING:
    from cloudprovider.router import Router

_log = logging.getLogger(__name__)

#: Seconds that a worker waits for a busy provider, and until its Service is tried again then.
_PATIENCE = 1.0
_BUSY = 0.5
#: Node lists remembered for each provider: the one in the cloud and the one now.
_LISTS = 2


class _Change(NamedTuple):
    old: Sequence[Node]
    new: Sequence[Node]
    changed: bool


@dataclasses.dataclass
class _Use:
    """How many workers a provider keeps."""

    calling: int = 0
    waiting: int = 0


class RoutedLoadBalancers(LoadBalancer):
    """Sends each Service to its owner, with that provider's nodes: others cannot be its backends.

    A provider has at most ``calls_at_once`` calls in flight, and as many workers wait for it, so
    that one whose cloud hangs does not keep all workers of the controller:
    :attr:`~cloudprovider.router.Router.workers` are enough for all.

    Raises (every call):
        NotOwned: the Service is nobody's, and why.
        InvalidConfiguration: its provider has no load balancers.
        Throttled: its provider is busy.
        CloudProviderError: its provider is not initialised, or what it raised itself.

    """

    def __init__(self, router: Router, *, calls_at_once: int, concurrency: Concurrency) -> None:
        self._router = router
        self._most = calls_at_once
        self._lock = concurrency.lock()
        self._freed = concurrency.condition()
        self._use: dict[str, _Use] = {}
        self._lists: dict[str, list[tuple[Sequence[Node], tuple[Node, ...]]]] = {}
        self._last: dict[str, _Change] = {}

    def get_load_balancer(self, cluster_name: str, service: Service) -> LoadBalancerStatus | None:
        name = self._holder(cluster_name, service)
        with self.turn(name, service) as part:
            return part.get_load_balancer(cluster_name, service)

    def get_load_balancer_name(self, cluster_name: str, service: Service) -> str:
        name = self._owner(cluster_name, service)
        return self._part(name, service).get_load_balancer_name(cluster_name, service)

    def ensure_load_balancer(
        self, cluster_name: str, service: Service, nodes: Sequence[Node]
    ) -> LoadBalancerStatus:
        name = self._owner(cluster_name, service)
        with self.turn(name, service) as part:
            return part.ensure_load_balancer(cluster_name, service, self.backends(name, nodes))

    def update_load_balancer(
        self, cluster_name: str, service: Service, nodes: Sequence[Node]
    ) -> None:
        name = self._owner(cluster_name, service)
        with self.turn(name, service) as part:
            part.update_load_balancer(cluster_name, service, self.backends(name, nodes))

    def ensure_load_balancer_deleted(self, cluster_name: str, service: Service) -> None:
        name = self._holder(cluster_name, service)
        with self.turn(name, service) as part:
            part.ensure_load_balancer_deleted(cluster_name, service)

    def backend_nodes_changed(
        self, service: Service, old: Sequence[Node], new: Sequence[Node]
    ) -> bool:
        name = self._router.service_owner(service).name
        part = self._router.balancers_of(name) if name else None
        if part is None:
            return False  # it has no backends here
        try:
            old, new = self.backends(name, old), self.backends(name, new)
        except CloudProviderError:
            return True  # the pass that follows tells why
        last = self._last.get(name)
        if type(part).backend_nodes_changed is not LoadBalancer.backend_nodes_changed:
            return part.backend_nodes_changed(service, old, new)
        # The contract's own comparison is the same for all Services: once per change is enough.
        if last is None or last.old is not old or last.new is not new:
            last = _Change(old, new, part.backend_nodes_changed(service, old, new))
            self._last[name] = last
        return last.changed

    def backends(self, name: str, nodes: Sequence[Node]) -> tuple[Node, ...]:
        """Those of ``nodes`` that are provider ``name``'s; computed once for the same tuple.

        Raises:
            CloudProviderError: it cannot say so of one. Without it, a load balancer would lose
                backends that are its provider's (R8).

        """
        if not name:
            return ()
        with self._lock:
            known = list(self._lists.get(name, ()))
        for given, own in known:
            if given is nodes:
                return own
        own = tuple(node for node in nodes if self._is_of(name, node))
        for _, before in known:
            if before == own:
                own = before  # the same object, so that nothing is compared twice
        if isinstance(nodes, tuple):
            with self._lock:
                self._lists[name] = [(nodes, own), *known[: _LISTS - 1]]
        return own

    def survey(self, cluster_name: str, services: Sequence[Service]) -> Survey | None:
        """What all providers together found; one that fails says nothing.

        Each is shown every Service: a load balancer is nobody's only if it is none of theirs.

        Raises:
            CloudProviderError: none of them answered, and why the first did not.

        """
        found: list[Survey] = []
        failed: list[CloudProviderError] = []
        for name in self._router.providers:
            part = None if name in self._router.down else self._router.balancers_of(name)
            if part is None:
                continue
            try:
                answer: object = part.survey(cluster_name, services)
            except (Exception, SystemExit) as error:  # noqa: BLE001 - it only fails itself (R6)
                ours = error if isinstance(error, CloudProviderError) else unexpected(error)
                _log.warning("provider %s could not survey load balancers: %s", name, ours)
                failed.append(ours)
            else:
                found += [answer] if isinstance(answer, Survey) else []
        if failed and not found:
            raise failed[0]
        if not found:
            return None
        return Survey(
            drifted=_merged(one.drifted for one in found),
            orphans=_merged(one.orphans for one in found),
            marked=_merged(one.marked for one in found),
        )

    @contextlib.contextmanager
    def turn(self, name: str, service: Service) -> Iterator[LoadBalancer]:
        """The balancers of provider ``name``, for one call."""
        part = self._part(name, service)
        with self._freed:
            use = self._use.setdefault(name, _Use())
            if use.calling >= self._most:
                self._wait(name, use)
            use.calling += 1
        try:
            yield part
        finally:
            with self._freed:
                use.calling -= 1
                self._freed.notify_all()

    # -- inside ----------------------------------------------------------------------------

    def _is_of(self, name: str, node: Node) -> bool:
        owner = self._router.node_owner(node)
        if name in owner.silent:
            raise CloudProviderError(
                f"provider {name} cannot tell whether node {node.metadata.name} is its own; the "
                "backends stay as they are"
            )
        return owner.name == name

    def _owner(self, cluster_name: str, service: Service) -> str:
        return self._settle(cluster_name, service, self._router.service_owner(service))

    def _holder(self, cluster_name: str, service: Service) -> str:
        return self._settle(cluster_name, service, self._router.balancer_owner(service))

    def _settle(self, cluster_name: str, service: Service, owner: Owner) -> str:
        return self._router.settle(cluster_name, service, owner)

    def _part(self, name: str, service: Service) -> LoadBalancer:
        self._router.check_up(name)
        part = self._router.balancers_of(name)
        if part is None:
            raise InvalidConfiguration(
                f"it would be provider {name}'s, which has no load balancers",
                field="spec.loadBalancerClass",
                value=service.spec.load_balancer_class or "",
                accepted=", ".join(self._router.load_balancer_classes())
                or "nothing: no provider here has a class",
            )
        return part

    def _wait(self, name: str, use: _Use) -> None:
        """Wait for a call to end. As many may wait as may call, so that each goes on at once."""
        busy = Throttled(f"provider {name} has {use.calling} calls in flight", after=_BUSY)
        if use.waiting >= self._most:
            raise busy
        use.waiting += 1
        try:
            if not self._freed.wait_for(lambda: use.calling < self._most, _PATIENCE):
                raise busy
        finally:
            use.waiting -= 1


def _merged(parts: Iterable[Mapping[str, str]]) -> dict[str, str]:
    return {key: value for part in parts for key, value in part.items()}
