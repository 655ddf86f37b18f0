"""Upstream's tables of taints (``spec/ccm-core.md`` 5.5), on the taint that the controller sets.

A taint is known by its key and its effect; its value does not count.
"""

import pytest

from cloudprovider.models import Taint
from cloudprovider_controllers.runtime import patches

KEY = "node.cloudprovider.kubernetes.io/shutdown"
OURS = Taint(key=KEY, effect="NoSchedule")
WITH_VALUE = Taint(key=KEY, effect="NoSchedule", value="by-hand")
OTHER_EFFECT = Taint(key=KEY, effect="NoExecute", value="by-hand")
OTHER = Taint(key="foo", effect="NoSchedule", value="bar")


def case(name):
    return {"id": name.partition("/")[2], "marks": pytest.mark.upstream(name)}


def plain(taints):
    fields = ("key", "value", "effect")
    return [
        {field: value for field in fields if (value := getattr(taint, field))} for taint in taints
    ]


def writes_of(stage, sent, *, ready, taints):
    """What is written about a node whose instance is shut down, and the node's taints then."""
    found = {}

    def scene(world, cluster):
        cluster.join(ready=ready, taints=taints)
        world.cloud.instances["node-1"].shutdown = True
        writes = sent(world)
        cluster.start()
        cluster.passes(3)
        found["taints"] = world.node().spec.taints
        found["bodies"] = [write.body["spec"]["taints"] for write in writes]
        found["versions"] = all(
            write.body["metadata"]["resourceVersion"] == write.version for write in writes
        )

    stage(scene)
    assert found["versions"]
    return found["bodies"], found["taints"]


@pytest.mark.parametrize(
    ("before", "after"),
    [
        pytest.param([OTHER, OURS], None, **case("TestTaintExists/taint exists")),
        pytest.param([OTHER], [OTHER, OURS], **case("TestTaintExists/different key")),
        pytest.param([OTHER_EFFECT], [OTHER_EFFECT, OURS],
                     **case("TestTaintExists/different effect")),
        pytest.param([OTHER, WITH_VALUE], None, id="with another value it does the same"),
    ],
)  # fmt: skip
def test_the_taint_is_added_once_where_it_is_missing(stage, sent, before, after):
    bodies, taints = writes_of(stage, sent, ready="False", taints=before)
    assert bodies == ([plain(after)] if after else [])
    assert taints == tuple(after or before)


@pytest.mark.parametrize(
    ("before", "after"),
    [
        pytest.param([OTHER], None, **case("TestRemoveTaint/remove taint unsuccessfully")),
        pytest.param([OURS], [], **case("TestRemoveTaint/remove taint successfully")),
        pytest.param([], None, **case("TestRemoveTaint/remove taint from node with no taint")),
        pytest.param([OTHER, WITH_VALUE, OTHER_EFFECT], [OTHER, OTHER_EFFECT], id="among others"),
    ],
)
def test_a_node_that_is_ready_again_loses_it_and_only_it(stage, sent, before, after):
    bodies, taints = writes_of(stage, sent, ready="True", taints=before)
    assert bodies == ([] if after is None else [plain(after) or None])
    assert taints == (tuple(before if after is None else after) or None)


@pytest.mark.parametrize(
    ("taints", "key", "effect", "left"),
    [
        pytest.param([OTHER], "foo_1", "NoSchedule", [OTHER],
                     **case("TestDeleteTaint/delete taint with different name")),
        pytest.param([OTHER], "foo", "NoExecute", [OTHER],
                     **case("TestDeleteTaint/delete taint with different effect")),
        pytest.param([OTHER], "foo", "NoSchedule", [],
                     **case("TestDeleteTaint/delete taint successfully")),
        pytest.param([], "foo", "NoSchedule", [],
                     **case("TestDeleteTaint/delete taint from empty taint array")),
    ],
)  # fmt: skip
def test_what_is_left_of_taints(taints, key, effect, left):
    assert patches.without_taint(taints, key, effect) == left
