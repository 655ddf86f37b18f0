"""The manager's process ends when it is asked to, and when its parent dies."""

import os
import signal
import subprocess
import sys
import textwrap

import psutil
import pytest

from cloudprovider.concurrency import current
from cloudprovider_sandbox.process import ManagerProcess, manager_command

STUBBORN = "import signal, time; signal.signal(15, lambda *_: None); print('up', flush=True)\n"


def started(tmp_path, code):
    process = ManagerProcess([sys.executable, "-c", code], environment={}, log=tmp_path / "log")
    process.start()
    return process


def wait_for(condition, seconds=10.0):
    deadline = current().monotonic() + seconds
    while not condition():
        assert current().monotonic() < deadline, "timed out"
        current().sleep(0.01)


def test_sigterm_ends_it_and_its_exit_code_is_known(tmp_path):
    code = "import signal, sys, time\nsignal.signal(15, lambda *_: sys.exit(0))\n"
    process = started(tmp_path, f"{code}print('up', flush=True)\ntime.sleep(60)")
    wait_for(lambda: process.log_tail() == ["up"])
    assert process.exit_code() is None
    assert process.stop() == 0


def test_one_that_does_not_listen_is_killed(tmp_path):
    process = started(tmp_path, f"{STUBBORN}\nwhile True: time.sleep(60)")
    wait_for(lambda: process.log_tail() == ["up"])
    assert process.stop(grace=0.1) == -signal.SIGKILL


def test_the_end_of_its_log_is_kept(tmp_path):
    process = started(tmp_path, "for i in range(50): print(i)\nraise SystemExit(3)")
    wait_for(lambda: process.exit_code() is not None)
    assert process.exit_code() == 3
    assert process.log_tail(2) == ["48", "49"]


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells children that a parent died")
def test_it_dies_with_a_parent_that_is_killed(tmp_path):
    script = textwrap.dedent(f"""
        import pathlib, sys, time
        from cloudprovider_sandbox.process import ManagerProcess
        log = pathlib.Path({str(tmp_path / "log")!r})
        child = ManagerProcess(
            [sys.executable, "-c", "import time; time.sleep(60)"], environment={{}}, log=log
        )
        child.start()
        print(child.pid, flush=True)
        time.sleep(60)
    """)
    parent = subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE)
    child = psutil.Process(int(parent.stdout.readline()))
    wait_for(lambda: "cloudprovider_sandbox._child" not in child.cmdline())
    os.kill(parent.pid, signal.SIGKILL)
    parent.wait()
    parent.stdout.close()
    wait_for(lambda: not child.is_running() or child.status() == psutil.STATUS_ZOMBIE)


def test_the_manager_is_started_as_in_production(tmp_path):
    command = manager_command(
        cloud_provider="alicloud",
        kubeconfig=tmp_path / "kubeconfig",
        cloud_config=tmp_path / "cloud-config.conf",
        port=1234,
    )
    assert command[:3] == [sys.executable, "-m", "cloudprovider_manager.main"]
    assert "--leader-elect=true" in command
    assert "--use-service-account-credentials=true" in command
