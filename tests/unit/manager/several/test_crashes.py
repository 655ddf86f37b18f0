"""Killed at any write to a Service and started with the providers turned round: one balancer."""

import pytest

from cloudprovider.testing.faults import Fault

FINALIZER = "service.kubernetes.io/load-balancer-cleanup"


@pytest.mark.parametrize("kind", ["crash_before", "crash_after", "lost_answer"])
@pytest.mark.parametrize("nth", [1, 2, 3])
@pytest.mark.parametrize("first", ["alicloud", "fake"])
def test_a_crash_while_it_is_made_neither_doubles_nor_moves_it(play, first, nth, kind):
    order = [first, *({"alicloud", "fake"} - {first})]

    def scene(clouds):
        clouds.server.on_crash = clouds.hub.kill
        clouds.start(",".join(order))
        clouds.server.faults.add(Fault(kind=kind, op="PATCH services/status", nth=nth))
        clouds.expose("plain")
        clouds.wait(20)
        # The write of alicloud's id label is one more.
        expected = 1 if nth < 3 or first == "alicloud" else 0
        assert clouds.server.faults.fired() == [expected]
        assert clouds.runs() is not (expected == 1 and kind != "lost_answer")
        held = clouds.who_has()
        clouds.server.faults.clear()
        clouds.start(",".join(reversed(order)), seconds=120)
        after = clouds.who_has()
        assert sum(after.values()) == 1, after
        assert all(after[name] >= held[name] for name in held), (held, after)
        assert after[clouds.record("plain")] == 1
        clouds.delete("plain")
        clouds.wait(60)
        assert clouds.who_has() == {"alicloud": 0, "fake": 0}
        assert clouds.service("plain") is None

    play(scene)


@pytest.mark.parametrize("kind", ["crash_before", "crash_after", "lost_answer"])
def test_a_crash_while_it_is_deleted_leaves_nothing(play, kind):
    def scene(clouds):
        clouds.server.on_crash = clouds.hub.kill
        clouds.start("fake,alicloud")
        clouds.expose("plain")
        clouds.wait(20)
        clouds.server.faults.add(Fault(kind=kind, op="PATCH services/status"))
        clouds.delete("plain")
        clouds.wait(20)
        assert clouds.server.faults.fired() == [1]
        assert clouds.runs() is (kind == "lost_answer")
        clouds.server.faults.clear()
        clouds.start("alicloud,fake", seconds=60)
        assert clouds.service("plain") is None
        assert clouds.who_has() == {"alicloud": 0, "fake": 0}

    play(scene)
