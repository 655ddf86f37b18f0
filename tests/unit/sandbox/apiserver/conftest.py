"""An API server without sockets on virtual time."""

from __future__ import annotations

import pathlib
import sys

import pytest

# So that the modules beside this one can be imported, here and by the end-to-end tests.
sys.path.insert(0, str(pathlib.Path(__file__).parent))


@pytest.fixture
def kube():
    """A new server."""
    from apiserver_kube import Kube

    return Kube()
