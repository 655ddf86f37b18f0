"""The real kubectl prints the same of both servers, but for ages, addresses and ports."""

import concurrent.futures
import contextlib
import os
import re
import shutil
import subprocess

import pytest

from cloudprovider.concurrency import current
from cloudprovider.toolkit.webserver import TLSFiles
from cloudprovider_manager import certificates
from cloudprovider_sandbox.apiserver.http import ApiServerHttp

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(90, func_only=True)]

NODE = {
    "metadata": {"name": "kubectl-1", "labels": {"node-role.kubernetes.io/control-plane": ""}},
    "spec": {"taints": [{"key": "a", "effect": "NoSchedule"}]},
    "status": {
        "addresses": [{"type": "InternalIP", "address": "10.0.0.1"}],
        "conditions": [
            {
                "type": "Ready",
                "status": "True",
                "reason": "KubeletReady",
                "message": "m",
                "lastTransitionTime": "2026-01-01T00:00:00Z",
                "lastHeartbeatTime": "2026-01-01T00:00:00Z",
            }
        ],
        "capacity": {"cpu": "4", "memory": "8Gi"},
        "nodeInfo": {"kubeletVersion": "v1.32.0", "osImage": "Linux"},
    },
}
EVENT = {
    "metadata": {"name": "kubectl-1.1", "namespace": "default"},
    "involvedObject": {"kind": "Node", "name": "kubectl-1", "uid": "kubectl-1", "apiVersion": "v1"},
    "reason": "Synced",
    "message": "Node synced successfully",
    "type": "Normal",
    "source": {"component": "cloud-node-controller"},
    "firstTimestamp": "2026-01-01T00:00:00Z",
    "lastTimestamp": "2026-01-01T00:00:00Z",
    "count": 1,
}
#: Run in this order; nothing but their output is compared. ``!`` ends one that must fail. Of events
#: only Normal ones are asked for: a busy real server warns of a Service that it is about to repair
#: the address it has just given (ClusterIPNotAllocated; its informers lag behind its writes).
COMMANDS = """
create service loadbalancer web --tcp=80:8080 --tcp=443
create service loadbalancer web --tcp=80 !
get service web
get service web -o wide --show-labels
get svc,endpointslices -o name
describe service web --show-events=false
label service web tier=front
annotate service web a=b
get service web -o jsonpath={.metadata.labels}
patch service web -p {"spec":{"ports":[{"port":443,"name":"tls"}]}}
patch service web --type=merge -p {"spec":{"externalTrafficPolicy":"Local"}}
patch service web --type=json -p [{"op":"add","path":"/metadata/labels/x","value":"y"}]
patch service web --subresource=status -p {"status":{"loadBalancer":{"ingress":[{"ip":"1.2.3.4"}]}}}
get service web
get service web -o yaml
get service web -o custom-columns=NAME:.metadata.name,TYPE:.spec.type,IP:.status.loadBalancer.ingress[0].ip
wait --for=jsonpath={.status.loadBalancer.ingress[0].ip}=1.2.3.4 service/web --timeout=5s
get node kubectl-1
get node kubectl-1 -o wide
describe node kubectl-1
taint node kubectl-1 b=c:NoExecute
cordon kubectl-1
get node kubectl-1
auth can-i patch services/status --as=ann !
create configmap c --from-literal=a=b
create secret generic s --from-literal=a=b
create serviceaccount bot
create token bot --duration=10m
get configmap,secret
get leases
get events -n default --field-selector=involvedObject.name=kubectl-1,type=Normal
get events --field-selector=type=Normal
delete service web --wait=false
delete configmap/c secret/s serviceaccount/bot
delete node kubectl-1
delete event kubectl-1.1 -n default
get service web !
api-resources --api-group=coordination.k8s.io
"""  # noqa: E501 - commands

_MASKS = (
    (re.compile(r"\beyJ[\w.-]+"), "TOKEN"),
    (re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}"), "UID"),
    (re.compile(r"\b20\d\d-\d\d-\d\dT[0-9:.]+Z"), "TIME"),
    (re.compile(r"\w{3}, \d\d \w{3} \d{4} [0-9:]+ \+0000"), "TIME"),
    (re.compile(r"\b10\.96\.\d+\.\d+\b"), "ADDRESS"),
    (re.compile(r"\b3[0-2]\d{3}\b"), "PORT"),
    (re.compile(r'resourceVersion: "\d+"'), "resourceVersion: VERSION"),
    (re.compile(r"(?<=\s)(\d+[dhms]){1,2}(?=\s|$)"), "AGE"),
    # A real server taints new nodes.
    (re.compile(r"\n\s+node\.kubernetes\.io/not-ready:NoSchedule"), ""),
    (re.compile(r"[ \t]+"), " "),
)


def masked(text):
    for pattern, word in _MASKS:
        text = pattern.sub(word, text)
    return text


@contextlib.contextmanager
def secured(server, folder):
    """A kubeconfig for kubectl, which sends tokens over TLS only."""
    if server.name == "real":
        yield server.kubeconfig()
        return
    paths = certificates.in_folder(str(folder), "127.0.0.1", concurrency=current())
    files = TLSFiles(*(folder / path for path in paths))
    with ApiServerHttp(server.core, tls=files) as https:
        yield https.kubeconfig("envtest-admin")


def session(server, folder):
    """The output of every command."""
    folder.mkdir()
    namespace = "kubectl"
    server.request("POST", "/api/v1/namespaces", {"metadata": {"name": namespace}})
    server.do("POST", "/api/v1/nodes", NODE)
    server.do("POST", "/api/v1/namespaces/default/events", EVENT)
    found = {}
    with secured(server, folder) as config:
        (folder / "config").write_text(config)
        environment = {**os.environ, "KUBECONFIG": str(folder / "config"), "HOME": str(folder)}
        for number, line in enumerate(COMMANDS.strip().splitlines()):
            command = ["kubectl", "-n", namespace, *line.removesuffix("!").split()]
            done = subprocess.run(
                command, env=environment, capture_output=True, text=True, timeout=30, check=False
            )
            failed = line.endswith("!")
            assert bool(done.returncode) == failed, f"{server.name}: {line}: {done.stderr}"
            found[f"{number}: {line}"] = masked(done.stdout + done.stderr)
    return found


@pytest.mark.skipif(shutil.which("kubectl") is None, reason="no kubectl on PATH")
def test_the_same_session(embedded, real, tmp_path):
    folders = tmp_path / "embedded", tmp_path / "real"
    with concurrent.futures.ThreadPoolExecutor() as pool:
        ours, theirs = pool.map(session, (embedded, real), folders)
    assert {line: ours[line] for line in ours if ours[line] != theirs[line]} == {}
