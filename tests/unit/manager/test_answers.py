"""Answers that are remembered: how many, and by how many asked for at once."""

import pytest

from cloudprovider_manager.auth.answers import Answers, Busy


def test_what_is_remembered_is_bounded(time):
    def script():
        held = Answers(size=3, in_flight=1, concurrency=time)
        for key in b"abcabd":
            held.get(bytes([key]), lambda key=key: key, lambda _: 100.0)
        assert len(held) == 3
        held.get(b"a", lambda: pytest.fail("just used"), lambda _: 100.0)
        asked = []
        held.get(b"c", lambda: asked.append(1), lambda _: 100.0)
        assert asked == [1]  # the one that was not used for longest was forgotten

    time.run(script)


def test_who_is_too_many_is_not_let_in(time):
    def script():
        held = Answers(size=1, in_flight=1, concurrency=time)
        time.start_thread(
            lambda: held.get(b"a", lambda: time.sleep(1.0), lambda _: 0.0), name="first"
        )
        time.sleep(0.1)
        with pytest.raises(Busy):
            held.get(b"b", lambda: None, lambda _: 0.0)
        time.sleep(1.0)
        held.get(b"b", lambda: None, lambda _: 0.0)

    time.run(script)
