"""Logs look like Kubernetes' and carry nothing secret."""

import io
import json
import logging
import re

import pytest

from cloudprovider import errors
from cloudprovider_manager import logs


class Stream(io.StringIO):
    """What was logged, once all of it is written."""

    def getvalue(self):
        assert logs.flush(5)
        return super().getvalue()


@pytest.fixture
def stream():
    """The log, as text; the root logger is put back afterwards."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    names = (*logs.OWN, "plugin_package", "urllib3")
    levels = {name: logging.getLogger(name).level for name in names}
    yield Stream()
    root.handlers[:], root.level = handlers, level
    for name, before in levels.items():
        logging.getLogger(name).setLevel(before)


def test_a_line_has_klogs_form(stream):
    logs.configure(logs.Settings(0, "text"), err=stream)
    logging.getLogger("cloudprovider_manager.app").info("started %s", "x")
    assert re.fullmatch(
        r"I\d{4} \d\d:\d\d:\d\d\.\d{6} +\d+ test_logs\.py:\d+\] started x\n", stream.getvalue()
    )


@pytest.mark.parametrize(
    ("level", "letter"),
    [(logging.WARNING, "W"), (logging.ERROR, "E"), (logging.CRITICAL, "E"), (logging.INFO, "I")],
)
def test_the_first_letter_is_the_severity(stream, level, letter):
    logs.configure(logs.Settings(0, "text"), err=stream)
    logging.getLogger("cloudprovider").log(level, "x")
    assert stream.getvalue()[0] == letter


@pytest.mark.parametrize(("verbosity", "shown"), [(0, False), (3, False), (4, True), (10, True)])
def test_debug_is_for_verbosity_4_and_up(stream, verbosity, shown):
    logs.configure(logs.Settings(verbosity, "text"), err=stream)
    logging.getLogger("cloudprovider_controllers.x").debug("step")
    assert ("step" in stream.getvalue()) is shown


def test_libraries_never_speak_below_warning(stream):
    logs.configure(logs.Settings(10, "text"), err=stream)
    logging.getLogger("urllib3.connectionpool").debug("Authorization: canary")
    logging.getLogger("urllib3.connectionpool").info("Authorization: canary")
    assert stream.getvalue() == ""


def test_the_chosen_plugin_speaks_like_our_own_packages(stream):
    logs.configure(logs.Settings(4, "text"), ["plugin_package"], err=stream)
    logging.getLogger("plugin_package.api").debug("step")
    assert "step" in stream.getvalue()


def test_a_name_cannot_forge_a_line(stream):
    logs.configure(logs.Settings(0, "text"), err=stream)
    logging.getLogger("cloudprovider").info("service %s", "a\nE1120 forged\x1b[31m")
    assert stream.getvalue().count("\n") == 1
    assert "\x1b" not in stream.getvalue()
    assert r"a\nE1120 forged\x1b[31m" in stream.getvalue()


def test_a_traceback_follows_on_lines_of_its_own(stream):
    logs.configure(logs.Settings(0, "text"), err=stream)
    try:
        raise ValueError("inside")
    except ValueError:
        logging.getLogger("cloudprovider").exception("failed")
    assert "failed\nTraceback" in stream.getvalue()


def test_json_lines_have_kubernetes_keys(stream):
    logs.configure(logs.Settings(0, "json"), err=stream)
    try:
        raise ValueError("inside")
    except ValueError:
        logging.getLogger("cloudprovider").exception("failed\n%s", "x")
    line = json.loads(stream.getvalue())
    assert line["msg"] == "failed\nx"
    assert line["severity"] == "error"
    assert line["caller"].startswith("test_logs.py:")
    assert "ValueError" in line["stacktrace"]


class SdkError(Exception):
    """As a cloud's SDK raises it: with the signed request in its text."""

    def __str__(self):
        return "GET https://cloud/?Signature=canary"


@pytest.mark.parametrize("log_format", ["text", "json"])
def test_a_traceback_shows_where_but_no_foreign_text(stream, log_format):
    logs.configure(logs.Settings(4, log_format), err=stream)
    try:
        try:
            raise SdkError
        except SdkError as error:
            raise errors.CloudProviderError("the call failed") from error
    except errors.CloudProviderError:
        logging.getLogger("cloudprovider").exception("a worker")
    shown = stream.getvalue()
    assert "canary" not in shown
    assert "SdkError" in shown
    assert "CloudProviderError: the call failed" in shown
    assert "test_logs.py" in shown
