"""``cloud-sandbox up`` runs the real manager, can be looked into, and ends without leftovers."""

import json
import signal
import subprocess
import warnings

import psutil
import pytest
import urllib3
import yaml

from cloudprovider_sandbox.kube import Kube

pytestmark = pytest.mark.e2e


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM], ids=lambda n: n.name)
def test_a_signal_ends_it_in_order(start, tools, number):
    sandbox = start("--nodes=1").wait_until_ready()
    (manager,) = tools.managers(sandbox.process.pid)
    assert manager.pid == sandbox.info["manager_pid"]
    assert sandbox.end(number) == 0
    assert "nothing of it runs any more" in sandbox.output
    assert tools.ended(manager)
    assert not (sandbox.folder / "sandbox.json").exists()
    assert "Traceback" not in sandbox.output + (sandbox.folder / "manager.log").read_text()


def test_the_manager_ends_with_a_sandbox_that_is_killed(start, tools):
    sandbox = start("--nodes=1").wait_until_ready()
    (manager,) = tools.managers(sandbox.process.pid)
    sandbox.end(signal.SIGKILL)
    tools.wait_for(lambda: tools.ended(manager), what="the manager's end")


def test_a_manager_that_does_not_start_is_told_with_its_log(start):
    sandbox = start("--nodes=1", "--manager-arg=--no-such-flag")
    assert sandbox.end() == 1
    assert "the manager ended early: exit code 1" in sandbox.output
    assert "unknown flag: --no-such-flag" in sandbox.output


def test_a_manager_that_dies_later_ends_the_sandbox(start):
    sandbox = start("--nodes=1").wait_until_ready()
    psutil.Process(sandbox.info["manager_pid"]).kill()
    assert sandbox.end() == 1
    assert "the manager ended early: signal SIGKILL" in sandbox.output
    assert "did not renew its lease in time" in " ".join(sandbox.output.split())


def test_an_unknown_cloud_is_told_with_what_is_installed(tools, environment):
    ended = subprocess.run(
        [*tools.command, "up", "--cloud-provider=alicoud"],
        env=environment,
        capture_output=True,
        text=True,
    )
    assert ended.returncode == 1
    assert "installed: alicloud" in ended.stderr
    assert "Traceback" not in ended.stderr


def test_its_folder_is_taken_while_it_runs(start, tools, environment):
    sandbox = start("--nodes=0", "--no-manager").wait_until_ready()
    second = subprocess.run(
        [*tools.command, "up", "--cloud-provider=alicloud", f"--dir={sandbox.folder}"],
        env=environment,
        capture_output=True,
        text=True,
    )
    assert second.returncode == 1
    assert "runs in" in second.stderr


def test_a_manager_of_ones_own_is_started_as_it_says(start, tools):
    sandbox = start("--nodes=1", "--no-manager").wait_until_ready()
    lines = [line.strip() for line in sandbox.output.splitlines()]
    variables = next(line for line in lines if line.startswith("export SLB_ENDPOINT="))
    command = next(line for line in lines if line.startswith("cloud-controller-manager "))
    manager = subprocess.Popen(
        ["bash", "-c", f"{variables}\nexec {command} --secure-port=0"],
        env=sandbox.environment,
        stderr=subprocess.DEVNULL,
    )
    try:
        kube = Kube(sandbox.info["api_server"], user_agent="test")
        (node,) = kube.items("/api/v1/nodes")
        path = f"/api/v1/nodes/{node['metadata']['name']}"
        tools.wait_for(lambda: kube.get(path)["spec"].get("providerID"), what="the node")
    finally:
        manager.terminate()
        assert manager.wait(30) == 0


def test_the_other_commands_look_into_it_and_change_it(start, tools):
    sandbox = start("--nodes=1", "--latency=5ms").wait_until_ready()
    added = sandbox.run("node", "add", "web-1").stdout
    assert "node web-1 joins" in added
    assert "web-1" in sandbox.run("node", "list").stdout
    tools.wait_for(
        lambda: "DescribeInstances" in sandbox.run("journal", "--api=ecs").stdout,
        what="the first call to the cloud",
    )
    sandbox.run("fault", "add", "--api=slb", "--op=Describe*", "--kind=throttle", "--after=1s")
    assert "throttle" in sandbox.run("fault", "list").stdout
    assert sandbox.run("fault", "clear").stdout == "no faults\n"
    sandbox.run("node", "stop", "web-1")
    assert "status=Stopped" in sandbox.run("inventory").stdout
    sandbox.run("node", "remove", "web-1")
    assert "web-1" not in sandbox.run("inventory").stdout
    unknown = sandbox.run("node", "remove", "web-9", check=False)
    assert (unknown.returncode, "no node 'web-9'" in unknown.stderr) == (1, True)


def test_a_node_is_tainted_with_its_instance_and_goes_with_it(start, tools):
    sandbox = start("--nodes=3", "--manager-arg=--node-monitor-period=1s").wait_until_ready()
    kube = Kube(sandbox.info["api_server"], user_agent="test")

    def nodes():
        return {node["metadata"]["name"]: node["spec"] for node in kube.items("/api/v1/nodes")}

    def tainted(name):
        return any(taint["key"].endswith("/shutdown") for taint in nodes()[name].get("taints", ()))

    tools.wait_for(
        lambda: all(spec.get("providerID") for spec in nodes().values()), what="the nodes"
    )
    sandbox.run("node", "stop", "node-2")
    tools.wait_for(lambda: tainted("node-2"), what="the taint")
    sandbox.run("node", "remove", "node-1")
    tools.wait_for(lambda: set(nodes()) == {"node-2", "node-3"}, what="the end of the node")
    again = sandbox.run("node", "remove", "node-1", check=False)
    assert "no node 'node-1'" in again.stderr


def test_the_journal_has_both_sides_in_one_order(start, tools):
    sandbox = start("--nodes=1").wait_until_ready()
    tools.wait_for(
        lambda: "PATCH nodes" in sandbox.run("journal", "--writes").stdout, what="a node's patch"
    )
    lines = sandbox.run("journal", "--json", "--all").stdout.splitlines()
    records = [json.loads(line) for line in lines]
    assert [record["n"] for record in records] == sorted(record["n"] for record in records)
    assert {record["api"] for record in records} >= {"k8s", "ecs"}


def test_over_https_it_asks_for_a_token(start, kubectl):
    sandbox = start("--nodes=1", "--tls").wait_until_ready()
    path = sandbox.folder / "kubeconfig"

    def nodes(config):
        return subprocess.run(
            [kubectl, f"--kubeconfig={config}", "get", "nodes"],
            env=sandbox.environment,
            capture_output=True,
            text=True,
        )

    assert "node-1" in nodes(path).stdout
    stranger = yaml.safe_load(path.read_text())
    stranger["users"][0]["user"] = {"token": "guessed"}
    other = sandbox.folder / "stranger"
    other.write_text(yaml.safe_dump(stranger))
    assert nodes(other).returncode != 0


def test_the_published_rbac_is_enough(start, tools, kubectl):
    manifest = tools.root / "examples" / "rbac" / "account-per-controller.yaml"
    sandbox = start("--nodes=1", f"--rbac={manifest}").wait_until_ready()
    environment = {**sandbox.environment, "KUBECONFIG": str(sandbox.folder / "kubeconfig")}
    for line in (
        "create deployment web --image=nginx",
        "expose deployment web --type=LoadBalancer --port=80",
        "wait --for=jsonpath={.status.loadBalancer.ingress[0].ip} service/web",
        "delete service web",
    ):
        subprocess.run([kubectl, *line.split()], env=environment, check=True, timeout=40)
    sandbox.run("node", "remove", "node-1")
    tools.wait_for(
        lambda: "DELETE nodes" in sandbox.run("journal", "--writes").stdout, what="its deletion"
    )
    records = map(json.loads, sandbox.run("journal", "--json", "--all").stdout.splitlines())
    records = list(records)
    refused = {(r["op"], r["proc"]) for r in records if r.get("status") in (401, 403)}
    assert refused == set()


def test_metrics_are_for_those_whom_a_role_allows(start, tools, kubectl):
    """The walk of docs/guides/metrics.md."""
    manifest = tools.root / "examples" / "rbac" / "account-per-controller.yaml"
    sandbox = start("--nodes=0", f"--rbac={manifest}").wait_until_ready()
    environment = {**sandbox.environment, "KUBECONFIG": str(sandbox.folder / "kubeconfig")}

    def run(line):
        command = [kubectl, *line.split()]
        return subprocess.run(
            command, env=environment, check=True, timeout=40, capture_output=True, text=True
        ).stdout.strip()

    def status(token=""):
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        url = f"{sandbox.info['manager']}/metrics"
        pool = urllib3.PoolManager(cert_reqs="CERT_NONE", assert_hostname=False)
        with pool, warnings.catch_warnings():
            warnings.simplefilter("ignore", urllib3.exceptions.InsecureRequestWarning)
            return pool.request("GET", url, headers=headers, timeout=15).status

    run("create serviceaccount prometheus")
    token = run("create token prometheus")
    assert (status(), status(token), status("wrong")) == (403, 403, 401)
    subject = "--serviceaccount=default:prometheus"
    run(f"create clusterrolebinding read-metrics --clusterrole=system:monitoring {subject}")
    tools.wait_for(lambda: status(token) == 200, what="the permission")
    assert status() == 403
