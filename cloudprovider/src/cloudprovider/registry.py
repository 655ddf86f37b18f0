"""Registers and starts cloud providers, by name.

Two ways in: an entry point in the group ``cloudprovider.providers`` (every installed plugin), or
:func:`register_cloud_provider` in the running process (tests, embedding). Kubernetes'
``RegisterCloudProvider`` and ``InitCloudProvider``; where those end the process, these raise.

Source: ``spec/ccm-core.md`` 2.
"""

from __future__ import annotations

import functools
import logging
from collections.abc import Callable, Mapping
from typing import Any, TextIO

from cloudprovider import concurrency
from cloudprovider.interface import Interface
from cloudprovider.plugins import (
    PluginError,
    PluginInfo,
    explain,
    find_plugin,
    list_plugins,
    load_plugin,
    unknown_name,
)

_log = logging.getLogger(__name__)

#: Entry-point group of providers. A public contract: never renamed.
GROUP = "cloudprovider.providers"
#: The provider name with which the in-tree components are told that a manager like this one runs.
EXTERNAL = "external"

#: Makes a provider from the text of its configuration file, or from None where there is no file.
Factory = Callable[[TextIO | None], Interface]


class CloudProviderInitError(PluginError):
    """A provider could not be started. The message says why and what to do."""


_lock = concurrency.RealConcurrency().lock()
_registered: dict[str, Factory] = {}


def register_cloud_provider(name: str, factory: Factory) -> None:
    """Make ``factory`` available as provider ``name`` in this process.

    Raises:
        ValueError: ``name`` is empty, reserved or already registered.

    """
    if not name or name == EXTERNAL:
        raise ValueError(f"cloud provider name {name!r} is empty or reserved")
    with _lock:
        if name in _registered:
            raise ValueError(f'Cloud provider "{name}" was registered twice')
        _registered[name] = factory
    _log.info("Registered cloud provider %r", name)


def unregister_cloud_provider(name: str) -> None:
    """Take back :func:`register_cloud_provider`. No error if ``name`` is not registered."""
    with _lock:
        _registered.pop(name, None)


def cloud_providers() -> dict[str, PluginInfo]:
    """Every provider that :func:`init_cloud_provider` can start, by name. Loads none of them.

    Raises:
        PluginError: two distributions claim one name.

    """
    found = {name: find_plugin(GROUP, name, what="cloud provider") for name in list_plugins(GROUP)}
    with _lock:
        for name, factory in _registered.items():
            target = f"{factory.__module__}:{getattr(factory, '__qualname__', factory)}"
            found[name] = PluginInfo(name, "registered in this process", "", target)
    return dict(sorted(found.items()))


def is_cloud_provider(name: str) -> bool:
    """Whether a provider called ``name`` is there. Loads nothing."""
    with _lock:
        if name in _registered:
            return True
    return name in list_plugins(GROUP)


def get_factory(name: str) -> Factory:
    """The factory of provider ``name``; loads its plugin and no other.

    Raises:
        CloudProviderInitError: unknown name, a name claimed twice, or a broken plugin.

    """
    with _lock:
        factory = _registered.get(name)
        names = set(_registered)
    installed = list_plugins(GROUP)
    if factory is not None:
        if name in installed:
            raise CloudProviderInitError(
                f'Cloud provider "{name}" was registered twice: in this process and by '
                f"{installed[name][0].distribution}"
            )
        return factory
    if name not in installed:
        known = names | set(installed)
        raise CloudProviderInitError(unknown_name("cloud provider", name, known))
    try:
        loaded = load_plugin(GROUP, name, what="cloud provider")
    except PluginError as error:
        raise CloudProviderInitError(str(error)) from error
    if not callable(loaded):
        raise CloudProviderInitError(
            f'cloud provider "{name}": entry point {installed[name][0].target} is a '
            f"{type(loaded).__name__}, not a factory"
        )
    return loaded  # type: ignore[no-any-return]


def init_cloud_provider(
    name: str, config_path: str = "", options: Mapping[str, Any] | None = None
) -> Interface | None:
    """Start provider ``name`` with the configuration file at ``config_path`` (empty = none).

    ``options`` are further keyword arguments of its factory: values of its own flags.
    Returns None for an empty name and for ``external``, as upstream does.

    Raises:
        CloudProviderInitError: unknown name, unreadable file, broken plugin, or the factory failed.

    """
    if not name:
        return None
    if name == EXTERNAL:
        _log.info("External cloud provider specified")
        return None
    factory = get_factory(name)
    if options:
        factory = functools.partial(factory, **options)
    if not config_path:
        return _build(name, factory)
    try:
        config = open(config_path, encoding="utf-8")  # noqa: SIM115 - only opening may fail here
    except OSError as error:
        raise CloudProviderInitError(
            f"Couldn't open cloud provider configuration {config_path}: {error.strerror}"
        ) from error
    with config:
        return _build(name, factory, config, where=f" (cloud config: {config_path})")


def _build(name: str, factory: Factory, config: TextIO | None = None, where: str = "") -> Interface:
    # Never under the registry's lock: a factory may use the registry.
    try:
        cloud = factory(config)
    except (Exception, SystemExit) as error:
        raise CloudProviderInitError(
            f'could not init cloud provider "{name}": {explain(error)}{where}'
        ) from error
    if not isinstance(cloud, Interface):
        raise CloudProviderInitError(
            f'could not init cloud provider "{name}": its factory returned '
            f"{type(cloud).__name__}, not a cloudprovider.interface.Interface"
        )
    return cloud
