"""The Python examples in the distributions' READMEs run and print what they promise."""

import re

import pytest

from cloudprovider import registry
from cloudprovider_controllers.runtime.client import Client
from cloudprovider_controllers.runtime.resources import NODES
from cloudprovider_sandbox.apiserver.http import ApiServerHttp
from cloudprovider_sandbox.apiserver.inprocess import InProcessTransport
from cloudprovider_sandbox.apiserver.server import ApiServer


@pytest.fixture
def run(root, capsys):
    """Run the example of a README; what it printed."""

    def run_example(name):
        text = (root / name / "README.md").read_text(encoding="utf-8")
        (code,) = re.findall(r"^```python\n(.*?)^```", text, re.MULTILINE | re.DOTALL)
        exec(compile(code, f"{name}/README.md", "exec"), {"__name__": "example"})
        return capsys.readouterr().out

    return run_example


def test_a_cloud_of_one_machine(run):
    try:
        printed = run("cloudprovider")
    finally:
        registry.unregister_cloud_provider("one")
    assert "'node-1': InstanceMetadata(provider_id='one://1', instance_type='tower'" in printed


def test_watching_nodes(run, tmp_path, monkeypatch):
    server = ApiServer()
    user = Client(InProcessTransport(server, proc="user", user_agent="user"), qps=0)
    user.create(NODES, {"metadata": {"name": "node-1"}})
    http = ApiServerHttp(server).start()
    try:
        (tmp_path / "config").write_text(http.kubeconfig())
        monkeypatch.setenv("KUBECONFIG", str(tmp_path / "config"))
        assert run("controllers") == "node node-1\n1 nodes\n"
    finally:
        http.stop()


def test_a_load_balancer_on_the_emulator(run):
    lines = run("providers/alicloud").splitlines()
    assert lines[0] == lines[2]
    assert "ip='198.18." in lines[0]
    assert "CreateLoadBalancer" in lines[1]
    assert lines[3] == "[]"
