"""What the sandbox asks of a cloud's emulator.

An emulator is an entry point in the group ``cloudprovider.emulators``, named like its provider; it
loads to a factory ``(EmulatorOptions) -> Emulator``.
"""

from __future__ import annotations

import abc
import dataclasses
from collections.abc import Mapping, Sequence

from cloudprovider.testing.faults import FaultPlan
from cloudprovider.toolkit.journal import Journal

#: Entry-point group of emulators.
GROUP = "cloudprovider.emulators"


@dataclasses.dataclass(frozen=True)
class EmulatorOptions:
    """How an emulator is started."""

    host: str = "127.0.0.1"
    port: int = 0  #: 0 = a free one
    latency: float = 0.0  #: seconds added to every call
    cluster_id: str = "sandbox"  #: what the manager under test calls its cluster
    seed: int | None = None  #: of ids and addresses; None = random


@dataclasses.dataclass(frozen=True)
class EmulatedInstance:
    """An instance that can join the cluster as a node."""

    instance_id: str
    node_name: str  #: what the kubelet would register it as
    provider_id: str  #: as the provider writes it into ``spec.providerID``
    internal_ip: str
    zone: str


@dataclasses.dataclass(frozen=True)
class InventoryItem:
    """One resource that exists in the emulated cloud, for people and for checks."""

    kind: str  #: ``instance``, ``load balancer``, ``listener``, ``server group``, ``route``, …
    id: str
    name: str = ""
    owner: str = ""  #: whose it is by tag or name: ``namespace/service``, or empty
    details: Mapping[str, str] = dataclasses.field(default_factory=dict)


class Emulator(abc.ABC):
    """A cloud on this machine, spoken to over HTTP by the real SDK."""

    journal: Journal  #: every call, oldest first
    faults: FaultPlan  #: what goes wrong

    @abc.abstractmethod
    def start(self) -> None:
        """Bind and serve in background threads."""

    @abc.abstractmethod
    def stop(self) -> None:
        """Stop serving."""

    @abc.abstractmethod
    def url(self) -> str:
        """Where it serves; the admin path lies under ``/_emulator``."""

    @abc.abstractmethod
    def environment(self) -> dict[str, str]:
        """Environment variables that point a manager (or any client) at it. No credentials."""

    @abc.abstractmethod
    def cloud_config(self) -> str:
        """Text of a ``--cloud-config`` file for it, with credentials that it accepts."""

    @abc.abstractmethod
    def launch_instance(self, name: str = "") -> EmulatedInstance:
        """Start an instance, running at once. ``name`` is its host name."""

    @abc.abstractmethod
    def terminate_instance(self, instance_id: str) -> None:
        """Make an instance vanish."""

    @abc.abstractmethod
    def stop_instance(self, instance_id: str) -> None:
        """Shut an instance down; it still exists."""

    @abc.abstractmethod
    def inventory(self) -> Sequence[InventoryItem]:
        """Everything that exists, instances first, each parent before its children."""

    @abc.abstractmethod
    def set_latency(self, seconds: float) -> None:
        """Delay every call from now on."""
