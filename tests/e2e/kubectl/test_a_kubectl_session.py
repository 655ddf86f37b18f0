"""A user's session with the real kubectl against the embedded server."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import time

import pytest

from cloudprovider_sandbox.apiserver.http import ApiServerHttp
from cloudprovider_sandbox.apiserver.server import ApiServer

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(300)]
OLDEST = (1, 32)

SERVICE = """
apiVersion: v1
kind: Service
metadata: {name: web, labels: {app: web}}
spec:
  type: LoadBalancer
  externalTrafficPolicy: Local
  selector: {app: web}
  ports:
  - {name: http, port: 80, targetPort: 8080}
  - {name: https, port: 443, targetPort: https}
"""
NODE = """
apiVersion: v1
kind: Node
metadata: {name: node-1, labels: {node-role.kubernetes.io/control-plane: ""}}
spec: {taints: [{key: node.cloudprovider.kubernetes.io/uninitialized, value: "true", effect: NoSchedule}]}
status:
  addresses: [{type: InternalIP, address: 10.0.0.1}]
  conditions: [{type: Ready, status: "True", lastTransitionTime: "2026-01-01T00:00:00Z"}]
  nodeInfo: {kubeletVersion: v1.32.4}
"""  # noqa: E501 - a manifest


def version_problem():
    """Why there is no kubectl to test with; empty if there is one."""
    if shutil.which("kubectl") is None:
        return "no kubectl on PATH"
    command = ["kubectl", "version", "--client", "--output=json"]
    found = subprocess.run(command, capture_output=True, text=True, check=False, timeout=30)
    match = re.search(r'"gitVersion": "v(\d+)\.(\d+)', found.stdout)
    if match is None:
        return "kubectl does not tell its version"
    version = (int(match[1]), int(match[2]))
    return "" if version >= OLDEST else f"kubectl is {version[0]}.{version[1]}, older than 1.32"


@pytest.fixture(scope="module")
def kubectl(tmp_path_factory):
    if problem := version_problem():
        pytest.skip(problem)
    home = tmp_path_factory.mktemp("home")
    server = ApiServer()
    with ApiServerHttp(server) as http:
        http.write_kubeconfig(home / "config")
        environment = os.environ | {
            "HOME": str(home),
            "KUBECONFIG": str(home / "config"),
            "KUBE_EDITOR": "sed -i s/tier:.front/tier:\\ back/",
        }

        def run(*arguments, text="", code=0, timeout=30):
            command = ["kubectl", f"--cache-dir={home / 'cache'}", *arguments]
            done = subprocess.run(
                command, input=text, capture_output=True, text=True, check=False,
                timeout=timeout, env=environment,
            )  # fmt: skip
            assert done.returncode == code, f"{arguments}: {done.stdout}{done.stderr}"
            return done.stdout + done.stderr

        run.environment = environment
        run.cache = home / "cache"
        run.journal = server.journal
        yield run


@pytest.fixture
def web(kubectl):
    """The Service ``web``, applied; deleted afterwards."""
    kubectl("apply", "-f", "-", text=SERVICE)
    yield
    kubectl("patch", "svc", "web", "--type=merge", "-p", '{"metadata":{"finalizers":null}}')
    kubectl("delete", "svc", "web", "--ignore-not-found")


@pytest.fixture
def node(kubectl):
    """The Node ``node-1``; deleted afterwards."""
    kubectl("create", "-f", "-", text=NODE)
    yield
    kubectl("delete", "node", "node-1", "--ignore-not-found")


def watches(journal):
    """How many watches have begun so far."""
    return sum(record.op.startswith("WATCH") for record in journal.records())


def until_watched(journal, before):
    """Wait until there are more watches than ``before``."""
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline:
        if watches(journal) > before:
            return
        time.sleep(0.01)
    pytest.fail("kubectl did not begin to watch")


def watching(kubectl, *arguments):
    """kubectl in the background; its output can be read line by line."""
    command = ["kubectl", f"--cache-dir={kubectl.cache}", *arguments]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=kubectl.environment)


def test_version_and_discovery(kubectl):
    assert "Server Version: v1.32" in kubectl("version")
    resources = kubectl("api-resources", "--no-headers")
    for name in ("services", "nodes", "leases", "endpointslices", "deployments", "clusterroles"):
        assert re.search(rf"^{name}\s", resources, re.MULTILINE)
    assert "apps/v1" in kubectl("api-versions")
    assert "running at" in kubectl("cluster-info")
    assert kubectl("get", "--raw", "/readyz") == "ok"


def test_the_first_thing_a_newcomer_does(kubectl):
    kubectl("create", "deployment", "nginx", "--image=nginx")
    kubectl("expose", "deployment", "nginx", "--type=LoadBalancer", "--port=80")
    row = kubectl("get", "svc", "nginx", "--no-headers").split()
    assert (row[1], row[3]) == ("LoadBalancer", "<pending>")
    assert re.fullmatch(r"80:3\d{4}/TCP", row[4])
    described = kubectl("describe", "svc", "nginx")
    assert re.search(r"NodePort:\s+<unset>\s+3\d{4}/TCP", described)
    kubectl("scale", "deployment", "nginx", "--replicas=3")
    kubectl("set", "image", "deployment/nginx", "nginx=nginx:2")
    assert "0/3" in kubectl("get", "deploy", "nginx", "-o", "wide")
    assert "service/nginx" in kubectl("get", "all")
    kubectl("delete", "deploy,svc", "nginx")


def test_client_side_apply(kubectl, web):
    assert "unchanged" in kubectl("apply", "-f", "-", text=SERVICE)
    changed = SERVICE.replace("port: 80,", "port: 81,")
    assert "-    port: 80" in kubectl("diff", "-f", "-", text=changed, code=1)
    assert "configured" in kubectl("apply", "-f", "-", text=changed)
    assert "unchanged" in kubectl("apply", "-f", "-", text=changed)
    ports = kubectl("get", "svc", "web", "-o", "jsonpath={.spec.ports[*].port}")
    assert ports == "81 443"


def test_server_side_apply(kubectl, web):
    apply = ("apply", "--server-side", "-f", "-")
    kubectl("patch", "svc", "web", "-p", '{"spec":{"sessionAffinity":"ClientIP"}}')
    mine = SERVICE + "  sessionAffinity: None\n"
    refused = kubectl(*apply, text=mine, code=1)
    assert 'conflict with "kubectl-patch" using v1: .spec.sessionAffinity' in refused
    assert "serverside-applied" in kubectl(*apply, "--force-conflicts", text=mine)
    fields = kubectl("get", "svc", "web", "-o", "yaml", "--show-managed-fields")
    assert "operation: Apply" in fields
    kubectl("apply", "--server-side", "--dry-run=server", "-f", "-", text=mine)


def test_patch_label_annotate_edit_replace(kubectl, web):
    kubectl("patch", "svc", "web", "-p", '{"spec":{"ports":[{"port":443,"name":"tls"}]}}')
    kubectl("patch", "svc", "web", "--type=merge", "-p", '{"metadata":{"annotations":{"a":"b"}}}')
    operation = '[{"op":"replace","path":"/spec/publishNotReadyAddresses","value":true}]'
    # The API server replaces what is not there, too.
    kubectl("patch", "svc", "web", "--type=json", "-p", operation)
    status = '{"status":{"loadBalancer":{"ingress":[{"ip":"1.2.3.4"}]}}}'
    kubectl("patch", "svc", "web", "--subresource=status", "-p", status)
    assert " 1.2.3.4 " in kubectl("get", "svc", "web")
    kubectl("label", "svc", "web", "tier=front")
    kubectl("annotate", "svc", "web", "x=y", "--overwrite")
    assert kubectl("get", "svc", "-l", "tier in (front)", "-o", "name") == "service/web\n"
    assert "edited" in kubectl("edit", "svc", "web")
    assert kubectl("get", "svc", "-l", "tier=back", "-o", "name") == "service/web\n"
    kubectl("label", "svc", "web", "tier-")
    stale = kubectl("get", "svc", "web", "-o", "yaml")
    kubectl("replace", "-f", "-", text=stale)
    kubectl("annotate", "svc", "web", "x=z", "--overwrite")
    assert "please apply your changes" in kubectl("replace", "-f", "-", text=stale, code=1)
    kubectl("replace", "--force", "-f", "-", text=SERVICE)


def test_nodes(kubectl, node):
    row = kubectl("get", "nodes", "-o", "wide", "--no-headers").split()
    assert row[:3] == ["node-1", "Ready", "control-plane"]
    assert row[4:6] == ["v1.32.4", "10.0.0.1"]
    assert "uninitialized=true:NoSchedule" in kubectl("describe", "node", "node-1")
    kubectl("taint", "node", "node-1", "a=b:NoExecute")
    kubectl("taint", "node", "node-1", "a-")
    kubectl("cordon", "node-1")
    assert "SchedulingDisabled" in kubectl("get", "node", "node-1")
    kubectl("uncordon", "node-1")
    kubectl("drain", "node-1", "--ignore-daemonsets")
    kubectl("wait", "--for=condition=Ready", "node/node-1", "--timeout=5s")


def test_waiting(kubectl, web):
    kubectl("wait", "--for=jsonpath={.spec.type}=LoadBalancer", "svc/web", "--timeout=5s")
    late = kubectl(
        "wait", "--for=jsonpath={.spec.type}=NodePort", "svc/web", "--timeout=1s", code=1
    )
    assert "timed out" in late
    before = watches(kubectl.journal)
    with watching(kubectl, "wait", "--for=delete", "svc/web", "--timeout=20s") as waiting:
        until_watched(kubectl.journal, before)
        kubectl("delete", "svc", "web")
        assert "condition met" in waiting.stdout.read()
    assert waiting.returncode == 0
    kubectl("apply", "-f", "-", text=SERVICE)


@pytest.mark.parametrize("output", [(), ("-o", "name")], ids=["table", "name"])
def test_watching(kubectl, web, output):
    with watching(kubectl, "get", "svc", "web", "-w", *output) as process:
        lines = [process.stdout.readline() for _ in range(1 if output else 2)]
        kubectl("annotate", "svc", "web", "w=1", "--overwrite")
        lines.append(process.stdout.readline())
        process.terminate()
    assert "web" in lines[-1]
    assert lines[-1].split()[0] == lines[-2].split()[0]


def test_finalizers_hold_a_deletion(kubectl, web):
    def patch(names, code=0):
        body = json.dumps({"metadata": {"finalizers": names}})
        return kubectl("patch", "svc", "web", "--type=merge", "-p", body, code=code)

    patch(["example.com/x"])
    kubectl("delete", "svc", "web", "--wait=false")
    assert kubectl("get", "svc", "web", "-o", "jsonpath={.metadata.deletionTimestamp}")
    assert "no new finalizers" in patch(["example.com/x", "example.com/y"], code=1)
    patch(None)
    assert "not found" in kubectl("get", "svc", "web", code=1)
    kubectl("apply", "-f", "-", text=SERVICE)


def test_commands_that_send_protobuf(kubectl):
    kubectl("create", "namespace", "team")
    team = ("-n", "team")
    kubectl("create", "service", "clusterip", "cip", "--tcp=80:8080", *team)
    kubectl("create", "service", "loadbalancer", "lb", "--tcp=80:8080", *team)
    kubectl("create", "service", "nodeport", "np", "--tcp=80:8080", *team)
    kubectl("create", "service", "externalname", "en", "--external-name=example.com", *team)
    kubectl("create", "configmap", "c", "--from-literal=a=b", *team)
    kubectl("create", "secret", "generic", "s", "--from-literal=p=q", *team)
    kubectl("create", "serviceaccount", "bot", *team)
    assert kubectl("create", "token", "bot", *team).count(".") == 2
    kubectl("create", "role", "r", "--verb=get", "--resource=pods", *team)
    kubectl("create", "rolebinding", "rb", "--role=r", "--serviceaccount=team:bot", *team)
    assert "pods" in kubectl("describe", "role", "r", *team)
    kubectl("create", "clusterrole", "cr", "--verb=get", "--resource=nodes")
    kubectl("create", "clusterrolebinding", "crb", "--clusterrole=cr", "--user=joe")
    assert kubectl("auth", "can-i", "create", "services").strip() == "yes"
    assert "[*]" in kubectl("auth", "can-i", "--list")
    assert "kubernetes-admin" in kubectl("auth", "whoami")
    assert len(kubectl("get", "svc", "--no-headers", *team).splitlines()) == 4
    kubectl("delete", "svc", "--all", *team)
    kubectl("delete", "ns", "team")
    assert "team" not in kubectl("get", "ns")


@pytest.mark.parametrize(
    ("manifest", "words"),
    [
        (
            {"spec": {"type": "Foo", "ports": [{"port": 99999}]}},
            ["spec.type: Unsupported value", "spec.ports[0].port: Invalid value"],
        ),
        ({"spec": {"port": []}}, ['unknown field "spec.port"']),
        ({"spec": {"ports": [{"port": "x"}]}}, ["cannot unmarshal string"]),
    ],
    ids=["values", "unknown field", "type"],
)  # fmt: skip
def test_mistakes_are_explained(kubectl, manifest, words):
    body = {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "bad"}} | manifest
    said = kubectl("create", "-f", "-", text=json.dumps(body), code=1)
    assert all(word in said for word in words)


@pytest.mark.parametrize(
    "arguments",
    [
        ("get", "nosuch"),
        ("get", "svc", "nope"),
        ("delete", "svc", "nope"),
        ("create", "ns", "default"),
        ("logs", "nope"),
    ],
    ids=" ".join,
)
def test_what_fails_on_a_cluster_fails_here(kubectl, arguments):
    kubectl(*arguments, code=1)


def test_reading_in_many_ways(kubectl, web):
    assert "allocateLoadBalancerNodePorts" in kubectl("explain", "service.spec")
    assert "integer" in kubectl("explain", "svc.spec.ports.nodePort")
    wide = kubectl("get", "svc", "-A", "-o", "wide", "--sort-by=.metadata.name")
    assert wide.splitlines()[0].split()[-1] == "SELECTOR"
    assert json.loads(kubectl("get", "svc", "web", "-o", "json"))["spec"]["type"] == "LoadBalancer"
    selected = kubectl(
        "get", "svc", "-A", "--field-selector", "spec.type=LoadBalancer", "-o", "name"
    )
    assert selected == "service/web\n"
    kubectl("get", "svc", "web", "-o", "custom-columns=N:.metadata.name")
    kubectl("events")
    kubectl("get", "events,lease,endpoints,endpointslices,sa,cm,secret,rs,ds,sts,pods", "-A")
    kubectl("create", "-f", "-", "--dry-run=client", "-o", "yaml", text=SERVICE)
