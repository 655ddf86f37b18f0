from __future__ import annotations

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from cloudprovider.errors import NotOwned
from cloudprovider.toolkit.ownership import Owner, Ownership, SlashName, TagProof, tags_to_write

OWNER = Owner("c1", "default", "web", "uid-1")
NAME = SlashName(limit=80)
label = st.from_regex(r"[a-z]([-a-z0-9]{0,61}[a-z0-9])?", fullmatch=True)
owners = st.builds(Owner, st.from_regex(r"c[0-9a-f]{0,40}", fullmatch=True), label, label)


@pytest.mark.parametrize(
    ("tags", "verdict"),
    [
        ({"owner": "me", "cluster": "c1"}, Ownership.OURS),
        ({"owner": "me"}, Ownership.OURS),
        ({"owner": "me", "cluster": "c2"}, Ownership.ANOTHERS),
        ({"owner": "you", "cluster": "c1"}, Ownership.ANOTHERS),
        ({"cluster": "c1"}, Ownership.UNMARKED),
        ({"else": "x"}, Ownership.UNMARKED),
        ({}, Ownership.UNMARKED),
    ],
)
def test_tags_prove_an_owner(tags, verdict):
    proof = TagProof({"owner": "me"}, optional={"cluster": "c1"})
    assert proof.check(tags) is verdict


def test_what_is_not_proved_ours_is_refused_with_the_marks_it_has():
    proof = TagProof({"owner": "me"})
    proof.require({"owner": "me"}, resource="lb-1")
    with pytest.raises(NotOwned, match="owner=you") as caught:
        proof.require({"owner": "you"}, resource="lb-1")
    assert caught.value.resource == "lb-1"
    with pytest.raises(NotOwned):
        proof.require({}, resource="lb-1")


@pytest.mark.parametrize(
    ("name", "verdict"),
    [
        ("k8s/30080/web/default/c1", Ownership.OURS),
        ("k8s/http/web/default/c1", Ownership.OURS),
        ("k8s/30080/web/default/c2", Ownership.ANOTHERS),
        ("k8s/30080/web2/default/c1", Ownership.ANOTHERS),
        ("k8s/30080/default/web/c1", Ownership.ANOTHERS),
        ("k8s/30080/web/default/c1/", Ownership.UNMARKED),
        ("k8s//web/default/c1", Ownership.UNMARKED),
        ("K8s/30080/web/default/c1", Ownership.UNMARKED),
        ("web", Ownership.UNMARKED),
        ("", Ownership.UNMARKED),
    ],
)
def test_names_prove_an_owner(name, verdict):
    assert NAME.check(name, OWNER) is verdict


def test_a_short_name_is_upstreams():
    assert NAME.format(30080, OWNER) == "k8s/30080/web/default/c1"


@given(owner=owners, port=st.integers(1, 65535))
def test_every_name_fits_parses_and_proves_its_owner(owner, port):
    name = NAME.format(port, owner)
    assert len(name) <= 80
    parts = NAME.parse(name)
    assert parts is not None
    assert parts[0] == str(port)
    assert NAME.check(name, owner) is Ownership.OURS


@given(one=owners, two=owners, port=st.integers(1, 65535))
def test_no_two_owners_have_one_name(one, two, port):
    assume(one != two)
    assert NAME.format(port, one) != NAME.format(port, two)


def test_the_owner_can_be_named_to_people():
    assert NAME.owner_text("k8s/80/web/default/c1") == "default/web"
    assert NAME.owner_text("somebody's") == ""
    assert str(OWNER) == "default/web"


@pytest.mark.parametrize(
    ("found", "room", "written"),
    [
        ({}, 10, {"a": "1", "b": "2"}),
        ({"a": "x"}, 10, {"b": "2"}),
        ({"a": "1", "b": "2"}, 10, {}),
        ({"x": "", "y": ""}, 3, {"a": "1"}),
        ({"x": "", "y": ""}, 2, {}),
    ],
    ids=["all", "a foreign value stays", "nothing missing", "room for one", "no room"],
)
def test_only_missing_tags_are_written_while_there_is_room(found, room, written):
    assert tags_to_write({"a": "1", "b": "2"}, found, room=room) == written
