"""Every distribution installs alone from its wheel, and installs only its own top-level name."""

import configparser
import fcntl
import pathlib
import shutil
import subprocess
import sys
import venv
import zipfile

import pytest

ROOT = pathlib.Path(__file__).parents[2]
DISTRIBUTIONS = {
    "cloudprovider": "cloudprovider",
    "controllers": "cloudprovider_controllers",
    "entrypoints/manager": "cloudprovider_manager",
    "entrypoints/sandbox": "cloudprovider_sandbox",
    "entrypoints/tools": "cloudprovider_tools",
    "providers/alicloud": "cloudprovider_alicloud",
    "providers/aws": "cloudprovider_aws",
}
#: The modules that a user of the distribution alone imports first.
ENTRY = {
    "cloudprovider": "cloudprovider.registry",
    "controllers": "cloudprovider_controllers.runtime.client",
    "entrypoints/manager": "cloudprovider_manager.main",
    "entrypoints/sandbox": "cloudprovider_sandbox.main",
    "entrypoints/tools": "cloudprovider_tools.main",
    "providers/alicloud": "cloudprovider_alicloud.provider",
    "providers/aws": "cloudprovider_aws",
}

pytestmark = [pytest.mark.packaging, pytest.mark.timeout(300)]


def pip(*args, python=sys.executable):
    command = [sys.executable, "-m", "pip", "--python", str(python), "-q", *map(str, args)]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stdout + result.stderr
    return result.stdout


@pytest.fixture(scope="session")
def wheels(tmp_path_factory, worker_id):
    """A folder with every distribution's wheel; all workers of a run share one."""
    base = tmp_path_factory.getbasetemp()
    folder = (base if worker_id == "master" else base.parent) / "wheels"
    with (folder.with_suffix(".lock")).open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not folder.exists():
            made = tmp_path_factory.mktemp("made")
            build(tmp_path_factory.mktemp("sources"), made)
            made.rename(folder)  # all of them, or none
    return folder


def build(sources, folder):
    """Build the wheels from a clean copy of the sources."""
    ignore = shutil.ignore_patterns("build", "*.egg-info", "__pycache__")
    for name in DISTRIBUTIONS:
        shutil.copytree(ROOT / name, sources / name, ignore=ignore)
    paths = [sources / name for name in DISTRIBUTIONS]
    pip("wheel", "--no-deps", "--no-build-isolation", "-w", folder, *paths)


def project(name):
    config = configparser.ConfigParser()
    config.read(ROOT / name / "setup.cfg")
    return config["metadata"]["name"]


@pytest.mark.parametrize("name", DISTRIBUTIONS)
def test_the_wheel_holds_one_top_level_name_its_marker_and_its_licence(wheels, name):
    (wheel,) = wheels.glob(f"{project(name).replace('-', '_')}-[0-9]*.whl")
    files = zipfile.ZipFile(wheel).namelist()
    tops = {file.split("/")[0] for file in files if ".dist-info/" not in file}
    assert tops == {DISTRIBUTIONS[name]}
    assert f"{DISTRIBUTIONS[name]}/py.typed" in files
    assert any(file.endswith("licenses/LICENSE") for file in files)


@pytest.mark.parametrize("name", DISTRIBUTIONS)
def test_it_installs_alone_into_an_empty_environment(wheels, tmp_path, name):
    venv.create(tmp_path / "env", with_pip=False)
    python = tmp_path / "env" / "bin" / "python"
    constraints = ROOT / "constraints.txt"
    where = ("--find-links", wheels, "-c", constraints)
    pip("install", "--no-compile", *where, project(name), python=python)
    pip("check", python=python)
    subprocess.run([python, "-c", f"import {ENTRY[name]}"], check=True, cwd=tmp_path)
    listed = pip("list", "--format=freeze", python=python)
    ours = {line.split("==")[0] for line in listed.splitlines() if "cloudprovider" in line}
    providers = {"k8s-cloudprovider-alicloud", "k8s-cloudprovider-aws"}
    assert (ours & providers) <= {project(name)}, "a provider came along unasked"
