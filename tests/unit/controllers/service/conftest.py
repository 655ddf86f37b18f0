import pytest

from cloudprovider.testing.fake import FakeCloud
from cloudprovider_controllers.service import controller as service_controller


@pytest.fixture
def plain_load_balancer():
    """One that compares nodes as the contract's default does."""
    return FakeCloud().load_balancer()


@pytest.fixture
def patches():
    """Listen to the patches of Services that the manager sends: a list of (path, body) grows."""

    def listen(world):
        found, handle = [], world.server.handle

        def listening(request):
            patch = request.proc == "manager" and request.method == "PATCH"
            if patch and "/services/" in request.path:
                found.append((request.path, request.body.decode()))
            return handle(request)

        world.server.handle = listening
        return found

    return listen


@pytest.fixture
def made(monkeypatch):
    """The service controllers that managers start, oldest first."""
    controllers = []

    class Kept(service_controller.ServiceController):
        def start(self):
            controllers.append(self)
            return super().start()

    monkeypatch.setattr(service_controller, "ServiceController", Kept)
    return controllers
