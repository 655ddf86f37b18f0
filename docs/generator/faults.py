"""``faults.md``: which faults are tried, on what, and which defects prove that they are seen."""

from __future__ import annotations

import importlib
import logging
import pathlib
import re
import sys
from typing import Any

from cloudprovider.testing.harness import journals, oracles
from generator import markdown

_TESTS = pathlib.Path(__file__).parents[2] / "tests" / "faults"

#: Kinds that the boundary itself carries out, with their rows of ``spec/reliability.md``.
_OF_THE_BOUNDARY = {
    "crash_before": ("P1", "the process dies before the call is sent"),
    "crash_after": ("P1", "it dies after the effect, before the answer"),
    "lost_answer": ("K8, C2", "carried out, the answer never arrives"),
    "error": ("K9, C13", "refused once, with a server's error"),
    "throttle": ("K9, C7", "refused once, for rate"),
    "outage": ("K9, C7", "this operation fails for 90 s, longer than any retry inside a client"),
    "event_crash": ("P1", "the process dies before it hears of an event"),
    "event_cut": ("K6", "the connection breaks before an event"),
    "event_twice": ("K4", "an event is told twice"),
    "event_late": ("K4", "one kind of objects is told of 45 s later than the other"),
    "watch_silent": (
        "K6",
        "a half-open connection: a watch tells nothing more, until its reader gives up",
    ),
    "watch_garbled": ("K6", "a line of a watch is cut in the middle, the next is whole"),
    "frozen_before": (
        "K15",
        "the leader stops in mid-call for longer than its lease, then goes on",
    ),
    "frozen_after": ("P4", "the same with the answer already there"),
    "leader_killed": ("P1", "the leader dies, another is waiting"),
}


def page() -> str:
    """The page."""
    if str(_TESTS) not in sys.path:
        sys.path.insert(0, str(_TESTS))  # a folder of tests, no package
    campaign: Any = importlib.import_module("campaign")
    mutants: Any = importlib.import_module("mutants")
    numbers = list(campaign.scenarios.ALL)
    logging.disable()  # what the runs say of broken Services and absent clouds
    try:
        return _text(campaign, mutants, numbers)
    finally:
        logging.disable(logging.NOTSET)


def _text(campaign: Any, mutants: Any, numbers: list[int]) -> str:
    plans = {
        (number, kind): (len(campaign.plans(number, kind)), len(campaign.chosen(number, kind)))
        for number in numbers
        for kind in campaign.ALL_KINDS
    }
    every, chosen = (sum(counts[side] for counts in plans.values()) for side in (0, 1))
    return markdown.page(
        "Faults that are tried",
        markdown.wrap(
            f"{len(numbers)} scenarios and {len(campaign.ALL_KINDS)} kinds of fault make {every:,} "
            f"plans of one fault each; {chosen:,} of them are run with each change, all by "
            "`make faults`. What that means: "
            "[how faults are tested](../explanation/how-faults-are-tested.md)."
        ),
        "## Kinds of fault",
        "The rows are those of the failure model, `spec/reliability.md` 2.2 to 2.4.",
        markdown.table(
            ("Kind", "Row", "What happens", "Managers", "Plans", "With each change"),
            [_kind(campaign, kind, numbers, plans) for kind in campaign.ALL_KINDS],
        ),
        "## Scenarios",
        markdown.table(
            ("", "Scenario", "Calls", "Events", "Plans", "With each change"),
            [_scenario(campaign, number, plans) for number in numbers],
        ),
        "## Oracles",
        markdown.table(("", "Says"), sorted(_oracles(), key=lambda row: int(row[0][1:]))),
        "## Mutants",
        markdown.wrap(
            f"{len(mutants.ALL) + 1} defects put into our code by tests, each caught by the oracle "
            "that was named for it before."
        ),
        markdown.table(
            ("Defect", "Caught by", "Scenario", "Under"),
            [
                (_sentence(item.apply), item.oracle, str(item.scenario), item.kind or "no fault")
                for item in (*mutants.ALL, mutants.CONTAGIOUS)
            ],
        ),
    )


def _kind(campaign: Any, kind: str, numbers: list[int], plans: Any) -> tuple[str, ...]:
    found = campaign.KINDS.get(kind)
    row, what = _OF_THE_BOUNDARY.get(kind, ("", ""))
    if not what:
        text = _sentence(getattr(found.act, "func", found.act))
        row, what = found.row, re.sub(r"^[A-Z0-9, ]+: ", "", text).rstrip(".")
        given = getattr(found.act, "keywords", {})
        named = [f"{name} {given[name]}" for name in _SHOWN if name in given]
        what += f" ({', '.join(named)})" if named else ""
    counts = [plans[number, kind] for number in numbers]
    totals = (f"{sum(count[side] for count in counts):,}" for side in (0, 1))
    return (markdown.code(kind), row, what, str(found.managers if found else 1), *totals)


#: Arguments of a kind that say more than its name does.
_SHOWN = ("count", "status", "seconds", "provider_id")


def _scenario(campaign: Any, number: int, plans: Any) -> tuple[str, ...]:
    boundary = campaign.recorded(number).boundary
    counts = [count for (of, _), count in plans.items() if of == number]
    totals = (f"{sum(count[side] for count in counts):,}" for side in (0, 1))
    text = re.sub(r"^\d+[:,] ", "", _sentence(campaign.scenarios.ALL[number]))
    return (str(number), text, str(len(boundary.records)), str(len(boundary.events)), *totals)


def _sentence(function: Any) -> str:
    return markdown.summary(function.__doc__)


def _oracles() -> list[tuple[str, str]]:
    found: dict[str, str] = {}
    for module in (oracles, journals):
        for function in vars(module).values():
            match = re.match(
                r"(O\d+)[:,] ?(.*)", markdown.summary(getattr(function, "__doc__", ""))
            )
            if match and callable(function):
                number, text = match.groups()
                found[number] = f"{found[number]} {text}" if number in found else text
    return list(found.items())
