"""The provider in the guide for authors is found by its entry point and initialises nodes."""

import json
import re
import subprocess
import sys
import tomllib

import pytest

from cloudprovider_sandbox.kube import Kube

pytestmark = pytest.mark.e2e


@pytest.fixture
def installed(tools, tmp_path):
    """A folder that holds what ``pip install`` would install of the guide's project."""
    guide = (tools.root / "docs" / "guides" / "write-a-provider.md").read_text()
    files = dict(re.findall(r"<!-- file: (\S+) -->\n```\w+\n(.*?)```", guide, re.DOTALL))
    folder = tmp_path / "site"
    project = tomllib.loads(files["pyproject.toml"])["project"]
    information = folder / f"cloudprovider_shelf-{project['version']}.dist-info"
    information.mkdir(parents=True)
    metadata = f"Metadata-Version: 2.1\nName: {project['name']}\nVersion: {project['version']}\n"
    (information / "METADATA").write_text(metadata)
    (group, points) = next(iter(project["entry-points"].items()))
    lines = [f"{name} = {target}" for name, target in points.items()]
    (information / "entry_points.txt").write_text("\n".join([f"[{group}]", *lines, ""]))
    for name in ("cloudprovider_shelf.py", "old_pair.py", "shelf.json"):
        (folder / name).write_text(files[name])
    return folder


def test_nodes_are_initialised_from_the_file(start, tools, installed, tmp_path):
    sandbox = start("--nodes=2", "--no-manager").wait_until_ready()
    machines = json.loads((installed / "shelf.json").read_text())
    machines["node-2"] = {"ip": "192.168.1.2", "type": "tower", "zone": "cellar"}
    config = tmp_path / "shelf.json"
    config.write_text(json.dumps(machines))
    with (tmp_path / "log").open("wb") as log:
        manager = subprocess.Popen(
            [
                sys.executable,
                "-m",
                "cloudprovider_manager.main",
                "--cloud-provider=shelf",
                f"--cloud-config={config}",
                f"--kubeconfig={sandbox.folder / 'manager.kubeconfig'}",
                "--configure-cloud-routes=false",
                "--secure-port=0",
            ],
            env={**sandbox.environment, "PYTHONPATH": str(installed)},
            stdout=log,
            stderr=subprocess.STDOUT,
        )
    kube = Kube(sandbox.info["api_server"], user_agent="test")

    def provider_ids():
        return [node["spec"].get("providerID") for node in kube.items("/api/v1/nodes")]

    try:
        tools.wait_for(lambda: all(provider_ids()), what="the nodes")
        assert sorted(provider_ids()) == ["shelf://node-1", "shelf://node-2"]
        node = kube.get("/api/v1/nodes/node-1")
        assert node["metadata"]["labels"]["topology.kubernetes.io/zone"] == "attic"
        assert not node["spec"].get("taints")
    finally:
        manager.terminate()
        assert manager.wait(30) == 0, (tmp_path / "log").read_text()


def test_the_old_pair_can_be_wrapped(installed):
    code = "import old_pair; print(old_pair.instances_v2(None, None).instance_metadata_many([]))"
    ended = subprocess.run(
        [sys.executable, "-c", code], cwd=installed, capture_output=True, text=True
    )
    assert ended.stdout == "{}\n", ended.stderr
