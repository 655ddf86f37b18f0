"""Kubelets and workloads against the embedded API server."""

import pytest

from cloudprovider_sandbox.apiserver.http import ApiServerHttp
from cloudprovider_sandbox.apiserver.server import ApiServer
from cloudprovider_sandbox.demo.story import deployment_body, service_body
from cloudprovider_sandbox.kube import Kube, KubeError
from cloudprovider_sandbox.kubelets import LEASES, NODES, UNINITIALIZED, Kubelets
from cloudprovider_sandbox.rbac import apply_rbac
from cloudprovider_sandbox.workloads import Workloads

PODS = "/api/v1/namespaces/default/pods"
SLICES = "/apis/discovery.k8s.io/v1/namespaces/default/endpointslices"
DEPLOYMENTS = "/apis/apps/v1/namespaces/default/deployments"
SERVICES = "/api/v1/namespaces/default/services"
UNTAINTED = {"spec": {"taints": None}}


@pytest.fixture(scope="module")
def http():
    server = ApiServer()
    with ApiServerHttp(server, threads=4) as started:
        started.core = server
        started.empty = server.snapshot()
        yield started


@pytest.fixture
def kube(http):
    http.core.restore(http.empty)
    return Kube(http.url, user_agent="test")


@pytest.fixture
def kubelets(kube):
    return Kubelets(kube, version="v1.33.0")


def ready(kube, name):
    conditions = kube.get(f"{NODES}/{name}")["status"]["conditions"]
    return next(c["status"] for c in conditions if c["type"] == "Ready")


def test_a_kubelet_registers_a_tainted_node_that_is_ready(kube, kubelets, build):
    kubelets.register(build.instance(1))
    node = kube.get(f"{NODES}/node-1")
    assert [taint["key"] for taint in node["spec"]["taints"]] == [UNINITIALIZED]
    assert not node["spec"].get("providerID")
    assert ready(kube, "node-1") == "True"
    assert kube.get(f"{LEASES}/node-1")["spec"]["holderIdentity"] == "node-1"


def test_a_stopped_kubelet_leaves_a_node_that_is_not_ready(kube, kubelets, build):
    kubelets.register(build.instance(1))
    kubelets.stop("node-1")
    assert ready(kube, "node-1") == "Unknown"
    assert kubelets.instances() == []


def test_a_released_instance_leaves_its_node_to_the_manager_and_nothing_else(kube, kubelets, build):
    kubelets.register(build.instance(1))
    kubelets.stop("node-1")
    kubelets.forget("node-1")
    assert kube.exists(f"{NODES}/node-1")
    assert not kube.exists(f"{LEASES}/node-1")
    with pytest.raises(KeyError):
        kubelets.find("node-1")


def test_a_node_is_found_by_its_name_and_by_its_instance(kubelets, build):
    kubelets.register(build.instance(1))
    assert kubelets.find("node-1") == kubelets.find("i-1") == build.instance(1)
    with pytest.raises(KeyError):
        kubelets.find("node-9")


def test_pods_wait_for_an_initialised_node_and_get_their_endpoints(kube, kubelets, build):
    workloads = Workloads(kube)
    kubelets.register(build.instance(1))
    kube.create(DEPLOYMENTS, deployment_body())
    kube.create(SERVICES, service_body())
    workloads.reconcile()
    assert kube.items(PODS) == []
    kube.patch(f"{NODES}/node-1", UNTAINTED, patch_type="merge")
    workloads.reconcile()
    assert [pod["spec"]["nodeName"] for pod in kube.items(PODS)] == ["node-1", "node-1"]
    (found,) = kube.items(SLICES)
    assert len(found["endpoints"]) == 2
    assert kube.get(f"{DEPLOYMENTS}/nginx-example")["status"]["readyReplicas"] == 2


def test_a_second_pass_writes_nothing(kube, kubelets, build, http):
    workloads = Workloads(kube)
    kubelets.register(build.instance(1))
    kube.patch(f"{NODES}/node-1", UNTAINTED, patch_type="merge")
    kube.create(DEPLOYMENTS, deployment_body())
    kube.create(SERVICES, service_body())
    workloads.reconcile()
    seen = http.core.journal.records()[-1].n
    workloads.reconcile()
    assert [r.op for r in http.core.journal.records(seen) if r.write] == []


def test_pods_and_endpoints_go_with_deployment_and_service(kube, kubelets, build):
    workloads = Workloads(kube)
    kubelets.register(build.instance(1))
    kube.patch(f"{NODES}/node-1", UNTAINTED, patch_type="merge")
    kube.create(DEPLOYMENTS, deployment_body())
    kube.create(SERVICES, service_body())
    workloads.reconcile()
    kube.delete(f"{DEPLOYMENTS}/nginx-example")
    kube.delete(f"{SERVICES}/nginx-example")
    workloads.reconcile()
    assert kube.items(PODS) == []
    assert kube.items(SLICES) == []


def test_a_table_is_the_servers_own(kube, kubelets, build):
    kubelets.register(build.instance(1))
    table = kube.table(NODES)
    assert table.columns == ["NAME", "STATUS", "ROLES", "AGE", "VERSION"]
    assert [row[:3] for row in table.rows] == [["node-1", "Ready", "<none>"]]


def test_a_refusal_carries_status_and_reason(kube):
    with pytest.raises(KubeError) as refused:
        kube.get(f"{NODES}/nobody")
    assert (refused.value.status, refused.value.reason) == (404, "NotFound")
    assert not kube.exists(f"{NODES}/nobody")


def test_a_manifest_of_rbac_is_created_beside_the_built_in_roles(kube, tmp_path):
    manifest = tmp_path / "rbac.yaml"
    manifest.write_text(
        "apiVersion: v1\nkind: ServiceAccount\nmetadata: {name: manager, namespace: kube-system}\n"
    )
    apply_rbac(kube, manifest)
    apply_rbac(kube, manifest)  # what is there already is no error
    assert kube.exists("/api/v1/namespaces/kube-system/serviceaccounts/manager")
    roles = kube.items("/apis/rbac.authorization.k8s.io/v1/clusterroles")
    assert "system:controller:service-controller" in [r["metadata"]["name"] for r in roles]


def test_other_kinds_than_rbac_are_refused(kube, tmp_path):
    manifest = tmp_path / "rbac.yaml"
    manifest.write_text("apiVersion: v1\nkind: Pod\nmetadata: {name: web}\n")
    with pytest.raises(ValueError, match="Pod web: only RBAC belongs here"):
        apply_rbac(kube, manifest)
