"""Where the API server is and how to prove who we are: kubeconfig files and the in-cluster files.

A loader of our own: importing the official client for this costs 58 MiB. Credentials are read
here and used in :mod:`~cloudprovider_controllers.runtime.credentials`; neither ever prints them.
Source: ``spec/kubernetes-client.md`` 5, ``spec/ccm-core.md`` 4.2.
"""

from __future__ import annotations

import base64
import binascii
import dataclasses
import os
import pathlib
import urllib.parse
from collections.abc import Mapping
from typing import Any

import msgspec
import yaml

_ACCOUNT = "/var/run/secrets/kubernetes.io/serviceaccount"
_EXEC_VERSIONS = ("client.authentication.k8s.io/v1", "client.authentication.k8s.io/v1beta1")
_NO_CONFIGURATION = (
    "invalid configuration: no configuration has been provided, try setting "
    "KUBERNETES_MASTER environment variable (neither --kubeconfig nor --master is given, and this "
    "is no pod of a cluster)"
)


class ConfigError(Exception):
    """The configuration cannot be used. The text names the file and the field, never a value."""


@dataclasses.dataclass(frozen=True)
class Pem:
    """Certificates or a key: in a file (read anew when it changes) or given as bytes."""

    path: str = ""
    data: bytes = dataclasses.field(default=b"", repr=False)

    def __bool__(self) -> bool:
        return bool(self.path or self.data)


@dataclasses.dataclass(frozen=True)
class ExecConfig:
    """A command that prints credentials. ``env`` is added to ours."""

    command: str
    args: tuple[str, ...] = dataclasses.field(default=(), repr=False)
    env: Mapping[str, str] = dataclasses.field(default_factory=dict, repr=False)
    api_version: str = _EXEC_VERSIONS[0]
    install_hint: str = ""
    provide_cluster_info: bool = False


@dataclasses.dataclass(frozen=True)
class Impersonation:
    """Whom to act as; empty ``user`` means oneself."""

    user: str = ""
    uid: str = ""
    groups: tuple[str, ...] = ()
    extra: Mapping[str, tuple[str, ...]] = dataclasses.field(default_factory=dict)


@dataclasses.dataclass(frozen=True)
class ClusterConfig:
    """One API server and one identity.

    Of several credentials the first is used: token file, token, exec, user name and password.
    A client certificate is used besides.
    """

    server: str  #: URL, maybe with a path, without a slash at the end
    ca: Pem = Pem()  #: empty: the system's
    insecure_skip_tls_verify: bool = False
    tls_server_name: str = ""
    proxy_url: str = dataclasses.field(default="", repr=False)
    client_certificate: Pem = Pem()
    client_key: Pem = Pem()
    token_file: str = ""
    token: str = dataclasses.field(default="", repr=False)
    exec: ExecConfig | None = None
    username: str = ""
    password: str = dataclasses.field(default="", repr=False)
    impersonate: Impersonation = Impersonation()
    namespace: str = ""

    @property
    def host(self) -> str:
        """``host:port`` of the server; a label of metrics."""
        return urllib.parse.urlsplit(self.server).netloc.rpartition("@")[2]


def load_cluster_config(
    kubeconfig: str | None = None,
    master: str | None = None,
    *,
    environ: Mapping[str, str] | None = None,
    account: str = _ACCOUNT,
) -> ClusterConfig:
    """The configuration that the flags ``--kubeconfig`` and ``--master`` ask for.

    Neither: the in-cluster one. ``master`` overrides the server of the file; alone, it is used
    without credentials.

    Raises:
        ConfigError: it is missing, unreadable or makes no sense.

    """
    if kubeconfig:
        config = load_kubeconfig(kubeconfig)
        return dataclasses.replace(config, server=_server(master, "--master")) if master else config
    if master:
        return ClusterConfig(server=_server(master, "--master"))
    return _in_cluster(os.environ if environ is None else environ, pathlib.Path(account))


def _in_cluster(environ: Mapping[str, str], account: pathlib.Path) -> ClusterConfig:
    host = environ.get("KUBERNETES_SERVICE_HOST", "")
    port = environ.get("KUBERNETES_SERVICE_PORT", "")
    token = account / "token"
    if not host or not port or not token.exists():
        raise ConfigError(_NO_CONFIGURATION)
    ca = account / "ca.crt"
    namespace = account / "namespace"
    authority = f"[{host}]" if ":" in host else host
    return ClusterConfig(
        server=f"https://{authority}:{port}",
        ca=Pem(path=str(ca)) if ca.exists() else Pem(),
        token_file=str(token),
        namespace=namespace.read_text().strip() if namespace.exists() else "",
    )


def _server(url: str, where: str) -> str:
    try:
        parts = urllib.parse.urlsplit(url if "://" in url else f"http://{url}")
        valid = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        valid = False
    if not valid:
        raise ConfigError(f"{where}: not an http or https URL")
    return parts.geturl().rstrip("/")


# -- the file ----------------------------------------------------------------------------------


class _Cluster(msgspec.Struct, rename="kebab"):
    server: str = ""
    certificate_authority: str = ""
    certificate_authority_data: str = ""
    insecure_skip_tls_verify: bool = False
    tls_server_name: str = ""
    proxy_url: str = ""


class _EnvVar(msgspec.Struct):
    name: str
    value: str


class _Exec(msgspec.Struct, rename="camel"):
    command: str
    api_version: str
    args: list[str] | None = None
    env: list[_EnvVar] | None = None
    install_hint: str = ""
    provide_cluster_info: bool = False
    interactive_mode: str = ""


class _User(msgspec.Struct, rename="kebab"):
    client_certificate: str = ""
    client_certificate_data: str = ""
    client_key: str = ""
    client_key_data: str = ""
    token: str = ""
    token_file: str = msgspec.field(name="tokenFile", default="")
    username: str = ""
    password: str = ""
    as_user: str = msgspec.field(name="as", default="")
    as_uid: str = ""
    as_groups: list[str] | None = None
    as_user_extra: dict[str, list[str]] | None = None
    exec: _Exec | None = None
    auth_provider: Any = None


class _Context(msgspec.Struct):
    cluster: str
    user: str = ""
    namespace: str = ""


class _NamedCluster(msgspec.Struct):
    name: str
    cluster: _Cluster


class _NamedUser(msgspec.Struct):
    name: str
    user: _User | None = None


class _NamedContext(msgspec.Struct):
    name: str
    context: _Context


class _Kubeconfig(msgspec.Struct, rename="kebab"):
    current_context: str = ""
    clusters: list[_NamedCluster] | None = None
    users: list[_NamedUser] | None = None
    contexts: list[_NamedContext] | None = None


def load_kubeconfig(path: str) -> ClusterConfig:
    """The current context of the kubeconfig file ``path``. Relative paths in it are its own.

    Raises:
        ConfigError: the file is missing or unreadable, or a field makes no sense.

    """
    return _Reader(path).read()


class _Reader:
    def __init__(self, path: str) -> None:
        self._path = path
        self._folder = pathlib.Path(path).resolve().parent

    def read(self) -> ClusterConfig:
        file = self._parse()
        if not file.current_context:
            raise self._error("current-context", "not set")
        context = self._find("contexts", file.contexts, file.current_context).context
        cluster = self._find("clusters", file.clusters, context.cluster).cluster
        user = _User()
        if context.user:
            user = self._find("users", file.users, context.user).user or user
        return self._combine(
            f"clusters[{context.cluster}]", cluster, f"users[{context.user}]", user
        )

    def _parse(self) -> _Kubeconfig:
        loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
        try:
            text = pathlib.Path(self._path).read_text(encoding="utf-8-sig")
            content = yaml.load(text, Loader=loader)  # noqa: S506 - a safe loader
            return msgspec.convert(content or {}, _Kubeconfig)
        except OSError as error:
            raise ConfigError(f"kubeconfig {self._path}: {error.strerror}") from error
        except UnicodeDecodeError:
            raise ConfigError(f"kubeconfig {self._path}: not UTF-8 text") from None
        except yaml.YAMLError as error:
            # Not chained and not quoted: the parser's text shows the line, which may be a secret.
            mark = getattr(error, "problem_mark", None)
            where = f" at line {mark.line + 1}" if mark is not None else ""
            raise ConfigError(f"kubeconfig {self._path}: not YAML{where}") from None
        except msgspec.ValidationError as error:
            raise ConfigError(f"kubeconfig {self._path}: {error}") from None

    def _find(self, field: str, entries: list[Any] | None, name: str) -> Any:
        for entry in entries or []:
            if entry.name == name:
                return entry
        raise self._error(field, f"there is none called {name!r}")

    def _combine(
        self, cluster_at: str, cluster: _Cluster, user_at: str, user: _User
    ) -> ClusterConfig:
        ca = self._pem(
            f"{cluster_at}.certificate-authority",
            cluster.certificate_authority,
            cluster.certificate_authority_data,
        )
        if ca and cluster.insecure_skip_tls_verify:
            raise self._error(f"{cluster_at}.insecure-skip-tls-verify", "not with a CA certificate")
        if user.auth_provider is not None:
            raise self._error(f"{user_at}.auth-provider", "not supported any more, use exec")
        at = f"{user_at}.client-certificate"
        certificate = self._pem(at, user.client_certificate, user.client_certificate_data)
        key = self._pem(f"{user_at}.client-key", user.client_key, user.client_key_data)
        if bool(certificate) != bool(key):
            raise self._error(at, "needs both client-certificate and client-key")
        return ClusterConfig(
            server=_server(cluster.server, f"kubeconfig {self._path}: {cluster_at}.server"),
            ca=ca,
            insecure_skip_tls_verify=cluster.insecure_skip_tls_verify,
            tls_server_name=cluster.tls_server_name,
            proxy_url=cluster.proxy_url,
            client_certificate=certificate,
            client_key=key,
            token_file=self._file(f"{user_at}.tokenFile", user.token_file),
            token=user.token,
            exec=self._exec(f"{user_at}.exec", user.exec),
            username=user.username,
            password=user.password,
            impersonate=self._impersonation(user_at, user),
        )

    def _pem(self, field: str, path: str, data: str) -> Pem:
        if data:  # wins over the file, as in Go
            try:
                return Pem(data=base64.b64decode("".join(data.split()), validate=True))
            except binascii.Error:
                raise self._error(f"{field}-data", "not base64") from None
        return Pem(path=self._file(field, path))

    def _file(self, field: str, path: str) -> str:
        if not path:
            return ""
        full = self._folder / path
        try:
            full.open("rb").close()
        except OSError as error:
            raise self._error(field, f"{full}: {error.strerror}") from error
        return str(full)

    def _exec(self, field: str, plugin: _Exec | None) -> ExecConfig | None:
        if plugin is None:
            return None
        if plugin.api_version not in _EXEC_VERSIONS:
            accepted = " and ".join(_EXEC_VERSIONS)
            raise self._error(f"{field}.apiVersion", f"only {accepted} are supported")
        if plugin.interactive_mode == "Always":
            raise self._error(f"{field}.interactiveMode", "there is no terminal to ask at")
        if not plugin.command:
            raise self._error(f"{field}.command", "empty")
        command = plugin.command
        if os.sep in command:  # else it is looked for in PATH
            command = str(self._folder / command)
        return ExecConfig(
            command=command,
            args=tuple(plugin.args or ()),
            env={variable.name: variable.value for variable in plugin.env or ()},
            api_version=plugin.api_version,
            install_hint=plugin.install_hint,
            provide_cluster_info=plugin.provide_cluster_info,
        )

    def _impersonation(self, field: str, user: _User) -> Impersonation:
        extra = {key: tuple(values) for key, values in (user.as_user_extra or {}).items()}
        found = Impersonation(user.as_user, user.as_uid, tuple(user.as_groups or ()), extra)
        if not found.user and found != Impersonation():
            raise self._error(f"{field}.as", "needed with as-uid, as-groups and as-user-extra")
        return found

    def _error(self, field: str, problem: str) -> ConfigError:
        return ConfigError(f"kubeconfig {self._path}: {field}: {problem}")
