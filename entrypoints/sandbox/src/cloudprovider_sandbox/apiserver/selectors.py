"""Label and field selectors as the API server parses them."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Mapping

from cloudprovider_sandbox.apiserver import status
from cloudprovider_sandbox.apiserver.resources import Resource
from cloudprovider_sandbox.apiserver.store import Entry

_TERM = re.compile(
    r"\s*(?:(?P<absent>!)\s*(?P<akey>[^\s,=!()<>]+)"
    r"|(?P<key>[^\s,=!()<>]+)\s*"
    r"(?:(?P<set>\b(?:in|notin))\s*\((?P<values>[^)]*)\)"
    r"|(?P<op>==|=|!=|>|<)\s*(?P<value>[^\s,]*))?)\s*"
)


@dataclasses.dataclass(frozen=True)
class Requirement:
    """One term: ``key op values``; op is in, notin, exists, absent, gt or lt."""

    key: str
    op: str
    values: frozenset[str] = frozenset()

    def matches(self, labels: Mapping[str, str]) -> bool:
        """Whether ``labels`` meet it. ``!=`` and ``notin`` hold where the key is absent."""
        value = labels.get(self.key)
        if self.op == "exists":
            return value is not None
        if self.op == "absent":
            return value is None
        if self.op == "notin":
            return value not in self.values
        if value is None or self.op == "in":
            return value in self.values
        return _compare(value, self.op, next(iter(self.values)))


def _compare(value: str, op: str, bound: str) -> bool:
    try:
        return int(value) > int(bound) if op == "gt" else int(value) < int(bound)
    except ValueError:
        return False


@dataclasses.dataclass(frozen=True)
class Selector:
    """Labels and fields that an object must have."""

    labels: tuple[Requirement, ...] = ()
    fields: tuple[Requirement, ...] = ()
    name: str = ""  #: the only name that can match, or empty

    @property
    def everything(self) -> bool:
        """Whether it matches every object."""
        return not self.labels and not self.fields

    def matches(self, entry: Entry) -> bool:
        """Whether ``entry`` meets all terms."""
        labels = entry.labels or {}
        if not all(requirement.matches(labels) for requirement in self.labels):
            return False
        return all(self._field(requirement, entry) for requirement in self.fields)

    def _field(self, requirement: Requirement, entry: Entry) -> bool:
        namespace, name = entry.key
        if requirement.key == "metadata.name":
            value = name
        elif requirement.key == "metadata.namespace":
            value = namespace
        else:
            value = (entry.fields or {}).get(requirement.key, "")
        return requirement.matches({requirement.key: value})


def parse_labels(text: str) -> tuple[Requirement, ...]:
    """The terms of a label selector, e.g. ``app=web,tier in (a,b),!old``.

    Raises:
        StatusError: 400, it cannot be parsed.

    """
    terms: list[Requirement] = []
    position = 0
    while position < len(text.rstrip()):
        match = _TERM.match(text, position)
        if match is None or match.end() == position:
            raise status.bad_request(f'unable to parse requirement: found "{text[position:]}"')
        terms.append(_requirement(match))
        position = match.end()
        if position < len(text):
            if text[position] != ",":
                raise status.bad_request(f'unable to parse requirement: found "{text[position:]}"')
            position += 1
    return tuple(terms)


def _requirement(match: re.Match[str]) -> Requirement:
    if match["absent"]:
        return Requirement(match["akey"], "absent")
    if match["set"]:
        values = frozenset(value.strip() for value in match["values"].split(","))
        return Requirement(match["key"], match["set"], values)
    if not match["op"]:
        return Requirement(match["key"], "exists")
    op = {"=": "in", "==": "in", "!=": "notin", ">": "gt", "<": "lt"}[match["op"]]
    return Requirement(match["key"], op, frozenset({match["value"]}))


def parse_fields(text: str, resource: Resource) -> tuple[Requirement, ...]:
    """The terms of a field selector, e.g. ``metadata.name=a,spec.type!=ClusterIP``.

    Raises:
        StatusError: 400, it cannot be parsed or the resource has no such field.

    """
    terms = []
    for part in filter(None, text.split(",")):
        match = re.fullmatch(r"([^=!]+)(==|=|!=)(.*)", part)
        if match is None:
            raise status.bad_request(f"invalid selector: '{text}'; can't understand '{part}'")
        key, op, value = match.groups()
        if key not in resource.selectable and key not in {"metadata.name", "metadata.namespace"}:
            raise status.bad_request(f"field label not supported: {key}")
        terms.append(Requirement(key, "notin" if op == "!=" else "in", frozenset({value})))
    return tuple(terms)


def selected_name(fields: str) -> str:
    """The one name that a field selector can match, for authorization; empty if it is not one."""
    found = re.search(r"(?:^|,)metadata\.name==?([^,]+)", fields)
    return found[1] if found else ""


def parse(labels: str, fields: str, resource: Resource) -> Selector:
    """The selector of a request. Raises StatusError 400."""
    requirements = parse_fields(fields, resource)
    names = [r for r in requirements if r.key == "metadata.name" and r.op == "in"]
    name = next(iter(names[0].values)) if names else ""
    return Selector(parse_labels(labels), requirements, name)
