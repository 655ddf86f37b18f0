"""The fake cloud as a plugin, for tests of real processes. No distribution of ours offers it.

Whoever wants it writes an entry point, in a distribution of a test::

    [cloudprovider.providers]
    fake = cloudprovider.testing.fake_plugin:new_fake

Its configuration file is JSON; it names two more files, by which the test and the manager's process
meet. ``world`` belongs to the test and is read at every call::

    {"instances": {"node-1": {"address": "10.0.0.1"}}, "failing": {"list_routes": "it is down"}}

``cloud`` belongs to the manager: load balancers, routes and every call, as of the last one. It
outlives the process, as a cloud does.
"""

from __future__ import annotations

import collections
import os
from collections.abc import Callable, Mapping
from typing import Any, TextIO, TypeVar

import msgspec

from cloudprovider.errors import CloudProviderError, InvalidConfiguration
from cloudprovider.interface import Route
from cloudprovider.models import LoadBalancerIngress, LoadBalancerStatus, Service
from cloudprovider.testing.fake import FakeBalancer, FakeCloud
from cloudprovider.testing.recording import FakeCall

_T = TypeVar("_T")


class Config(msgspec.Struct, forbid_unknown_fields=True):
    """The configuration file."""

    world: str  #: path of a file; none = an empty world
    cloud: str  #: path of a file; written
    name: str = "fake"
    classes: tuple[str, ...] = ()  #: load balancer classes


class _Instance(msgspec.Struct, forbid_unknown_fields=True):
    address: str
    shutdown: bool = False


class _World(msgspec.Struct, forbid_unknown_fields=True):
    instances: dict[str, _Instance] = {}
    failing: dict[str, str] = {}  #: texts of errors, by method


class _Balancer(msgspec.Struct):
    service: Service
    nodes: tuple[str, ...]
    address: str


class _Cloud(msgspec.Struct):
    balancers: dict[str, _Balancer] = {}
    routes: list[dict[str, Any]] = []
    calls: dict[str, int] = {}


def new_fake(config: TextIO | None) -> FileCloud:
    """The factory.

    Raises:
        InvalidConfiguration: no file, or not what :class:`Config` says.

    """
    if config is None:
        raise InvalidConfiguration("the fake cloud needs a file", field="cloud config")
    try:
        return FileCloud(msgspec.json.decode(config.read(), type=Config))
    except msgspec.DecodeError as error:
        raise InvalidConfiguration(str(error), field="cloud config") from error


class FileCloud(FakeCloud):
    """A :class:`FakeCloud` whose state is in files."""

    def __init__(self, config: Config) -> None:
        super().__init__(config.name)
        self.classes = config.classes
        self._config = config
        self._counts: collections.Counter[str] = collections.Counter()
        known = _read(config.cloud, _Cloud)
        for uid, found in known.balancers.items():
            status = LoadBalancerStatus(ingress=(LoadBalancerIngress(ip=found.address),))
            self.balancers[uid] = FakeBalancer(found.service, found.nodes, status)
            self.new_status()  # that address is taken
        self.route_table = [msgspec.convert(item, Route) for item in known.routes]
        self._counts.update(known.calls)

    def perform(self, call: FakeCall, effect: Callable[[], _T]) -> _T:
        with self._lock:
            self._counts[call.method] += 1
            failing = self._look()
            if call.method not in failing:
                return self._saved(lambda: super(FileCloud, self).perform(call, effect))
        error = CloudProviderError(failing[call.method])
        self._saved(lambda: None)
        raise error

    def _look(self) -> Mapping[str, str]:
        """Take over the world as it is now; what fails in it."""
        world = _read(self._config.world, _World)
        self.instances.clear()
        for name, item in world.instances.items():
            found = self.add_instance(name, addresses=[("InternalIP", item.address)])
            found.shutdown = item.shutdown
        return world.failing

    def _saved(self, act: Callable[[], _T]) -> _T:
        try:
            return act()
        finally:
            balancers = {
                uid: _Balancer(item.service, item.nodes, (item.status.ingress or ())[0].ip or "")
                for uid, item in self.balancers.items()
            }
            routes = [msgspec.to_builtins(route) for route in self.route_table]
            text = msgspec.json.encode(_Cloud(balancers, routes, dict(self._counts)))
            part = f"{self._config.cloud}.part"
            with open(part, "wb") as file:
                file.write(text)
            os.replace(part, self._config.cloud)  # whoever reads sees all of it or the one before


def _read(path: str, kind: type[_T]) -> _T:
    try:
        with open(path, "rb") as file:
            return msgspec.json.decode(file.read(), type=kind)
    except FileNotFoundError:
        return kind()
