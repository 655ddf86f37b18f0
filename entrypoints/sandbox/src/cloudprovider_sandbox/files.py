"""The sandbox's folder: what it writes, and how other commands find a sandbox that runs.

``sandbox.json`` names urls, files and process ids. A pointer to the folder lies in a private
folder below the system's temporary one, so that ``cloud-sandbox inventory`` needs no ``--dir``.
"""

from __future__ import annotations

import os
import pathlib
import shutil
import tempfile

import msgspec

_OWNER_ONLY = 0o600


class SandboxInfo(msgspec.Struct, kw_only=True):
    """``sandbox.json``: where everything of a running sandbox is. Holds no credential."""

    cloud_provider: str
    dir: str
    pid: int  #: of the sandbox
    manager_pid: int = 0
    manager_command: list[str] = []
    api_server: str = ""  #: URL
    emulator: str = ""  #: URL
    admin: str = ""  #: URL of the sandbox's own endpoint
    manager: str = ""  #: URL of /healthz and /metrics
    kubeconfig: str = ""  #: path


class NoSandbox(Exception):
    """No running sandbox was found. The message says where was looked."""


class SandboxFiles:
    """Paths in the folder of one sandbox; ``temporary`` if nobody asked for this folder."""

    def __init__(self, folder: pathlib.Path, *, temporary: bool = False) -> None:
        self.folder = folder
        self.temporary = temporary
        self.kubeconfig = folder / "kubeconfig"
        self.manager_kubeconfig = folder / "manager.kubeconfig"
        self.cloud_config = folder / "cloud-config.conf"
        self.manager_log = folder / "manager.log"
        self.info = folder / "sandbox.json"

    def discard(self) -> None:
        """Remove the folder if it is a temporary one."""
        if self.temporary:
            shutil.rmtree(self.folder, ignore_errors=True)


def create_folder(folder: pathlib.Path | None) -> SandboxFiles:
    """Make ``folder``, or a new temporary one.

    Raises:
        OSError: it cannot be made, or a sandbox runs in it.

    """
    if folder is None:
        made = pathlib.Path(tempfile.mkdtemp(prefix="cloud-sandbox-"))
        return SandboxFiles(made, temporary=True)
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    running = _read(folder)
    if running is not None:
        raise FileExistsError(f"a sandbox runs in {folder} already, as process {running.pid}")
    return SandboxFiles(folder.resolve())


def write_private(path: pathlib.Path, text: str) -> None:
    """Write ``text`` to ``path``, readable by the owner alone."""
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, _OWNER_ONLY)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write(text)


def announce(files: SandboxFiles, info: SandboxInfo) -> None:
    """Write ``sandbox.json`` and the pointer to it."""
    write_private(files.info, msgspec.json.format(msgspec.json.encode(info)).decode())
    pointer = _pointers() / f"{info.pid}"
    pointer.write_text(str(files.folder), encoding="utf-8")


def retract(info: SandboxInfo) -> None:
    """Take back :func:`announce`; the folder and its log stay."""
    (_pointers() / f"{info.pid}").unlink(missing_ok=True)
    (pathlib.Path(info.dir) / "sandbox.json").unlink(missing_ok=True)


def find(folder: pathlib.Path | None = None) -> SandboxInfo:
    """The sandbox in ``folder``, or the one started last.

    Raises:
        NoSandbox: none runs.

    """
    if folder is not None:
        info = _read(folder)
        if info is None:
            raise NoSandbox(f"no sandbox runs in {folder}: start one with `cloud-sandbox up`")
        return info
    pointers = sorted(_pointers().iterdir(), key=lambda p: p.stat().st_mtime, reverse=True)
    for pointer in pointers:
        info = _read(pathlib.Path(pointer.read_text(encoding="utf-8")))
        if info is not None and str(info.pid) == pointer.name:
            return info
        pointer.unlink(missing_ok=True)  # its sandbox was killed
    raise NoSandbox("no sandbox runs: start one with `cloud-sandbox up`, or name it with --dir")


def _read(folder: pathlib.Path) -> SandboxInfo | None:
    try:
        info = msgspec.json.decode((folder / "sandbox.json").read_bytes(), type=SandboxInfo)
        os.kill(info.pid, 0)
    except (FileNotFoundError, ProcessLookupError):
        return None
    return info


def _pointers() -> pathlib.Path:
    """A folder that only this user can write."""
    folder = pathlib.Path(tempfile.gettempdir()) / f"cloud-sandboxes-{os.getuid()}"
    folder.mkdir(mode=0o700, exist_ok=True)
    if folder.stat().st_uid != os.getuid():
        raise NoSandbox(f"{folder} belongs to another user: remove it or set TMPDIR")
    return folder
