"""Clients for each controller: their user agents, and tokens of ServiceAccounts."""

import datetime
import itertools

import pytest

from cloudprovider.concurrency import current
from cloudprovider_controllers.runtime.client import Client
from cloudprovider_controllers.runtime.clientbuilder import (
    ClientOptions,
    DynamicClientBuilder,
    SimpleClientBuilder,
    user_agent,
)
from cloudprovider_controllers.runtime.credentials import CredentialError
from cloudprovider_controllers.runtime.errors import Forbidden
from cloudprovider_controllers.runtime.transport import TransportError


class Factory:
    """Makes scripted transports and remembers for whom."""

    def __init__(self, transport):
        self.transport = transport
        self.made = []

    def __call__(self, *, user_agent, tokens=None):
        self.made.append((user_agent, tokens))
        return self.transport


OPTIONS = ClientOptions(user_agent="ccm/1", qps=0)


def test_the_simple_builder_only_changes_the_user_agent(scripted, answer):
    factory = Factory(scripted(answer()))
    builder = SimpleClientBuilder(factory, OPTIONS)
    assert builder.client("service-controller") is not builder.client("service-controller")
    assert factory.made == [("ccm/1/service-controller", None)] * 2


def test_user_agent_like_go():
    assert user_agent("ccm", "v1.2").startswith("ccm/v1.2 (linux/")


def token_answer(answer, name, seconds):
    expires = current().now() + datetime.timedelta(seconds=seconds)
    return answer(201, {"status": {"token": name, "expirationTimestamp": expires.isoformat()}})


def issuing(answer, seconds):
    """Answers of an API server that gives a token ``t1``, then ``t2``, …, for ``seconds`` each."""
    numbers = itertools.count(1)

    def to(request):
        if request["method"] == "POST":
            return token_answer(answer, f"t{next(numbers)}", seconds)
        return answer()

    return to


def dynamic(factory, root_transport):
    return DynamicClientBuilder(factory, OPTIONS, root=Client(root_transport, qps=0))


def test_the_dynamic_builder_uses_a_service_account_each(virtually, scripted, answer):
    def main():
        root = scripted(issuing(answer, 3600))
        factory = Factory(scripted(answer()))
        builder = dynamic(factory, root)
        builder.client("node-controller")
        builder.client("node-controller")
        (agent, tokens), (_, again) = factory.made
        assert agent == "ccm/1/system:serviceaccount:kube-system:node-controller"
        assert tokens is again
        assert tokens.token() == tokens.token() == "t1"
        post = root.requests[-1]
        assert post["body"]["spec"] == {"expirationSeconds": 3600}
        current().sleep(0.8 * 3600 - 1)
        assert tokens.token() == "t1"
        current().sleep(2)
        assert tokens.token() != "t1"

    virtually(main)


def test_a_missing_account_and_namespace_are_made(virtually, scripted, answer, refusal):
    def main():
        gone = refusal(404, "NotFound")
        root = scripted(gone, gone, answer(201), answer(201))
        dynamic(Factory(None), root).client("node-controller")
        assert [(r["method"], r["path"].rpartition("/")[2]) for r in root.requests] == [
            ("GET", "node-controller"),
            ("GET", "kube-system"),
            ("POST", "namespaces"),
            ("POST", "serviceaccounts"),
        ]

    virtually(main)


def test_an_account_made_meanwhile_is_fine(virtually, scripted, answer, refusal):
    def main():
        exists = refusal(409, "AlreadyExists")
        root = scripted(refusal(404, "NotFound"), answer(), exists, answer())
        dynamic(Factory(None), root).client("node-controller")
        assert len(root.requests) == 4

    virtually(main)


def test_troubles_with_the_namespace_are_left_to_the_account(virtually, scripted, answer, refusal):
    def main():
        root = scripted(refusal(404, "NotFound"), refusal(403, "Forbidden"), answer(201))
        dynamic(Factory(None), root).client("node-controller")
        root = scripted(refusal(404, "NotFound"), refusal(403, "Forbidden"))
        with pytest.raises(Forbidden):
            dynamic(Factory(None), root).client("node-controller")

    virtually(main)


def built(scripted, *answers):
    """Tokens of a builder whose account exists; ``answers`` are those of the requests after."""
    factory = Factory(None)
    root = scripted(*answers)
    dynamic(factory, root).client("c")
    return factory.made[0][1], root


def test_a_token_is_asked_for_four_times(virtually, scripted, answer, refusal):
    def main():
        tokens, root = built(scripted, answer(), refusal(500))
        with pytest.raises(CredentialError):
            tokens.token()
        assert current().monotonic() == 3.5
        assert len(root.requests) == 1 + 4

    virtually(main)


def test_an_old_token_is_used_while_it_lasts(virtually, scripted, answer):
    def main():
        broken = []

        def root_answer(request):
            if broken:
                return TransportError("down")
            if request["method"] == "POST":
                return token_answer(answer, "t", 3600)
            return answer()

        tokens, _ = built(scripted, root_answer)
        assert tokens.token() == "t"
        broken.append(True)
        current().sleep(3000)
        assert tokens.token() == "t"
        current().sleep(700)
        with pytest.raises(CredentialError):
            tokens.token()

    virtually(main)


def test_a_short_life_counts_as_ten_minutes(virtually, scripted, answer):
    def main():
        tokens, _ = built(scripted, issuing(answer, 30))
        first = tokens.token()
        current().sleep(479)
        assert tokens.token() == first
        current().sleep(2)
        assert tokens.token() != first

    virtually(main)


def test_a_refused_token_is_renewed_but_not_for_every_refusal(virtually, scripted, answer):
    def main():
        tokens, _ = built(scripted, issuing(answer, 3600))
        first = tokens.token()
        assert not tokens.refresh(first)
        current().sleep(10)
        assert tokens.refresh(first)
        assert tokens.refresh(first)
        assert tokens.token() != first

    virtually(main)
