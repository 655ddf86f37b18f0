"""SLB 2014-05-15: tags, in the new form and in the old one (AddTags, RemoveTags, DescribeTags)."""

from __future__ import annotations

from typing import Any

from cloudprovider_alicloud.emulator.actions import (
    PAGE,
    Action,
    Call,
    compact,
    has_tags,
    page,
    tag_filter,
    token_page,
)
from cloudprovider_alicloud.emulator.errors import ApiError, invalid, missing
from cloudprovider_alicloud.emulator.params import boolean, choice, json_text, text, texts
from cloudprovider_alicloud.emulator.resources import Listener, LoadBalancer, Tags, VServerGroup
from cloudprovider_alicloud.emulator.slb.common import (
    LOAD_BALANCER_ID,
    TAG,
    check_tag,
    load_balancer,
    merge_tags,
    tags_of,
)

_Tagged = LoadBalancer | Listener | VServerGroup

_TABLES = {
    "instance": "load_balancers",
    "listener": "listeners",
    "vservergroup": "vserver_groups",
}


def tag_resources(call: Call) -> dict[str, Any]:
    """TagResources; all or nothing."""
    tags = tags_of(call)
    tagged = [(item, merge_tags(call, item.tags, tags)) for item in _resources(call)]
    for item, merged in tagged:
        call.state.change(item, tags=merged)
    return {}


def _resources(call: Call) -> list[_Tagged]:
    ids = call.listed("ResourceId")
    limit = call.settings.limits.tagged_resources
    if len(ids) > limit:
        raise invalid("ResourceId", f"may hold {limit} items at most")
    table = call.state.table(_TABLES[call["ResourceType"]])
    absent = [key for key in ids if key not in table]
    if absent:
        raise ApiError(
            404, "InvalidResourceId.NotFound", "The specified ResourceIds are not found."
        )
    return [table[key] for key in ids]


def untag_resources(call: Call) -> dict[str, Any]:
    """UntagResources: the tags named, or all."""
    keys = set(call.listed("TagKey"))
    if not keys and not call["All"]:
        raise missing("TagKey")
    for item in _resources(call):
        kept = {} if not keys else {k: v for k, v in item.tags.items() if k not in keys}
        call.state.change(item, tags=kept)
    return {}


def list_tag_resources(call: Call) -> dict[str, Any]:
    """ListTagResources: by id, by tag or both; unknown ids are simply absent."""
    ids, tags = call.listed("ResourceId"), tag_filter(call)
    if not ids and not tags:
        raise missing("ResourceId")
    kind = call["ResourceType"]
    table: dict[str, _Tagged] = call.state.table(_TABLES[kind])
    found = [table[key] for key in ids if key in table] if ids else list(table.values())
    rows = [
        {"ResourceType": kind, "ResourceId": item.id, "TagKey": key, "TagValue": value}
        for item in found
        if has_tags(item.tags, tags)
        for key, value in item.tags.items()
    ]
    chosen, token = token_page(call, rows, call.settings.limits.tag_page)
    return {"TagResources": {"TagResource": chosen}, **compact({"NextToken": token})}


def add_tags(call: Call) -> dict[str, Any]:
    """AddTags, the old form: one load balancer, tags as JSON."""
    item = load_balancer(call)
    call.state.change(item, tags=merge_tags(call, item.tags, _json_tags(call)))
    return {}


def remove_tags(call: Call) -> dict[str, Any]:
    """RemoveTags, the old form."""
    item = load_balancer(call)
    gone = _json_tags(call)
    call.state.change(item, tags={k: v for k, v in item.tags.items() if k not in gone})
    return {}


def _json_tags(call: Call) -> Tags:
    value = call["Tags"]
    if not isinstance(value, list) or not all(isinstance(item, dict) for item in value):
        raise invalid("Tags", "must be a JSON array of objects with TagKey and TagValue")
    tags = {str(item.get("TagKey", "")): str(item.get("TagValue", "")) for item in value}
    for key, text_value in tags.items():
        check_tag(key, text_value)
    return tags


def describe_tags(call: Call) -> dict[str, Any]:
    """DescribeTags, the old form: tags of one load balancer or of all, with their use."""
    wanted = call.text("LoadBalancerId")
    counts: dict[tuple[str, str], int] = {}
    for item in call.state.load_balancers.values():
        if item.region == call.region and wanted in ("", item.id):
            for pair in item.tags.items():
                counts[pair] = counts.get(pair, 0) + 1
    rows = [
        {"TagKey": key, "TagValue": value, "InstanceCount": count}
        for (key, value), count in counts.items()
    ]
    chosen, told = page(call, rows, default=call.settings.limits.default_page, largest=100)
    return {"TagSets": {"TagSet": chosen}, **told}


_TYPE = choice("ResourceType", *_TABLES, required=True)
_IDS = texts("ResourceId", required=True)

ACTIONS = (
    Action("slb", "TagResources", tag_resources, (_TYPE, _IDS, TAG), key="ResourceId.1"),
    Action(
        "slb",
        "UntagResources",
        untag_resources,
        (_TYPE, _IDS, texts("TagKey", high=20), boolean("All")),
        key="ResourceId.1",
    ),
    Action(
        "slb",
        "ListTagResources",
        list_tag_resources,
        (_TYPE, texts("ResourceId", high=50), TAG, text("NextToken")),
        key="ResourceId.1",
        lists=True,
        by_id=("ResourceId",),
    ),
    Action(
        "slb",
        "AddTags",
        add_tags,
        (LOAD_BALANCER_ID, json_text("Tags", required=True)),
        key="LoadBalancerId",
    ),
    Action(
        "slb",
        "RemoveTags",
        remove_tags,
        (LOAD_BALANCER_ID, json_text("Tags", required=True)),
        key="LoadBalancerId",
    ),
    Action(
        "slb",
        "DescribeTags",
        describe_tags,
        (text("LoadBalancerId"), *PAGE),
        key="LoadBalancerId",
        lists=True,
        by_id=("LoadBalancerId",),
    ),
)
