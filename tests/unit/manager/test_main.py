"""The command as a whole, as far as it ends before anything runs."""

import pytest

from cloudprovider_manager import command
from cloudprovider_manager.main import main
from cloudprovider_manager.release import version_info


def test_help_is_printed(capsys):
    assert main(["--help"]) == 0
    assert capsys.readouterr().out.startswith("Usage: cloud-controller-manager [flags]")


def test_the_version_is_printed(capsys):
    assert main(["--version"]) == 0
    assert capsys.readouterr().out.startswith("cloud-controller-manager v")


def test_the_raw_version_has_all_that_belongs_to_it(capsys):
    assert main(["--version=raw"]) == 0
    printed = capsys.readouterr().out.splitlines()
    assert printed == [f"{key}: {value}" for key, value in version_info().items()]


@pytest.mark.parametrize("argument", ["--version=v1.30.0", "--version=1"])
def test_the_version_cannot_be_changed(capsys, argument):
    assert main([argument]) == (0 if argument == "--version=1" else 1)
    error = capsys.readouterr().err
    assert ("the version that is reported cannot be changed" in error) is ("v1" in argument)


def test_a_version_that_is_not_asked_for_starts_the_manager(stub):
    assert command.read(["--cloud-provider=stub", "--version=false"]).options.version == ""


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
