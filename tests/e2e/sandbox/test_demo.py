"""``cloud-sandbox demo`` plays and checks the life of a Service."""

import pathlib
import re
import signal
import subprocess

import psutil
import pytest

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(120)]


def demo(tools, environment, *arguments):
    return subprocess.run(
        [*tools.command, "demo", "--cloud-provider=alicloud", *arguments],
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=100,
    )


def steps(text):
    """Step, result and cloud calls of every line of the summary."""
    summary = text.rpartition("\nSTEP ")[2]
    pattern = r"^(\S.*?) {3,}(ok|failed) +[\d.]+ +(\d+) "
    return [(title, result, int(calls)) for title, result, calls in _found(pattern, summary)]


def _found(pattern, text):
    return re.findall(pattern, text, re.MULTILINE)


def test_every_step_holds_and_nothing_is_left(tools, environment):
    ended = demo(tools, environment)
    assert ended.returncode == 0, ended.stdout
    played = steps(ended.stdout)
    assert len(played) == 9, ended.stdout
    assert {result for _, result, _ in played} == {"ok"}
    assert "Traceback" not in ended.stdout
    assert not list(pathlib.Path(environment["TMPDIR"]).glob("cloud-sandbox-*"))
    readme = (tools.root / "README.md").read_text()
    shown = [(title, result) for title, result, _ in steps(readme)]
    assert shown == [(title, result) for title, result, _ in played], "run update_readme.py"


def test_a_step_that_does_not_hold_fails_the_demo_with_its_reason(tools, environment):
    ended = demo(
        tools,
        environment,
        "--nodes=1",
        "--timeout=10s",
        "--manager-arg=--controllers=-service-lb-controller,*",
    )
    assert ended.returncode == 1
    assert steps(ended.stdout)[-1][1] == "failed"
    assert "0 load balancers of this Service, not 1" in ended.stdout


def test_it_can_be_interrupted_without_leftovers(tools, environment):
    process = subprocess.Popen(
        [*tools.command, "demo", "--cloud-provider=alicloud"],
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    for line in process.stdout:
        if line.startswith("3. "):
            break
    children = psutil.Process(process.pid).children()
    process.send_signal(signal.SIGTERM)
    process.communicate(timeout=40)
    assert process.returncode == 130
    assert len(children) == 1
    assert tools.ended(children[0])
