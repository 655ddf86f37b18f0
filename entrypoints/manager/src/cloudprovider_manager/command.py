"""From a command line to checked :class:`~cloudprovider_manager.options.Options`."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

from cloudprovider.registry import CloudProviderInitError
from cloudprovider_manager import cloud_configs, provider, validation
from cloudprovider_manager.flags import Flag, FlagError, Parsed, declared, parse, usage
from cloudprovider_manager.options import Options

PROGRAM = "cloud-controller-manager"


@dataclasses.dataclass(frozen=True)
class Command:
    """A command line that was understood."""

    options: Options
    warnings: Sequence[str]
    help: str = ""  #: what to print instead of running


def read(arguments: Sequence[str]) -> Command:
    """Parse and check ``arguments`` (without the program's name). Nothing is started.

    Raises:
        FlagError: with every fault that was found.

    """
    known = declared(Options)
    name = provider.named(arguments)
    own, fault = _own_flags(name)
    clashes = sorted(set(own) & set(known))
    if clashes:
        fault.append(f"--cloud-provider={name}: its flags {', '.join(clashes)} are the manager's")
    parsed, faults = _parse(arguments, {**own, **known})
    if parsed.help:
        return Command(Options(), (), usage(PROGRAM, {**known, **own}))
    options = _options(parsed, own)
    if not options.version:
        reported = tuple(f"--{flag}" for flag in parsed.faulty)
        faults += fault
        # A value that could not be read is not missing as well.
        faults += [text for text in validation.problems(options) if not text.startswith(reported)]
    if faults:
        raise FlagError(faults)
    return Command(options, (*parsed.warnings, *validation.warnings(options)))


def _own_flags(text: str) -> tuple[Mapping[str, Flag], list[str]]:
    """The flags of the providers that ``text`` names, and what is wrong with them."""
    usable: list[str] = []
    fault: list[str] = []
    for name in cloud_configs.names(text):
        try:
            provider.check(name)
            provider.flags_of(name)
            usable.append(name)
        except CloudProviderInitError as error:
            fault.append(f"--cloud-provider={text}: {error}")
    return {typed: own.flag for typed, own in provider.own_flags(usable).items()}, fault


def _parse(arguments: Sequence[str], known: Mapping[str, Flag]) -> tuple[Parsed, list[str]]:
    strict = any(item.replace("_", "-") == "--strict-flags" for item in arguments)
    try:
        return parse(arguments, known, strict=strict), []
    except FlagError as error:
        # What concerns the flags that could be read is still checked: one run shows every fault.
        return error.parsed, list(error.problems)


def _options(parsed: Parsed, own: Mapping[str, Flag]) -> Options:
    values: dict[str, Any] = {}
    provider_options: dict[str, Any] = {}
    for name, value in parsed.values.items():
        if name in own:
            provider_options[name] = value
        else:
            values[name.replace("-", "_")] = value
    return Options(**values, given=frozenset(parsed.values), provider_options=provider_options)


def effective(options: Options) -> dict[str, str]:
    """Every flag with the value in force, as it would be typed and without anything secret."""
    known = declared(Options)
    shown = {
        name: item.text(getattr(options, name.replace("-", "_"))) for name, item in known.items()
    }
    return shown | {name: str(value) for name, value in options.provider_options.items()}
