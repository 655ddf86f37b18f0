"""Reviews by the API server: remembered, bounded in number and time, and never guessed."""

import json

import pytest

from cloudprovider_controllers.runtime.client import Client
from cloudprovider_controllers.runtime.transport import Response, TransportError
from cloudprovider_manager.auth import reviews
from cloudprovider_manager.auth.identity import AuthenticationFailed, User
from cloudprovider_manager.auth.reviews import AccessReviews, Reviewer, ReviewFailed, TokenReviews

ANN = {"username": "ann", "uid": "7", "groups": ["g"], "extra": {"scopes": ["a", "b"]}}


class Api:
    """Answers reviews as a script says: responses, errors, or a function of the body."""

    def __init__(self, time, *script, seconds=0.0):
        self.time = time
        self.script = list(script)
        self.seconds = seconds
        self.asked = []

    def request(self, method, path, *, query, headers, body, timeout):
        self.asked.append((self.time.monotonic(), path, json.loads(body)))
        if self.seconds > timeout:
            self.time.sleep(timeout)
            raise TransportError("timed out")
        self.time.sleep(self.seconds)
        step = self.script.pop(0) if len(self.script) > 1 else self.script[0]
        if isinstance(step, Exception):
            raise step
        return step


def answer(status, body=None, **headers):
    return Response(status, headers, json.dumps(body).encode() if body is not None else b"")


def token_review(**status):
    return answer(201, {"kind": "TokenReview", "spec": {"token": "canary"}, "status": status})


def access_review(**status):
    return answer(201, {"kind": "SubjectAccessReview", "status": status})


KNOWN = token_review(authenticated=True, user=ANN)
UNKNOWN = token_review(error="invalid bearer token")


def tokens(time, api, lifetime=10.0):
    reviewer = Reviewer(Client(api, qps=0, concurrency=time), concurrency=time)
    return TokenReviews(reviewer, lifetime, concurrency=time)


def access(time, api, allowed_for=10.0, refused_for=10.0):
    reviewer = Reviewer(Client(api, qps=0, concurrency=time), concurrency=time)
    return AccessReviews(
        reviewer, allowed_for=allowed_for, refused_for=refused_for, concurrency=time
    )


def test_a_token_is_reviewed_and_remembered_for_a_while(time):
    api = Api(time, KNOWN)

    def script():
        known = tokens(time, api, lifetime=10.0)
        assert known.user("t") == User("ann", "7", ("g",), {"scopes": ("a", "b")})
        time.sleep(9.9)
        known.user("t")
        assert len(api.asked) == 1
        known.user("other")
        assert len(api.asked) == 2
        time.sleep(0.2)
        known.user("t")
        assert len(api.asked) == 3

    time.run(script)
    assert api.asked[0][1:] == (
        "/apis/authentication.k8s.io/v1/tokenreviews",
        {
            "kind": "TokenReview",
            "apiVersion": "authentication.k8s.io/v1",
            "spec": {"token": "t"},
        },
    )


def test_a_refusal_is_remembered_too(time):
    api = Api(time, UNKNOWN)

    def script():
        known = tokens(time, api)
        for _ in range(3):
            with pytest.raises(AuthenticationFailed, match="invalid bearer token"):
                known.user("t")
        assert len(api.asked) == 1

    time.run(script)


def test_nothing_is_remembered_where_that_is_asked_for(time):
    api = Api(time, KNOWN)

    def script():
        known = tokens(time, api, lifetime=0.0)
        known.user("t")
        known.user("t")
        assert len(api.asked) == 2

    time.run(script)


@pytest.mark.parametrize(
    ("step", "attempts"),
    [
        pytest.param(answer(500), 5, id="internal error"),
        pytest.param(answer(504), 5, id="gateway timeout"),
        pytest.param(answer(429), 5, id="too many requests"),
        pytest.param(answer(503, **{"retry-after": "1"}), 5, id="come again"),
        pytest.param(TransportError("reset"), 5, id="connection reset"),
        pytest.param(answer(503), 1, id="unavailable"),
        pytest.param(answer(401), 1, id="we are not known ourselves"),
        pytest.param(answer(403), 1, id="we may not ask"),
        pytest.param(TransportError("refused", sent=False), 1, id="connection refused"),
        pytest.param(answer(201, {"kind": "x"}), 1, id="another answer"),
        pytest.param(Response(200, {}, b"<html>canary"), 1, id="no JSON"),
    ],
)
def test_what_may_pass_is_tried_again_and_then_nobody_is_let_in(time, caplog, step, attempts):
    api = Api(time, step)

    def script():
        known = tokens(time, api)
        with pytest.raises(AuthenticationFailed, match="is not reviewed"):
            known.user("canary")
        assert len(api.asked) == attempts
        with pytest.raises(AuthenticationFailed):
            known.user("canary")
        assert len(api.asked) == 2 * attempts  # a failure is not remembered
        may = access(time, Api(time, step))
        with pytest.raises(ReviewFailed):
            may.allowed(User("ann"), "get", "/metrics")

    time.run(script)
    assert "canary" not in caplog.text


def test_the_log_is_not_filled_by_those_who_ask(time, caplog):
    api = Api(time, answer(403))

    def script():
        known = tokens(time, api)
        for number in range(100):
            with pytest.raises(AuthenticationFailed):
                known.user(f"t{number}")
            time.sleep(0.25)

    time.run(script)
    assert caplog.text.count("no answer to a TokenReview") == 3


def test_a_failure_that_passes_goes_unnoticed(time):
    api = Api(time, answer(500), TransportError("reset"), KNOWN)

    def script():
        assert tokens(time, api).user("t").name == "ann"

    time.run(script)
    first, second, third = (when for when, *_ in api.asked)
    assert 0.5 <= second - first <= 0.6
    assert 0.75 <= third - second <= 0.9


@pytest.mark.parametrize("kind", [tokens, access])
def test_a_silent_api_server_is_given_up_in_ten_seconds(time, kind):
    api = Api(time, KNOWN, seconds=60.0)

    def script():
        asks = kind(time, api)
        with pytest.raises((AuthenticationFailed, ReviewFailed)):
            asks.user("t") if kind is tokens else asks.allowed(User("a"), "get", "/")
        assert time.monotonic() <= 10.0

    time.run(script)


def test_access_is_asked_for_all_that_is_known_of_the_user(time):
    api = Api(time, access_review(allowed=True))
    user = User("ann", "7", ("g",), {"scopes": ("a", "b")})

    def script():
        assert access(time, api).allowed(user, "get", "/metrics")

    time.run(script)
    assert api.asked[0][1:] == (
        "/apis/authorization.k8s.io/v1/subjectaccessreviews",
        {
            "kind": "SubjectAccessReview",
            "apiVersion": "authorization.k8s.io/v1",
            "spec": {
                "user": "ann",
                "uid": "7",
                "groups": ["g"],
                "extra": {"scopes": ["a", "b"]},
                "nonResourceAttributes": {"verb": "get", "path": "/metrics"},
            },
        },
    )


@pytest.mark.parametrize(
    ("status", "allowed"),
    [
        ({"allowed": True}, True),
        ({"allowed": True, "reason": "RBAC"}, True),
        ({"allowed": False}, False),
        ({"allowed": False, "denied": True, "reason": "no"}, False),
        ({"evaluationError": "role not found"}, False),
    ],
)
def test_what_the_api_server_decides(time, status, allowed):
    api = Api(time, access_review(**status))
    time.run(lambda: decided.append(access(time, api).allowed(User("a"), "get", "/")))
    assert decided.pop() is allowed


decided: list = []


def test_an_answer_that_both_allows_and_denies_is_none(time):
    api = Api(time, access_review(allowed=True, denied=True))

    def script():
        with pytest.raises(ReviewFailed, match="both"):
            access(time, api).allowed(User("a"), "get", "/")

    time.run(script)


@pytest.mark.parametrize(
    ("allowed", "lifetimes", "remembered"),
    [
        (True, {"allowed_for": 5.0, "refused_for": 0.0}, 5.0),
        (False, {"allowed_for": 0.0, "refused_for": 3.0}, 3.0),
    ],
)
def test_permissions_and_refusals_are_remembered_apart(time, allowed, lifetimes, remembered):
    api = Api(time, access_review(allowed=allowed))

    def script():
        may = access(time, api, **lifetimes)
        for seconds, asked in ((0.0, 1), (remembered - 0.1, 1), (0.2, 2)):
            time.sleep(seconds)
            assert may.allowed(User("a"), "get", "/metrics") is allowed
            assert len(api.asked) == asked
        may.allowed(User("a"), "head", "/metrics")
        may.allowed(User("a", groups=("g",)), "get", "/metrics")
        may.allowed(User("a"), "get", "/configz")
        assert len(api.asked) == 5

    time.run(script)


def test_those_who_ask_the_same_at_once_share_one_answer(time):
    api = Api(time, KNOWN, seconds=1.0)
    found = []

    def script():
        known = tokens(time, api)
        threads = [
            time.start_thread(lambda: found.append(known.user("t").name), name=f"t{n}")
            for n in range(10)
        ]
        for thread in threads:
            thread.join()

    time.run(script)
    assert found == ["ann"] * 10
    assert len(api.asked) == 1


def test_those_who_share_a_failure_are_all_refused(time):
    api = Api(time, answer(403), seconds=1.0)
    refused = []

    def ask(known):
        with pytest.raises(AuthenticationFailed):
            known.user("t")
        refused.append(True)

    def script():
        known = tokens(time, api)
        threads = [time.start_thread(lambda: ask(known), name=f"t{n}") for n in range(10)]
        for thread in threads:
            thread.join()

    time.run(script)
    assert len(refused) == 10
    assert len(api.asked) == 1


@pytest.mark.parametrize("same", [False, True], ids=["many tokens", "one token"])
def test_a_slow_api_server_does_not_take_every_thread(time, same):
    api = Api(time, KNOWN, seconds=5.0)
    refused = []

    def script():
        known = tokens(time, api)

        def ask(number):
            try:
                known.user("t" if same else f"t{number}")
            except AuthenticationFailed:
                refused.append((number, time.monotonic()))

        threads = [
            time.start_thread(lambda n=n: ask(n), name=f"t{n}")
            for n in range(reviews.IN_FLIGHT + 7)
        ]
        for thread in threads:
            thread.join()

    time.run(script)
    assert len(refused) == 7
    assert {when for _, when in refused} == {0.0}  # at once
    assert len(api.asked) == (1 if same else reviews.IN_FLIGHT)
