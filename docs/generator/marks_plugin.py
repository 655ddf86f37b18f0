"""A pytest plugin: writes down which tests carry the marks ``upstream``, ``defect`` and ``gap``."""

from __future__ import annotations

import json
import pathlib
from collections.abc import Iterator
from typing import Any

import pytest

KINDS = ("upstream", "defect", "gap")


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add ``--marks-to``."""
    parser.addoption("--marks-to", help="file for the marks of the collected tests")


def pytest_collection_finish(session: pytest.Session) -> None:
    """Write one JSON list for all tests."""
    found = [mark for item in session.items for mark in _of(item)]
    pathlib.Path(session.config.getoption("--marks-to")).write_text(json.dumps(found))


def _of(item: pytest.Item) -> Iterator[dict[str, Any]]:
    """The marks of a test; ``row`` says that only this row of a table has it."""
    of_row = list(getattr(getattr(item, "callspec", None), "marks", ()))
    for mark in item.iter_markers():
        if mark.name in KINDS:
            yield {
                "kind": mark.name,
                "names": list(mark.args),
                "options": dict(mark.kwargs),
                "test": item.nodeid,
                "row": any(mark is other for other in of_row),
            }
