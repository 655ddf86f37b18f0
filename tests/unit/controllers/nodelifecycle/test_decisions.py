"""Which Nodes are asked about, tainted and deleted: the pure decisions."""

import datetime

import msgspec
import pytest

from cloudprovider.models import Node, Taint
from cloudprovider.testing.builders import make_node
from cloudprovider_controllers.node.decisions import identity
from cloudprovider_controllers.nodelifecycle.answers import Known, Verdict
from cloudprovider_controllers.nodelifecycle.decisions import (
    SHUTDOWN,
    Concern,
    Missing,
    choose,
    concern,
    is_ready,
    may_concern,
    with_shutdown,
    without_shutdown,
)

NOW = datetime.datetime(2026, 1, 1, 12, tzinfo=datetime.UTC)
OTHER = Taint(key="other", effect="NoSchedule")
VALUED = Taint(key=SHUTDOWN.key, effect=SHUTDOWN.effect, value="x")
EVICTING = Taint(key=SHUTDOWN.key, effect="NoExecute")
UNINITIALIZED = "node.cloudprovider.kubernetes.io/uninitialized"
OURS = {"provider_id": "fake://node-1"}
NEW = {"taints": [UNINITIALIZED]}


def aged(node, seconds):
    created = NOW - datetime.timedelta(seconds=seconds)
    return msgspec.structs.replace(
        node, metadata=msgspec.structs.replace(node.metadata, creation_timestamp=created)
    )


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        pytest.param({"ready": "True"}, Concern.NONE, id="ready"),
        pytest.param({"ready": "True", "taints": [SHUTDOWN]}, Concern.UNTAINT, id="ready, tainted"),
        pytest.param({"ready": "True", "taints": [VALUED]}, Concern.UNTAINT, id="any value"),
        pytest.param({"ready": "True", "taints": [EVICTING]}, Concern.NONE, id="another effect"),
        pytest.param({"ready": "False"}, Concern.ASK, id="not ready"),
        pytest.param({"ready": "Unknown"}, Concern.ASK, id="unknown"),
        pytest.param({"ready": None}, Concern.ASK, id="no condition at all"),
        pytest.param({"ready": "False", "taints": [SHUTDOWN]}, Concern.ASK, id="tainted already"),
        pytest.param({"ready": "False", "deleted": True}, Concern.NONE, id="being deleted"),
        pytest.param(
            {"ready": "True", "taints": [SHUTDOWN], "deleted": True},
            Concern.NONE,
            id="ready, being deleted",
        ),
    ],
)
def test_what_a_node_of_ours_needs(fields, expected):
    node = make_node(**OURS, **fields)
    assert concern(node, claimed=True, now=NOW, grace=60) is expected
    assert concern(node, claimed=False, now=NOW, grace=60) is Concern.NONE
    if expected is not Concern.NONE:
        assert may_concern(node)


@pytest.mark.parametrize(
    ("fields", "age", "expected"),
    [
        pytest.param(NEW, 1, Concern.NONE, id="no id, young"),
        pytest.param(NEW, 1e6, Concern.NONE, id="no id, however old"),
        pytest.param(NEW | OURS, 59, Concern.NONE, id="id, young"),
        pytest.param(NEW | OURS, -10, Concern.NONE, id="id, from the future"),
        pytest.param(NEW | OURS, 60, Concern.ASK, id="id, old enough"),
        pytest.param(OURS, 0, Concern.ASK, id="initialised: the cloud has seen it"),
        pytest.param({}, 0, Concern.ASK, id="initialised without id, claimed by its name"),
    ],
)
def test_a_node_that_waits_for_its_initialisation_is_left_alone(fields, age, expected):
    node = aged(make_node(ready="False", **fields), age)
    assert concern(node, claimed=True, now=NOW, grace=60) is expected


def test_a_ready_node_without_the_taint_is_of_no_concern_and_its_provider_is_not_asked():
    assert not may_concern(make_node())
    assert is_ready(make_node())
    assert not is_ready(Node())


@pytest.mark.parametrize(
    ("ready", "taints", "tainted", "untainted"),
    [
        pytest.param("False", [], [SHUTDOWN], None, id="not ready"),
        pytest.param("False", [OTHER], [OTHER, SHUTDOWN], None, id="others stay"),
        pytest.param("False", [EVICTING], [EVICTING, SHUTDOWN], None, id="another effect"),
        pytest.param("False", [VALUED], None, None, id="not ready, tainted with a value"),
        pytest.param("True", [SHUTDOWN], None, [], id="ready, the only one"),
        pytest.param("True", [OTHER, VALUED], None, [OTHER], id="ready, others stay"),
        pytest.param("True", [OTHER], None, None, id="ready, not tainted"),
    ],
)
def test_taints_are_added_to_a_node_that_is_down_and_taken_from_one_that_is_up(
    ready, taints, tainted, untainted
):
    node = make_node(ready=ready, taints=taints)
    assert with_shutdown(node) == tainted
    assert without_shutdown(node) == untainted


def test_an_answer_is_about_one_uid_and_one_provider_id():
    known = {
        identity(make_node(uid="a")),
        identity(make_node(uid="b")),
        identity(make_node(uid="a", **OURS)),
    }
    assert len(known) == 3


# -- how many -----------------------------------------------------------------------------------


def missing(name, *, confirmed=True, fresh=True, since=0.0, failures=0):
    known = Known(Verdict.MISSING, missing_since=since, confirmed=confirmed, failures=failures)
    return Missing(make_node(name), known, fresh)


def names(choice):
    return [node.metadata.name for node in choice.delete]


@pytest.mark.parametrize(
    ("ours", "gone", "deleted", "waiting", "paused"),
    [
        pytest.param(1, 1, 1, 0, False, id="the only one"),
        pytest.param(2, 1, 1, 0, False, id="one of two"),
        pytest.param(3, 1, 1, 0, False, id="one of three"),
        pytest.param(2, 2, 0, 2, True, id="both"),
        pytest.param(5, 2, 0, 2, True, id="two of five are more than a third"),
        pytest.param(6, 2, 1, 1, False, id="two of six are not, and go one by one"),
        pytest.param(19, 6, 1, 5, False, id="a tenth is rounded down"),
        pytest.param(20, 6, 2, 4, False, id="two of twenty"),
        pytest.param(100, 33, 10, 23, False, id="a third of a hundred"),
        pytest.param(100, 34, 0, 34, True, id="more than a third of a hundred"),
        pytest.param(1000, 333, 100, 233, False, id="a thousand"),
        pytest.param(1000, 1000, 0, 1000, True, id="all"),
    ],
)
def test_how_many_are_deleted_at_once(ours, gone, deleted, waiting, paused):
    choice = choose([missing(f"n{i:04}") for i in range(gone)], ours=ours, threshold=1 / 3)
    assert (len(choice.delete), choice.waiting, choice.paused) == (deleted, waiting, paused)


@pytest.mark.parametrize(
    ("threshold", "paused"),
    [
        pytest.param(0.5, True, id="half"),
        pytest.param(0.9, False, id="nine tenths"),
        pytest.param(1.0, False, id="no limit"),
    ],
)
def test_the_threshold_can_be_set(threshold, paused):
    choice = choose([missing(f"n{i}") for i in range(9)], ours=10, threshold=threshold)
    assert choice.paused is paused


def test_only_what_was_said_twice_and_just_now_is_deleted():
    candidates = [
        missing("once", confirmed=False),
        missing("earlier", fresh=False),
        missing("now"),
    ]
    choice = choose(candidates, ours=100, threshold=1 / 3)
    assert names(choice) == ["now"]
    assert choice.waiting == 1


def test_those_heard_of_once_count_for_the_pause_and_cause_none_by_themselves():
    once = [missing(f"n{i}", confirmed=False) for i in range(50)]
    assert not choose(once, ours=100, threshold=1 / 3).paused
    both = choose([missing("twice"), *once], ours=100, threshold=1 / 3)
    assert (names(both), both.waiting, both.paused) == ([], 1, True)


def test_those_missing_longest_go_first_and_those_that_failed_last():
    candidates = [
        missing("failed", since=1, failures=1),
        missing("b", since=3),
        missing("c", since=2),
        missing("a", since=3),
    ]
    assert names(choose(candidates, ours=40, threshold=1 / 3)) == ["c", "a", "b", "failed"]
    assert names(choose(candidates, ours=20, threshold=1 / 3)) == ["c", "a"]


def test_nothing_missing_is_nothing_to_do():
    choice = choose([], ours=0, threshold=1 / 3)
    assert (list(choice.delete), choice.waiting, choice.paused) == ([], 0, False)
