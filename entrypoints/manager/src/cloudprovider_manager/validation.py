"""Checks that concern more than the spelling of one flag. Everything is checked before a start.

Source: ``spec/ccm-core.md`` 4.2 (order of validation), 4.3, 4.4, 4.5, 4.6, 6.2 #12 and #28.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator

from cloudprovider_manager import serving_validation
from cloudprovider_manager.old_options import OLD_LOCKS
from cloudprovider_manager.options import Options

#: Canonical name of the route controller.
ROUTES = "node-route-controller"
#: Aliases that ``--controllers`` takes as well, to canonical names.
ALIASES = {
    "cloud-node": "cloud-node-controller",
    "cloud-node-lifecycle": "cloud-node-lifecycle-controller",
    "service": "service-lb-controller",
    "route": ROUTES,
    "node": "cloud-node-controller",  # the names of Alibaba's manager
}
CONTROLLERS = tuple(dict.fromkeys(ALIASES.values()))

_GATES = frozenset({
    "AllAlpha",
    "AllBeta",
    "CloudControllerManagerWatchBasedRoutesReconciliation",
    "CloudControllerManagerWebhook",
    "ContextualLogging",
    "ControllerManagerReleaseLeaderElectionLockOnExit",
    "LoggingAlphaOptions",
    "LoggingBetaOptions",
    "NativeHistograms",
})  # fmt: skip
_REMOVED_GATES = frozenset({
    "LegacyNodeRoleBehavior",
    "ServiceNodeExclusion",
    "StableLoadBalancerNodeSet",
})  # fmt: skip

#: client-go's ``JitterFactor``: retries are spread by it, so the deadline must leave room.
_JITTER = 1.2


def problems(options: Options) -> list[str]:
    """Faults that forbid a start, one sentence each: flag, value, what is accepted."""
    return [problem for check in _CHECKS for problem in check(options)]


def warnings(options: Options) -> list[str]:
    """What will probably not do what was meant."""
    return [warning for check in _WARNINGS for warning in check(options)]


def controller_enabled(name: str, options: Options) -> bool:
    """Whether ``--controllers`` asks for the controller with the canonical ``name``."""
    items = [_canonical(item) for item in options.controllers]
    for item in items:
        if item == name:
            return True
        if item == f"-{name}":
            return False
    return "*" in items


def routes_wanted(options: Options) -> bool:
    """Whether routes are asked for.

    ``--allocate-node-cidrs=false`` without a CIDR switched them off up to Kubernetes 1.20.
    """
    if not options.configure_cloud_routes:
        return False
    switched_off = "allocate-node-cidrs" in options.given and not options.allocate_node_cidrs
    if switched_off and not options.cluster_cidr:
        return False
    return controller_enabled(ROUTES, options)


def routes_managed(options: Options) -> bool:
    """Whether routes are asked for and it is known which: the route controller runs."""
    return routes_wanted(options) and bool(options.cluster_cidr)


def _canonical(item: str) -> str:
    sign = "-" if item.startswith("-") else ""
    name = item.removeprefix("-")
    return sign + ALIASES.get(name, name)


def _provider(options: Options) -> Iterator[str]:
    if not options.cloud_provider:
        yield "--cloud-provider cannot be empty; accepted: a name that `cloudprovider list` shows"
    if not options.cluster_name.strip():
        yield "--cluster-name cannot be empty; accepted: a name that is unique in the account"


def _controllers(options: Options) -> Iterator[str]:
    for item in options.controllers:
        name = _canonical(item).removeprefix("-")
        if name not in CONTROLLERS and item != "*":
            yield (
                f'--controllers={item}: "{item.removeprefix("-")}" is not in the list of known '
                f"controllers; accepted: *, {', '.join((*CONTROLLERS, *ALIASES))}, "
                "each also with - in front"
            )


def _routes(options: Options) -> Iterator[str]:
    asked = "configure-cloud-routes" in options.given and routes_wanted(options)
    if asked and not options.cluster_cidr:
        yield (
            "--cluster-cidr must be set when --configure-cloud-routes=true; accepted: the Pods' "
            "address range, or --configure-cloud-routes=false"
        )


def _gates(options: Options) -> Iterator[str]:
    for gate, _ in options.feature_gates:
        if gate not in _GATES | _REMOVED_GATES:
            known = ", ".join(sorted(_GATES))
            yield f"--feature-gates={gate}: unrecognized feature gate: {gate}; accepted: {known}"


def _election(options: Options) -> Iterator[str]:
    if not options.leader_elect:
        return
    lease, renew = options.leader_elect_lease_duration, options.leader_elect_renew_deadline
    if lease <= renew:
        yield (
            f"--leader-elect-lease-duration={lease:g}s: leaseDuration must be greater than "
            f"renewDeadline; accepted: more than {renew:g}s (--leader-elect-renew-deadline)"
        )
    shortest = options.leader_elect_retry_period * _JITTER
    if renew <= shortest:
        yield (
            f"--leader-elect-renew-deadline={renew:g}s: renewDeadline must be greater than "
            f"retryPeriod*JitterFactor; accepted: more than {shortest:g}s"
        )
    for flag, value in (
        ("--leader-elect-resource-name", options.leader_elect_resource_name),
        ("--leader-elect-resource-namespace", options.leader_elect_resource_namespace),
    ):
        if not value:
            yield f"{flag} cannot be empty; accepted: a name"


def _serving(options: Options) -> Iterator[str]:
    yield from serving_validation.problems(options)
    if options.port and options.port == options.secure_port:
        yield (
            f"--port={options.port}: the same as --secure-port, which answers plain-HTTP health "
            "probes itself; accepted: another port, or none"
        )


def _files(options: Options) -> Iterator[str]:
    for flag, path in (
        ("--cloud-config", options.cloud_config),
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
    for gate, _ in options.feature_gates:
        if gate in _REMOVED_GATES:
            yield f"--feature-gates={gate}: the gate is gone, its behaviour is always on"


def _route_warnings(options: Options) -> Iterator[str]:
    if routes_wanted(options) and not options.cluster_cidr:
        yield "--cluster-cidr is not given: routes are not managed"


def _config_mode_warnings(options: Options) -> Iterator[str]:
    path = options.cloud_config
    if path and os.path.isfile(path) and os.stat(path).st_mode & 0o004:
        yield f"--cloud-config={path}: every user of this machine can read it; use mode 0600"


_Check = Callable[[Options], Iterator[str]]
_CHECKS: tuple[_Check, ...] = (
    _election, _controllers, _provider, _routes, _gates, _serving, _files
)  # fmt: skip
_WARNINGS: tuple[_Check, ...] = (
    _lock_warnings, _name_warnings, _port_warnings, _election_warnings, _gate_warnings,
    _route_warnings, serving_validation.warnings, _config_mode_warnings,
)  # fmt: skip
