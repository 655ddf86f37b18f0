"""Upstream's own tests of its options, re-created: defaults, parsing, ``/configz``, validation."""

import json
import shlex

import pytest
import yaml

from cloudprovider_manager import command, config_file, configz, controllers
from cloudprovider_manager.flags import FlagError, declared, parse
from cloudprovider_manager.options import Options

KNOWN = declared(Options)

#: What upstream's manager has without any flag, in the form of its ``/configz``.
DEFAULTS = {
    "kind": "CloudControllerManagerConfiguration",
    "apiVersion": "cloudcontrollermanager.config.k8s.io/v1alpha1",
    "Generic": {
        "Port": 0,
        "Address": "0.0.0.0",
        "MinResyncPeriod": "12h0m0s",
        "ClientConnection": {
            "kubeconfig": "",
            "acceptContentTypes": "",
            "contentType": "application/vnd.kubernetes.protobuf",
            "qps": 20,
            "burst": 30,
        },
        "ControllerStartInterval": "0s",
        "LeaderElection": {
            "leaderElect": True,
            "leaseDuration": "15s",
            "renewDeadline": "10s",
            "retryPeriod": "2s",
            "resourceLock": "leases",
            "resourceName": "cloud-controller-manager",
            "resourceNamespace": "kube-system",
        },
        "Controllers": ["*"],
        "Debugging": {"enableProfiling": True, "enableContentionProfiling": False},
        "LeaderMigrationEnabled": False,
        "LeaderMigration": {"leaderName": "", "resourceLock": "", "controllerLeaders": None},
    },
    "KubeCloudShared": {
        "CloudProvider": {"Name": "", "CloudConfigFile": ""},
        "ExternalCloudVolumePlugin": "",
        "UseServiceAccountCredentials": False,
        "AllowUntaggedCloud": False,
        "RouteReconciliationPeriod": "10s",
        "NodeMonitorPeriod": "5s",
        "ClusterName": "kubernetes",
        "ClusterCIDR": "",
        "AllocateNodeCIDRs": False,
        "CIDRAllocatorType": "RangeAllocator",
        "ConfigureCloudRoutes": True,
        "NodeSyncPeriod": "0s",
    },
    "NodeController": {"ConcurrentNodeSyncs": 1, "ConcurrentNodeStatusUpdates": 1},
    "ServiceController": {"ConcurrentServiceSyncs": 1},
    "NodeStatusUpdateFrequency": "5m0s",
    "Webhook": {"Webhooks": None},
}

#: Where our defaults differ, and why.
OURS = {
    ("Generic", "MinResyncPeriod"): "6h0m0s",  # it compares with the cloud, theirs does not
    ("Generic", "ClientConnection", "contentType"): "application/json",
    ("Generic", "ClientConnection", "qps"): 200,  # docs/decisions/0004-client-rate.md
    ("Generic", "ClientConnection", "burst"): 400,
    ("KubeCloudShared", "RouteReconciliationPeriod"): "5m0s",  # changes are acted on at once
    ("NodeController", "ConcurrentNodeSyncs"): 10,
    ("NodeController", "ConcurrentNodeStatusUpdates"): 10,
    ("ServiceController", "ConcurrentServiceSyncs"): 20,
}
#: The port's own options decide it.
PORTS = ("Generic", "Debugging", "enableProfiling")


def leaves(value, path=()):
    """Every value in nested mappings by its path."""
    if isinstance(value, dict):
        for key, item in value.items():
            yield from leaves(item, (*path, key))
    else:
        yield path, value


def options_of(arguments):
    """Options from arguments that are read but, as in upstream's tests, not validated."""
    values = parse(arguments, KNOWN).values
    fields = {name.replace("-", "_"): value for name, value in values.items()}
    return Options(**fields, given=frozenset(values))


@pytest.mark.upstream("TestDefaultFlags")
def test_the_defaults_are_upstreams_or_are_known_to_differ():
    expected = {path: OURS.get(path, value) for path, value in leaves(DEFAULTS)}
    found = dict(leaves(configz.upstream(Options())))
    assert set(found) == set(expected)
    assert {path: value for path, value in found.items() if path != PORTS} == {
        path: value for path, value in expected.items() if path != PORTS
    }
    options = Options()
    assert (options.bind_address, options.secure_port) == ("0.0.0.0", 10258)
    assert (options.webhook_bind_address, options.webhook_secure_port) == ("0.0.0.0", 10260)
    assert (options.cert_dir, options.http2_max_streams_per_connection) == ("", 0)
    assert options.authentication_token_webhook_cache_ttl == 10.0
    assert options.authorization_webhook_cache_authorized_ttl == 10.0
    assert options.authorization_webhook_cache_unauthorized_ttl == 10.0
    assert options.master == ""


ADDED = shlex.split("""
--allocate-node-cidrs=true --authorization-always-allow-paths= --bind-address=192.168.4.21
--cert-dir=/a/b/c --cloud-config=/cloud-config --cloud-provider=gce --cluster-cidr=1.2.3.4/24
--cluster-name=k8s --configure-cloud-routes=false --contention-profiling=true
--controller-start-interval=2m --controllers=foo,bar --http2-max-streams-per-connection=47
--kube-api-burst=100 --kube-api-content-type=application/vnd.kubernetes.protobuf
--kube-api-qps=50.0 --kubeconfig=/kubeconfig --leader-elect=false
--leader-elect-lease-duration=30s --leader-elect-renew-deadline=15s
--leader-elect-resource-lock=leases --leader-elect-retry-period=5s --master=192.168.4.20
--min-resync-period=100m --node-status-update-frequency=10m --profiling=false
--route-reconciliation-period=30s --secure-port=10001 --use-service-account-credentials=false
--concurrent-node-syncs=5 --webhooks=foo,bar,-baz --webhook-disable-http2-serving=true
--webhook-tls-cipher-suites=TLS_RSA_WITH_AES_128_CBC_SHA,TLS_RSA_WITH_AES_256_CBC_SHA
--webhook-tls-min-version=VersionTLS13
--webhook-tls-sni-cert-key=example.crt,example.key:example.com
""")


@pytest.mark.upstream("TestAddFlags")
def test_thirty_five_flags_at_once_are_read():
    options = options_of(ADDED)
    assert len(options.given) == len(ADDED) == 35
    assert options.authorization_always_allow_paths == ()  # the default can be cleared
    assert options.bind_address == "192.168.4.21"
    assert options.cert_dir == "/a/b/c"
    assert options.http2_max_streams_per_connection == 47
    assert options.master == "192.168.4.20"
    assert options.secure_port == 10001
    assert options.webhook_disable_http2_serving
    assert options.webhook_tls_cipher_suites == (
        "TLS_RSA_WITH_AES_128_CBC_SHA",
        "TLS_RSA_WITH_AES_256_CBC_SHA",
    )
    assert options.webhook_tls_min_version == "VersionTLS13"
    assert options.webhook_tls_sni_cert_key == ("example.crt,example.key:example.com",)
    changed = {
        ("Generic", "MinResyncPeriod"): "1h40m0s",
        ("Generic", "ClientConnection", "kubeconfig"): "/kubeconfig",
        ("Generic", "ClientConnection", "contentType"): "application/vnd.kubernetes.protobuf",
        ("Generic", "ClientConnection", "qps"): 50.0,
        ("Generic", "ClientConnection", "burst"): 100,
        ("Generic", "ControllerStartInterval"): "2m0s",
        ("Generic", "LeaderElection", "leaderElect"): False,
        ("Generic", "LeaderElection", "leaseDuration"): "30s",
        ("Generic", "LeaderElection", "renewDeadline"): "15s",
        ("Generic", "LeaderElection", "retryPeriod"): "5s",
        ("Generic", "Controllers"): ["foo", "bar"],
        ("Generic", "Debugging", "enableProfiling"): False,
        ("Generic", "Debugging", "enableContentionProfiling"): True,
        ("KubeCloudShared", "RouteReconciliationPeriod"): "30s",
        ("KubeCloudShared", "ClusterName"): "k8s",
        ("KubeCloudShared", "ClusterCIDR"): "1.2.3.0/24",
        ("KubeCloudShared", "AllocateNodeCIDRs"): True,
        ("KubeCloudShared", "ConfigureCloudRoutes"): False,
        ("KubeCloudShared", "CloudProvider", "Name"): "gce",
        ("KubeCloudShared", "CloudProvider", "CloudConfigFile"): "/cloud-config",
        ("NodeController", "ConcurrentNodeSyncs"): 5,
        ("NodeController", "ConcurrentNodeStatusUpdates"): 5,
        ("NodeStatusUpdateFrequency",): "10m0s",
        ("Webhook", "Webhooks"): ["foo", "bar", "-baz"],
    }
    untouched = {path: value for path, value in OURS.items() if path not in changed}
    expected = {**dict(leaves(DEFAULTS)), **untouched, **changed}
    assert dict(leaves(configz.upstream(options))) == expected


CREATED = shlex.split("""
--allocate-node-cidrs=true --authorization-always-allow-paths= --bind-address=0.0.0.0
--secure-port=10200 --cloud-provider=stub --cluster-cidr=1.2.3.4/24 --cluster-name=k8s
--configure-cloud-routes=false --contention-profiling=true --controller-start-interval=2m
--controllers=service,route --concurrent-node-syncs=1 --http2-max-streams-per-connection=47
--kube-api-burst=101 --kube-api-content-type=application/vnd.kubernetes.protobuf
--kube-api-qps=50.0 --leader-elect=false --leader-elect-lease-duration=30s
--leader-elect-renew-deadline=15s --leader-elect-resource-lock=leases
--leader-elect-retry-period=5s --master=192.168.4.20 --min-resync-period=100m
--node-status-update-frequency=10m --profiling=false --route-reconciliation-period=30s
--use-service-account-credentials=false
""")


@pytest.mark.parametrize(
    ("more", "webhooks", "updates"),
    [
        pytest.param(
            ["--webhooks=*", "--webhook-bind-address=0.0.0.0", "--webhook-secure-port=10300"],
            ["*"],
            1,  # as many as --concurrent-node-syncs
            marks=pytest.mark.upstream("TestCreateConfig"),
            id="with webhooks",
        ),
        pytest.param(
            ["--concurrent-node-status-updates=2"],
            None,
            2,
            marks=pytest.mark.upstream("TestCreateConfigWithoutWebHooks"),
            id="without webhooks",
        ),
    ],
)
def test_a_command_line_becomes_the_configuration_in_force(stub, tmp_path, more, webhooks, updates):
    options = command.read([*CREATED, *more, f"--cert-dir={tmp_path}/certs"]).options
    shown = configz.upstream(options)
    assert shown["Webhook"] == {"Webhooks": webhooks}
    assert shown["NodeController"] == {
        "ConcurrentNodeSyncs": 1,
        "ConcurrentNodeStatusUpdates": updates,
    }
    generic = shown["Generic"]
    assert generic["MinResyncPeriod"] == "1h40m0s"
    assert generic["ClientConnection"]["qps"] == 50.0
    assert generic["ClientConnection"]["burst"] == 101
    assert generic["Controllers"] == ["service-lb-controller", "node-route-controller"]
    assert generic["LeaderElection"]["leaseDuration"] == "30s"
    assert generic["LeaderMigration"]["leaderName"] == ""
    shared = shown["KubeCloudShared"]
    assert shared["CloudProvider"] == {"Name": "stub", "CloudConfigFile": ""}
    assert shared["ClusterName"] == "k8s"
    assert shared["ConfigureCloudRoutes"] is False
    assert shown["NodeStatusUpdateFrequency"] == "10m0s"


@pytest.mark.upstream("TestCloudControllerManagerAliases")
def test_aliases_are_resolved_also_behind_a_minus():
    known = [
        "cloud-node-controller",
        "service-controller",
        "route-controller",
        "cloud-node-lifecycle-controller",
    ]
    aliases = {
        "cloud-node": "cloud-node-controller",
        "service": "service-controller",
        "route": "route-controller",
        "cloud-node-lifecycle": "cloud-node-lifecycle-controller",
    }
    typed = ["service-controller", "-service", "route", "-cloud-node-lifecycle-controller"]
    assert controllers.unknown(typed, known, aliases) == []
    assert controllers.resolve(typed, aliases) == (
        "service-controller",
        "-service-controller",
        "route-controller",
        "-cloud-node-lifecycle-controller",
    )


POSITIVE = "too small; accepted: a whole number, at least 1"
NOT_NEGATIVE = "too small; accepted: a whole number, at least 0"


def workers(case):
    marks = pytest.mark.upstream(f"TestNodeControllerValidation/{case}")
    return {"id": case, "marks": marks}


BOTH = "concurrent-node-syncs positive value, concurrent-node-status-updates"


@pytest.mark.defect(12)
@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        pytest.param([], [], **workers("empty options")),
        pytest.param(
            ["--concurrent-node-syncs=-5"],
            [f"--concurrent-node-syncs=-5: {POSITIVE}"],
            **workers("concurrent-node-syncs negative value"),
        ),
        pytest.param(
            ["--concurrent-node-syncs=0"],
            [f"--concurrent-node-syncs=0: {POSITIVE}"],
            **workers("concurrent-node-syncs zero value"),
        ),
        pytest.param(["--concurrent-node-syncs=5"], [], **workers(f"{BOTH} default 0")),
        pytest.param(
            ["--concurrent-node-syncs=5", "--concurrent-node-status-updates=5"],
            [],
            **workers(f"{BOTH} positive value"),
        ),
        pytest.param(
            ["--concurrent-node-syncs=5", "--concurrent-node-status-updates=-1"],
            [f"--concurrent-node-status-updates=-1: {NOT_NEGATIVE}"],
            **workers(f"{BOTH} negative value"),
        ),
        pytest.param(
            ["--concurrent-service-syncs=0"],
            [f"--concurrent-service-syncs=0: {POSITIVE}"],
            id="ours: a service controller without workers",
        ),
    ],
)
def test_counts_of_workers_are_checked_before_a_start(stub, arguments, expected):
    typed = ["--cloud-provider=stub", *arguments]
    if not expected:
        assert command.read(typed).options.concurrent_node_syncs in (5, 10)
        return
    with pytest.raises(FlagError) as caught:
        command.read(typed)
    assert list(caught.value.problems) == expected


@pytest.mark.defect(12)
@pytest.mark.parametrize(
    ("flag", "shortest"),
    [
        ("route-reconciliation-period", "1s"),
        ("node-monitor-period", "100ms"),
        ("node-status-update-frequency", "1s"),
        ("leader-elect-retry-period", "10ms"),
        ("log-flush-frequency", "1ms"),
    ],
)
@pytest.mark.parametrize("value", ["0s", "0", "-5s"])
def test_a_period_in_which_a_loop_would_spin_is_refused(stub, flag, shortest, value):
    with pytest.raises(FlagError) as caught:
        command.read(["--cloud-provider=stub", f"--{flag}={value}"])
    (problem,) = caught.value.problems
    assert problem.startswith(f"--{flag}={value}: too small; accepted: a duration such as ")
    assert problem.endswith(f", at least {shortest}")


@pytest.mark.upstream("TestCloudControllerManagerDefaultsRoundTrip")
def test_the_defaults_survive_a_config_map(tmp_path):
    shown = configz.configz(Options())
    data = json.dumps({"data": {"configuration": json.dumps(shown)}})
    again = json.loads(json.loads(data)["data"]["configuration"])
    assert again == shown
    path = tmp_path / "manager.yaml"
    path.write_text(yaml.safe_dump(again["k8s-cloudprovider"]))
    read = config_file.read("x", config_file.load(str(path)), KNOWN, strict=False)
    assert read.values == {
        name: flag.default for name, flag in KNOWN.items() if name not in config_file.NOT_IN_FILE
    }


def test_configz_has_two_keys_and_nothing_secret(stub):
    typed = ["--cloud-provider=stub", "--master=https://user:canary@host:6443"]
    shown = configz.configz(command.read(typed).options)
    assert list(shown) == ["cloudcontrollermanager.config.k8s.io", "k8s-cloudprovider"]
    assert shown["k8s-cloudprovider"]["master"] == "https://***@host:6443"
    assert "canary" not in json.dumps(shown)
