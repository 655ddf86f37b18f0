"""One route table of a VPC: its custom entries as last read, and changes in batches.

What an entry came to is read from the table after a change, not from the answer to it: answers get
lost, and entries are taken on before they are in force. Source: ``spec/alicloud.md`` 6.1, 7.2, 7.5.
"""

from __future__ import annotations

import fnmatch
import ipaddress
import logging
from collections.abc import Callable, Mapping, Sequence

from cloudprovider.concurrency import Concurrency
from cloudprovider.errors import (
    CloudProviderError,
    InvalidConfiguration,
    NotOwned,
    QuotaExceeded,
    RetryLater,
    Unauthorized,
)
from cloudprovider.toolkit.sharing import chunks
from cloudprovider_alicloud.api.errors import AmbiguousOutcome
from cloudprovider_alicloud.api.vpc import BATCH, InstanceRoute, Refusal, RouteEntry, VpcApi

_log = logging.getLogger(__name__)

#: Custom entries that a table takes unless the account had that raised (spec 7.5).
DOCUMENTED_QUOTA = 200
#: Seconds for which a full table is believed to be full, and a listing to be current.
_FULL_FOR, _CURRENT_FOR = 600.0, 60.0
#: Seconds until an entry that is being changed is looked at again.
_SOON = 2.0
#: Calls to find out which entry of a batch the cloud refuses the whole batch for.
_SEARCH = 16

#: Codes of single entries in the answer to a batch.
_DUPLICATE = "VPC_ROUTE_ENTRY_CIDR_BLOCK_DUPLICATE"
_CHANGING = "VPC_ROUTE_ENTRY_STATUS_ERROR"
_ABSENT = "VPC_ROUTER_ENTRY_NOT_EXIST"

#: Errors that would meet every further batch as well.
_HOPELESS = (RetryLater, Unauthorized, AmbiguousOutcome, InvalidConfiguration)

Errors = dict[InstanceRoute, CloudProviderError]
_Send = Callable[[Sequence[InstanceRoute]], Mapping[InstanceRoute, Refusal]]


class RouteTable:
    """The table with ``table_id``. One change at a time."""

    def __init__(self, vpc: VpcApi, table_id: str, *, concurrency: Concurrency) -> None:
        self.table_id = table_id
        self._vpc = vpc
        self._concurrency = concurrency
        self._entries: dict[str, RouteEntry] = {}
        self._current_until = 0.0
        self._full: tuple[int, float] | None = None  # entries that it takes, believed until
        self._warned = False

    def read(self) -> dict[str, RouteEntry]:
        """The custom entries by destination, in canonical form."""
        entries = self._vpc.describe_route_entries(self.table_id)
        self._entries = {canonical(entry.destination_cidr): entry for entry in entries}
        self._current_until = self._concurrency.monotonic() + _CURRENT_FOR
        return self._entries

    def create(self, wanted: Mapping[InstanceRoute, str]) -> Errors:
        """Create entries with their descriptions; errors of those not in force afterwards.

        Entries that are there already are not sent again. An error of RetryLater: being changed.
        """
        if self._concurrency.monotonic() >= self._current_until:
            self.read()
        todo = [route for route in wanted if route.destination_cidr not in self._entries]
        errors: Errors = {}
        if todo:
            todo = self._fitting(todo, errors)
        if todo:

            def send(batch: Sequence[InstanceRoute]) -> Mapping[InstanceRoute, Refusal]:
                descriptions = {route: wanted[route] for route in batch}
                return self._vpc.create_route_entries(self.table_id, descriptions)

            self._in_batches(todo, send, errors)
            self._read_again(todo, errors)
            self._note_quota(todo, errors)
        verdicts = {route: self._verdict(route, errors.get(route)) for route in wanted}
        return {route: error for route, error in verdicts.items() if error is not None}

    def delete(self, routes: Sequence[InstanceRoute]) -> Errors:
        """Delete entries; the errors of those that are still there. None if one is gone already."""
        errors: Errors = {}

        def send(batch: Sequence[InstanceRoute]) -> Mapping[InstanceRoute, Refusal]:
            refused = self._vpc.delete_route_entries(self.table_id, batch)
            return {route: one for route, one in refused.items() if one.code != _ABSENT}

        self._in_batches(routes, send, errors)
        if any(isinstance(error, AmbiguousOutcome) for error in errors.values()):
            self._read_again(routes, errors)
            errors = {route: why for route, why in errors.items() if self._leads(route)}
        for route in routes:
            if route not in errors and self._leads(route):
                del self._entries[route.destination_cidr]
        return errors

    # -- sending ---------------------------------------------------------------------------

    def _in_batches(self, routes: Sequence[InstanceRoute], send: _Send, errors: Errors) -> None:
        waiting = [list(chunk) for chunk in chunks(routes, BATCH)]
        budget = _SEARCH
        while waiting:
            batch = waiting.pop(0)
            try:
                refused = send(batch)
            except CloudProviderError as error:
                hopeless = isinstance(error, _HOPELESS)
                if hopeless or len(batch) == 1 or budget <= 0:
                    errors.update(dict.fromkeys(batch, error))
                else:
                    # The cloud may refuse the whole for one of them: find it.
                    budget -= 1
                    middle = len(batch) // 2
                    waiting[:0] = [batch[:middle], batch[middle:]]
                if hopeless:
                    errors.update((route, error) for rest in waiting for route in rest)
                    return
            else:
                errors.update(
                    (route, self._error(refusal))
                    for route, refusal in refused.items()
                    if route in batch
                )

    def _error(self, refusal: Refusal) -> CloudProviderError:
        text = f"{self.table_id}: {refusal.message}"
        origin = {"code": refusal.code, "request_id": refusal.request_id}
        if refusal.code in {_DUPLICATE, _CHANGING}:
            return RetryLater(text, after=_SOON, **origin)
        if fnmatch.fnmatchcase(refusal.code.upper(), "*QUOTA*"):
            return QuotaExceeded(text, **origin)
        return CloudProviderError(text, **origin)

    def _read_again(self, routes: Sequence[InstanceRoute], errors: Errors) -> None:
        """See what became of ``routes``; without an answer their fate is unknown."""
        try:
            self.read()
        except CloudProviderError as error:
            self._current_until = 0.0
            _log.warning("%s cannot be read after a change: %s", self.table_id, error)
            later = RetryLater(f"{self.table_id} cannot be read: {error}", after=_SOON)
            for route in routes:
                errors.setdefault(route, later)

    # -- quota -----------------------------------------------------------------------------

    def _fitting(self, routes: list[InstanceRoute], errors: Errors) -> list[InstanceRoute]:
        """Those of ``routes`` that the table has room for, as far as that is known."""
        now, count = self._concurrency.monotonic(), len(self._entries)
        if self._full is not None and now < self._full[1]:
            room = max(0, self._full[0] - count)
            full = self._is_full(len(routes) - room)
            errors.update(dict.fromkeys(routes[room:], full))
            return routes[:room]
        if count + len(routes) > DOCUMENTED_QUOTA and not self._warned:
            self._warned = True
            _log.warning(
                "route table %s has %d custom entries and needs %d more; it takes %d, unless the"
                " quota of the account was raised",
                self.table_id, count, len(routes), DOCUMENTED_QUOTA,
            )  # fmt: skip
        return routes

    def _note_quota(self, routes: Sequence[InstanceRoute], errors: Errors) -> None:
        refused = [route for route in routes if isinstance(errors.get(route), QuotaExceeded)]
        if not refused:
            return
        self._full = (len(self._entries), self._concurrency.monotonic() + _FULL_FOR)
        said = errors[refused[0]]
        full = self._is_full(len(refused), code=said.code, request_id=said.request_id)
        errors.update(dict.fromkeys(refused, full))

    def _is_full(self, missing: int, **origin: str) -> QuotaExceeded:
        return QuotaExceeded(
            f"route table {self.table_id} is full: it has {len(self._entries)} custom entries and"
            f" takes no {missing} more. Raise the quota of custom entries per route table in the"
            " Quota Center, or remove entries that nobody needs",
            **origin,
        )

    # -- judging ---------------------------------------------------------------------------

    def _leads(self, route: InstanceRoute) -> bool:
        entry = self._entries.get(route.destination_cidr)
        return entry is not None and entry.next_hops == (("Instance", route.instance_id),)

    def _verdict(
        self, route: InstanceRoute, error: CloudProviderError | None
    ) -> CloudProviderError | None:
        entry = self._entries.get(route.destination_cidr)
        where = f"{route.destination_cidr} in {self.table_id}"
        if entry is None:
            return error or RetryLater(f"{where} is not listed yet", after=_SOON)
        if entry.status != "Available" and (self._leads(route) or entry.status == "Deleting"):
            return RetryLater(f"{where} is {entry.status}", after=_SOON)
        if self._leads(route):
            return None
        hops = ", ".join(f"{kind} {target}" for kind, target in entry.next_hops) or "nothing"
        return NotOwned(f"{where} leads to {hops}", resource=self.table_id)


def canonical(cidr: str) -> str:
    """``cidr`` as ``ipaddress`` writes it; as it is if that cannot read it."""
    try:
        return str(ipaddress.ip_network(cidr, strict=False))
    except ValueError:
        return cidr
