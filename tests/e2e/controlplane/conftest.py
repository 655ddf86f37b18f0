"""Both API servers, once per session, and a cluster with a cloud for each test."""

import pathlib
import sys

import pytest

HERE = pathlib.Path(__file__).parent
TESTS = HERE.parents[1]
# The modules beside this one, the real control plane, and the users' actions of the fault tests.
sys.path[:0] = [str(HERE), str(TESTS / "envtest"), str(TESTS / "faults")]

from api_servers import EmbeddedServer, RealServer  # noqa: E402
from controlplane import Unavailable  # noqa: E402
from real_managers import LiveCluster  # noqa: E402


@pytest.fixture(scope="session")
def embedded():
    with EmbeddedServer() as server:
        yield server


@pytest.fixture(scope="session")
def real(tmp_path_factory):
    try:
        server = RealServer(tmp_path_factory.mktemp("plane")).__enter__()
    except Unavailable as reason:
        pytest.skip(str(reason))
    yield server
    server.__exit__(None, None, None)


@pytest.fixture(params=["embedded", "real"])
def server(request):
    """The API server under test: ours, then kube-apiserver."""
    return request.getfixturevalue(request.param)


@pytest.fixture
def cluster(server, tmp_path):
    """An empty cluster with a cloud of its own; every manager ends with the test."""
    with LiveCluster(server, tmp_path) as made:
        yield made
