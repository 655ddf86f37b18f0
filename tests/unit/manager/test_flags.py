"""The command line is read as Go's managers read theirs."""

import dataclasses

import pytest

from cloudprovider_manager.compound_values import SWITCHES
from cloudprovider_manager.flags import FlagError, Status, declared, flag, parse, usage
from cloudprovider_manager.values import BOOL, LIST, TEXT, duration, integer


@dataclasses.dataclass(frozen=True, kw_only=True)
class Sample:
    name_of_it: str = flag("", TEXT, "A name.", group="One")
    leader_elect: bool = flag(True, BOOL, "A switch.", group="One")
    period: float = flag(10.0, duration(1), "A time.", group="One", aliases=("perod",))
    controllers: tuple[str, ...] = flag(("*",), LIST, "Names.", group="Two")
    gates: tuple[tuple[str, str], ...] = flag((), SWITCHES, "Gates.", group="Two")
    v: int = flag(0, integer(0, 10), "Verbosity.", group="Two", short="v")
    address: str = flag(
        "", TEXT, "Old.", group="Two", status=Status.DEPRECATED, note="see --name-of-it instead."
    )
    not_a_flag: str = ""


KNOWN = declared(Sample)


@pytest.mark.parametrize(
    ("arguments", "values"),
    [
        (["--name-of-it=x"], {"name-of-it": "x"}),
        (["--name-of-it", "x"], {"name-of-it": "x"}),
        (["--name-of-it="], {"name-of-it": ""}),
        (["--name-of-it=a=b"], {"name-of-it": "a=b"}),
        (["--name-of-it", "--leader-elect"], {"name-of-it": "--leader-elect"}),
        (["--name_of_it=x"], {"name-of-it": "x"}),
        (["--leader-elect"], {"leader-elect": True}),
        (["--leader-elect=false"], {"leader-elect": False}),
        (["--leader-elect=T"], {"leader-elect": True}),
        (["--period=1m30s"], {"period": 90.0}),
        (["--perod", "2s"], {"period": 2.0}),
        (["--controllers=a,-b"], {"controllers": ("a", "-b")}),
        (["--controllers=a", "--controllers=b"], {"controllers": ("a", "b")}),
        (["--controllers="], {"controllers": ()}),
        (
            ["--gates=A=true", "--gates=B=false,C=1"],
            {"gates": (("A", "true"), ("B", "false"), ("C", "true"))},
        ),
        (["--v=5"], {"v": 5}),
        (["-v", "5"], {"v": 5}),
        (["-v=5"], {"v": 5}),
        (["-v5"], {"v": 5}),
        (["--name-of-it=a", "--name-of-it=b"], {"name-of-it": "b"}),
        ([""], {}),
        (["--"], {}),
    ],
)
def test_every_spelling_of_go_is_understood(arguments, values):
    assert parse(arguments, KNOWN).values == values


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        (["--nme-of-it=x"], "unknown flag: --nme-of-it, did you mean --name-of-it?"),
        (["--zzz"], "unknown flag: --zzz"),
        (["-leader-elect"], "unknown flag: -leader-elect, did you mean --leader-elect?"),
        (["-x"], "unknown flag: -x"),
        (["--name-of-it"], "--name-of-it needs a value; accepted: any text"),
        (["--leader-elect=maybe"], "--leader-elect=maybe: not a boolean; accepted: true or false"),
        (["--leader-elect", "false"], "takes no arguments, got 'false'"),
        (["run"], "takes no arguments, got 'run'"),
        (["--", "a", "b"], "takes no arguments, got 'a' 'b'"),
        (
            ["--period=30"],
            "--period=30: a duration needs a unit, e.g. 30s; accepted: a duration such as 500ms, "
            "30s or 1h30m, at least 1s",
        ),
        (["-v=11"], "-v=11: too large; accepted: a whole number from 0 to 10"),
        (["--v=a b"], "--v='a b': not a whole number; accepted: a whole number from 0 to 10"),
        (["--not-a-flag=x"], "unknown flag: --not-a-flag"),
    ],
)
def test_a_fault_names_flag_value_and_what_is_accepted(arguments, problem):
    with pytest.raises(FlagError) as caught:
        parse(arguments, KNOWN)
    assert caught.value.problems == (problem,)


def test_every_fault_is_reported_at_once_and_the_rest_is_read():
    with pytest.raises(FlagError) as caught:
        parse(["--period=x", "--zzz", "--name-of-it=kept", "--v=-1"], KNOWN)
    assert len(caught.value.problems) == 3
    assert caught.value.parsed.values == {"name-of-it": "kept"}


def test_a_long_bad_value_is_cut():
    with pytest.raises(FlagError) as caught:
        parse(["--v=" + "9" * 500], KNOWN)
    assert len(caught.value.problems[0]) < 200


def test_a_deprecated_flag_works_with_one_warning():
    parsed = parse(["--address=1", "--address=2"], KNOWN)
    assert parsed.values == {"address": "2"}
    assert parsed.warnings == ("Flag --address has been deprecated, see --name-of-it instead.",)


def test_a_deprecated_flag_is_refused_when_strict():
    with pytest.raises(FlagError, match="--strict-flags"):
        parse(["--address=1"], KNOWN, strict=True)


@pytest.mark.parametrize("spelling", ["-h", "--help"])
def test_help_wins_over_faults(spelling):
    assert parse(["--zzz", spelling], KNOWN).help


def test_help_groups_flags_and_shows_defaults():
    text = usage("manager", KNOWN)
    assert "Usage: manager [flags]" in text
    assert text.index("One:") < text.index("--period <duration>") < text.index("Two:")
    assert "(default 10s)" in text
    assert "-v, --v <int>" in text
    assert "[deprecated: see --name-of-it instead.]" in text
