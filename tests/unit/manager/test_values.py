"""Values are spelled as on Go's command lines."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cloudprovider_manager import compound_values, values
from cloudprovider_manager.values import BadValue


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("30s", 30.0),
        ("1h30m", 5400.0),
        ("3m", 180.0),
        ("1.5h", 5400.0),
        ("500ms", 0.5),
        ("250us", 0.00025),
        ("250\u00b5s", 0.00025),
        ("250\u03bcs", 0.00025),
        ("10ns", 1e-8),
        (".5s", 0.5),
        ("-2s", -2.0),
        ("+2s", 2.0),
        ("0", 0.0),
        ("1h2m3s4ms", 3723.004),
    ],
)
def test_a_duration_is_read_as_go_reads_it(text, seconds):
    assert values.parse_duration(text) == pytest.approx(seconds)


@pytest.mark.parametrize("text", ["", "30", "s", "1d", "1h 30m", "1h30", "abc", "1,5s", "--1s"])
def test_what_is_no_duration_is_refused(text):
    with pytest.raises(BadValue):
        values.parse_duration(text)


def test_a_bare_number_is_told_its_unit_is_missing():
    with pytest.raises(BadValue, match=r"needs a unit, e\.g\. 30s"):
        values.parse_duration("30")


@given(st.integers(min_value=0, max_value=10**7))
def test_a_formatted_duration_reads_back(seconds):
    assert values.parse_duration(values.format_duration(float(seconds))) == seconds


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0, "0s"), (15, "15s"), (300, "5m0s"), (5400, "1h30m0s"), (43200, "12h0m0s"), (0.5, "500ms")],
)
def test_durations_are_shown_in_go_spelling(seconds, text):
    assert values.format_duration(seconds) == text


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("1", True), ("t", True), ("TRUE", True), ("true", True),
        ("0", False), ("f", False), ("False", False),
    ],
)  # fmt: skip
def test_booleans_are_gos(text, value):
    assert values.parse_bool(text) is value


@pytest.mark.parametrize("text", ["", "yes", "on", "tRue", "2"])
def test_other_words_are_no_booleans(text):
    with pytest.raises(BadValue):
        values.parse_bool(text)


@pytest.mark.parametrize(
    ("text", "ranges"),
    [
        ("", ()),
        ("172.30.0.0/16", ("172.30.0.0/16",)),
        ("172.30.5.5/16", ("172.30.0.0/16",)),
        ("10.0.0.0/8,fd00::/48", ("10.0.0.0/8", "fd00::/48")),
        ("10.0.0.0/8, FD00:0::/48", ("10.0.0.0/8", "fd00::/48")),
    ],
)
def test_address_ranges_are_canonical(text, ranges):
    assert values.CIDRS.parse(text) == ranges


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("172.30.0.0", None),
        ("10.0.0.0/8,10.1.0.0/16", "two ranges of one address family"),
        ("${ClusterCIDR}", "not an address range"),
        ("--cluster-cidr=172.16.0.0/16", "it contains 172.16.0.0/16, did you mean that alone"),
        ('"--cluster-cidr=172.16.0.0/16",', "text of a whole flag"),
        ("10.0.0.0/33", "not an address range"),
    ],
)
def test_what_is_no_address_range_is_refused_with_a_hint(text, reason):
    if reason is None:  # Go's ParseCIDR wants the prefix; a single address is a /32 here
        assert values.CIDRS.parse(text) == ("172.30.0.0/32",)
        return
    with pytest.raises(BadValue, match=reason):
        values.CIDRS.parse(text)


def test_user_and_password_of_a_url_are_not_shown():
    assert values.URL.format("https://user:canary@host:6443") == "https://***@host:6443"


@pytest.mark.parametrize(("text", "value"), [("0.5", 0.5), ("1", 1.0), (".25", 0.25)])
def test_fractions(text, value):
    assert values.fraction().parse(text) == value


@pytest.mark.parametrize("text", ["host name", "ftp://x/", "/path"])
def test_what_is_no_url_is_refused(text):
    with pytest.raises(BadValue):
        values.URL.parse(text)


@pytest.mark.parametrize(
    ("kind", "text"),
    [
        (values.integer(1), "0"),
        (values.integer(0, 65535), "65536"),
        (values.integer(), "1.5"),
        (values.number(), "nan"),
        (values.fraction(), "0"),
        (values.fraction(), "1.01"),
        (values.fraction(), "nan"),
        (values.fraction(), "33%"),
        (values.number(), "x"),
        (values.duration(1), "500ms"),
        (values.ADDRESS, "localhost"),
        (compound_values.SWITCHES, "a"),
        (values.TEXT, "a\0b"),
        (values.choice("a", "b"), "c"),
    ],
)
def test_values_outside_what_a_kind_accepts_are_refused(kind, text):
    with pytest.raises(BadValue):
        kind.parse(text)


@pytest.mark.parametrize(
    ("text", "value", "shown"),
    [
        ("0", 0, "0"),
        ("512", 512, "512"),
        ("512Ki", 524288, "512Ki"),
        ("1M", 1000000, "1000000"),
        ("1.5Ki", 1536, "1536"),
        ("2Gi", 2147483648, "2Gi"),
    ],
)
def test_amounts_of_bytes(text, value, shown):
    assert compound_values.QUANTITY.parse(text) == value
    assert compound_values.QUANTITY.format(value) == shown
    assert compound_values.QUANTITY.parse(shown) == value


@pytest.mark.parametrize(
    ("kind", "text"),
    [
        (compound_values.QUANTITY, "1KB"),
        (compound_values.QUANTITY, "-1"),
        (compound_values.QUANTITY, ""),
        (compound_values.LEVELS, "elector"),
        (compound_values.LEVELS, "elector=high"),
        (compound_values.LEVELS, "=4"),
        (compound_values.NUMBERS, "1,x"),
        (compound_values.REPEATED, ""),
        (compound_values.SWITCHES, "A=2"),
    ],
)
def test_compound_values_that_are_refused(kind, text):
    with pytest.raises(BadValue):
        kind.parse(text)
