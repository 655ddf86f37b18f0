"""Whoever logs never waits for the stream; what is lost is counted and said."""

import pytest

from cloudprovider_manager.log_sink import Sink


class Stream:
    """A stream on virtual time: each write takes ``seconds``, or fails."""

    def __init__(self, time, seconds=0.0, failure=None):
        self.time = time
        self.seconds = seconds
        self.failure = failure
        self.writes = []

    def write(self, text):
        self.time.sleep(self.seconds)
        if self.failure:
            raise self.failure
        self.writes.append((self.time.monotonic(), text))

    def flush(self):
        pass

    def lines(self):
        return "".join(text for _, text in self.writes).splitlines()


def lost_line(count):
    return f"{count} lost"


def run(time, script):
    time.run(script)
    assert time.errors() == []


def test_lines_come_in_their_order_at_once(time):
    stream = Stream(time)

    def script():
        sink = Sink(stream, lost_line, concurrency=time)
        for number in range(3):
            sink.add(str(number))
            time.sleep(1)
        assert stream.lines() == ["0", "1", "2"]
        assert [when for when, _ in stream.writes] == [0, 1, 2]
        sink.close()

    run(time, script)


def test_a_stream_that_takes_nothing_costs_whoever_logs_no_time(time):
    stream = Stream(time, seconds=3600)

    def script():
        sink = Sink(stream, lost_line, limit=100, concurrency=time)
        for number in range(1000):
            sink.add(f"line {number}")
            if number == 0:
                time.sleep(1)  # the first is being written now, and blocks
        assert time.monotonic() == 1
        assert sink.lost > 900
        assert not sink.flush(2)
        assert time.monotonic() == 3
        sink.close()

    run(time, script)


def test_what_was_lost_is_said_once_the_stream_takes_lines_again(time):
    stream = Stream(time, seconds=10)

    def script():
        sink = Sink(stream, lost_line, limit=20, concurrency=time)
        sink.add("first")
        time.sleep(1)
        for number in range(10):
            sink.add(f"line {number}")
        time.sleep(30)
        stream.seconds = 0
        sink.add("later")
        assert sink.flush(60)
        assert stream.lines() == ["first", "line 0", "line 1", "line 2", "7 lost", "later"]
        assert sink.lost == 7
        sink.close()

    run(time, script)


@pytest.mark.parametrize("failure", [BrokenPipeError(), ValueError("closed file")])
def test_a_stream_that_fails_loses_its_lines_and_no_more(time, failure):
    stream = Stream(time, failure=failure)

    def script():
        sink = Sink(stream, lost_line, concurrency=time)
        sink.add("a")
        sink.add("b")
        assert sink.flush(1)
        assert sink.lost == 2
        stream.failure = None
        sink.add("c")
        assert sink.flush(1)
        assert stream.lines() == ["c", "2 lost"]
        sink.close()

    run(time, script)


def test_lines_wait_for_a_full_buffer_or_the_flush_frequency(time):
    stream = Stream(time)

    def script():
        sink = Sink(stream, lost_line, hold=10, hold_seconds=5, concurrency=time)
        sink.add("abc")
        time.sleep(4)
        assert stream.writes == []
        sink.add("d")
        time.sleep(1.5)
        assert stream.writes == [(5, "abc\nd\n")]
        sink.add("0123456789")
        time.sleep(0.1)
        assert stream.writes[1:] == [(5.5, "0123456789\n")]
        sink.add("x")
        assert sink.flush(1)
        assert stream.lines()[-1] == "x"
        sink.close()

    run(time, script)


def test_what_waits_at_the_end_is_still_written(time):
    stream = Stream(time)

    def script():
        sink = Sink(stream, lost_line, hold=1000, concurrency=time)
        sink.add("last")
        sink.close()
        sink.add("too late")
        time.sleep(1)
        assert stream.lines()[:1] == ["last"]
        assert "too late" not in stream.lines()

    run(time, script)


def test_half_a_character_does_not_stop_the_log(time):
    stream = Stream(time)

    def script():
        sink = Sink(stream, lost_line, concurrency=time)
        sink.add("a\udc80b")
        assert sink.flush(1)
        assert stream.lines() == ["a\\udc80b"]
        sink.close()

    run(time, script)
