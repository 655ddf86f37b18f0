"""Invariants of a cluster and its cloud, as pure functions of a view of both.

Each returns the violations it sees, in words; no violation is an empty list. Safety oracles hold
after every write, final ones at the end. Numbers are those of ``spec/reliability.md`` 2.1.
"""

from __future__ import annotations

import collections
from collections.abc import Iterable, Mapping, Set

import msgspec

from cloudprovider.models import Service, ServicePort
from cloudprovider.toolkit.journal import Record

FINALIZER = "service.kubernetes.io/load-balancer-cleanup"

#: (protocol in capitals, port)
PortKey = tuple[str, int]


class Listener(msgspec.Struct, frozen=True):
    """A listener of a load balancer."""

    running: bool
    group: str  #: name of the server group it forwards to
    id: str = ""  #: empty where a cloud has none


class Balancer(msgspec.Struct, frozen=True):
    """A load balancer that carries a Service's mark."""

    id: str
    owner_uid: str
    address: str
    listeners: Mapping[PortKey, Listener] = {}
    #: backends of each server group by its name: (server, port)
    groups: Mapping[str, frozenset[tuple[str, int]]] = {}
    group_ids: tuple[str, ...] = ()  #: all groups, also those that share a name


class View(msgspec.Struct, frozen=True):
    """Kubernetes and the cloud at one moment."""

    services: tuple[Service, ...]
    balancers: tuple[Balancer, ...]
    foreign: Mapping[str, str]  #: digest of every resource that is not ours, by id
    backends: frozenset[str] = frozenset()  #: servers that should be backends now
    nodes: frozenset[str] = frozenset()  #: names of the Nodes
    members: frozenset[str] = frozenset()  #: names of the Nodes that have an instance
    steady: frozenset[str] = frozenset()  #: servers that should have been backends for a while
    broken: frozenset[str] = frozenset()  #: names of Services that nobody could serve
    classes: frozenset[str] = frozenset()  #: load balancer classes that are ours
    elsewhere: frozenset[str] = frozenset()  #: UIDs of Services that other controllers serve
    #: (UID of a Service, port): asked for too late to be known when the last call was sent
    fresh: frozenset[tuple[str, PortKey]] = frozenset()

    def wants(self, service: Service) -> bool:
        """Whether ``service`` is to have a load balancer of ours."""
        named = service.spec.load_balancer_class
        ours = named is None or named in self.classes
        alive = service.metadata.deletion_timestamp is None
        return service.spec.type == "LoadBalancer" and ours and alive


def foreign_untouched(before: View, now: View) -> list[str]:
    """O1: nothing changes or disappears that we cannot prove to be ours."""
    return [
        f"O1: {resource} is not ours and was changed or deleted"
        for resource, digest in before.foreign.items()
        if now.foreign.get(resource) != digest
    ]


def nothing_twice(now: View) -> list[str]:
    """O2: at most one load balancer per owner, one server group per name in it."""
    owners = collections.Counter(balancer.owner_uid for balancer in now.balancers)
    found = [f"O2: {n} load balancers of Service {uid}" for uid, n in owners.items() if n > 1]
    for balancer in now.balancers:
        if len(balancer.group_ids) > len(balancer.groups):
            found.append(f"O2: two server groups of one name in {balancer.id}")
    return found


def owners_exist(now: View) -> list[str]:
    """O3: a load balancer of a Service exists only while that Service does, with our finalizer."""
    services = {service.metadata.uid: service for service in now.services}
    found = []
    for balancer in now.balancers:
        service = services.get(balancer.owner_uid)
        if service is None:
            found.append(
                f"O3: {balancer.id} belongs to Service {balancer.owner_uid}, which is gone"
            )
        elif FINALIZER not in (service.metadata.finalizers or ()):
            found.append(f"O3: {balancer.id} exists, {service.key} has no finalizer")
    return found


def nodes_kept(now: View) -> list[str]:
    """O6, as far as one moment shows it: a Node whose instance exists is not deleted."""
    return [f"O6: node {name} is gone, its instance exists" for name in now.members - now.nodes]


def available(before: View, now: View) -> list[str]:
    """O4: a listener that served goes on serving, with every backend that may stay."""
    old = {balancer.id: balancer for balancer in before.balancers}
    wanted = {service.metadata.uid: service for service in now.services if now.wants(service)}
    found = []
    for balancer in now.balancers:
        previous, service = old.get(balancer.id), wanted.get(balancer.owner_uid)
        if previous is not None and service is not None:
            for port in _promised(service, now):
                what = _lost(previous, balancer, port, now.steady)
                found += [f"O4: {service.key}, {port.port}: {what}"] if what else []
    return found


def _promised(service: Service, now: View) -> list[ServicePort]:
    """The ports that whoever sent the last call must have known of."""
    ports = service.spec.ports or ()
    uid = service.metadata.uid
    return [port for port in ports if (uid, (port.protocol, port.port)) not in now.fresh]


def _lost(before: Balancer, now: Balancer, port: ServicePort, steady: frozenset[str]) -> str:
    """What a listener lost between two moments that it should have kept."""
    key = (port.protocol, port.port)
    old, new = before.listeners.get(key), now.listeners.get(key)
    had = before.groups.get(old.group, frozenset()) if old is not None else frozenset()
    if old is None or not old.running or not had:
        return ""
    if new is None or not new.running:
        return "the listener is stopped or deleted"
    if new.id != old.id:
        return "the listener was made anew"
    has = now.groups.get(new.group, frozenset())
    gone = {item for item in had - has if item[0] in steady and item[1] == port.node_port}
    if gone:
        return f"backends removed that may stay: {sorted(gone)}"
    return "" if has or not steady else "no backend is left"


def kept(before: View, now: View) -> list[str]:
    """O16, seen from its result: nothing is deleted of a Service that is there and wants it."""
    there = {balancer.id for balancer in now.balancers}
    wanted = {
        service.metadata.uid: service.key
        for service in now.services
        if now.wants(service) and _promised(service, now)
    }
    return [
        f"O16: {balancer.id} is deleted, {wanted[balancer.owner_uid]} wants it"
        for balancer in before.balancers
        if balancer.id not in there and balancer.owner_uid in wanted
    ]


def honest(now: View) -> list[str]:
    """O19: a status names no address that is not the Service's own.

    Except while it is cleaned up: then its finalizer says that the status is not to be trusted.
    """
    own: dict[str, set[str]] = collections.defaultdict(set)
    for balancer in now.balancers:
        own[balancer.owner_uid].add(balancer.address)
    found = []
    for service in now.services:
        if service.metadata.uid in now.elsewhere:
            continue
        named = {ingress.ip or "" for ingress in service.status.load_balancer.ingress or ()}
        going = not now.wants(service) and FINALIZER in (service.metadata.finalizers or ())
        if not going and not named <= own[service.metadata.uid]:
            found.append(f"O19: the status of {service.key} names {sorted(named)}, not its own")
    return found


def converged(now: View) -> list[str]:
    """O7: every Service that wants a load balancer has exactly what it asks for; nobody else."""
    found = []
    balancers = {balancer.owner_uid: balancer for balancer in now.balancers}
    for service in now.services:
        balancer = balancers.pop(service.metadata.uid, None)
        wants = now.wants(service)
        if balancer is None and (
            service.metadata.uid in now.elsewhere or (wants and service.metadata.name in now.broken)
        ):
            continue
        if wants:
            found += _as_asked(service, balancer, now.backends)
        else:
            found += _cleaned_up(service, balancer)
    found += [f"O7: {balancer.id} belongs to nobody" for balancer in balancers.values()]
    return found


def _as_asked(service: Service, balancer: Balancer | None, backends: frozenset[str]) -> list[str]:
    if balancer is None:
        return [f"O7: {service.key} has no load balancer"]
    found = []
    wanted = {(port.protocol, port.port): port.node_port for port in service.spec.ports or ()}
    if set(balancer.listeners) != set(wanted):
        found.append(f"O7: listeners {sorted(balancer.listeners)} instead of {sorted(wanted)}")
    for key, listener in balancer.listeners.items():
        if not listener.running:
            found.append(f"O7: listener {key} of {service.key} is not running")
        group = balancer.groups.get(listener.group)
        expected = {(server, wanted.get(key) or 0) for server in backends}
        if group is None or set(group) != expected:
            shown = "no group" if group is None else sorted(group)
            found.append(f"O7: backends of {key}: {shown} instead of {sorted(expected)}")
    unused = set(balancer.groups) - {listener.group for listener in balancer.listeners.values()}
    if unused:
        found.append(f"O7: server groups without listener: {sorted(unused)}")
    addresses = [ingress.ip for ingress in service.status.load_balancer.ingress or ()]
    if addresses != [balancer.address]:
        found.append(f"O7: status of {service.key} is {addresses}, not {balancer.address}")
    if FINALIZER not in (service.metadata.finalizers or ()):
        found.append(f"O7: {service.key} has no finalizer")
    return found


def _cleaned_up(service: Service, balancer: Balancer | None) -> list[str]:
    found = []
    if balancer is not None:
        found.append(f"O7: {service.key} wants no load balancer and has {balancer.id}")
    if service.status.load_balancer.ingress:
        found.append(f"O7: status of {service.key} still names an address")
    if FINALIZER in (service.metadata.finalizers or ()):
        found.append(f"O7: {service.key} still has our finalizer")
    return found


def quiet(records: Iterable[Record]) -> list[str]:
    """O8: passes with nothing changed write nothing, not even what is there already.

    Leases are renewed whatever happens, and who leads is told beside them.
    """
    return [
        f"O8: {record.api} {record.op} {record.key} in a pass with nothing changed"
        for record in records
        if record.write and "leases" not in record.op and not record.key.startswith("kube-system/")
    ]


def nothing_left(initial: View, now: View) -> list[str]:
    """O10: after everything of ours is deleted, the cloud is what it was."""
    found = [f"O10: {balancer.id} is left behind" for balancer in now.balancers]
    found += [f"O10: {new} is left behind" for new in set(now.foreign) - set(initial.foreign)]
    return found + foreign_untouched(initial, now)


def independent_of_the_way(usual: Set[str], found: Set[str]) -> list[str]:
    """O14: what comes of a declaration is what comes of it in a fresh cluster.

    Args:
        usual: Every resource of the fresh cluster as text, without ids and times.
        found: The same of this one.

    """
    more = [f"O14: from nothing there would not be {item}" for item in sorted(found - usual)]
    return more + [f"O14: from nothing there would be {item}" for item in sorted(usual - found)]


def safe(before: View, now: View) -> list[str]:
    """All oracles that hold after every write."""
    return (
        foreign_untouched(before, now)
        + nothing_twice(now)
        + owners_exist(now)
        + nodes_kept(now)
        + honest(now)
    )


def step(before: View, now: View) -> list[str]:
    """All oracles that judge one write by the views before and after it."""
    return available(before, now) + kept(before, now)
