"""Two fake clouds for a router."""

import pathlib
import sys

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).parent))  # the modules beside this one


@pytest.fixture
def clouds():
    from router_clouds import Cloud

    return Cloud("a"), Cloud("b")
