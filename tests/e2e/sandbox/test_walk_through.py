"""What README and examples tell users to type works, word for word, with the real kubectl."""

import os
import re
import subprocess

import pytest

pytestmark = pytest.mark.e2e


def block(text, name):
    """The commands between two markers."""
    pattern = f"<!-- {name}: begin -->\n```sh\n(.*?)```\n<!-- {name}: end -->"
    return re.search(pattern, text, re.DOTALL)[1]


def shell(script, sandbox, cwd):
    environment = {**sandbox.environment, "KUBECONFIG": str(sandbox.folder / "kubeconfig")}
    return subprocess.run(
        ["bash", "-exuo", "pipefail", "-c", script],
        cwd=cwd,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=50,
    )


def test_the_walk_through_of_the_readme(start, tools, kubectl):
    sandbox = start().wait_until_ready()
    script = block((tools.root / "README.md").read_text(), "walk-through")
    ended = shell(script, sandbox, tools.root)
    assert ended.returncode == 0, ended.stdout
    text = ended.stdout
    assert text.count("Ready ") == 3
    assert re.search(r"nginx-example +LoadBalancer +\S+ +\d+\.\d+\.\d+\.\d+ +80:", text)
    assert re.search(r"nginx-example +LoadBalancer +\S+ +\S+ +8080:\d+/TCP,443:", text)
    assert "EnsuredLoadBalancer" in text
    owner = "default/nginx-example"
    tools.wait_for(lambda: not sandbox.inventory(owner), what="an empty cloud")


def test_the_commands_that_up_suggests_work(start, tools, kubectl):
    sandbox = start("--nodes=2").wait_until_ready()
    suggested = re.findall(r"^  (\S.*)$", sandbox.output, re.MULTILINE)
    assert suggested[0] == f"export KUBECONFIG={os.path.realpath(sandbox.folder)}/kubeconfig"
    ended = shell("\n".join(suggested[:-1]), sandbox, tools.root)
    assert ended.returncode == 0, ended.stdout
    tools.wait_for(lambda: sandbox.inventory("default/nginx-example"), what="a load balancer")


def test_the_examples_can_be_applied(start, tools, kubectl):
    sandbox = start("--nodes=2").wait_until_ready()
    examples = tools.root / "examples"
    folders = sorted({path.parent for path in examples.rglob("*.yaml")})
    manifests = [path for path in folders if path != examples / "manager"]  # that one holds flags
    assert len(manifests) == 5
    for folder in manifests:
        ended = shell(f"kubectl apply -f {folder}", sandbox, tools.root)
        assert ended.returncode == 0, ended.stdout
    for name in ("nginx", "nginx-example"):
        wait = (
            f"kubectl wait --for=jsonpath='{{.status.loadBalancer.ingress[0].ip}}' service/{name}"
        )
        ended = shell(wait, sandbox, tools.root)
        assert ended.returncode == 0, ended.stdout
    (balancer,) = (i for i in sandbox.inventory("default/nginx") if i["kind"] == "load balancer")
    assert balancer["details"]["type"] == "intranet"
