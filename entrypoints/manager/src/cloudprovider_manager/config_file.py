"""The file of ``--config``: the values of flags as YAML or JSON.

::

    apiVersion: k8s-cloudprovider/v1alpha1
    kind: ManagerConfiguration
    cloud-provider: alicloud
    cluster-cidr: [172.30.0.0/16]
    leader-elect-lease-duration: 15s
    feature-gates: {AllAlpha: false}

A key is the name of a flag. What may be written comes from the flag's declaration; types are
strict, so that YAML's ``no`` is no name and ``30`` no duration. See
``docs/decisions/0022-a-file-of-flags.md``.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final

import yaml

from cloudprovider_manager.flags import Flag, FlagError, Parsed, closest, remark, shown
from cloudprovider_manager.values import BadValue, Shape, redact_url

API_VERSION: Final = "k8s-cloudprovider/v1alpha1"
KIND: Final = "ManagerConfiguration"
#: Flags that are for the command line alone.
NOT_IN_FILE: Final = frozenset({"config", "version"})
#: Bytes; nothing that a person writes is longer.
LARGEST: Final = 1 << 20

_HEADER = {"apiVersion": API_VERSION, "kind": KIND}


def load(path: str) -> dict[str, Any]:
    """The keys and values in the file at ``path``, its header checked and taken off.

    Raises:
        FlagError: it cannot be read, is no YAML, or is a file of another kind.

    """
    text = _text(path)
    try:
        # A loader of our own made of the safe one: it refuses keys that are there twice.
        content = yaml.load(text, _Loader)  # noqa: S506
    except yaml.YAMLError as error:
        raise FlagError(
            [f"--config={path}: not YAML{_place(error)}; accepted: {_kind()}"]
        ) from None
    except RecursionError:
        raise FlagError([f"--config={path}: nested too deeply; accepted: {_kind()}"]) from None
    if not isinstance(content, dict):
        what = _type_name(content)
        raise FlagError([f"--config={path}: it holds {what}; accepted: {_kind()}"])
    wrong = [
        f"--config={path}: {key}: {_shown(content[key]) if key in content else 'missing'}; "
        f"accepted: {value}"
        for key, value in _HEADER.items()
        if content.get(key) != value
    ]
    if wrong:
        raise FlagError(wrong)
    return {key: value for key, value in content.items() if key not in _HEADER}


def read(
    path: str, content: Mapping[str, Any], known: Mapping[str, Flag], *, strict: bool
) -> Parsed:
    """The values that ``content``, which :func:`load` gave, has for the flags ``known``.

    Args:
        path: Named in messages.
        content: Keys and values.
        known: Flags by name.
        strict: Refuse deprecated and ignored flags instead of warning.

    Raises:
        FlagError: every fault found; each names the file, the key, the value and what is accepted.

    """
    values: dict[str, Any] = {}
    problems: list[str] = []
    warnings: list[str] = []
    for key, value in content.items():
        where = f"--config={path}: {key}"
        flag = known.get(key) if isinstance(key, str) and key not in NOT_IN_FILE else None
        if flag is None:
            problems.append(_unknown(path, key, known))
            continue
        try:
            values[flag.name] = _value(flag, value)
        except BadValue as error:
            problems.append(f"{where}: {_shown(value)}: {error}; accepted: {accepted(flag)}")
            continue
        problem, warning = remark(flag, where, values[flag.name], strict=strict)
        problems += [problem] if problem else []
        warnings += [warning] if warning else []
    parsed = Parsed(values, warnings, faulty=frozenset(set(content) & set(known) - set(values)))
    if problems:
        raise FlagError(problems, parsed)
    return parsed


def accepted(flag: Flag) -> str:
    """What may be written for ``flag`` in a file."""
    shape = flag.shape
    if shape is Shape.TEXT:
        return flag.kind.accepted
    if shape in (Shape.LIST, Shape.MAP):
        return f"{shape.value}; on the command line: {flag.kind.accepted}"
    return shape.value if shape is Shape.SWITCH else f"{flag.kind.accepted}, without quotes"


def written(flag: Flag, value: Any) -> Any:
    """``value`` of ``flag`` as a file holds it: what :func:`read` reads, nothing secret."""
    match flag.shape:
        case Shape.TEXT:
            return flag.text(value)
        case Shape.MAP:
            return {key: _plain(item) for key, item in value}
        case Shape.LIST:
            return [_item(flag, item) for item in value]
    return value


def _item(flag: Flag, item: Any) -> str | int:
    return item if isinstance(item, str | int) else flag.kind.format((item,))


def _plain(text: str) -> Any:
    if text in ("true", "false"):
        return text == "true"
    return int(text) if text.isdecimal() else text


def _value(flag: Flag, value: Any) -> Any:
    kind = flag.kind
    if value is None:
        raise BadValue("no value")
    found = _READERS[flag.shape](value)
    if flag.shape is not Shape.LIST:
        return kind.parse(found[0])
    if kind.appends:
        # Each on its own: a value may hold what separates values on the command line.
        parsed = [kind.parse(item) for item in found]
        if any(len(items) != 1 for items in parsed):
            raise BadValue("an item is empty or holds a comma")
        return tuple(item for items in parsed for item in items)
    return kind.parse(",".join(found))


def _text_items(value: Any) -> list[str]:
    if isinstance(value, str):
        return [value]
    hint = "; put it in quotes" if isinstance(value, bool | int | float) else ""
    raise BadValue(f"{_type_name(value)} where text is expected{hint}")


def _switch(value: Any) -> list[str]:
    if isinstance(value, bool):
        return ["true" if value else "false"]
    raise BadValue(f"{_type_name(value)} where true or false is expected")


def _whole(value: Any) -> list[str]:
    if isinstance(value, int) and not isinstance(value, bool):
        return [str(value)]
    raise BadValue(f"{_type_name(value)} where a whole number is expected")


def _number(value: Any) -> list[str]:
    if isinstance(value, int | float) and not isinstance(value, bool):
        return [repr(value)]
    raise BadValue(f"{_type_name(value)} where a number is expected")


def _items(value: Any) -> list[str]:
    if not isinstance(value, list):
        raise BadValue(f"{_type_name(value)} where a list is expected")
    return [_scalar(item) for item in value]


def _pairs(value: Any) -> list[str]:
    if not isinstance(value, dict):
        raise BadValue(f"{_type_name(value)} where a mapping is expected")
    pairs = [(_scalar(key), _scalar(item)) for key, item in value.items()]
    if any(set(key + item) & set(",=") for key, item in pairs):
        raise BadValue("a comma or an equals sign inside")
    return [",".join(f"{key}={item}" for key, item in pairs)]


def _scalar(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str | int):
        return str(value)
    raise BadValue(f"{_type_name(value)} inside")


_READERS: Mapping[Shape, Callable[[Any], list[str]]] = {
    Shape.TEXT: _text_items,
    Shape.SWITCH: _switch,
    Shape.WHOLE: _whole,
    Shape.NUMBER: _number,
    Shape.LIST: _items,
    Shape.MAP: _pairs,
}


def _unknown(path: str, key: Any, known: Mapping[str, Flag]) -> str:
    names = [name for name in known if name not in NOT_IN_FILE]
    if key in NOT_IN_FILE:
        return f"--config={path}: {key}: for the command line alone; accepted: names of other flags"
    typed = str(key).removeprefix("--").replace("_", "-")
    close = typed if typed in names else closest(_hyphens(typed), names)
    hint = f", did you mean {close}?" if close else ""
    return (
        f"--config={path}: {shown(str(key))}: unknown key{hint}; accepted: names of flags as "
        "cloud-controller-manager --help shows them, without --"
    )


def _hyphens(name: str) -> str:
    """``clusterName`` as a flag is spelled."""
    return "".join(f"-{char.lower()}" if char.isupper() else char for char in name)


def _text(path: str) -> str:
    try:
        size = os.stat(path).st_size
        if size > LARGEST:
            what = f"{size} bytes long"
            raise FlagError(
                [f"--config={path}: {what}; accepted: a file of at most {LARGEST} bytes"]
            )
        with open(path, encoding="utf-8") as file:
            return file.read()
    except OSError as error:
        reason = (error.strerror or type(error).__name__).lower()
        raise FlagError([f"--config={path}: {reason}; accepted: a readable file"]) from None
    except UnicodeDecodeError as error:
        where = f"not UTF-8 text ({error.reason} at byte {error.start})"
        raise FlagError([f"--config={path}: {where}; accepted: {_kind()}"]) from None


def _kind() -> str:
    return f"YAML or JSON with apiVersion: {API_VERSION} and kind: {KIND}"


def _place(error: yaml.YAMLError) -> str:
    mark = getattr(error, "problem_mark", None)
    problem = getattr(error, "problem", None) or "it cannot be read"
    return f" at line {mark.line + 1}: {problem}" if mark else f": {problem}"


def _shown(value: Any) -> str:
    """``value`` for a message: short, and without a URL's password."""
    if isinstance(value, str):
        return shown(value)
    words = {bool: str(value).lower(), type(None): "null"}
    text = redact_url(words.get(type(value), str(value)))
    return text if len(text) <= 80 else text[:80] + "…"


def _type_name(value: Any) -> str:
    names: tuple[tuple[type, str], ...] = (
        (bool, "true or false"),
        (int, "a whole number"),
        (float, "a number"),
        (str, "text"),
        (list, "a list"),
        (dict, "a mapping"),
        (type(None), "nothing"),
    )
    return next((name for kind, name in names if isinstance(value, kind)), type(value).__name__)


class _Loader(yaml.SafeLoader):
    """YAML's safe types; a key that is there twice and an alias are refused."""

    def compose_node(self, parent: Any, index: Any) -> Any:
        if self.check_event(yaml.AliasEvent):
            event = self.peek_event()  # type: ignore[no-untyped-call]
            raise yaml.constructor.ConstructorError(
                None, None, "aliases are not accepted", event.start_mark
            )
        return super().compose_node(parent, index)

    def construct_mapping(self, node: Any, deep: bool = False) -> Any:
        for key, first in _repeated(node):
            raise yaml.constructor.ConstructorError(
                None, None, f"key {key!r} is there twice", first.start_mark
            )
        return super().construct_mapping(node, deep=deep)


def _repeated(node: Any) -> Iterator[tuple[str, Any]]:
    seen: set[str] = set()
    for key, _ in node.value:
        if isinstance(key, yaml.ScalarNode):
            if key.value in seen:
                yield key.value, key
            seen.add(key.value)
