"""Annotations declared once: parsing, validation, "did you mean" and documentation from one place.

A provider declares each key as a :class:`Field` and puts them all into one :class:`Declarations`::

    ADDRESS_TYPE = Field("address-type", choice("internet", "intranet"), "internet", doc="…")
    ANNOTATIONS = Declarations([ADDRESS_TYPE, …], prefixes=("example.com/load-balancer-",))

    values = ANNOTATIONS.parse(service.metadata.annotations)
    values.raise_for_problems()
    values[ADDRESS_TYPE]  # typed

Source: ``design.md`` 4.
"""

from __future__ import annotations

import dataclasses
import difflib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, Generic, TypeVar, cast

from cloudprovider.errors import InvalidConfiguration

_T = TypeVar("_T")
_T_co = TypeVar("_T_co", covariant=True)

#: Longest part of a value that a message repeats: annotations may hold 256 KiB.
SHOWN = 80
#: How alike a misspelt prefix and ours must be, part by part.
ALIKE = 0.9


@dataclasses.dataclass(frozen=True)
class Type(Generic[_T_co]):
    """How the text of an annotation becomes a value."""

    parse: Callable[[str], _T_co]  #: raises ValueError with the reason
    accepted: str  #: what is accepted, in words


def text(accepted: str = "text") -> Type[str]:
    """Any text."""
    return Type(lambda value: value, accepted)


def choice(*values: str, ignore_case: bool = False) -> Type[str]:
    """One of ``values``, as declared."""

    def parse(given: str) -> str:
        for value in values:
            if given == value or (ignore_case and given.lower() == value.lower()):
                return value
        close = difflib.get_close_matches(given, values, 1)
        raise ValueError(f"not one of the choices{_did_you_mean(close)}")

    return Type(parse, " or ".join(values))


def flag(on: str = "on", off: str = "off") -> Type[bool]:
    """A switch, written ``on`` or ``off`` unless said otherwise."""
    written = choice(on, off)
    return Type(lambda value: written.parse(value) == on, written.accepted)


def integer(low: int, high: int) -> Type[int]:
    """A decimal number from ``low`` to ``high``."""
    accepted = f"a whole number from {low} to {high}"

    def parse(given: str) -> int:
        digits = given[1:] if given.startswith("-") else given
        if not (digits.isascii() and digits.isdigit()) or len(digits) > 12:
            raise ValueError("not a whole number")
        number = int(given)
        if not low <= number <= high:
            raise ValueError("out of range")
        return number

    return Type(parse, accepted)


def texts(accepted: str = "a list such as a,b") -> Type[tuple[str, ...]]:
    """A comma-separated list; blanks around items and empty items are dropped."""
    return Type(
        lambda value: tuple(item.strip() for item in value.split(",") if item.strip()), accepted
    )


def pairs(accepted: str = "a list such as key=value,key2=value2") -> Type[Mapping[str, str]]:
    """``k=v,k2=v2``; a value may be empty and may contain ``=``."""

    def parse(given: str) -> Mapping[str, str]:
        found = {}
        for item in given.split(","):
            key, separator, value = item.strip().partition("=")
            if not separator or not key.strip():
                raise ValueError(f"{item.strip()[:SHOWN]!r} is no key=value")
            found[key.strip()] = value.strip()
        return found

    return Type(parse, accepted)


@dataclasses.dataclass(frozen=True, eq=False)
class Field(Generic[_T]):
    """One annotation."""

    key: str  #: what follows the prefix, or the whole key if ``full``
    type: Type[_T]
    default: _T  #: the value when it is absent
    doc: str  #: one sentence for the reference page
    mutable: bool = True  #: whether a change is carried out on an existing load balancer
    applies_to: tuple[str, ...] = ()  #: kinds of load balancer, e.g. ``("CLB", "NLB")``
    full: bool = False
    supported: bool = True  #: False: known, accepted, without effect
    #: Why an unsupported key may not be ignored (it would misroute or expose); empty = it may.
    refused: str = ""


class Values:
    """What :meth:`Declarations.parse` found."""

    def __init__(
        self,
        values: Mapping[str, Any],
        found: Iterable[tuple[str, InvalidConfiguration]],
        unsupported: tuple[str, ...],
    ) -> None:
        self._values = values
        #: Key of the declaration (empty: unknown) and problem, sorted by the key as written.
        self._found = sorted(found, key=lambda item: item[1].field)
        self.problems = tuple(problem for _, problem in self._found)
        self.unsupported = unsupported  #: keys that were set and have no effect, as written

    def __getitem__(self, field: Field[_T]) -> _T:
        """The value of ``field``: as written, or its default."""
        return cast("_T", self._values.get(field.key, field.default))

    def given(self, field: Field[_T]) -> _T | None:
        """The value of ``field`` as written, or None: never its default."""
        return cast("_T | None", self._values.get(field.key))

    def __contains__(self, field: Field[Any]) -> bool:
        """Whether ``field`` is set, and set to something valid and not empty."""
        return field.key in self._values

    def raise_for_problems(self, *fields: Field[Any]) -> None:
        """Raise the first problem; with ``fields``, the first of one of those.

        Raises:
            InvalidConfiguration: names the key, the value and what is accepted. Further problems
                are named in its message, so that one event shows them all.

        """
        wanted = {field.key for field in fields}
        problems = [problem for key, problem in self._found if not wanted or key in wanted]
        if not problems:
            return
        first, *others = problems
        if not others:
            raise first
        message = "; ".join([first.message, *(f"also {other}" for other in others[:5])])
        raise InvalidConfiguration(
            message, field=first.field, value=first.value, accepted=first.accepted
        )


class Declarations:
    """Every annotation of a provider.

    Args:
        fields: The declarations; keys are unique.
        prefixes: What precedes keys that are not full. The first is the current one; a later one
            is read only where the earlier is absent, even if that is empty.

    """

    def __init__(self, fields: Iterable[Field[Any]], *, prefixes: tuple[str, ...]) -> None:
        self.fields = tuple(fields)
        self.prefixes = prefixes
        self._names = tuple(field.key for field in self.fields if not field.full)
        self._by_key = {field.key: field for field in self.fields}
        if len(self._by_key) != len(self.fields):
            raise ValueError("a key is declared twice")

    def __iter__(self) -> Iterator[Field[Any]]:
        """The declarations in their order, for the generated reference page."""
        return iter(self.fields)

    def full_key(self, field: Field[Any]) -> str:
        """The key as a user writes it today."""
        return field.key if field.full else self.prefixes[0] + field.key

    def parse(
        self, annotations: Mapping[str, str] | None, *, only: Sequence[Field[Any]] = ()
    ) -> Values:
        """Typed values, and everything that is wrong. Never raises.

        An empty value counts as absent. Keys outside our prefixes are none of our business. With
        ``only``, no other field is looked at, nor are unknown keys: cheap, for hot paths.
        """
        written = annotations or {}
        values: dict[str, Any] = {}
        problems: list[tuple[str, InvalidConfiguration]] = []
        unsupported: list[str] = []
        for field in only or self.fields:
            key, given = self._written(field, written)
            if not given:
                continue
            if not field.supported and not field.refused:
                unsupported.append(key)
                continue
            try:
                values[field.key] = _parse(field, given)
            except ValueError as error:
                problem = _problem(str(error), key, given, field.type.accepted)
                problems.append((field.key, problem))
        if not only:
            problems.extend(("", problem) for problem in self._unknown(written))
        return Values(values, problems, tuple(sorted(unsupported)))

    def _written(self, field: Field[Any], written: Mapping[str, str]) -> tuple[str, str]:
        keys = [field.key] if field.full else [prefix + field.key for prefix in self.prefixes]
        for key in keys:
            if key in written:
                return key, (written[key] or "").strip()
        return keys[0], ""

    def _unknown(self, written: Mapping[str, str]) -> Iterator[InvalidConfiguration]:
        for key, value in written.items():
            prefix = next((prefix for prefix in self.prefixes if key.startswith(prefix)), None)
            if key in self._by_key:
                continue
            if prefix is None:
                meant = self._misspelt_prefix(key)
                if meant:
                    yield _problem(f"unknown annotation{_did_you_mean([meant])}", key, value, "")
                continue
            suffix = key.removeprefix(prefix)
            known = self._by_key.get(suffix)
            if known is not None and not known.full:
                continue
            close = [prefix + name for name in difflib.get_close_matches(suffix, self._names, 1)]
            yield _problem(f"unknown annotation{_did_you_mean(close)}", key, value, "")

    def _misspelt_prefix(self, key: str) -> str:
        """The key that was meant, where only its prefix is misspelt; else empty.

        Ignoring such a key can expose: without the wish for an internal load balancer it becomes a
        public one. Keys of other clouds end alike, so the prefix must be all but right.
        """
        if not key.endswith(self._names):
            return ""
        name = max((name for name in self._names if key.endswith(name)), key=len)
        given = key.removesuffix(name)
        parts = zip(given.partition("/"), self.prefixes[0].partition("/"), strict=True)
        alike = given and all(_alike(written, ours) for written, ours in parts)
        return self.prefixes[0] + name if alike else ""


def _alike(given: str, ours: str) -> bool:
    return difflib.SequenceMatcher(None, given, ours).ratio() >= ALIKE


def _parse(field: Field[_T], given: str) -> _T:
    value = field.type.parse(given)
    if field.refused:
        raise ValueError(field.refused)
    return value


def _problem(message: str, key: str, given: str, accepted: str) -> InvalidConfiguration:
    shown = given if len(given) <= SHOWN else given[:SHOWN] + "…"
    return InvalidConfiguration(message, field=key, value=shown, accepted=accepted)


def _did_you_mean(close: list[str]) -> str:
    return f"; did you mean {close[0]!r}?" if close else ""
