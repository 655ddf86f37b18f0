"""``flags.md``: every flag of the manager, from their declarations."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from cloudprovider.registry import cloud_providers
from cloudprovider_manager import provider
from cloudprovider_manager.flags import Flag, Status, declared
from cloudprovider_manager.options import Options
from generator import markdown

_INTRODUCTION = """\
Spelled as in Go: `--name=value` or `--name value`, `--switch` or `--switch=false`, underscores for
hyphens; durations as `30s` or `1h30m`; lists with commas, or the flag repeated."""

_STATUS = """\
*accepted* flags do what they say. *deprecated* ones still work, *ignored* ones exist so that
manifests for other managers start; both are named in the log at the start, and `--strict-flags`
refuses them. *refused* ones are known, and no value but the default is taken. All can stand in a
[file](configuration-file.md). What is in force: `/configz` on the secure port."""

_PROVIDERS = """\
A provider may declare flags of its own; `--cloud-provider=NAME --help` lists them too."""


def page() -> str:
    """The page."""
    known = declared(Options)
    parts = [_INTRODUCTION, _STATUS, _counts(known.values())]
    for group in dict.fromkeys(flag.group for flag in known.values()):
        parts.append(f"## {group}")
        parts.append(_table(flag for flag in known.values() if flag.group == group))
    parts += ["## Flags of providers", _PROVIDERS, _provider_flags()]
    return markdown.page("Flags of cloud-controller-manager", *parts)


def _counts(flags: Iterable[Flag]) -> str:
    found = [_word(flag) for flag in flags]
    words = [f"{found.count(word)} {word}" for word in dict.fromkeys(found)]
    return f"{len(found)} flags: {', '.join(words)}."


def _table(flags: Iterable[Flag]) -> str:
    headings = ("Flag", "Type", "Default", "Meaning", "Status")
    return markdown.table(headings, (_row(flag) for flag in flags))


def _row(flag: Flag) -> tuple[str, ...]:
    names = [f"--{flag.name}", *(f"--{alias}" for alias in flag.aliases)]
    if flag.short:
        names.append(f"-{flag.short}")
    status = _word(flag) + (f": {flag.note}" if flag.note else "")
    return (
        ", ".join(markdown.code(name) for name in dict.fromkeys(names)),
        _type(flag),
        markdown.code(flag.text(flag.default)),
        flag.help,
        status,
    )


def _type(flag: Flag) -> str:
    accepted = flag.kind.accepted
    if accepted in ("any text", "a path of a file or folder", "true or false"):
        return flag.kind.name
    return accepted.replace("a duration such as 500ms, 30s or 1h30m", "duration")


def _word(flag: Flag) -> str:
    return "accepted" if flag.status is Status.ACTIVE else flag.status.value


def _provider_flags() -> str:
    """Flags that providers of this repository declare for themselves."""
    headings = ("Provider", "Flag", "Type", "Default", "Meaning", "Status")
    return markdown.table(headings, _provider_rows())


def _provider_rows() -> Iterator[tuple[str, ...]]:
    for name, plugin in cloud_providers().items():
        if plugin.distribution.startswith("k8s-cloudprovider-"):
            for flag in provider.flags_of(name).values():
                yield (name, *_row(flag))
