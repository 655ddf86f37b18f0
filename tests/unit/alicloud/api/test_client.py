"""Calls with everything around them, on virtual time."""

import logging

import pytest
from prometheus_client import CollectorRegistry

from cloudprovider import errors
from cloudprovider.toolkit import calls
from cloudprovider_alicloud.api.caller import CallFailed
from cloudprovider_alicloud.api.client import READS
from cloudprovider_alicloud.api.errors import AmbiguousOutcome

OK = {"Answer": 42}


def read(api, action="DescribeX", **params):
    return api.read("slb", action, params)


def write(api, action="DeleteX", *, idempotent=False, **params):
    return api.call("slb", action, params, idempotent=idempotent, write=True)


def test_the_region_is_added_and_parameters_are_flat(world, make):
    def main():
        api, caller = make(OK)
        assert read(api, Tag=[{"Key": "a"}], Name=None)["Answer"] == 42
        read(api, RegionId="cn-beijing")
        assert caller.calls[0] == (
            "slb",
            "DescribeX",
            {"RegionId": "cn-hangzhou", "Tag.1.Key": "a"},
        )
        assert caller.calls[1][2] == {"RegionId": "cn-beijing"}

    world.run(main)


class TestRetries:
    @pytest.mark.parametrize(
        "operation",
        [read, write, lambda api: write(api, idempotent=True)],
        ids=["read", "write", "write with token"],
    )
    def test_throttled_and_unsent_calls_are_repeated_whatever_they_do(
        self, world, make, failed, operation
    ):
        def main():
            api, caller = make(failed("Throttling.User"), CallFailed("refused", sent="no"), OK)
            assert operation(api)["Answer"] == 42
            assert len(caller.calls) == 3

        world.run(main)

    def test_an_ambiguous_read_or_write_with_token_is_repeated_as_it_was(self, world, make):
        def main():
            for idempotent_write in (False, True):
                api, caller = make(CallFailed("read timeout"), OK)
                if idempotent_write:
                    write(api, idempotent=True, ClientToken="t-1")
                else:
                    read(api)
                assert len(caller.calls) == 2
                assert caller.calls[0] == caller.calls[1]

        world.run(main)

    def test_a_busy_resource_is_tried_five_times_more_then_requeued(self, world, make, failed):
        def main():
            api, caller = make(failed("ServiceIsConfiguring"))
            with pytest.raises(errors.RetryLater) as caught:
                write(api)
            assert caught.value.after == 5.0
            gaps = [b - a for a, b in zip(caller.times, caller.times[1:], strict=False)]
            assert len(gaps) == 5
            assert all(1.0 <= gap <= 3.0 for gap in gaps)

        world.run(main)

    @pytest.mark.parametrize(
        ("operation", "failure", "error", "attempts"),
        [
            pytest.param(write, {}, AmbiguousOutcome, 1, id="ambiguous write without token"),
            pytest.param(read, {"code": "SystemBusy"}, errors.RetryLater, 1, id="busy read"),
            pytest.param(
                write,
                {"code": "InvalidLoadBalancerId.NotFound", "http_status": 404},
                errors.ResourceNotFound,
                1,
                id="permanent refusal",
            ),
            pytest.param(
                write,
                {"code": "SignatureNonceUsed"},
                errors.CloudProviderError,
                2,
                id="used nonce, once more",
            ),
        ],
    )
    def test_what_does_not_pass_ends_at_once_or_after_one_more_try(
        self, world, make, failed, operation, failure, error, attempts
    ):
        def main():
            answer = failed(**failure) if failure else CallFailed("read timeout")
            api, caller = make(answer)
            with pytest.raises(error):
                operation(api)
            assert len(caller.calls) == attempts

        world.run(main)

    @pytest.mark.parametrize(("newer", "attempts"), [(True, 2), (False, 1)])
    def test_refused_credentials_are_refreshed_once(self, world, make, failed, newer, attempts):
        def main():
            asked = []
            api, caller = make(
                failed("InvalidSecurityToken.Expired"),
                refresh=lambda: asked.append(1) or newer,
            )
            with pytest.raises(errors.Unauthorized):
                read(api)
            assert (len(caller.calls), len(asked)) == (attempts, 1)

        world.run(main)

    def test_all_attempts_of_a_call_end_within_half_a_minute(self, world, make):
        def main():
            api, caller = make(CallFailed("refused", sent="no"), seconds=0.1)
            with pytest.raises(errors.CloudProviderError):
                read(api)
            assert world.monotonic() <= 30.2
            assert 4 <= len(caller.calls) <= 40

        world.run(main)

    def test_the_hint_of_the_cloud_is_honoured(self, world, make, failed):
        def main():
            api, caller = make(failed("Throttling", retry_after=7.0), OK)
            read(api)
            assert caller.times[1] - caller.times[0] >= 7.0

        world.run(main)


class TestDeadline:
    def test_the_read_timeout_is_what_is_left(self, world, make):
        def main():
            api, caller = make(OK)
            read(api)
            with calls.deadline(3.0, concurrency=world):
                world.sleep(1.0)
                read(api)
            assert caller.timeouts == [20.0, pytest.approx(2.0)]

        world.run(main)

    def test_a_call_without_time_is_not_sent(self, world, make):
        def main():
            api, caller = make(OK)
            with calls.deadline(1.0, concurrency=world):
                world.sleep(2.0)
                with pytest.raises(calls.DeadlineExceeded):
                    write(api)
            assert caller.calls == []

        world.run(main)

    def test_retries_end_with_the_deadline(self, world, make):
        def main():
            api, _ = make(CallFailed("refused", sent="no"), seconds=0.1)
            with (
                calls.deadline(5.0, concurrency=world),
                pytest.raises(errors.CloudProviderError),
            ):
                read(api)
            assert world.monotonic() <= 5.2

        world.run(main)


class TestBudget:
    def test_each_action_has_a_budget_of_its_own(self, world, make):
        def main():
            rate = calls.Rate(per_second=1.0, burst=2.0)
            api, _ = make(OK, writes=rate)
            for _ in range(2):
                write(api, "DeleteX")
                write(api, "DeleteY")
            assert world.monotonic() == 0.0
            write(api, "DeleteX")
            assert world.monotonic() == pytest.approx(1.0)

        world.run(main)

    def test_throttling_slows_the_action_down_for_everyone(self, world, make, failed):
        def main():
            api, caller = make(failed("Throttling.Api"), OK)
            read(api, N=1)
            threads = [
                world.start_thread(lambda n=n: read(api, N=n), name=str(n)) for n in range(2, 5)
            ]
            for thread in threads:
                thread.join()
            assert all(time >= 1.0 for time in caller.times[1:])

        world.run(main)

    def test_a_pause_beyond_the_time_that_is_left_is_an_error_at_once(self, world, make, failed):
        def main():
            api, _ = make(failed("Throttling", retry_after=45.0), OK)
            with pytest.raises(errors.Throttled):
                read(api)
            with calls.deadline(5.0, concurrency=world), pytest.raises(errors.Throttled) as again:
                read(api)
            assert again.value.after > 5.0
            assert world.monotonic() == 0.0

        world.run(main)


class TestSharing:
    def test_identical_reads_at_the_same_time_are_sent_once(self, world, make):
        def main():
            api, caller = make(OK, seconds=1.0)
            threads = [world.start_thread(lambda: read(api, N=1), name=str(n)) for n in range(8)]
            threads.append(world.start_thread(lambda: read(api, N=2), name="other"))
            for thread in threads:
                thread.join()
            assert len(caller.calls) == 2

        world.run(main)

    def test_a_read_after_a_write_does_not_join_one_from_before(self, world, make):
        def main():
            api, caller = make(OK, seconds=1.0)
            early = world.start_thread(lambda: read(api, N=1), name="early")
            world.sleep(0.1)
            write(api)
            late = world.start_thread(lambda: read(api, N=1), name="late")
            early.join()
            late.join()
            assert [call[1] for call in caller.calls] == ["DescribeX", "DeleteX", "DescribeX"]

        world.run(main)

    def test_writes_are_never_shared(self, world, make):
        def main():
            api, caller = make(OK, seconds=1.0)
            threads = [world.start_thread(lambda: write(api), name=str(n)) for n in range(2)]
            for thread in threads:
                thread.join()
            assert len(caller.calls) == 2

        world.run(main)


class TestStopping:
    def test_no_write_is_sent_once_the_process_stops(self, world, make):
        def main():
            api, caller = make(OK)
            stop = world.event()
            api.stop_on(stop)
            write(api)
            stop.set()
            with pytest.raises(errors.RetryLater, match="stopping"):
                write(api)
            read(api)
            assert [call[1] for call in caller.calls] == ["DeleteX", "DescribeX"]

        world.run(main)

    def test_waiting_for_the_next_attempt_ends_at_once(self, world, make, failed):
        def main():
            api, caller = make(failed("ServiceIsConfiguring"))
            stop = world.event()
            api.stop_on(stop)

            def later() -> None:
                world.sleep(0.5)
                stop.set()

            world.start_thread(later, name="stopper")
            with pytest.raises(errors.RetryLater):
                write(api)
            assert world.monotonic() == 0.5
            assert len(caller.calls) == 1

        world.run(main)


def test_every_attempt_is_counted_by_action_and_code(world, make, failed):
    registry = CollectorRegistry()

    def main():
        api, _ = make(
            failed("Throttling.User"),
            CallFailed("read timeout"),
            OK,
            metrics=calls.call_metrics(registry),
        )
        read(api)

    world.run(main)

    def count(code):
        labels = {"provider": "alicloud", "service": "slb", "action": "DescribeX", "code": code}
        return registry.get_sample_value("cloudprovider_api_request_duration_seconds_count", labels)

    assert [count(code) for code in ("Throttling.User", "unknown", "ok")] == [1, 1, 1]
    labels = {"provider": "alicloud", "service": "slb", "action": "DescribeX"}
    assert registry.get_sample_value("cloudprovider_api_throttled_total", labels) == 1
    rate = registry.get_sample_value("cloudprovider_api_budget_rate", labels)
    assert rate is not None
    assert rate < READS.per_second


def test_the_log_names_action_code_and_request_but_no_parameter(world, make, caplog):
    caplog.set_level(logging.DEBUG)

    def main():
        api, _ = make(OK)
        read(api, Name="private")

    world.run(main)
    assert "slb:DescribeX ok in 0.000 s, request req-1" in caplog.text
    assert "private" not in caplog.text
