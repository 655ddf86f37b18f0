"""Upstream's own tests, and which tests here re-create them.

``tests/upstream/catalogue.json`` holds the names of Kubernetes' tests at one commit,
``beyond.json`` what is done better and what is tested beside them. Tests say by marks what they
stand for: ``upstream("TestName/case", …, instead="…")``, ``defect(1, …)`` and ``gap("…", …)``.
A case without a name is ``row N``, counted from 1.
"""

from __future__ import annotations

import dataclasses
import functools
import json
import os
import pathlib
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from typing import Any

ROOT = pathlib.Path(__file__).parents[2]
_DATA = ROOT / "tests" / "upstream"
_OPTIONS = {"upstream": {"instead"}, "defect": set(), "gap": set()}


@dataclasses.dataclass(frozen=True)
class Function:
    """A test function of upstream; ``cases`` is empty if it has no table."""

    name: str
    cases: tuple[str, ...]

    def names(self) -> tuple[str, ...]:
        """The names for marks, in order; a name that upstream gave twice comes twice."""
        return tuple(f"{self.name}/{case}" for case in self.cases) or (self.name,)


@dataclasses.dataclass(frozen=True)
class File:
    """A file with tests of upstream."""

    repository: str
    commit: str
    path: str
    functions: tuple[Function, ...]

    @property
    def label(self) -> str:
        """E.g. ``cloud-provider/app/webhooks_test.go``."""
        return f"{self.repository.removeprefix('kubernetes/')}/{self.path}"

    @property
    def url(self) -> str:
        """Where it can be read."""
        return f"https://github.com/{self.repository}/blob/{self.commit}/{self.path}"

    def names(self) -> tuple[str, ...]:
        """The names for marks of all functions."""
        return tuple(name for function in self.functions for name in function.names())


@dataclasses.dataclass(frozen=True)
class Counterpart:
    """A test here that stands for something of upstream."""

    test: str  # e.g. tests/unit/…/test_x.py::test_y[row]
    instead: str = ""


@dataclasses.dataclass(frozen=True)
class Marks:
    """What the tests say: counterparts by name, and what is wrong with the marks."""

    upstream: dict[str, list[Counterpart]]
    defect: dict[str, list[Counterpart]]
    gap: dict[str, list[Counterpart]]
    problems: list[str]


def files() -> list[File]:
    """The catalogue."""
    sources = json.loads((_DATA / "catalogue.json").read_text(encoding="utf-8"))
    return [
        File(
            source["repository"],
            source["commit"],
            path,
            tuple(Function(name, tuple(cases)) for name, cases in functions.items()),
        )
        for source in sources
        for path, functions in source["files"].items()
    ]


def defects() -> dict[str, str]:
    """Short titles by number of the defects that were found by reading upstream's code."""
    found: dict[str, str] = _beyond()["defects"]
    return found


def gaps() -> list[str]:
    """What upstream leaves untested."""
    found: list[str] = _beyond()["gaps"]
    return found


def _beyond() -> dict[str, Any]:
    data: dict[str, Any] = json.loads((_DATA / "beyond.json").read_text(encoding="utf-8"))
    return data


# -- marks ---------------------------------------------------------------------------------------


@functools.cache
def marks() -> Marks:
    """The marks of all tests, asked once of pytest in a process of its own."""
    return sort_out(collect(_files_with_marks()))


def sort_out(found: list[dict[str, Any]]) -> Marks:
    """Counterparts by name; whatever no name fits is a problem."""
    known = {
        "upstream": {name: name for file in files() for name in file.names()},
        "defect": {number: number for number in defects()},
        "gap": {_folded(name): name for name in gaps()},
    }
    result = Marks({}, {}, {}, [])
    for mark in found:
        kind, test = mark["kind"], mark["test"]
        shown = test if mark["row"] else test.partition("[")[0]
        wrong = [f"an option {option!r}" for option in set(mark["options"]) - _OPTIONS[kind]]
        for given in mark["names"]:
            name = known[kind].get(_folded(given) if kind == "gap" else str(given))
            if name is None:
                wrong.append(repr(given))
                continue
            here = getattr(result, kind).setdefault(name, [])
            counterpart = Counterpart(shown, mark["options"].get("instead", ""))
            if counterpart not in here:
                here.append(counterpart)
        result.problems.extend(f"{test}: {kind} does not know {what}" for what in wrong)
        if not mark["names"]:
            result.problems.append(f"{test}: {kind} names nothing")
    return result


def collect(paths: list[str]) -> list[dict[str, Any]]:
    """The marks of the tests in ``paths``; one entry for each test that has one.

    Raises:
        RuntimeError: pytest could not collect them; holds what it said.

    """
    if not paths:
        return []
    with tempfile.TemporaryDirectory() as folder:
        target = pathlib.Path(folder) / "marks.json"
        options = ["--collect-only", "-q", "-p", "no:cacheprovider", f"--marks-to={target}"]
        done = subprocess.run(  # noqa: S603 - our own arguments
            [sys.executable, "-m", "pytest", "-p", "generator.marks_plugin", *options, *paths],
            cwd=ROOT,
            env={**os.environ, "PYTHONPATH": str(ROOT / "docs"), "PYTEST_ADDOPTS": ""},
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode:
            raise RuntimeError(f"pytest cannot collect the tests:\n{done.stdout}{done.stderr}")
        found: list[dict[str, Any]] = json.loads(target.read_text(encoding="utf-8"))
        return found


def _files_with_marks() -> list[str]:
    """The files worth collecting; to collect all tests takes several times as long."""
    return sorted({str(path.relative_to(ROOT)) for path in _with_marks()})


def _with_marks() -> Iterator[pathlib.Path]:
    words = tuple(f"mark.{kind}" for kind in _OPTIONS)
    for path in (ROOT / "tests").rglob("*.py"):
        if any(word in path.read_text(encoding="utf-8") for word in words):
            # Elsewhere than in a file of tests, its neighbours may use it.
            yield path if path.name.startswith("test_") else path.parent


def _folded(name: Any) -> str:
    return " ".join(str(name).replace("`", "").casefold().split())
