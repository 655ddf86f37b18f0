"""Makes the documentation's generator and two test worlds importable."""

import importlib.util
import pathlib
import sys

import pytest

ROOT = pathlib.Path(__file__).parents[3]

sys.path[:0] = [str(ROOT / "docs"), str(ROOT / "tests" / "faults")]


@pytest.fixture(scope="session")
def root():
    """The repository."""
    return ROOT


@pytest.fixture(scope="session")
def clb_world():
    """The world of the tests of classic load balancers, as a module."""
    path = ROOT / "tests" / "unit" / "alicloud" / "clb" / "world.py"
    spec = importlib.util.spec_from_file_location("docs_clb_world", path)
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module
