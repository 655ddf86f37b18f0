"""Label and field selectors."""

from __future__ import annotations

import pytest

from cloudprovider_sandbox.apiserver import selectors
from cloudprovider_sandbox.apiserver.resources import EVENTS, SERVICES
from cloudprovider_sandbox.apiserver.status import StatusError
from cloudprovider_sandbox.apiserver.store import Entry

LABELS = {"app": "web", "tier": "front", "n": "5", "example.com/x": ""}


def entry(labels=None, fields=None):
    return Entry(("default", "web"), 1, b"{}", "uid", labels, fields)


@pytest.mark.parametrize(
    ("text", "matches"),
    [
        ("", True),
        ("app=web", True),
        ("app==web", True),
        ("app = web , tier=front", True),
        ("app=db", False),
        ("app!=db", True),
        ("absent!=db", True),
        ("app!=web", False),
        ("app in (db, web)", True),
        ("app in (db),tier=front", False),
        ("app notin (db)", True),
        ("absent notin (db)", True),
        ("app notin (db,web)", False),
        ("app", True),
        ("absent", False),
        ("!absent", True),
        ("!app", False),
        ("n>4", True),
        ("n<5", False),
        ("app>4", False),
        ("example.com/x", True),
        ("example.com/x=", True),
        ("app=,tier", False),
    ],
)
def test_label_selector(text, matches):
    assert selectors.parse(text, "", SERVICES).matches(entry(LABELS)) is matches


@pytest.mark.parametrize("text", ["a b", "app in web", "=x", "a=b c", "app in (a", "!"])
def test_a_label_selector_that_cannot_be_parsed_is_400(text):
    with pytest.raises(StatusError) as refusal:
        selectors.parse(text, "", SERVICES)
    assert refusal.value.code == 400


@pytest.mark.parametrize(
    ("text", "matches"),
    [
        ("metadata.name=web", True),
        ("metadata.name!=web", False),
        ("metadata.namespace==default", True),
        ("reason=R,type!=Warning", True),
        ("involvedObject.name=other", False),
        ("reportingComponent=", True),
    ],
)
def test_field_selector(text, matches):
    values = {"reason": "R", "type": "Normal", "involvedObject.name": "web"}
    assert selectors.parse("", text, EVENTS).matches(entry(None, values)) is matches


@pytest.mark.parametrize("text", ["spec.foo=a", "name", "metadata.labels=x"])
def test_a_field_that_cannot_be_selected_is_400(text):
    with pytest.raises(StatusError) as refusal:
        selectors.parse("", text, SERVICES)
    assert refusal.value.code == 400


def test_a_name_is_known_in_advance():
    assert selectors.parse("", "metadata.name=web", SERVICES).name == "web"
    assert selectors.parse("", "metadata.name!=web", SERVICES).name == ""
