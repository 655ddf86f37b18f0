"""What the health port answers to whom."""

import pytest

from cloudprovider_manager.endpoints import ENCRYPTED, Endpoints, Page, local
from cloudprovider_manager.health import Check, Health


def ask(path, *, method="GET", query="", encrypted=True, address="127.0.0.1", healthy=True):
    health = Health()
    health.add(Check("a", lambda: healthy))
    application = Endpoints(health, {"/metrics": Page("text/x", lambda: b"up 1\n")})
    answered = {}

    def start_response(status, headers):
        answered["status"] = int(status.split()[0])
        answered["headers"] = dict(headers)

    environ = {
        "REQUEST_METHOD": method,
        "PATH_INFO": path,
        "QUERY_STRING": query,
        "REMOTE_ADDR": address,
        ENCRYPTED: encrypted,
    }
    answered["body"] = b"".join(application(environ, start_response)).decode()
    return answered


@pytest.mark.parametrize("path", ["/healthz", "/livez", "/readyz"])
@pytest.mark.parametrize("encrypted", [True, False], ids=["https", "http"])
@pytest.mark.parametrize("address", ["127.0.0.1", "203.0.113.9"], ids=["local", "remote"])
def test_health_is_open_to_everyone(path, encrypted, address):
    answered = ask(path, encrypted=encrypted, address=address)
    assert (answered["status"], answered["body"]) == (200, "ok")


@pytest.mark.parametrize(
    ("path", "query", "status", "text"),
    [
        ("/healthz", "verbose", 200, "[+]a ok"),
        ("/healthz", "verbose=1&exclude=a", 200, "[+]a excluded: ok"),
        ("/healthz", "exclude=b&exclude=c&verbose", 200, 'no matches for "b", "c"'),
        ("/healthz/a", "", 200, "ok"),
        ("/healthz/b", "", 404, "not found"),
        ("/readyz/a", "", 200, "ok"),
        ("/", "", 404, "not found"),
        ("/metric", "", 404, "not found"),
        ("/debug/pprof/", "", 404, "not found"),
    ],
)
def test_paths(path, query, status, text):
    answered = ask(path, query=query)
    assert answered["status"] == status
    assert text in answered["body"]


def test_an_unhealthy_check_answers_500():
    assert ask("/healthz", healthy=False)["status"] == 500


@pytest.mark.parametrize(
    ("encrypted", "address", "status"),
    [
        (True, "127.0.0.1", 200),
        (True, "127.5.5.5", 200),
        (True, "::1", 200),
        (True, "::ffff:127.0.0.1", 200),
        (True, "203.0.113.9", 403),
        (True, "::ffff:203.0.113.9", 403),
        (True, "", 403),
        (False, "127.0.0.1", 403),
        (False, "203.0.113.9", 403),
    ],
)
def test_metrics_are_for_local_callers_over_tls(encrypted, address, status):
    assert ask("/metrics", encrypted=encrypted, address=address)["status"] == status


def test_remote_callers_cannot_tell_which_paths_exist():
    assert ask("/nothing", address="203.0.113.9")["status"] == 403


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH", "OPTIONS"])
def test_only_reading_is_allowed(method):
    assert ask("/healthz", method=method)["status"] == 405


def test_head_has_no_body():
    answered = ask("/metrics", method="HEAD")
    assert answered["body"] == ""
    assert answered["headers"]["Content-Length"] == "5"


def test_answers_are_neither_cached_nor_guessed_at():
    headers = ask("/metrics")["headers"]
    assert headers["Cache-Control"] == "no-cache, private"
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["Content-Type"] == "text/x"


@pytest.mark.parametrize("address", ["", "localhost", "unix:", "10.0.0.1", "::"])
def test_what_is_not_loopback_is_not_local(address):
    assert not local(address)
