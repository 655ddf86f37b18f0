"""The manager's dealings with a provider's plugin: its flags, its check up front, its start.

A provider may declare flags of its own by an attribute of its factory, which needs nothing of this
package::

    def new_example(config: TextIO | None, *, batch_size: int = 40) -> Interface: ...

    new_example.flags = {"batch-size": (40, "Backends per call, 1 to 40.", range(1, 41))}

The name maps to default, help and, if wanted, a container of accepted values. The type of the
default (str, int, float, bool, or a tuple of str) is the type of the flag. The value reaches the
factory as the keyword argument of that name, with underscores; flags that were not typed are not
passed. They must not hold credentials: ``/configz`` shows them.

Flags of another manager for the same cloud can be declared so that its manifests start::

    new_example.old_flags = {
        "workers": (3, "ignored", "see --concurrent-service-syncs."),
        "dry-run": (False, "refused", "it would change the cloud all the same"),
    }

Default, ``ignored`` or ``refused`` (any other value than the default), and why. The factory does
not get them.
"""

from __future__ import annotations

import collections
import dataclasses
import logging
from collections.abc import Mapping, Sequence
from typing import Any

from cloudprovider.concurrency import Concurrency
from cloudprovider.errors import InvalidConfiguration
from cloudprovider.interface import Interface
from cloudprovider.registry import (
    EXTERNAL,
    CloudProviderInitError,
    cloud_providers,
    get_factory,
    init_cloud_provider,
)
from cloudprovider.router import Router
from cloudprovider_manager import cloud_configs, values
from cloudprovider_manager.flags import Flag, Status
from cloudprovider_manager.options import Options
from cloudprovider_manager.values import BadValue, Kind

_log = logging.getLogger(__name__)


@dataclasses.dataclass(frozen=True)
class OwnFlag:
    """A flag as a command line has it, of one provider."""

    provider: str
    name: str  #: as the provider declares it
    flag: Flag


def check(name: str) -> None:
    """Make sure that provider ``name`` is installed and loads.

    Raises:
        CloudProviderInitError: it says what is wrong and which providers are installed.

    """
    if name == EXTERNAL:
        names = ", ".join(cloud_providers()) or "none"
        raise CloudProviderInitError(
            f'cloud provider "{EXTERNAL}" is for kubelet and kube-apiserver; this manager takes '
            f"the name of a provider; installed: {names}"
        )
    get_factory(name)


def flags_of(name: str) -> dict[str, Flag]:
    """The flags that provider ``name`` declares; loads its plugin.

    Raises:
        CloudProviderInitError: the plugin is missing or broken, or declares what it cannot.

    """
    factory = get_factory(name)
    found: dict[str, Flag] = {}
    for attribute, made in (("flags", _flag), ("old_flags", _old_flag)):
        declared = getattr(factory, attribute, {})
        if not isinstance(declared, Mapping):
            raise CloudProviderInitError(
                f'cloud provider "{name}" declares its {attribute} as {type(declared).__name__}; '
                "accepted: a mapping of names to tuples"
            )
        found |= {flag: made(name, flag, entry) for flag, entry in declared.items()}
    return found


def _old_flag(provider: str, name: str, entry: Any) -> Flag:
    try:
        default, status, note = entry
        if status not in ("ignored", "refused"):
            raise ValueError(status)
        kind = _kind(default, None)
    except (TypeError, ValueError, KeyError) as error:
        raise CloudProviderInitError(
            f'cloud provider "{provider}" declares old flag {name!r} as {entry!r}; accepted: '
            '(default, "ignored" or "refused", reason)'
        ) from error
    text = "Of another manager for this cloud."
    return Flag(name, kind, default, text, f"Provider {provider}", Status(status), note)


def own_flags(names: Sequence[str]) -> dict[str, OwnFlag]:
    """The flags of the providers ``names`` as they are typed; loads their plugins.

    One that several declare has its provider's name in front: ``--alicloud-sg-batch-size``.

    Raises:
        CloudProviderInitError: a plugin is missing or broken, or declares what it cannot.

    """
    declared = {name: flags_of(name) for name in names}
    count = collections.Counter(flag for flags in declared.values() for flag in flags)
    found: dict[str, OwnFlag] = {}
    for name, flags in declared.items():
        for own, flag in flags.items():
            typed = own if count[own] == 1 else f"{name}-{own}"
            found[typed] = OwnFlag(name, own, dataclasses.replace(flag, name=typed))
    return found


def _flag(provider: str, name: str, entry: Any) -> Flag:
    try:
        default, text, *rest = entry
        (accepted,) = rest or (None,)
        kind = _kind(default, accepted)
    except (TypeError, ValueError, KeyError) as error:
        raise CloudProviderInitError(
            f'cloud provider "{provider}" declares flag {name!r} as {entry!r}; accepted: '
            "(default, help) or (default, help, accepted values)"
        ) from error
    return Flag(name, kind, default, text, f"Provider {provider}")


def _kind(default: Any, accepted: Any) -> Kind[Any]:
    kinds: dict[type, Kind[Any]] = {
        bool: values.BOOL,
        int: values.integer(),
        float: values.number(),
        str: values.TEXT,
        tuple: values.LIST,
    }
    kind = kinds[type(default)]
    if accepted is None:
        return kind

    def parse(text: str) -> Any:
        value = kind.parse(text)
        if value not in accepted:
            raise BadValue("not an accepted value")
        return value

    return dataclasses.replace(kind, accepted=_accepted_text(accepted), parse=parse)


def _accepted_text(accepted: Any) -> str:
    if isinstance(accepted, range):
        return f"a whole number from {accepted.start} to {accepted[-1]}"
    return ", ".join(map(str, accepted))


def build(name: str, config_path: str, options: Mapping[str, Any]) -> Interface:
    """Start provider ``name``. Cloud calls may happen here, so only a leader does it.

    Raises:
        CloudProviderInitError: it could not be started.

    """
    keywords = {key.replace("-", "_"): value for key, value in options.items()}
    cloud = init_cloud_provider(name, config_path, keywords)
    if cloud is None:
        raise CloudProviderInitError(f'cloud provider "{name}" is none')
    _log.info("cloud provider %s started", cloud.provider_name())
    return cloud


def build_all(options: Options) -> list[Interface]:
    """Every provider of ``--cloud-provider``, or none of them: a faulty one is found at the start.

    Raises:
        CloudProviderInitError: which one could not be started, and why.

    """
    names = cloud_configs.names(options.cloud_provider)
    paths = cloud_configs.paths(options.cloud_config, names)
    own = own_flags(names) if options.provider_options else {}
    clouds = []
    for name in names:
        values_ = {
            own[typed].name: value
            for typed, value in options.provider_options.items()
            if own[typed].provider == name
        }
        cloud = build(name, paths.get(name, ""), values_)
        if len(names) > 1 and cloud.provider_name() != name:
            # Labels and flags name it: with two names its objects would be nobody's.
            raise CloudProviderInitError(
                f'cloud provider "{name}" calls itself "{cloud.provider_name()}": beside others it '
                "must have the name that it is registered under"
            )
        clouds.append(cloud)
    return clouds


def route(clouds: Sequence[Interface], options: Options, concurrency: Concurrency) -> Router:
    """``clouds`` behind one contract.

    Raises:
        CloudProviderInitError: they cannot run side by side, or one lacks a cluster id.

    """
    for cloud in clouds:
        check_cluster_id(cloud, allow_untagged=options.allow_untagged_cloud)
    try:
        return Router(
            clouds,
            default_load_balancer=options.default_load_balancer_provider,
            calls_at_once=options.concurrent_service_syncs,
            concurrency=concurrency,
        )
    except InvalidConfiguration as error:
        raise CloudProviderInitError(str(error)) from error


def check_cluster_id(cloud: Interface, *, allow_untagged: bool) -> None:
    """Refuse a provider that cannot tell this cluster from others, unless that is allowed.

    Raises:
        CloudProviderInitError: no cluster id, and not allowed.

    """
    if cloud.has_cluster_id():
        return
    text = (
        f"cloud provider {cloud.provider_name()}: no ClusterID found. A ClusterID is required for "
        "the cloud provider to function properly: "
        "without it resources of other clusters in the account may be taken for ours"
    )
    if not allow_untagged:
        raise CloudProviderInitError(f"{text}. --allow-untagged-cloud lets it run all the same")
    _log.warning("%s", text)
