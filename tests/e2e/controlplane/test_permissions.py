"""The published RBAC manifest is exactly what the manager needs."""

import pathlib

import pytest
import yaml
from api_servers import USERS

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(90, func_only=True)]

ROOT = pathlib.Path(__file__).parents[3]
MANIFEST = ROOT / "examples" / "alicloud" / "current" / "rbac.yaml"
#: Granted, and not used by the work of these tests.
RESERVED = {
    ("get", "nodes"),  # after a conflict
    ("update", "events"),  # of the Go manager's role
    *((verb, "endpointslices") for verb in ("get", "list", "watch")),  # of pods as backends
}
ACCOUNTS = "/api/v1/namespaces/kube-system/serviceaccounts"
_GROUP = "/apis/rbac.authorization.k8s.io/v1"


def collection(body):
    """Where an object of the manifest is created."""
    root = "/api/v1" if body["apiVersion"] == "v1" else f"/apis/{body['apiVersion']}"
    namespace = body["metadata"].get("namespace")
    return f"{root}{f'/namespaces/{namespace}' if namespace else ''}/{body['kind'].lower()}s"


@pytest.fixture
def token(server):
    """Of the manager's ServiceAccount, with the rights of the manifest alone."""
    bodies = list(yaml.safe_load_all(MANIFEST.read_text()))
    for body in bodies:
        server.do("POST", collection(body), body)
    request = {"spec": {"expirationSeconds": 600}}
    yield server.do("POST", f"{ACCOUNTS}/cloud-controller-manager/token", request)["status"][
        "token"
    ]
    for body in bodies:
        server.do("DELETE", f"{collection(body)}/{body['metadata']['name']}")
    for item in server.items(ACCOUNTS):
        server.do("DELETE", f"{ACCOUNTS}/{item['metadata']['name']}")


def work(cluster):
    """Everything the manager can be asked for."""
    cluster.join("node-1")
    cluster.settle()
    cluster.expose(80)
    cluster.settle()
    cluster.set_ports(81)
    cluster.join("node-2")
    cluster.settle()
    cluster.delete()
    cluster.settle()
    cluster.wait(lambda: cluster.view().services == ())
    cluster.wait(lambda: len(cluster.events("web")) >= 4, lambda: cluster.events("web"))
    cluster.wait(lambda: cluster.events("node-2"))
    cluster.nothing_left()
    assert cluster.violations == []


def test_the_manifest_is_enough_and_nothing_of_it_is_idle(cluster, token):
    begin = cluster.api.mark()
    cluster.start("--use-service-account-credentials=true", token=token)
    work(cluster)
    cluster.finish()
    names = {item["metadata"]["name"] for item in cluster.api.items(ACCOUNTS)}
    assert names >= {"cloud-node-controller", "service-controller", "shared-informers"}
    used = {(call.verb, call.what) for call in cluster.api.calls(begin) if call.status < 400}
    assert granted() - used <= RESERVED


def granted():
    """(verb, resource) that the manifest grants."""
    found = set()
    for body in yaml.safe_load_all(MANIFEST.read_text()):
        for rule in body.get("rules", []):
            found |= {(verb, what) for verb in rule["verbs"] for what in rule["resources"]}
    return found


def test_without_rights_nothing_happens_and_the_log_says_why(cluster):
    cluster.join("node-1")
    manager = cluster.start(token=next(iter(USERS)))
    cluster.wait(lambda: "leases" in manager.log and "forbidden" in manager.log)
    assert manager.process.poll() is None
    assert cluster.unsettled() == ["O7: node node-1 is not initialised"]
    assert manager.stop() == 0
