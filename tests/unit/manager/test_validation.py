"""What concerns several flags is checked before anything starts."""

import pytest

from cloudprovider_manager import validation
from cloudprovider_manager.options import Options
from cloudprovider_manager.serving_options import NamedFiles

GOOD = {"cloud_provider": "fake"}


def options(**fields):
    given = frozenset(name.replace("_", "-") for name in fields)
    return Options(**{**GOOD, **fields}, given=given)


def test_the_defaults_with_a_provider_are_fine():
    assert validation.problems(options()) == []


@pytest.mark.parametrize(
    ("fields", "text"),
    [
        ({"cloud_provider": ""}, "--cloud-provider cannot be empty"),
        ({"cluster_name": " "}, "--cluster-name cannot be empty"),
        ({"controllers": ("nodes",)}, '"nodes" is not in the list of known controllers'),
        ({"controllers": ("-x", "*")}, '"x" is not in the list of known controllers'),
        ({"feature_gates": (("Foo", "true"),)}, "unrecognized feature gate: Foo"),
        (
            {"configure_cloud_routes": True},
            "--cluster-cidr must be set when --configure-cloud-routes=true",
        ),
        (
            {"leader_elect_lease_duration": 10.0},
            "leaseDuration must be greater than renewDeadline; accepted: more than 10s",
        ),
        (
            {"leader_elect_retry_period": 9.0},
            "renewDeadline must be greater than retryPeriod*JitterFactor",
        ),
        ({"leader_elect_resource_name": ""}, "--leader-elect-resource-name cannot be empty"),
        (
            {"leader_elect_resource_name": "A lease"},
            "--leader-elect-resource-name='A lease': not a",
        ),
        ({"leader_elect_resource_namespace": "a.b"}, "--leader-elect-resource-namespace=a.b: not "),
        ({"min_resync_period": 5.0}, "--min-resync-period=5s: too small; accepted: 0s, or at le"),
        ({"webhooks": ("x",)}, '"x" is not in the list of known webhooks'),
        ({"feature_gates": (("AllAplha", "true"),)}, "did you mean AllAlpha?"),
        ({"tls_private_key_file": __file__}, "belong together"),
        (
            {"tls_cipher_suites": ("TLS_NONE",)},
            "--tls-cipher-suites: Cipher suite TLS_NONE not supported or doesn't exist",
        ),
        (
            {"tls_curve_preferences": (0,)},
            "--tls-curve-preferences: curve preference 0 is out of range (must be 1-65535)",
        ),
        ({"tls_curve_preferences": (23, 23)}, "duplicate curve preference 23"),
        ({"authorization_always_allow_paths": ("/a*b",)}, 'only trailing * allowed in "a*b"'),
        (
            {"requestheader_username_headers": ("x-remote-user", "")},
            'empty value in "requestheader-username-headers"',
        ),
        (
            {"requestheader_allowed_names": (" ",)},
            'empty value in "requestheader-allowed-names"',
        ),
        (
            {"requestheader_uid_headers": ("X-Uid",)},
            "--requestheader-uid-headers is set without specifying the standard X-Remote-Uid "
            "header - API aggregation will not work",
        ),
        ({"client_ca_file": "/no/such/file"}, "--client-ca-file=/no/such/file: no such file"),
        ({"authentication_kubeconfig": "/no/such/file"}, "--authentication-kubeconfig=/no"),
        ({"authorization_kubeconfig": "/no/such/file"}, "--authorization-kubeconfig=/no"),
        ({"requestheader_client_ca_file": "/no/file"}, "--requestheader-client-ca-file=/no"),
        ({"tls_sni_cert_key": (NamedFiles(__file__, "/no/file"),)}, "--tls-sni-cert-key=/no/file"),
        ({"port": 10258}, "the same as --secure-port"),
        ({"cloud_config": "/no/such/file"}, "--cloud-config=/no/such/file: no such file"),
        ({"cloud_config": "/"}, "--cloud-config=/: is a directory"),
        ({"kubeconfig": "/no/such/file"}, "--kubeconfig=/no/such/file: no such file"),
    ],
)
def test_a_fault_names_the_flag(fields, text):
    found = validation.problems(options(**fields))
    assert len(found) == 1
    assert text in found[0]
    assert "accepted: " in found[0]


@pytest.mark.parametrize("name", ["ccm", "my.lease", "a" * 253, "x-1"])
def test_names_that_the_api_server_takes_are_taken(name):
    assert validation.problems(options(leader_elect_resource_name=name)) == []


def test_faults_come_in_upstreams_order():
    found = validation.problems(
        options(
            cloud_provider="",
            webhooks=("x",),
            port=10258,
            controllers=("x",),
            leader_elect_lease_duration=5.0,
            cluster_name="",
            feature_gates=(("x", "true"),),
        )
    )
    flags = [text.split("=")[0].split(" ")[0] for text in found]
    assert flags == [
        "--feature-gates",
        "--leader-elect-lease-duration",
        "--controllers",
        "--cluster-name",
        "--port",
        "--webhooks",
        "--cloud-provider",
    ]


def test_election_times_do_not_matter_without_election():
    assert validation.problems(options(leader_elect=False, leader_elect_lease_duration=1.0)) == []


@pytest.mark.parametrize(
    ("controllers", "on"),
    [
        (("*",), True),
        (("service",), True),
        (("service-lb-controller",), True),
        (("*", "-service"), False),
        (("-service", "*"), False),
        (("service", "-service"), True),
        (("-service", "service"), False),
        (("cloud-node",), False),
        ((), False),
    ],
)
def test_controllers_are_chosen_as_upstream_chooses_them(controllers, on):
    chosen = options(controllers=controllers)
    assert validation.controller_enabled("service-lb-controller", chosen) is on


@pytest.mark.parametrize(
    ("fields", "wanted"),
    [
        ({}, True),
        ({"configure_cloud_routes": False}, False),
        ({"allocate_node_cidrs": False}, False),
        ({"allocate_node_cidrs": False, "cluster_cidr": ("10.0.0.0/8",)}, True),
        ({"allocate_node_cidrs": True}, True),
        ({"controllers": ("*", "-route")}, False),
    ],
)
def test_routes_are_switched_off_as_old_manifests_did(fields, wanted):
    assert validation.routes_wanted(options(**fields)) is wanted


@pytest.mark.parametrize(
    ("fields", "managed"),
    [
        ({}, False),
        ({"cluster_cidr": ("10.0.0.0/8",)}, True),
        ({"cluster_cidr": ("10.0.0.0/8",), "configure_cloud_routes": False}, False),
        ({"cluster_cidr": ("10.0.0.0/8",), "allocate_node_cidrs": False}, True),
        ({"cluster_cidr": ("10.0.0.0/8",), "controllers": ("*", "-route")}, False),
    ],
)
def test_routes_are_managed_only_where_the_range_is_known(fields, managed):
    assert validation.routes_managed(options(**fields)) is managed


@pytest.mark.parametrize(
    ("fields", "text"),
    [
        ({"cluster_name": '"prod"'}, "quotes"),
        ({"cluster_name": "${cluster_name}"}, "quotes"),
        ({"leader_elect_resource_lock": "endpoints"}, "THIS MANAGER HOLDS A LEASE INSTEAD"),
        ({"leader_elect_resource_lock": "configmaps"}, "Stop every older manager first"),
        ({"leader_elect": False}, "only one manager"),
        ({"feature_gates": (("ServiceNodeExclusion", "true"),)}, "the gate is gone"),
        ({"feature_gates": (("RemoteRequestHeaderUID", "true"),)}, "a gate of API servers"),
        ({"feature_gates": (("CloudControllerManagerWebhook", "true"),)}, "no admission webhooks"),
        (
            {"feature_gates": (("CloudControllerManagerWatchBasedRoutesReconciliation", "false"),)},
            "routes follow the watch of nodes always",
        ),
        ({"log_json_info_buffer_size": 1, "logging_format": "json"}, "has no effect without"),
        ({"controllers": ("*", "nlb")}, "load balancers of every kind are the service"),
    ],
)
def test_traps_of_the_user_documents_are_warned_about(fields, text):
    chosen = options(configure_cloud_routes=False, **fields)
    found = validation.warnings(chosen)
    assert len(found) == 1
    assert text in found[0]


def test_a_world_readable_cloud_config_is_warned_about(tmp_path):
    path = tmp_path / "cloud-config.conf"
    path.write_text("{}")
    path.chmod(0o644)
    chosen = options(cloud_config=str(path), configure_cloud_routes=False)
    assert any("mode 0600" in text for text in validation.warnings(chosen))
    path.chmod(0o600)
    assert validation.warnings(chosen) == []


@pytest.mark.parametrize(
    ("gate", "value"),
    [
        ("AllAlpha", "true"),
        ("ContextualLogging", "false"),
        ("LoggingAlphaOptions", "true"),
        ("CloudControllerManagerWatchBasedRoutesReconciliation", "true"),
        ("ControllerManagerReleaseLeaderElectionLockOnExit", "true"),
        ("CloudControllerManagerWebhook", "false"),
        ("NativeHistograms", "false"),
    ],
)
def test_a_gate_that_asks_for_what_is_so_anyway_is_accepted_silently(gate, value):
    chosen = options(configure_cloud_routes=False, feature_gates=((gate, value),))
    assert validation.problems(chosen) == []
    assert validation.warnings(chosen) == []
