"""The file of --config holds what flags hold, strictly typed; every fault names file and key."""

import json

import pytest
import yaml

from cloudprovider_manager import command, config_file, configz
from cloudprovider_manager.flags import FlagError, declared, parse
from cloudprovider_manager.options import Options

HEADER = "apiVersion: k8s-cloudprovider/v1alpha1\nkind: ManagerConfiguration\n"
KNOWN = declared(Options)


@pytest.fixture
def file(tmp_path):
    """Write a file and give its flag."""

    def write(text, header=HEADER):
        path = tmp_path / "manager.yaml"
        path.write_text(header + text)
        return f"--config={path}"

    return write


def problems(*arguments):
    with pytest.raises(FlagError) as caught:
        command.read(arguments)
    return caught.value.problems


GOOD = """
cloud-provider: stub
cluster-name: prod
cluster-cidr: [10.0.0.0/8, "fd00::/48"]
leader-elect: false
leader-elect-lease-duration: 1m
kube-api-qps: 50
missing-nodes-threshold: 0.5
secure-port: 0
controllers: ["*", -route]
feature-gates: {AllAlpha: false}
vmodule: {elector: 4}
sg-batch-size: 20
dry-run: true
zones: [a, b]
"""


def test_it_holds_what_flags_hold_and_the_providers_own(stub, file):
    options = command.read([file(GOOD)]).options
    assert options.cloud_provider == "stub"
    assert options.cluster_cidr == ("10.0.0.0/8", "fd00::/48")
    assert options.leader_elect is False
    assert options.leader_elect_lease_duration == 60.0
    assert options.kube_api_qps == 50.0
    assert options.missing_nodes_threshold == 0.5
    assert options.secure_port == 0
    assert options.controllers == ("*", "-route")
    assert options.feature_gates == (("AllAlpha", "false"),)
    assert options.vmodule == (("elector", "4"),)
    assert options.provider_options == {"sg-batch-size": 20, "dry-run": True, "zones": ("a", "b")}
    assert {"cluster-name", "sg-batch-size", "config"} <= options.given


def test_json_is_read_too(stub, file):
    content = {"apiVersion": config_file.API_VERSION, "kind": config_file.KIND}
    text = json.dumps({**content, "cloud-provider": "stub", "v": 5})
    assert command.read([file(text, header="")]).options.v == 5


def test_the_command_line_counts_more_and_replaces_whole_lists(stub, file):
    asked = command.read([
        "--cluster-name=typed", file(GOOD), "--controllers=service", "--sg-batch-size=40",
    ])  # fmt: skip
    assert asked.options.cluster_name == "typed"
    assert asked.options.controllers == ("service",)
    assert asked.options.provider_options["sg-batch-size"] == 40


def test_a_file_counts_as_given_where_a_default_would_not(stub, file):
    text = "cloud-provider: stub\nallocate-node-cidrs: false\nconfigure-cloud-routes: true\n"
    asked = command.read([file(text)])
    assert "allocate-node-cidrs" in asked.options.given


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "cluster-nme: x",
            "cluster-nme: unknown key, did you mean cluster-name?; accepted: names of flags as "
            "cloud-controller-manager --help shows them, without --",
        ),
        ("clusterName: x", "clusterName: unknown key, did you mean cluster-name?; accepted: "),
        ("cluster_name: x", "cluster_name: unknown key, did you mean cluster-name?; accepted: "),
        ("--v: 5", "--v: unknown key, did you mean v?; accepted: "),
        ("no: x", "False: unknown key; accepted: "),
        ("config: x", "config: for the command line alone; accepted: names of other flags"),
        ("version: true", "version: for the command line alone; accepted: "),
        ("leader-elect: 'false'", "leader-elect: false: text where true or false is expected; "),
        ("leader-elect: 1", "leader-elect: 1: a whole number where true or false is expected; "),
        ("leader-elect: null", "leader-elect: null: no value; accepted: true or false, without "),
        (
            "cluster-name: no",
            "cluster-name: false: true or false where text is expected; put it in quotes; "
            "accepted: any text",
        ),
        (
            "leader-elect-lease-duration: 15",
            "leader-elect-lease-duration: 15: a whole number where text is expected; put it in "
            "quotes; accepted: a duration such as 500ms, 30s or 1h30m, at least 1s",
        ),
        (
            "leader-elect-lease-duration: '15'",
            "leader-elect-lease-duration: 15: a duration needs a unit, e.g. 15s; accepted: a "
            "duration such as 500ms, 30s or 1h30m, at least 1s",
        ),
        ("secure-port: '10258'", "secure-port: 10258: text where a whole number is expected; "),
        ("secure-port: 1.5", "secure-port: 1.5: a number where a whole number is expected; "),
        ("port: 65536", "port: 65536: too large; accepted: a whole number from 0 to 65535, "),
        ("secure-port: true", "secure-port: true: true or false where a whole number is "),
        ("kube-api-qps: fast", "kube-api-qps: fast: text where a number is expected; accepted: a "),
        ("kube-api-qps: .inf", "kube-api-qps: inf: not a finite number; accepted: a number; 0 or "),
        ("controllers: '*'", "controllers: *: text where a list is expected; accepted: a list "),
        ("controllers: ['a,b']", "controllers: ['a,b']: an item is empty or holds a comma; "),
        ("controllers: [[a]]", "controllers: [['a']]: a list inside; accepted: a list of texts"),
        ("cluster-cidr: [x]", "cluster-cidr: ['x']: not an address range; accepted: a list of "),
        ("feature-gates: [A]", "feature-gates: ['A']: a list where a mapping is expected; "),
        ("feature-gates: {A: maybe}", "A=maybe is neither true nor false; accepted: a mapping; "),
        ("feature-gates: {'A,B': true}", "a comma or an equals sign inside; accepted: a mapping"),
        ("sg-batch-size: 41", "sg-batch-size: 41: not an accepted value; accepted: a whole number"),
        ("zones: a", "zones: a: text where a list is expected; accepted: a list of texts; on the "),
        ("logging-format: xml", "logging-format: xml: unknown value; accepted: text or json"),
        ("enable-leader-migration: true", "enable-leader-migration=true is refused: a second lock"),
    ],
)
def test_a_fault_names_file_key_value_and_what_is_accepted(stub, file, text, message):
    flag = file(f"cloud-provider: stub\n{text}\n")
    (problem,) = problems(flag)
    assert problem.startswith(f"{flag}: ")
    assert message in problem
    assert "accepted: " in problem


@pytest.mark.parametrize(
    ("header", "text", "message"),
    [
        ("", "", "it holds nothing; accepted: YAML or JSON with apiVersion: k8s-cloudprovider/"),
        ("", "- a\n", "it holds a list; accepted: YAML or JSON with apiVersion: "),
        ("", "a: [\n", "not YAML at line 2: "),
        ("", "a: 1\na: 2\n", "not YAML at line 2: key 'a' is there twice; accepted: YAML or JSON"),
        ("", "a: &x [1]\nb: *x\n", "not YAML at line 2: aliases are not accepted; accepted: "),
        ("", "a: !!python/object:os.system {}\n", "not YAML at line 1: "),
        ("", "a: \x01\n", "not YAML"),
        ("", "kind: ManagerConfiguration\n", "apiVersion: missing; accepted: k8s-cloudprovider/v1"),
        (
            "",
            "apiVersion: k8s-cloudprovider/v1alpha1\nkind: CloudControllerManagerConfiguration\n",
            "kind: CloudControllerManagerConfiguration; accepted: ManagerConfiguration",
        ),
        ("", "{" * 20000, "nested too deeply; accepted: YAML or JSON"),
        (HEADER, "#" * config_file.LARGEST, "bytes long; accepted: a file of at most 1048576 byte"),
    ],
    ids=lambda value: repr(value)[:30],
)
def test_a_file_that_is_none_is_named_once(stub, file, header, text, message):
    flag = file(text, header=header)
    (problem,) = problems(flag)  # and not that --cloud-provider is missing as well
    assert problem.startswith(f"{flag}: ")
    assert message in problem


def test_a_file_that_cannot_be_read_is_named(stub, tmp_path):
    (problem,) = problems(f"--config={tmp_path}/none.yaml")
    assert problem.endswith("none.yaml: no such file or directory; accepted: a readable file")
    (problem,) = problems(f"--config={tmp_path}")
    assert problem.endswith(": is a directory; accepted: a readable file")
    (tmp_path / "latin").write_bytes(b"a: \xff")
    (problem,) = problems(f"--config={tmp_path}/latin")
    assert "not UTF-8 text" in problem


def test_every_fault_of_file_and_command_line_is_told_in_one_run(stub, file):
    flag = file("cloud-provider: stub\nleader-elect: 1\nnope: 2\nleader-elect-retry-period: 9s\n")
    found = problems("--v=x", flag)
    assert len(found) == 4
    assert found[0].startswith("--v=x: ")
    assert "renewDeadline must be greater than" in found[3]


def test_keys_of_a_provider_that_is_missing_are_not_called_unknown(file):
    (problem,) = problems(file("cloud-provider: nope\nits-own: 3\nv: 1\n"))
    assert 'unknown cloud provider "nope"' in problem


def test_old_flags_in_it_are_warned_about_or_refused(stub, file):
    flag = file("cloud-provider: stub\nport: 10252\nlog-dir: /var/log\n")
    warnings = command.read([flag, "--configure-cloud-routes=false"]).warnings
    deprecated, ignored = warnings
    assert deprecated == f"{flag}: port has been deprecated, probe --secure-port instead."
    assert ignored.startswith(f"{flag}: log-dir does nothing here: logs go to stderr")
    found = problems(flag, "--strict-flags")
    assert len(found) == 2
    flag = file("cloud-provider: stub\nport: 10252\nstrict-flags: true\n")
    (problem,) = problems(flag)
    assert "refused because of --strict-flags" in problem
    assert command.read([flag, "--strict-flags=false"]).options.port == 10252


def test_a_password_in_a_wrong_value_is_not_shown(stub, file):
    found = problems(file("cloud-provider: stub\nmaster: [https://u:canary@h]\n"))
    assert "canary" not in str(found)


def test_help_and_version_need_no_good_file(file):
    flag = file("nope: 1\n")
    assert command.read([flag, "--help"]).help
    assert "--config <path>" in command.read([flag, "--help"]).help


EVERY = [flag for name, flag in KNOWN.items() if name not in config_file.NOT_IN_FILE]


@pytest.mark.parametrize("flag", EVERY, ids=lambda flag: flag.name)
def test_what_is_written_of_a_flag_is_read_back(flag, tmp_path):
    written = {flag.name: config_file.written(flag, flag.default)}
    content = yaml.safe_load(yaml.safe_dump(written))
    parsed = config_file.read("x", content, KNOWN, strict=False)
    assert parsed.values[flag.name] == flag.default


def test_what_configz_shows_can_be_given_to_config(stub, tmp_path):
    typed = [
        "--cloud-provider=stub",
        "--cluster-cidr=10.0.0.0/8",
        "--configure-cloud-routes",
        "--vmodule=a*=4,b=5",
        "--feature-gates=AllBeta=true",
        "--log-json-info-buffer-size=512Ki",
        "--kube-api-qps=12.5",
        "--webhooks=*",
        "--webhook-tls-sni-cert-key=a,b:x,y",
        "--webhook-tls-curve-preferences=23,24",
        "--zones=a,b",
    ]
    options = command.read(typed).options
    shown = configz.configz(options)["k8s-cloudprovider"]
    path = tmp_path / "manager.yaml"
    path.write_text(json.dumps(shown))
    again = command.read([f"--config={path}"]).options
    fields = [name.replace("-", "_") for name in KNOWN if name not in config_file.NOT_IN_FILE]
    for field in fields:
        assert getattr(again, field) == getattr(options, field), field
    assert again.provider_options == options.provider_options


@pytest.mark.parametrize(
    "text", ["cluster-name: x", "v: 5", "controllers: [service]", "leader-elect: false"]
)
def test_a_file_means_the_same_as_the_command_line(text, tmp_path):
    content = yaml.safe_load(text)
    from_file = config_file.read("x", content, KNOWN, strict=False).values
    (name,) = content
    typed = f"--{name}={KNOWN[name].text(from_file[name])}"
    assert parse([typed], KNOWN).values == from_file
