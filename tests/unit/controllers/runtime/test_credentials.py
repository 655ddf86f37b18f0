"""Credentials that change: token files, exec plugins, tokens of ServiceAccounts."""

import base64
import datetime
import json
import sys

import pytest

from cloudprovider.concurrency import current
from cloudprovider_controllers.runtime.client import Client
from cloudprovider_controllers.runtime.clientbuilder import (
    ClientOptions,
    DynamicClientBuilder,
    SimpleClientBuilder,
    user_agent,
)
from cloudprovider_controllers.runtime.credentials import (
    CredentialError,
    ExecCredentials,
    TokenFile,
    credentials,
)
from cloudprovider_controllers.runtime.errors import Forbidden
from cloudprovider_controllers.runtime.kubeconfig import ClusterConfig, ExecConfig, Pem
from cloudprovider_controllers.runtime.transport import TransportError

V1 = "client.authentication.k8s.io/v1"


# -- fixed ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("fields", "header"),
    [
        ({"token_file": "token", "token": "given"}, "Bearer from-file"),
        ({"token": "given", "username": "me"}, "Bearer given"),
        ({"username": "me", "password": "p:w"}, "Basic bWU6cDp3"),
        ({}, ""),
    ],
    ids=["token file", "token", "password", "none"],
)
def test_which_credential_is_used(tmp_path, monkeypatch, fields, header):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "token").write_text("from-file\n")
    assert credentials(ClusterConfig("https://x", **fields), None).authorization() == header


def test_a_token_source_replaces_everything():
    class Source:
        def token(self):
            return "other"

        def refresh(self, refused):
            return refused == "other"

    config = ClusterConfig(
        "https://x", token="t", client_certificate=Pem(data=b"c"), client_key=Pem(data=b"k")
    )
    found = credentials(config, Source())
    assert found.authorization() == "Bearer other"
    assert found.key_pair() is None
    assert found.refresh("Bearer other")


# -- token files ---------------------------------------------------------------------------------


def test_a_token_file_is_read_again_after_a_minute(virtually, tmp_path):
    def main():
        path = tmp_path / "token"
        path.write_text("one\n")
        source = TokenFile(str(path))
        assert source.token() == "one"
        path.write_text("two")
        current().sleep(59)
        assert source.token() == "one"
        current().sleep(1)
        assert source.token() == "two"

    virtually(main)


def test_a_refused_token_is_read_again_at_once(virtually, tmp_path):
    def main():
        path = tmp_path / "token"
        path.write_text("one")
        source = TokenFile(str(path))
        source.token()
        assert not source.refresh("one")
        path.write_text("two")
        assert source.refresh("one")
        assert source.refresh("one")  # another thread, refused with the same token
        assert source.token() == "two"

    virtually(main)


@pytest.mark.parametrize("broken", [None, "", "two words", "line\nbreak", "\x00"])
def test_a_file_in_mid_rotation_leaves_the_old_token(virtually, tmp_path, broken, caplog):
    def main():
        path = tmp_path / "token"
        path.write_text("one")
        source = TokenFile(str(path))
        source.token()
        path.unlink() if broken is None else path.write_text(broken)
        current().sleep(60)
        assert source.token() == "one"
        assert "using the last one" in caplog.text
        if broken:
            assert broken not in caplog.text

    virtually(main)


@pytest.mark.parametrize("content", [None, "", "s3cret s3cret", "s3cret\ns3cret", "s3crét"])
def test_without_any_token_there_is_a_clear_error(virtually, tmp_path, content):
    def main():
        path = tmp_path / "token"
        if content is not None:
            path.write_text(content)
        with pytest.raises(CredentialError) as caught:
            TokenFile(str(path)).token()
        assert str(path) in str(caught.value)
        assert "s3cr" not in str(caught.value)
        assert caught.value.__cause__ is None

    virtually(main)


# -- exec plugins --------------------------------------------------------------------------------

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


# -- client builders -----------------------------------------------------------------------------


class Factory:
    """Makes scripted transports and remembers for whom."""

    def __init__(self, transport):
        self.transport = transport
        self.made = []

    def __call__(self, *, user_agent, tokens=None):
        self.made.append((user_agent, tokens))
        return self.transport


OPTIONS = ClientOptions(user_agent="ccm/1", qps=0)


def test_the_simple_builder_only_changes_the_user_agent(scripted, answer):
    factory = Factory(scripted(answer()))
    builder = SimpleClientBuilder(factory, OPTIONS)
    assert builder.client("service-controller") is not builder.client("service-controller")
    assert factory.made == [("ccm/1/service-controller", None)] * 2


def test_user_agent_like_go():
    assert user_agent("ccm", "v1.2").startswith("ccm/v1.2 (linux/")


def token_answer(answer, name, seconds):
    expires = current().now() + datetime.timedelta(seconds=seconds)
    return answer(201, {"status": {"token": name, "expirationTimestamp": expires.isoformat()}})


def dynamic(factory, root_transport):
    return DynamicClientBuilder(factory, OPTIONS, root=Client(root_transport, qps=0))


def test_the_dynamic_builder_uses_a_service_account_each(virtually, scripted, answer):
    def main():
        def root_answer(request):
            if request["method"] == "POST":
                return token_answer(answer, f"t{len(root.requests)}", 3600)
            return answer()

        root = scripted(root_answer)
        factory = Factory(scripted(answer()))
        builder = dynamic(factory, root)
        builder.client("node-controller")
        builder.client("node-controller")
        (agent, tokens), (_, again) = factory.made
        assert agent == "ccm/1/system:serviceaccount:kube-system:node-controller"
        assert tokens is again
        assert tokens.token() == tokens.token() == "t4"
        post = root.requests[-1]
        assert post["body"]["spec"] == {"expirationSeconds": 3600}
        current().sleep(0.8 * 3600 - 1)
        assert tokens.token() == "t4"
        current().sleep(2)
        assert tokens.token() != "t4"

    virtually(main)


def test_a_missing_account_and_namespace_are_made(virtually, scripted, answer, refusal):
    def main():
        gone = refusal(404, "NotFound")
        root = scripted(gone, gone, answer(201), answer(201))
        dynamic(Factory(None), root).client("node-controller")
        assert [(r["method"], r["path"].rpartition("/")[2]) for r in root.requests] == [
            ("GET", "node-controller"),
            ("GET", "kube-system"),
            ("POST", "namespaces"),
            ("POST", "serviceaccounts"),
        ]

    virtually(main)


def test_an_account_made_meanwhile_is_fine(virtually, scripted, answer, refusal):
    def main():
        exists = refusal(409, "AlreadyExists")
        root = scripted(refusal(404, "NotFound"), answer(), exists, answer())
        dynamic(Factory(None), root).client("node-controller")
        assert len(root.requests) == 4

    virtually(main)


def test_troubles_with_the_namespace_are_left_to_the_account(virtually, scripted, answer, refusal):
    def main():
        root = scripted(refusal(404, "NotFound"), refusal(403, "Forbidden"), answer(201))
        dynamic(Factory(None), root).client("node-controller")
        root = scripted(refusal(404, "NotFound"), refusal(403, "Forbidden"))
        with pytest.raises(Forbidden):
            dynamic(Factory(None), root).client("node-controller")

    virtually(main)


def built(scripted, *answers):
    """Tokens of a builder whose account exists; ``answers`` are those of the requests after."""
    factory = Factory(None)
    root = scripted(*answers)
    dynamic(factory, root).client("c")
    return factory.made[0][1], root


def test_a_token_is_asked_for_four_times(virtually, scripted, answer, refusal):
    def main():
        tokens, root = built(scripted, answer(), refusal(500))
        with pytest.raises(CredentialError):
            tokens.token()
        assert current().monotonic() == 3.5
        assert len(root.requests) == 1 + 4

    virtually(main)


def test_an_old_token_is_used_while_it_lasts(virtually, scripted, answer):
    def main():
        broken = []

        def root_answer(request):
            if broken:
                return TransportError("down")
            if request["method"] == "POST":
                return token_answer(answer, "t", 3600)
            return answer()

        tokens, _ = built(scripted, root_answer)
        assert tokens.token() == "t"
        broken.append(True)
        current().sleep(3000)
        assert tokens.token() == "t"
        current().sleep(700)
        with pytest.raises(CredentialError):
            tokens.token()

    virtually(main)


def test_a_short_life_counts_as_ten_minutes(virtually, scripted, answer):
    def main():
        def root_answer(request):
            if request["method"] == "POST":
                return token_answer(answer, f"t{len(root.requests)}", 30)
            return answer()

        tokens, root = built(scripted, root_answer)
        first = tokens.token()
        current().sleep(479)
        assert tokens.token() == first
        current().sleep(2)
        assert tokens.token() != first

    virtually(main)


def test_a_refused_token_is_renewed_but_not_for_every_refusal(virtually, scripted, answer):
    def main():
        def root_answer(request):
            if request["method"] == "POST":
                return token_answer(answer, f"t{len(root.requests)}", 3600)
            return answer()

        tokens, root = built(scripted, root_answer)
        first = tokens.token()
        assert not tokens.refresh(first)
        current().sleep(10)
        assert tokens.refresh(first)
        assert tokens.refresh(first)
        assert tokens.token() != first

    virtually(main)
