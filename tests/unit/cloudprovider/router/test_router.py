"""The router: every call reaches the owner and nobody else, with the owner's nodes alone."""

import contextlib
from types import MappingProxyType

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from router_clouds import CALLS, FINALIZER, Cloud, routed

from cloudprovider.concurrency import current
from cloudprovider.errors import (
    CloudProviderError,
    ImplementedElsewhere,
    InvalidConfiguration,
    NotOwned,
)
from cloudprovider.interface import Interface
from cloudprovider.owners import PROVIDER_LABEL
from cloudprovider.router import NONE, Router
from cloudprovider.testing.builders import make_node, make_service
from cloudprovider.testing.fake import FakeCloud


def test_its_name_is_what_the_flag_says(clouds):
    assert Router(clouds).provider_name() == "a,b"


def test_calls_about_a_service_reach_its_owner_alone(clouds):
    a, b = clouds
    balancers = routed(a, b).load_balancer()
    service = make_service(load_balancer_class="x/b")
    nodes = tuple(make_node(f"n{i}", provider_id=f"{'ab'[i % 2]}://n{i}") for i in range(4))
    balancers.ensure_load_balancer("c", service, nodes)
    balancers.update_load_balancer("c", service, nodes[:2])
    assert balancers.get_load_balancer("c", service) is not None
    balancers.ensure_load_balancer_deleted("c", service)
    assert a.calls == []
    assert [(call.method, call.nodes) for call in b.calls] == [
        ("ensure_load_balancer", ("n1", "n3")),
        ("update_load_balancer", ("n1",)),
        ("get_load_balancer", ()),
        ("ensure_load_balancer_deleted", ()),
    ]


@pytest.mark.parametrize("method", CALLS)
@pytest.mark.parametrize(
    ("fields", "text"),
    [
        ({"labels": {PROVIDER_LABEL: "c"}}, "belongs to provider c"),
        ({"load_balancer_class": "x/c"}, "no provider here looks after it"),
        ({"load_balancer_class": "x/b", "labels": {PROVIDER_LABEL: "c"}}, "provider"),
    ],
    ids=["provider missing", "foreign class", "record of one missing"],
)
def test_what_is_nobodys_reaches_nobody(clouds, method, fields, text):
    balancers = routed(*clouds).load_balancer()
    with pytest.raises(NotOwned, match=text):
        getattr(balancers, method)("c", make_service(**fields), *CALLS[method])
    assert clouds[0].calls == clouds[1].calls == []


@pytest.mark.parametrize("method", CALLS)
def test_a_provider_that_is_not_initialised_is_not_called(clouds, method):
    a, b = clouds
    b.initialize = lambda *_: (_ for _ in ()).throw(CloudProviderError("no region"))
    router = routed(a, b)
    assert router.down == ("b",)
    service = make_service(load_balancer_class="x/b")
    with pytest.raises(CloudProviderError, match="provider b is not initialised: no region"):
        getattr(router.load_balancer(), method)("c", service, *CALLS[method])
    assert b.calls == []
    del b.initialize
    assert router.initialize_one("b", None, current().event())
    router.load_balancer().ensure_load_balancer("c", service, ())
    assert len(b.balancers) == 1


class TestServicesFromBefore:
    """Nothing is recorded on them, no mark, no class: who has a load balancer for it owns it."""

    OLD = MappingProxyType({"finalizers": [FINALIZER], "addresses": ["192.0.2.1"]})

    def had_by(self, *clouds):
        for cloud in clouds:
            cloud.load_balancer().ensure_load_balancer("c", make_service(), ())
            cloud.forget_calls()

    def test_it_belongs_to_the_provider_that_has_one(self, clouds):
        a, b = clouds
        self.had_by(b)
        router = routed(a, b)
        assert router.settle_service_owner("c", make_service(**self.OLD)) == "b"
        router.load_balancer().ensure_load_balancer_deleted("c", make_service(**self.OLD))
        assert b.balancers == {}
        assert a.writes == 0

    def test_it_is_the_defaults_if_nobody_has_one(self, clouds):
        assert routed(*clouds).settle_service_owner("c", make_service(**self.OLD)) == "a"

    def test_it_is_nobodys_if_two_have_one(self, clouds):
        self.had_by(*clouds)
        with pytest.raises(NotOwned, match="a and b have a load balancer for it"):
            routed(*clouds).settle_service_owner("c", make_service(**self.OLD))

    def test_it_waits_while_one_cannot_say(self, clouds):
        clouds[1].fail("get_load_balancer", CloudProviderError("down"))
        with pytest.raises(CloudProviderError, match="down"):
            routed(*clouds).settle_service_owner("c", make_service(**self.OLD))

    def test_implemented_elsewhere_is_not_having_one(self, clouds):
        clouds[1].fail("get_load_balancer", ImplementedElsewhere())
        assert routed(*clouds).settle_service_owner("c", make_service(**self.OLD)) == "a"

    def test_nobody_is_asked_about_a_new_one(self, clouds):
        assert routed(*clouds).settle_service_owner("c", make_service()) == "a"
        assert clouds[0].calls == clouds[1].calls == []

    def test_nobody_is_asked_about_one_with_a_mark(self):
        a, b = Cloud("a"), Cloud("b", mark="b-id")
        service = make_service(labels={"b-id": "x"}, **self.OLD)
        assert routed(a, b).settle_service_owner("c", service) == "b"
        assert a.calls == b.calls == []


@pytest.mark.parametrize(
    ("default", "expected"), [("", "a"), ("b", "b"), (NONE, "")], ids=["first", "named", "none"]
)
def test_the_default_takes_what_says_nothing(clouds, default, expected):
    router = routed(*clouds, default_load_balancer=default)
    assert router.service_owner(make_service()).name == expected
    assert router.node_owner(make_node(provider_id=None)).name == "a"


@pytest.mark.parametrize(
    ("providers", "default", "text"),
    [
        ((), "", "no provider is named"),
        ((FakeCloud("a"), FakeCloud("a")), "", "two providers call themselves a"),
        ((FakeCloud("a"),), "b", "accepted: a, none"),
        ((FakeCloud("a"), FakeCloud("b c")), "", "usable as the value of a label"),
    ],
    ids=["none", "twice", "unknown default", "no label value"],
)
def test_what_cannot_run_side_by_side_is_refused(providers, default, text):
    with pytest.raises(InvalidConfiguration, match=text):
        Router(providers, default_load_balancer=default)


def test_a_class_of_two_is_refused(clouds):
    clouds[1].load_balancer_classes = lambda: ("x/a",)
    with pytest.raises(InvalidConfiguration, match="class x/a is that of a and of b"):
        Router(clouds)


def test_a_provider_without_load_balancers_gets_a_clear_refusal():
    router = routed(Cloud("a", load_balancer=False), Cloud("b"))
    with pytest.raises(InvalidConfiguration, match="provider a's, which has no load balancers"):
        router.load_balancer().ensure_load_balancer("c", make_service(), ())
    assert routed(Cloud("a", load_balancer=False)).load_balancer() is None
    nothing = (Cloud("a", load_balancer=False), Cloud("b", load_balancer=False))
    assert routed(*nothing).load_balancer() is None


def test_one_provider_keeps_its_own_load_balancers(clouds):
    assert routed(clouds[0]).load_balancer() is clouds[0].load_balancer()


def test_every_provider_is_initialised_although_others_fail(clouds, caplog):
    a, b = clouds
    a.initialize = lambda *_: (_ for _ in ()).throw(RuntimeError("secret-canary"))
    router = routed(a, b)
    assert (router.down, b.initialized) == (("a",), True)
    assert "provider a could not be initialised: unexpected RuntimeError" in caplog.text
    assert "secret-canary" not in caplog.text


@pytest.mark.parametrize("count", [1, 2], ids=["alone", "beside another"])
def test_a_provider_that_cannot_be_fenced_is_not_used(clouds, count):
    def refuse(may_write):
        raise RuntimeError

    a, b = clouds
    a.fence_writes, b.fence_writes = refuse, [].append
    router = Router(clouds[:count])
    router.fence_writes(lambda: True)
    with contextlib.nullcontext() if count > 1 else pytest.raises(RuntimeError):
        router.initialize(None, current().event())
    assert (a.initialized, b.initialized) == (False, count > 1)
    if count > 1:
        assert router.down == ("a",)
        with pytest.raises(CloudProviderError, match="provider a is not initialised"):
            router.load_balancer().ensure_load_balancer("c", make_service(), ())


def test_the_only_provider_that_fails_is_an_error(clouds):
    clouds[0].initialize = lambda *_: (_ for _ in ()).throw(CloudProviderError("no region"))
    with pytest.raises(CloudProviderError, match="no region"):
        routed(clouds[0])


def test_metrics_of_one_that_fails_are_only_its_own(clouds, caplog):
    seen = []
    clouds[0].use_metrics = lambda registry: 1 / 0
    clouds[1].use_metrics = seen.append
    routed(*clouds).use_metrics("registry")
    assert seen == ["registry"]
    assert "provider a counts no calls" in caplog.text


def test_it_has_what_the_contract_has():
    parts = {name for name in vars(Interface) if not name.startswith("_")}
    assert parts - {"clusters", "instances_v2", "routes"} <= set(vars(Router))


STEPS = st.lists(
    st.tuples(
        st.sampled_from(sorted(CALLS)),
        st.sampled_from([None, "x/a", "x/b", "x/c"]),
        st.sampled_from(["", "a", "b", "c"]),
        st.booleans(),
    ),
    max_size=12,
)


@settings(max_examples=150)
@given(
    steps=STEPS,
    forms=st.lists(st.sampled_from(["a://1", "b://1", "c://1", None]), max_size=4),
    default=st.sampled_from(["", "a", "b", NONE]),
)
def test_no_write_ever_reaches_a_provider_that_does_not_own_the_service(steps, forms, default):
    clouds = (Cloud("a"), Cloud("b"))
    router = routed(*clouds, default_load_balancer=default)
    nodes = tuple(make_node(f"n{i}", provider_id=form) for i, form in enumerate(forms))
    for method, wanted, record, deleted in steps:
        service = make_service(
            load_balancer_class=wanted,
            labels={PROVIDER_LABEL: record} if record else None,
            deleted=deleted,
        )
        for cloud in clouds:
            cloud.forget_calls()
        arguments = (nodes,) if CALLS[method] else ()
        with contextlib.suppress(CloudProviderError):
            getattr(router.load_balancer(), method)("c", service, *arguments)
        reads = method in ("get_load_balancer", "ensure_load_balancer_deleted")
        owner = router.balancer_owner(service) if reads else router.service_owner(service)
        for cloud in clouds:
            if cloud.provider_name() != owner.name:
                assert cloud.calls == []
            for call in cloud.calls:
                assert all(router.node_owner(_named(nodes, name)).name == owner.name
                           for name in call.nodes)  # fmt: skip


def _named(nodes, name):
    return next(node for node in nodes if node.metadata.name == name)
