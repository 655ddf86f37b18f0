"""Names and configuration files of one or several providers, as the flags give them. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence


class ConfigError(ValueError):
    """``--cloud-config`` does not fit ``--cloud-provider``; the text says what is accepted."""


def names(cloud_provider: str) -> tuple[str, ...]:
    """The providers that ``--cloud-provider`` names, in order; empty items are left out."""
    return tuple(dict.fromkeys(item for item in _items(cloud_provider) if item))


def faults(cloud_provider: str) -> Iterator[str]:
    """What is wrong with the list itself, one sentence each."""
    items = _items(cloud_provider)
    if not any(items):
        yield "--cloud-provider cannot be empty; accepted: a name that `cloudprovider list` shows"
        return
    if not all(items):
        yield (
            f"--cloud-provider={cloud_provider}: an item is empty; accepted: names separated by "
            "single commas"
        )
    for name in names(cloud_provider):
        if items.count(name) > 1:
            yield (
                f"--cloud-provider={cloud_provider}: {name} is named {items.count(name)} times; "
                "accepted: each provider once"
            )


def paths(cloud_config: str, providers: Sequence[str]) -> dict[str, str]:
    """The configuration file of each of ``providers`` that has one.

    One provider takes a plain path; several take ``NAME=PATH`` entries separated by commas.

    Raises:
        ConfigError: an entry is none, is for nobody, or comes twice.

    """
    if not cloud_config:
        return {}
    if len(providers) < 2:
        name = "".join(providers)
        return {name: cloud_config.removeprefix(f"{name}=")}
    accepted = f"NAME=PATH entries separated by commas, NAME one of {', '.join(providers)}"
    found: dict[str, str] = {}
    for entry in _items(cloud_config):
        name, equals, path = entry.partition("=")
        if not equals:
            raise ConfigError(
                f"--cloud-config={cloud_config}: {entry!r} does not say which provider it is for; "
                f"accepted: {accepted}"
            )
        if name not in providers:
            raise ConfigError(
                f"--cloud-config={cloud_config}: {name!r} is not in --cloud-provider; "
                f"accepted: {accepted}"
            )
        if not path:
            raise ConfigError(
                f"--cloud-config={cloud_config}: no path for {name}; accepted: {accepted}"
            )
        if name in found:
            raise ConfigError(
                f"--cloud-config={cloud_config}: {name} has two files; accepted: {accepted}"
            )
        found[name] = path
    return found


def _items(text: str) -> list[str]:
    return [item.strip() for item in text.split(",")]
