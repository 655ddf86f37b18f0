"""A provider that cannot be used: one clear line, exit code 1, nothing done."""

import pytest

pytestmark = pytest.mark.e2e

FOREIGN = """
class SdkError(Exception): pass
def new(config): raise SdkError("https://host/?Signature=canary")
"""


@pytest.mark.parametrize(
    ("name", "texts"),
    [
        pytest.param("nope", ['unknown cloud provider "nope"; installed: ', "alicloud"], id="name"),
        pytest.param("alicluod", ["Did you mean 'alicloud'?"], id="misspelt"),
        pytest.param("external", ["is for kubelet", "installed: ", "alicloud"], id="external"),
    ],
)
def test_an_unknown_name_is_answered_with_those_installed(world, name, texts):
    (line,) = world.start(provider=name).refused()
    assert line.startswith(f"Error: --cloud-provider={name}: ")
    for text in texts:
        assert text in line


@pytest.mark.parametrize(
    ("body", "attribute", "text"),
    [
        pytest.param(
            "import no_such_sdk",
            "new",
            "distribution acme 1.0 (acme_provider:new) failed to load: ModuleNotFoundError: "
            "No module named 'no_such_sdk'. Install a version of acme that works here",
            id="dependency-missing",
        ),
        pytest.param("x = (", "new", "failed to load: SyntaxError: '(' was never", id="syntax"),
        pytest.param("import sys\nsys.exit(3)", "new", "load: SystemExit: 3", id="import-exits"),
        pytest.param("", "new", "has no attribute 'new'", id="no-attribute"),
        pytest.param("new = 3", "new", "is a int, not a factory", id="not-callable"),
        pytest.param(
            "def new(config): ...\nnew.flags = ['batch-size']",
            "new",
            "declares its flags as list; accepted: a mapping",
            id="flags-not-a-mapping",
        ),
        pytest.param(
            "def new(config): ...\nnew.flags = {'batch-size': 3}",
            "new",
            "declares flag 'batch-size' as 3; accepted: (default, help)",
            id="flag-not-a-pair",
        ),
        pytest.param(
            "def new(config): return config",
            "new",
            'could not init cloud provider "acme": its factory returned',
            id="no-provider",
        ),
        pytest.param(
            "def new(config): return {}['region']",
            "new",
            "could not init cloud provider \"acme\": KeyError: 'region' (cloud config: ",
            id="defect",
        ),
    ],
)
def test_a_broken_plugin_is_named_with_its_reason(world, plugin, tmp_path, body, attribute, text):
    plugin(tmp_path, "acme", body, attribute)
    (line,) = world.start(provider="acme", PYTHONPATH=str(tmp_path)).refused()
    assert text in line


def test_a_foreign_exception_is_told_without_its_text(world, plugin, tmp_path):
    """Class and place help; the text may hold a credential, at any verbosity."""
    plugin(tmp_path, "acme", FOREIGN)
    process = world.start("--v=10", provider="acme", PYTHONPATH=str(tmp_path))
    (line,) = process.refused()
    assert f"acme_provider.SdkError at {tmp_path}/acme_provider.py:3 " in line
    assert "canary" not in process.text()


def test_a_name_claimed_twice_names_both_distributions(world, plugin, tmp_path):
    plugin(tmp_path, "alicloud", "", distribution="fork")
    (line,) = world.start(PYTHONPATH=str(tmp_path)).refused()
    assert "is claimed by " in line
    assert "fork 1.0" in line
    assert "k8s-cloudprovider-alicloud 0" in line
    assert "uninstall all but one" in line


class TestFlagsOfTheProvider:
    """--sg-batch-size of Alibaba Cloud."""

    @pytest.mark.parametrize("value", ["0", "41", "-1", "many", ""])
    def test_a_value_that_is_not_accepted_is_refused(self, world, value):
        (line,) = world.start(f"--sg-batch-size={value}").refused()
        assert line.startswith("Error: --sg-batch-size=")
        assert line.endswith("; accepted: a whole number from 1 to 40")

    def test_a_misspelt_one_is_pointed_out(self, world):
        (line,) = world.start("--sg-batchsize=20").refused()
        assert line == "Error: unknown flag: --sg-batchsize, did you mean --sg-batch-size?"

    def test_without_the_provider_it_is_unknown(self, world, plugin, tmp_path):
        plugin(tmp_path, "acme", "def new(config): ...")
        process = world.start("--sg-batch-size=20", provider="acme", PYTHONPATH=str(tmp_path))
        (line,) = process.refused()
        assert line == "Error: unknown flag: --sg-batch-size"

    def test_help_shows_it(self, world):
        process = world.start("--help")
        assert process.popen.wait(20) == 0
        assert "Provider alicloud:\n  --sg-batch-size <int>\n" in process.text()
        assert "(default 20)" in process.text()

    def test_it_bounds_every_call_about_backends(self, world, until):
        for number in range(5):
            world.join(f"node-{number}")
        process = world.start("--sg-batch-size=2")
        until(lambda: all(world.initialized(f"node-{number}") for number in range(5)), "nodes")
        world.expose("web")
        until(lambda: world.address("web"), "address")
        sizes = [
            record.args["BackendServers"].count("ServerId")
            for record in world.cloud_calls()
            if "BackendServers" in record.args
        ]
        assert sizes == [2, 2, 1]
        assert process.stop() == 0
