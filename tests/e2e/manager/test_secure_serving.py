"""Who may read what of a whole manager: upstream's integration test of the secure port."""

import contextlib
import http.client
import ssl

import pytest

pytestmark = pytest.mark.e2e

ACCOUNTS = "/api/v1/namespaces/kube-system/serviceaccounts"


def row(case, flags, path, scheme, status):
    """``scheme`` of the header with a token that the API server knows; empty for no header.

    Upstream's caller says ``Token``, which is no scheme that anything reads: it is anonymous. A
    token that should be read and cannot be is 401 whatever the path, here as upstream.
    """
    marks = pytest.mark.upstream(f"TestComponentSecureServingAndAuth/{case}")
    return pytest.param(flags, path, scheme, status, id=case, marks=marks)


GOOD = ["--authentication-kubeconfig={good}", "--authorization-kubeconfig={good}"]
BROKEN = [
    "--authentication-skip-lookup",
    "--authentication-kubeconfig={broken}",
    "--authorization-kubeconfig={broken}",
]
#: Authentication works, authorization does not.
HALF = ["--authentication-kubeconfig={good}", "--authorization-kubeconfig={broken}"]
ALWAYS = "--authorization-always-allow-paths=/healthz,/metrics"


@pytest.fixture
def kubeconfigs(cluster):
    """Two that reach the API server; one of them with a token that it does not know."""
    broken = cluster.folder / "broken"
    cluster.http.write_kubeconfig(broken, "WRONGTOKEN")
    return {"good": cluster.kubeconfig, "broken": broken}


@pytest.fixture
def token(cluster):
    """Of somebody whom the API server knows and who may do nothing."""
    cluster.request("POST", ACCOUNTS, {"metadata": {"name": "somebody"}})
    body = {"spec": {"expirationSeconds": 600}}
    return cluster.request("POST", f"{ACCOUNTS}/somebody/token", body)["status"]["token"]


def ask(process, path, authorization=""):
    """The HTTP status; 0 while nothing listens."""
    headers = {"Authorization": authorization} if authorization else {}
    context = ssl._create_unverified_context()
    made = http.client.HTTPSConnection("127.0.0.1", process.port, context=context)
    try:
        with contextlib.closing(made):
            made.request("GET", path, headers=headers)
            return made.getresponse().status
    except OSError:
        return 0


@pytest.mark.upstream("TestComponentSecureServingAndAuth/no-flags")
def test_without_flags_it_does_not_start(cluster):
    process = cluster.start_typed("--cloud-provider=fakecloud", "--secure-port=0", port=0)
    assert process.wait() == 1
    assert "Traceback" not in process.text()
    assert "kubeconfig" in process.text()


# fmt: off
ROWS = [
    ("/healthz without authn/authz", [], "/healthz", "", 200),
    ("/metrics without authn/authz", [], "/metrics", "", 403),
    ("authorization skipped for /healthz with authn/authz", GOOD, "/healthz", "Bearer", 200),
    ("authorization skipped for /healthz with BROKEN authn/authz", BROKEN, "/healthz", "Token",
     200),
    ("not authorized /metrics with BROKEN authn/authz", HALF, "/metrics", "Bearer", 500),
    ("not authorized /metrics with BROKEN authn/authz", HALF, "/metrics", "Token", 500),
    ("always-allowed /metrics with BROKEN authn/authz", [*BROKEN, ALWAYS], "/metrics", "Token",
     200),
]
# fmt: on


@pytest.mark.parametrize(("flags", "path", "scheme", "status"), [row(*items) for items in ROWS])
def test_who_may_read_what(cluster, until, kubeconfigs, token, flags, path, scheme, status):
    named = [flag.format(**kubeconfigs) for flag in flags]
    process = cluster.start("--leader-elect=false", *named)
    until(lambda: ask(process, "/healthz") == 200)
    assert ask(process, path, f"{scheme} {token}" if scheme else "") == status
    if flags[: len(BROKEN)] == BROKEN:
        assert ask(process, path, f"Bearer {token}") == 401
