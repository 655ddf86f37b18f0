"""A whole command line becomes checked options, or one clear sentence for each fault."""

import shlex

import pytest

from cloudprovider import registry
from cloudprovider_manager import command
from cloudprovider_manager.flags import FlagError

D1 = """--address=127.0.0.1 --allow-untagged-cloud=true --leader-elect=true
 --cloud-provider=stub --cluster-name='"${cluster_name}"' --allocate-node-cidrs=false
 --cluster-cidr=172.30.0.0/16 --configure-cloud-routes=false
 --use-service-account-credentials=true --route-reconciliation-period=30s --v=5"""

D2 = """--leader-elect=true --cloud-provider=stub --use-service-account-credentials=true
 --configure-cloud-routes=true --route-reconciliation-period=3m
 --leader-elect-resource-lock=endpoints --cluster-cidr=172.16.0.0/16"""

ALIBABA_DEPLOY_V1 = """--address=127.0.0.1 --allow-untagged-cloud=true --leader-elect=true
 --cloud-provider=stub --use-service-account-credentials=true
 --feature-gates=ServiceNodeExclusion=true --configure-cloud-routes=false
 --allocate-node-cidrs=false"""


def problems(arguments):
    with pytest.raises(FlagError) as caught:
        command.read(arguments)
    return caught.value.problems


@pytest.fixture
def files(tmp_path):
    """A kubeconfig and a cloud config, as flags."""
    for name in ("kubeconfig", "cloud-config.conf"):
        (tmp_path / name).write_text("{}")
        (tmp_path / name).chmod(0o600)
    return [f"--kubeconfig={tmp_path}/kubeconfig", f"--cloud-config={tmp_path}/cloud-config.conf"]


def test_the_arguments_of_document_1_start(stub, files):
    asked = command.read([*shlex.split(D1), *files])
    options = asked.options
    assert options.cluster_cidr == ("172.30.0.0/16",)
    assert options.serving_address == "127.0.0.1"
    assert options.route_reconciliation_period == 30.0
    assert options.use_service_account_credentials
    assert options.v == 5
    texts = "\n".join(asked.warnings)
    assert "--address has been deprecated" in texts
    assert "--allow-untagged-cloud has been deprecated" in texts
    assert "quotes" in texts


def test_the_arguments_of_document_2_start_with_a_loud_warning(stub, files):
    asked = command.read([*shlex.split(D2), *files])
    assert asked.options.leader_elect_resource_lock == "endpoints"
    assert any("THIS MANAGER HOLDS A LEASE INSTEAD" in text for text in asked.warnings)


def test_the_cidr_that_the_shell_line_of_document_2_yields_is_refused(stub, files):
    wrong = '                            "--cluster-cidr=172.16.0.0/16",'
    arguments = [item for item in shlex.split(D2) if "--cluster-cidr" not in item]
    (problem,) = problems([*arguments, *files, f"--cluster-cidr={wrong}"])
    assert problem.startswith("--cluster-cidr='      ")
    assert "did you mean that alone" in problem
    assert "172.16.0.0/16" in problem
    assert "accepted: an address range such as" in problem


def test_the_manifest_of_alibabas_old_release_starts(stub, files):
    asked = command.read([*shlex.split(ALIBABA_DEPLOY_V1), *files])
    assert any("the gate is gone" in text for text in asked.warnings)


def test_strict_flags_refuse_what_is_old(stub, files):
    found = problems([*shlex.split(D1), *files, "--strict-flags"])
    assert any("--address has been deprecated" in text for text in found)


def test_an_unknown_provider_lists_those_installed(stub):
    (problem,) = problems(["--cloud-provider=stubb"])
    assert 'unknown cloud provider "stubb"' in problem
    assert "installed:" in problem
    assert "stub" in problem


def test_the_name_external_is_explained(stub):
    (problem,) = problems(["--cloud-provider=external"])
    assert "kubelet" in problem


def test_a_provider_that_fails_to_load_is_named(monkeypatch):
    def broken(name):
        raise registry.CloudProviderInitError(f'{name!r} failed to load: ImportError: no "sdk"')

    monkeypatch.setattr("cloudprovider_manager.provider.get_factory", broken)
    (problem,) = problems(["--cloud-provider=stub"])
    assert "failed to load: ImportError" in problem


def test_every_fault_is_told_in_one_run(stub):
    found = problems(
        ["--cloud-provider=nope", "--v=x", "--no-such-flag", "--cloud-config=/missing"]
    )
    assert len(found) == 4


def test_the_providers_own_flags_reach_its_factory(stub):
    asked = command.read(
        ["--cloud-provider", "stub", "--sg-batch-size=20", "--dry-run", "--zones=a,b"]
    )
    assert asked.options.provider_options == {
        "sg-batch-size": 20,
        "dry-run": True,
        "zones": ("a", "b"),
    }


@pytest.mark.parametrize(
    ("argument", "text"),
    [
        ("--sg-batch-size=41", "accepted: a whole number from 1 to 40"),
        ("--sg-batch-size=x", "not a whole number"),
        ("--network=classic", "accepted: vpc, public"),
    ],
)
def test_values_of_the_providers_flags_are_checked(stub, argument, text):
    (problem,) = problems(["--cloud-provider=stub", argument])
    assert text in problem


def test_flags_of_another_provider_are_unknown():
    found = problems(["--sg-batch-size=20"])
    assert any("unknown flag: --sg-batch-size" in text for text in found)


def test_a_provider_may_not_take_a_flag_of_the_manager(stub, monkeypatch):
    from cloudprovider_manager import provider
    from cloudprovider_manager.values import TEXT

    clash = provider.Flag("v", TEXT, "", "", "Provider stub")
    monkeypatch.setattr(provider, "flags_of", lambda name: {"v": clash})
    assert any("are the manager's" in text for text in problems(["--cloud-provider=stub"]))


def test_help_shows_the_providers_flags_too(stub):
    text = command.read(["--cloud-provider=stub", "--help"]).help
    assert "--sg-batch-size <int>" in text
    assert "--leader-elect-resource-lock" in text


def test_version_needs_no_provider():
    assert command.read(["--version"]).options.version


def test_what_is_shown_of_the_configuration_has_no_password(stub):
    options = command.read(
        ["--cloud-provider=stub", "--master=https://user:canary-password@host:6443"]
    ).options
    shown = command.effective(options)
    assert "canary-password" not in str(shown)
    assert shown["leader-elect-lease-duration"] == "15s"
    assert shown["controllers"] == "*"


def test_a_fault_shows_no_password():
    found = problems(["--cloud-provider=external", "--master=https://u:canary@bad host"])
    assert "canary" not in str(found)


def test_an_old_address_without_a_port_says_where_health_is(stub):
    asked = command.read(["--cloud-provider=stub", "--address=127.0.0.1"])
    assert any("needs --port=10252" in text for text in asked.warnings)


def test_a_flag_whose_function_is_not_there_yet_says_so(stub):
    asked = command.read(["--cloud-provider=stub", "--contention-profiling"])
    assert any("does nothing here" in text for text in asked.warnings)
