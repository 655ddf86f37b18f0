from __future__ import annotations

import contextvars

import pytest

from cloudprovider.errors import (
    CloudProviderError,
    InvalidConfiguration,
    RetryLater,
    Throttled,
)
from cloudprovider.testing.virtual import VirtualConcurrency
from cloudprovider.toolkit.plan import Action, Plan, apply, combine, gather


def action(key: str, *after: str, **fields: object) -> Action:
    return Action(key, "create", f"thing {key}", f"make {key}", after=after, **fields)


def run(plan: Plan, execute, **options):
    """Apply ``plan`` on virtual time; the outcome and the seconds it took."""
    clock = VirtualConcurrency()
    found = []
    clock.run(lambda: found.append(apply(plan, execute, concurrency=clock, **options)))
    return found[0], clock.monotonic()


class TestAPlan:
    def test_refuses_two_actions_with_one_key(self):
        with pytest.raises(ValueError, match="two actions have the key 'a'"):
            Plan([action("a"), action("a")])

    def test_refuses_an_action_that_waits_for_a_later_or_unknown_one(self):
        with pytest.raises(ValueError, match="waits for"):
            Plan([action("a", "b"), action("b")])

    def test_is_false_when_there_is_nothing_to_do(self):
        assert not Plan()
        assert str(Plan()) == "nothing to do"

    def test_renders_as_numbered_sentences_with_what_they_wait_for(self):
        assert str(Plan([action("a"), action("b", "a")])) == (
            "  1. create thing a: make a\n  2. create thing b: make b (after 1)"
        )

    @pytest.mark.parametrize(
        ("actions", "width"),
        [
            pytest.param([], 0, id="nothing"),
            pytest.param([action("a"), action("b", "a")], 1, id="a chain"),
            pytest.param([action("a"), action("b"), action("c", "a")], 2, id="two roots"),
        ],
    )
    def test_knows_how_many_actions_can_run_at_once(self, actions, width):
        assert Plan(actions).width() == width


class TestApplying:
    def test_runs_dependants_after_what_they_wait_for(self):
        order: list[str] = []
        plan = Plan([action("a"), action("b", "a"), action("c", "b")])
        outcome, _ = run(plan, lambda item: order.append(item.key))
        assert order == ["a", "b", "c"]
        assert outcome.done == ("a", "b", "c")

    @pytest.mark.parametrize(
        ("workers", "seconds"),
        [
            pytest.param(1, 6.0, id="one worker"),
            pytest.param(2, 3.0, id="two workers"),
            pytest.param(6, 1.0, id="six workers"),
            pytest.param(60, 1.0, id="more workers than actions"),
        ],
    )
    def test_runs_independent_actions_side_by_side(self, workers, seconds):
        clock = VirtualConcurrency()
        plan = Plan(action(str(number)) for number in range(6))

        def main() -> None:
            apply(plan, lambda _: clock.sleep(1), workers=workers, concurrency=clock)

        clock.run(main)
        assert clock.monotonic() == seconds

    def test_starts_no_thread_for_a_chain(self):
        clock = VirtualConcurrency()
        names = set()
        plan = Plan([action("a"), action("b", "a")])
        clock.run(lambda: apply(plan, lambda _: names.add(clock.thread_name()), concurrency=clock))
        assert names == {"main"}

    def test_a_failed_action_stops_its_dependants_only(self):
        def execute(item: Action) -> None:
            if item.key == "a":
                raise CloudProviderError("broken")

        plan = Plan([action("a"), action("b", "a"), action("c", "b"), action("d")])
        outcome, _ = run(plan, execute)
        assert outcome.done == ("d",)
        assert list(outcome.failed) == ["a"]
        assert outcome.skipped == ("b", "c")
        with pytest.raises(CloudProviderError, match="broken"):
            outcome.raise_for_errors()

    def test_anything_that_is_raised_fails_its_action_only(self):
        def execute(item: Action) -> None:
            if item.key == "a":
                raise ZeroDivisionError

        outcome, _ = run(Plan([action("a"), action("b")]), execute)
        assert outcome.done == ("b",)
        assert "ZeroDivisionError" in str(outcome.failed["a"])

    def test_starts_nothing_more_once_it_may_not_proceed(self):
        done: list[str] = []
        plan = Plan([action("a"), action("b", "a"), action("c", "b")])
        outcome, _ = run(plan, lambda item: done.append(item.key), proceed=lambda: not done)
        assert done == ["a"]
        assert outcome.skipped == ("b", "c")

    def test_passes_context_variables_on_to_its_threads(self):
        variable: contextvars.ContextVar[str] = contextvars.ContextVar("variable", default="")
        clock = VirtualConcurrency()
        seen: list[str] = []

        def main() -> None:
            variable.set("deadline")
            plan = Plan(action(str(number)) for number in range(3))
            apply(plan, lambda _: (clock.sleep(1), seen.append(variable.get())), concurrency=clock)

        clock.run(main)
        assert seen == ["deadline"] * 3

    @pytest.mark.parametrize("seed", range(20))
    def test_keeps_its_promises_under_any_schedule(self, seed):
        clock = VirtualConcurrency(seed=seed)
        order: list[str] = []
        plan = Plan(
            [
                action("a"),
                action("b"),
                action("c", "a", "b"),
                action("d", "b"),
                action("e", "c", "d"),
            ]
        )

        def execute(item: Action) -> None:
            clock.sleep(clock.random.random())
            order.append(item.key)

        clock.run(lambda: apply(plan, execute, workers=3, concurrency=clock))
        position = {key: index for index, key in enumerate(order)}
        assert len(order) == 5
        assert all(position[key] < position[item.key] for item in plan for key in item.after)


class TestCombining:
    @pytest.mark.parametrize(
        ("errors", "chosen"),
        [
            pytest.param([CloudProviderError("a")], 0, id="one"),
            pytest.param(
                [RetryLater("a", after=1), InvalidConfiguration("b")], 1, id="what people must see"
            ),
            pytest.param(
                [RetryLater("a", after=1), Throttled("b", after=9)], 1, id="the longest wait"
            ),
            pytest.param(
                [CloudProviderError("a"), InvalidConfiguration("b")], 0, id="the first serious one"
            ),
        ],
    )
    def test_chooses_the_error_that_says_what_to_do(self, errors, chosen):
        assert combine(errors) is errors[chosen]

    def test_keeps_all_errors_as_the_cause(self):
        errors = [CloudProviderError("a"), CloudProviderError("b")]
        cause = combine(errors).__cause__
        assert isinstance(cause, ExceptionGroup)
        assert list(cause.exceptions) == errors


class TestGathering:
    def test_gives_results_in_order_although_they_come_in_another(self):
        clock = VirtualConcurrency()
        found: list[list[int]] = []

        def slow(number: int):
            return lambda: (clock.sleep(5 - number), number)[1]

        calls = [slow(number) for number in range(5)]
        clock.run(lambda: found.append(gather(calls, workers=5, concurrency=clock)))
        assert found == [[0, 1, 2, 3, 4]]
        assert clock.monotonic() == 5

    def test_raises_what_a_call_raised(self):
        def broken() -> int:
            raise CloudProviderError("no")

        with pytest.raises(CloudProviderError, match="no"):
            gather([broken])
