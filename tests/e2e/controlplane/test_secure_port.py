"""The manager's secure port with real tokens and certificates, decided by a real API server."""

import base64
import http.client
import json
import pathlib
import socket
import ssl
import sys

import pytest
from api_servers import USERS
from controlplane import ADMIN_TOKEN
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding

sys.path.insert(0, str(pathlib.Path(__file__).parents[2] / "unit" / "manager"))
import pki

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(120, func_only=True)]

NAMESPACE = "/api/v1/namespaces/kube-system"
RBAC = "/apis/rbac.authorization.k8s.io/v1"
CONFIG_MAP = "extension-apiserver-authentication"
CLIENTS, PROXIES = pki.authority("clients"), pki.authority("proxies")
HEALTH = ("/healthz", "/livez", "/readyz")
READ = ("/metrics", "/metrics/slis", "/configz", "/debug/stacks", "/debug/flags/")


class Port:
    """The secure port of one manager."""

    def __init__(self, cluster, folder):
        self._cluster = cluster
        self._folder = folder
        with socket.socket() as sock:
            sock.bind(("127.0.0.1", 0))
            self.number = sock.getsockname()[1]

    def start(self, *flags):
        """Start a manager that serves there."""
        manager = self._cluster.start(
            "--bind-address=127.0.0.1", f"--secure-port={self.number}", *flags
        )
        self._cluster.wait(lambda: self.ask("/healthz")[0] or manager.process.poll() is not None)
        return manager

    def ask(self, path, *, method="GET", certificate=None, body=None, **headers):
        """Status and text; (0, "") while nothing listens."""
        context = ssl._create_unverified_context()
        if certificate is not None:
            context.load_cert_chain(*certificate.write(self._folder, "client"))
        sent = {name.replace("_", "-"): value for name, value in headers.items()}
        made = http.client.HTTPSConnection("127.0.0.1", self.number, context=context, timeout=15)
        try:
            made.request(method, path, headers=sent, body=body)
            answer = made.getresponse()
            return answer.status, answer.read().decode()
        except ConnectionError:
            return 0, ""
        finally:
            made.close()


@pytest.fixture
def port(cluster, tmp_path):
    return Port(cluster, tmp_path)


class Accounts:
    """ServiceAccounts and rights that end with the test."""

    def __init__(self, server):
        self._server = server
        self._made = []

    def create(self, collection, body):
        name = body["metadata"]["name"]
        self._server.do("POST", collection, body)
        self._made.append(f"{collection}/{name}")

    def account(self, name):
        """A token of a new ServiceAccount, from a TokenRequest."""
        self.create(f"{NAMESPACE}/serviceaccounts", {"metadata": {"name": name}})
        path = f"{NAMESPACE}/serviceaccounts/{name}/token"
        answer = self._server.do("POST", path, {"spec": {"expirationSeconds": 600}})
        return answer["status"]["token"]

    def role(self, name, *paths):
        """Let the ServiceAccount ``name`` get ``paths``."""
        rules = [{"verbs": ["get"], "nonResourceURLs": list(paths)}]
        self.create(f"{RBAC}/clusterroles", {"metadata": {"name": name}, "rules": rules})
        self.bind(name, f"{RBAC}/clusterrolebindings", "ClusterRole", name)

    def bind(self, account, collection, kind, role):
        subject = {"kind": "ServiceAccount", "namespace": "kube-system", "name": account}
        ref = {"apiGroup": "rbac.authorization.k8s.io", "kind": kind, "name": role}
        metadata = {"name": f"{account}-of-a-test"}
        self.create(collection, {"metadata": metadata, "roleRef": ref, "subjects": [subject]})

    def delegate(self):
        """A token of an account with the two roles that guides tell to bind, and no more."""
        token = self.account("delegate")
        self.bind("delegate", f"{RBAC}/clusterrolebindings", "ClusterRole", "system:auth-delegator")
        self.bind(
            "delegate", f"{RBAC}/namespaces/kube-system/rolebindings", "Role",
            f"{CONFIG_MAP}-reader",
        )  # fmt: skip
        return token

    def delete(self, name):
        self._server.do("DELETE", f"{NAMESPACE}/serviceaccounts/{name}")
        self._made.remove(f"{NAMESPACE}/serviceaccounts/{name}")

    def clean(self):
        for path in reversed(self._made):
            self._server.do("DELETE", path)


@pytest.fixture
def accounts(server):
    made = Accounts(server)
    yield made
    made.clean()


@pytest.fixture
def published(server):
    """The ConfigMap, with our authorities."""
    data = {
        "client-ca-file": CLIENTS.pem.decode(),
        "requestheader-client-ca-file": PROXIES.pem.decode(),
        "requestheader-allowed-names": '["front"]',
        "requestheader-username-headers": '["X-Remote-User"]',
        "requestheader-group-headers": '["X-Remote-Group"]',
        "requestheader-extra-headers-prefix": '["X-Remote-Extra-"]',
    }
    path = f"{NAMESPACE}/configmaps"
    body = {"metadata": {"name": CONFIG_MAP}, "data": data}
    if server.request("POST", path, body).status == 409:
        merge = "application/merge-patch+json"
        server.do("PATCH", f"{path}/{CONFIG_MAP}", {"data": data}, content_type=merge)
    yield
    server.do("DELETE", f"{path}/{CONFIG_MAP}")


def expired(server, token):
    """``token`` as it would be after its time."""
    head, payload, _ = token.split(".")
    claims = json.loads(base64.urlsafe_b64decode(payload + "=="))
    account = claims["kubernetes.io"]["serviceaccount"]
    if server.name == "embedded":
        issue = server.core.authenticator.issue
        return issue("kube-system", account["name"], account["uid"], -60, claims["aud"])
    claims |= {key: claims[key] - 3600 for key in ("exp", "iat", "nbf")}
    signed = f"{head}.{encoded(json.dumps(claims).encode())}"
    pem = (server.plane._folder / "sa.key").read_bytes()
    key = serialization.load_pem_private_key(pem, None)
    signature = key.sign(signed.encode(), padding.PKCS1v15(), hashes.SHA256())
    return f"{signed}.{encoded(signature)}"


def encoded(data):
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def bearer(token):
    return {"Authorization": f"Bearer {token}"}


#: Status for health, for what is there and protected, and for what is not there.
OPEN, NOT_KNOWN, MAY_NOT, MAY = (200, 403, 403), (401, 401, 401), (200, 403, 403), (200, 200, 404)


def test_what_each_caller_gets(server, cluster, accounts, published, port):
    reader, stranger, gone = map(accounts.account, ("reader", "stranger", "gone"))
    accounts.role("reader", *READ, "/nothing")
    accounts.delete("gone")
    delegate = cluster.kubeconfig(accounts.delegate())
    manager = port.start(
        "--profiling",
        f"--authentication-kubeconfig={delegate}",
        f"--authorization-kubeconfig={delegate}",
    )
    cluster.wait(lambda: "started service-lb-controller" in manager.log)
    cluster.wait(lambda: port.ask("/readyz")[0] == 200, lambda: port.ask("/readyz"))
    as_reader = {"X-Remote-User": "system:serviceaccount:kube-system:reader"}
    as_master = {"X-Remote-User": "root", "X-Remote-Group": "system:masters"}
    master = CLIENTS.issue("root", organizations=["system:masters"])
    callers = {
        "nobody": ({}, OPEN),
        "a wrong token": (bearer("wrong"), NOT_KNOWN),
        "an expired token": (bearer(expired(server, reader)), NOT_KNOWN),
        "a token of an account that is gone": (bearer(gone), NOT_KNOWN),
        "another scheme": ({"Authorization": f"Token {reader}"}, OPEN),
        "a user without rights": (bearer(stranger), MAY_NOT),
        "a user with rights": (bearer(reader), MAY),
        "an administrator": (bearer(ADMIN_TOKEN), MAY),
        "a certificate without rights": ({"certificate": CLIENTS.issue("ann")}, MAY_NOT),
        "a certificate of a master": ({"certificate": master}, MAY),
        "headers of a proxy, from anyone": (as_master, OPEN),
        "headers of a proxy, from a client": (
            {"certificate": CLIENTS.issue("front"), **as_master},
            MAY_NOT,
        ),
        "a proxy": ({"certificate": PROXIES.issue("front"), **as_reader}, MAY),
        "a proxy, for a master": ({"certificate": PROXIES.issue("front"), **as_master}, MAY),
        "a proxy with another name": (
            {"certificate": PROXIES.issue("rear"), **as_master},
            NOT_KNOWN,
        ),
        "a proxy that speaks for itself": (
            {"certificate": PROXIES.issue("front", organizations=["system:masters"])},
            NOT_KNOWN,
        ),
    }
    found, expected = {}, {}
    for name, (caller, (health, protected, missing)) in callers.items():
        statuses = dict.fromkeys(HEALTH, health) | dict.fromkeys(READ, protected)
        for path, status in {**statuses, "/nothing": missing}.items():
            expected[name, path] = status
            found[name, path] = port.ask(path, **caller)[0]
    assert found == expected
    # As by default everyone may read the API server's version.
    assert json.loads(port.ask("/version")[1])["gitVersion"].startswith("v")
    assert "canary" not in manager.log
    assert manager.stop() == 0


def test_what_can_be_written_needs_rights_of_its_own(server, cluster, accounts, port):
    reader = accounts.account("reader")
    accounts.role("reader", *READ, "/debug/flags/v")
    kubeconfig = cluster.kubeconfig()
    port.start(
        "--profiling",
        f"--authentication-kubeconfig={kubeconfig}",
        f"--authorization-kubeconfig={kubeconfig}",
    )
    verbosity = {"path": "/debug/flags/v", "method": "PUT", "body": b"5"}
    assert port.ask(**verbosity, **bearer(reader))[0] == 403
    assert port.ask(**verbosity, **bearer(ADMIN_TOKEN)) == (
        200,
        "successfully set klog.logging.verbosity to 5\n",
    )
    slis = port.ask("/metrics/slis", **bearer(reader))[1]
    assert 'kubernetes_healthcheck{name="leaderElection",type="healthz"} 1.0' in slis
    assert port.ask("/metrics/slis", method="DELETE", **bearer(reader))[0] == 403
    assert port.ask("/metrics/slis", method="DELETE", **bearer(ADMIN_TOKEN))[1] == "metrics reset\n"
    assert "kubernetes_healthcheck{" not in port.ask("/metrics/slis", **bearer(reader))[1]


def test_a_missing_right_to_look_up_is_named_and_can_be_tolerated(cluster, port):
    kubeconfig = cluster.kubeconfig(next(iter(USERS)))
    flags = [
        f"--authentication-kubeconfig={kubeconfig}",
        f"--authorization-kubeconfig={kubeconfig}",
    ]
    manager = port.start(*flags)
    assert manager.process.wait(20) == 1
    assert "bind the Role extension-apiserver-authentication-reader" in manager.log
    port.start(*flags, "--authentication-tolerate-lookup-failure=true")
    assert port.ask("/healthz")[0] == 200
    assert port.ask("/metrics")[0] == 500  # nor may it ask who may
    assert port.ask("/healthz", **bearer(ADMIN_TOKEN))[0] == 401


def _row(name, status, *flags, path="/healthz"):
    mark = pytest.mark.upstream(f"TestComponentSecureServingAndAuth/{name}")
    return pytest.param(flags, path, status, id=name, marks=mark)


DELEGATED = ("--authentication-kubeconfig=GOOD", "--authorization-kubeconfig=GOOD")
BROKEN = (
    "--authentication-skip-lookup",
    "--authentication-kubeconfig=BROKEN",
    "--authorization-kubeconfig=BROKEN",
)


@pytest.mark.parametrize(
    ("flags", "path", "status"),
    [
        _row("/healthz without authn/authz", 200),
        _row("/metrics without authn/authz", 403, path="/metrics"),
        _row("authorization skipped for /healthz with authn/authz", 200, *DELEGATED),
        _row("authorization skipped for /healthz with BROKEN authn/authz", 200, *BROKEN),
        _row(
            "not authorized /metrics with BROKEN authn/authz",
            500,
            "--authentication-kubeconfig=GOOD",
            "--authorization-kubeconfig=BROKEN",
            path="/metrics",
        ),
        _row(
            "always-allowed /metrics with BROKEN authn/authz",
            200,
            *BROKEN,
            "--authorization-always-allow-paths=/healthz,/metrics",
            path="/metrics",
        ),
    ],
)
def test_the_port_is_served_as_upstream_serves_it(cluster, port, flags, path, status):
    good, broken = cluster.kubeconfig(), cluster.kubeconfig("wrong")
    chosen = [flag.replace("GOOD", str(good)).replace("BROKEN", str(broken)) for flag in flags]
    port.start("--leader-elect=false", *chosen)
    # As upstream's test: a scheme that does not count.
    assert port.ask(path, Authorization=f"Token {ADMIN_TOKEN}")[0] == status
