"""A provider that declares its flags wrongly is named; nothing else is said to be wrong."""

import pytest

from cloudprovider import registry
from cloudprovider_manager import provider
from cloudprovider_manager.flags import parse


def new_odd(config, **options):
    raise NotImplementedError


@pytest.fixture
def declare():
    """Register a provider with the flags given."""
    registry.register_cloud_provider("odd", new_odd)

    def declare(flags):
        new_odd.flags = flags
        return provider.flags_of("odd")

    yield declare
    registry.unregister_cloud_provider("odd")
    del new_odd.flags


@pytest.mark.parametrize(
    "flags", [["batch-size"], "batch-size", 3, None], ids=["list", "text", "number", "none"]
)
def test_flags_that_are_no_mapping_are_refused(declare, flags):
    with pytest.raises(registry.CloudProviderInitError, match="declares its flags as") as caught:
        declare(flags)
    assert "accepted: a mapping" in str(caught.value)


@pytest.mark.parametrize(
    "entry", [3, (), (3,), (3, "help", 5), (None, "help"), ({}, "help"), (1, "help", (1,), "more")]
)
def test_an_entry_that_is_no_default_and_help_is_refused(declare, entry):
    with pytest.raises(registry.CloudProviderInitError, match="declares flag 'x' as"):
        declare({"x": entry})


def test_flags_of_alibaba_cloud_are_read():
    known = provider.flags_of("alicloud")
    assert known["sg-batch-size"].default == 20
    assert parse(["--sg-batch-size=40"], known).values == {"sg-batch-size": 40}
