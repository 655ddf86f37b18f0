"""Kinds of flag values: how Go's command lines spell them and what each accepts.

Source: ``spec/ccm-core.md`` 4.1.
"""

from __future__ import annotations

import dataclasses
import enum
import ipaddress
import re
from collections.abc import Callable
from typing import Any, Generic, TypeVar

T = TypeVar("T")


class BadValue(ValueError):
    """A value that a flag does not take; the text says why, not what is accepted."""


class Shape(enum.Enum):
    """How a value is written in the file of ``--config``; the text completes "accepted: …"."""

    TEXT = "text"
    SWITCH = "true or false, without quotes"
    WHOLE = "a whole number, without quotes"
    NUMBER = "a number, without quotes"
    LIST = "a list of texts"
    MAP = "a mapping"


@dataclasses.dataclass(frozen=True)
class Kind(Generic[T]):
    """One kind of value.

    ``accepted`` completes the sentence "accepted: …". ``parse`` raises :class:`BadValue`.
    """

    name: str  #: as help shows it: ``--flag <name>``
    accepted: str
    parse: Callable[[str], T]
    format: Callable[[Any], str] = str
    appends: bool = False  #: a repeated flag adds to the value instead of replacing it
    shape: Shape | None = None  #: None: what the type of the flag's default says
    implied: str | None = None  #: the value of a flag that is typed without one
    join: Callable[[Any, Any], Any] = lambda old, new: (*old, *new)  #: how it adds


_UNIT_SECONDS = {
    "ns": 1e-9,
    "us": 1e-6,
    "\u00b5s": 1e-6,  # the micro sign and the Greek letter: Go takes both
    "\u03bcs": 1e-6,
    "ms": 1e-3,
    "s": 1.0,
    "m": 60.0,
    "h": 3600.0,
}
_DURATION_PART = re.compile(r"(\d+\.?\d*|\.\d+)(ns|us|\u00b5s|\u03bcs|ms|s|m|h)")


def parse_duration(text: str) -> float:
    """Seconds of Go's duration ``text``: ``30s``, ``1h30m``, ``1.5h``, ``-2s``, ``0``.

    Raises:
        BadValue: it is none; a bare number other than 0 is none.

    """
    sign, body = (-1.0, text[1:]) if text.startswith("-") else (1.0, text.removeprefix("+"))
    if body == "0":
        return 0.0
    if re.fullmatch(r"\d+\.?\d*", body):
        raise BadValue(f"a duration needs a unit, e.g. {body}s")
    parts = _DURATION_PART.findall(body)
    if not parts or "".join(number + unit for number, unit in parts) != body:
        raise BadValue("not a duration")
    return sign * sum(float(number) * _UNIT_SECONDS[unit] for number, unit in parts)


def format_duration(seconds: float) -> str:
    """``seconds`` in Go's spelling: 5400 is ``1h30m0s``, 0.5 is ``500ms``, 0 is ``0s``."""
    sign = "-" if seconds < 0 else ""
    seconds = abs(seconds)
    if 0 < seconds < 1:
        return f"{sign}{seconds * 1000:g}ms"
    hours, rest = divmod(seconds, 3600)
    minutes, rest = divmod(rest, 60)
    text = f"{hours:g}h" if hours else ""
    if hours or minutes:
        text += f"{minutes:g}m"
    return f"{sign}{text}{rest:g}s"


_BOOLS = {
    **dict.fromkeys(("1", "t", "T", "true", "TRUE", "True"), True),
    **dict.fromkeys(("0", "f", "F", "false", "FALSE", "False"), False),
}


def parse_bool(text: str) -> bool:
    """Go's ``strconv.ParseBool``."""
    try:
        return _BOOLS[text]
    except KeyError:
        raise BadValue("not a boolean") from None


def _plain(text: str) -> str:
    if "\0" in text:
        raise BadValue("it contains a zero byte")
    return text


TEXT = Kind("string", "any text", _plain)
PATH = Kind("path", "a path of a file or folder", _plain)
#: A path, or NAME=PATH entries; only entries add up. Read by ``cloud_configs``.
CONFIGS = Kind(
    "path | name=path,…",
    "a path of a file; for several providers NAME=PATH entries separated by commas",
    _plain,
    appends=True,
    join=lambda old, new: f"{old},{new}" if "=" in old and "=" in new else new,
)


def _bool_text(value: object) -> str:
    return "true" if value else "false"


BOOL = Kind(
    "bool", "true or false", parse_bool, _bool_text, implied="true"
)  # fmt: skip


def integer(minimum: int | None = None, maximum: int | None = None) -> Kind[int]:
    """A whole number in ``[minimum, maximum]``."""
    accepted = _range_text("a whole number", minimum, maximum)

    def parse(text: str) -> int:
        try:
            value = int(text, 10)
        except ValueError:
            raise BadValue("not a whole number") from None
        _check_range(value, minimum, maximum)
        return value

    return Kind("int", accepted, parse)


def number() -> Kind[float]:
    """A decimal number."""

    def parse(text: str) -> float:
        try:
            value = float(text)
        except ValueError:
            raise BadValue("not a number") from None
        if value != value or value in (float("inf"), float("-inf")):
            raise BadValue("not a finite number")
        return value

    accepted = "a number; 0 or less means no limit"
    return Kind("float", accepted, parse, "{:g}".format, shape=Shape.NUMBER)


def fraction() -> Kind[float]:
    """A part of a whole: above 0, at most 1."""

    def parse(text: str) -> float:
        try:
            value = float(text)
        except ValueError:
            raise BadValue("not a number") from None
        if not 0 < value <= 1:
            raise BadValue("out of range")
        return value

    accepted = "a number above 0, at most 1"
    return Kind("float", accepted, parse, "{:g}".format, shape=Shape.NUMBER)


def duration(minimum: float | None = None) -> Kind[float]:
    """A duration, in seconds once parsed, of at least ``minimum`` seconds."""
    accepted = "a duration such as 500ms, 30s or 1h30m"
    if minimum is not None:
        accepted += f", at least {format_duration(minimum)}"

    def parse(text: str) -> float:
        value = parse_duration(text)
        _check_range(value, minimum, None)
        return value

    return Kind("duration", accepted, parse, format_duration)


def choice(*values: str) -> Kind[str]:
    """One of ``values``."""

    def parse(text: str) -> str:
        if text not in values:
            raise BadValue("unknown value")
        return text

    return Kind("string", " or ".join(value or '""' for value in values), parse)


def parse_list(text: str) -> tuple[str, ...]:
    """The items of ``text``, which commas separate; none of an empty text."""
    return tuple(item.strip() for item in text.split(",")) if text else ()


LIST = Kind("list", "names separated by commas", parse_list, ",".join, appends=True)


def _parse_address(text: str) -> str:
    try:
        return str(ipaddress.ip_address(text)) if text else ""
    except ValueError:
        raise BadValue("not an IP address") from None


ADDRESS = Kind("ip", "an IPv4 or IPv6 address", _parse_address)

_CIDR_INSIDE = re.compile(r"[0-9a-fA-F.:]*[0-9a-fA-F:]/\d{1,3}")


def _parse_cidrs(text: str) -> tuple[str, ...]:
    cidrs = tuple(_parse_cidr(item.strip(), text) for item in text.split(",")) if text else ()
    families = [ipaddress.ip_network(cidr).version for cidr in cidrs]
    if len(families) != len(set(families)):
        raise BadValue("two ranges of one address family")
    return cidrs


def _parse_cidr(item: str, text: str) -> str:
    try:
        return str(ipaddress.ip_network(item, strict=False))
    except ValueError:
        inside = _CIDR_INSIDE.search(text)
        hint = f"; it contains {inside[0]}, did you mean that alone?" if inside else ""
        flag = " but the text of a whole flag" if "--" in text else ""
        raise BadValue(f"not an address range{flag}{hint}") from None


CIDRS = Kind(
    "cidr[,cidr]",
    "an address range such as 172.30.0.0/16, or one IPv4 and one IPv6 range separated by a comma",
    _parse_cidrs,
    ",".join,
)


_URL = re.compile(r"(https?://)?[^\s/]+(/\S*)?")


def _parse_url(text: str) -> str:
    scheme, separator, _ = text.partition("://")
    foreign = separator and scheme not in ("http", "https")
    if text and (foreign or not _URL.fullmatch(text)):
        raise BadValue("not a URL")
    return text


def redact_url(text: str) -> str:
    """``text`` without the user and password that a URL may carry."""
    return re.sub(r"//[^/@\s]*@", "//***@", text)


URL = Kind("url", "https://host:port", _parse_url, redact_url)


def _check_range(value: float, minimum: float | None, maximum: float | None) -> None:
    if minimum is not None and value < minimum:
        raise BadValue("too small")
    if maximum is not None and value > maximum:
        raise BadValue("too large")


def _range_text(what: str, minimum: int | None, maximum: int | None) -> str:
    if minimum is not None and maximum is not None:
        return f"{what} from {minimum} to {maximum}"
    if minimum is not None:
        return f"{what}, at least {minimum}"
    return what if maximum is None else f"{what}, at most {maximum}"
