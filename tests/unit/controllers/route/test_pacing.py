"""Back-off of single routes, and the brake on deletions."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cloudprovider.errors import CloudProviderError, RetryLater
from cloudprovider_controllers.route.pacing import DeletionGuard, Retries

ERROR = CloudProviderError("x")


class TestRetries:
    def test_failures_double_up_to_the_cap(self):
        retries, now, waits = Retries(5.0, 300.0), 0.0, []
        for _ in range(9):
            retries.failed("a", ERROR, now)
            waits.append(retries.next(now) - now)
            now += waits[-1]
        assert waits == [5, 10, 20, 40, 80, 160, 300, 300, 300]

    def test_an_item_waits_with_its_error_and_others_do_not(self):
        retries = Retries(5.0, 300.0)
        retries.failed("a", ERROR, 100.0)
        assert retries.waits("a", 104.9) is ERROR
        assert retries.waits("a", 105.0) is None
        assert retries.waits("b", 100.0) is None

    def test_to_be_told_when_is_no_failure(self):
        retries = Retries(5.0, 300.0)
        for _ in range(5):
            retries.failed("a", RetryLater("busy", after=2.0), 0.0)
        assert retries.next(0.0) == 2.0
        retries.failed("a", ERROR, 0.0)
        assert retries.next(0.0) == 5.0

    def test_success_and_absence_are_forgotten(self):
        retries = Retries(5.0, 300.0)
        for item in "abc":
            retries.failed(item, ERROR, 0.0)
        retries.succeeded("a")
        retries.keep(["a", "b"])
        assert retries.waits("b", 1.0) is ERROR
        assert retries.waits("c", 1.0) is None
        assert retries.waits("a", 1.0) is None

    def test_what_is_overdue_does_not_ask_for_a_pass(self):
        """It was tried in this pass, or something else keeps it from being tried."""
        retries = Retries(5.0, 300.0)
        retries.failed("a", ERROR, 0.0)
        assert retries.next(5.0) == math.inf


class TestDeletionGuard:
    @pytest.mark.parametrize(
        ("total", "room"), [(0, 1), (1, 1), (9, 1), (19, 1), (20, 2), (100, 10), (5000, 500)]
    )
    def test_a_tenth_but_always_one(self, total, room):
        assert DeletionGuard(60.0).room(total, 0.0) == room

    def test_what_was_deleted_counts_for_a_window(self):
        guard = DeletionGuard(60.0)
        guard.deleted(6, 0.0)
        assert guard.room(94, 1.0) == 4
        guard.deleted(4, 30.0)
        assert guard.room(90, 31.0) == 0
        assert guard.next() == 60.0
        assert guard.room(90, 60.0) == 5  # of the 94 there were at 30
        assert guard.room(90, 90.0) == 9
        assert guard.next() == math.inf

    @given(st.integers(1, 500), st.lists(st.tuples(st.integers(0, 90), st.integers(0, 50))))
    def test_no_window_sees_more_than_a_tenth_of_what_it_began_with(self, total, steps):
        guard, now, left, log = DeletionGuard(60.0), 0.0, total, [(0.0, total)]
        for pause, wish in steps:
            now += pause
            count = min(wish, left, guard.room(left, now))
            guard.deleted(count, now)
            left -= count
            log.append((now, left))
        for start, before in log:
            end = [after for when, after in log if start <= when < start + 60.0]
            assert before - min(end) <= max(1, (before + total) // 10)
