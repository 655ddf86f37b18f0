"""``alicloud-ram-policy``: the permissions that the provider needs, from the code that calls.

Each method of :mod:`cloudprovider_alicloud.api` names its action where it sends it. A method counts
if a module of the provider uses it, by attribute or by name. ``tests/unit/docs`` compares the
result with the calls that the emulator saw.
"""

from __future__ import annotations

import ast
import functools
import inspect
import json
import pathlib
import re
import textwrap
from collections.abc import Iterator

import cloudprovider_alicloud
from cloudprovider_alicloud.api.ecs import EcsApi
from cloudprovider_alicloud.api.slb import SlbApi
from cloudprovider_alicloud.api.vpc import VpcApi
from generator import markdown

_APIS = {"slb": SlbApi, "ecs": EcsApi, "vpc": VpcApi}
#: Calls that send an action; it is a plain string among their arguments.
_SENDERS = re.compile(
    r"self\.(_api\.(call|read)|_read|_write|_pages|_token_pages|_listener_action|_backends_action)"
)
_ACTION = re.compile(r"[A-Z][a-z]+[A-Za-z]+")
#: Protocols of the listeners that the provider makes: part of some actions' names.
_PROTOCOLS = ("TCP", "UDP")

_INTRODUCTION = """\
The least policy for the access key or role of the manager: exactly the actions that this version
calls. [alicloud-ram-policy.json](alicloud-ram-policy.json) is the same as a file. Without routes
(`--configure-cloud-routes=false`) those with `Route` in the name are not needed. NLB, which this
version does not manage, will need more."""


@functools.cache
def actions() -> dict[tuple[str, str], str]:
    """(product, action) to what it is for: the name of the method that sends it, in words."""
    used = _names_used()
    found: dict[tuple[str, str], str] = {}
    for product, api in _APIS.items():
        for method in _methods(api):
            if method.name in used:
                for action in _sent(method):
                    found.setdefault((product, action), method.name.replace("_", " "))
    return dict(sorted(found.items()))


def policy() -> str:
    """The policy as RAM takes it."""
    names = [f"{product}:{action}" for product, action in actions()]
    statement = {"Effect": "Allow", "Action": names, "Resource": "*"}
    return json.dumps({"Version": "1", "Statement": [statement]}, indent=2) + "\n"


def page() -> str:
    """The page."""
    rows = [
        (f"`{product}:{action}`", "no" if action.startswith("Describe") else "yes", text)
        for (product, action), text in actions().items()
    ]
    return markdown.page(
        "RAM policy for Alibaba Cloud",
        _INTRODUCTION,
        f"{len(rows)} actions.",
        markdown.table(("Action", "Changes", "For"), rows),
        "```json\n" + policy() + "```",
    )


def _methods(api: type) -> Iterator[ast.FunctionDef]:
    tree = ast.parse(textwrap.dedent(inspect.getsource(api)))
    return (node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef))


def _sent(method: ast.FunctionDef) -> Iterator[str]:
    """The actions that ``method`` sends itself."""
    for node in ast.walk(method):
        if isinstance(node, ast.Call) and _SENDERS.fullmatch(ast.unparse(node.func)):
            for argument in node.args:
                name = argument.value if isinstance(argument, ast.Constant) else None
                if isinstance(name, str) and _ACTION.fullmatch(name):
                    yield name
        elif isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "action":
            yield from _expanded(node.value)


def _expanded(name: ast.expr) -> Iterator[str]:
    """The actions of ``action = f"Create{…}Listener"``, one for each protocol."""
    if not isinstance(name, ast.JoinedStr):
        raise TypeError(f"no action is known that is written {ast.unparse(name)}")
    parts = [part.value if isinstance(part, ast.Constant) else "{}" for part in name.values]
    return ("".join(map(str, parts)).format(protocol) for protocol in _PROTOCOLS)


def _names_used() -> set[str]:
    """Every attribute and string of the provider outside its API modules and its emulator."""
    root = pathlib.Path(cloudprovider_alicloud.__file__).parent
    names: set[str] = set()
    for path in root.rglob("*.py"):
        if path.relative_to(root).parts[0] in ("api", "emulator"):
            continue
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Attribute):
                names.add(node.attr)
            elif isinstance(node, ast.Constant) and isinstance(node.value, str):
                names.add(node.value)
    return names
