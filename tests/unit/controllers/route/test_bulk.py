"""Bulk calls into a provider that does anything at all (R8)."""

import pytest

from cloudprovider.errors import CloudProviderError, RetryLater
from cloudprovider_controllers.context import WritesStopped
from cloudprovider_controllers.route.bulk import outcomes_of


def ask(call, items, check=lambda: None):
    return outcomes_of(call, items, check)


@pytest.mark.parametrize(
    ("answer", "kinds"),
    [
        pytest.param([None, None], [type(None)] * 2, id="done"),
        pytest.param((None, RetryLater("x", after=1)), [type(None), RetryLater], id="one later"),
        pytest.param([None, KeyError("x")], [type(None), CloudProviderError], id="foreign error"),
        pytest.param([None, "ok"], [type(None), CloudProviderError], id="nonsense for one"),
        pytest.param([None], [CloudProviderError] * 2, id="too few"),
        pytest.param([None] * 3, [CloudProviderError] * 2, id="too many"),
        pytest.param(None, [CloudProviderError] * 2, id="nothing"),
        pytest.param("ab", [CloudProviderError] * 2, id="text"),
    ],
)
def test_each_item_has_one_outcome(answer, kinds):
    assert [type(item) for item in ask(lambda items: answer, ["a", "b"])] == kinds


def test_one_of_our_errors_is_everybodys():
    error = RetryLater("busy", after=3)

    def call(items):
        raise error

    assert ask(call, ["a", "b", "c"]) == [error] * 3


@pytest.mark.parametrize("error", [KeyError("secret"), SystemExit(1)], ids=["exception", "exit"])
def test_a_mistake_that_one_item_provokes_is_its_own(error):
    calls = []

    def call(items):
        calls.append(list(items))
        if "bad" in items:
            raise error
        return [None] * len(items)

    outcomes = ask(call, ["a", "b", "bad", "c", "d"])
    assert [outcome is None for outcome in outcomes] == [True, True, False, True, True]
    assert "secret" not in str(outcomes[2])
    assert len(calls) < 8


def test_nothing_is_no_call():
    assert ask(lambda items: 1 / 0, []) == []


def test_each_call_is_checked():
    def check():
        raise WritesStopped("stopping")

    with pytest.raises(WritesStopped):
        ask(lambda items: 1 / 0, ["a"], check)
