"""From the routes that nodes need and those the cloud has to what is to be done. Pure.

Source: ``spec/ccm-core.md`` 3.5.3, 6.2 #4 to #6; ``spec/alicloud.md`` 6.1 (conflict rule).
"""

from __future__ import annotations

import dataclasses
import datetime
from collections import defaultdict
from collections.abc import Container, Iterable, Mapping, Sequence

from cloudprovider.errors import CloudProviderError, InvalidConfiguration, NotOwned
from cloudprovider.interface import Route
from cloudprovider.toolkit.plan import Action, Plan
from cloudprovider_controllers.route.demand import Demand, Key, Wanted, WantedId
from cloudprovider_controllers.route.networks import Claims, Network, Ranges, read

_BEGINNING = datetime.datetime.min.replace(tzinfo=datetime.UTC)


@dataclasses.dataclass(frozen=True)
class Listed:
    """A route that the cloud has."""

    route: Route  #: as the provider gave it, for deletion
    network: Network

    @property
    def key(self) -> Key:
        return Key(str(self.network), self.route.target_node)


@dataclasses.dataclass(frozen=True)
class RoutePlan:
    """What is to be done. First both kinds of deletions, then the creations."""

    in_the_way: tuple[Listed, ...]  #: to be deleted so that nodes' routes work
    stale: tuple[Listed, ...]  #: to be deleted because no node wants them
    creates: tuple[Wanted, ...]
    satisfied: frozenset[WantedId]  #: there and in force
    refused: Mapping[WantedId, CloudProviderError]  #: not to be created
    strangers: tuple[Listed, ...]  #: in the cluster's range, but not provably ours

    def actions(self) -> Plan:
        """The same as text for people, one line for each cloud entry."""
        deletes = [
            *(_deletion(item, "a node needs the range") for item in self.in_the_way),
            *(_deletion(item, "no node needs it") for item in self.stale),
        ]
        before = tuple(action.key for action in deletes[: len(self.in_the_way)])
        creates = [
            Action(f"create {item.key}", "create", str(item.key), f"for {item.id.node}", before)
            for item in self.creates
        ]
        return Plan((*deletes, *creates))


def _deletion(item: Listed, why: str) -> Action:
    sentence = "it leads nowhere" if item.route.blackhole else why
    return Action(
        f"delete {item.key} {item.route.name} {id(item)}", "delete", str(item.key), sentence
    )


def readable(routes: Iterable[object]) -> tuple[list[Listed], list[str]]:
    """The routes of a provider's answer, and what cannot be read, as text."""
    found: list[Listed] = []
    unreadable: list[str] = []
    for route in routes:
        network = read(route.destination_cidr) if isinstance(route, Route) else None
        if isinstance(route, Route) and network is not None:
            found.append(Listed(route, network))
        else:
            shown = route.destination_cidr if isinstance(route, Route) else type(route).__name__
            unreadable.append(f"{shown!r:.60}")
    return found, unreadable


def plan(
    demand: Demand, listed: Sequence[Listed], *, ranges: Ranges, seen: Container[Key]
) -> RoutePlan:
    """What brings the cloud from ``listed`` to ``demand``.

    A route is deleted only if it lies inside ``ranges``, no node wants it, its range is none of the
    demand's protected ones, it carries no other's mark, and it is provably ours: it carries our
    mark, or one of our nodes was ``seen`` to need it, or it is equal to or inside the range of one
    of our nodes.

    Args:
        demand: What the nodes ask for.
        listed: What the cloud has.
        ranges: The cluster's.
        seen: Routes that nodes were seen to need since this process leads.

    """
    return _Comparison(demand, listed, ranges, seen).plan()


class _Comparison:
    """The steps of one :func:`plan`."""

    def __init__(
        self, demand: Demand, listed: Sequence[Listed], ranges: Ranges, seen: Container[Key]
    ) -> None:
        self._demand = demand
        self._listed = listed
        self._ranges = ranges
        self._seen = seen
        self._there: dict[Key, Listed] = {}
        for item in listed:
            if not item.route.blackhole:
                self._there.setdefault(
                    item.key, item
                )  # the first of equal ones counts, as upstream
        self._claims: Claims[Wanted] = Claims()
        self._kept: set[Key] = set()
        self._creates: list[Wanted] = []
        self._satisfied: set[WantedId] = set()
        self._refused: dict[WantedId, CloudProviderError] = {}

    def plan(self) -> RoutePlan:
        for wanted in self._in_order():
            self._decide(wanted)
        in_the_way, stale, strangers = self._deletions()
        self._refuse_blocked({id(item) for item in (*in_the_way, *stale)})
        return RoutePlan(
            in_the_way=tuple(in_the_way),
            stale=tuple(stale),
            creates=tuple(item for item in self._creates if item.id not in self._refused),
            satisfied=frozenset(self._satisfied),
            refused=self._refused,
            strangers=tuple(strangers),
        )

    def _in_order(self) -> list[Wanted]:
        """Whose route is there comes first, then the older node: it keeps a disputed range."""

        def rank(wanted: Wanted) -> tuple[bool, datetime.datetime, str]:
            created = wanted.node.metadata.creation_timestamp or _BEGINNING
            return wanted.key not in self._there, created, wanted.id.node

        wanted = sorted(self._demand.wanted, key=rank)
        inside = {item.id.node for item in wanted if self._ranges.contain(item.network)}
        # Of a node with ranges of both families only those that the cluster routes are meant.
        return [
            item
            for item in wanted
            if self._ranges.has_family(item.network) or item.id.node not in inside
        ]

    def _decide(self, wanted: Wanted) -> None:
        there = self._there.get(wanted.key)
        inside = self._ranges.contain(wanted.network)
        if there is None and not inside:
            self._refused[wanted.id] = _outside(wanted, self._ranges)
            return
        holder = self._claims.take(wanted.network, wanted)
        if holder is not None:
            if holder.id != wanted.id:  # else the node names it twice
                self._refused[wanted.id] = _taken(wanted, holder)
        elif there is None or (inside and not _up_to_date(there.route, wanted)):
            self._creates.append(wanted)
        else:
            self._kept.add(wanted.key)
            if there.route.ready:
                self._satisfied.add(wanted.id)
            else:
                self._creates.append(wanted)

    def _deletions(self) -> tuple[list[Listed], list[Listed], list[Listed]]:
        in_the_way: list[Listed] = []
        stale: list[Listed] = []
        strangers: list[Listed] = []
        for item in self._listed:
            if item.key in self._kept and not item.route.blackhole:
                continue
            if not self._ranges.contain(item.network):
                continue
            if item.route.owned is False or self._is_protected(item):
                strangers.append(item)
            elif self._claims.cover(item.network):
                in_the_way.append(item)
            elif item.route.owned or item.key in self._seen:
                stale.append(item)
            else:
                strangers.append(item)
        return in_the_way, stale, strangers

    def _is_protected(self, item: Listed) -> bool:
        return any(
            item.network.version == network.version and item.network.overlaps(network)
            for network in self._demand.protected
        )

    def _refuse_blocked(self, deleted: set[int]) -> None:
        """No creation where a route stays that may not be deleted."""
        staying: dict[str, list[Listed]] = defaultdict(list)
        for item in self._listed:
            if id(item) not in deleted:
                staying[item.key.cidr].append(item)
        for wanted in self._creates:
            others = [
                item
                for item in staying[wanted.key.cidr]
                if item.route.blackhole or item.key != wanted.key
            ]
            if others:
                self._refused[wanted.id] = NotOwned(
                    f"{wanted.key.cidr} is routed to {others[0].route.target_node or '(unknown)'},"
                    " and that route is not this cluster's",
                    resource=others[0].route.name,
                )


def _up_to_date(route: Route, wanted: Wanted) -> bool:
    if not route.enable_node_addresses:
        return True
    have, want = route.target_node_addresses, wanted.route.target_node_addresses
    return len(have) == len(want) and set(have) == set(want)


def _outside(wanted: Wanted, ranges: Ranges) -> InvalidConfiguration:
    return InvalidConfiguration(
        "the node's range is outside the cluster's",
        field="spec.podCIDRs",
        value=wanted.key.cidr,
        accepted=f"a range inside --cluster-cidr={ranges}",
    )


def _taken(wanted: Wanted, holder: Wanted) -> InvalidConfiguration:
    return InvalidConfiguration(
        f"the range overlaps {holder.key.cidr} of node {holder.id.node}",
        field="spec.podCIDRs",
        value=wanted.key.cidr,
        accepted="a range of its own for each node",
    )
