"""Health answers as upstream's does, from real checks."""

import pytest

from cloudprovider.testing.virtual import VirtualConcurrency
from cloudprovider_manager.endpoints import Endpoints
from cloudprovider_manager.health import Check, Health


def health(**checks):
    made = Health()
    for name, healthy in checks.items():
        made.add(Check(name, lambda healthy=healthy: healthy))
    return made


@pytest.mark.parametrize("endpoint", ["healthz", "livez", "readyz"])
def test_all_checks_passing_is_ok(endpoint):
    assert health(a=True, b=True).report(endpoint) == (200, "ok")


def test_without_checks_there_is_a_ping():
    assert Health().report("healthz", verbose=True) == (
        200,
        "[+]ping ok\nhealthz check passed\n",
    )


def test_verbose_lists_every_check():
    status, text = health(a=True, b=True).report("livez", verbose=True)
    assert (status, text) == (200, "[+]a ok\n[+]b ok\nlivez check passed\n")


def test_a_failure_lists_the_checks_without_reasons():
    status, text = health(a=True, b=False).report("healthz")
    assert status == 500
    assert text == "[+]a ok\n[-]b failed: reason withheld\nhealthz check failed\n"


def test_a_check_that_raises_has_failed(caplog):
    made = Health()
    made.add(Check("a", lambda: 1 // 0 > 0))
    assert made.report("healthz")[0] == 500
    assert "health check a raised" in caplog.text


def test_excluded_checks_are_not_asked():
    status, text = health(a=True, b=False).report("healthz", verbose=True, exclude=["b"])
    assert status == 200
    assert "[+]b excluded: ok" in text


def test_an_unknown_exclusion_is_pointed_out():
    _, text = health(a=True).report("healthz", verbose=True, exclude=["zz"])
    assert 'warn: some health checks cannot be excluded: no matches for "zz"' in text


def test_what_only_readiness_asks_does_not_restart_the_process():
    made = health(a=True)
    made.add(Check("shutdown", lambda: False, ready_only=True))
    assert made.report("healthz") == (200, "ok")
    assert made.report("livez") == (200, "ok")
    assert made.report("readyz")[0] == 500


@pytest.mark.parametrize(
    ("name", "answer"),
    [("a", 200), ("b", 500), ("zz", 404)],
)
def test_single_checks_can_be_asked(name, answer):
    assert health(a=True, b=False).report_one("healthz", name)[0] == answer


def test_a_check_of_the_same_name_is_replaced():
    made = health(a=False)
    made.add(Check("a", lambda: True))
    assert made.report("healthz") == (200, "ok")


# -- upstream's own tests ------------------------------------------------------------------------


def upstream(case):
    return {"id": case, "marks": pytest.mark.upstream(f"TestMutableHealthzHandler/{case}")}


def ask(made, path):
    """HTTP status and body of ``path``."""
    path, _, query = path.partition("?")
    environ = {"REQUEST_METHOD": "GET", "PATH_INFO": path, "QUERY_STRING": query}
    statuses = []
    body = b"".join(Endpoints(made, {})(environ, lambda status, headers: statuses.append(status)))
    return int(statuses[0].split()[0]), body.decode()


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
