"""Upstream's own tests of its health endpoint, re-created."""

import pytest

from cloudprovider.testing.virtual import VirtualConcurrency
from cloudprovider_manager.health import Check, Health


def upstream(case):
    return {"id": case, "marks": pytest.mark.upstream(f"TestMutableHealthzHandler/{case}")}


def ask(made, path):
    """HTTP status and body of ``path``."""
    path, _, query = path.removeprefix("/").partition("?")
    endpoint, _, name = path.partition("/")
    if name:
        return made.report_one(endpoint, name)
    return made.report(endpoint, verbose=query.startswith("verbose"))


BAD = "[+]good ok\n[-]bad failed: reason withheld\nhealthz check failed\n"


@pytest.mark.parametrize(
    ("batches", "path", "status", "body"),
    [
        pytest.param([], "/healthz", 200, "ok", **upstream("empty")),
        pytest.param([["good"]], "/healthz", 200, "ok", **upstream("good")),
        pytest.param(
            [["good"]],
            "/healthz?verbose=true",
            200,
            "[+]good ok\nhealthz check passed\n",
            **upstream("good verbose"),
        ),
        pytest.param(
            [["good", "bad"]], "/healthz", 500, BAD, **upstream("good and bad, same batch")
        ),
        pytest.param(
            [["good"], ["bad"]], "/healthz", 500, BAD, **upstream("good and bad, two batches")
        ),
        pytest.param(
            [["foo", "bar"]], "/healthz", 200, "ok", **upstream("two checks and append bad")
        ),
        pytest.param([["good"], ["bad"]], "/healthz/good", 200, "ok", **upstream("subcheck")),
    ],
)
def test_checks_that_come_one_after_another_are_all_asked(batches, path, status, body):
    made = Health()
    for batch in batches:
        for name in batch:
            made.add(Check(name, lambda name=name: name != "bad"))
    assert ask(made, path) == (status, body)
    made.add(Check("bad", lambda: False))
    assert ask(made, "/healthz")[0] == 500


@pytest.mark.upstream("TestConcurrentChecks")
def test_a_check_that_hangs_keeps_no_other_request_waiting():
    time = VirtualConcurrency()
    made = Health(concurrency=time)
    asked = []
    over = time.event()

    def pausing():
        asked.append(time.thread_name())
        return over.wait()

    def script():
        made.add(Check("pausing", pausing))
        for number in range(5):
            time.start_thread(lambda: made.report("healthz"), name=f"request-{number}")
        time.sleep(1)
        assert len(set(asked)) == 5
        over.set()

    time.run(script)
    assert time.errors() == []


@pytest.mark.upstream("TestNamedHealthChecker")
def test_a_check_has_a_name_and_its_own_words_stay_inside(caplog):
    def hello():
        raise RuntimeError("hello")

    made = Health()
    check = Check("foo", hello)
    made.add(check)
    assert check.name == "foo"
    with pytest.raises(RuntimeError, match="hello"):
        check.healthy()
    assert ask(made, "/healthz/foo") == (500, "internal server error: unhealthy")
