"""Checks that concern more than the spelling of one flag. Everything is checked before a start.

Source: ``spec/ccm-core.md`` 4.2 (order of validation), 4.3, 4.4, 4.5, 4.6, 6.2 #12 and #28.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator

from cloudprovider.router import NONE
from cloudprovider_manager import cloud_configs, controllers, gates, serving_validation
from cloudprovider_manager.flags import closest, shown
from cloudprovider_manager.old_options import OLD_LOCKS
from cloudprovider_manager.options import Options
from cloudprovider_manager.values import format_duration

#: client-go's ``JitterFactor``: retries are spread by it, so the deadline must leave room.
_JITTER = 1.2
_LABEL = re.compile(r"(?=.{1,63}$)[a-z0-9]([-a-z0-9]*[a-z0-9])?")
_SUBDOMAIN = re.compile(
    r"(?=.{1,253}$)[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*"
)
#: Seconds; more often, comparing would take what the cloud's API allows.
_SHORTEST_RESYNC = 60.0


def problems(options: Options) -> list[str]:
    """Faults that forbid a start, one sentence each: flag, value, what is accepted."""
    return [problem for check in _CHECKS for problem in check(options)]


def warnings(options: Options) -> list[str]:
    """What will probably not do what was meant."""
    return [warning for check in _WARNINGS for warning in check(options)]


def controller_enabled(name: str, options: Options) -> bool:
    """Whether ``--controllers`` asks for the controller with the canonical ``name``."""
    return controllers.enabled(name, options.controllers)


def routes_wanted(options: Options) -> bool:
    """Whether routes are asked for.

    ``--allocate-node-cidrs=false`` without a CIDR switched them off up to Kubernetes 1.20.
    """
    if not options.configure_cloud_routes:
        return False
    switched_off = "allocate-node-cidrs" in options.given and not options.allocate_node_cidrs
    if switched_off and not options.cluster_cidr:
        return False
    return controller_enabled(controllers.ROUTES, options)


def routes_managed(options: Options) -> bool:
    """Whether routes are asked for and it is known which: the route controller runs."""
    return routes_wanted(options) and bool(options.cluster_cidr)


def _provider(options: Options) -> Iterator[str]:
    yield from cloud_configs.faults(options.cloud_provider)
    names = cloud_configs.names(options.cloud_provider)
    default = options.default_load_balancer_provider
    if default not in ("", NONE, *names):
        yield (
            f"--default-load-balancer-provider={default}: not in --cloud-provider; accepted: "
            f"{', '.join((*names, NONE))}"
        )


def _cluster_name(options: Options) -> Iterator[str]:
    if not options.cluster_name.strip():
        yield "--cluster-name cannot be empty; accepted: a name that is unique in the account"


def _controllers(options: Options) -> Iterator[str]:
    names = (*controllers.CONTROLLERS, *controllers.ALIASES)
    for name in controllers.unknown(options.controllers):
        if name not in controllers.FOREIGN:
            close = closest(name, names)
            hint = f", did you mean {close}?" if close else ""
            yield (
                f'--controllers={shown(name)}: "{name}" is not in the list of known '
                f"controllers{hint}; accepted: *, {', '.join(names)}, each also with - in front"
            )


def _routes(options: Options) -> Iterator[str]:
    asked = "configure-cloud-routes" in options.given and routes_wanted(options)
    if asked and not options.cluster_cidr:
        yield (
            "--cluster-cidr must be set when --configure-cloud-routes=true; accepted: the Pods' "
            "address range, or --configure-cloud-routes=false"
        )


def _periods(options: Options) -> Iterator[str]:
    period = options.min_resync_period
    if 0 < period < _SHORTEST_RESYNC:
        yield (
            f"--min-resync-period={format_duration(period)}: too small; accepted: 0s, or at least "
            f"{format_duration(_SHORTEST_RESYNC)}"
        )


def _gates(options: Options) -> Iterator[str]:
    for gate, _ in options.feature_gates:
        if gate not in gates.KNOWN:
            close = closest(gate, gates.KNOWN)
            hint = f", did you mean {close}?" if close else ""
            yield (
                f"--feature-gates={shown(gate)}: unrecognized feature gate: {gate}{hint}; "
                f"accepted: {', '.join(gates.NAMES)}"
            )


def _webhooks(options: Options) -> Iterator[str]:
    for item in options.webhooks:
        if item != "*":
            name = item.removeprefix("-")
            yield (
                f'--webhooks={shown(item)}: "{name}" is not in the list of known webhooks: this '
                "manager serves none; accepted: * or nothing"
            )
    if options.webhook_secure_port and options.webhook_secure_port == options.secure_port:
        yield (
            f"--webhook-secure-port={options.webhook_secure_port}: --webhook-secure-port cannot be "
            "the same value as --secure-port; accepted: another port, or 0"
        )


def _election(options: Options) -> Iterator[str]:
    if not options.leader_elect:
        return
    lock = options.leader_elect_resource_lock
    if options.strict_flags and lock in OLD_LOCKS:
        yield (
            f'--leader-elect-resource-lock={lock}: resourceLock value must be "leases" '
            "(refused because of --strict-flags); accepted: leases"
        )
    lease, renew = options.leader_elect_lease_duration, options.leader_elect_renew_deadline
    if lease <= renew:
        yield (
            f"--leader-elect-lease-duration={format_duration(lease)}: leaseDuration must be "
            f"greater than renewDeadline; accepted: more than {format_duration(renew)} "
            "(--leader-elect-renew-deadline)"
        )
    shortest = options.leader_elect_retry_period * _JITTER
    if renew <= shortest:
        yield (
            f"--leader-elect-renew-deadline={format_duration(renew)}: renewDeadline must be "
            "greater than retryPeriod*JitterFactor; accepted: more than "
            f"{format_duration(shortest)}"
        )
    yield from _lease_name(options)


def _lease_name(options: Options) -> Iterator[str]:
    """What the API server would refuse at every try to take the lease."""
    for flag, value, form, accepted in (
        ("name", options.leader_elect_resource_name, _SUBDOMAIN, "a name of at most 253"),
        ("namespace", options.leader_elect_resource_namespace, _LABEL, "a name of at most 63"),
    ):
        flag = f"--leader-elect-resource-{flag}"
        what = f"{accepted} lower-case letters, digits and hyphens"
        what += ", also dots" if form is _SUBDOMAIN else ""
        if not value:
            yield f"{flag} cannot be empty; accepted: {what}"
        elif not form.fullmatch(value):
            yield f"{flag}={shown(value)}: not a name; accepted: {what}"


def _serving(options: Options) -> Iterator[str]:
    yield from serving_validation.problems(options)
    if options.port and options.port == options.secure_port:
        yield (
            f"--port={options.port}: the same as --secure-port, which answers plain-HTTP health "
            "probes itself; accepted: another port, or none"
        )


def _config_paths(options: Options) -> list[str]:
    """The files that ``--cloud-config`` names, as far as it can be read."""
    try:
        names = cloud_configs.names(options.cloud_provider)
        return list(cloud_configs.paths(options.cloud_config, names).values())
    except cloud_configs.ConfigError:
        return []


def _configs(options: Options) -> Iterator[str]:
    try:
        cloud_configs.paths(options.cloud_config, cloud_configs.names(options.cloud_provider))
    except cloud_configs.ConfigError as error:
        yield str(error)


def _files(options: Options) -> Iterator[str]:
    for flag, path in (
        *(("--cloud-config", path) for path in _config_paths(options)),
        ("--kubeconfig", options.kubeconfig),
        *serving_validation.files(options),
    ):
        if path and (reason := _unreadable(path)):
            yield f"{flag}={path}: {reason}; accepted: a readable file"


def _unreadable(path: str) -> str:
    """Why ``path`` cannot be read, or empty."""
    try:
        with open(path, "rb") as file:
            file.read(1)
    except OSError as error:
        return (error.strerror or type(error).__name__).lower()
    return ""


def _name_warnings(options: Options) -> Iterator[str]:
    name = options.cluster_name
    if set(name) & set("\"'") or "${" in name:
        yield (
            f"--cluster-name={name!r}: the quotes and ${{}} are part of the name, as no shell "
            "removes them; leave them out unless load balancers with that name exist already"
        )


def _lock_warnings(options: Options) -> Iterator[str]:
    if options.leader_elect and options.leader_elect_resource_lock in OLD_LOCKS:
        yield (
            f"--leader-elect-resource-lock={options.leader_elect_resource_lock}: THIS MANAGER "
            "HOLDS A LEASE INSTEAD. An older manager that holds the old lock does not see it: "
            "both would write to the cloud. Stop every older manager first, then use leases"
        )


def _controller_warnings(options: Options) -> Iterator[str]:
    for item in options.controllers:
        name = item.removeprefix("-")
        if name in controllers.FOREIGN:
            yield f"--controllers={item} does nothing: {controllers.FOREIGN[name]}"
    if not any(controllers.enabled(name, options.controllers) for name in controllers.CONTROLLERS):
        yield f"--controllers={','.join(options.controllers)}: no controller runs"


def _port_warnings(options: Options) -> Iterator[str]:
    if options.address and not options.port:
        yield (
            "--address is given without --port: /healthz is served on --secure-port "
            f"({options.secure_port}) over HTTPS and plain HTTP; a manifest that probes 10252 or "
            "10253 needs --port=10252 or --port=10253"
        )


def _election_warnings(options: Options) -> Iterator[str]:
    if not options.leader_elect:
        yield "--leader-elect=false: make sure that only one manager runs; two would both write"


def _gate_warnings(options: Options) -> Iterator[str]:
    yield from gates.remarks(options.feature_gates)


def _log_warnings(options: Options) -> Iterator[str]:
    if options.info_buffer_size and not options.split_stream:
        yield (
            f"--log-{options.logging_format}-info-buffer-size has no effect without "
            f"--log-{options.logging_format}-split-stream"
        )


def _route_warnings(options: Options) -> Iterator[str]:
    if routes_wanted(options) and not options.cluster_cidr:
        yield "--cluster-cidr is not given: routes are not managed"


def _config_mode_warnings(options: Options) -> Iterator[str]:
    for path in _config_paths(options):
        if os.path.isfile(path) and os.stat(path).st_mode & 0o004:
            yield f"--cloud-config={path}: every user of this machine can read it; use mode 0600"


_Check = Callable[[Options], Iterator[str]]
#: In upstream's order: a generic manager's, the cloud's, the ports', the provider's name.
_CHECKS: tuple[_Check, ...] = (
    _gates, _election, _controllers, _periods, _cluster_name, _routes, _serving, _webhooks,
    _provider, _configs, _files,
)  # fmt: skip
_WARNINGS: tuple[_Check, ...] = (
    _lock_warnings, _name_warnings, _controller_warnings, _port_warnings, _election_warnings,
    _gate_warnings, _route_warnings, _log_warnings, serving_validation.warnings,
    _config_mode_warnings,
)  # fmt: skip
