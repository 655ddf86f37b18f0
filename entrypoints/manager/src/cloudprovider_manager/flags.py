"""Flags declared once: a dataclass field is a flag; parsing and help are derived from it.

Go's spelling is accepted: ``--name=value``, ``--name value``, ``--bool``, ``--bool=false``,
underscores for hyphens, repeated lists, ``-v 5``, ``-v=5``, ``-v5``. The same declarations describe
the file of ``--config`` (:mod:`cloudprovider_manager.config_file`).

Source: ``spec/ccm-core.md`` 4.1.
"""

from __future__ import annotations

import dataclasses
import enum
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, TypeVar

from cloudprovider_manager.values import BOOL, BadValue, Kind, Shape, redact_url

T = TypeVar("T")

_METADATA = "flag"


class Status(enum.Enum):
    """Whether a flag still does something."""

    ACTIVE = "active"
    DEPRECATED = "deprecated"  #: works, with a warning
    IGNORED = "ignored"  #: accepted so that old manifests start; does nothing here
    REFUSED = "refused"  #: known, and only its default is accepted


@dataclasses.dataclass(frozen=True)
class Flag:
    """One flag.

    ``note`` says what to do instead (deprecated), or why nothing happens (ignored, refused).
    """

    name: str
    kind: Kind[Any]
    default: Any
    help: str
    group: str
    status: Status = Status.ACTIVE
    note: str = ""
    short: str = ""
    aliases: Sequence[str] = ()

    @property
    def shape(self) -> Shape:
        """How a value is written in the file of ``--config``."""
        if self.kind.shape is not None:
            return self.kind.shape
        shapes = ((bool, Shape.SWITCH), (int, Shape.WHOLE), (tuple, Shape.LIST))
        found = (shape for kind, shape in shapes if isinstance(self.default, kind))
        return next(found, Shape.TEXT)

    def text(self, value: Any) -> str:
        """``value`` as it would be typed, without anything secret."""
        return self.kind.format(value)


def flag(
    default: T,
    kind: Kind[T],
    help: str,
    *,
    group: str,
    status: Status = Status.ACTIVE,
    note: str = "",
    short: str = "",
    aliases: Sequence[str] = (),
) -> Any:
    """A dataclass field that is also a flag, named like the field with hyphens."""
    declaration = Flag("", kind, default, help, group, status, note, short, aliases)
    return dataclasses.field(default=default, metadata={_METADATA: declaration})


def declared(options: type) -> dict[str, Flag]:
    """The flags of the dataclass ``options`` by name, in the order of declaration."""
    found: dict[str, Flag] = {}
    for field in dataclasses.fields(options):
        if _METADATA in field.metadata:
            name = field.name.replace("_", "-")
            found[name] = dataclasses.replace(field.metadata[_METADATA], name=name)
    return found


@dataclasses.dataclass(frozen=True)
class Parsed:
    """What a command line said: values of the flags that were given, by name."""

    values: Mapping[str, Any]
    warnings: Sequence[str] = ()
    help: bool = False
    faulty: frozenset[str] = frozenset()  #: flags that were given a value they do not take


class FlagError(Exception):
    """The command line or the file of ``--config`` is wrong.

    ``problems`` holds one sentence for each fault, ``parsed`` what could be read all the same. The
    text is that of Go's aggregate of errors.
    """

    def __init__(self, problems: Sequence[str], parsed: Parsed | None = None) -> None:
        super().__init__(problems[0] if len(problems) == 1 else f"[{', '.join(problems)}]")
        self.problems = tuple(problems)
        self.parsed = parsed or Parsed({})


def parse(arguments: Sequence[str], known: Mapping[str, Flag], *, strict: bool = False) -> Parsed:
    """Read ``arguments`` (without the program's name).

    Args:
        arguments: What was typed.
        known: Flags by name.
        strict: Refuse deprecated and ignored flags instead of warning.

    Raises:
        FlagError: every fault found.

    """
    return _Parser(known, strict=strict).run(arguments)


class _Parser:
    def __init__(self, known: Mapping[str, Flag], *, strict: bool) -> None:
        self._known = known
        self._by_spelling = dict(known)
        for flag_ in known.values():
            for alias in (*flag_.aliases, *([flag_.short] if flag_.short else [])):
                self._by_spelling[alias] = flag_
        self._strict = strict
        self._values: dict[str, Any] = {}
        self._problems: list[str] = []
        self._warnings: list[str] = []
        self._faulty: set[str] = set()
        self._help = False

    def run(self, arguments: Sequence[str]) -> Parsed:
        rest = iter(arguments)
        for argument in rest:
            if argument == "--":
                self._positional([item for item in rest if item])
            elif argument in ("-h", "--help"):
                self._help = True
            elif argument.startswith("--"):
                self._long(argument, rest)
            elif argument.startswith("-") and len(argument) > 1:
                self._short(argument, rest)
            elif argument:  # pflag tolerates empty strings
                self._positional([argument])
        warnings = tuple(dict.fromkeys(self._warnings))
        parsed = Parsed(self._values, warnings, self._help, frozenset(self._faulty))
        if self._problems and not self._help:
            raise FlagError(self._problems, parsed)
        return parsed

    def _positional(self, arguments: Sequence[str]) -> None:
        if arguments:
            self._problems.append(f"takes no arguments, got {' '.join(map(repr, arguments))}")

    def _long(self, argument: str, rest: Iterator[str]) -> None:
        spelling, equals, value = argument[2:].partition("=")
        found = self._by_spelling.get(spelling.replace("_", "-"))
        if found is None or (len(spelling) == 1 and not found.short):
            self._problems.append(f"unknown flag: --{spelling}{self._suggestion(spelling)}")
            return
        self._take(found, f"--{spelling}", value if equals else None, rest)

    def _short(self, argument: str, rest: Iterator[str]) -> None:
        found = self._by_spelling.get(argument[1])
        if found is None or not found.short:
            name = argument.lstrip("-").partition("=")[0].replace("_", "-")
            hint = f", did you mean --{name}?" if name in self._by_spelling else ""
            self._problems.append(f"unknown flag: {argument}{hint}")
            return
        value = argument[2:].removeprefix("=")
        self._take(found, argument[:2], value or None, rest)

    def _take(self, found: Flag, spelling: str, value: str | None, rest: Iterator[str]) -> None:
        if value is None:
            value = found.kind.implied or next(rest, None)
        if value is None:
            self._faulty.add(found.name)
            self._problems.append(f"{spelling} needs a value; accepted: {found.kind.accepted}")
            return
        try:
            parsed = found.kind.parse(value)
        except BadValue as error:
            self._faulty.add(found.name)
            self._problems.append(
                f"{spelling}={shown(value)}: {error}; accepted: {found.kind.accepted}"
            )
            return
        problem, warning = remark(found, f"flag {spelling}", parsed, strict=self._strict)
        if problem:
            self._faulty.add(found.name)
            self._problems.append(problem)
        elif warning:
            self._warnings.append(warning)
        if found.kind.appends and found.name in self._values:
            parsed = found.kind.join(self._values[found.name], parsed)
        self._values[found.name] = parsed

    def _suggestion(self, spelling: str) -> str:
        close = closest(spelling.replace("_", "-"), self._by_spelling)
        return f", did you mean --{close}?" if close else ""


def remark(found: Flag, what: str, value: Any, *, strict: bool) -> tuple[str, str]:
    """What is to be said because ``found`` was given ``value``: a problem, or a warning, or ``""``.

    ``what`` names the flag as the user wrote it, e.g. ``flag --port``.
    """
    if found.status is Status.ACTIVE:
        return "", ""
    if found.status is Status.REFUSED and value != found.default:
        typed, only = shown(found.text(value)), shown(found.text(found.default))
        return f"{what}={typed} is refused: {found.note}; accepted: {only}", ""
    verb = "has been deprecated," if found.status is Status.DEPRECATED else "does nothing here:"
    message = f"{what} {verb} {found.note}"
    if strict:
        return f"{message} (refused because of --strict-flags)", ""
    return "", message[0].upper() + message[1:]


def closest(name: str, known: Iterable[str]) -> str:
    """The name in ``known`` that was probably meant by ``name``, or empty."""
    import difflib  # only wrong command lines pay for it

    names = [candidate for candidate in known if len(candidate) > 1]
    return next(iter(difflib.get_close_matches(name, names, n=1, cutoff=0.6)), "")


def shown(value: str) -> str:
    """``value`` quoted where quoting helps, cut where it is long, without a URL's password."""
    value = redact_url(value)
    cut = value if len(value) <= 80 else value[:80] + "…"
    return cut if cut and cut.isprintable() and not set(cut) & set(" \"'") else repr(cut)


def usage(program: str, known: Mapping[str, Flag]) -> str:
    """The help text: flags by group, each with kind, default and meaning."""
    import textwrap  # only --help pays for it

    lines = [f"Usage: {program} [flags]", ""]
    groups = list(dict.fromkeys(item.group for item in known.values()))
    for group in groups:
        lines.append(f"{group}:")
        for item in known.values():
            if item.group == group:
                lines.extend(_usage_lines(item, textwrap))
        lines.append("")
    return "\n".join(lines)


def _usage_lines(item: Flag, textwrap: Any) -> Iterator[str]:
    short = f"-{item.short}, " if item.short else ""
    kind = "" if item.kind is BOOL else f" <{item.kind.name}>"
    yield f"  {short}--{item.name}{kind}"
    text = item.help
    if item.default not in ("", ()) and item.default is not False:
        text += f" (default {item.text(item.default)})"
    if item.status is not Status.ACTIVE:
        text += f" [{item.status.value}: {item.note}]"
    yield from textwrap.wrap(text, 96, initial_indent=" " * 8, subsequent_indent=" " * 8)
