"""The published RBAC manifests are exactly what the manager needs, on both API servers."""

import collections
import pathlib

import pytest
import yaml
from api_servers import USERS

from cloudprovider.testing.faults import Fault
from cloudprovider_controllers.runtime.resources import NODES

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(90, func_only=True)]

MANIFESTS = pathlib.Path(__file__).parents[3] / "examples" / "rbac"
ACCOUNTS = "/api/v1/namespaces/kube-system/serviceaccounts"
OWN = "cloud-controller-manager"
#: What the process does as itself, by the name of its client.
OWN_CLIENTS = {"leader-election", "leader-election-events", "service-account-tokens"}
#: An event that repeats is patched, which not every part of the manager has a reason for here.
REPEATED = ("patch", "events")
FLAGS = (
    "--configure-cloud-routes=true",
    "--cluster-cidr=172.16.0.0/16",
    "--node-monitor-period=500ms",
)


def collection(body):
    """Where an object of the manifest is created."""
    root = "/api/v1" if body["apiVersion"] == "v1" else f"/apis/{body['apiVersion']}"
    namespace = body["metadata"].get("namespace")
    return f"{root}{f'/namespaces/{namespace}' if namespace else ''}/{body['kind'].lower()}s"


class Manifest:
    """One of the files."""

    def __init__(self, name):
        self.bodies = list(yaml.safe_load_all((MANIFESTS / f"{name}.yaml").read_text()))

    def granted(self):
        """(verb, resource) by account."""
        bindings = [body for body in self.bodies if "roleRef" in body]
        roles = {(b["kind"], b["metadata"]["name"]): b for b in self.bodies if "rules" in b}
        found = collections.defaultdict(set)
        for binding in bindings:
            role = roles[binding["roleRef"]["kind"], binding["roleRef"]["name"]]
            (subject,) = binding["subjects"]
            for rule in role["rules"]:
                found[subject["name"]] |= {(v, r) for v in rule["verbs"] for r in rule["resources"]}
        return dict(found)

    def apply(self, server):
        for body in self.bodies:
            server.do("POST", collection(body), body)

    def remove(self, server):
        for body in self.bodies:
            server.do("DELETE", f"{collection(body)}/{body['metadata']['name']}")
        for item in server.items(ACCOUNTS):
            server.do("DELETE", f"{ACCOUNTS}/{item['metadata']['name']}")


@pytest.fixture
def under(server):
    """Gives a token of the manager's account with the rights of a manifest alone."""
    applied = []

    def apply(manifest):
        manifest.apply(server)
        applied.append(manifest)
        request = {"spec": {"expirationSeconds": 600}}
        answer = server.do("POST", f"{ACCOUNTS}/{OWN}/token", request)
        return answer["status"]["token"]

    yield apply
    for manifest in applied:
        manifest.remove(server)


def join(cluster, number):
    cluster.join(f"node-{number}")
    cidr = f"172.16.{number}.0/24"
    spec = {"spec": {"podCIDR": cidr, "podCIDRs": [cidr]}}
    cluster.client.patch(NODES, f"node-{number}", spec, patch_type="merge")


def work(cluster, start):
    """Everything the manager can be asked for, with a restart in the middle."""
    first = start()
    join(cluster, 1)
    cluster.wait(lambda: conditions(cluster, "node-1"))
    refused = {"kind": "error", "code": "QuotaExceeded.Routes", "status": 400}
    cluster.core.faults.add(Fault(api="vpc", op="CreateRouteEntr*", **refused))
    join(cluster, 2)
    cluster.settle()
    cluster.wait(
        lambda: "FailedToCreateRoute" in {reason for reason, *_ in cluster.events("node-2")}
    )
    cluster.expose(80)
    cluster.settle()
    cluster.set_ports(81)
    cluster.settle()
    assert first.stop() == 0
    start()
    cluster.stop("node-1")
    cluster.settle()
    cluster.resume("node-1")
    cluster.settle()
    cluster.terminate("node-2")
    cluster.settle()
    cluster.delete()
    cluster.settle()
    cluster.wait(lambda: cluster.view().services == ())
    cluster.wait(lambda: len(cluster.events("web")) >= 4, lambda: cluster.events("web"))
    cluster.wait(lambda: len(cluster.events("node-2")) >= 3, lambda: cluster.events("node-2"))
    cluster.nothing_left()
    assert cluster.violations == []


def conditions(cluster, name):
    """Statuses of the condition that the route controller sets."""
    found = cluster.node(name)["status"]["conditions"]
    return [c["status"] for c in found if c["type"] == "NetworkUnavailable"]


def used(cluster, begin):
    """(verb, resource) by the account that would have done it."""
    found = collections.defaultdict(set)
    for call in cluster.api.calls(begin):
        if call.agent.startswith(OWN) and call.status < 400:
            client = call.agent.rpartition("/")[2].rpartition(":")[2]
            found[OWN if client in OWN_CLIENTS else client].add((call.verb, call.what))
    return found


def test_one_account_has_what_all_parts_use_and_no_more(cluster, under):
    manifest = Manifest("one-account")
    token = under(manifest)
    begin = cluster.api.mark()
    work(cluster, lambda: cluster.start(*FLAGS, token=token))
    cluster.finish()
    everything = set().union(*used(cluster, begin).values())
    # A list is what a client falls back to where a watch cannot begin with what is there.
    granted = manifest.granted()[OWN]
    assert granted - everything <= {("list", "nodes")}
    assert everything <= granted


def test_each_part_has_what_it_uses_and_no_more(cluster, under):
    manifest = Manifest("account-per-controller")
    token = under(manifest)
    begin = cluster.api.mark()
    flag = "--use-service-account-credentials=true"
    work(cluster, lambda: cluster.start(*FLAGS, flag, token=token))
    cluster.finish()
    accounts = {item["metadata"]["name"] for item in cluster.api.items(ACCOUNTS)}
    granted, found = manifest.granted(), used(cluster, begin)
    assert set(granted) <= accounts
    assert set(found) == set(granted)
    for account, rights in granted.items():
        idle = rights - found[account] - {REPEATED}
        spare = (
            {("list", "nodes"), ("list", "services")} if account == "shared-informers" else set()
        )
        assert idle <= spare, account


@pytest.mark.parametrize("name", ["one-account", "account-per-controller"])
def test_no_manifest_holds_a_wildcard_or_a_way_to_more_rights(name):
    rights = set().union(*Manifest(name).granted().values())
    assert not {verb for verb, _ in rights} & {"*", "escalate", "bind", "impersonate"}
    assert not {what for _, what in rights} & {"*", "secrets", "nodes/proxy", "pods/exec"}


def test_without_rights_nothing_happens_and_the_log_says_why(cluster):
    cluster.join("node-1")
    manager = cluster.start(token=next(iter(USERS)))
    cluster.wait(lambda: "leases" in manager.log and "forbidden" in manager.log)
    assert manager.process.poll() is None
    assert cluster.unsettled() == ["O7: node node-1 is not initialised"]
    assert manager.stop() == 0
