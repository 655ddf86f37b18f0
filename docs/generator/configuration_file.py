"""``configuration-file.md``: the file of ``--config``, from the declarations of the flags."""

from __future__ import annotations

import json
import pathlib
from collections.abc import Iterator

from cloudprovider_manager import config_file
from cloudprovider_manager.flags import Flag, Status, declared
from cloudprovider_manager.options import Options
from generator import markdown

_EXAMPLE = pathlib.Path(__file__).parents[2] / "examples" / "manager" / "configuration.yaml"

_INTRODUCTION = """\
`--config=FILE` reads flags from a file, YAML or JSON. A key is the name of a [flag](flags.md)
without its dashes; flags of the provider are keys like all others. What is typed on the command
line counts more than the file. The file is read once, at the start."""

_RULES = """\
Types are strict: text is text, so what YAML reads as something else (`no`, `1.30`) needs quotes; a
duration is text with a unit; a list is a list, be it of one item. A key that is unknown or there
twice, an alias and an empty value are refused. Every fault is reported in one run and names the
file, the key, the value and what is accepted. Credentials have no place here: `/configz` shows what
is in force, under a second key in the form of this very file."""


def page() -> str:
    """The page."""
    example = _EXAMPLE.read_text(encoding="utf-8").rstrip()
    return markdown.page(
        "The file of flags",
        _INTRODUCTION,
        _RULES,
        "## Example",
        "[`examples/manager/configuration.yaml`](../../examples/manager/configuration.yaml):",
        f"```yaml\n{example}\n```",
        "## Keys",
        "Flags that do nothing here, or only their default, can be written too and are left out "
        "of this table.",
        markdown.table(("Key", "Accepted", "Default"), _rows()),
    )


def _rows() -> Iterator[tuple[str, ...]]:
    for key, value in (("apiVersion", config_file.API_VERSION), ("kind", config_file.KIND)):
        yield markdown.code(key), markdown.code(value), "required"
    for name, flag in declared(Options).items():
        if (
            flag.status in (Status.ACTIVE, Status.DEPRECATED)
            and name not in config_file.NOT_IN_FILE
        ):
            yield markdown.code(name), config_file.accepted(flag), markdown.code(_default(flag))


def _default(flag: Flag) -> str:
    value = config_file.written(flag, flag.default)
    return value if isinstance(value, str) else json.dumps(value)
