"""What an action is, and what its handler is given."""

from __future__ import annotations

import dataclasses
import datetime
import functools
import operator
from collections.abc import Callable, Mapping
from typing import Any

from cloudprovider_alicloud.emulator.errors import ApiError, invalid, missing
from cloudprovider_alicloud.emulator.params import Param, by_lower_name, integer, text
from cloudprovider_alicloud.emulator.settings import Settings
from cloudprovider_alicloud.emulator.state import State

#: Version header to product (``spec/alicloud.md`` 7.1).
VERSIONS = {
    "2014-05-15": "slb",
    "2014-05-26": "ecs",
    "2016-04-28": "vpc",
    "2022-04-30": "nlb",
    "2015-04-01": "sts",
}

#: Most actions require it (``spec/alicloud.md`` 7.1).
REGION = text("RegionId", required=True)
CLIENT_TOKEN = text("ClientToken", high=64)
_READS = ("Describe", "List", "Get", "Assume")


@dataclasses.dataclass
class Call:
    """One call on its way through a handler."""

    state: State  #: what is read; lags behind for a list when that is set
    settings: Settings
    args: dict[str, Any]  #: parsed parameters by declared name
    now: float  #: seconds on the monotonic clock, for delays
    time: float  #: POSIX seconds on the cloud's clock
    account: str = ""
    access_key_id: str = ""

    def __getitem__(self, name: str) -> Any:
        return self.args.get(name)

    def text(self, name: str, default: str = "") -> str:
        """A string parameter."""
        value: str = self.args.get(name, default)
        return value

    def number(self, name: str, default: int) -> int:
        """A numeric parameter."""
        value: int = self.args.get(name, default)
        return value

    def listed(self, name: str) -> list[Any]:
        """A list parameter, empty when absent."""
        value: list[Any] = self.args.get(name) or []
        return value

    def need(self, name: str) -> Any:
        """A parameter that is required in this case. Raises ApiError ``Missing…``."""
        if self.args.get(name) in (None, "", []):
            raise missing(name)
        return self.args[name]

    @property
    def region(self) -> str:
        """The region the call is for."""
        return self.text("RegionId", self.settings.region)

    def stamp(self) -> str:
        """Now, as the APIs write it."""
        return timestamp(self.time)


Handler = Callable[[Call], dict[str, Any]]


@dataclasses.dataclass(frozen=True)
class Action:
    """One row of the catalogue."""

    product: str
    name: str
    handler: Handler
    params: tuple[Param, ...] = ()
    key: str = ""  #: the parameter or reply field that holds the main id
    by_id: tuple[str, ...] = ()  #: a list with one of these is a read by id: never lags
    lists: bool = False  #: lags behind writes when that is set
    regional: bool = True  #: requires RegionId

    @functools.cached_property
    def write(self) -> bool:
        """Whether it can change something."""
        return not self.name.startswith(_READS)

    @functools.cached_property
    def declared(self) -> Mapping[str, Param]:
        """Parameters by lower-case name, RegionId among them."""
        return by_lower_name((REGION, *self.params) if self.regional else self.params)


def timestamp(seconds: float) -> str:
    """POSIX ``seconds`` as ``2026-01-01T00:00:00Z``."""
    moment = datetime.datetime.fromtimestamp(seconds, datetime.UTC)
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")


def minute_stamp(seconds: float) -> str:
    """POSIX ``seconds`` as ``2026-01-01T00:00Z``, the short form of SLB and ECS."""
    return timestamp(seconds)[:-4] + "Z"


def compact(body: dict[str, Any]) -> dict[str, Any]:
    """``body`` without what is None or an empty string: the services leave such fields out."""
    return {name: value for name, value in body.items() if value is not None and value != ""}


PAGE = (integer("PageNumber", 1), integer("PageSize", 1))


def page(
    call: Call, items: list[Any], *, default: int, largest: int
) -> tuple[list[Any], dict[str, int]]:
    """One page by PageNumber and PageSize, and the fields that tell about it."""
    number = call.number("PageNumber", 1)
    size = call.number("PageSize", default)
    if size > largest:
        raise invalid("PageSize", f"must be from 1 to {largest}")
    start = (number - 1) * size
    return items[start : start + size], {
        "PageNumber": number,
        "PageSize": size,
        "TotalCount": len(items),
    }


def token_page(call: Call, items: list[Any], size: int) -> tuple[list[Any], str]:
    """``size`` items from NextToken on, and the token of the next page or an empty string."""
    start = 0
    token = call.text("NextToken")
    if token:
        if not token.startswith("tok-") or not token[4:].isdigit():
            raise ApiError(400, "InvalidNextToken", "The specified NextToken is not valid.")
        start = int(token[4:])
    end = start + size
    return items[start:end], f"tok-{end}" if end < len(items) else ""


def has_tags(tags: Mapping[str, str], wanted: list[tuple[str, str | None]]) -> bool:
    """Whether all ``wanted`` tags are there; a value of None means any value."""
    return all(key in tags and value in (None, tags[key]) for key, value in wanted)


def tag_filter(call: Call) -> list[tuple[str, str | None]]:
    """The parameter ``Tag.N.Key``, ``Tag.N.Value`` as a filter."""
    return [(item.get("Key", ""), item.get("Value")) for item in call.listed("Tag")]


def matcher(call: Call, fields: Mapping[str, str]) -> Callable[[Any], bool]:
    """Whether a record has the values asked for.

    Args:
        call: whose parameters are the filters.
        fields: parameter to the record's field that it must equal.

    """
    wanted = [
        (operator.attrgetter(field), call.args[name])
        for name, field in fields.items()
        if name in call.args
    ]
    tags = tag_filter(call)

    def matches(record: Any) -> bool:
        return all(get(record) == value for get, value in wanted) and (
            not tags or has_tags(record.tags, tags)
        )

    return matches
