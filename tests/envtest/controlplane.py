"""A real kube-apiserver and etcd for tests.

From ``KUBEBUILDER_ASSETS`` (a folder with ``kube-apiserver`` and ``etcd``) where it is set; else
the Go program beside this file, which runs both in one process. `make envtest` compiles it once, a
few minutes on two cores, and keeps it outside the tree in ``~/.cache/cloudprovider-envtest/``.
:class:`Unavailable` says why neither can be had.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import pathlib
import shutil
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from typing import Any

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

HERE = pathlib.Path(__file__).parent
#: Bearer token of a member of ``system:masters``.
ADMIN_TOKEN = "envtest-admin"
_READY_WITHIN = 60.0
_BUILD_WITHIN = 3000.0
_STARTS = 3
#: Every request is noted once, when it is answered; a watch when it begins.
_AUDIT_POLICY = """apiVersion: audit.k8s.io/v1
kind: Policy
omitStages: [RequestReceived]
rules: [{level: Metadata}]
"""


class Unavailable(Exception):
    """No real control plane can be had here; the text says why."""


class ControlPlane:
    """One kube-apiserver with its etcd. ``url`` and ``ca_file`` reach it with a bearer token.

    Args:
        folder: Where certificates, keys and etcd's state go.
        users: More bearer tokens: token to user name.
        audit: Whether :meth:`audit` is wanted.
    """

    def __init__(
        self, folder: pathlib.Path, *, users: dict[str, str] | None = None, audit: bool = False
    ) -> None:
        self._folder = folder
        self._users = users or {}
        self._audit = audit
        self._stack = contextlib.ExitStack()
        self._processes: list[subprocess.Popen[bytes]] = []
        self.port = 0
        self.ca_file = folder / "certs" / "apiserver.crt"

    @property
    def url(self) -> str:
        """Where it serves."""
        return f"https://127.0.0.1:{self.port}"

    def __enter__(self) -> ControlPlane:
        self._write_files()
        try:
            for _ in range(_STARTS):
                if self._start():
                    return self
                self._stack.close()
        except BaseException:
            self._stack.close()
            raise
        raise Unavailable(f"kube-apiserver does not start: {self.log()[-2000:]}")

    def __exit__(self, *exc: object) -> None:
        self._stack.close()

    def kubeconfig(self, token: str = ADMIN_TOKEN) -> str:
        """Text of a kubeconfig for ``token``."""
        return f"""apiVersion: v1
kind: Config
clusters:
- name: envtest
  cluster: {{server: "{self.url}", certificate-authority: "{self.ca_file}"}}
users:
- name: user
  user: {{token: "{token}"}}
contexts:
- name: envtest
  context: {{cluster: envtest, user: user}}
current-context: envtest
"""

    def log(self) -> str:
        """What the server wrote."""
        return (self._folder / "log").read_text()

    def audit(self) -> list[dict[str, Any]]:
        """Every request so far, as ``audit.k8s.io/v1`` Events, oldest first."""
        lines = (self._folder / "audit.jsonl").read_text().splitlines(keepends=True)
        # The last line may still be being written.
        return [json.loads(line) for line in lines if line.endswith("\n")]

    # -- files -----------------------------------------------------------------------------

    def _write_files(self) -> None:
        self._folder.mkdir(parents=True, exist_ok=True)
        key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
        pem = key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.TraditionalOpenSSL,
            serialization.NoEncryption(),
        )
        (self._folder / "sa.key").write_bytes(pem)
        lines = [f"{ADMIN_TOKEN},admin,1,system:masters"]
        lines += [f"{token},{user},{user}" for token, user in self._users.items()]
        (self._folder / "tokens.csv").write_text("\n".join(lines) + "\n")
        (self._folder / "audit.yaml").write_text(_AUDIT_POLICY)

    def _flags(self) -> list[str]:
        audit = [
            f"--audit-policy-file={self._folder / 'audit.yaml'}",
            f"--audit-log-path={self._folder / 'audit.jsonl'}",
        ]
        return [
            *(audit if self._audit else ()),
            f"--secure-port={self.port}",
            "--bind-address=127.0.0.1",
            "--advertise-address=127.0.0.1",
            f"--cert-dir={self._folder / 'certs'}",
            "--service-account-issuer=https://kubernetes.default.svc.cluster.local",
            f"--service-account-key-file={self._folder / 'sa.key'}",
            f"--service-account-signing-key-file={self._folder / 'sa.key'}",
            f"--token-auth-file={self._folder / 'tokens.csv'}",
            "--authorization-mode=RBAC",
            "--service-cluster-ip-range=10.96.0.0/16",
            "--disable-admission-plugins=ServiceAccount",
        ]

    # -- processes -------------------------------------------------------------------------

    def _start(self) -> bool:
        """Start everything; whether it runs. A port that is free now may be another's by then."""
        self.port = _free_port()
        return self._start_on_its_port()

    def restart(self) -> None:
        """Kill it (SIGKILL), and start it again on its port with what it had stored.

        Raises:
            Unavailable: it does not come up again.
        """
        for process in self._processes:
            process.kill()
            process.wait()
        self._stack.close()
        if not self._start_on_its_port():
            raise Unavailable(f"kube-apiserver did not start again: {self.log()[-2000:]}")

    def pids(self) -> list[int]:
        """Of its processes."""
        return [process.pid for process in self._processes]

    def _start_on_its_port(self) -> bool:
        self._processes.clear()
        assets = os.environ.get("KUBEBUILDER_ASSETS", "")
        self._start_assets(pathlib.Path(assets)) if assets else self._start_program()
        return self._wait_until_ready()

    def _start_program(self) -> None:
        # Its standard input is a pipe of ours: when we end, however we end, it ends.
        self._run([str(program()), str(self._folder), *self._flags()], stdin=subprocess.PIPE)

    def _start_assets(self, assets: pathlib.Path) -> None:
        for name in ("etcd", "kube-apiserver"):
            if not os.access(assets / name, os.X_OK):
                raise Unavailable(f"KUBEBUILDER_ASSETS={assets} has no executable {name}")
        client, peer = _free_port(), _free_port()
        etcd = f"http://127.0.0.1:{client}"
        self._run(
            [
                str(assets / "etcd"),
                f"--data-dir={self._folder / 'etcd'}",
                f"--listen-client-urls={etcd}",
                f"--advertise-client-urls={etcd}",
                f"--listen-peer-urls=http://127.0.0.1:{peer}",
                "--unsafe-no-fsync",
            ]
        )
        self._run([str(assets / "kube-apiserver"), f"--etcd-servers={etcd}", *self._flags()])

    def _run(self, command: list[str], **options: int) -> None:
        log = self._stack.enter_context((self._folder / "log").open("ab"))
        process = subprocess.Popen(command, stdout=log, stderr=log, **options)
        self._processes.append(process)
        self._stack.callback(_end, process)

    def _wait_until_ready(self) -> bool:
        deadline = time.monotonic() + _READY_WITHIN
        while time.monotonic() < deadline:
            if any(process.poll() is not None for process in self._processes):
                return False
            if self.ca_file.exists() and self._ready():
                return True
            time.sleep(0.1)
        raise Unavailable(
            f"kube-apiserver was not ready in {_READY_WITHIN} s: {self.log()[-2000:]}"
        )

    def _ready(self) -> bool:
        import ssl

        context = ssl.create_default_context(cafile=self.ca_file)
        request = urllib.request.Request(f"{self.url}/readyz")
        request.add_header("Authorization", f"Bearer {ADMIN_TOKEN}")
        try:
            with urllib.request.urlopen(request, timeout=2, context=context) as answer:
                return answer.status == 200
        except (urllib.error.URLError, OSError):
            return False


#: The programs of the Go module beside this file: package, and its sources.
_PROGRAMS = {"envtest": (".", "main.go"), "elector": ("./elector", "elector/main.go")}


def program(name: str = "envtest") -> pathlib.Path:
    """The compiled Go program: the control plane, or ``elector``, client-go's leader election.

    Raises:
        Unavailable: it was not compiled yet.
    """
    target = _target(name)
    if not target.exists():
        raise Unavailable(
            "no KUBEBUILDER_ASSETS, and the test control plane is not compiled: run `make envtest`"
            if name == "envtest"
            else f"the Go program {name} is not compiled: run `make envtest`"
        )
    return target


def _target(name: str) -> pathlib.Path:
    sources = [HERE / source for source in ("go.mod", "go.sum", _PROGRAMS[name][1])]
    digest = hashlib.sha256(b"".join(path.read_bytes() for path in sources)).hexdigest()[:16]
    return pathlib.Path.home() / ".cache" / "cloudprovider-envtest" / digest / name


def compile_program(name: str = "envtest") -> pathlib.Path:
    """The compiled Go program; compiles it where it is not there yet, which takes minutes.

    Raises:
        Unavailable: no Go, or it does not compile.
    """
    target = _target(name)
    if target.exists():
        return target
    go = shutil.which("go")
    if go is None:
        raise Unavailable("neither KUBEBUILDER_ASSETS nor a Go toolchain is there")
    target.parent.mkdir(parents=True, exist_ok=True)
    building = target.with_suffix(f".{os.getpid()}")
    package, _ = _PROGRAMS[name]
    result = subprocess.run(
        [go, "build", "-trimpath", "-ldflags=-s -w", "-o", str(building), package],
        cwd=HERE,
        capture_output=True,
        text=True,
        timeout=_BUILD_WITHIN,
        check=False,
    )
    if result.returncode != 0:
        raise Unavailable(f"the Go program {name} does not compile: {result.stderr[-1000:]}")
    building.replace(target)
    return target


def _end(process: subprocess.Popen[bytes]) -> None:
    if process.stdin is not None:
        process.stdin.close()
    process.terminate()
    try:
        process.wait(timeout=15)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


if __name__ == "__main__":
    try:
        for each in _PROGRAMS:
            sys.stdout.write(f"{compile_program(each)}\n")
    except Unavailable as unavailable:
        sys.exit(f"{unavailable}; tests that need it are skipped")
