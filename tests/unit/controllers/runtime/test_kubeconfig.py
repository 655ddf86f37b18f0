"""Kubeconfig files and in-cluster files: what is read, and what errors say."""

import base64
import pathlib

import pytest
import yaml

from cloudprovider_controllers.runtime.kubeconfig import (
    ClusterConfig,
    ConfigError,
    Pem,
    load_cluster_config,
)

SECRET = "s3cret-value"


def encoded(text):
    return base64.b64encode(text.encode()).decode()


@pytest.fixture
def write(tmp_path):
    """Write a kubeconfig whose cluster and user have the given fields; its path."""

    def make(cluster=None, user=None, **top):
        content = {
            "apiVersion": "v1",
            "kind": "Config",
            "current-context": "main",
            "contexts": [{"name": "main", "context": {"cluster": "c", "user": "u"}}],
            "clusters": [
                {"name": "other", "cluster": {"server": "https://other"}},
                {"name": "c", "cluster": {"server": "https://api:6443/", **(cluster or {})}},
            ],
            "users": [{"name": "u", "user": user or {}}],
            **top,
        }
        path = tmp_path / "config"
        path.write_text(yaml.safe_dump(content))
        return str(path)

    return make


def load(path):
    return load_cluster_config(path, None)


def test_the_current_context_counts(write):
    config = load(write())
    assert config == ClusterConfig(server="https://api:6443")
    assert config.host == "api:6443"


def test_every_field_of_a_cluster(write, tmp_path):
    (tmp_path / "ca.pem").write_text("CA")
    cluster = {
        "certificate-authority": "ca.pem",
        "tls-server-name": "kubernetes",
        "proxy-url": "http://u:p@proxy:3128",
        "disable-compression": True,
    }
    config = load(write(cluster))
    assert config.ca == Pem(path=str(tmp_path / "ca.pem"))
    assert config.tls_server_name == "kubernetes"
    assert config.proxy_url == "http://u:p@proxy:3128"


def test_data_wins_over_a_file(write, tmp_path):
    cluster = {"certificate-authority": "missing", "certificate-authority-data": encoded("CA")}
    assert load(write(cluster)).ca == Pem(data=b"CA")


def test_a_server_may_be_unverified(write):
    assert load(write({"insecure-skip-tls-verify": True})).insecure_skip_tls_verify


def test_every_kind_of_credential(write, tmp_path):
    (tmp_path / "token").write_text("t")
    user = {
        "client-certificate-data": encoded("CERT"),
        "client-key-data": encoded("KEY"),
        "token": SECRET,
        "tokenFile": "token",
        "username": "me",
        "password": SECRET,
        "as": "system:admin",
        "as-uid": "7",
        "as-groups": ["a", "b"],
        "as-user-extra": {"scopes": ["x", "y"]},
        "exec": {
            "apiVersion": "client.authentication.k8s.io/v1",
            "command": "./plugin",
            "args": ["--secret", SECRET],
            "env": [{"name": "KEY", "value": SECRET}],
            "installHint": "get it",
            "provideClusterInfo": True,
            "interactiveMode": "IfAvailable",
        },
    }
    config = load(write(user=user))
    assert (config.client_certificate, config.client_key) == (Pem(data=b"CERT"), Pem(data=b"KEY"))
    assert (config.token, config.token_file) == (SECRET, str(tmp_path / "token"))
    assert (config.username, config.password) == ("me", SECRET)
    assert config.impersonate.user == "system:admin"
    assert config.impersonate.uid == "7"
    assert config.impersonate.groups == ("a", "b")
    assert config.impersonate.extra == {"scopes": ("x", "y")}
    assert config.exec.command == str(tmp_path / "plugin")
    assert config.exec.args == ("--secret", SECRET)
    assert config.exec.env == {"KEY": SECRET}
    assert config.exec.provide_cluster_info
    assert SECRET not in repr(config)


def test_a_plugin_without_a_folder_is_looked_for_in_path(write):
    version = "client.authentication.k8s.io/v1beta1"
    config = load(write(user={"exec": {"apiVersion": version, "command": "aws"}}))
    assert (config.exec.command, config.exec.api_version) == ("aws", version)


def test_unknown_fields_and_nulls_are_no_problem(write):
    extra = [{"name": "x", "extension": {}}]
    path = write(user={"as-groups": None, "exec": None}, preferences=None, extensions=extra)
    assert load(path).impersonate.groups == ()


GROUP = "client.authentication.k8s.io"
V1 = f"{GROUP}/v1"


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ({"current-context": ""}, "current-context: not set"),
        ({"current-context": "gone"}, "contexts: there is none called 'gone'"),
        ({"clusters": None}, "clusters: there is none called 'c'"),
        ({"users": []}, "users: there is none called 'u'"),
        ({"contexts": {}}, "Expected `array | null`, got `object` - at `$.contexts`"),
        ({"cluster": {"server": ""}}, "clusters[c].server: not an http or https URL"),
        ({"cluster": {"server": "ftp://x"}}, "clusters[c].server: not an http or https URL"),
        ({"cluster": {"server": "https://x:port"}}, "clusters[c].server: not an http or https URL"),
        (
            {"cluster": {"certificate-authority": "gone.pem"}},
            "gone.pem: No such file or directory",
        ),
        (
            {"cluster": {"certificate-authority-data": "!!!"}},
            "clusters[c].certificate-authority-data: not base64",
        ),
        (
            {
                "cluster": {
                    "certificate-authority-data": encoded("x"),
                    "insecure-skip-tls-verify": True,
                }
            },
            "clusters[c].insecure-skip-tls-verify: not with a CA certificate",
        ),
        ({"user": {"token": 12345}}, "Expected `str`, got `int` - at `$.users[0].user.token`"),
        ({"user": {"tokenFile": "gone"}}, "users[u].tokenFile"),
        (
            {"user": {"client-key-data": encoded("x")}},
            "users[u].client-certificate: needs both client-certificate and client-key",
        ),
        ({"user": {"auth-provider": {"name": "gcp"}}}, "users[u].auth-provider: not supported"),
        (
            {"user": {"exec": {"apiVersion": f"{GROUP}/v1alpha1", "command": "x"}}},
            "users[u].exec.apiVersion: only",
        ),
        ({"user": {"exec": {"apiVersion": V1}}}, "missing required field `command`"),
        ({"user": {"exec": {"apiVersion": V1, "command": ""}}}, "users[u].exec.command: empty"),
        (
            {"user": {"exec": {"apiVersion": V1, "command": "x", "interactiveMode": "Always"}}},
            "users[u].exec.interactiveMode: there is no terminal",
        ),
        ({"user": {"as-groups": ["x"]}}, "users[u].as: needed with"),
    ],
)
def test_errors_name_the_file_and_the_field(write, arguments, says):
    path = write(arguments.pop("cluster", None), arguments.pop("user", None), **arguments)
    with pytest.raises(ConfigError) as caught:
        load(path)
    assert str(caught.value).startswith(f"kubeconfig {path}: ")
    assert says in str(caught.value)


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"token: s3cret-value: x\n  - : [", "not YAML at line 1"),
        (b"a: b\ntoken: 's3cret-value", "not YAML"),
        (b"\xff\xfe\x00s3cret-value", "not UTF-8 text"),
        (b"[s3cret-value]", "Expected `object`, got `array`"),
        (b"", "current-context: not set"),
        (b"!!python/object/apply:os.system ['s3cret-value']", "not YAML"),
    ],
)
def test_errors_never_quote_the_file(tmp_path, content, says):
    path = tmp_path / "config"
    path.write_bytes(content)
    with pytest.raises(ConfigError) as caught:
        load(str(path))
    assert says in str(caught.value)
    assert SECRET not in str(caught.value)
    assert caught.value.__cause__ is None


def test_a_byte_order_mark_is_no_problem(write):
    path = write()
    file = pathlib.Path(path)
    file.write_bytes(b"\xef\xbb\xbf" + file.read_bytes())
    assert load(path).server == "https://api:6443"


def test_a_missing_file(tmp_path):
    with pytest.raises(ConfigError, match="gone: No such file or directory"):
        load(str(tmp_path / "gone"))


# -- master and in-cluster -----------------------------------------------------------------------


def test_master_overrides_the_server_of_the_file(write):
    config = load_cluster_config(write(user={"token": "t"}), "https://else:1")
    assert (config.server, config.token) == ("https://else:1", "t")


def test_master_alone_goes_without_credentials():
    assert load_cluster_config("", "127.0.0.1:8080") == ClusterConfig(
        server="http://127.0.0.1:8080"
    )


def test_a_master_that_is_no_url():
    with pytest.raises(ConfigError, match="--master: not an http or https URL"):
        load_cluster_config(None, "https://")


ENVIRON = {"KUBERNETES_SERVICE_HOST": "10.0.0.1", "KUBERNETES_SERVICE_PORT": "443"}


@pytest.mark.parametrize(
    ("host", "server"), [("10.0.0.1", "https://10.0.0.1:443"), ("fd00::1", "https://[fd00::1]:443")]
)
def test_in_a_cluster(tmp_path, host, server):
    for name in ("token", "ca.crt", "namespace"):
        (tmp_path / name).write_text(f"{name}\n")
    environ = {**ENVIRON, "KUBERNETES_SERVICE_HOST": host}
    config = load_cluster_config(environ=environ, account=str(tmp_path))
    assert config.server == server
    assert config.token_file == str(tmp_path / "token")
    assert config.ca == Pem(path=str(tmp_path / "ca.crt"))
    assert config.namespace == "namespace"


@pytest.mark.parametrize("environ", [{}, ENVIRON], ids=["no environment", "no token"])
def test_outside_of_a_cluster(tmp_path, environ):
    with pytest.raises(ConfigError) as caught:
        load_cluster_config(None, None, environ=environ, account=str(tmp_path))
    assert str(caught.value).startswith(
        "invalid configuration: no configuration has been provided, try setting "
        "KUBERNETES_MASTER environment variable"
    )
