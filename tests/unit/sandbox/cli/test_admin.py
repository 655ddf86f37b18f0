"""The sandbox's own endpoint, asked by its own client."""

import msgspec
import pytest
import urllib3

from cloudprovider.testing.faults import Fault, FaultPlan
from cloudprovider.toolkit.journal import Journal
from cloudprovider.toolkit.webserver import WebServer
from cloudprovider_sandbox.admin import AdminApp, FaultPlans, MergedJournal, UnknownNode
from cloudprovider_sandbox.admin_client import AdminClient, AdminError


class FakeSandbox:
    def __init__(self, build):
        self._build = build
        self.kubernetes, self.cloud = Journal(), Journal()
        self.journal = MergedJournal([self.kubernetes, self.cloud])
        self.plans = FaultPlan(), FaultPlan()
        self.faults = FaultPlans(*self.plans)
        self.members = {"node-1": build.instance(1)}
        self.done = []

    def describe(self):
        return {"cloud_provider": "fake"}

    def inventory(self):
        return self._build.balancer_items()

    def nodes(self):
        return list(self.members.values())

    def add_node(self, name=""):
        self.done.append(("add", name))
        return self._build.instance(2)

    def remove_node(self, name):
        if name not in self.members:
            raise UnknownNode(f"no node {name!r} runs here")
        self.done.append(("remove", name))

    def stop_node(self, name):
        self.done.append(("stop", name))

    def set_latency(self, seconds):
        self.done.append(("latency", seconds))


class Switch:
    """An application that can be exchanged: one server, which takes long to stop, for all tests."""

    def __call__(self, environ, start_response):
        return self.application(environ, start_response)


@pytest.fixture(scope="module")
def switch():
    return Switch()


@pytest.fixture(scope="module")
def server(switch):
    with WebServer(switch, threads=2) as started:
        yield started


@pytest.fixture(autouse=True)
def sandbox(build, switch):
    made = FakeSandbox(build)
    switch.application = AdminApp(made)
    return made


@pytest.fixture
def client(server):
    return AdminClient(server.url)


def test_inventory_and_nodes_arrive_whole(client, build):
    assert client.inventory() == build.balancer_items()
    assert client.nodes() == [build.instance(1)]


def test_the_journals_merge_into_one_order(sandbox, client):
    sandbox.cloud.append(api="slb", op="DescribeLoadBalancers")
    sandbox.kubernetes.append(api="k8s", op="PATCH services/status", write=True)
    sandbox.cloud.append(api="slb", op="CreateLoadBalancer", write=True)
    assert [(r.n, r.api) for r in client.journal()] == [(0, "slb"), (1, "k8s"), (2, "slb")]
    assert [r.op for r in client.journal(since=1)] == ["CreateLoadBalancer"]
    assert client.journal(since=2) == []


@pytest.mark.parametrize(
    ("api", "kubernetes", "cloud"),
    [
        pytest.param("k8s", 1, 0, id="kubernetes"),
        pytest.param("slb", 0, 1, id="a product"),
        pytest.param("*", 1, 1, id="everything"),
    ],
)
def test_a_fault_goes_where_its_api_says(sandbox, client, api, kubernetes, cloud):
    client.add_fault(Fault(kind="error", api=api))
    assert [len(plan.faults()) for plan in sandbox.plans] == [kubernetes, cloud]


def test_faults_are_listed_with_how_often_they_fired_and_cleared(sandbox, client):
    client.add_fault(Fault(kind="throttle", api="slb", after=1.0))
    sandbox.plans[1].match("slb", "CreateLoadBalancer")
    (state,) = client.faults()
    assert (state.fault.kind, state.fired) == ("throttle", 1)
    client.clear_faults()
    assert client.faults() == []


def test_nodes_are_added_removed_and_stopped(sandbox, client, build):
    assert client.add_node("web") == build.instance(2)
    client.remove_node("node-1")
    client.stop_node("node-1")
    assert sandbox.done == [("add", "web"), ("remove", "node-1"), ("stop", "node-1")]


def test_an_unknown_node_is_an_error_that_says_so(client):
    with pytest.raises(AdminError, match="no node 'web' runs here"):
        client.remove_node("web")


def test_a_fault_of_an_unknown_kind_is_refused(server):
    reply = urllib3.request("POST", f"{server.url}/faults", body=b'{"kind": "explode"}')
    assert reply.status == 400
    assert "explode" in reply.data.decode()


def test_web_pages_are_refused(server):
    reply = urllib3.request("POST", f"{server.url}/nodes", headers={"Origin": "https://evil.test"})
    assert reply.status == 403


def test_an_unknown_path_is_not_found(server):
    reply = urllib3.request("GET", f"{server.url}/nothing")
    assert (reply.status, list(msgspec.json.decode(reply.data))) == (404, ["error"])


def test_a_sandbox_that_is_gone_is_an_error():
    with pytest.raises(AdminError, match="does not answer"):
        AdminClient("http://127.0.0.1:1").nodes()
