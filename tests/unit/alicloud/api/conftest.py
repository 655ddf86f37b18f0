"""Callers for tests: one that follows a script, one that holds us to the SDK's typed models."""

from __future__ import annotations

import importlib
import json
import warnings
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import pytest

from cloudprovider.concurrency import Concurrency
from cloudprovider.testing.emulation import EmulatorOptions
from cloudprovider.testing.virtual import VirtualConcurrency
from cloudprovider_alicloud.api.caller import VERSIONS, CallFailed, flatten
from cloudprovider_alicloud.api.client import CloudApi


class Scripted:
    """A caller that gives the next answer of ``script``: a reply, or an error to raise.

    ``seconds`` pass on the clock for each call.
    """

    def __init__(
        self, *script: Mapping[str, Any] | Exception, clock: Concurrency, seconds: float = 0.0
    ) -> None:
        self.script = list(script)
        self.calls: list[tuple[str, str, dict[str, object]]] = []
        self.timeouts: list[float] = []
        self.times: list[float] = []
        self._clock = clock
        self._seconds = seconds

    def call(self, product, action, params, *, read_timeout):
        self.calls.append((product, action, dict(params)))
        self.timeouts.append(read_timeout)
        self.times.append(self._clock.monotonic())
        if self._seconds:
            self._clock.sleep(self._seconds)
        answer = self.script.pop(0) if len(self.script) > 1 else self.script[0]
        if isinstance(answer, Exception):
            raise answer
        return {"RequestId": "req-1", **answer}


def failure(code: str = "", **fields: Any) -> CallFailed:
    """An error answer of the cloud."""
    fields = {"http_status": 400, "request_id": "req-9", "sent": "answered", **fields}
    return CallFailed(fields.pop("message", f"text of {code}"), code=code, **fields)


class Tracked(dict):
    """A reply that notes which of its fields are read."""

    def __init__(self, value: Mapping[str, Any], path: tuple[str, ...], seen: set) -> None:
        super().__init__({key: _tracked(item, (*path, key), seen) for key, item in value.items()})
        self._path, self._seen = path, seen

    def __getitem__(self, key):
        self._seen.add((*self._path, key))
        return super().__getitem__(key)

    def get(self, key, default=None):
        self._seen.add((*self._path, key))
        return super().get(key, default)


def _tracked(value, path, seen):
    if isinstance(value, Mapping):
        return Tracked(value, path, seen)
    if isinstance(value, list):
        return [_tracked(item, (*path, "[]"), seen) for item in value]
    return value


#: Read from every reply to find errors in a 200, which no model has.
_ERROR_FIELDS = {("Code",), ("Message",), ("Success",)}

#: One function reads both forms of a load balancer; this field only the list has.
_OPTIONAL = {"DescribeLoadBalancerAttribute": {("InternetChargeTypeAlias",)}}


class TypedCaller:
    """Passes calls on, and compares every one with the SDK's typed models.

    A parameter that the request model does not know fails at once; :meth:`check` fails for fields
    that were read from replies and that the response model does not know.
    """

    def __init__(self, inner) -> None:
        self._inner = inner
        self.read: dict[tuple[str, str], set[tuple[str, ...]]] = {}

    def call(self, product, action, params, *, read_timeout):
        flat = flatten(params)
        request = model(product, f"{action}Request")
        # The SDK sends one wrongly spelt name; the service does not mind the case.
        kept = flatten(request().from_map(unflatten(flat)).to_map())
        lost = {name: text for name, text in flat.items() if kept.get(name) != text}
        assert not lost, f"{action} has no parameters {lost}"
        reply = self._inner.call(product, action, params, read_timeout=read_timeout)
        seen = self.read.setdefault((product, action), set())
        return Tracked(json.loads(json.dumps(reply)), (), seen)

    def check(self) -> None:
        for (product, action), paths in self.read.items():
            body = model(product, f"{action}ResponseBody")
            optional = _ERROR_FIELDS | _OPTIONAL.get(action, set())
            wrong = [path for path in paths - optional if not has_field(body, path)]
            assert not wrong, f"the reply to {action} has no {wrong}"


def has_field(body: type, path: tuple[str, ...]) -> bool:
    """Whether reply model ``body`` has the field at ``path``."""
    nested: Any = "x"
    for part in reversed(path):
        nested = [nested] if part == "[]" else {part: nested}
    try:
        return _holds(body().from_map(nested).to_map(), path)
    except (AttributeError, TypeError):
        return True  # a field that is an object or list: the model tried to read its parts


def _holds(value: Any, path: tuple[str, ...]) -> bool:
    if not path:
        return True
    if path[0] == "[]":
        return isinstance(value, list) and bool(value) and _holds(value[0], path[1:])
    return isinstance(value, dict) and path[0] in value and _holds(value[path[0]], path[1:])


def model(product: str, name: str) -> Any:
    """A class of the SDK's typed models."""
    package = f"alibabacloud_{product}{VERSIONS[product].replace('-', '')}"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return getattr(importlib.import_module(f"{package}.models"), name)


def unflatten(flat: Mapping[str, str]) -> dict[str, Any]:
    """The inverse of flatten: ``Tag.1.Key`` as ``{"Tag": [{"Key": …}]}``."""
    tree: dict[str, Any] = {}
    for name, text in flat.items():
        *parents, last = name.split(".")
        node = tree
        for part in parents:
            node = node.setdefault(part, {})
        node[last] = text
    return _lists(tree)


def _lists(node: Any) -> Any:
    if not isinstance(node, dict):
        return node
    values = {key: _lists(value) for key, value in node.items()}
    if values and all(key.isdigit() for key in values):
        return [values[key] for key in sorted(values, key=int)]
    return values


@pytest.fixture
def world() -> VirtualConcurrency:
    return VirtualConcurrency()


@pytest.fixture
def scripted(world) -> Callable[..., Scripted]:
    return lambda *script, **options: Scripted(*script, clock=world, **options)


@pytest.fixture
def failed() -> Callable[..., CallFailed]:
    return failure


@pytest.fixture
def typed() -> Iterator[Callable[[Any], TypedCaller]]:
    """Wraps a caller in a :class:`TypedCaller`, which is checked at the end of the test."""
    made: list[TypedCaller] = []

    def wrap(inner: Any) -> TypedCaller:
        made.append(TypedCaller(inner))
        return made[-1]

    yield wrap
    for caller in made:
        caller.check()


@pytest.fixture
def typed_models():
    """The functions that compare with the SDK's models."""
    return model, has_field


@pytest.fixture(scope="module")
def emulator() -> Iterator[Any]:
    """An emulator over HTTP on the real clock, one for all tests of a module."""
    from cloudprovider_alicloud.emulator.server import AlicloudEmulator

    emulator = AlicloudEmulator(EmulatorOptions(seed=1))
    emulator.start()
    yield emulator
    emulator.stop()


@pytest.fixture
def make(world, scripted):
    """A :class:`CloudApi` on a scripted caller."""

    def build(*script, seconds=0.0, **options):
        caller = scripted(*script, seconds=seconds)
        api = CloudApi(caller, region="cn-hangzhou", concurrency=world, **options)
        return api, caller

    return build
