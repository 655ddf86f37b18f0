"""Plans that once failed, made small: what each found, and what mended it."""

from __future__ import annotations

import pathlib

import msgspec
from seeded_plan import Plan

_FILE = pathlib.Path(__file__).parent / "seeded_cases.json"


class Case(msgspec.Struct, frozen=True):
    """A regression case."""

    name: str
    seed: int  #: that it was drawn from
    found: str
    mended: str
    plan: Plan


def load() -> list[Case]:
    """All of them."""
    return msgspec.json.decode(_FILE.read_bytes(), type=list[Case])
