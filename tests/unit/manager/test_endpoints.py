"""What the secure port answers to whom, without sockets."""

import io

import pytest

from cloudprovider_manager.auth.authentication import Authenticator
from cloudprovider_manager.auth.authorization import Authorizer, PublicPaths
from cloudprovider_manager.auth.identity import AuthenticationFailed, Caller, User
from cloudprovider_manager.auth.reviews import ReviewFailed
from cloudprovider_manager.auth.trust import Trust
from cloudprovider_manager.debugging import pages as debug_pages
from cloudprovider_manager.endpoints import CALLER, ENCRYPTED, Document, Endpoints, Guard, Pages
from cloudprovider_manager.health import Check, Health

USERS = {
    "ann": User("ann", groups=("readers",)),
    "bob": User("bob"),
    "root": User("root", groups=("system:masters",)),
}


class Tokens:
    """The token of a user is the user's name; ``lost`` stands for one that is not reviewed."""

    def user(self, token):
        if token not in USERS:
            raise AuthenticationFailed("invalid bearer token")
        return USERS[token]


class Access:
    """Readers may read everything; ``broken``: nobody can tell."""

    def __init__(self, broken=False):
        self.broken = broken
        self.asked = []

    def allowed(self, user, verb, path):
        self.asked.append((user.name, verb, path))
        if self.broken:
            raise ReviewFailed("the API server is down")
        return "readers" in user.groups


def ask(
    path,
    *,
    method="GET",
    query="",
    encrypted=True,
    token="",
    healthy=True,
    broken=False,
    public=("/healthz", "/readyz", "/livez"),
    guarded=True,
    body=b"",
    access=None,
):
    health = Health()
    health.add(Check("a", lambda: healthy))
    guard = Guard(
        Authenticator(Trust, Tokens()),
        Authorizer(PublicPaths(public), access or Access(broken)),
    )
    debug = debug_pages()
    pages = Pages({"/metrics": Document("text/x", lambda: b"up 1\n"), **debug.exact}, debug.below)
    application = Endpoints(health, pages, guard if guarded else None)
    answered = {}

    def start_response(status, headers):
        answered["status"] = int(status.split()[0])
        answered["headers"] = dict(headers)

    environ = {
        "REQUEST_METHOD": method,
        "PATH_INFO": path,
        "QUERY_STRING": query,
        ENCRYPTED: encrypted,
        CALLER: Caller([("authorization", f"Bearer {token}")] if token else []),
        "wsgi.input": io.BytesIO(body),
    }
    answered["body"] = b"".join(application(environ, start_response)).decode()
    return answered


HEALTH = ("/healthz", "/livez", "/readyz")


@pytest.mark.parametrize("path", HEALTH)
@pytest.mark.parametrize("encrypted", [True, False], ids=["https", "http"])
def test_health_is_open_to_everyone(path, encrypted):
    answered = ask(path, encrypted=encrypted)
    assert (answered["status"], answered["body"]) == (200, "ok")


@pytest.mark.parametrize(
    ("token", "health", "protected", "missing"),
    [
        pytest.param("", 200, 403, 403, id="anonymous"),
        pytest.param("wrong", 401, 401, 401, id="a token that is not valid"),
        pytest.param("bob", 200, 403, 403, id="a user without rights"),
        pytest.param("ann", 200, 200, 404, id="a user who may read"),
        pytest.param("root", 200, 200, 404, id="a member of system:masters"),
    ],
)
def test_what_each_caller_gets(token, health, protected, missing):
    for path in HEALTH:
        assert ask(path, token=token)["status"] == health, path
    for path in ("/metrics", "/debug/stacks", "/debug/flags/", "/healthz/a", "/readyz/a"):
        assert ask(path, token=token)["status"] == protected, path
    for path in ("/", "/metric", "/nothing", "/healthz/nothing", "/metrics/", "/debug/"):
        assert ask(path, token=token)["status"] == missing, path


@pytest.mark.parametrize(
    ("token", "path", "status"),
    [
        pytest.param("", "/healthz", 200, id="health"),
        pytest.param("bob", "/healthz", 200, id="health, known caller"),
        pytest.param("bob", "/metrics", 500, id="metrics"),
        pytest.param("", "/metrics", 500, id="metrics, anonymous"),
        pytest.param("ann", "/nothing", 500, id="a path that is not there"),
        pytest.param("root", "/metrics", 200, id="a master needs no review"),
    ],
)
def test_a_broken_authorizer_fails_closed(token, path, status):
    answered = ask(path, token=token, broken=True)
    assert answered["status"] == status
    assert "down" not in answered["body"]  # whatever it is, it is not the caller's business


def test_refusals_are_those_of_the_api_server():
    answered = ask("/metrics", token="bob")
    assert answered["headers"]["Content-Type"] == "application/json"
    assert answered["body"] == (
        '{"kind":"Status","apiVersion":"v1","metadata":{},"status":"Failure",'
        '"message":"forbidden: User \\"bob\\" cannot get path \\"/metrics\\"",'
        '"reason":"Forbidden","details":{},"code":403}'
    )
    assert ask("/metrics", token="wrong")["body"] == (
        '{"kind":"Status","apiVersion":"v1","metadata":{},"status":"Failure",'
        '"message":"Unauthorized","reason":"Unauthorized","code":401}'
    )


def test_a_refusal_is_no_html():
    body = ask("/<script>&")["body"]
    assert "&lt;script&gt;&amp;" in body
    assert "<" not in body


@pytest.mark.parametrize("method", ["GET", "HEAD", "PUT", "DELETE"])
def test_the_verb_is_the_method(method):
    access = Access()
    ask("/debug/flags/v", method=method, token="ann", access=access, body=b"0")
    assert access.asked == [("ann", method.lower(), "/debug/flags/v")]


def test_the_path_that_is_decided_is_the_path_that_is_served():
    access = Access()
    answered = ask("/m\xc3\xa9trics", token="ann", access=access)
    assert access.asked == [("ann", "get", "/métrics")]
    assert answered["status"] == 404


@pytest.mark.parametrize(
    ("path", "public", "status"),
    [
        ("/metrics", ("/healthz", "/metrics"), 200),
        ("/metrics", ("metrics",), 200),
        ("/metrics", ("/met*",), 200),
        ("/metrics", ("*",), 200),
        ("/healthz/a", ("/healthz*",), 200),
        ("/healthz/a", ("/healthz",), 403),
        ("/healthz", (), 403),
        ("/healthz/../metrics", ("/healthz*",), 404),
    ],
)
def test_public_paths_are_what_the_flag_says(path, public, status):
    assert ask(path, public=public)["status"] == status
    if status == 403 or path == "/metrics":
        assert ask(path, public=public, encrypted=False)["status"] == 403


@pytest.mark.parametrize("path", ["/metrics", "/", "/nothing", "/healthz/a"])
@pytest.mark.parametrize("token", ["", "ann", "root"])
def test_plain_http_gives_nothing_but_public_health(path, token):
    assert ask(path, token=token, encrypted=False)["status"] == 403


def test_a_port_for_health_alone_gives_nothing_else():
    assert ask("/healthz", guarded=False, encrypted=False, public=())["status"] == 200
    assert ask("/readyz/a", guarded=False, encrypted=False)["status"] == 200
    assert ask("/metrics", guarded=False, token="root")["status"] == 403


@pytest.mark.parametrize(
    ("path", "query", "status", "text"),
    [
        ("/healthz", "verbose", 200, "[+]a ok"),
        ("/healthz", "verbose=1&exclude=a", 200, "[+]a excluded: ok"),
        ("/healthz", "exclude=b&exclude=c&verbose", 200, 'no matches for "b", "c"'),
        ("/healthz/a", "", 200, "ok"),
        ("/healthz/b", "", 404, "not found"),
        ("/readyz/a", "", 200, "ok"),
        ("/debug/pprof/", "", 501, "no pprof"),
        ("/debug/pprof/heap", "", 501, "/debug/stacks"),
    ],
)
def test_paths(path, query, status, text):
    answered = ask(path, query=query, token="ann")
    assert answered["status"] == status
    assert text in answered["body"]


def test_an_unhealthy_check_answers_500():
    assert ask("/healthz", healthy=False)["status"] == 500


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH", "OPTIONS", "TRACE"])
def test_only_reading_is_allowed(method):
    assert ask("/healthz", method=method)["status"] == 405
    assert ask("/metrics", method=method, token="ann")["status"] == 405
    assert ask("/metrics", method=method)["status"] == 403


def test_head_has_no_body():
    answered = ask("/metrics", method="HEAD", token="ann")
    assert answered["body"] == ""
    assert answered["headers"]["Content-Length"] == "5"


def test_answers_are_neither_cached_nor_guessed_at():
    headers = ask("/metrics", token="ann")["headers"]
    assert headers["Cache-Control"] == "no-cache, private"
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["Content-Type"] == "text/x"
    assert not [name for name in headers if name.startswith("Access-Control")]
