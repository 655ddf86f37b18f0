"""``cloudprovider list`` shows what is installed, and what is wrong with it."""

import importlib.metadata
import json
import sys

import pytest

from cloudprovider_tools.main import main


class Distribution:
    def __init__(self, name, version):
        self.name, self.version = name, version


@pytest.fixture
def installed(monkeypatch):
    """Replaces what is installed by (group, name, target, distribution) tuples."""
    found = []

    def entry_points(*, group, name=None):
        return [p for p in found if p.group == group and name in (None, p.name)]

    monkeypatch.setattr(importlib.metadata, "entry_points", entry_points)

    def install(name, target="json:loads", distribution="dist", group="cloudprovider.providers"):
        point = importlib.metadata.EntryPoint(name, target, group)
        vars(point)["dist"] = Distribution(distribution, "1.2")
        found.append(point)

    return install


def test_the_table_has_a_line_for_each_provider(installed, capsys):
    installed("alpha", distribution="k8s-alpha")
    installed("beta", distribution="k8s-beta")
    installed("beta", group="cloudprovider.emulators")
    assert main(["list"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].split() == ["NAME", "DISTRIBUTION", "VERSION", "EMULATOR", "PROBLEM"]
    assert lines[1].split() == ["alpha", "k8s-alpha", "1.2", "no"]
    assert lines[2].split() == ["beta", "k8s-beta", "1.2", "yes"]


def test_listing_loads_nothing(installed, capsys):
    installed("alpha", target="a_module_that_is_not_there:x")
    assert main(["list"]) == 0
    assert "a_module_that_is_not_there" not in sys.modules


def test_a_check_finds_what_cannot_be_loaded(installed, capsys):
    installed("alpha", target="a_module_that_is_not_there:x")
    installed("beta")
    assert main(["list", "--check", "-o", "json"]) == 1
    alpha, beta = json.loads(capsys.readouterr().out)
    assert "ModuleNotFoundError" in alpha["problem"]
    assert beta["problem"] == ""


def test_a_name_claimed_twice_is_a_problem(installed, capsys):
    installed("alpha", distribution="one")
    installed("alpha", distribution="two")
    assert main(["list", "--output=json"]) == 1
    rows = json.loads(capsys.readouterr().out)
    assert {row["distribution"] for row in rows} == {"one", "two"}
    assert all("uninstall all but one" in row["problem"] for row in rows)


def test_names_alone_are_for_scripts(installed, capsys):
    installed("beta")
    installed("alpha")
    assert main(["list", "-o", "name"]) == 0
    assert capsys.readouterr().out == "alpha\nbeta\n"


def test_nothing_installed_says_what_to_do(installed, capsys):
    assert main(["list"]) == 0
    assert "pip install" in capsys.readouterr().out


@pytest.mark.parametrize("arguments", [[], ["nonsense"], ["list", "-o", "xml"]])
def test_a_wrong_command_line_is_explained(arguments, capsys):
    with pytest.raises(SystemExit) as caught:
        main(arguments)
    assert caught.value.code == 2
    assert "usage: cloudprovider" in capsys.readouterr().err


def test_the_installed_alicloud_provider_is_listed(capsys):
    assert main(["list", "-o", "name"]) == 0
    assert "alicloud" in capsys.readouterr().out.splitlines()
