"""``conformance-to-upstream.md``: Kubernetes' own tests, and those here that match them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from generator import markdown, upstream
from generator.upstream import Counterpart, File, Function, Marks

_INTRODUCTION = """\
Kubernetes' own cloud controllers have tests, and what they check is the least that this project
does. Below stands every case of them by its name, read at the commit that each file links to, and
the test here that re-creates it with tables and worlds of our own. Where we decided otherwise, the
note says what happens instead and why; that test then shows our behaviour. A case that upstream
gave no name is counted as a row."""

_INTEGRATION = """\
Left out is what deals with volumes: it is no matter of cloud controllers any more. The files below
`kubernetes/test/integration` are those that start a cloud controller manager."""

_MARKS = """\
Tests say what they stand for with the marks `upstream`, `defect` and `gap` (`setup.cfg`);
`tests/unit/docs/test_conformance.py` fails for a case without a test and for a mark that names no
case."""

_DEFECTS = """\
Found by reading upstream's code. Each has a test that shows the better behaviour."""

_GAPS = "What upstream does, or should do, and does not test."

#: Tests shown for one case; more say no more.
_SHOWN = 6


def page() -> str:
    """The page."""
    marks, files = upstream.marks(), upstream.files()
    return markdown.page(
        "Conformance to upstream's tests",
        *map(markdown.wrap, (_INTRODUCTION, _INTEGRATION, _MARKS)),
        "## Counts",
        markdown.table(_COUNT_HEADINGS, _counts(files, marks)),
        "## Upstream's defects, done better",
        _DEFECTS,
        markdown.table(("", "Upstream", "Ours"), _defects(marks)),
        "## What upstream leaves untested",
        _GAPS,
        markdown.table(("What", "Ours"), _gaps(marks)),
        *(part for file in files for part in _file(file, marks)),
    )


_COUNT_HEADINGS = ("File", "Functions", "Cases", "With a test here", "Decided otherwise")


def _counts(files: Sequence[File], marks: Marks) -> Iterator[Sequence[str]]:
    totals = [0, 0, 0, 0]
    for file in files:
        names = file.names()
        ours = [marks.upstream.get(name, []) for name in names]
        numbers = [
            len(file.functions),
            len(names),
            sum(bool(found) for found in ours),
            sum(any(test.instead for test in found) for found in ours),
        ]
        totals = [a + b for a, b in zip(totals, numbers, strict=True)]
        yield (f"[{file.label}]({file.url})", *map(str, numbers))
    yield ("all", *map(str, totals))


def _defects(marks: Marks) -> Iterator[Sequence[str]]:
    for number, title in upstream.defects().items():
        yield number, title, _tests(marks.defect.get(number, []))


def _gaps(marks: Marks) -> Iterator[Sequence[str]]:
    for name in upstream.gaps():
        yield name, _tests(marks.gap.get(name, []))


def _file(file: File, marks: Marks) -> Iterator[str]:
    yield f"## {file.label}"
    for function in file.functions:
        yield f"### {function.name}"
        yield markdown.table(("Upstream's case", "Ours", "Note"), _cases(function, marks))


def _cases(function: Function, marks: Marks) -> Iterator[Sequence[str]]:
    for name, case in zip(function.names(), function.cases or ("the whole test",), strict=True):
        found = marks.upstream.get(name, [])
        notes = dict.fromkeys(test.instead for test in found if test.instead)
        yield case, _tests(found), " ".join(notes)


def _tests(found: Sequence[Counterpart]) -> str:
    """Links to the files of the tests."""
    links = []
    for counterpart in found[:_SHOWN]:
        path, _, test = counterpart.test.partition("::")
        links.append(f"[{markdown.code(test)}](../../{path})")
    if len(found) > _SHOWN:
        links.append(f"and {len(found) - _SHOWN} more")
    return "<br>".join(links) or "**none**"
