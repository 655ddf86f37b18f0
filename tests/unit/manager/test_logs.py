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


def configure(stream, **settings):
    logs.configure(logs.Settings(**settings), err=stream)


@pytest.mark.parametrize(
    ("level", "fields"),
    [
        (logging.DEBUG, {"v": 4, "severity": "debug"}),
        (logging.INFO, {"v": 0, "severity": "info"}),
        (logging.WARNING, {"v": 0, "severity": "warning"}),
        (logging.ERROR, {"severity": "error"}),
    ],
)
def test_json_says_the_verbosity_as_kubernetes_does(stream, level, fields):
    configure(stream, verbosity=4, log_format="json")
    logging.getLogger("cloudprovider").log(level, "said")
    line = json.loads(stream.getvalue())
    assert {key: line[key] for key in fields} == fields
    assert set(line) == {"ts", "caller", "logger", "msg", *fields}
    assert isinstance(line["ts"], float)
    assert 1e12 < line["ts"] < 1e13  # milliseconds


@pytest.mark.parametrize("log_format", ["text", "json"])
def test_half_a_character_is_escaped(stream, log_format):
    configure(stream, log_format=log_format)
    logging.getLogger("cloudprovider").info("file %s", "a\udc80b")
    assert "file a" in stream.getvalue()
    assert "udc80b" in stream.getvalue()


def test_json_has_the_error_that_was_handled(stream):
    configure(stream, log_format="json")
    try:
        raise errors.CloudProviderError("the call failed")
    except errors.CloudProviderError:
        logging.getLogger("cloudprovider").exception("a worker")
    line = json.loads(stream.getvalue())
    assert line["err"] == "CloudProviderError: the call failed"
    assert "v" not in line


@pytest.mark.parametrize(
    ("modules", "shown"),
    [
        ((), False),
        ((("test_logs", "4"),), True),
        ((("test_logs", "3"),), False),
        ((("elector", "9"),), False),
        ((("test_*", "5"),), True),
        ((("test_logs", "0"), ("test_*", "5")), False),
        ((("*/manager/test_logs", "4"),), True),
        ((("manager/test_logs", "4"),), False),
    ],
)
@pytest.mark.parametrize("log_format", ["text", "json"])
def test_vmodule_lets_single_files_say_more(stream, modules, shown, log_format):
    configure(stream, log_format=log_format, modules=modules)
    logging.getLogger("cloudprovider.x").debug("step")
    assert ("step" in stream.getvalue()) is shown


def test_vmodule_never_lets_a_file_say_less_than_v(stream):
    configure(stream, verbosity=4, modules=(("test_logs", "0"),))
    logging.getLogger("cloudprovider.x").debug("step")
    assert "step" in stream.getvalue()


def test_vmodule_opens_no_library(stream):
    configure(stream, modules=(("*", "10"),))
    logging.getLogger("urllib3.connectionpool").debug("Authorization: canary")
    assert stream.getvalue() == ""


def test_the_verbosity_can_change_while_it_runs(stream):
    configure(stream)
    logs.set_verbosity(4)
    logging.getLogger("cloudprovider.x").debug("first")
    logs.set_verbosity(0)
    logging.getLogger("cloudprovider.x").debug("second")
    assert "first" in stream.getvalue()
    assert "second" not in stream.getvalue()


@pytest.mark.parametrize("log_format", ["text", "json"])
def test_a_split_stream_parts_warnings_from_the_rest(stream, log_format):
    out = Stream()
    logs.configure(logs.Settings(log_format=log_format, split=True), err=stream, out=out)
    logging.getLogger("cloudprovider").info("done")
    logging.getLogger("cloudprovider").warning("odd")
    logging.getLogger("cloudprovider").error("bad")
    assert "done" in out.getvalue()
    assert out.getvalue().count("\n") == 1
    assert stream.getvalue().count("\n") == 2


def test_a_record_without_a_text_does_not_reach_the_stream_by_another_way(stream, capsys):
    configure(stream)
    logging.getLogger("cloudprovider").info("%d nodes", "canary")
    assert "a record of cloudprovider at test_logs.py:" in stream.getvalue()
    assert "canary" not in stream.getvalue()
    assert capsys.readouterr().err == ""
