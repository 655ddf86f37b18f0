"""The real manager with the real SDK does the whole job, on ours and on a real kube-apiserver."""

import pytest

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(90, func_only=True)]

FINALIZER = "service.kubernetes.io/load-balancer-cleanup"
WEB = "/api/v1/namespaces/default/services/web"
UNINITIALIZED = "node.cloudprovider.kubernetes.io/uninitialized"


def taints(node):
    return [taint["key"] for taint in node["spec"].get("taints", [])]


@pytest.mark.upstream("Test_RemoveExternalCloudProviderTaint")
def test_nodes_join_tainted_and_are_initialised(cluster):
    cluster.join("node-1")
    cluster.join("node-2")
    assert UNINITIALIZED in taints(cluster.node("node-1"))
    cluster.start()
    cluster.settle()
    cluster.join("node-3")
    cluster.settle()
    for name in ("node-1", "node-2", "node-3"):
        node, instance = cluster.node(name), cluster.instances[name]
        # What kube-apiserver itself sets on a new Node, and nobody here takes away, is left alone.
        assert set(taints(node)) <= {"node.kubernetes.io/not-ready"}
        assert node["spec"]["providerID"] == f"cn-hangzhou.{instance.id}"
        assert {
            "node.kubernetes.io/instance-type": instance.type,
            "topology.kubernetes.io/region": "cn-hangzhou",
            "topology.kubernetes.io/zone": instance.zone,
        }.items() <= node["metadata"]["labels"].items()
        addresses = {a["type"]: a["address"] for a in node["status"]["addresses"]}
        assert addresses["InternalIP"] == instance.private_ips[0]
    cluster.wait(lambda: ("Synced", "Normal", "cloud-node-controller") in cluster.events("node-3"))
    cluster.finish()
    # Addresses, then labels, provider id and taints together: no write more.
    assert len(cluster.writes()) == 6


def test_a_service_gets_its_load_balancer(cluster):
    cluster.join("node-1")
    cluster.start()
    cluster.settle()
    begin = cluster.api.mark()
    cluster.expose(80)
    cluster.settle()
    (balancer,) = cluster.view().balancers
    service = cluster.service()
    assert service["metadata"]["finalizers"] == [FINALIZER]
    assert service["metadata"]["labels"]["service.k8s.alibaba/loadbalancer-id"] == balancer.id
    ingress = [{"ip": balancer.address, "ipMode": "VIP"}]
    assert service["status"] == {"loadBalancer": {"ingress": ingress}}
    told = [
        (reason, "Normal", "service-controller")
        for reason in ("EnsuringLoadBalancer", "EnsuredLoadBalancer")
    ]
    cluster.wait(lambda: cluster.events("web") == told, lambda: cluster.events("web"))
    cluster.finish()
    assert cluster.writes(begin) == ["patch services/status web"] * 3


def test_ports_change(cluster):
    cluster.join("node-1")
    cluster.start()
    cluster.expose(80, 443)
    cluster.settle()
    (before,) = cluster.view().balancers
    cluster.set_ports(443, 1080)
    cluster.settle()
    (after,) = cluster.view().balancers
    assert after.id == before.id
    assert sorted(after.listeners) == [("TCP", 443), ("TCP", 1080)]
    cluster.finish()


def test_a_service_gives_its_load_balancer_up_and_gets_another(cluster):
    cluster.join("node-1")
    cluster.start()
    cluster.expose(80)
    cluster.settle()
    (first,) = cluster.view().balancers
    cluster.edit({"type": "ClusterIP"})
    cluster.settle()
    service = cluster.service()
    assert "finalizers" not in service["metadata"]
    assert service["status"] == {"loadBalancer": {}}
    assert cluster.view().balancers == ()
    cluster.edit({"type": "LoadBalancer"})
    cluster.settle()
    (second,) = cluster.view().balancers
    assert second.id != first.id
    cluster.finish()


def test_nodes_join_leave_and_are_excluded(cluster):
    cluster.join("node-1")
    cluster.join("node-2")
    cluster.start()
    cluster.expose(80)
    cluster.settle()
    cluster.join("node-3")
    cluster.settle()
    cluster.leave("node-1")
    cluster.settle()
    cluster.exclude("node-2")
    cluster.settle()
    (balancer,) = cluster.view().balancers
    (backends,) = balancer.groups.values()
    assert {server for server, _ in backends} == {cluster.instances["node-3"].id}
    cluster.include("node-2")
    cluster.settle()
    cluster.finish()


def test_a_deleted_service_leaves_nothing(cluster):
    cluster.join("node-1")
    cluster.start()
    cluster.expose(80)
    cluster.expose(81, name="other")
    cluster.settle()
    cluster.delete()
    cluster.wait(lambda: cluster.api.request("GET", WEB).status == 404)
    cluster.settle()
    (left,) = cluster.view().balancers
    assert set(left.listeners) == {("TCP", 81)}
    cluster.delete(name="other")
    cluster.settle()
    cluster.wait(lambda: len(cluster.view().services) == 0)
    cluster.nothing_left()
    assert cluster.violations == []
    told = ["EnsuringLoadBalancer", "EnsuredLoadBalancer"]
    told += ["DeletingLoadBalancer", "DeletedLoadBalancer"]
    cluster.wait(lambda: [reason for reason, *_ in cluster.events("web")] == told)
    cluster.finish()


def test_what_was_deleted_while_no_manager_ran_is_cleaned_up(cluster):
    cluster.join("node-1")
    cluster.start()
    cluster.expose(80)
    cluster.settle()
    cluster.finish()
    cluster.delete()
    assert cluster.service()["metadata"]["deletionTimestamp"]
    cluster.start()
    cluster.wait(lambda: cluster.api.request("GET", WEB).status == 404)
    cluster.nothing_left()
    assert cluster.violations == []
    cluster.finish()


def test_a_restart_with_nothing_changed_writes_nothing(cluster):
    cluster.join("node-1")
    cluster.join("node-2")
    cluster.start()
    cluster.expose(80)
    cluster.expose(81, 82, name="other")
    cluster.settle()
    cluster.finish()
    before, begin, cloud = cluster.versions(), cluster.api.mark(), cluster.cloud_mark()
    told = cluster.events("web"), cluster.events("other"), cluster.events("node-1")
    cluster.start()
    cluster.wait(lambda: "DescribeVServerGroupAttribute" in cluster.cloud_calls(cloud))
    cluster.wait_until_quiet()
    cluster.finish()
    assert cluster.cloud_calls(cloud, write=True) == []
    assert cluster.writes(begin) == []
    assert cluster.versions() == before
    assert told == (cluster.events("web"), cluster.events("other"), cluster.events("node-1"))
