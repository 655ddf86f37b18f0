"""Events as a controller's source asks for them: ``recorder.event(node, type, reason, text)``."""

from __future__ import annotations

import ast
import functools
import inspect
import pathlib
import re
from collections.abc import Iterator

import cloudprovider_controllers
from cloudprovider_manager import loops
from generator.recorded import Event

_IMPORT = re.compile(r"from cloudprovider_controllers\.(\w+) import controller\b")


@functools.cache
def started() -> frozenset[str]:
    """Folders of the controllers that the manager starts, e.g. ``service``."""
    return frozenset(_IMPORT.findall(inspect.getsource(loops)))


def events(controller: str, *, kind: str) -> list[Event]:
    """The events on objects of ``kind`` in the source of ``controller``, if it is started."""
    if controller not in started():
        return []
    folder = pathlib.Path(cloudprovider_controllers.__file__).parent / controller
    return [event for path in sorted(folder.glob("*.py")) for event in _in_module(path, kind)]


def _in_module(path: pathlib.Path, kind: str) -> Iterator[Event]:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    functions = [node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)]
    for function in sorted(functions, key=lambda node: node.lineno):
        for call in _calls(function):
            type_, reason, message = (_text(item, function) for item in call.args[1:4])
            yield Event(kind, type_, reason, message)


def _calls(function: ast.FunctionDef) -> Iterator[ast.Call]:
    """Calls of ``….event(…)`` in ``function``, those of functions inside it left out."""
    waiting: list[ast.AST] = list(function.body)
    while waiting:
        node = waiting.pop(0)
        if isinstance(node, ast.FunctionDef):
            continue
        if (
            isinstance(node, ast.Call)
            and isinstance(node.func, ast.Attribute)
            and node.func.attr == "event"
            and len(node.args) >= 4
        ):
            yield node
        waiting.extend(ast.iter_child_nodes(node))


def _text(node: ast.expr, function: ast.FunctionDef) -> str:
    """The text of an expression; ``…`` stands for what is only known when it runs."""
    if isinstance(node, ast.Constant):
        return str(node.value)
    if isinstance(node, ast.JoinedStr):
        return re.sub("…+", "…", "".join(_text(part, function) for part in node.values))
    if isinstance(node, ast.Name):
        values = {
            item.lineno: item.value
            for item in ast.walk(function)
            if isinstance(item, ast.Assign)
            and ast.unparse(item.targets[0]) == node.id
            and item.lineno < node.lineno
        }
        if values:
            return _text(values[max(values)], function)
    return "…"
