"""The log of a real process: nobody reads it, it is split, it is JSON."""

import fcntl
import json
import os
import subprocess
import sys

import pytest

pytestmark = pytest.mark.e2e

LEASES = "/apis/coordination.k8s.io/v1/namespaces/kube-system/leases/cloud-controller-manager"

#: A page: what a manager says of its flags alone is more.
SMALLEST_PIPE = 4096


def renewed(cluster):
    return cluster.request("GET", LEASES)["spec"]["renewTime"]


@pytest.fixture
def unread(cluster, port):
    """A manager whose stderr is a small pipe that nobody reads; and the end to read from."""
    reading, writing = os.pipe()
    fcntl.fcntl(writing, fcntl.F_SETPIPE_SZ, SMALLEST_PIPE)
    command = [
        sys.executable, "-m", "cloudprovider_manager.main", "--cloud-provider=fakecloud",
        f"--kubeconfig={cluster.kubeconfig}", "--bind-address=127.0.0.1", f"--secure-port={port}",
        "--configure-cloud-routes=false", "--leader-elect-retry-period=200ms", "--v=10",
    ]  # fmt: skip
    popen = subprocess.Popen(
        command,
        env={**os.environ, **cluster.environment},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=writing,
    )
    os.close(writing)
    with open(reading, "rb") as stream:
        yield popen, stream
        popen.kill()
        popen.wait()


def test_a_log_that_nobody_reads_does_not_cost_the_lease(cluster, until, unread):
    popen, stream = unread
    until(lambda: cluster.holder())
    for index in range(5):
        cluster.create_service(f"web-{index}")
    until(lambda: all(cluster.address(f"web-{index}") for index in range(5)))
    for _ in range(3):
        before = renewed(cluster)
        until(lambda before=before: renewed(cluster) != before)
    popen.terminate()
    assert popen.wait(20) == 0
    assert cluster.holder() == ""
    assert len(stream.read()) <= SMALLEST_PIPE


def test_a_split_log_in_json_parts_what_needs_attention(cluster, until, port):
    out = cluster.folder / "out.log"
    err = cluster.folder / "err.log"
    arguments = [
        "--cloud-provider=fakecloud", f"--kubeconfig={cluster.kubeconfig}",
        "--bind-address=127.0.0.1", f"--secure-port={port}", "--configure-cloud-routes=false",
        "--logging-format=json", "--log-json-split-stream", "--log-json-info-buffer-size=64Ki",
        "--log-flush-frequency=1s", "--port=0", "--v=1",
    ]  # fmt: skip
    with out.open("wb") as stdout, err.open("wb") as stderr:
        popen = subprocess.Popen(
            [sys.executable, "-m", "cloudprovider_manager.main", *arguments],
            env={**os.environ, **cluster.environment},
            stdin=subprocess.DEVNULL,
            stdout=stdout,
            stderr=stderr,
        )
        try:
            until(lambda: cluster.holder())
            until(lambda: "serving health" in out.read_text())
            popen.terminate()
            assert popen.wait(20) == 0
        finally:
            popen.kill()
            popen.wait()
    infos = [json.loads(line) for line in out.read_text().splitlines()]
    others = [json.loads(line) for line in err.read_text().splitlines()]
    assert {line["severity"] for line in infos} == {"info"}
    assert "warning" in {line["severity"] for line in others}
    assert any("Flag --port has been deprecated, " in line["msg"] for line in others)
    said = [line["msg"] for line in infos]
    assert 'FLAG: --leader-elect-lease-duration="15s"' in said  # every flag, typed or not
    assert said[-1].startswith("stopped after")


def test_the_values_of_a_file_are_in_force(cluster, until, port):
    path = cluster.folder / "manager.yaml"
    path.write_text(
        "apiVersion: k8s-cloudprovider/v1alpha1\nkind: ManagerConfiguration\n"
        f"cloud-provider: fakecloud\nkubeconfig: {cluster.kubeconfig}\n"
        f"bind-address: 127.0.0.1\nsecure-port: {port}\nconfigure-cloud-routes: false\n"
        "leader-elect-resource-name: from-the-file\ncluster-name: replaced\nv: 1\n"
    )
    process = cluster.start_typed(f"--config={path}", "--cluster-name=typed", port=port)
    until(lambda: cluster.holder())
    leases = cluster.request("GET", LEASES.rpartition("/")[0])["items"]
    assert [lease["metadata"]["name"] for lease in leases] == ["from-the-file"]
    cluster.create_service()
    until(lambda: cluster.cloud_calls("begin"))
    assert cluster.cloud_calls("begin")[0]["cluster"] == "typed"
    process.signal()
    assert process.wait() == 0


def test_a_fault_of_the_file_ends_the_start(cluster, port):
    path = cluster.folder / "manager.yaml"
    path.write_text(
        "apiVersion: k8s-cloudprovider/v1alpha1\nkind: ManagerConfiguration\n"
        "cloud-provider: fakecloud\nclustr-name: x\n"
    )
    process = cluster.start_typed(f"--config={path}", port=port)
    assert process.wait() == 1
    first, *rest = process.text().splitlines()
    assert first.startswith(f"Error: --config={path}: clustr-name: unknown key, did you mean ")
    assert rest == ["See cloud-controller-manager --help."]
