"""Makes the documentation's generator and two test worlds importable."""

import pathlib
import sys

import pytest

ROOT = pathlib.Path(__file__).parents[3]
CLB = ROOT / "tests" / "unit" / "alicloud" / "clb"

sys.path[:0] = [str(ROOT / "docs"), str(ROOT / "tests" / "faults"), str(CLB)]


@pytest.fixture(scope="session")
def root():
    """The repository."""
    return ROOT


@pytest.fixture(scope="session")
def clb_world():
    """The world of the tests of classic load balancers, as a module."""
    import clb_world

    return clb_world
