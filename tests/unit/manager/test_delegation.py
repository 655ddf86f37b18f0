"""Whose word is believed: files, the ConfigMap of the API server, or nobody's."""

import json
import logging

import pki
import pytest

from cloudprovider.concurrency import RealConcurrency
from cloudprovider_controllers.runtime.client import Client
from cloudprovider_controllers.runtime.kubeconfig import ClusterConfig
from cloudprovider_controllers.runtime.transport import Response, TransportError
from cloudprovider_manager.auth.authorization import PublicPaths
from cloudprovider_manager.auth.delegation import Delegation, DelegationError
from cloudprovider_manager.auth.identity import ANONYMOUS, AuthenticationFailed, Caller, User
from cloudprovider_manager.auth.lookup import PERIOD
from cloudprovider_manager.auth.reviews import ReviewFailed
from cloudprovider_manager.auth.trust import Proxy, Trust, TrustError, authorities, published
from cloudprovider_manager.monitoring import Monitoring
from cloudprovider_manager.options import Options

PATH = "/api/v1/namespaces/kube-system/configmaps/extension-apiserver-authentication"
CLIENTS, PROXIES, OTHERS = (pki.authority(name) for name in ("clients", "proxies", "others"))
DATA = {
    "client-ca-file": CLIENTS.pem.decode(),
    "requestheader-client-ca-file": PROXIES.pem.decode(),
    "requestheader-allowed-names": '["front-proxy-client", ""]',
    "requestheader-username-headers": '["X-Remote-User"]',
    "requestheader-uid-headers": '["X-Remote-Uid"]',
    "requestheader-group-headers": '["X-Remote-Group"]',
    "requestheader-extra-headers-prefix": '["X-Remote-Extra-"]',
}
PROXY = Proxy(
    frozenset({PROXIES.der}),
    ("front-proxy-client",),
    ("X-Remote-User",),
    ("X-Remote-Uid",),
    ("X-Remote-Group",),
    ("X-Remote-Extra-",),
)


class Api:
    """An API server that has one ConfigMap, if any."""

    def __init__(self, data=None, status=200):
        self.data = data
        self.status = status
        self.reads = 0

    def request(self, method, path, *, query, headers, body, timeout):
        if path != PATH:
            return Response(403, {}, b"{}")
        self.reads += 1
        if self.status == 0:
            raise TransportError("refused", sent=False)
        if self.status == 200:
            return Response(200, {}, json.dumps({"data": self.data}).encode())
        return Response(self.status, {}, b"{}")


def options(**fields):
    return Options(cloud_provider="x", **fields)


def delegation(time, api, **fields):
    client = Client(api, qps=0, concurrency=time) if api is not None else None
    return Delegation(options(**fields), client, client, concurrency=time)


def test_the_config_map_says_whom_to_believe(time):
    def script():
        made = delegation(time, Api(DATA))
        assert made.trust() == Trust(frozenset({CLIENTS.der}), PROXY)
        made.close()

    time.run(script)


@pytest.mark.parametrize(
    ("data", "trust"),
    [
        pytest.param(None, Trust(), id="no data"),
        pytest.param({}, Trust(), id="empty"),
        pytest.param(
            {"client-ca-file": DATA["client-ca-file"]},
            Trust(frozenset({CLIENTS.der})),
            id="clients alone",
        ),
        pytest.param(
            {"requestheader-client-ca-file": PROXIES.pem.decode()},
            Trust(proxy=Proxy(frozenset({PROXIES.der}), (), (), (), (), ())),
            id="proxies without headers",
        ),
        pytest.param(
            {"client-ca-file": f"# old\n{CLIENTS.pem.decode()}# new\n{OTHERS.pem.decode()}"},
            Trust(frozenset({CLIENTS.der, OTHERS.der})),
            id="several authorities",
        ),
    ],
)
def test_what_the_config_map_lacks_is_not_believed(time, data, trust):
    def script():
        made = delegation(time, Api(data))
        assert made.trust() == trust
        made.close()

    time.run(script)


def test_the_config_map_is_read_again(time):
    api = Api(DATA)

    def script():
        made = delegation(time, api)
        api.data = {"client-ca-file": OTHERS.pem.decode()}
        time.sleep(PERIOD * 1.2)
        assert made.trust() == Trust(frozenset({OTHERS.der}))
        made.close()
        reads = api.reads
        time.sleep(PERIOD * 5)
        assert api.reads == reads

    time.run(script)


@pytest.mark.parametrize("status", [404, 403, 500, 0])
def test_while_it_cannot_be_read_the_last_reading_counts(time, status, caplog):
    api = Api(DATA)

    def script():
        made = delegation(time, api)
        api.status = status
        time.sleep(PERIOD * 4)
        assert made.trust().clients == frozenset({CLIENTS.der})
        assert made.trust().proxy == PROXY
        made.close()

    time.run(script)
    warned = [each for each in caplog.records if "the last reading stays in use" in each.message]
    assert len(warned) == (0 if status == 404 else 1)  # not every minute


@pytest.mark.parametrize(
    ("api", "text"),
    [
        (Api(status=403), r"bind the Role extension-apiserver-authentication-reader"),
        (Api(status=500), r"configmap/extension-apiserver-authentication in kube-system: .*500"),
        (Api(status=0), "refused"),
        (Api({"client-ca-file": "nonsense"}), "client-ca-file: no certificate in PEM form"),
        (
            Api({**DATA, "requestheader-allowed-names": "front"}),
            "requestheader-allowed-names: not a JSON list",
        ),
    ],
)
def test_a_failure_to_read_it_forbids_the_start_unless_it_is_tolerated(time, api, text):
    def script():
        for asked in (
            {"authentication_kubeconfig": "named"},
            {"given": frozenset({"authentication-tolerate-lookup-failure"})},
        ):
            with pytest.raises(DelegationError, match=text):
                delegation(time, api, **asked)
        made = delegation(time, api, authentication_tolerate_lookup_failure=True)
        assert made.trust() == Trust()
        api.data, api.status = DATA, 200
        time.sleep(PERIOD * 1.2)
        assert made.trust().proxy == PROXY  # it is believed as soon as it can be read
        made.close()

    time.run(script)


def test_a_pod_whose_account_was_given_no_right_starts_all_the_same(time, caplog):
    """Manifests from before there was delegated authentication name no identity for it."""

    def script():
        made = delegation(time, Api(status=403))
        assert made.trust() == Trust()
        made.close()

    time.run(script)
    assert "bind the Role extension-apiserver-authentication-reader" in caplog.text


def test_one_that_is_not_there_is_waited_for(time):
    api = Api(status=404)

    def script():
        made = delegation(time, api)
        assert made.trust() == Trust()
        api.data, api.status = DATA, 200
        time.sleep(PERIOD * 1.2)
        assert made.trust().clients
        made.close()

    time.run(script)


def test_files_count_more_than_the_config_map(time, tmp_path):
    clients, _ = OTHERS.write(tmp_path, "clients")
    proxies, _ = OTHERS.write(tmp_path, "proxies")

    def script():
        api = Api(DATA)
        made = delegation(time, api, client_ca_file=clients)
        assert made.trust() == Trust(frozenset({OTHERS.der}), PROXY)
        made.close()
        made = delegation(time, api, requestheader_client_ca_file=proxies)
        assert made.trust().clients == frozenset({CLIENTS.der})
        assert made.trust().proxy == Proxy(
            frozenset({OTHERS.der}),
            (),
            ("x-remote-user",),
            (),
            ("x-remote-group",),
            ("x-remote-extra-",),
        )
        made.close()
        api = Api(DATA)
        made = delegation(time, api, client_ca_file=clients, requestheader_client_ca_file=proxies)
        assert api.reads == 0
        made.close()

    time.run(script)


def test_the_lookup_can_be_skipped(time):
    def script():
        api = Api(DATA)
        made = delegation(time, api, authentication_skip_lookup=True)
        assert (made.trust(), api.reads) == (Trust(), 0)

    time.run(script)


def test_a_bundle_of_authorities_is_read_again(time, tmp_path):
    path, _ = CLIENTS.write(tmp_path, "ca")

    def script():
        made = delegation(time, None, client_ca_file=path)
        assert made.trust().clients == frozenset({CLIENTS.der})
        with open(path, "w") as file:
            file.write("half")
        assert made.trust().clients == frozenset({CLIENTS.der})
        OTHERS.write(tmp_path, "ca")
        assert made.trust().clients == frozenset({OTHERS.der})

    time.run(script)


@pytest.mark.parametrize("flag", ["client_ca_file", "requestheader_client_ca_file"])
def test_a_bundle_that_cannot_be_used_forbids_the_start(time, tmp_path, flag):
    (tmp_path / "ca").write_text("nonsense")

    def script():
        with pytest.raises(DelegationError, match=r"CA .*/ca: no certificate in PEM form"):
            delegation(time, None, **{flag: str(tmp_path / "ca")})

    time.run(script)


def test_without_an_api_server_everyone_is_anonymous_and_only_public_paths_are_allowed(
    monkeypatch, caplog
):
    """Outside of a cluster, and without a kubeconfig for it. That of --kubeconfig is another's."""
    monkeypatch.delenv("KUBERNETES_SERVICE_HOST", raising=False)
    caplog.set_level(logging.WARNING)
    made = Delegation.open(
        options(kubeconfig="/etc/kubernetes/admin.conf"),
        Monitoring().runtime,
        concurrency=RealConcurrency(),
    )
    user = made.authenticator.user(Caller([("authorization", "Bearer any")]))
    assert user == ANONYMOUS
    assert made.authorizer.allowed(user, "get", "/healthz")
    assert not made.authorizer.allowed(user, "get", "/metrics")
    assert "no --authentication-kubeconfig" in caplog.text
    assert "no --authorization-kubeconfig" in caplog.text


def test_in_a_cluster_the_pods_own_identity_asks(monkeypatch):
    asked = []

    def in_cluster(kubeconfig):
        asked.append(kubeconfig)
        return ClusterConfig(server="http://127.0.0.1:1")

    monkeypatch.setattr("cloudprovider_manager.auth.delegation.load_cluster_config", in_cluster)
    made = Delegation.open(
        options(kubeconfig="/another", authentication_skip_lookup=True),
        Monitoring().runtime,
        concurrency=RealConcurrency(),
    )
    assert asked == ["", ""]
    with pytest.raises(AuthenticationFailed):
        made.authenticator.user(Caller([("authorization", "Bearer any")]))
    with pytest.raises(ReviewFailed):
        made.authorizer.allowed(ANONYMOUS, "get", "/metrics")


@pytest.mark.parametrize("what", ["authentication", "authorization"])
def test_a_kubeconfig_that_cannot_be_used_is_named(tmp_path, what):
    path = tmp_path / "kubeconfig"
    path.write_text("clusters: 7")
    with pytest.raises(DelegationError, match=f"--{what}-kubeconfig={path}"):
        Delegation.open(
            options(**{f"{what}_kubeconfig": str(path)}),
            Monitoring().runtime,
            concurrency=RealConcurrency(),
        )


def test_an_api_server_that_refuses_us_lets_nobody_in(time):
    def script():
        made = delegation(time, Api(DATA))
        with pytest.raises(AuthenticationFailed):
            made.authenticator.user(Caller([("authorization", "Bearer any")]))
        made.close()

    time.run(script)


@pytest.mark.parametrize(
    ("bundle", "text"),
    [
        (b"", "no certificate"),
        (b"-----BEGIN CERTIFICATE-----\n!\n-----END CERTIFICATE-----", "not base64"),
        (b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----", "not a bundle"),
        (CLIENTS.key_pem, "no certificate"),
    ],
)
def test_what_is_no_bundle_of_authorities(bundle, text):
    with pytest.raises(TrustError, match=f"here: .*{text}"):
        authorities(bundle, "here")


def test_the_default_of_public_paths_is_that_of_the_flag():
    public = PublicPaths(options().authorization_always_allow_paths)
    assert all(path in public for path in ("/healthz", "/livez", "/readyz"))
    assert "/metrics" not in public
    assert published({}, "x").proxy is None
    assert User("a").groups == ()
