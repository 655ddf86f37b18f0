"""Health answers as upstream's does, from real checks."""

import pytest

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


# -- observers -----------------------------------------------------------------------------------


def test_every_result_of_a_report_is_told():
    told = []
    made = Health(observe=lambda *result: told.append(result))
    made.add(Check("a", lambda: True))
    made.add(Check("b", lambda: False))
    made.add(Check("c", lambda: True))
    made.report("readyz", exclude=["c"])
    assert told == [("a", "readyz", True), ("b", "readyz", False)]
