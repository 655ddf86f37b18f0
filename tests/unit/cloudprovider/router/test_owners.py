"""Whose a Node or a Service is: tables, and what holds for any of them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from router_clouds import FINALIZER

from cloudprovider import owners
from cloudprovider.owners import PROVIDER_LABEL, Owner, balancer_owner, node_owner, service_owner
from cloudprovider.testing.builders import make_node, make_service


class Says:
    """A provider as far as ownership goes."""

    def __init__(self, name, *, schemes=(), classes=(), mark=""):
        self.name, self.schemes, self.classes, self.mark = name, schemes, classes, mark

    def provider_name(self):
        return self.name

    def claims_node(self, node):
        return (node.spec.provider_id or "").partition("://")[0] in self.schemes

    def load_balancer_classes(self):
        return self.classes

    def claims_service(self, service):
        return bool(self.mark) and self.mark in (service.metadata.labels or {})


class Broken(Says):
    """One whose answers are errors."""

    def claims_node(self, node):
        raise RuntimeError("secret-canary")

    def load_balancer_classes(self):
        raise SystemExit(3)

    def claims_service(self, service):
        raise ValueError("x")


A = Says("a", schemes=("a", "both"), classes=("x/a", "x/both"), mark="a-id")
B = Says("b", schemes=("b", "both"), classes=("x/b", "x/both"), mark="b-id")
PROVIDERS = (A, B)


def labelled(name):
    return {PROVIDER_LABEL: name}


@pytest.mark.parametrize(
    ("fields", "name", "proven", "problem"),
    [
        pytest.param({"provider_id": "a://1"}, "a", True, "", id="the form of one"),
        pytest.param({"provider_id": "b://1"}, "b", True, "", id="the form of the other"),
        pytest.param({"provider_id": "c://1"}, "", False, "", id="the form of nobody here"),
        pytest.param({"provider_id": "both://1"}, "", False, "a and b", id="the form of two"),
        pytest.param(
            {"provider_id": "both://1", "labels": labelled("b")}, "b", True, "",
            id="the form of two, and the label chooses",
        ),
        pytest.param(
            {"provider_id": "a://1", "labels": labelled("a")}, "a", True, "", id="form and label"
        ),
        pytest.param(
            {"provider_id": "b://1", "labels": labelled("a")}, "", False, "names provider a",
            id="the label names another than the form",
        ),
        pytest.param(
            {"provider_id": "c://1", "labels": labelled("a")}, "", False, "names provider a",
            id="the label alone does not make a foreign form ours",
        ),
        pytest.param(
            {"provider_id": "a://1", "labels": labelled("c")}, "", False, "",
            id="the label of a provider that is not here",
        ),
        pytest.param({"labels": labelled("c")}, "", False, "", id="that label, no form yet"),
        pytest.param({"labels": labelled("b")}, "b", False, "", id="the label, no form yet"),
        pytest.param({}, "a", False, "", id="nothing at all: the default may initialise it"),
        pytest.param({"labels": labelled("")}, "a", False, "", id="an empty label is none"),
    ],
)  # fmt: skip
def test_whose_a_node_is(fields, name, proven, problem):
    found = node_owner(make_node(**{"provider_id": None, **fields}), PROVIDERS, default="a")
    assert (found.name, found.proven) == (name, proven)
    assert (problem in found.problem) if problem else not found.problem


def test_a_node_that_says_nothing_is_nobodys_without_a_default():
    assert node_owner(make_node(provider_id=None), PROVIDERS) == owners.NOBODY


@pytest.mark.parametrize(
    ("fields", "name", "proven", "problem"),
    [
        pytest.param({}, "a", False, "", id="nothing: the default"),
        pytest.param({"load_balancer_class": "x/b"}, "b", True, "", id="class"),
        pytest.param({"load_balancer_class": "x/c"}, "", False, "", id="a class of nobody here"),
        pytest.param({"load_balancer_class": ""}, "", False, "", id="an empty class"),
        pytest.param(
            {"load_balancer_class": "x/both"}, "", False, "a and b", id="a class of two"
        ),
        pytest.param({"labels": labelled("b")}, "b", True, "", id="record"),
        pytest.param(
            {"labels": labelled("c")}, "", False, "provider c", id="record of one missing"
        ),
        pytest.param({"labels": {"b-id": "lb-1"}}, "b", True, "", id="mark"),
        pytest.param({"labels": {"a-id": "1", "b-id": "2"}}, "", False, "a and b", id="two marks"),
        pytest.param(
            {"labels": {**labelled("a"), "b-id": "2"}}, "", False, "the mark of b",
            id="the record contradicts the mark",
        ),
        pytest.param(
            {"labels": {**labelled("a"), "a-id": "1", "b-id": "2"}}, "a", True, "",
            id="the record chooses between two marks",
        ),
        pytest.param(
            {"load_balancer_class": "x/b", "labels": labelled("a")}, "", False, "is provider a's",
            id="the record contradicts the class",
        ),
        pytest.param(
            {"load_balancer_class": "x/b", "labels": labelled("b")}, "b", True, "",
            id="record and class",
        ),
        pytest.param(
            {"load_balancer_class": "x/c", "labels": {"a-id": "1"}}, "", False, "",
            id="a foreign class, whatever the mark",
        ),
        pytest.param(
            {"load_balancer_class": "x/b", "labels": labelled("a"), "deleted": True}, "a", True, "",
            id="deleted: the record counts, not the class",
        ),
        pytest.param(
            {"type": "ClusterIP", "labels": labelled("b")}, "b", True, "", id="type changed"
        ),
        pytest.param(
            {"deleted": True, "labels": labelled("c")}, "", False, "provider c",
            id="deleted while its provider is missing",
        ),
        pytest.param(
            {"load_balancer_class": "x/c", "deleted": True, "finalizers": [FINALIZER]},
            "", False, "", id="a foreign class with the finalizer that all share",
        ),
    ],
)  # fmt: skip
def test_whose_a_service_is(fields, name, proven, problem):
    found = service_owner(make_service(**fields), PROVIDERS, default="a")
    assert (found.name, found.proven) == (name, proven)
    assert (problem in found.problem) if problem else not found.problem


def test_what_a_service_has_now_is_its_records_even_against_its_class():
    service = make_service(load_balancer_class="x/b", labels=labelled("a"))
    assert balancer_owner(service, PROVIDERS).name == "a"
    assert balancer_owner(make_service(load_balancer_class="x/b"), PROVIDERS).name == "b"


def test_without_a_default_only_what_says_something_is_ours():
    assert service_owner(make_service(), PROVIDERS) == owners.NOBODY
    assert service_owner(make_service(labels=labelled("a")), PROVIDERS).name == "a"
    assert service_owner(make_service(load_balancer_class="x/a"), PROVIDERS).name == "a"


def test_a_provider_that_fails_to_answer_has_claimed_nothing(caplog):
    broken = Broken("broken")
    node = make_node(provider_id="a://1")
    assert node_owner(node, (broken, A), default="broken").name == "a"
    service = make_service(load_balancer_class="x/a")
    assert service_owner(service, (broken, A), default="broken").name == "a"
    for fields in ({}, {"labels": labelled("broken")}):
        nobodys = node_owner(make_node(provider_id="c://1", **fields), (broken, A), default="a")
        assert nobodys == Owner(silent=("broken",))
    assert "provider broken cannot tell" in caplog.text
    assert "secret-canary" not in caplog.text


def test_a_class_is_not_called_somebody_elses_while_a_provider_cannot_say_which_it_has():
    service = make_service(load_balancer_class="x/c")
    owner = service_owner(service, (Broken("broken"), A), default="a")
    assert owner == Owner(problem="provider broken cannot say which classes it has")


NAMES = st.sampled_from(["a", "b", "c", ""])
NODES = st.builds(
    make_node,
    provider_id=st.sampled_from([None, "", "a://1", "b://1", "both://1", "c://1", "junk"]),
    labels=st.none() | st.builds(labelled, NAMES),
)


@st.composite
def services(draw):
    marks = draw(st.sets(st.sampled_from(["a-id", "b-id"])))
    name = draw(NAMES)
    labels = dict.fromkeys(marks, "x") | (labelled(name) if name else {})
    return make_service(
        labels=labels or None,
        type=draw(st.sampled_from(["LoadBalancer", "ClusterIP"])),
        load_balancer_class=draw(st.sampled_from([None, "", "x/a", "x/b", "x/both", "x/c"])),
        deleted=draw(st.booleans()),
        finalizers=draw(st.sampled_from([(), (FINALIZER,)])),
        addresses=draw(st.sampled_from([(), ("192.0.2.1",)])),
    )


@given(node=NODES, default=NAMES, order=st.permutations(PROVIDERS))
def test_the_order_of_providers_and_the_default_never_decide_what_is_proven(node, default, order):
    found = node_owner(node, order, default=default)
    assert not (found.name and found.problem)
    assert found.name in ("", default, "a", "b")
    if found.proven:
        assert found == node_owner(node, PROVIDERS, default="")
        assert A.claims_node(node) or B.claims_node(node)


@given(service=services(), default=NAMES, order=st.permutations(PROVIDERS))
def test_a_service_has_at_most_one_owner_whatever_the_order(service, default, order):
    found = service_owner(service, order, default=default)
    assert not (found.name and found.problem)
    if found.proven:
        other = service_owner(service, PROVIDERS, default="")
        assert (found.name, found.proven) == (other.name, other.proven)
    recorded = owners.recorded(service)
    if recorded and found.name:
        assert found.name == recorded


@given(service=services())
def test_a_provider_that_is_taken_away_leaves_its_services_to_nobody(service):
    """What belongs to b by proof is never a's once b does not run, even with a as default."""
    found = service_owner(service, PROVIDERS, default="a")
    left = service_owner(service, (A,), default="a")
    if found.name == "b" and (
        owners.recorded(service) == "b" or service.spec.load_balancer_class is not None
    ):
        assert left == Owner(problem=left.problem)
