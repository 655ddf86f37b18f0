"""``events.md``: the events that the controllers write, made by the controllers' own code."""

from __future__ import annotations

from collections.abc import Iterator

from cloudprovider.errors import CloudProviderError, RetryLater
from cloudprovider.interface import InstanceMetadata
from generator import markdown, recorded, source_events

_INTRODUCTION = """\
`kubectl describe` shows them below the object. Reasons and messages are those of Kubernetes' own
managers, so that alerts go on working; `LoadBalancerInProgress`, `FailedToInitialize`,
`OwnerUnclear` and `DeletingNodesPaused` have no counterpart there. `…` stands for what the cloud or
the API server said, with the cloud's code and request id. Similar events are counted and spaced
out, like client-go does it."""

_LASTING = """\
A Warning that only somebody's change can mend (configuration, permissions, quota, ownership) is
told once an hour, and at each change of the Service, not at each try: see [errors](errors.md)."""

_WHEN = {
    "SyncLoadBalancerFailed": "Making, changing or deleting the load balancer failed.",
    "UpdateLoadBalancerFailed": "Bringing only the backends up to date failed.",
    "DeleteLoadBalancerFailed": "Deleting for a Service that is gone already failed.",
    "LoadBalancerInProgress": "The cloud is at work; asked again later. No failure.",
    "Synced": "The Node was initialised: the taint is gone.",
    "FailedToInitialize": "The Node stays tainted; told once an hour for each reason.",
    "OwnerUnclear": "It is not clear which provider's it is, and why; told once for each reason.",
    "DeletingNode": "Its instance is gone: the Node is about to be deleted.",
    "DeletingNodeFailed": "That was refused; it is tried again.",
    "DeletingNodesPaused": "So many are gone at once that it is rather a mistake.",
    "FailedToCreateRoute": "The cloud refused a route to the Node's Pods.",
    "LeaderElection": "This process began or ended to lead.",
}


def page() -> str:
    """The page."""
    rows = [
        (event.kind, event.type, f"`{event.reason}`", markdown.prose(event.message), when)
        for event, when in _events()
    ]
    return markdown.page(
        "Events",
        _INTRODUCTION,
        _LASTING,
        markdown.table(("Object", "Type", "Reason", "Message", "When"), rows),
    )


def _events() -> Iterator[tuple[recorded.Event, str]]:
    yield from recorded.service_successes()
    cause, waiting = CloudProviderError("…"), RetryLater("…", after=5.0)
    failures = [
        *recorded.service_failures(cause, doing="failed to ensure load balancer"),
        *recorded.service_failures(cause, doing="", update_of="[node-1 node-2]", node_count=2),
        *recorded.service_failures(cause, doing="", deletion=True),
        *recorded.service_failures(waiting, doing="failed to ensure load balancer"),
        *recorded.node_events(InstanceMetadata(provider_id="cloud://1")),
        *recorded.node_events(cause),
        *(
            event
            for event in source_events.events("node", kind="Node")
            if event.reason == "OwnerUnclear"
        ),
        *source_events.events("nodelifecycle", kind="Node"),
        *source_events.events("route", kind="Node"),
        *recorded.lease_events(),
    ]
    for event in failures:
        yield event, _WHEN.get(event.reason, "")
