"""The argument lists of the user documents, typed as they stand, with the Alibaba Cloud provider.

Added to them is only what a test needs: ``--secure-port`` with a free port, and paths of its files.
"""

import base64
import json

import pytest
import yaml

from cloudprovider.plugins import load_plugin
from cloudprovider.testing.emulation import GROUP, EmulatorOptions

pytestmark = pytest.mark.e2e

D1 = [
    "--address=127.0.0.1",
    "--allow-untagged-cloud=true",
    "--leader-elect=true",
    "--cloud-provider=alicloud",
    '--cluster-name="${cluster_name}"',
    "--allocate-node-cidrs=false",
    "--cluster-cidr=172.30.0.0/16",
    "--configure-cloud-routes=false",
    "--use-service-account-credentials=true",
    "--route-reconciliation-period=30s",
    "--v=5",
]
D2 = [
    "--leader-elect=true",
    "--cloud-provider=alicloud",
    "--use-service-account-credentials=true",
    "--configure-cloud-routes=true",
    "--route-reconciliation-period=3m",
    "--leader-elect-resource-lock=endpoints",
]


@pytest.fixture
def emulator():
    made = load_plugin(GROUP, "alicloud")(EmulatorOptions(cluster_id="clusterid"))
    made.start()
    yield made
    made.stop()


@pytest.fixture
def keys(emulator):
    """Access key id and secret that the emulator knows, in plain text."""
    known = json.loads(emulator.cloud_config())["Global"]
    return [base64.b64decode(known[name]).decode() for name in ("accessKeyID", "accessKeySecret")]


def token_file_kubeconfig(cluster):
    """A kubeconfig as document 1 has it: the user has a tokenFile."""
    config = yaml.safe_load(cluster.kubeconfig.read_text())
    token = cluster.folder / "token"
    token.write_text(config["users"][0]["user"].pop("token") + "\n")
    config["users"][0]["user"]["tokenFile"] = str(token)
    path = cluster.folder / "cloud-controller-manager.conf"
    path.write_text(yaml.safe_dump(config))
    return path


def test_document_1_starts_and_makes_a_load_balancer(cluster, emulator, keys, until, port):
    instance = emulator.launch_instance("master-1")
    cluster.register_node(instance.provider_id, instance.provider_id)
    # Its question 1: routes were on by mistake, and the nodes stay without network.
    cluster.set_condition(
        instance.provider_id,
        type="NetworkUnavailable",
        status="True",
        reason="NoRouteCreated",
        message="RouteController failed to create a route",
    )
    cluster.create_service("nginx-example")
    process = cluster.start_typed(
        *D1,
        f"--kubeconfig={token_file_kubeconfig(cluster)}",
        f"--secure-port={port}",
        port=port,
        **emulator.environment(),
        ACCESS_KEY_ID=keys[0],
        ACCESS_KEY_SECRET=keys[1],
    )
    until(lambda: cluster.address("nginx-example"), timeout=30)
    until(lambda: not cluster.node(instance.provider_id)["spec"].get("taints"))
    until(lambda: cluster.condition(instance.provider_id, "NetworkUnavailable") is None)
    owned = [item for item in emulator.inventory() if item.owner == "default/nginx-example"]
    assert "load balancer" in {item.kind for item in owned}
    assert process.get("/healthz", tls=False) == (200, "ok")
    process.signal()
    assert process.wait() == 0
    text = process.text()
    assert "Flag --address has been deprecated, see --bind-address instead." in text
    assert "the quotes and ${} are part of the name" in text
    assert keys[1] not in text
    assert cluster.holder() == ""


def test_the_probe_of_document_1_is_answered_on_the_old_port_when_asked_for(
    cluster, until, port, other_port
):
    process = cluster.start(f"--port={other_port}", "--address=127.0.0.1", port=port)
    until(lambda: process.get("/healthz")[0] == 200)
    process.port = other_port  # it opens a moment after the first
    until(lambda: process.get("/healthz", tls=False) == (200, "ok"))
    assert process.get("/metrics", tls=False)[0] == 403


def test_document_2_starts_and_makes_an_intranet_load_balancer(
    cluster, emulator, keys, until, port
):
    config = cluster.folder / "cloud-config.conf"
    secrets = [base64.b64encode(key.encode()).decode() for key in keys]
    known = {"accessKeyID": secrets[0], "accessKeySecret": secrets[1], "region": "cn-hangzhou"}
    config.write_text(json.dumps({"Global": known}))
    config.chmod(0o600)
    instance = emulator.launch_instance("worker-1")
    cluster.register_node("worker-1", instance.provider_id)
    address_type = "service.beta.kubernetes.io/alibaba-cloud-loadbalancer-address-type"
    cluster.create_service("nginx", **{address_type: "intranet"})
    process = cluster.start_typed(
        *D2,
        "--cluster-cidr=172.16.0.0/16",
        f"--cloud-config={config}",
        f"--kubeconfig={cluster.kubeconfig}",
        f"--secure-port={port}",
        "--bind-address=127.0.0.1",
        port=port,
        **emulator.environment(),
    )
    until(lambda: cluster.address("nginx"), timeout=30)
    assert cluster.address("nginx").startswith("10.")
    assert process.get("/healthz", tls=False) == (200, "ok")
    process.signal()
    assert process.wait() == 0
    assert "THIS MANAGER HOLDS A LEASE INSTEAD" in process.text()
    assert secrets[1] not in process.text()


def test_document_2_writes_routes_and_leaves_those_of_others(cluster, emulator, keys, until, port):
    """Some of its nodes are not in the cloud, and the route table has entries of people."""
    config = cluster.folder / "cloud-config.conf"
    secrets = [base64.b64encode(key.encode()).decode() for key in keys]
    known = {"accessKeyID": secrets[0], "accessKeySecret": secrets[1], "region": "cn-hangzhou"}
    config.write_text(json.dumps({"Global": known}))
    config.chmod(0o600)
    people = routes(emulator)
    assert people
    one, two = (emulator.launch_instance(name) for name in ("worker-1", "worker-2"))
    cluster.register_node("worker-1", one.provider_id, "172.16.1.0/24")
    cluster.register_node("worker-2", two.provider_id, "172.16.2.0/24")
    cluster.register_node("dc-1", "ack-hybrid://dc-1", "172.16.3.0/24")
    process = cluster.start_typed(
        *D2,
        "--cluster-cidr=172.16.0.0/16",
        f"--cloud-config={config}",
        f"--kubeconfig={cluster.kubeconfig}",
        f"--secure-port={port}",
        "--bind-address=127.0.0.1",
        port=port,
        **emulator.environment(),
    )
    ours = {"172.16.1.0/24": one.instance_id, "172.16.2.0/24": two.instance_id}
    until(lambda: routes(emulator) == {**people, **ours}, timeout=30)
    done = ("False", "RouteCreated")
    until(lambda: cluster.condition("worker-1", "NetworkUnavailable") == done)
    until(lambda: cluster.condition("worker-2", "NetworkUnavailable") == done)
    assert cluster.condition("dc-1", "NetworkUnavailable") is None
    assert "[+]node-route-controller ok" in process.get("/readyz?verbose")[1]
    cluster.request("DELETE", "/api/v1/nodes/worker-1")
    del ours["172.16.1.0/24"]
    until(lambda: routes(emulator) == {**people, **ours})
    process.signal()
    assert process.wait() == 0


def routes(emulator):
    """Next hop by destination of what is not the system's."""
    return {
        item.name: item.details["next hop"] for item in emulator.inventory() if item.kind == "route"
    }


def test_the_shell_line_of_document_2_is_refused_with_a_clear_message(cluster, port):
    config = cluster.folder / "cloud-config.conf"
    config.write_text("{}")
    process = cluster.start_typed(
        *D2,
        '--cluster-cidr=                            "--cluster-cidr=172.16.0.0/16",',
        f"--cloud-config={config}",
        f"--kubeconfig={cluster.kubeconfig}",
        port=port,
    )
    assert process.wait() == 1
    lines = process.text().splitlines()
    assert len(lines) == 2
    assert lines[0].startswith("Error: --cluster-cidr=")
    assert "it contains 172.16.0.0/16, did you mean that alone?" in lines[0]
