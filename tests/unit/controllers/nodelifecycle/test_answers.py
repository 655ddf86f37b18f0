"""What answers of the cloud amount to, one after the other."""

import itertools

import pytest

from cloudprovider.errors import (
    CloudProviderError,
    InstanceNotFound,
    NotOwned,
    ResourceNotFound,
    Throttled,
    Unauthorized,
)
from cloudprovider.interface import InstanceState
from cloudprovider_controllers.nodelifecycle.answers import (
    LONGEST_PAUSE,
    Known,
    Verdict,
    quietest,
    reason,
    verdict,
)

PERIOD = 5.0
GONE = InstanceState(exists=False)
RUNNING = InstanceState(exists=True)
STOPPED = InstanceState(exists=True, shutdown=True)
ERROR = CloudProviderError("down")


@pytest.mark.parametrize(
    ("outcome", "expected"),
    [
        pytest.param(RUNNING, Verdict.RUNNING, id="running"),
        pytest.param(STOPPED, Verdict.STOPPED, id="stopped"),
        pytest.param(GONE, Verdict.MISSING, id="gone"),
        pytest.param(
            InstanceState(exists=False, shutdown=True), Verdict.MISSING, id="gone and stopped"
        ),
        pytest.param(InstanceNotFound("x"), Verdict.MISSING, id="not found, as an error"),
        pytest.param(ResourceNotFound("x"), Verdict.NONE, id="something else is not found"),
        pytest.param(ERROR, Verdict.NONE, id="error"),
        pytest.param(Unauthorized("x"), Verdict.NONE, id="refused"),
        pytest.param(NotOwned("x"), Verdict.NONE, id="not ours"),
        pytest.param(InstanceState(exists=None), Verdict.NONE, id="neither yes nor no"),
        pytest.param(InstanceState(exists=0), Verdict.NONE, id="a number"),
        pytest.param(InstanceState(exists="no"), Verdict.NONE, id="a word"),
        pytest.param(
            InstanceState(exists=True, shutdown=None),
            Verdict.RUNNING,
            id="running, as far as it says",
        ),
    ],
)
def test_what_an_answer_says(outcome, expected):
    assert verdict(outcome) is expected
    assert bool(reason(outcome)) is (expected is Verdict.NONE)


def after(*answers, period=PERIOD):
    """What is known after (time, outcome) pairs; an answer comes 0.1 s after its question."""
    known = Known()
    for time, outcome in answers:
        known = known.learn(outcome, asked=time, answered=time + 0.1, period=period)
    return known


@pytest.mark.parametrize(
    ("answers", "confirmed"),
    [
        pytest.param([(0, GONE)], False, id="once"),
        pytest.param([(0, GONE), (5.1, GONE)], True, id="twice, a period apart"),
        pytest.param([(0, GONE), (5.0, GONE)], False, id="a period after the question only"),
        pytest.param([(0, GONE), (3, GONE)], False, id="too soon"),
        pytest.param([(0, GONE), (3, GONE), (6, GONE)], False, id="the last two too close"),
        pytest.param([(0, GONE), (6, GONE), (12, GONE)], True, id="three times"),
        pytest.param([(0, GONE), (6, RUNNING), (12, GONE)], False, id="found in between"),
        pytest.param([(0, GONE), (6, STOPPED), (12, GONE)], False, id="stopped in between"),
        pytest.param([(0, GONE), (6, ERROR), (12, GONE)], False, id="an error in between"),
        pytest.param([(0, GONE), (6, ERROR), (12, GONE), (18, GONE)], True, id="error, then twice"),
        pytest.param([(0, GONE), (6, GONE), (12, ERROR)], False, id="an error afterwards"),
        pytest.param([(0, GONE), (6, GONE), (12, RUNNING)], False, id="found afterwards"),
        pytest.param([(0, ERROR), (6, ERROR)], False, id="errors"),
        pytest.param([(0, InstanceNotFound("x")), (6, GONE)], True, id="said in two ways"),
    ],
)
def test_gone_means_that_the_last_two_answers_say_so_a_period_apart(answers, confirmed):
    assert after(*answers).confirmed is confirmed


def test_it_is_missing_since_the_first_answer_that_said_so():
    assert after((0, GONE), (6, GONE), (12, GONE)).missing_since == 0.1
    assert after((0, GONE), (6, RUNNING), (12, GONE)).missing_since == 12.1
    assert after((0, GONE), (6, RUNNING)).missing_since is None


def pauses(outcome, *, period=PERIOD, passes=200):
    """How many passes lie between two questions, if the answer is always ``outcome``."""
    known, asked = Known(), []
    for number in range(1, passes):
        time = number * (period + 0.1)
        if known.is_due(number, time):
            asked.append(number)
            known = known.learn(outcome, asked=time, answered=time, period=period)
    return [later - earlier for earlier, later in itertools.pairwise(asked)]


@pytest.mark.parametrize(
    ("outcome", "expected"),
    [
        pytest.param(STOPPED, [1, 2, 4, 8, 8], id="stopped: ever less"),
        pytest.param(ERROR, [1, 2, 4, 8, 8], id="errors: ever less"),
        pytest.param(RUNNING, [1, 1, 1, 1, 1], id="running: in every pass"),
        pytest.param(GONE, [1, 1, 1, 1, 1], id="gone: in every pass"),
    ],
)
def test_how_often_a_node_is_asked_about(outcome, expected):
    assert pauses(outcome)[:5] == expected


def test_nodes_of_one_pace_are_asked_about_together():
    first = after((0, STOPPED), (5, STOPPED), (10, STOPPED))
    second = after((500, STOPPED), (505, STOPPED), (510, STOPPED))
    for number in range(100):
        assert first.is_due(number, 1e6) is second.is_due(number, 1e6)


def test_whatever_is_new_brings_back_the_full_pace():
    slow = after(*[(time, STOPPED) for time in range(5)])
    assert slow.quiet == 3
    assert slow.learn(GONE, asked=9, answered=9, period=PERIOD).quiet == 0
    assert slow.learn(RUNNING, asked=9, answered=9, period=PERIOD).quiet == 0


def test_a_throttled_question_waits_as_long_as_the_cloud_asks_for():
    known = after((0, Throttled("slow down", after=30)))
    assert not known.is_due(64, 30)
    assert known.is_due(64, 31)


@pytest.mark.parametrize(
    ("period", "levels"),
    [(0.1, 9), (1.0, 5), (5.0, 3), (10.0, 2), (30.0, 1), (31.0, 0), (60.0, 0), (300.0, 0)],
)
def test_no_node_waits_longer_than_a_minute_or_a_period(period, levels):
    assert quietest(period) == levels
    assert period * 2**levels <= max(LONGEST_PAUSE, period)


def test_while_deletions_are_paused_the_missing_are_asked_about_less():
    known = after((0, GONE), (6, GONE))
    for _ in range(5):
        known = known.kept(PERIOD, paused=True)
    assert known.quiet == 3
    assert known.learn(GONE, asked=50, answered=50, period=PERIOD).quiet == 3
    assert known.kept(PERIOD, paused=False).quiet == 0
    assert known.confirmed


def test_a_deletion_that_fails_is_tried_again_ever_later():
    known, waits = after((0, GONE), (6, GONE)), []
    for _ in range(8):
        known = known.failed(100.0, base=5.0, cap=300.0)
        waits.append(known.not_before - 100.0)
    assert waits == [5, 10, 20, 40, 80, 160, 300, 300]
    assert known.confirmed
    assert known.failures == 8
    assert (
        after((0, GONE))
        .failed(0.0, base=5.0, cap=300.0)
        .learn(RUNNING, asked=9, answered=9, period=PERIOD)
        .failures
        == 0
    )
