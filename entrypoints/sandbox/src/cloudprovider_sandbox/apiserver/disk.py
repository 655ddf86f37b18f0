"""State on disk: a snapshot and a log of the changes after it, in one directory.

``snapshot.json`` is replaced atomically; ``changes.jsonl`` is appended to with every write, so a
killed server loses nothing that it answered. A line torn by a crash is left out.
"""

from __future__ import annotations

import logging
import os
import pathlib
from typing import BinaryIO

import msgspec

from cloudprovider_sandbox.apiserver.registry import selectable_values
from cloudprovider_sandbox.apiserver.server import ApiServer
from cloudprovider_sandbox.apiserver.store import Change, Entry, Key, Snapshot

_LOG = logging.getLogger(__name__)


_NOTHING = msgspec.Raw(b"null")


class _Line(msgspec.Struct, frozen=True):
    """One change: ``object`` is null where it was deleted."""

    storage: str
    key: Key
    version: int
    object: msgspec.Raw


class _State(msgspec.Struct, frozen=True):
    version: int
    objects: list[_Line]


class StateDirectory:
    """Keeps ``server``'s state in ``folder``, and brings it back.

    Args:
        server: The server; if the folder holds a state, it replaces the server's.
        folder: Made if it is not there, readable by its owner only.
        compact_after: Changes in the log before a new snapshot is written.

    """

    def __init__(
        self, server: ApiServer, folder: pathlib.Path, *, compact_after: int = 20_000
    ) -> None:
        self._server = server
        self._folder = folder
        self._compact_after = compact_after
        self._lines = 0
        self._changes: BinaryIO | None = None
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)

    def open(self) -> bool:
        """Load what is there, and follow the server from now on. Whether there was a state."""
        with self._server.store.lock:
            snapshot = self._load()
            if snapshot is not None:
                self._server.restore(snapshot)
            self.save()
            self._server.store.listen(self._write, replaced=self.save)
        return snapshot is not None

    def save(self) -> None:
        """Write a snapshot and begin a new log."""
        with self._server.store.lock:
            state = _State(self._server.store.version, _lines(self._server.snapshot()))
            temporary = self._folder / "snapshot.json.new"
            with temporary.open("wb") as file:
                file.write(msgspec.json.encode(state))
                file.flush()
                os.fsync(file.fileno())
            temporary.replace(self._folder / "snapshot.json")
            self._close_log()
            self._changes = (self._folder / "changes.jsonl").open("wb", buffering=0)
            self._lines = 0

    def close(self) -> None:
        """Write a last snapshot and follow no more."""
        self.save()
        self._close_log()

    def _close_log(self) -> None:
        if self._changes is not None:
            self._changes.close()
            self._changes = None

    def _write(self, storage: str, change: Change) -> None:
        if self._changes is None:
            return
        entry = change.entry
        data = _NOTHING if change.type == "DELETED" else msgspec.Raw(entry.data)
        line = msgspec.json.encode(_Line(storage, entry.key, change.version, data))
        self._changes.write(line + b"\n")
        self._lines += 1
        if self._lines >= self._compact_after:
            self.save()

    def _load(self) -> Snapshot | None:
        path = self._folder / "snapshot.json"
        if not path.exists():
            return None
        state = msgspec.json.decode(path.read_bytes(), type=_State)
        tables: dict[str, dict[Key, Entry]] = {}
        version = state.version
        newer = [line for line in self._log_lines() if line.version > state.version]
        for line in [*state.objects, *newer]:
            table = tables.setdefault(line.storage, {})
            if bytes(line.object) == bytes(_NOTHING):
                table.pop(line.key, None)
            else:
                table[line.key] = self._entry(line, bytes(line.object))
            version = max(version, line.version)
        return Snapshot(version, tables)

    def _log_lines(self) -> list[_Line]:
        path = self._folder / "changes.jsonl"
        lines = []
        for text in path.read_bytes().splitlines() if path.exists() else []:
            try:
                lines.append(msgspec.json.decode(text, type=_Line))
            except msgspec.DecodeError:
                _LOG.warning("%s: the last line is torn and left out", path)
                break
        return lines

    def _entry(self, line: _Line, data: bytes) -> Entry:
        obj = msgspec.json.decode(data)
        meta = obj["metadata"]
        fields = selectable_values(self._server.catalogue.stored(line.storage), obj)
        return Entry(line.key, line.version, data, meta["uid"], meta.get("labels"), fields)


def _lines(snapshot: Snapshot) -> list[_Line]:
    return [
        _Line(storage, entry.key, entry.version, msgspec.Raw(entry.data))
        for storage, table in snapshot.tables.items()
        for entry in table.values()
    ]
