"""``errors.md``: what a provider raises and what the controllers do then.

The events are not described but made: the controllers' own code is given each error.
"""

from __future__ import annotations

import inspect
from collections.abc import Iterator

from cloudprovider import errors
from cloudprovider.errors import CloudProviderError
from cloudprovider_controllers.context import ControllerOptions
from cloudprovider_controllers.node.controller import _RETRY_BASE as NODE_RETRY_BASE
from generator import markdown, recorded, source_events

_INTRODUCTION = """\
What a provider raises says what the caller must do. All are in `cloudprovider.errors`. Whatever
else a provider raises becomes a `CloudProviderError` of that one Service or Node, and fails nothing
else; its text is not shown, because it may hold a credential. A `RetryLater` or
`ImplementedElsewhere` counts however deep it is wrapped (`raise … from`)."""

_SERVICES = """\
*Told* is the event on the Service; *again* is whether the same complaint is told at the next try as
well. A change of the Service resets both and is tried at once."""

_NODES = """\
*Told* is the event on a Node that waits for its initialisation; the same complaint is told once an
hour. The taint stays until it works. When addresses of initialised Nodes are refreshed, an error
skips that Node until the next pass, with a line in the log."""

_ROUTES = """\
*Told* is the event on the Node whose route could not be created; *again* as above. Until it works,
the Node's condition `NetworkUnavailable` says so."""

#: What the class does not say by itself; one entry for each that is special.
_NOTES = {
    "ResourceNotFound": "From an update of backends: the load balancer is made anew at once.",
    "ImplementedElsewhere": "A success; the Service's status is left alone.",
    "NotSupported": "For the old interface: a provider without instance ids may raise it.",
}


def classes() -> list[type[CloudProviderError]]:
    """Every class of the tree in the order of declaration."""
    found = [item for _, item in vars(errors).items() if inspect.isclass(item)]
    return [item for item in found if issubclass(item, CloudProviderError)]


def page() -> str:
    """The page."""
    return markdown.page(
        "Errors",
        _INTRODUCTION,
        markdown.table(("Class", "Is a", "Meaning", "Note"), map(_meaning, classes())),
        "## Service controller",
        _SERVICES,
        markdown.table(("Raised", "Tried again after", "Told", "Again"), _services()),
        "## Node controller",
        _NODES,
        markdown.table(("Answered for a Node", "Tried again after", "Told"), _nodes()),
        "## Route controller",
        _ROUTES,
        markdown.table(("Answered for a route", "Told", "Again"), _routes()),
    )


def example(kind: type[CloudProviderError]) -> CloudProviderError:
    """An instance of ``kind``."""
    if issubclass(kind, errors.RetryLater):
        return kind("reason", after=30.0)
    return kind("reason")


def _meaning(kind: type[CloudProviderError]) -> tuple[str, str, str, str]:
    parent = kind.__bases__[0].__name__
    return (
        markdown.code(kind.__name__),
        markdown.code(parent),
        markdown.summary(kind.__doc__),
        _note(kind),
    )


def _note(kind: type[CloudProviderError]) -> str:
    if kind is errors.InstanceNotFound:
        if "nodelifecycle" in source_events.started():
            return "Said twice, it deletes the Node, under the conditions of rule R2."
        return "Deletes no Node: the controller that would is not in this version."
    return _NOTES.get(kind.__name__, "")


def _services() -> Iterator[tuple[str, str, str, str]]:
    options = ControllerOptions()
    for kind in classes():
        error = example(kind)
        if isinstance(error, errors.ImplementedElsewhere):
            yield markdown.code(kind.__name__), "-", "nothing", "-"
            continue
        told = recorded.service_failures(error, tries=2)
        yield (
            markdown.code(kind.__name__),
            _after(error, options.retry_base, options.retry_cap),
            _shown(told[:1]),
            _again(told),
        )


def _nodes() -> Iterator[tuple[str, str, str]]:
    cap = ControllerOptions().retry_cap
    for kind in classes():
        error = example(kind)
        told = recorded.node_events(error)
        yield markdown.code(kind.__name__), _after(error, NODE_RETRY_BASE, cap), _shown(told)


def _routes() -> Iterator[tuple[str, str, str]]:
    for kind in classes():
        told = recorded.route_failures(example(kind), tries=2)
        yield markdown.code(kind.__name__), _shown(told[:1]), _again(told)


def _again(told: list[recorded.Event]) -> str:
    return ("yes" if len(told) > 1 else "no") if told else "-"


def _after(error: CloudProviderError, base: float, cap: float) -> str:
    if isinstance(error, errors.RetryLater):
        return "`after`"
    return f"{base:g} s, doubling up to {cap:g} s"


def _shown(told: list[recorded.Event]) -> str:
    return ", ".join(f"{event.type} `{event.reason}`" for event in told) or "nothing"
