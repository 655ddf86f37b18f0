"""An API server in the same process, and clients of it."""

import pytest

from cloudprovider_controllers.runtime.client import Client
from cloudprovider_sandbox.apiserver.inprocess import InProcessTransport
from cloudprovider_sandbox.apiserver.server import ApiServer


class Api:
    """The API server of one run."""

    def __init__(self, hub):
        self.hub = hub
        self.server = ApiServer(concurrency=hub)

    def client(self, proc="manager", wrap=lambda transport: transport):
        """A client; ``wrap`` puts something between it and the server."""
        transport = wrap(InProcessTransport(self.server, proc=proc, user_agent=proc))
        return Client(transport, qps=0, burst=1, concurrency=self.hub)


@pytest.fixture
def api():
    """Makes the API server of a run."""
    return Api
