"""Credentials that a program prints."""

import base64
import datetime
import json
import sys

import pytest

from cloudprovider.concurrency import current
from cloudprovider_controllers.runtime.credentials import CredentialError, ExecCredentials
from cloudprovider_controllers.runtime.kubeconfig import ClusterConfig, ExecConfig, Pem

V1 = "client.authentication.k8s.io/v1"


SCRIPT = """
import json, os, pathlib, sys
runs = pathlib.Path(sys.argv[1])
count = int(runs.read_text()) + 1 if runs.exists() else 1
runs.write_text(str(count))
answers = json.loads(os.environ["ANSWERS"])
answer = answers[min(count, len(answers)) - 1]
if "exit" in answer:
    sys.exit(answer["exit"])
info = json.loads(os.environ["KUBERNETES_EXEC_INFO"])
pathlib.Path(sys.argv[1] + ".info").write_text(json.dumps(info))
version = answer.pop("version", info["apiVersion"])
print(json.dumps({"apiVersion": version, "kind": "ExecCredential", "status": answer}))
"""


@pytest.fixture
def plugin(tmp_path):
    """Credentials from a plugin that gives these answers one after the other."""

    def make(*answers, **fields):
        script = tmp_path / "plugin.py"
        script.write_text(SCRIPT)
        config = ExecConfig(
            command=sys.executable,
            args=("-S", "-I", str(script), str(tmp_path / "runs")),
            env={"ANSWERS": json.dumps(answers)},
            **fields,
        )
        cluster = ClusterConfig("https://api:1", ca=Pem(data=b"CA"), tls_server_name="k")
        return ExecCredentials(cluster, config)

    return make


@pytest.fixture
def runs(tmp_path):
    return lambda: int((tmp_path / "runs").read_text())


def test_a_plugin_is_run_once_until_its_credential_expires(virtually, plugin, runs):
    def main():
        expiry = (current().now() + datetime.timedelta(seconds=100)).isoformat()
        found = plugin({"token": "one", "expirationTimestamp": expiry}, {"token": "two"})
        assert found.authorization() == found.authorization() == "Bearer one"
        current().sleep(89)
        assert found.authorization() == "Bearer one"
        assert runs() == 1
        current().sleep(2)
        assert found.authorization() == "Bearer two"
        assert runs() == 2

    virtually(main)


def test_a_plugin_is_run_again_when_refused_but_not_for_every_refusal(virtually, plugin, runs):
    def main():
        found = plugin({"token": "one"}, {"token": "two"})
        found.authorization()
        assert not found.refresh("Bearer one")  # it only just ran
        current().sleep(10)
        assert found.refresh("Bearer one")
        assert found.refresh("Bearer one")  # another thread's refusal
        assert found.authorization() == "Bearer two"
        assert runs() == 2

    virtually(main)


def test_a_plugin_may_give_a_client_certificate(virtually, plugin):
    def main():
        found = plugin({"clientCertificateData": "CERT", "clientKeyData": "KEY"})
        assert found.authorization() == ""
        pair = found.key_pair()
        assert (pair.certificate.data, pair.key.data) == (b"CERT", b"KEY")
        assert "KEY" not in repr(pair)

    virtually(main)


@pytest.mark.parametrize("version", [V1, f"{V1}beta1"])
def test_what_a_plugin_is_told(virtually, plugin, tmp_path, version):
    def main():
        plugin({"token": "t"}, api_version=version, provide_cluster_info=True).authorization()
        info = json.loads((tmp_path / "runs.info").read_text())
        cluster = {
            "server": "https://api:1",
            "tls-server-name": "k",
            "certificate-authority-data": base64.b64encode(b"CA").decode(),
        }
        spec = {"interactive": False, "cluster": cluster}
        assert info == {"apiVersion": version, "kind": "ExecCredential", "spec": spec}

    virtually(main)


@pytest.mark.parametrize(
    ("answer", "says"),
    [
        ({"exit": 3}, "exit code 3"),
        ({}, "neither token nor client certificate"),
        ({"token": "s3cret s3cret"}, "not a bearer token"),
        ({"token": ["s3cret"]}, "printed no ExecCredential"),
        ({"token": "s3cret", "clientKeyData": "s3cret"}, "half of a client certificate"),
        ({"token": "s3cret", "version": "v0"}, "printed no ExecCredential of"),
    ],
)
def test_a_plugin_that_fails(virtually, plugin, answer, says):
    def main():
        with pytest.raises(CredentialError, match=says) as caught:
            plugin(answer).authorization()
        assert "s3cret" not in str(caught.value)

    virtually(main)


def test_a_plugin_that_is_not_there(tmp_path):
    config = ExecConfig(command=str(tmp_path / "gone"), install_hint="brew install gone")
    with pytest.raises(CredentialError, match="gone: not found: brew install gone"):
        ExecCredentials(ClusterConfig("https://x"), config).authorization()
