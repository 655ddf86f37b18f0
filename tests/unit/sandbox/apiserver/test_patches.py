# ruff: noqa: E501 - tables, one patch a line
"""The patch types as pure functions."""

from __future__ import annotations

import copy

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cloudprovider_sandbox.apiserver.patches import jsonpatch, merge, strategic
from cloudprovider_sandbox.apiserver.schema import STR, ListOf, keyed, struct

SCHEMA = struct(
    open=True,
    items=keyed(struct(open=True, id=STR), "id"),
    tags=ListOf(STR, unique=True, merge=True),
    plain=ListOf(STR),
)


def items(*ids):
    return [{"id": name} for name in ids]


STRATEGIC = {
    "sets a field": ({"a": 1}, {"b": 2}, {"a": 1, "b": 2}),
    "null deletes": ({"a": 1, "b": 2}, {"a": None}, {"b": 2}),
    "maps merge": ({"m": {"a": 1}}, {"m": {"b": 2}}, {"m": {"a": 1, "b": 2}}),
    "map replaced": ({"m": {"a": 1}}, {"m": {"$patch": "replace", "b": 2}}, {"m": {"b": 2}}),
    "map deleted": ({"m": {"a": 1}, "n": 1}, {"m": {"$patch": "delete"}}, {"n": 1}),
    "map merged expressly": ({"m": {"a": 1}}, {"m": {"$patch": "merge", "b": 2}}, {"m": {"a": 1, "b": 2}}),
    "keys retained": ({"a": 1, "b": 2}, {"$retainKeys": ["b", "c"], "c": 3}, {"b": 2, "c": 3}),
    "plain list replaced": ({"plain": ["a", "b"]}, {"plain": ["c"]}, {"plain": ["c"]}),
    "item changed": (
        {"items": [{"id": "a", "v": 1}, {"id": "b", "v": 2}]},
        {"items": [{"id": "b", "v": 3}]},
        {"items": [{"id": "a", "v": 1}, {"id": "b", "v": 3}]},
    ),
    "a new item comes first": ({"items": items("a", "b")}, {"items": items("c")}, {"items": items("c", "a", "b")}),
    "item deleted": ({"items": items("a", "b")}, {"items": [{"$patch": "delete", "id": "a"}]}, {"items": items("b")}),
    "absent item deleted": ({"items": items("a")}, {"items": [{"$patch": "delete", "id": "x"}]}, {"items": items("a")}),
    "list replaced": ({"items": items("a", "b")}, {"items": [*items("c"), {"$patch": "replace"}]}, {"items": items("c")}),
    "list emptied": ({"items": items("a")}, {"items": [{"$patch": "replace"}]}, {"items": []}),
    "item replaced": (
        {"items": [{"id": "a", "v": 1}]},
        {"items": [{"$patch": "replace", "id": "a", "w": 2}]},
        {"items": [{"id": "a", "w": 2}]},
    ),
    "order given": (
        {"items": items("a", "b", "c")},
        {"$setElementOrder/items": items("c", "a"), "items": [{"id": "a", "v": 1}]},
        {"items": [{"id": "b"}, {"id": "c"}, {"id": "a", "v": 1}]},
    ),
    "order alone": ({"items": items("a", "b")}, {"$setElementOrder/items": items("b", "a")}, {"items": items("b", "a")}),
    "order keeps what it does not know in its place": (
        {"items": items("x", "a", "b")},
        {"$setElementOrder/items": items("a", "b", "new"), "items": items("new")},
        {"items": items("x", "a", "b", "new")},
    ),
    "tags united": ({"tags": ["a"]}, {"tags": ["b", "a"]}, {"tags": ["b", "a"]}),
    "first tags": ({}, {"tags": ["a"]}, {"tags": ["a"]}),
    "tags removed": (
        {"tags": ["a", "b", "c"]},
        {"$deleteFromPrimitiveList/tags": ["b"], "$setElementOrder/tags": ["a", "c"]},
        {"tags": ["a", "c"]},
    ),
    "last tag removed": ({"tags": ["a"]}, {"$deleteFromPrimitiveList/tags": ["a"]}, {}),
    "tags null": ({"tags": ["a"]}, {"tags": None}, {}),
    "tag added with order": (
        {"tags": ["a"]},
        {"$setElementOrder/tags": ["a", "b"], "tags": ["b"]},
        {"tags": ["a", "b"]},
    ),
    "two of one key into none": (
        {},
        {"items": [{"k": "a", "v": 1}, {"k": "a", "v": 2}]},
        {"items": [{"k": "a", "v": 1}, {"k": "a", "v": 2}]},
    ),
    "directives into none": (
        {},
        {"items": [{"k": "a"}, {"$patch": "replace"}], "m": {"$patch": "replace", "a": 1}},
        {"items": [{"k": "a"}]},
    ),
    "nulls into none": ({}, {"m": {"a": None, "b": 1}}, {"m": {"b": 1}}),
    "order into none": (
        {},
        {"$setElementOrder/tags": ["b", "a"], "tags": ["b", "a"]},
        {"tags": ["b", "a"]},
    ),
    "unknown list replaced": ({"other": [1, 2]}, {"other": [3]}, {"other": [3]}),
}  # fmt: skip


@pytest.mark.parametrize(("old", "patch", "new"), STRATEGIC.values(), ids=STRATEGIC.keys())
def test_strategic_merge(old, patch, new):
    before = copy.deepcopy((old, patch))
    assert strategic.apply(old, patch, SCHEMA) == new
    assert (old, patch) == before, "neither is changed"


@pytest.mark.parametrize(
    "patch",
    [
        {"items": [{"v": 1}]},
        {"m": {"$patch": "explode"}},
        [],
        {"items": ["a"]},
        {"$setElementOrder/tags": ["x"], "tags": ["y"]},
    ],
    ids=["no merge key", "unknown directive", "not a map", "item of the wrong type", "order"],
)
def test_strategic_merge_refuses(patch):
    with pytest.raises(strategic.PatchError):
        strategic.apply({"items": items("a"), "m": {"a": 1}}, patch, SCHEMA)


MERGE = {
    "sets": ({"a": 1}, {"b": 2}, {"a": 1, "b": 2}),
    "null deletes": ({"a": {"b": 1, "c": 2}}, {"a": {"b": None}}, {"a": {"c": 2}}),
    "lists are replaced": ({"a": [1, 2]}, {"a": [3]}, {"a": [3]}),
    "a map replaces a scalar": ({"a": 1}, {"a": {"b": 2}}, {"a": {"b": 2}}),
    "nulls in new maps are dropped": ({}, {"a": {"b": None, "c": 1}}, {"a": {"c": 1}}),
}


@pytest.mark.parametrize(("old", "patch", "new"), MERGE.values(), ids=MERGE.keys())
def test_merge_patch(old, patch, new):
    assert merge.apply(old, patch) == new


def op(name, path, **fields):
    return {"op": name, "path": path, **fields}


JSON = {
    "add": ({"a": 1}, [op("add", "/b", value=2)], {"a": 1, "b": 2}),
    "add to list": ({"a": [1, 3]}, [op("add", "/a/1", value=2)], {"a": [1, 2, 3]}),
    "append": ({"a": [1]}, [op("add", "/a/-", value=2)], {"a": [1, 2]}),
    "remove": ({"a": 1, "b": 2}, [op("remove", "/a")], {"b": 2}),
    "remove item": ({"a": [1, 2]}, [op("remove", "/a/0")], {"a": [2]}),
    "replace": ({"a": [1, 2]}, [op("replace", "/a/1", value=3)], {"a": [1, 3]}),
    "replace what is not there": ({"a": 1}, [op("replace", "/b", value=2)], {"a": 1, "b": 2}),
    "replace all": ({"a": 1}, [op("replace", "", value={"b": 2})], {"b": 2}),
    "move": ({"a": 1}, [op("move", "/b", **{"from": "/a"})], {"b": 1}),
    "copy": ({"a": [1]}, [op("copy", "/b", **{"from": "/a"})], {"a": [1], "b": [1]}),
    "test": ({"a": 1}, [op("test", "/a", value=1)], {"a": 1}),
    "escapes": ({"m": {"a/b~c": 1}}, [op("replace", "/m/a~1b~0c", value=2)], {"m": {"a/b~c": 2}}),
}


@pytest.mark.parametrize(("old", "patch", "new"), JSON.values(), ids=JSON.keys())
def test_json_patch(old, patch, new):
    before = copy.deepcopy(old)
    assert jsonpatch.apply(old, patch) == new
    assert old == before


@pytest.mark.parametrize(
    "patch",
    [
        [{"op": "add"}],
        [op("explode", "/a")],
        [op("add", "/x/y", value=1)],
        [op("add", "a", value=1)],
        [op("add", "/l/9", value=1)],
        [op("remove", "/x")],
        [op("replace", "/l/9", value=1)],
        [op("test", "/a", value=2)],
        [op("test", "/x", value=1)],
        [op("move", "/b", **{"from": "/x"})],
        ["foo"],
    ],
    ids=str,
)
def test_json_patch_refuses(patch):
    with pytest.raises(jsonpatch.PatchError):
        jsonpatch.apply({"a": 1, "l": [1]}, patch)


def test_a_json_patch_that_is_no_list_is_malformed():
    with pytest.raises(jsonpatch.MalformedPatch):
        jsonpatch.apply({}, {})


names = st.lists(st.sampled_from("abcdef"), unique=True, max_size=6)


@given(old=names, new=names, server_only=st.lists(st.sampled_from("xyz"), unique=True))
def test_a_two_way_strategic_diff_reaches_the_wanted_set_and_keeps_foreign_items(
    old, new, server_only
):
    live = {"tags": [*old, *server_only]}
    patch = {
        "$setElementOrder/tags": new,
        "$deleteFromPrimitiveList/tags": [name for name in old if name not in new],
        "tags": [name for name in new if name not in old],
    }
    result = strategic.apply(live, patch, SCHEMA).get("tags", [])
    assert set(result) == set(new) | set(server_only)
    assert [name for name in result if name in new] == new


@given(
    target=st.dictionaries(st.sampled_from("abc"), st.integers()),
    patch=st.dictionaries(st.sampled_from("abc"), st.one_of(st.none(), st.integers())),
)
def test_a_merge_patch_is_idempotent(target, patch):
    once = merge.apply(target, patch)
    assert merge.apply(once, patch) == once
