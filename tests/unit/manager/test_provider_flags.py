"""A provider that declares its flags wrongly is named; nothing else is said to be wrong."""

import pytest

from cloudprovider import registry
from cloudprovider_manager import command, provider
from cloudprovider_manager.flags import FlagError, parse


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


@pytest.fixture
def declare_old():
    """Register a provider with the old flags given."""
    registry.register_cloud_provider("odd", new_odd)

    def declare(flags):
        new_odd.old_flags = flags
        return provider.flags_of("odd")

    yield declare
    registry.unregister_cloud_provider("odd")
    del new_odd.old_flags


@pytest.mark.parametrize(
    "entry",
    [3, (), (3, "ignored"), (3, "gone", "why"), (None, "ignored", "why"), (3, "active", "why")],
)
def test_an_old_flag_that_is_declared_wrongly_is_refused(declare_old, entry):
    with pytest.raises(registry.CloudProviderInitError, match="declares old flag 'x' as") as caught:
        declare_old({"x": entry})
    assert 'accepted: (default, "ignored" or "refused", reason)' in str(caught.value)


def test_old_flags_that_are_no_mapping_are_refused(declare_old):
    with pytest.raises(registry.CloudProviderInitError, match="declares its old_flags as list"):
        declare_old(["x"])


def test_old_flags_reach_no_factory_and_say_why(stub):
    asked = command.read(["--cloud-provider=stub", "--workers=5", "--simulate=false", "--zones=a"])
    assert asked.options.provider_options == {"zones": ("a",)}
    assert "Flag --workers does nothing here: see --concurrent-service-syncs." in asked.warnings


@pytest.mark.parametrize(
    ("argument", "message"),
    [
        (
            "--simulate",
            "flag --simulate=true is refused: it would change the cloud all the same; accepted: "
            "false",
        ),
        ("--workers=many", "--workers=many: not a whole number; accepted: a whole number"),
    ],
)
def test_an_old_flag_that_would_do_harm_is_refused(stub, argument, message):
    with pytest.raises(FlagError) as caught:
        command.read(["--cloud-provider=stub", argument])
    assert list(caught.value.problems) == [message]
