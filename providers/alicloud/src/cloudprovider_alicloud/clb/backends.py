"""Which nodes are backends of a Service, and with what weight. Pure.

Source: ``spec/alicloud.md`` 2.2, 2.3, 4.6. Unlike upstream's manager, a node that is not Ready
stays a backend: health checks see dead nodes sooner, and an outage of the API server, which makes
every node look not ready, must not empty every load balancer.
"""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Iterable, Sequence

from cloudprovider.errors import InvalidConfiguration
from cloudprovider.models import Node
from cloudprovider.toolkit.annotations import Values
from cloudprovider_alicloud import annotations as keys
from cloudprovider_alicloud import provider_id
from cloudprovider_alicloud.api.slb import Backend

#: Nodes with one of these labels, whatever the value, are never backends.
EXCLUDING_LABELS = (
    "node-role.kubernetes.io/control-plane",
    "node-role.kubernetes.io/master",
    *provider_id.EXCLUDE_LABELS,
    "alpha.service-controller.kubernetes.io/exclude-balancer",
)
EXCLUDE_FROM_BALANCERS = "node.kubernetes.io/exclude-from-external-load-balancers"
FALSE_TEXTS = ("0", "f", "F", "false", "False", "FALSE")
AUTOSCALER_TAINT = "ToBeDeletedByClusterAutoscaler"
VIRTUAL_KUBELET = ("type", "virtual-kubelet")


def backend_servers(nodes: Iterable[Node], values: Values) -> dict[str, str]:
    """Instance id to node name of every node that is a backend under the annotations ``values``.

    Two Node objects of one instance give one backend.
    """
    servers: dict[str, str] = {}
    for node in nodes:
        if why_not(node, values):
            continue
        server = instance_id(node)
        if server:
            servers.setdefault(server, node.metadata.name)
    return servers


def why_not(node: Node, values: Values) -> str:
    """Why ``node`` is no backend, in words; empty if it is one (given a usable providerID)."""
    labels = node.metadata.labels or {}
    wanted = values[keys.BACKEND_LABEL]
    lacking = next((f"{k}={v}" for k, v in wanted.items() if labels.get(k) != v), "")
    if lacking:
        return f"lacks label {lacking}"
    excluding = next((label for label in EXCLUDING_LABELS if label in labels), "")
    if excluding:
        return f"has label {excluding}"
    if labels.get(EXCLUDE_FROM_BALANCERS, "false") not in FALSE_TEXTS:
        return f"has label {EXCLUDE_FROM_BALANCERS}"
    if labels.get(VIRTUAL_KUBELET[0]) == VIRTUAL_KUBELET[1]:
        return "is a virtual node"
    if any(taint.key == AUTOSCALER_TAINT for taint in node.spec.taints or ()):
        return "is about to be deleted by the autoscaler"
    if values[keys.REMOVE_UNSCHEDULED] and node.spec.unschedulable:
        return "is cordoned"
    return ""


def instance_id(node: Node) -> str:
    """The instance behind ``node``, or empty if its providerID does not name one of ours."""
    return _instance_id(node.spec.provider_id or "")


@functools.lru_cache(maxsize=16_384)  # asked for every node of every Service
def _instance_id(text: str) -> str:
    try:
        return provider_id.parse(text).instance_id
    except InvalidConfiguration:
        return ""


@dataclasses.dataclass(frozen=True)
class NodeChange:
    """The difference of two lists of nodes, made once for all Services.

    Each Service then looks at the few nodes that changed, not at thousands that did not.
    """

    old: Sequence[Node]
    new: Sequence[Node]
    gone: Sequence[Node]  #: in ``old``, and not the same object in ``new``
    come: Sequence[Node]  #: the other way round
    twins: Sequence[Node]  #: unchanged ones that name the instance of a changed one

    @classmethod
    def of(cls, old: Sequence[Node], new: Sequence[Node]) -> NodeChange:
        """From ``old`` to ``new``."""
        before, after = {id(node) for node in old}, {id(node) for node in new}
        gone = [node for node in old if id(node) not in after]
        come = [node for node in new if id(node) not in before]
        instances = {instance_id(node) for node in (*gone, *come)}
        same = (node for node in new if id(node) in before)
        twins = [node for node in same if instance_id(node) in instances]
        return cls(old, new, gone, come, twins)

    def changes_servers(self, values: Values) -> bool:
        """Whether it changes who is a backend under ``values``."""
        gone, come = (
            set(backend_servers(self.gone, values)),
            set(backend_servers(self.come, values)),
        )
        if gone == come:
            return False
        return bool((gone ^ come) - set(backend_servers(self.twins, values)))


def unusable_nodes(nodes: Iterable[Node], values: Values) -> list[str]:
    """Names of nodes that would be backends if their providerID named an instance."""
    return sorted(
        node.metadata.name for node in nodes if not why_not(node, values) and not instance_id(node)
    )


def group_members(
    servers: Sequence[str], *, port: int, weight: int, description: str
) -> tuple[Backend, ...]:
    """The members of a group, sorted."""
    return tuple(
        Backend(server_id=server, port=port, weight=weight, description=description)
        for server in sorted(servers)
    )
