"""The command as a whole, as far as it ends before anything runs."""

import pytest

from cloudprovider_manager.main import main
from cloudprovider_manager.release import version_info


def test_help_is_printed(capsys):
    assert main(["--help"]) == 0
    assert capsys.readouterr().out.startswith("Usage: cloud-controller-manager [flags]")


def test_the_version_is_printed(capsys):
    assert main(["--version"]) == 0
    assert capsys.readouterr().out.startswith("cloud-controller-manager v")


@pytest.mark.parametrize(
    ("arguments", "lines"),
    [
        ([], ["Error: --cloud-provider cannot be empty"]),
        (["--leader-elect=maybe"], ["Error: --leader-elect=maybe: not a boolean", "Error: --cl"]),
        (["run"], ["Error: takes no arguments, got 'run'", "Error: --cloud-provider"]),
    ],
)
def test_each_fault_is_one_line_and_the_exit_code_is_1(capsys, arguments, lines):
    assert main(arguments) == 1
    printed = capsys.readouterr().err.splitlines()
    assert len(printed) == len(lines) + 1
    for line, start in zip(printed, lines, strict=False):
        assert line.startswith(start)
    assert printed[-1] == "See cloud-controller-manager --help."


def test_version_info_has_kubernetes_fields():
    assert version_info()["gitVersion"].startswith("v")
