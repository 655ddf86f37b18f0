"""Who may see what without a review: public paths, and masters."""

import pytest

from cloudprovider_manager.auth.authorization import Authorizer, PublicPaths
from cloudprovider_manager.auth.identity import User
from cloudprovider_manager.auth.reviews import ReviewFailed


class Nobody:
    def allowed(self, user, verb, path):
        raise ReviewFailed("down")


@pytest.mark.parametrize(
    ("paths", "public", "others"),
    [
        (["/healthz"], ["/healthz", "healthz"], ["/healthz/", "/healthz/a", "/", ""]),
        (["healthz"], ["/healthz"], ["/healthzz"]),
        (["/"], ["/"], ["/healthz"]),
        (["/met*"], ["/metrics", "/met"], ["/me", "/"]),
        (["/metrics/*"], ["/metrics/slis", "/metrics/"], ["/metrics"]),
        (["*"], ["/", "/anything"], []),
        ([], [], ["/healthz", "/"]),
    ],
)
def test_public_paths(paths, public, others):
    authorizer = Authorizer(PublicPaths(paths), None)
    for path in public:
        assert authorizer.allowed(User("a"), "get", path)
        assert Authorizer(PublicPaths(paths), Nobody()).allowed(User("a"), "get", path)
    for path in others:
        assert not authorizer.allowed(User("a"), "get", path)
        with pytest.raises(ReviewFailed):
            Authorizer(PublicPaths(paths), Nobody()).allowed(User("a"), "get", path)


@pytest.mark.parametrize("path", ["/a*b", "*/healthz", "/**"])
def test_a_star_stands_at_the_end(path):
    with pytest.raises(ValueError, match=r"only trailing \* allowed in"):
        PublicPaths([path])


def test_masters_may_do_everything():
    root = User("root", groups=("system:masters",))
    assert Authorizer(PublicPaths([]), Nobody()).allowed(root, "put", "/debug/flags/v")
