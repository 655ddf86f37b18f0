"""Makes the modules beside this one importable, and gives each test a cloud on virtual time."""

from __future__ import annotations

import pathlib
import sys
from collections.abc import Generator

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).parent))
import clb_world

clock, cloud = clb_world.clock, clb_world.cloud


@pytest.hookimpl(wrapper=True)
def pytest_pyfunc_call(pyfuncitem: pytest.Function) -> Generator[None, object, object]:
    """Run every test that takes ``cloud`` on its virtual clock."""
    if "cloud" in pyfuncitem.funcargs:
        test, run = pyfuncitem.obj, pyfuncitem.funcargs["cloud"].clock.run
        pyfuncitem.obj = lambda **fixtures: run(lambda: test(**fixtures))
    return (yield)
