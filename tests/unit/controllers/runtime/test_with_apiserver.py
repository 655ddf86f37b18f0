"""The whole runtime once against the embedded API server, in process and over HTTP."""

import pytest

from cloudprovider.concurrency import current
from cloudprovider.models import LoadBalancerIngress, NodeAddress, Taint
from cloudprovider_controllers.runtime import patches
from cloudprovider_controllers.runtime.client import Client
from cloudprovider_controllers.runtime.elector import LeaderElector
from cloudprovider_controllers.runtime.errors import Conflict, NotFound
from cloudprovider_controllers.runtime.informer import Handler, Informer
from cloudprovider_controllers.runtime.kubeconfig import load_cluster_config
from cloudprovider_controllers.runtime.recorder import EventRecorder
from cloudprovider_controllers.runtime.resources import EVENTS, NODES, SERVICES
from cloudprovider_controllers.runtime.transport import HttpTransport

server_module = pytest.importorskip("cloudprovider_sandbox.apiserver.server")
http_module = pytest.importorskip("cloudprovider_sandbox.apiserver.http")
inprocess = pytest.importorskip("cloudprovider_sandbox.apiserver.inprocess")

TAINT = Taint(
    key="node.cloudprovider.kubernetes.io/uninitialized", effect="NoSchedule", value="true"
)
SERVICE = {
    "metadata": {"name": "web", "namespace": "default"},
    "spec": {"type": "LoadBalancer", "selector": {"a": "b"}, "ports": [{"port": 80}]},
}


def exercise(client):
    """Reads, writes and watches of every kind that controllers use."""
    seen = []
    stop = current().event()
    nodes, services = Informer(client, NODES), Informer(client, SERVICES)
    nodes.add_handler(Handler(lambda new, initial: seen.append(new.key)))
    for informer in (nodes, services):
        informer.start(stop)
        assert informer.wait_for_sync(stop, 5)
    write_node(client)
    write_service(client)
    wait(lambda: services.store.get("default/web") is not None and seen == ["n1"])
    wait(lambda: services.store.get("default/web").metadata.finalizers is None)
    node = nodes.store.get("n1")
    assert (node.spec.provider_id, node.spec.taints) == ("fake://n1", None)
    client.delete(NODES, "n1", uid=node.metadata.uid)
    wait(lambda: len(nodes.store) == 0)
    stop.set()


def wait(condition):
    deadline = current().monotonic() + 20
    while not condition():
        assert current().monotonic() < deadline
        current().sleep(0.01)


def write_node(client):
    taint = {"key": TAINT.key, "value": TAINT.value, "effect": TAINT.effect}
    node = client.create(NODES, {"metadata": {"name": "n1"}, "spec": {"taints": [taint]}})
    with pytest.raises(Conflict):
        client.delete(NODES, "n1", uid="another")
    initialised = patches.node_initialise(
        node.metadata.resource_version, provider_id="fake://n1", labels={"zone": "a"}, taints=[]
    )
    client.patch(NODES, "n1", initialised)
    with pytest.raises(Conflict):
        client.patch(NODES, "n1", initialised)
    addresses = [NodeAddress(type="InternalIP", address="10.0.0.1")]
    old = client.patch(NODES, "n1", patches.node_addresses((), addresses), subresource="status")
    new = [NodeAddress(type="InternalIP", address="10.0.0.2")]
    body = patches.node_addresses(old.status.addresses, new)
    assert client.patch(NODES, "n1", body, subresource="status").status.addresses == tuple(new)


def write_service(client):
    service = client.create(SERVICES, SERVICE, "default")

    def patch(body):
        return client.patch(SERVICES, "web", body, namespace="default", subresource="status")

    service = patch(patches.add_finalizer(service.metadata.finalizers))
    assert service.metadata.finalizers == (patches.LOAD_BALANCER_CLEANUP,)
    service = patch(patches.service_status([LoadBalancerIngress(ip="1.2.3.4")]))
    assert service.status.load_balancer.ingress[0].ip == "1.2.3.4"
    assert patch(patches.service_status(None)).status.load_balancer.ingress is None
    version = service.metadata.resource_version
    with pytest.raises(Conflict):
        patch(patches.remove_finalizer(service.metadata.finalizers, resource_version=version))
    patch(patches.remove_finalizer(service.metadata.finalizers))


def test_in_process_on_virtual_time(virtually):
    def main():
        server = server_module.ApiServer()
        client = Client(inprocess.InProcessTransport(server, proc="test"), qps=0)
        exercise(client)
        with pytest.raises(NotFound):
            client.get(NODES, "n1")
        race(server)
        record(client)

    virtually(main)


def race(server):
    stops, started = [current().event(), current().event()], []
    for name, stop in zip("ab", stops, strict=True):
        transport = inprocess.InProcessTransport(server, proc=name)
        elector = LeaderElector(Client(transport), identity=name)
        current().start_thread(
            lambda elector=elector, stop=stop, name=name: elector.run(
                stop, lambda: started.append(name), lambda: None
            ),
            name=name,
        )
    current().sleep(60)
    assert len(started) == 1
    stops["ab".index(started[0])].set()
    current().sleep(5)
    assert sorted(started) == ["a", "b"]


def record(client):
    service = client.get(SERVICES, "web", "default")
    recorder = EventRecorder(client, component="service-controller")
    recorder.start(current().event())
    for _ in range(3):
        recorder.event(service, "Normal", "EnsuringLoadBalancer", "Ensuring load balancer")
    assert recorder.flush(5)
    (event,) = client.list(EVENTS, namespace="default")
    assert client.get_raw(EVENTS, event.metadata.name, "default")["count"] == 3


def test_over_http_with_a_kubeconfig(tmp_path):
    with http_module.ApiServerHttp(server_module.ApiServer()) as server:
        path = tmp_path / "kubeconfig"
        server.write_kubeconfig(path)
        transport = HttpTransport(load_cluster_config(str(path)), user_agent="test")
        exercise(Client(transport, qps=0))
        transport.close()
