"""Upstream's integration test of a whole manager (``spec/ccm-core.md`` 5.6), on virtual time."""

import pytest

from cloudprovider.testing.fake import FakeCloud
from cloudprovider.testing.virtual import VirtualConcurrency
from cloudprovider_controllers.runtime.client import Client
from cloudprovider_controllers.runtime.resources import EVENTS, NODES
from cloudprovider_manager.app import Manager
from cloudprovider_manager.options import Options
from cloudprovider_sandbox.apiserver.inprocess import InProcessTransport
from cloudprovider_sandbox.apiserver.server import ApiServer

NOT_READY = {"key": "node.kubernetes.io/not-ready", "effect": "NoSchedule"}
UNINITIALIZED = {
    "key": "node.cloudprovider.kubernetes.io/uninitialized",
    "value": "true",
    "effect": "NoSchedule",
}


@pytest.mark.upstream("Test_RemoveExternalCloudProviderTaint")
def test_a_manager_takes_its_taint_from_a_node_and_leaves_the_others():
    hub = VirtualConcurrency()
    server = ApiServer(concurrency=hub)
    user = Client(InProcessTransport(server, proc="kubelet"), qps=0, concurrency=hub)
    cloud = FakeCloud(concurrency=hub)
    cloud.add_instance("node0", addresses=[("InternalIP", "10.0.0.1")])
    options = Options(cloud_provider="fake", secure_port=0, configure_cloud_routes=False)
    manager = Manager(options, transport=InProcessTransport(server), cloud=cloud, concurrency=hub)
    stop, codes = hub.event(), []

    def script():
        hub.start_process(lambda: codes.append(manager.run(stop)), process="manager")
        hub.sleep(1)
        taints = [UNINITIALIZED, NOT_READY]
        user.create(NODES, {"metadata": {"name": "node0"}, "spec": {"taints": taints}})
        hub.sleep(50)
        node = user.get_raw(NODES, "node0")
        assert node["spec"] == {"taints": [NOT_READY], "providerID": "fake://node0"}
        assert node["status"]["addresses"] == [{"type": "InternalIP", "address": "10.0.0.1"}]
        [event] = [item for item in user.list(EVENTS) if item.metadata.name.startswith("node0.")]
        raw = user.get_raw(EVENTS, event.metadata.name, "default")
        assert (raw["reason"], raw["source"]["component"]) == ("Synced", "cloud-node-controller")
        assert cloud.count("list_routes") == cloud.count("ensure_load_balancer") == 0
        stop.set()
        hub.sleep(5)

    hub.run(script)
    assert hub.errors() == []
    assert codes == [0]
