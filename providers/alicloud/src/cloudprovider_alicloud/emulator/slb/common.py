"""What the SLB actions share."""

from __future__ import annotations

from cloudprovider_alicloud.emulator.actions import Call
from cloudprovider_alicloud.emulator.errors import (
    ApiError,
    invalid,
    load_balancer_not_found,
    missing,
    vserver_group_not_found,
)
from cloudprovider_alicloud.emulator.params import boolean, objects, text
from cloudprovider_alicloud.emulator.resources import LoadBalancer, Tags, VServerGroup

LOAD_BALANCER_ID = text("LoadBalancerId", required=True)
TAG = objects("Tag", text("Key"), text("Value"))
AUTO_PAY = boolean("AutoPay")
NAME_LENGTH = 80


def load_balancer(call: Call) -> LoadBalancer:
    """The load balancer that ``LoadBalancerId`` names. Raises ApiError when there is none."""
    found = call.state.load_balancers.get(call.text("LoadBalancerId"))
    if found is None or found.region != call.region:
        raise load_balancer_not_found()
    return found


def vserver_group(call: Call) -> VServerGroup:
    """The group that ``VServerGroupId`` names. Raises ApiError when there is none."""
    found = call.state.vserver_groups.get(call.text("VServerGroupId"))
    if found is None:
        raise vserver_group_not_found()
    return found


def tags_of(call: Call) -> Tags:
    """The parameter ``Tag.N`` as a mapping, checked (``spec/alicloud.md`` 7.2, SLB 11)."""
    tags: Tags = {}
    items = call.listed("Tag")
    if len(items) > call.settings.limits.tags:
        raise invalid("Tag", f"may hold {call.settings.limits.tags} items at most")
    for item in items:
        key, value = item.get("Key", ""), item.get("Value", "")
        if not key:
            raise missing("Tag.Key")
        check_tag(key, value)
        tags[key] = value
    return tags


def check_tag(key: str, value: str) -> None:
    """Refuse a tag with a reserved prefix or beyond the lengths."""
    reserved = key.lower().startswith(("aliyun", "acs:"))
    if not 1 <= len(key) <= 64 or reserved or "http://" in key or "https://" in key:
        raise ApiError(400, "InvalidTagKey.Malformed", "The specified TagKey is not valid.")
    if len(value) > 128 or "http://" in value or "https://" in value:
        raise ApiError(400, "InvalidTagValue.Malformed", "The specified TagValue is not valid.")


def merge_tags(call: Call, old: Tags, new: Tags) -> Tags:
    """``old`` with ``new``; refused beyond the number of tags that a resource may have."""
    merged = {**old, **new}
    if 0 < call.settings.quotas.tags_per_resource < len(merged):
        raise ApiError(
            400, "TagCountLimit", "The number of tags on the resource exceeds the limit."
        )
    return merged
