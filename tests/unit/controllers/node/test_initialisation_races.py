"""Nodes that change, go or come again while they are initialised, and answers that are lost."""

import pytest
from new_nodes import ADDRESSES, LABELS, TAINT, taints

from cloudprovider.owners import PROVIDER_LABEL
from cloudprovider.testing.builders import make_addresses
from cloudprovider.testing.faults import Fault


def test_a_kubelet_that_writes_at_the_same_time_is_no_problem(play):
    def scene(world):
        world.cloud.add_instance("node-1", addresses=ADDRESSES)
        world.start("node")
        world.server.faults.add(
            Fault(kind="error", api="k8s", op="PATCH nodes", key="node-1", status=409, times=5)
        )
        world.add_node(taints=[TAINT])
        world.wait(2)
        assert taints(world.node()) == []
        assert world.reasons("node-1") == ["Synced"]
        assert world.cloud.count() == 1

    play(scene)


def test_taints_that_others_add_meanwhile_are_kept(play):
    def scene(world):
        world.cloud.add_instance("node-1", addresses=ADDRESSES)

        def meddle(_):
            world.patch_node(
                {"spec": {"taints": [{"key": TAINT, "effect": "NoSchedule"},
                                     {"key": "late", "effect": "NoExecute"}]}}
            )  # fmt: skip

        world.cloud.on("instance_metadata_many", meddle)
        world.start("node")
        world.add_node(taints=[TAINT])
        world.wait(2)
        assert taints(world.node()) == ["late"]

    play(scene)


def test_a_node_deleted_meanwhile_is_forgotten_and_its_namesake_initialised(play):
    def scene(world):
        world.cloud.add_instance("node-1")
        done = []

        def swap(_):
            if not done:
                done.append(True)
                world.delete_node()
                world.add_node(taints=[TAINT])

        world.cloud.on("instance_metadata_many", swap)
        world.start("node")
        world.add_node(taints=[TAINT])
        world.wait(30)
        assert taints(world.node()) == []
        assert world.reasons("node-1") == ["Synced"]

    play(scene)


@pytest.mark.parametrize(
    "change",
    [
        pytest.param({"spec": {"providerID": "other://x"}}, id="it is another cloud's instance"),
        pytest.param({"metadata": {"labels": {PROVIDER_LABEL: "other"}}}, id="it is labelled"),
    ],
)
def test_a_node_that_turns_out_to_be_anothers_while_it_is_written_stays_tainted(play, change):
    """It was asked for by name: what the cloud said is about a namesake."""

    def scene(world):
        world.cloud.add_instance("node-1", addresses=ADDRESSES)
        handle, changed = world.server.handle, []

        def handle_late(request):
            write = request.proc == "manager" and request.method == "PATCH"
            if write and "/nodes/" in request.path and not changed:
                changed.append(True)
                world.patch_node(change)
            return handle(request)

        world.server.handle = handle_late
        world.start("node")
        world.add_node(taints=[TAINT])
        world.wait(60)
        assert changed
        assert taints(world.node()) == [TAINT]
        assert not set(LABELS) & set(world.node().metadata.labels or {})
        assert world.reasons("node-1") == []

    play(scene)


def test_a_namesake_gets_its_own_instance_and_not_the_one_of_the_node_before_it(play):
    def scene(world):
        world.cloud.add_instance("node-1", provider_id="fake://old")
        instances = world.cloud.instances_v2()
        ask = instances.instance_metadata_many
        answers = []

        def many(nodes):
            answers.append(ask(nodes))
            if len(answers) == 1:  # the answer is on its way, and then:
                world.delete_node()
                world.add_node(taints=[TAINT])
                world.cloud.add_instance("node-1", provider_id="fake://new")
                world.wait(1)
            return answers[-1]

        instances.instance_metadata_many = many
        world.start("node")
        world.add_node(taints=[TAINT])
        world.wait(30)
        assert world.node().spec.provider_id == "fake://new"
        assert taints(world.node()) == []
        assert world.reasons("node-1") == ["Synced"]

    play(scene)


@pytest.mark.parametrize("op", ["PATCH nodes/status", "PATCH nodes"])
@pytest.mark.parametrize("kind", ["lost_answer", "not_sent"])
def test_a_lost_answer_leads_to_the_same_end(play, op, kind):
    def scene(world):
        world.cloud.add_instance("node-1", addresses=ADDRESSES)
        world.start("node")
        world.add_node(taints=[TAINT])
        world.server.faults.add(Fault(kind=kind, api="k8s", op=op, key="node-1", times=1))
        world.wait(30)
        node = world.node()
        assert taints(node) == []
        assert node.status.addresses == make_addresses(*ADDRESSES)

    play(scene)


def test_nothing_is_written_once_the_lease_is_lost(play):
    def scene(world):
        world.cloud.add_instance("node-1", addresses=ADDRESSES)
        manager = world.start("node")
        manager.leading = False
        world.forget()
        world.add_node(taints=[TAINT])
        world.wait(10)
        assert world.requests(writes=True) == []
        manager.leading = True
        world.wait(10)
        assert taints(world.node()) == []

    play(scene)
