import pytest

from cloudprovider.testing.fake import FakeCloud


@pytest.fixture
def plain_load_balancer():
    """One that compares nodes as the contract's default does."""
    return FakeCloud().load_balancer()
