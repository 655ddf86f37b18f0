"""Providers are found by name, loaded one at a time, and every failure says what to do."""

import importlib
import pathlib
import subprocess
import sys

import pytest

from cloudprovider import registry
from cloudprovider.interface import Interface

GOOD = """
from cloudprovider import Interface
class Cloud(Interface):
    config = None
    def provider_name(self): return {name!r}
    def has_cluster_id(self): return True
    def __len__(self): return 0  # falsy: must still be handed out
def new(config):
    cloud = Cloud()
    cloud.config = config.read() if config is not None else None
    return cloud
"""


class Cloud(Interface):
    def provider_name(self):
        return "inline"

    def has_cluster_id(self):
        return True


@pytest.fixture
def install(tmp_path, monkeypatch):
    """Install a distribution with one entry point into a folder on sys.path."""
    monkeypatch.syspath_prepend(str(tmp_path))

    def install(distribution, name, body, attribute="new"):
        module = f"plugin_{distribution.replace('-', '_')}"
        (tmp_path / f"{module}.py").write_text(body)
        info = tmp_path / f"{distribution.replace('-', '_')}-1.0.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(
            f"Metadata-Version: 2.1\nName: {distribution}\nVersion: 1.0\n"
        )
        (info / "entry_points.txt").write_text(
            f"[{registry.GROUP}]\n{name} = {module}:{attribute}\n"
        )
        importlib.invalidate_caches()
        return module

    yield install
    for module in [m for m in sys.modules if m.startswith("plugin_")]:
        del sys.modules[module]


@pytest.fixture
def registered():
    registry.register_cloud_provider("inline", lambda _config: Cloud())
    yield "inline"
    registry.unregister_cloud_provider("inline")


def test_an_installed_plugin_is_started_with_its_config_file(install, tmp_path):
    install("acme-provider", "acme", GOOD.format(name="acme"))
    config = tmp_path / "cloud.conf"
    config.write_text("key: value")
    cloud = registry.init_cloud_provider("acme", str(config))
    assert cloud.provider_name() == "acme"
    assert cloud.config == "key: value"


def test_without_a_config_file_the_factory_gets_none(install):
    install("acme-provider", "acme", GOOD.format(name="acme"))
    assert registry.init_cloud_provider("acme").config is None


@pytest.mark.parametrize("name", ["", "external"])
def test_no_provider_is_started_for(name):
    assert registry.init_cloud_provider(name) is None


def test_listing_loads_no_plugin(install):
    module = install("acme-provider", "acme", "raise RuntimeError('imported')")
    assert registry.cloud_providers()["acme"].distribution == "acme-provider"
    assert registry.is_cloud_provider("acme")
    assert module not in sys.modules


def test_starting_one_provider_loads_no_other(install):
    install("acme-provider", "acme", GOOD.format(name="acme"))
    other = install("other-provider", "other", "raise RuntimeError('imported')")
    registry.init_cloud_provider("acme")
    assert other not in sys.modules


def test_a_plugin_installed_a_moment_ago_is_found(install):
    install("acme-provider", "acme", GOOD.format(name="acme"))
    registry.init_cloud_provider("acme")  # stevedore's cache, if asked, is now warm
    install("late-provider", "late", GOOD.format(name="late"))
    assert registry.init_cloud_provider("late").provider_name() == "late"


@pytest.mark.parametrize(
    ("body", "attribute", "expected"),
    [
        pytest.param("import nothing_of_the_kind", "new", "No module named", id="import-error"),
        pytest.param("x = 1", "new", "has no attribute 'new'", id="no-attribute"),
        pytest.param("new = 3", "new", "is a int, not a factory", id="not-callable"),
        pytest.param("def new(c): return 3", "new", "returned int, not a", id="not-an-interface"),
        pytest.param("def new(c): raise OSError('no key')", "new", "no key", id="factory-fails"),
        pytest.param("def new(c): c['a']", "new", "TypeError: 'NoneType'", id="factory-defect"),
        pytest.param("def new(c): raise KeyError('a')", "new", "KeyError: 'a'", id="bare-text"),
        pytest.param("def new(c): raise SystemExit(3)", "new", "SystemExit: 3", id="factory-exits"),
        pytest.param("raise SystemExit(3)", "new", "SystemExit: 3", id="import-exits"),
        pytest.param(
            "from cloudprovider import Interface\nclass C(Interface): pass\ndef new(c): return C()",
            "new",
            "abstract method",
            id="missing-method",
        ),
    ],
)
def test_a_broken_plugin_is_named_with_its_reason(install, body, attribute, expected):
    install("acme-provider", "acme", body, attribute)
    with pytest.raises(registry.CloudProviderInitError, match="acme") as raised:
        registry.init_cloud_provider("acme")
    assert expected in str(raised.value)


FOREIGN = """
class SdkError(Exception): pass
def fail(): raise SdkError('https://host/?Signature=canary')
"""


@pytest.mark.parametrize(
    "body",
    [
        pytest.param(f"{FOREIGN}\ndef new(config): fail()", id="factory"),
        pytest.param(f"{FOREIGN}\nfail()", id="import"),
    ],
)
def test_the_text_of_a_foreign_exception_is_not_shown(install, body):
    """It may hold a credential (R7); class and place help the plugin's author as well."""
    module = install("acme-provider", "acme", body)
    with pytest.raises(registry.CloudProviderInitError) as raised:
        registry.init_cloud_provider("acme")
    text = str(raised.value)
    assert "canary" not in text
    assert f"{module}.SdkError at " in text
    assert f"{module}.py:3 " in text
    cause = raised.value
    while cause.__cause__ is not None:
        cause = cause.__cause__
    assert "canary" in str(cause)


def test_the_text_of_our_own_errors_is_shown(install):
    body = """
from cloudprovider.errors import InvalidConfiguration
def new(config): raise InvalidConfiguration("no", field="region", value="x", accepted="y")
"""
    install("acme-provider", "acme", body)
    with pytest.raises(registry.CloudProviderInitError) as raised:
        registry.init_cloud_provider("acme")
    expected = "could not init cloud provider \"acme\": region='x': no; accepted: y"
    assert str(raised.value) == expected


def test_an_unknown_name_lists_what_is_installed(install):
    install("acme-provider", "acme", GOOD.format(name="acme"))
    with pytest.raises(registry.CloudProviderInitError) as raised:
        registry.init_cloud_provider("acmee")
    assert 'unknown cloud provider "acmee"; installed: acme' in str(raised.value)
    assert "Did you mean 'acme'?" in str(raised.value)


def test_a_name_claimed_by_two_distributions_is_refused_and_both_are_named(install):
    install("acme-provider", "acme", GOOD.format(name="acme"))
    install("acme-fork", "acme", GOOD.format(name="acme"))
    with pytest.raises(registry.CloudProviderInitError, match="acme-fork") as raised:
        registry.init_cloud_provider("acme")
    assert "acme-provider" in str(raised.value)


def test_a_config_file_that_cannot_be_opened_is_named(registered, tmp_path):
    missing = tmp_path / "missing.conf"
    with pytest.raises(registry.CloudProviderInitError) as raised:
        registry.init_cloud_provider(registered, str(missing))
    expected = f"Couldn't open cloud provider configuration {missing}: No such file or directory"
    assert str(raised.value) == expected


def test_registering_twice_is_an_error(registered):
    with pytest.raises(ValueError, match="was registered twice"):
        registry.register_cloud_provider(registered, lambda _config: Cloud())


def test_a_name_both_registered_and_installed_is_an_error(install, registered):
    install("acme-provider", registered, GOOD.format(name=registered))
    with pytest.raises(registry.CloudProviderInitError, match="registered twice"):
        registry.init_cloud_provider(registered)


def test_a_factory_may_use_the_registry():
    registry.register_cloud_provider("outer", lambda _c: registry.init_cloud_provider("inner"))
    registry.register_cloud_provider("inner", lambda _c: Cloud())
    try:
        assert registry.init_cloud_provider("outer").provider_name() == "inline"
    finally:
        registry.unregister_cloud_provider("outer")
        registry.unregister_cloud_provider("inner")


def test_importing_the_core_loads_no_sdk_and_no_stevedore():
    code = (
        "import sys, cloudprovider;"
        "bad = {'stevedore', 'kubernetes', 'boto3', 'Tea', 'darabonba'} & set(sys.modules);"
        "sys.exit(str(bad) if bad else 0)"
    )
    subprocess.run([sys.executable, "-c", code], check=True, cwd=pathlib.Path(__file__).parent)
