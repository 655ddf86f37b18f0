"""``alicloud-annotations.md``: the annotations of Services, from their declarations."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from cloudprovider.toolkit.annotations import Field
from cloudprovider_alicloud.annotations import ANNOTATIONS
from generator import markdown

_INTRODUCTION = """\
Keys without a `/` stand for `{current}KEY`. Where that one is absent, the older prefix `{old}` is
read. An empty value counts as absent; an unknown key under these prefixes, or a value that is not
accepted, is a Warning event on the Service that names key, value and what is accepted. The field
`spec.loadBalancerIP` has no effect, as in the Go manager; the log says so."""

_COLUMNS = """\
*Change*: whether a change is carried out on a load balancer that exists; if not, it is refused with
an event, or has an effect at creation only. *For*: the kinds of load balancer that know the key;
this version makes CLBs only."""

_WITHOUT = """\
These keys are known, so that manifests which carry them go on working. They have no effect yet; the
log names them once for each Service."""

_REFUSED = """\
Ignoring these would expose traffic, or send it elsewhere than was asked for. A Service that carries
one is left as it is, with a Warning event."""

#: Values of supported keys that are refused for the same reason; the key, a refused value.
_PROBES = (("protocol-port", "https:443"), ("service.beta.kubernetes.io/backend-type", "eni"))


def page() -> str:
    """The page."""
    fields = list(ANNOTATIONS)
    supported = [field for field in fields if field.supported]
    refused = [field for field in fields if field.refused]
    without = [field for field in fields if not (field.supported or field.refused)]
    current, old = ANNOTATIONS.prefixes
    return markdown.page(
        "Annotations of Services on Alibaba Cloud",
        markdown.wrap(_INTRODUCTION.format(current=current, old=old)),
        f"{len(fields)} keys: {len(supported)} supported, {len(without)} recognised but not yet "
        f"supported, {len(refused)} refused.",
        "## Supported",
        _COLUMNS,
        markdown.table(
            ("Key", "Accepted", "Default", "For", "Change", "Meaning"), map(_supported, supported)
        ),
        "## Recognised, not yet supported",
        _WITHOUT,
        markdown.table(("Key", "For"), _by_kind(without)),
        "## Refused",
        _REFUSED,
        markdown.table(("Key", "Value", "Why"), _refusals(refused)),
    )


def _supported(field: Field[Any]) -> tuple[str, ...]:
    return (
        markdown.code(field.key),
        field.type.accepted,
        _default(field),
        ", ".join(field.applies_to),
        "yes" if field.mutable else "no",
        field.doc,
    )


def _default(field: Field[Any]) -> str:
    value = field.default
    if isinstance(value, bool):
        on, _, off = field.type.accepted.partition(" or ")
        return markdown.code(on if value else off)
    return "" if value is None or value in ({}, ()) else markdown.code(str(value))


def _by_kind(fields: Iterable[Field[Any]]) -> Iterable[tuple[str, str]]:
    return ((markdown.code(field.key), ", ".join(field.applies_to)) for field in fields)


def _refusals(refused: Iterable[Field[Any]]) -> Iterable[tuple[str, str, str]]:
    for field in refused:
        yield markdown.code(field.key), "any", field.refused
    for key, value in _PROBES:
        full = key if "/" in key else ANNOTATIONS.prefixes[0] + key
        (problem,) = ANNOTATIONS.parse({full: value}).problems
        yield markdown.code(key), markdown.code(value), problem.message
