"""What is looked at when a write is about to leave, whatever it waited for, on virtual time."""

import pytest

from cloudprovider import errors
from cloudprovider.toolkit import calls, fence

OK = {"Answer": 42}


def read(api):
    return api.read("slb", "DescribeX", {})


def write(api, action="DeleteX"):
    return api.call("slb", action, {}, idempotent=False, write=True)


class TestPremise:
    """What is to be taken away may be asked for again while the call waits (R1)."""

    @pytest.fixture
    def overtaken(self, world):
        """The premise holds until half a second from now."""

        def check():
            if world.monotonic() >= 0.5:
                raise fence.Overtaken("asked for again", after=0.1)

        return check

    @pytest.mark.parametrize("action", ["DeleteX", "RemoveX", "UntagX"])
    def test_what_takes_something_away_is_not_repeated(
        self, world, make, failed, overtaken, action
    ):
        def main():
            api, caller = make(failed("Throttling.User"), OK)
            with fence.resting_on(overtaken), pytest.raises(fence.Overtaken):
                write(api, action)
            assert len(caller.calls) == 1

        world.run(main)

    def test_nor_sent_after_a_wait_for_its_budget(self, world, make, overtaken):
        def main():
            api, caller = make(OK, writes=calls.Rate(per_second=1.0, burst=1.0))
            with fence.resting_on(overtaken):
                write(api)
                with pytest.raises(fence.Overtaken):
                    write(api)
            assert len(caller.calls) == 1

        world.run(main)

    @pytest.mark.parametrize("operation", [read, lambda api: write(api, "SetX")])
    def test_everything_else_is_sent(self, world, make, overtaken, operation):
        def main():
            api, caller = make(OK)
            world.sleep(1)
            with fence.resting_on(overtaken):
                operation(api)
            assert len(caller.calls) == 1

        world.run(main)


class TestFence:
    """Once the lease may be another's, no write leaves, whatever it waited for (R5)."""

    @pytest.mark.parametrize("allowed", [0, 1], ids=["before it waits", "at the last moment"])
    def test_a_write_is_not_sent_and_a_read_is(self, world, make, allowed):
        def main():
            api, caller = make(OK)
            answers = [True] * allowed
            api.fence_writes(lambda: bool(answers and answers.pop()))
            with pytest.raises(errors.RetryLater, match="not the leader any more"):
                write(api)
            read(api)
            assert [call[1] for call in caller.calls] == ["DescribeX"]

        world.run(main)

    def test_a_write_is_not_repeated(self, world, make, failed):
        def main():
            api, caller = make(failed("Throttling.User"), OK)
            api.fence_writes(lambda: world.monotonic() == 0)
            with pytest.raises(errors.RetryLater, match="not the leader any more"):
                write(api)
            assert len(caller.calls) == 1

        world.run(main)

    def test_a_write_that_waited_for_its_budget_is_not_sent(self, world, make):
        def main():
            api, caller = make(OK, writes=calls.Rate(per_second=1.0, burst=1.0))
            write(api)
            api.fence_writes(lambda: world.monotonic() < 0.5)
            with pytest.raises(errors.RetryLater, match="not the leader any more"):
                write(api)
            assert len(caller.calls) == 1

        world.run(main)
