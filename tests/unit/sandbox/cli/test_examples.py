"""The manifests that users copy are valid, and the manager accepts their arguments."""

import pathlib
import re

import pytest
import yaml

EXAMPLES = pathlib.Path(__file__).parents[4] / "examples"
#: Without the file for --config, which is no object of Kubernetes.
MANIFESTS = sorted(path for path in EXAMPLES.rglob("*.yaml") if path.parent.name != "manager")


def documents(path):
    return [document for document in yaml.safe_load_all(path.read_text()) if document]


def names(path):
    return str(path.relative_to(EXAMPLES))


@pytest.mark.parametrize("path", MANIFESTS, ids=names)
def test_every_document_names_its_kind(path):
    for document in documents(path):
        assert document["apiVersion"]
        assert document["kind"]
        assert document["metadata"]["name"]


@pytest.mark.parametrize("path", sorted(EXAMPLES.rglob("daemonset.yaml")), ids=names)
def test_the_manager_accepts_the_arguments(path, tmp_path):
    command = pytest.importorskip("cloudprovider_manager.command")
    pytest.importorskip("cloudprovider_alicloud.provider")
    (daemonset,) = documents(path)
    (container,) = daemonset["spec"]["template"]["spec"]["containers"]
    program, *arguments = [*container["command"], *container.get("args", [])]
    assert program.rpartition("/")[2] == "cloud-controller-manager"
    (tmp_path / "file").touch()
    # The files that the manifest mounts are not on this machine.
    options = command.read(
        [re.sub("=/etc/.*", f"={tmp_path}/file", argument) for argument in arguments]
    ).options
    assert options.cloud_provider == "alicloud"
    assert options.leader_elect


def test_the_manager_accepts_the_file_of_flags(tmp_path):
    command = pytest.importorskip("cloudprovider_manager.command")
    pytest.importorskip("cloudprovider_alicloud.provider")
    (tmp_path / "cloud.conf").touch(mode=0o600)
    text = (EXAMPLES / "manager" / "configuration.yaml").read_text()
    path = tmp_path / "manager.yaml"
    # The file that it names is not on this machine.
    path.write_text(re.sub("/etc/.*", f"{tmp_path}/cloud.conf", text))
    asked = command.read([f"--config={path}", "--strict-flags"])
    assert asked.warnings == ()
    written = set(yaml.safe_load(text)) - {"apiVersion", "kind"}
    assert asked.options.given == written | {"config", "strict-flags"}
    assert asked.options.provider_options == {"sg-batch-size": 20}


@pytest.mark.parametrize("path", sorted(EXAMPLES.rglob("daemonset.yaml")), ids=names)
def test_it_runs_on_nodes_that_are_not_initialised_yet(path):
    (daemonset,) = documents(path)
    tolerations = daemonset["spec"]["template"]["spec"]["tolerations"]
    key = "node.cloudprovider.kubernetes.io/uninitialized"
    assert any(t.get("key") == key or t == {"operator": "Exists"} for t in tolerations)


def test_the_recommended_manifests_hold_no_credential_outside_the_secret():
    for path in (EXAMPLES / "alicloud" / "current").glob("*.yaml"):
        for document in documents(path):
            if document["kind"] == "ConfigMap":
                assert "accessKey" not in str(document)
