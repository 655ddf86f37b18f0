"""What the nodes ask for: each node's routes, as its provider sees them.

The provider's code is not ours (R8): whatever it raises or answers concerns one node only.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping
from typing import NamedTuple

from cloudprovider.errors import CloudProviderError, InvalidConfiguration, NotOwned
from cloudprovider.interface import Interface, Route, Routes
from cloudprovider.models import Node
from cloudprovider_controllers.provider_calls import guarded
from cloudprovider_controllers.route.networks import Network, read


class Key(NamedTuple):
    """What makes two routes the same."""

    cidr: str  #: canonical
    target: str  #: as in ``Route.target_node``

    def __str__(self) -> str:
        return f"{self.cidr} to {self.target or '(unknown)'}"


class WantedId(NamedTuple):
    """One route of one node."""

    node: str  #: the node's name
    cidr: str  #: canonical


@dataclasses.dataclass(frozen=True)
class Wanted:
    """A route that a node needs."""

    node: Node
    route: Route
    network: Network

    @property
    def id(self) -> WantedId:
        return WantedId(self.node.metadata.name, self.route.destination_cidr)

    @property
    def key(self) -> Key:
        return Key(self.route.destination_cidr, self.route.target_node)


@dataclasses.dataclass(frozen=True)
class Demand:
    """What all nodes ask for."""

    nodes: tuple[Node, ...]  #: those of our provider
    wanted: tuple[Wanted, ...]
    errors: Mapping[str, CloudProviderError]  #: by node name: why it can have no route
    #: podCIDRs of nodes that are others', that can have no route, or that need none yet: no route
    #: to these is deleted.
    protected: tuple[Network, ...]

    def keys(self) -> set[Key]:
        """Every route that some node needs."""
        return {wanted.key for wanted in self.wanted}


def pod_cidrs(node: Node) -> tuple[str, ...]:
    """``spec.podCIDRs``, or the older ``spec.podCIDR``, as they stand there."""
    return node.spec.pod_cidrs or ((node.spec.pod_cidr,) if node.spec.pod_cidr else ())


def left_alone(cloud: Interface, node: Node) -> bool:
    """Whether ``node`` is another provider's."""
    return not cloud.node_owner(node).name


def wanted_by(routes: Routes, node: Node) -> tuple[Wanted, ...]:
    """The routes that ``node`` needs; none if it needs none yet.

    Raises:
        NotOwned: it is not the provider's.
        CloudProviderError: it can have no route.

    """
    answer: object = guarded(lambda: routes.desired_routes(node))
    if not isinstance(answer, list | tuple):
        raise CloudProviderError(f"the provider answered {type(answer).__name__}, not routes")
    return tuple(_wanted(node, route) for route in answer)


def demand(nodes: Iterable[Node], cloud: Interface, routes: Routes) -> Demand:
    """What ``nodes`` ask for. Never raises for one of them."""
    ours: list[Node] = []
    wanted: list[Wanted] = []
    errors: dict[str, CloudProviderError] = {}
    protected: list[Network] = []
    for node in nodes:
        mine: tuple[Wanted, ...] = ()
        try:
            if left_alone(cloud, node):
                raise NotOwned(f"node {node.key} is not ours")
            mine = wanted_by(routes, node)
        except NotOwned:
            pass
        except CloudProviderError as error:
            errors[node.metadata.name] = error
            ours.append(node)
        else:
            ours.append(node)
        if not mine:
            protected.extend(network for text in pod_cidrs(node) if (network := read(text)))
        wanted.extend(mine)
    return Demand(tuple(ours), tuple(wanted), errors, tuple(protected))


def _wanted(node: Node, route: object) -> Wanted:
    if not isinstance(route, Route):
        raise CloudProviderError(f"the provider answered {type(route).__name__}, not a route")
    network = read(route.destination_cidr)
    if network is None:
        raise InvalidConfiguration(
            "not an address range",
            field="spec.podCIDRs",
            value=route.destination_cidr,
            accepted="a range such as 172.16.1.0/24",
        )
    canonical = dataclasses.replace(route, destination_cidr=str(network))
    return Wanted(node, canonical, network)
