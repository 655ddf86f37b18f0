"""Routes to the nodes' pod networks: entries of the VPC's route tables, one per node and table.

``Route.target_node`` is an instance id here: a table knows no nodes. ``Route.name`` is the list of
tables that have the entry.

**Whose an entry is.** A table is shared with people and other clusters. We write a mark into the
description of each entry that we create. An entry that leads where a node wants it counts whatever
its mark, so that an entry of the Go manager, which has none, is taken over as it is. Which entries
may be deleted is said at :attr:`cloudprovider.interface.Route.owned`. Only entries that lead to one
instance are shown to the controller at all.

Source: ``spec/alicloud.md`` 6.1, 7.2, 12.
"""

from __future__ import annotations

import logging
from collections import defaultdict
from collections.abc import Sequence

from cloudprovider.concurrency import Concurrency, current
from cloudprovider.errors import CloudProviderError, InvalidConfiguration
from cloudprovider.interface import Route, Routes
from cloudprovider.models import Node
from cloudprovider.toolkit.ownership import Ownership
from cloudprovider.toolkit.plan import combine
from cloudprovider.toolkit.sharing import TtlCache
from cloudprovider_alicloud.api.vpc import InstanceRoute, RouteEntry, VpcApi
from cloudprovider_alicloud.config import DEFAULT_CLUSTER_ID, AlicloudConfig
from cloudprovider_alicloud.instances import identify
from cloudprovider_alicloud.route_table import RouteTable, canonical

_log = logging.getLogger(__name__)

_MARK = "k8s/route"
#: Characters of a cluster id in a mark: with a node's UID it must stay below 256.
_LONGEST_ID = 200
_DEFAULT_ROUTES = frozenset({"0.0.0.0/0", "::/0"})
#: Seconds for which the tables of the VPC are not listed again.
_TABLES_FOR = 600.0


class VpcRoutes(Routes):
    """The routes of one cluster in one VPC."""

    def __init__(
        self, vpc: VpcApi, config: AlicloudConfig, *, concurrency: Concurrency | None = None
    ) -> None:
        self._vpc = vpc
        self._config = config
        self._concurrency = concurrency or current()
        self._found: TtlCache[str, tuple[str, ...]] = TtlCache(
            ttl=_TABLES_FOR, concurrency=self._concurrency
        )
        self._tables: dict[str, RouteTable] = {}
        # The VPC carries out one change of its routes at a time.
        self._writing = self._concurrency.lock()

    def desired_routes(self, node: Node) -> Sequence[Route]:
        """One route: to the first IPv4 range of the node, else to its last IPv6 range."""
        cidr = pod_cidr(node)
        identity = identify(node, self._config.region)
        if isinstance(identity, CloudProviderError):
            raise identity
        return [Route("", identity, canonical(cidr))] if cidr and identity else []

    def list_routes(self, cluster_name: str) -> Sequence[Route]:  # noqa: ARG002 - ids tell apart
        tables = self._wanted_tables()
        found: dict[InstanceRoute, dict[str, RouteEntry]] = defaultdict(dict)
        try:
            for table in tables:
                for cidr, entry in table.read().items():
                    if self._concerns(cidr, entry):
                        route = InstanceRoute(cidr, entry.next_hops[0][1])
                        found[route][table.table_id] = entry
        except InvalidConfiguration:
            self._found.clear()  # a table is gone: look for them again
            raise
        return [self._route(key, entries, len(tables)) for key, entries in found.items()]

    def create_routes(
        self,
        cluster_name: str,  # noqa: ARG002 - ids tell apart
        routes: Sequence[tuple[str, Route]],
    ) -> Sequence[CloudProviderError | None]:
        wanted = {_instance_route(route): self._mark(hint) for hint, route in routes}
        errors: dict[InstanceRoute, list[CloudProviderError]] = defaultdict(list)
        with self._writing:
            for table in self._wanted_tables():
                for key, error in table.create(wanted).items():
                    errors[key].append(error)
        return [_outcome(errors, route) for _, route in routes]

    def delete_routes(
        self,
        cluster_name: str,  # noqa: ARG002 - ids tell apart
        routes: Sequence[Route],
    ) -> Sequence[CloudProviderError | None]:
        by_table: dict[str, list[InstanceRoute]] = defaultdict(list)
        for route in routes:
            for table_id in filter(None, route.name.split(",")):
                by_table[table_id].append(_instance_route(route))
        errors: dict[InstanceRoute, list[CloudProviderError]] = defaultdict(list)
        with self._writing:
            for table_id, wanted in by_table.items():
                for key, error in self._table(table_id).delete(wanted).items():
                    errors[key].append(error)
        return [_outcome(errors, route) for route in routes]

    # -- tables ----------------------------------------------------------------------------

    def _wanted_tables(self) -> list[RouteTable]:
        """The tables that each node's route belongs in.

        Raises:
            InvalidConfiguration: it is not clear which.

        """
        ids = self._config.route_table_ids
        return [self._table(table_id) for table_id in ids or self._tables_of_vpc()]

    def _table(self, table_id: str) -> RouteTable:
        if table_id not in self._tables:
            self._tables[table_id] = RouteTable(self._vpc, table_id, concurrency=self._concurrency)
        return self._tables[table_id]

    def _tables_of_vpc(self) -> tuple[str, ...]:
        vpc_id = self._config.vpc_id
        if not vpc_id:
            raise InvalidConfiguration(
                "the VPC is not known: the metadata service did not tell it",
                field="Global.vpcid",
                accepted="a VPC's id, or ids of route tables in Global.routeTableIDs",
            )
        found = self._found.get(vpc_id, lambda: self._vpc.describe_route_tables(vpc_id))
        if len(found) == 1:
            return found
        self._found.forget(vpc_id)
        if not found:
            text = f"no route tables found by vpc id[{vpc_id}]"
        else:
            text = f"multiple route tables found by vpc id[{vpc_id}], length(tables)={len(found)}"
        raise InvalidConfiguration(
            text,
            field="Global.routeTableIDs",
            accepted="the tables to write routes to"
            + (f", of {', '.join(found)}" if found else ""),
        )

    # -- entries ---------------------------------------------------------------------------

    def _concerns(self, cidr: str, entry: RouteEntry) -> bool:
        """Whether ``entry`` may be a node's: it leads to one instance."""
        return (
            [kind for kind, _ in entry.next_hops] == ["Instance"]
            and cidr not in _DEFAULT_ROUTES
            and entry.status != "Deleting"
        )

    def _route(self, key: InstanceRoute, entries: dict[str, RouteEntry], tables: int) -> Route:
        marks = [whose(item.description, self._config.cluster_id) for item in entries.values()]
        return Route(
            name=",".join(entries),
            target_node=key.instance_id,
            destination_cidr=key.destination_cidr,
            owned=_owned(marks),
            ready=len(entries) == tables
            and all(item.status == "Available" for item in entries.values()),
        )

    def _mark(self, node_uid: str) -> str:
        return f"{_MARK}/{node_uid}/{self._config.cluster_id[:_LONGEST_ID]}"


def _owned(marks: Sequence[Ownership]) -> bool | None:
    if Ownership.ANOTHERS in marks:
        return False
    return True if all(mark is Ownership.OURS for mark in marks) else None


def whose(description: str, cluster_id: str) -> Ownership:
    """Whose the entry with ``description`` is, as seen by the cluster. Pure.

    The default cluster id is shared by all clusters that were never given one: it proves nothing.
    """
    parts = description.split("/", 3)
    if len(parts) != 4 or "/".join(parts[:2]) != _MARK:
        return Ownership.UNMARKED
    if parts[3] != cluster_id[:_LONGEST_ID]:
        return Ownership.ANOTHERS
    return Ownership.UNMARKED if cluster_id == DEFAULT_CLUSTER_ID else Ownership.OURS


def pod_cidr(node: Node) -> str:
    """The range of ``node`` that is routed; empty if it has none yet. Pure.

    Upstream's choice: the first IPv4 range of podCIDRs, then podCIDR; without any IPv4 the last.
    """
    ranges = [*(node.spec.pod_cidrs or ()), *filter(None, [node.spec.pod_cidr])]
    return next((text for text in ranges if ":" not in text), ranges[-1] if ranges else "")


def _instance_route(route: Route) -> InstanceRoute:
    return InstanceRoute(canonical(route.destination_cidr), route.target_node)


def _outcome(
    errors: dict[InstanceRoute, list[CloudProviderError]], route: Route
) -> CloudProviderError | None:
    found = errors.get(_instance_route(route))
    return combine(found) if found else None
