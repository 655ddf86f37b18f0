"""The router: every call reaches the owner and nobody else, with the owner's nodes alone."""

import contextlib
from types import MappingProxyType

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cloudprovider.concurrency import current
from cloudprovider.errors import (
    CloudProviderError,
    ImplementedElsewhere,
    InvalidConfiguration,
    NotOwned,
    Throttled,
)
from cloudprovider.interface import Interface, LoadBalancer
from cloudprovider.owners import PROVIDER_LABEL
from cloudprovider.router import NONE, Router
from cloudprovider.testing.builders import make_node, make_service
from cloudprovider.testing.fake import FakeCloud
from cloudprovider.testing.virtual import VirtualConcurrency

FINALIZER = "service.kubernetes.io/load-balancer-cleanup"
CALLS = {
    "get_load_balancer": (),
    "ensure_load_balancer": ((),),
    "update_load_balancer": ((),),
    "ensure_load_balancer_deleted": (),
}


class Cloud(FakeCloud):
    """A fake cloud with a class of its own, and a mark if wanted."""

    def __init__(self, name, *, mark="", **parts):
        super().__init__(name, **parts)
        self.mark = mark
        self.classes = (f"x/{name}",)


def routed(*clouds, initialize=True, **options):
    router = Router(clouds, **options)
    if initialize:
        router.initialize(None, current().event())
    return router


@pytest.fixture
def clouds():
    return Cloud("a"), Cloud("b")


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


class TestABusyProvider:
    """Two calls at once: two more wait, the others are told to come again."""

    def call(self, hub, balancers, name, outcomes, wanted="x/a", **old):
        def run():
            service = make_service(name, **(old or {"load_balancer_class": wanted}))
            try:
                balancers.ensure_load_balancer("c", service, ())
                outcomes[name] = hub.monotonic()
            except Throttled as error:
                outcomes[name] = str(error)

        hub.start_thread(run, name=name)
        hub.sleep(0.01)

    def play(self, seconds, scene):
        hub = VirtualConcurrency()

        def main():
            a, b = Cloud("a", concurrency=hub), Cloud("b", concurrency=hub)
            a.latency["ensure_load_balancer"] = seconds
            router = Router((a, b), calls_at_once=2, concurrency=hub)
            router.initialize(None, hub.event())
            assert router.workers == 8
            scene(hub, a, router.load_balancer())

        hub.run(main)
        assert hub.errors() == []

    def test_one_that_hangs_is_called_no_further_and_the_other_is(self):
        def scene(hub, cloud, balancers):
            outcomes = {}
            for name in ("first", "second", "third", "fourth", "fifth"):
                self.call(hub, balancers, name, outcomes)
            assert outcomes == {"fifth": "provider a has 2 calls in flight"}
            self.call(hub, balancers, "other", outcomes, wanted="x/b")
            assert "other" in outcomes
            hub.sleep(1.1)
            assert outcomes["third"] == outcomes["fourth"] == "provider a has 2 calls in flight"
            hub.sleep(60)
            assert cloud.most_at_once() == cloud.count() == 2

        self.play(50.0, scene)

    def test_those_who_ask_whose_an_old_service_is_keep_no_more_workers(self):
        """A hanging cloud is asked about every Service from before, whoever takes it then."""

        def scene(hub, cloud, balancers):
            cloud.latency["get_load_balancer"] = 50.0
            outcomes = {}
            for name in ("first", "second", "third", "fourth", "fifth"):
                self.call(hub, balancers, name, outcomes, finalizers=[FINALIZER])
            assert outcomes == {"fifth": "provider a has 2 calls in flight"}
            hub.sleep(60)
            assert cloud.most_at_once() == cloud.count("get_load_balancer") == 2

        self.play(0.0, scene)

    def test_whoever_waits_goes_on_as_soon_as_a_call_ends(self):
        def scene(hub, cloud, balancers):
            outcomes = {}
            for name in ("first", "second", "third", "fourth"):
                self.call(hub, balancers, name, outcomes)
            hub.sleep(1)
            assert [outcomes[name] for name in ("third", "fourth")] == [
                pytest.approx(0.8), pytest.approx(0.81),
            ]  # fmt: skip
            assert cloud.most_at_once() == 2

        self.play(0.4, scene)


class TestBackends:
    def test_only_the_owners_nodes_count(self, clouds):
        balancers = routed(*clouds).load_balancer()
        mine = make_node("mine", provider_id="a://1")
        other = make_node("other", provider_id="b://1")
        assert not balancers.backend_nodes_changed(make_service(), (mine,), (mine, other))
        assert balancers.backend_nodes_changed(make_service(), (other,), (mine, other))

    def test_nobodys_nodes_are_nobodys_backends(self, clouds):
        router = routed(*clouds)
        nodes = (make_node("a", provider_id="a://1"), make_node("c", provider_id="c://1"))
        assert router.own_nodes(make_service(), nodes) == nodes[:1]
        assert router.own_nodes(make_service(load_balancer_class="x/c"), nodes) == ()
        assert routed(clouds[0]).own_nodes(make_service(), nodes) == nodes

    def test_one_that_cannot_tell_which_nodes_are_its_own_keeps_its_backends(self, clouds):
        class Forgetful(Cloud):
            def claims_node(self, node):
                raise RuntimeError

        forgetful, b = Forgetful("a"), clouds[1]
        router = routed(forgetful, b)
        balancers = router.load_balancer()
        theirs, its = make_node("x", provider_id="b://1"), make_node("y", provider_id="a://1")
        service = make_service(load_balancer_class="x/a")
        for method in ("ensure_load_balancer", "update_load_balancer"):
            with pytest.raises(CloudProviderError, match="cannot tell whether node y is its own"):
                getattr(balancers, method)("c", service, (theirs, its))
        assert forgetful.calls == []
        assert balancers.backend_nodes_changed(service, (its,), (theirs,)) is True
        assert router.own_nodes(service, (theirs, its)) == (theirs, its)
        # What others claim is theirs all the same, and so are their load balancers.
        balancers.ensure_load_balancer("c", make_service(load_balancer_class="x/b"), (theirs, its))
        assert [call.nodes for call in b.calls] == [("x",)]

    def test_what_is_nobodys_has_no_backends(self, clouds):
        balancers = routed(*clouds).load_balancer()
        service = make_service(labels={PROVIDER_LABEL: "c"})
        assert not balancers.backend_nodes_changed(service, (), (make_node(),))

    def test_a_provider_with_its_own_comparison_is_asked(self, clouds):
        class Picky(type(clouds[0].load_balancer())):
            def backend_nodes_changed(self, service, old, new):
                return service.metadata.name == "web"

        a, b = clouds
        a._load_balancer = Picky(a)
        balancers = routed(a, b).load_balancer()
        assert balancers.backend_nodes_changed(make_service("web"), (), ())
        assert not balancers.backend_nodes_changed(make_service("other"), (), ())

    def test_many_services_cost_one_comparison(self, clouds, monkeypatch):
        asked = []
        compare = LoadBalancer.backend_nodes_changed

        def counting(self, service, old, new):
            asked.append(service)
            return compare(self, service, old, new)

        monkeypatch.setattr(LoadBalancer, "backend_nodes_changed", counting)
        balancers = routed(*clouds).load_balancer()
        old = tuple(make_node(f"n{i}", provider_id=f"a://{i}") for i in range(3))
        new = old[1:]
        for index in range(50):
            balancers.backend_nodes_changed(make_service(f"s{index}"), old, new)
        assert len(asked) == 1


class TestShares:
    def test_each_owns_its_part(self, clouds):
        first, second = routed(*clouds).shares()
        mine, other = make_node(provider_id="a://1"), make_node(provider_id="b://1")
        assert (first.claims_node(mine), first.claims_node(other)) == (True, False)
        assert (second.claims_node(mine), second.claims_node(other)) == (False, True)
        assert second.node_owner(mine).name == ""
        assert second.service_owner(make_service()).name == ""
        assert first.settle_service_owner("c", make_service()) == "a"
        with pytest.raises(NotOwned):
            second.settle_service_owner("c", make_service())

    def test_only_the_first_tells_of_what_is_nobodys(self, clouds):
        clouds[1].claims_node = lambda node: True
        first, second = routed(*clouds).shares()
        disputed = make_node(provider_id="a://1")
        assert "claimed by the providers a and b" in first.node_owner(disputed).problem
        assert second.node_owner(disputed).problem == ""
        assert not first.claims_node(disputed)

    def test_the_next_one_tells_while_the_first_does_not_work(self, clouds):
        clouds[1].claims_node = lambda node: True
        clouds[0].initialize = lambda *_: (_ for _ in ()).throw(CloudProviderError("no region"))
        router = routed(*clouds)
        first, second = router.shares()
        disputed = make_node(provider_id="a://1")
        assert "claimed by" in second.node_owner(disputed).problem
        del clouds[0].initialize
        assert router.initialize_one("a", None, current().event())
        assert "claimed by" in first.node_owner(disputed).problem
        assert second.node_owner(disputed).problem == ""

    def test_a_fresh_node_is_the_defaults_to_initialise_and_nobodys_to_delete(self, clouds):
        first, second = routed(*clouds).shares()
        fresh = make_node(provider_id=None)
        assert first.node_owner(fresh).name == "a"
        assert not first.claims_node(fresh)
        assert second.node_owner(fresh).name == ""


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


@pytest.mark.parametrize(
    "broken",
    [None, CloudProviderError("down"), KeyError("x"), SystemExit(1)],
    ids=["well", "fails", "crashes", "exits"],
)
def test_a_survey_is_that_of_all_providers_but_those_that_fail(clouds, broken, caplog):
    a, b = clouds
    for cloud in clouds:
        cloud.surveys = True
    balancers = routed(a, b).load_balancer()
    services = [make_service(f"of-{n}", load_balancer_class=f"x/{n}") for n in "ab"]
    for service in services:
        balancers.ensure_load_balancer("c", service, ())
    a.balancers.clear()
    if broken:
        a.fail("survey", broken)
    survey = balancers.survey("c", services[:1])
    assert set(survey.drifted) == (set() if broken else {"uid-of-a"})
    assert set(survey.orphans) == {"uid-of-b"}
    assert ("provider a could not survey load balancers" in caplog.text) == bool(broken)


def test_a_load_balancer_is_no_orphan_while_its_service_seems_to_be_anothers(clouds):
    a, b = clouds
    a.surveys = True
    balancers = routed(a, b).load_balancer()
    balancers.ensure_load_balancer("c", make_service(load_balancer_class="x/a"), ())
    assert balancers.survey("c", [make_service(load_balancer_class="x/b")]).orphans == {}


def test_without_any_answer_there_is_no_survey(clouds):
    a, b = clouds
    balancers = routed(a, b).load_balancer()
    assert balancers.survey("c", []) is None
    a.surveys = True
    a.fail("survey", KeyError("x"))
    with pytest.raises(CloudProviderError, match="unexpected KeyError"):
        balancers.survey("c", [])
