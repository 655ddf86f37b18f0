"""The admin path ``/_emulator/``: what a test or a person asks of the emulator, as JSON.

======================================  =======================================================
``GET journal?since=N``                 calls, oldest first
``GET inventory``                       what exists
``GET snapshot``                        every table (secrets left out)
``GET problems``                        broken invariants
``GET settings``, ``POST settings``     read, or change the fields given
``POST fault``                          add a fault; ``DELETE fault`` removes all
``POST latency {"seconds"}``            delay every call
``POST launch {"name"}``                a new instance; answers it
``POST terminate``, ``POST stop``       ``{"instance_id"}``
``POST clock {"offset"}``               seconds that the cloud's clock is ahead
``POST reset``                          back to the state at the start; journal and faults cleared
======================================  =======================================================
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from typing import Any, Protocol

import msgspec

from cloudprovider.testing.emulation import EmulatedInstance
from cloudprovider.testing.faults import Fault
from cloudprovider_alicloud.emulator.core import EmulatorCore
from cloudprovider_alicloud.emulator.inventory import inventory, problems
from cloudprovider_alicloud.emulator.settings import Settings
from cloudprovider_alicloud.emulator.state import TABLES

PREFIX = "/_emulator/"

Answer = tuple[int, Any]


class Cloud(Protocol):
    """What the admin path needs of the emulator beside its core."""

    def launch_instance(self, name: str = "") -> EmulatedInstance: ...

    def terminate_instance(self, instance_id: str) -> None: ...

    def stop_instance(self, instance_id: str) -> None: ...

    def reset(self) -> None: ...


class Admin:
    """Answers admin requests."""

    def __init__(self, core: EmulatorCore, cloud: Cloud) -> None:
        self._core = core
        self._cloud = cloud
        self._routes: dict[tuple[str, str], Callable[[Mapping[str, Any]], Any]] = {
            ("GET", ""): self._index,
            ("GET", "journal"): self._journal,
            ("GET", "inventory"): lambda _: inventory(core),
            ("GET", "snapshot"): lambda _: tables(core),
            ("GET", "problems"): lambda _: problems(core),
            ("GET", "settings"): lambda _: core.settings,
            ("POST", "settings"): self._change_settings,
            ("POST", "fault"): self._add_fault,
            ("DELETE", "fault"): lambda _: core.faults.clear(),
            ("POST", "latency"): self._set_latency,
            ("POST", "launch"): lambda args: cloud.launch_instance(str(args.get("name", ""))),
            ("POST", "terminate"): lambda args: cloud.terminate_instance(args["instance_id"]),
            ("POST", "stop"): lambda args: cloud.stop_instance(args["instance_id"]),
            ("POST", "clock"): self._set_clock,
            ("POST", "reset"): lambda _: cloud.reset(),
        }

    def handle(self, method: str, path: str, query: Mapping[str, str], body: bytes) -> Answer:
        """HTTP status and what to answer as JSON."""
        route = self._routes.get((method, path.strip("/")))
        if route is None:
            return 404, {"error": f"no {method} {PREFIX}{path}"}
        try:
            args = msgspec.json.decode(body, type=dict[str, Any]) if body else dict(query)
            answer = route(args)
        except (KeyError, ValueError, msgspec.MsgspecError) as error:
            return 400, {"error": f"{type(error).__name__}: {error}"}
        if dataclasses.is_dataclass(answer) and not isinstance(answer, type):
            answer = dataclasses.asdict(answer)
        return 200, {} if answer is None else answer

    def _index(self, _: Mapping[str, Any]) -> Any:
        return sorted(f"{method} {PREFIX}{path}" for method, path in self._routes)

    def _journal(self, args: Mapping[str, Any]) -> Any:
        return self._core.journal.records(int(args.get("since", -1)))

    def _change_settings(self, args: Mapping[str, Any]) -> Settings:
        """Checks the whole before anything is taken over."""
        present = msgspec.to_builtins(self._core.settings)
        changed = msgspec.convert(_merged(present, args), Settings)
        for field in Settings.__struct_fields__:
            setattr(self._core.settings, field, getattr(changed, field))
        return self._core.settings

    def _add_fault(self, args: Mapping[str, Any]) -> None:
        self._core.faults.add(msgspec.convert(dict(args), Fault))

    def _set_latency(self, args: Mapping[str, Any]) -> None:
        self._core.settings.latency = float(args["seconds"])

    def _set_clock(self, args: Mapping[str, Any]) -> None:
        self._core.settings.clock_offset = float(args["offset"])


def tables(core: EmulatorCore) -> dict[str, list[Any]]:
    """Every table as plain data, without access keys and remembered tokens."""
    snapshot = core.snapshot()
    hidden = {"access_keys", "client_tokens"}
    return {
        name: [msgspec.to_builtins(record) for record in snapshot.tables[name].values()]
        for name in TABLES
        if name not in hidden
    }


def _merged(old: Mapping[str, Any], new: Mapping[str, Any]) -> dict[str, Any]:
    merged = dict(old)
    for name, value in new.items():
        if name not in old:
            raise ValueError(f"no setting {name}")
        nested = isinstance(value, Mapping) and isinstance(old[name], Mapping)
        merged[name] = _merged(old[name], value) if nested else value
    return merged
