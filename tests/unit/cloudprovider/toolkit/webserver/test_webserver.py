"""The web server: a free port, dropped connections on request, and no error swallowed."""

import contextlib
import logging

import pytest
import urllib3

from cloudprovider.toolkit.webserver import ConnectionDropped, WebServer


def application(environ, start_response):
    path = environ["PATH_INFO"]
    if path == "/drop":
        raise ConnectionDropped
    if path == "/bug":
        raise ZeroDivisionError("a defect")
    start_response("200 OK", [("Content-Type", "text/plain")])
    if path == "/half":
        yield b"half"
        raise ConnectionDropped
    yield b"whole"


@pytest.fixture(scope="module")
def server():
    with WebServer(application, threads=2) as running:
        yield running


def get(server, path):
    return urllib3.request("GET", server.url + path, retries=False, timeout=5)


def test_it_answers_on_a_free_port(server):
    assert server.port > 0
    assert get(server, "/").data == b"whole"


@pytest.mark.parametrize("path", ["/drop", "/half"])
def test_a_dropped_connection_is_no_answer_and_no_log_line(server, path, caplog):
    with pytest.raises(urllib3.exceptions.ProtocolError):
        get(server, path)
    assert get(server, "/").status == 200
    assert not caplog.records


def test_an_applications_defect_is_logged(server, caplog):
    with caplog.at_level(logging.ERROR), contextlib.suppress(urllib3.exceptions.ProtocolError):
        assert get(server, "/bug").status == 500
    assert get(server, "/").status == 200
    assert "ZeroDivisionError" in caplog.text
