"""Whose a Node or a Service is, where one or several providers look after a cluster. Pure.

A provider owns what it can prove to be its own. Nothing belongs to anybody because others do not
claim it; what nobody or more than one claims is left alone (``design.md`` 5, R1, R2;
``docs/decisions/0024-whose-an-object-is.md``). Every object has at most one owner.
"""

from __future__ import annotations

import dataclasses
import logging
import re
from collections.abc import Callable, Collection, Sequence
from typing import Protocol, TypeVar

from cloudprovider.models import Node, Service

_log = logging.getLogger(__name__)
_T = TypeVar("_T")

#: On a Node or a Service: the name of its provider. Who creates the object may set it to choose
#: one. On a Service that has its load balancer it is the record of who made it.
PROVIDER_LABEL = "k8s-cloudprovider/provider"

#: Keeps a Service until its load balancer is gone; ours and upstream's.
_FINALIZER = "service.kubernetes.io/load-balancer-cleanup"


class Claimant(Protocol):
    """What a provider says about objects; part of :class:`~cloudprovider.interface.Interface`."""

    def provider_name(self) -> str:
        """Its name."""

    def claims_node(self, node: Node) -> bool:
        """Whether the node is one of its instances."""

    def load_balancer_classes(self) -> Collection[str]:
        """Values of ``spec.loadBalancerClass`` that mean it."""

    def claims_service(self, service: Service) -> bool:
        """Whether the Service carries a mark that only it sets."""


@dataclasses.dataclass(frozen=True)
class Owner:
    """Whose an object is."""

    #: The provider; empty: nobody's here, so it is left alone.
    name: str = ""
    #: False: it is only the default provider's turn. A Node may then be initialised, not deleted.
    proven: bool = False
    #: Why nobody may touch it although the providers here have a say in it; told its owner once.
    problem: str = ""
    #: Whether the record belongs on a Service even where nothing else is written.
    record: bool = False
    #: Providers that failed to say whether it is theirs: it may be (R8).
    silent: tuple[str, ...] = ()


NOBODY = Owner()


_LABEL_VALUE = re.compile(r"[A-Za-z0-9]([A-Za-z0-9._-]{0,61}[A-Za-z0-9])?")


def is_recordable(name: str) -> bool:
    """Whether ``name`` can be the value of a label: of a provider that is alone it need not be."""
    return bool(_LABEL_VALUE.fullmatch(name))


def recorded(obj: Node | Service) -> str:
    """The provider that the label names, or empty."""
    return (obj.metadata.labels or {}).get(PROVIDER_LABEL, "")


def had_balancer(service: Service) -> bool:
    """Whether a load balancer may have been made for ``service`` by somebody, some time."""
    held = _FINALIZER in (service.metadata.finalizers or ())
    return held or bool(service.status.load_balancer.ingress)


def node_owner(node: Node, providers: Sequence[Claimant], *, default: str = "") -> Owner:
    """Whose ``node`` is.

    A provider must recognise the providerID; the label only chooses between several that do. While
    there is no providerID, the label alone is enough to be initialised, but never to be deleted.

    Args:
        node: As the API server has it.
        providers: Those that run here.
        default: Who may initialise a node that says nothing at all; empty = nobody.

    """
    named = recorded(node)
    names = [provider.provider_name() for provider in providers]
    answers = {item.provider_name(): _answer(item, _claims(node)) for item in providers}
    claiming = [name for name, claimed in answers.items() if claimed]
    silent = tuple(name for name, claimed in answers.items() if claimed is None)
    if named and named not in names:
        return NOBODY
    if named in claiming:
        return Owner(named, proven=True)
    provider_id = node.spec.provider_id
    if named:
        if not provider_id:
            return Owner(named)
        if named in silent:
            return Owner(silent=silent)
        return Owner(
            problem=f"label {PROVIDER_LABEL} names provider {named}, which does not recognise "
            f"providerID {provider_id!r}; accepted: the provider whose instance it is, or no label"
        )
    if len(claiming) > 1:
        return Owner(
            problem=f"claimed by the providers {' and '.join(claiming)}; none of them touches it "
            f"until label {PROVIDER_LABEL} names one of them"
        )
    if claiming:
        return Owner(claiming[0], proven=True)
    return Owner("" if provider_id else default, silent=silent)


def _claims(node: Node) -> Callable[[Claimant], bool]:
    return lambda provider: bool(provider.claims_node(node))


def service_owner(service: Service, providers: Sequence[Claimant], *, default: str = "") -> Owner:
    """Whose the load balancer of ``service`` is.

    The record on a Service that is on its way out, else its class, else its record, else a mark of
    a provider's own, else the default. What contradicts itself is nobody's.

    Args:
        service: As the API server has it.
        providers: Those that run here.
        default: Who takes a Service that says nothing at all; empty = nobody.

    """
    named = recorded(service)
    names = [provider.provider_name() for provider in providers]
    several = len(names) > 1
    leaving = service.metadata.deletion_timestamp is not None or service.spec.type != "LoadBalancer"
    wanted = service.spec.load_balancer_class
    if wanted is not None and not (named and leaving):
        return _by_class(wanted, named, providers)
    if named:
        return _by_record(service, named, names, providers)
    marked = _claiming(providers, lambda provider: provider.claims_service(service))
    if len(marked) > 1:
        return Owner(problem=f"it carries marks of the providers {' and '.join(marked)}")
    # Without a default, a mark that somebody takes away would make it nobody's.
    if marked:
        return Owner(marked[0], proven=True, record=several or not default)
    return Owner(default, record=several) if default else NOBODY


def balancer_owner(service: Service, providers: Sequence[Claimant], *, default: str = "") -> Owner:
    """Who has the load balancer that ``service`` has now: its record says it before all else."""
    named = recorded(service)
    if named:
        return _by_record(service, named, [item.provider_name() for item in providers], providers)
    return service_owner(service, providers, default=default)


def _by_class(wanted: str, named: str, providers: Sequence[Claimant]) -> Owner:
    answers = {item.provider_name(): _answer(item, _classes) for item in providers}
    able = [name for name, classes in answers.items() if wanted in (classes or ())]
    silent = [name for name, classes in answers.items() if classes is None]
    if not able and silent:
        # It may be theirs: what was made for it must not look like nobody's, and go.
        return Owner(problem=f"provider {' and '.join(silent)} cannot say which classes it has")
    if not able:
        return NOBODY  # somebody else's
    if len(able) > 1:
        return Owner(problem=f"class {wanted!r} is that of the providers {' and '.join(able)}")
    if named and named != able[0]:
        return Owner(
            problem=f"its load balancer is provider {named}'s, its class {wanted!r} is provider "
            f"{able[0]}'s; delete it and create it anew, or set label {PROVIDER_LABEL} right"
        )
    return Owner(able[0], proven=True, record=len(providers) > 1)


def _classes(provider: Claimant) -> Collection[str]:
    return tuple(provider.load_balancer_classes())


def _by_record(
    service: Service, named: str, names: Sequence[str], providers: Sequence[Claimant]
) -> Owner:
    if named not in names:
        return Owner(
            problem=f"it belongs to provider {named} (label {PROVIDER_LABEL}), which does not run "
            f"here; --cloud-provider names {', '.join(names)}"
        )
    marked = _claiming(providers, lambda provider: provider.claims_service(service))
    if marked and named not in marked:
        return Owner(
            problem=f"label {PROVIDER_LABEL} names provider {named}, but it carries the mark of "
            f"{' and '.join(marked)}, which made its load balancer"
        )
    return Owner(named, proven=True)


def _claiming(providers: Sequence[Claimant], claims: Callable[[Claimant], object]) -> list[str]:
    """The names of those that say yes."""
    return [item.provider_name() for item in providers if _answer(item, claims)]


def _answer(provider: Claimant, question: Callable[[Claimant], _T]) -> _T | None:
    """What ``provider`` says; one that fails to has said nothing, and only for itself (R8)."""
    try:
        return question(provider)
    except (Exception, SystemExit) as error:  # noqa: BLE001 - a provider may raise anything
        name = provider.provider_name()
        _log.warning("provider %s cannot tell what is its own: %s", name, type(error).__name__)
        return None
