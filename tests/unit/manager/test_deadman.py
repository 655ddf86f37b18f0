"""A leader that does not renew its lease is ended by the kernel, even where it is stopped."""

import shutil
import signal
import subprocess
import sys

import pytest

from cloudprovider_manager import deadman

pytestmark = pytest.mark.skipif(
    not sys.platform.startswith("linux"), reason="a timer of Linux's kernel"
)

SLEEP = "import time; print('ready', flush=True); time.sleep(60)"


@pytest.fixture
def python():
    """Starts a Python that runs a text, and waits for its first line."""
    started = []

    def start(code, *before):
        process = subprocess.Popen(
            [*before, sys.executable, "-c", code],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        started.append(process)
        assert process.stdout.readline() == "ready\n"
        return process

    yield start
    for process in started:
        process.kill()
        process.stdout.close()
        process.wait()


def armed(*seconds):
    calls = "".join(f"timer.arm({value})\n" for value in seconds)
    return f"from cloudprovider_manager.deadman import Deadman\ntimer = Deadman()\n{calls}"


@pytest.mark.parametrize("seconds", [0.05, 0, -3])
def test_it_kills_a_process_that_does_not_arm_it_anew(python, seconds):
    code = f"print('ready', flush=True)\n{armed(seconds)}{SLEEP}"
    assert python(code).wait(20) == -signal.SIGKILL


def test_it_kills_a_process_that_is_stopped(python):
    process = python(f"{armed(1)}{SLEEP}")
    process.send_signal(signal.SIGSTOP)
    assert process.wait(20) == -signal.SIGKILL


def test_armed_anew_or_disarmed_it_lets_the_process_live(python):
    code = f"{armed(0.2, 60, 0.2)}timer.disarm()\nimport time; time.sleep(0.5)\nprint('ready')"
    assert python(code).wait(20) == 0


def test_where_there_is_no_such_timer_there_is_none(monkeypatch, caplog):
    monkeypatch.setattr(sys, "platform", "darwin")
    with caplog.at_level("INFO"):
        assert deadman.create() is None
    assert "only on Linux" in caplog.text


class TestFirstProcessOfAContainer:
    """The kernel protects PID 1 from SIGKILL: it becomes a parent that waits."""

    @pytest.fixture
    def inside(self, python):
        """Starts ``leave_pid_1`` in a PID namespace of its own."""
        unshare = shutil.which("unshare")
        new = [unshare, "--pid", "--fork", "--kill-child"] if unshare else []
        if not new or subprocess.run([*new, "true"], capture_output=True).returncode:
            pytest.skip("no PID namespace can be made here")

        def start(body):
            code = (
                "import os, sys, time\n"
                "from cloudprovider_manager.deadman import Deadman, leave_pid_1\n"
                f"def run():\n    {body}\n"
                "assert os.getpid() == 1\n"
                "sys.exit(leave_pid_1(run))"
            )
            return python(code, *new)

        return start

    def test_the_timer_ends_it_and_its_parent_says_so(self, inside):
        process = inside("Deadman().arm(0.05); print('ready', flush=True); time.sleep(60)")
        assert process.wait(20) == 128 + signal.SIGKILL
        assert "did not renew its lease in time" in process.stdout.read()

    def test_its_exit_code_is_that_of_the_work(self, inside):
        assert inside("print('ready', flush=True); return 7").wait(20) == 7

    def test_signals_are_handed_on_and_orphans_collected(self, inside, tmp_path):
        body = (
            "import signal, subprocess; signal.signal(signal.SIGTERM, lambda *_: os._exit(3)); "
            "subprocess.run(['sh', '-c', 'true & exit']); "
            "print('ready', flush=True); os.kill(1, signal.SIGTERM); time.sleep(60)"
        )
        assert inside(body).wait(20) == 3
