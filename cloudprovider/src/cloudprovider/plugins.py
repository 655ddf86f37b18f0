"""Finds and loads entry points: listing loads nothing, loading loads only the one asked for.

Loading goes through stevedore, whose traps are closed here (``spec/style-anchors.md`` 1.2): its
cache on disk, which can be stale for minutes after an installation, is never asked; two
distributions that claim one name are an error; a plugin that cannot be imported is an error that
names its distribution.
"""

from __future__ import annotations

import dataclasses
import difflib
import importlib.metadata
import traceback
from collections.abc import Iterable
from typing import Any


class PluginError(Exception):
    """A plugin is missing, claimed twice or broken. The message says what to do."""


@dataclasses.dataclass(frozen=True)
class PluginInfo:
    """An entry point that is installed; nothing of it is loaded."""

    name: str
    distribution: str  #: e.g. ``k8s-cloudprovider-alicloud``
    version: str
    target: str  #: ``module:attribute``


def list_plugins(group: str) -> dict[str, tuple[PluginInfo, ...]]:
    """Installed entry points of ``group`` by name; more than one per name is a conflict."""
    found: dict[str, dict[str, PluginInfo]] = {}
    for point in importlib.metadata.entry_points(group=group):
        info = _info(point)
        found.setdefault(point.name, {})[info.distribution] = info
    return {name: tuple(found[name].values()) for name in sorted(found)}


def load_plugin(group: str, name: str, *, what: str = "plugin") -> Any:
    """The object that entry point ``name`` of ``group`` names. ``what`` is for messages.

    Raises:
        PluginError: not installed (lists what is), claimed by two distributions, or broken.

    """
    info = find_plugin(group, name, what=what)
    point = next(
        point
        for point in importlib.metadata.entry_points(group=group, name=name)
        if _info(point) == info
    )
    try:
        return _load(group, point)
    # SystemExit too: a plugin that calls sys.exit when imported must not end us without a word.
    except (Exception, SystemExit) as error:
        raise PluginError(
            f"{what} {name!r} from distribution {info.distribution} {info.version} "
            f"({info.target}) failed to load: {explain(error)}. Install a version of "
            f"{info.distribution} that works here, with what it depends on"
        ) from error


def find_plugin(group: str, name: str, *, what: str = "plugin") -> PluginInfo:
    """The one installed entry point called ``name``; nothing is loaded.

    Raises:
        PluginError: not installed (lists what is) or claimed by two distributions.

    """
    plugins = list_plugins(group)
    if name not in plugins:
        raise PluginError(unknown_name(what, name, plugins))
    infos = plugins[name]
    if len(infos) > 1:
        owners = " and ".join(f"{info.distribution} {info.version}" for info in infos)
        raise PluginError(f"{what} {name!r} is claimed by {owners}: uninstall all but one")
    return infos[0]


def unknown_name(what: str, name: str, known: Iterable[str]) -> str:
    """``unknown WHAT "NAME"``, with what is installed and what may have been meant."""
    names = sorted(known)
    text = f'unknown {what} "{name}"; installed: {", ".join(names) or "none"}'
    close = difflib.get_close_matches(name, names, n=1)
    return f"{text}. Did you mean {close[0]!r}?" if close else text


def explain(error: BaseException) -> str:
    """What a message may say of ``error``, which a plugin's code raised.

    Quoted is the text of our own errors, which never hold a credential, and of Python's own. Any
    other may hold one, say in a signed URL: of those only the class and the place are named (R7).
    """
    kind = type(error)
    if is_ours(error):
        return str(error)
    if kind.__module__ == "builtins":
        # What these two say is a sentence; "'region'" of a KeyError needs the name in front.
        text = str(error) if isinstance(error, OSError | ValueError) else ""
        return text or f"{kind.__name__}: {error}"
    frames = traceback.extract_tb(error.__traceback__)
    place = f" at {frames[-1].filename}:{frames[-1].lineno}" if frames else ""
    return (
        f"{kind.__module__}.{kind.__qualname__}{place} "
        "(its text is not shown, since it may hold a credential)"
    )


def is_ours(error: BaseException) -> bool:
    """Whether ``error`` is of a class of this project: those never hold a credential."""
    return type(error).__module__.partition(".")[0].startswith("cloudprovider")


def _info(point: importlib.metadata.EntryPoint) -> PluginInfo:
    distribution = point.dist
    if distribution is None:
        return PluginInfo(point.name, "unknown", "", point.value)
    return PluginInfo(point.name, distribution.name, distribution.version, point.value)


def _load(group: str, point: importlib.metadata.EntryPoint) -> Any:
    # Imported here: 50 ms that listing names does not need.
    from stevedore import driver, extension

    class OneEntryPoint(driver.DriverManager):  # type: ignore[misc, type-arg, unused-ignore]
        """Knows exactly the entry point that was found, past stevedore's cache."""

        def list_entry_points(self) -> list[importlib.metadata.EntryPoint]:
            return [point]

    manager = OneEntryPoint(
        group,
        point.name,
        on_missing_entrypoints_callback=None,
        conflict_resolver=extension.error_on_conflict,
    )
    # Not manager.driver: that hands out the wrong object where the plugin is falsy.
    return manager.extensions[0].plugin
