"""Loads what the tests of this folder share, so that they can import it from ``clb_world``."""

from __future__ import annotations

import importlib.util
import pathlib
import sys
from collections.abc import Generator

import pytest

_spec = importlib.util.spec_from_file_location(
    "clb_world", pathlib.Path(__file__).with_name("world.py")
)
assert _spec is not None
assert _spec.loader is not None
clb_world = importlib.util.module_from_spec(_spec)
sys.modules["clb_world"] = clb_world
_spec.loader.exec_module(clb_world)

clock, cloud = clb_world.clock, clb_world.cloud


@pytest.hookimpl(wrapper=True)
def pytest_pyfunc_call(pyfuncitem: pytest.Function) -> Generator[None, object, object]:
    """Run every test that takes ``cloud`` on its virtual clock."""
    if "cloud" in pyfuncitem.funcargs:
        test, run = pyfuncitem.obj, pyfuncitem.funcargs["cloud"].clock.run
        pyfuncitem.obj = lambda **fixtures: run(lambda: test(**fixtures))
    return (yield)
