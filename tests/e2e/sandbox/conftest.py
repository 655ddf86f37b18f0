"""Runs the real command, isolated from other sandboxes of this machine."""

import json
import os
import pathlib
import re
import shutil
import subprocess
import sys

import psutil
import pytest

from cloudprovider.concurrency import current

ROOT = pathlib.Path(__file__).parents[3]
COMMAND = [sys.executable, "-m", "cloudprovider_sandbox.main", "--no-color"]


def wait_for(condition, *, seconds=20.0, what="it"):
    """Poll until ``condition()`` is true and return what it said."""
    deadline = current().monotonic() + seconds
    while not (found := condition()):
        assert current().monotonic() < deadline, f"{what}: not within {seconds:.0f} s"
        current().sleep(0.05)
    return found


class Running:
    """``cloud-sandbox up`` as a process."""

    def __init__(self, folder, *arguments, environment):
        self.folder = folder
        self.environment = environment
        self._log = folder.with_suffix(".out")
        with self._log.open("wb") as log:
            self.process = subprocess.Popen(
                [*COMMAND, "up", "--cloud-provider=alicloud", f"--dir={folder}", *arguments],
                env={**environment, "PYTHONUNBUFFERED": "1"},
                stdout=log,
                stderr=subprocess.STDOUT,
            )

    @property
    def output(self):
        """What it printed so far."""
        return self._log.read_text()

    def wait_until_ready(self):
        def ready():
            assert self.process.poll() is None, f"ended early: {self.output}"
            return "Ctrl-C ends the sandbox." in self.output

        wait_for(ready, seconds=30, what="the sandbox")
        return self

    @property
    def info(self):
        return json.loads((self.folder / "sandbox.json").read_text())

    def run(self, *arguments, check=True):
        """Another command of ours, on this sandbox."""
        return subprocess.run(
            [*COMMAND, *arguments],
            env=self.environment,
            check=check,
            capture_output=True,
            text=True,
            timeout=30,
        )

    def inventory(self, owner):
        items = json.loads(self.run("inventory", "--json").stdout)
        return [item for item in items if item.get("owner") == owner]

    def end(self, number=None):
        """Send a signal if one is given, and wait; the exit code."""
        if number is not None:
            self.process.send_signal(number)
        return self.process.wait(timeout=40)

    def close(self):
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()


@pytest.fixture(scope="module")
def environment(tmp_path_factory):
    """An environment with a temporary folder of its own: other sandboxes are not found."""
    temporary = tmp_path_factory.mktemp("tmp")
    path = os.pathsep.join([str(pathlib.Path(sys.executable).parent), os.environ["PATH"]])
    return {**os.environ, "TMPDIR": str(temporary), "PATH": path, "HOME": str(temporary)}


@pytest.fixture
def start(tmp_path, environment):
    """Starts sandboxes that end with the test."""
    started = []

    def start_one(*arguments):
        running = Running(tmp_path / f"sandbox-{len(started)}", *arguments, environment=environment)
        started.append(running)
        return running

    yield start_one
    for running in started:
        running.close()


@pytest.fixture(scope="session")
def kubectl():
    """The real kubectl."""
    path = shutil.which("kubectl")
    if path is None:
        pytest.skip("no kubectl on PATH: install kubectl 1.32 or newer")
    version = subprocess.run([path, "version", "--client"], capture_output=True, text=True)
    match = re.search(r"v1\.(\d+)", version.stdout)
    if match is None or int(match[1]) < 32:
        pytest.skip(f"kubectl is too old: {version.stdout.splitlines()[:1]}; 1.32 is the oldest")
    return path


def managers(pid):
    """Processes below ``pid`` that are managers."""
    try:
        children = psutil.Process(pid).children(recursive=True)
    except psutil.NoSuchProcess:
        return []
    return [child for child in children if "cloudprovider_manager.main" in child.cmdline()]


def ended(process):
    """Whether ``process`` does not run any more, reaped or not."""
    return not process.is_running() or process.status() == psutil.STATUS_ZOMBIE


@pytest.fixture
def tools():
    """The functions of this module."""

    class Tools:
        pass

    for function in (wait_for, managers, ended):
        setattr(Tools, function.__name__, staticmethod(function))
    Tools.root = ROOT
    Tools.command = COMMAND
    return Tools
