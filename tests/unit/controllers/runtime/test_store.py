"""The store and its indexes."""

import pytest

from cloudprovider.models import Node, NodeSpec, ObjectMeta
from cloudprovider_controllers.runtime.store import Store


def node(name, provider_id="", **labels):
    return Node(
        metadata=ObjectMeta(name=name, labels=labels), spec=NodeSpec(provider_id=provider_id)
    )


def by_provider(obj):
    return [obj.spec.provider_id] if obj.spec.provider_id else []


def test_put_gives_back_what_stood_there():
    store = Store()
    first, second = node("a"), node("a")
    assert store.put(first) is None
    assert store.put(second) is first
    assert store.get("a") is second
    assert len(store) == 1


def test_remove_gives_back_what_stood_there():
    store = Store()
    store.put(node("a"))
    assert store.remove("a").key == "a"
    assert store.remove("a") is None
    assert store.list() == []


def test_an_index_follows_every_change():
    store = Store({"provider": by_provider})
    store.put(node("a", "x"))
    store.put(node("b", "x"))
    assert [found.key for found in store.by_index("provider", "x")] == ["a", "b"]
    store.put(node("a", "y"))
    assert [found.key for found in store.by_index("provider", "x")] == ["b"]
    store.remove("b")
    assert store.by_index("provider", "x") == []
    assert [found.key for found in store.by_index("provider", "y")] == ["a"]


def test_an_unknown_index_is_a_mistake_of_the_caller():
    with pytest.raises(KeyError):
        Store().by_index("nope", "x")


def test_lists_are_the_callers_own():
    store = Store()
    store.put(node("a"))
    store.list().clear()
    store.keys().clear()
    assert len(store) == 1
