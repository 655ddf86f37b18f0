"""Who a caller is: proxies, certificates, tokens, nobody."""

import hashlib

import pytest

from cloudprovider_manager.auth.authentication import Authenticator, bearer_token
from cloudprovider_manager.auth.identity import (
    ANONYMOUS,
    AuthenticationFailed,
    Caller,
    ClientCertificate,
    User,
)
from cloudprovider_manager.auth.trust import Proxy, Trust

CLIENTS, PROXIES, BOTH = b"authority of clients", b"authority of proxies", b"authority of both"

PROXY = Proxy(
    frozenset({PROXIES, BOTH}),
    allowed_names=("front", "rear"),
    username_headers=("X-Remote-User", "X-Other-User"),
    uid_headers=("X-Remote-Uid",),
    group_headers=("X-Remote-Group", "X-Other-Group"),
    extra_prefixes=("X-Remote-Extra-",),
)
TRUST = Trust(frozenset({CLIENTS, BOTH}), PROXY)
KNOWN = {"good": User("system:serviceaccount:a:b", groups=("system:serviceaccounts",))}


class Tokens:
    def user(self, token):
        if token in KNOWN:
            return KNOWN[token]
        raise AuthenticationFailed("invalid bearer token")


def certificate(name, *authorities, organizations=(), uids=()):
    return ClientCertificate(name, organizations, uids, (b"own", *authorities))


def identify(*, shown=None, failed=False, trust=TRUST, tokens=Tokens(), **headers):  # noqa: B008
    pairs = [(name.replace("_", "-"), value) for name, value in headers.items()]
    caller = Caller(pairs, shown, failed)
    return Authenticator(lambda: trust, tokens).user(caller)


JOE = certificate("joe", CLIENTS, organizations=("a", "b"))
FRONT = certificate("front", PROXIES, organizations=("system:masters",))
AUTHENTICATED = "system:authenticated"


@pytest.mark.parametrize(
    ("request_", "name", "groups"),
    [
        pytest.param({}, "system:anonymous", ("system:unauthenticated",), id="nobody"),
        pytest.param(
            {"authorization": "Bearer good"},
            "system:serviceaccount:a:b",
            ("system:serviceaccounts", AUTHENTICATED),
            id="a token",
        ),
        pytest.param({"shown": JOE}, "joe", ("a", "b", AUTHENTICATED), id="a certificate"),
        pytest.param(
            {"shown": FRONT, "x_remote_user": "ann", "x_remote_group": "g"},
            "ann",
            ("g", AUTHENTICATED),
            id="a proxy",
        ),
        pytest.param(
            {"shown": FRONT, "x_remote_user": "ann", "authorization": "Bearer wrong"},
            "ann",
            (AUTHENTICATED,),
            id="a proxy, whose client's token does not count",
        ),
        pytest.param(
            {"shown": JOE, "authorization": "Bearer wrong"},
            "joe",
            ("a", "b", AUTHENTICATED),
            id="a certificate counts more than a token that does not",
        ),
        pytest.param(
            {"shown": FRONT, "authorization": "Bearer good"},
            "system:serviceaccount:a:b",
            ("system:serviceaccounts", AUTHENTICATED),
            id="a token counts where a certificate does not",
        ),
        pytest.param(
            {"failed": True, "authorization": "Bearer good"},
            "system:serviceaccount:a:b",
            ("system:serviceaccounts", AUTHENTICATED),
            id="a token beside a resumed session",
        ),
        pytest.param(
            {"x_remote_user": "ann", "x_remote_group": "system:masters"},
            "system:anonymous",
            ("system:unauthenticated",),
            id="headers without a certificate",
        ),
        pytest.param(
            {"shown": JOE, "x_remote_user": "ann", "x_remote_group": "system:masters"},
            "joe",
            ("a", "b", AUTHENTICATED),
            id="headers with a certificate that is no proxy's",
        ),
        pytest.param(
            {"shown": certificate("front", BOTH)},
            "front",
            (AUTHENTICATED,),
            id="a proxy that speaks for itself, of an authority for both",
        ),
        pytest.param(
            {"shown": certificate("", BOTH), "trust": Trust(TRUST.clients)},
            "system:anonymous",
            ("system:unauthenticated",),
            id="a certificate without a common name",
        ),
        pytest.param(
            {"authorization": "Basic good"},
            "system:anonymous",
            ("system:unauthenticated",),
            id="another scheme",
        ),
        pytest.param(
            {"authorization": "Bearer wrong", "tokens": None},
            "system:anonymous",
            ("system:unauthenticated",),
            id="a token that nobody can review",
        ),
        pytest.param(
            {"shown": FRONT, "x_remote_user": "system:anonymous"},
            "system:anonymous",
            (),
            id="a proxy's anonymous user",
        ),
    ],
)
def test_who_it_is(request_, name, groups):
    user = identify(**request_)
    assert (user.name, user.groups) == (name, groups)


@pytest.mark.parametrize(
    ("request_", "why"),
    [
        ({"authorization": "Bearer wrong"}, "invalid bearer token"),
        ({"shown": FRONT}, "no authority for clients"),
        (
            {"shown": certificate("intruder", PROXIES), "x_remote_user": "ann"},
            "'intruder' is not in the list of allowed names",
        ),
        ({"shown": certificate("front", b"other"), "x_remote_user": "ann"}, "for proxies"),
        ({"shown": certificate("a", b"other"), "authorization": "Bearer wrong"}, "invalid bearer"),
        ({"shown": certificate("a", CLIENTS, uids=("1", "2"))}, "several uids"),
        ({"failed": True}, "was not verified"),
    ],
)
def test_faulty_credentials_are_refused(request_, why):
    with pytest.raises(AuthenticationFailed, match=why):
        identify(**request_)


def test_a_certificate_of_the_authority_for_proxies_is_no_users():
    """Its common name and organizations are whatever the proxy's owner wrote into them."""
    intruder = certificate("admin", PROXIES, organizations=("system:masters",))
    with pytest.raises(AuthenticationFailed):
        identify(shown=intruder)


def test_without_a_list_every_proxy_of_the_authority_is_believed():
    proxy = Proxy(frozenset({PROXIES}), (), ("x-remote-user",), (), (), ())
    user = identify(
        shown=certificate("any", PROXIES), trust=Trust(proxy=proxy), x_remote_user="ann"
    )
    assert user.name == "ann"


def test_a_certificate_gives_uid_and_fingerprint():
    user = identify(shown=certificate("joe", CLIENTS, uids=("7",)))
    assert user.uid == "7"
    digest = hashlib.sha256(b"own").hexdigest()
    assert user.extra == {"authentication.kubernetes.io/credential-id": (f"X509SHA256={digest}",)}


def test_a_proxy_may_tell_more_about_its_user():
    headers = [
        ("x-remote-user", ""),
        ("x-other-user", "ann"),
        ("x-other-user", "bob"),
        ("x-remote-uid", "7"),
        ("x-remote-group", "g1"),
        ("x-remote-group", ""),
        ("x-other-group", "g3"),
        ("x-remote-group", "g2"),
        ("x-remote-extra-scopes", "read"),
        ("x-remote-extra-scopes", "write"),
        ("x-remote-extra-example.com%2fid", "1"),
        ("x-remote-extra", "no key"),
    ]
    user = Authenticator(lambda: TRUST, None).user(Caller(headers, FRONT))
    assert user == User(
        "ann",
        "7",
        ("g1", "g2", "g3", AUTHENTICATED),
        {"scopes": ("read", "write"), "example.com/id": ("1",)},
    )


@pytest.mark.parametrize(
    ("header", "token"),
    [
        ("Bearer abc", "abc"),
        ("bearer abc", "abc"),
        ("  BEARER abc ", "abc"),
        ("Bearer abc def", "abc"),
        ("Bearer", ""),
        ("Bearer  abc", ""),
        ("Token abc", ""),
        ("abc", ""),
        ("", ""),
    ],
)
def test_which_tokens_count(header, token):
    assert bearer_token(Caller([("authorization", header)])) == token


def test_no_credential_is_shown():
    caller = Caller([("authorization", "Bearer canary")], certificate("joe", b"canary"))
    assert "canary" not in repr(caller)
    assert ANONYMOUS.name in repr(ANONYMOUS)
