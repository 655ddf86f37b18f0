"""``spec.providerID`` of this cloud: ``REGION.INSTANCE``. Pure.

Source: ``spec/alicloud.md`` 2.1, 2.2.
"""

from __future__ import annotations

import dataclasses
import re

from cloudprovider.errors import InvalidConfiguration
from cloudprovider.models import Node

#: The older form has this in front; case matters.
PREFIX = "alicloud://"

_REGION = re.compile(r"[a-z0-9]+(-[a-z0-9]+)+")
_INSTANCE = re.compile(r"[A-Za-z0-9_-]+")
_OWN_NAME = re.compile(r"[^.]+\.i-[a-z0-9]+")

#: Nodes with one of these labels, whatever its value, are left alone by every controller.
EXCLUDE_LABELS = (
    "service.alibabacloud.com/exclude-node",
    "service.beta.kubernetes.io/exclude-node",
)


@dataclasses.dataclass(frozen=True)
class ProviderID:
    """An instance in a region."""

    region: str
    instance_id: str

    def __str__(self) -> str:
        """The canonical form, which goes into ``spec.providerID``."""
        return f"{self.region}.{self.instance_id}"


def parse(value: str) -> ProviderID:
    """``REGION.INSTANCE`` or ``alicloud://REGION.INSTANCE``; parts after a further dot are dropped.

    Raises:
        InvalidConfiguration: it is neither, e.g. the id of another cloud.

    """
    region, _, rest = value.removeprefix(PREFIX).partition(".")
    instance_id = rest.partition(".")[0]
    if not (_REGION.fullmatch(region) and _INSTANCE.fullmatch(instance_id)):
        raise InvalidConfiguration(
            "not an instance of Alibaba Cloud",
            field="spec.providerID",
            value=value,
            accepted="REGION.INSTANCE, such as cn-hangzhou.i-bp1",
        )
    return ProviderID(region, instance_id)


def is_valid(value: str) -> bool:
    """Whether :func:`parse` accepts ``value``."""
    try:
        parse(value)
    except InvalidConfiguration:
        return False
    return True


def left_alone(node: Node) -> str:
    """Why ``node`` is none of ours, by its own word; empty if it may be ours."""
    labels = node.metadata.labels or {}
    for label in EXCLUDE_LABELS:
        if label in labels:
            return f"it has the label {label}"
    if labels.get("type") == "virtual-kubelet":
        return "it is a virtual node"
    if (node.spec.provider_id or "").startswith("ack-hybrid://"):
        return "it is outside the cloud (ack-hybrid)"
    return ""


def claims(node: Node) -> bool:
    """Whether ``node`` is ours by providerID or, while it has none, by a name of that form.

    A name proves less: that of another cloud's node, such as ip-10-0-0-1.ec2.internal, reads like a
    region and an instance too.
    """
    if left_alone(node):
        return False
    if node.spec.provider_id:
        return is_valid(node.spec.provider_id)
    return is_valid(node.metadata.name) and bool(_OWN_NAME.fullmatch(node.metadata.name))
