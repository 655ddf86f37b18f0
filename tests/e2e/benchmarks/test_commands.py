"""The benchmarks start; what they measure is never asserted."""

import pathlib
import subprocess
import sys

import pytest

ROOT = pathlib.Path(__file__).parents[3]

pytestmark = pytest.mark.e2e


@pytest.mark.parametrize(
    "name",
    ["all", "calls", "converge", "start", "takeover", "memory", "scale", "faults", "campaign"],
)
def test_the_command_explains_itself(name):
    command = [sys.executable, "-m", f"benchmarks.{name}", "--help"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=30)
    assert done.returncode == 0, done.stderr
    assert "usage:" in done.stdout
