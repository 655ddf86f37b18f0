"""The manager as a process of its own, started as a production manifest would start it."""

from __future__ import annotations

import os
import pathlib
import subprocess
import sys
from collections.abc import Mapping, Sequence

from cloudprovider_sandbox.kubelets import POD_NETWORK

#: Seconds between SIGTERM and SIGKILL.
GRACE = 25.0


class ManagerProcess:
    """Runs one manager; its output goes to a file.

    Args:
        command: The program and its arguments.
        environment: Variables on top of this process's own.
        log: Where stdout and stderr go; appended to.

    """

    def __init__(
        self, command: Sequence[str], *, environment: Mapping[str, str], log: pathlib.Path
    ) -> None:
        self.command = tuple(command)
        self.log = log
        self._environment = {**os.environ, **environment}
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int:
        """The process id; 0 before :meth:`start`."""
        return self._process.pid if self._process else 0

    def start(self) -> None:
        """Start it. Call from the main thread: the process dies with the thread that started it."""
        child = [sys.executable, "-m", "cloudprovider_sandbox._child", str(os.getpid())]
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(  # noqa: S603 - our own arguments, no shell
                [*child, *self.command],
                env=self._environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,  # Ctrl-C reaches only the sandbox, which ends it in order
            )

    def exit_code(self) -> int | None:
        """How it ended, or None while it runs. Negative: the signal that killed it."""
        return self._process.poll() if self._process else None

    def stop(self, grace: float = GRACE) -> int | None:
        """SIGTERM, and SIGKILL after ``grace`` seconds. Returns the exit code."""
        process = self._process
        if process is None or process.poll() is not None:
            return self.exit_code()
        process.terminate()
        try:
            return process.wait(grace)
        except subprocess.TimeoutExpired:
            process.kill()
            return process.wait()

    def log_tail(self, lines: int = 20) -> list[str]:
        """The last ``lines`` lines of its output."""
        try:
            with self.log.open("rb") as log:
                log.seek(max(0, self.log.stat().st_size - 64 * 1024))
                return log.read().decode(errors="replace").splitlines()[-lines:]
        except FileNotFoundError:
            return []


def manager_command(
    *, cloud_provider: str, kubeconfig: pathlib.Path, cloud_config: pathlib.Path, port: int
) -> list[str]:
    """The manager's command line, with the flags of a production manifest.

    Whoever may read metrics in this cluster may read the manager's: see docs/guides/metrics.md.
    """
    return [
        sys.executable,
        "-m",
        "cloudprovider_manager.main",
        f"--cloud-provider={cloud_provider}",
        f"--cloud-config={cloud_config}",
        f"--kubeconfig={kubeconfig}",
        f"--authentication-kubeconfig={kubeconfig}",
        f"--authorization-kubeconfig={kubeconfig}",
        "--cluster-name=sandbox",
        "--leader-elect=true",
        "--use-service-account-credentials=true",
        "--configure-cloud-routes=true",
        f"--cluster-cidr={POD_NETWORK}",
        "--bind-address=127.0.0.1",
        f"--secure-port={port}",
        "--v=2",
    ]
