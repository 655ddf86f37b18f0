"""Kinds of flag values with a structure of their own: pairs, levels, amounts of bytes.

Source: ``spec/ccm-core.md`` 4.1, 4.2.
"""

from __future__ import annotations

import re

from cloudprovider_manager.values import BadValue, Kind, Shape, parse_bool, parse_list


def _bool_text(text: str) -> str:
    return "true" if parse_bool(text) else "false"


def _parse_version(text: str) -> str:
    if text in ("raw", ""):
        return text
    try:
        return "true" if parse_bool(text) else ""
    except BadValue:
        raise BadValue("the version that is reported cannot be changed") from None


#: ``--version`` prints and ends, whichever of its values is given.
VERSION = Kind("version", "true, raw or false", _parse_version, implied="true")


def _parse_numbers(text: str) -> tuple[int, ...]:
    try:
        return tuple(int(item, 10) for item in parse_list(text))
    except ValueError:
        raise BadValue("not whole numbers") from None


NUMBERS = Kind(
    "list",
    "whole numbers separated by commas",
    _parse_numbers,
    lambda value: ",".join(map(str, value)),
    appends=True,
)


def _parse_once(text: str) -> tuple[str, ...]:
    if not text:
        raise BadValue("it is empty")
    return (text,)


#: A flag that is repeated for each value, because a value may hold commas.
REPEATED = Kind(
    "text", "any text; repeat the flag", _parse_once, " ".join, appends=True
)  # fmt: skip


def _parse_pairs(text: str) -> tuple[tuple[str, str], ...]:
    pairs = [item.strip() for item in text.split(",") if item.strip()]
    bad = [pair for pair in pairs if "=" not in pair or pair.startswith("=")]
    if bad:
        raise BadValue(f"{bad[0]!r} is not key=value")
    return tuple(
        (key.strip(), value.strip()) for key, _, value in (pair.partition("=") for pair in pairs)
    )


def _format_pairs(value: tuple[tuple[str, str], ...]) -> str:
    return ",".join(f"{key}={item}" for key, item in value)


def _parse_switches(text: str) -> tuple[tuple[str, str], ...]:
    pairs = _parse_pairs(text)
    for key, value in pairs:
        try:
            parse_bool(value)
        except BadValue:
            raise BadValue(f"{key}={value} is neither true nor false") from None
    return tuple((key, _bool_text(value)) for key, value in pairs)


SWITCHES = Kind(
    "key=bool,…",
    "key=true or key=false, separated by commas",
    _parse_switches,
    _format_pairs,
    appends=True,
    shape=Shape.MAP,
)


def _parse_levels(text: str) -> tuple[tuple[str, str], ...]:
    pairs = _parse_pairs(text)
    for pattern, level in pairs:
        if not level.isdecimal():
            raise BadValue(f"{pattern}={level} has no level")
    return pairs


LEVELS = Kind(
    "pattern=N,…",
    "file names without .py and levels, such as elector=4,node*=5",
    _parse_levels,
    _format_pairs,
    shape=Shape.MAP,
)

_QUANTITY = re.compile(r"(\d+(?:\.\d+)?)(|k|M|G|T|Ki|Mi|Gi|Ti)")
_FACTORS = {"": 1, **{unit: 1000**n for n, unit in enumerate("kMGT", 1)}}
_FACTORS |= {f"{unit}i": 1024**n for n, unit in enumerate("KMGT", 1)}


def _parse_quantity(text: str) -> int:
    found = _QUANTITY.fullmatch(text)
    if not found:
        raise BadValue("not an amount of bytes")
    return int(float(found[1]) * _FACTORS[found[2]])


def _format_quantity(value: int) -> str:
    for unit in ("Ti", "Gi", "Mi", "Ki"):
        if value and value % _FACTORS[unit] == 0:
            return f"{value // _FACTORS[unit]}{unit}"
    return str(value)


#: Kubernetes' spelling of an amount of bytes.
QUANTITY = Kind(
    "quantity",
    "bytes such as 512Ki, 1M or 0",
    _parse_quantity,
    _format_quantity,
    shape=Shape.TEXT,
)
