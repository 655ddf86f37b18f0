from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cloudprovider.errors import InvalidConfiguration
from cloudprovider.toolkit.annotations import (
    Declarations,
    Field,
    choice,
    flag,
    integer,
    pairs,
    text,
    texts,
)

NEW, OLD = "example.com/new-", "example.com/old-"
SCHEME = Field("scheme", choice("internet", "intranet"), "internet", "Who can reach it.", False)
WEIGHT = Field("weight", integer(0, 100), 100, "Share.")
DRAIN = Field("drain", flag(), False, "Let connections end.")
LABELS = Field("labels", pairs(), {}, "Nodes.")
LISTS: Field[tuple[str, ...]] = Field("lists", texts(), (), "Lists.")
NAME: Field[str | None] = Field("name", text(), None, "Its name.")
KIND = Field("example.com/kind", choice("a", "b", ignore_case=True), "a", "Kind.", full=True)
LATER: Field[str | None] = Field("later", text(), None, "Not yet.", supported=False)
NEVER: Field[str | None] = Field(
    "never", text(), None, "Not yet.", supported=False, refused="not supported yet"
)
ALL = Declarations(
    [SCHEME, WEIGHT, DRAIN, LABELS, LISTS, NAME, KIND, LATER, NEVER], prefixes=(NEW, OLD)
)


@pytest.mark.parametrize(
    ("field", "written", "value"),
    [
        (SCHEME, "intranet", "intranet"),
        (WEIGHT, "0", 0),
        (WEIGHT, " 100 ", 100),
        (DRAIN, "on", True),
        (DRAIN, "off", False),
        (LABELS, "a=b, c=,d=e=f", {"a": "b", "c": "", "d": "e=f"}),
        (LISTS, "a, b,,", ("a", "b")),
        (NAME, "x y", "x y"),
    ],
)
def test_values_are_typed(field, written, value):
    values = ALL.parse({NEW + field.key: written})
    assert values[field] == value
    assert values.given(field) == value
    assert field in values
    assert not values.problems


@pytest.mark.parametrize("written", [None, "", "  "])
def test_an_absent_or_empty_value_is_the_default(written):
    values = ALL.parse({NEW + "weight": written} if written is not None else None)
    assert values[WEIGHT] == 100
    assert WEIGHT not in values
    assert values.given(WEIGHT) is None


@pytest.mark.parametrize(
    ("annotations", "value"),
    [
        pytest.param({OLD + "weight": "7"}, 7, id="the old prefix is read"),
        pytest.param({NEW + "weight": "9", OLD + "weight": "7"}, 9, id="the new one wins"),
        pytest.param({NEW + "weight": "", OLD + "weight": "7"}, 100, id="even when empty"),
    ],
)
def test_prefixes(annotations, value):
    assert ALL.parse(annotations)[WEIGHT] == value


def test_a_full_key_has_no_prefix():
    assert ALL.parse({"example.com/kind": "B"})[KIND] == "b"
    assert ALL.full_key(KIND) == "example.com/kind"
    assert ALL.full_key(WEIGHT) == "example.com/new-weight"


@pytest.mark.parametrize(
    ("key", "written", "says"),
    [
        ("weight", "101", "out of range"),
        ("weight", "1.5", "not a whole number"),
        ("weight", "\N{ARABIC-INDIC DIGIT ONE}", "not a whole number"),
        ("weight", "1e2", "not a whole number"),
        ("weight", "--1", "not a whole number"),
        ("weight", "9" * 5000, "not a whole number"),
        ("scheme", "intrnet", "did you mean 'intranet'"),
        ("scheme", "Internet", "not one of the choices"),
        ("drain", "true", "not one of the choices"),
        ("labels", "a", "no key=value"),
        ("labels", "=b", "no key=value"),
    ],
)
def test_a_wrong_value_names_the_key_the_value_and_what_is_accepted(key, written, says):
    values = ALL.parse({NEW + key: written})
    (problem,) = values.problems
    assert problem.field == NEW + key
    assert says in str(problem)
    assert problem.accepted
    assert len(str(problem.value)) <= 81
    with pytest.raises(InvalidConfiguration):
        values.raise_for_problems()


@pytest.mark.parametrize(
    ("key", "says"),
    [
        pytest.param(NEW + "wieght", "did you mean 'example.com/new-weight'", id="a typo"),
        pytest.param(OLD + "schemes", "did you mean 'example.com/old-scheme'", id="old prefix"),
        pytest.param(NEW + "qqqq", "unknown annotation", id="nothing like it"),
        pytest.param(NEW + "example.com/kind", "unknown", id="a full key behind a prefix"),
    ],
)
def test_an_unknown_key_under_our_prefix_is_a_problem(key, says):
    (problem,) = ALL.parse({key: "1"}).problems
    assert says in str(problem)


def test_keys_of_others_are_none_of_our_business():
    assert not ALL.parse({"else.com/new-weight": "x", "weight": "x"}).problems


def test_what_is_not_supported_is_listed_and_what_must_not_be_ignored_is_refused():
    values = ALL.parse({NEW + "later": "x", OLD + "never": "y"})
    assert values.unsupported == (NEW + "later",)
    (problem,) = values.problems
    assert "not supported yet" in str(problem)


def test_all_problems_stand_in_one_error():
    values = ALL.parse({NEW + "weight": "x", NEW + "drain": "y", NEW + "zzz": "1"})
    with pytest.raises(InvalidConfiguration) as caught:
        values.raise_for_problems()
    assert all(NEW + key in str(caught.value) for key in ("weight", "drain", "zzz"))


def test_problems_of_other_fields_can_be_tolerated():
    values = ALL.parse({NEW + "weight": "x", NEW + "zzz": "1"})
    values.raise_for_problems(DRAIN, SCHEME)
    with pytest.raises(InvalidConfiguration, match="weight"):
        values.raise_for_problems(WEIGHT)


def test_a_key_cannot_be_declared_twice():
    with pytest.raises(ValueError, match="twice"):
        Declarations([WEIGHT, WEIGHT], prefixes=(NEW,))


def test_declarations_can_be_listed_for_the_reference_page():
    assert [field.key for field in ALL][:2] == ["scheme", "weight"]
    assert all(field.doc and field.type.accepted for field in ALL)


@given(st.dictionaries(st.sampled_from([NEW + f.key for f in ALL]), st.text(max_size=300)))
def test_no_text_breaks_the_parser(annotations):
    values = ALL.parse(annotations)
    for field in ALL:
        values[field]
    assert all(problem.field in annotations for problem in values.problems)
