"""The bodies of our writes, exactly (``spec/ccm-core.md`` 3.1.4). Pure functions.

None goes out as null, which deletes a field. Strategic merge patches unless said otherwise.
"""

from __future__ import annotations

import datetime
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import msgspec

from cloudprovider.models import LoadBalancerIngress, NodeAddress, Taint

Body = dict[str, Any]

#: The finalizer that keeps a Service until its load balancer is gone.
LOAD_BALANCER_CLEANUP = "service.kubernetes.io/load-balancer-cleanup"


# -- nodes -------------------------------------------------------------------------------------


def node_addresses(old: Sequence[NodeAddress] | None, new: Sequence[NodeAddress]) -> Body:
    """PATCH nodes/{n}/status. Empty if ``old`` equals ``new``: then nothing is to be sent.

    The directive replaces the list as a whole, for its merge key (the type) is not unique.
    """
    if tuple(old or ()) == tuple(new):
        return {}
    addresses: list[Body] = [_plain(address) for address in new]
    if old:
        addresses.append({"$patch": "replace"})
    return {"status": {"addresses": addresses}}


def node_labels(labels: Mapping[str, str | None]) -> Body:
    """PATCH nodes/{n}: set labels; None removes one. No precondition."""
    return {"metadata": {"labels": dict(labels)}}


def node_taints(taints: Sequence[Taint], resource_version: str) -> Body:
    """PATCH nodes/{n}: the whole list of taints of the node as just read."""
    return {
        "metadata": {"resourceVersion": resource_version},
        "spec": {"taints": _taints(taints)},
    }


def with_taint(taints: Iterable[Taint] | None, taint: Taint) -> list[Taint]:
    """``taints`` with ``taint``, which replaces the one of its key and effect."""
    return [*without_taint(taints, taint.key, taint.effect), taint]


def without_taint(taints: Iterable[Taint] | None, key: str, effect: str) -> list[Taint]:
    """``taints`` without the one of ``key`` and ``effect``, whatever its value."""
    return [taint for taint in taints or () if (taint.key, taint.effect) != (key, effect)]


def node_initialise(
    resource_version: str,
    *,
    provider_id: str = "",
    labels: Mapping[str, str] | None = None,
    taints: Sequence[Taint] | None = None,
) -> Body:
    """PATCH nodes/{n}: what initialisation sets, in one write, only on the version that was read.

    Upstream replaces the whole node (PUT); a patch cannot erase fields that we do not know.
    ``taints`` is the whole list that shall remain; None leaves the taints alone.
    """
    body: Body = {"metadata": {"resourceVersion": resource_version}}
    if labels:
        body["metadata"]["labels"] = dict(labels)
    spec: Body = {}
    if provider_id:
        spec["providerID"] = provider_id
    if taints is not None:
        spec["taints"] = _taints(taints)
    if spec:
        body["spec"] = spec
    return body


def node_condition(
    condition: str, *, status: bool, reason: str, message: str, now: datetime.datetime
) -> Body:
    """PATCH nodes/{n}/status: one condition, merged by its type; e.g. NetworkUnavailable."""
    time = timestamp(now)
    value = {
        "type": condition,
        "status": "True" if status else "False",
        "reason": reason,
        "message": message,
        "lastHeartbeatTime": time,
        "lastTransitionTime": time,
    }
    return {"status": {"conditions": [value]}}


def without_node_condition(condition: str) -> Body:
    """PATCH nodes/{n}/status: remove the condition of this type."""
    return {"status": {"conditions": [{"$patch": "delete", "type": condition}]}}


def _taints(taints: Sequence[Taint]) -> list[Body] | None:
    return [_plain(taint) for taint in taints] or None


# -- services ----------------------------------------------------------------------------------


def add_finalizer(finalizers: Sequence[str] | None, name: str = LOAD_BALANCER_CLEANUP) -> Body:
    """PATCH services/{s}/status. Empty if ``finalizers`` has it already."""
    have = list(finalizers or ())
    if name in have:
        return {}
    metadata: Body = {"finalizers": [name]}
    if have:
        metadata = {"$setElementOrder/finalizers": [*have, name], **metadata}
    return {"metadata": metadata}


def remove_finalizer(
    finalizers: Sequence[str] | None,
    name: str = LOAD_BALANCER_CLEANUP,
    *,
    resource_version: str = "",
) -> Body:
    """PATCH services/{s}/status. Empty if ``finalizers`` does not have it.

    If it is the only one the patch says null, which would also remove one that somebody added
    meanwhile: pass the ``resource_version`` that ``finalizers`` was read at, and the server answers
    Conflict instead.
    """
    have = list(finalizers or ())
    if name not in have:
        return {}
    rest = [finalizer for finalizer in have if finalizer != name]
    if rest:
        metadata: Body = {
            "$deleteFromPrimitiveList/finalizers": [name],
            "$setElementOrder/finalizers": rest,
        }
    else:
        metadata = {"finalizers": None}
    if resource_version:
        metadata["resourceVersion"] = resource_version
    return {"metadata": metadata}


def service_status(ingress: Sequence[LoadBalancerIngress] | None) -> Body:
    """PATCH services/{s}/status: the addresses of the load balancer; none clears them."""
    value = [_plain(entry) for entry in ingress or ()] or None
    return {"status": {"loadBalancer": {"ingress": value}}}


def _plain(value: msgspec.Struct) -> Body:
    """``value`` as JSON has it: dicts and lists, no tuples, no unset fields."""
    return msgspec.json.decode(msgspec.json.encode(value), type=dict[str, Any])


# -- times -------------------------------------------------------------------------------------


def timestamp(when: datetime.datetime) -> str:
    """``when`` as Kubernetes writes times: UTC, whole seconds, ``Z``."""
    return when.astimezone(datetime.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def micro_timestamp(when: datetime.datetime) -> str:
    """``when`` as Kubernetes writes times of leases: UTC, six decimals, ``Z``."""
    return when.astimezone(datetime.UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
