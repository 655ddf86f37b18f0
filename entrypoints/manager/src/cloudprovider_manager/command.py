"""From a command line to checked :class:`~cloudprovider_manager.options.Options`."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from cloudprovider.registry import CloudProviderInitError
from cloudprovider_manager import cloud_configs, config_file, provider, validation
from cloudprovider_manager.flags import Flag, FlagError, Parsed, Status, declared, parse, usage
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
    path = typed(arguments, "--config")
    content, faults = _load(path)
    named = content.get("cloud-provider")
    name = typed(arguments, "--cloud-provider") or (named if isinstance(named, str) else "")
    own, provider_faults = _provider_flags(name, known)
    every = {**own, **known}
    strict = _strict(arguments, content)
    parsed, found = _parse(lambda: parse(arguments, every, strict=strict))
    if parsed.help:
        return Command(Options(), (), usage(PROGRAM, {**known, **own}))
    if provider_faults:
        # Keys of a provider that cannot be asked for its flags are not known to be wrong.
        content = {key: value for key, value in content.items() if key in known}
    file, file_faults = _parse(lambda: config_file.read(path, content, every, strict=strict))
    unreadable = bool(faults)
    faults = [*found, *faults, *file_faults]
    options = _options({**file.values, **parsed.values}, own)
    if not options.version and not unreadable:  # what is missing may stand in that file
        reported = {f"--{flag}" for flag in parsed.faulty | file.faulty}
        faults += provider_faults
        # A value that could not be read is not missing as well.
        faults += [text for text in validation.problems(options) if _flag(text) not in reported]
    if faults:
        raise FlagError(faults)
    warnings = (*parsed.warnings, *file.warnings, *validation.warnings(options))
    return Command(options, warnings)


def typed(arguments: Sequence[str], flag: str) -> str:
    """The value that ``arguments`` give ``flag``, or empty; the last one counts."""
    found = ""
    for index, argument in enumerate(arguments):
        name, equals, value = argument.partition("=")
        if name.replace("_", "-") == flag:
            found = value if equals else next(iter(arguments[index + 1 :]), "")
    return found


def _flag(problem: str) -> str:
    """The flag with which the sentence ``problem`` begins."""
    return problem.partition("=")[0].split(maxsplit=1)[0].rstrip(":")


def _load(path: str) -> tuple[dict[str, Any], list[str]]:
    try:
        return (config_file.load(path) if path else {}), []
    except FlagError as error:
        return {}, list(error.problems)


def _provider_flags(text: str, known: Mapping[str, Flag]) -> tuple[Mapping[str, Flag], list[str]]:
    """The flags of the providers that ``text`` names, and what is wrong with them."""
    usable: list[str] = []
    faults: list[str] = []
    for name in cloud_configs.names(text):
        try:
            provider.check(name)
            provider.flags_of(name)
            usable.append(name)
        except CloudProviderInitError as error:
            faults.append(f"--cloud-provider={text}: {error}")
    own = {typed: item.flag for typed, item in provider.own_flags(usable).items()}
    if clashes := sorted(set(own) & set(known)):
        faults.append(f"--cloud-provider={text}: its flags {', '.join(clashes)} are the manager's")
    return own, faults


def _strict(arguments: Sequence[str], content: Mapping[str, Any]) -> bool:
    for argument in reversed(arguments):
        name, equals, value = argument.partition("=")
        if name.replace("_", "-") == "--strict-flags":
            # A value that is no boolean is reported by the parser.
            return not equals or value in ("1", "t", "T", "true", "TRUE", "True")
    return content.get("strict-flags") is True


def _parse(parsed: Callable[[], Parsed]) -> tuple[Parsed, list[str]]:
    try:
        return parsed(), []
    except FlagError as error:
        # What concerns the flags that could be read is still checked: one run shows every fault.
        return error.parsed, list(error.problems)


def _options(values: Mapping[str, Any], own: Mapping[str, Flag]) -> Options:
    fields: dict[str, Any] = {}
    provider_options: dict[str, Any] = {}
    for name, value in values.items():
        if name not in own:
            fields[name.replace("-", "_")] = value
        elif own[name].status is Status.ACTIVE:
            provider_options[name] = value
    return Options(**fields, given=frozenset(values), provider_options=provider_options)


def effective(options: Options) -> dict[str, str]:
    """Every flag with the value in force, as it would be typed and without anything secret."""
    known = declared(Options)
    shown = {
        name: item.text(getattr(options, name.replace("-", "_"))) for name, item in known.items()
    }
    return shown | {name: str(value) for name, value in options.provider_options.items()}
