"""The sandbox's folder, and finding the one that runs."""

import os
import stat
import subprocess
import sys
import tempfile

import pytest

from cloudprovider_sandbox import files
from cloudprovider_sandbox.files import NoSandbox, SandboxInfo


@pytest.fixture(autouse=True)
def own_temporary_folder(tmp_path, monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))


def announced(folder, pid):
    made = files.create_folder(folder)
    info = SandboxInfo(cloud_provider="fake", dir=str(made.folder), pid=pid, admin="http://x")
    files.announce(made, info)
    return info


def ended_pid():
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()
    return process.pid


def test_a_running_sandbox_is_found_without_its_folder(tmp_path):
    info = announced(tmp_path / "one", os.getpid())
    assert files.find() == info


def test_a_running_sandbox_is_found_by_its_folder(tmp_path):
    info = announced(tmp_path / "one", os.getpid())
    assert files.find(tmp_path / "one") == info


def test_the_newest_one_is_taken(tmp_path):
    old = announced(tmp_path / "old", os.getppid())
    new = announced(tmp_path / "new", os.getpid())
    pointers = files._pointers()
    os.utime(pointers / str(old.pid), (1, 1))
    assert files.find() == new


def test_one_that_was_killed_is_not_found(tmp_path):
    announced(tmp_path / "one", ended_pid())
    with pytest.raises(NoSandbox, match="cloud-sandbox up"):
        files.find()


def test_one_that_ended_is_not_found(tmp_path):
    files.retract(announced(tmp_path / "one", os.getpid()))
    with pytest.raises(NoSandbox):
        files.find()


def test_a_folder_without_sandbox_is_named(tmp_path):
    with pytest.raises(NoSandbox, match=str(tmp_path)):
        files.find(tmp_path)


def test_files_with_credentials_are_for_their_owner_alone(tmp_path):
    made = files.create_folder(tmp_path / "one")
    files.write_private(made.kubeconfig, "secret")
    assert stat.S_IMODE(made.kubeconfig.stat().st_mode) == 0o600
    assert stat.S_IMODE(made.folder.stat().st_mode) == 0o700
