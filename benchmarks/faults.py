"""Runs per second of the fault harness: a whole manager on virtual time, with one fault each.

Seconds are of CPU, so what else the machine does counts little.
"""

from __future__ import annotations

import collections
import importlib
import itertools
import logging
import pathlib
import sys
import time
from typing import Any

from benchmarks.processes import BenchmarkError
from benchmarks.report import Figure, Result, command, figure
from cloudprovider.testing.harness.boundary import injections

#: Seconds of CPU for the runs of each scenario.
BUDGET = 6.0
#: Runs per second that the plan of tests counts on (``spec/reliability.md`` 3.8).
COUNTED_ON = 100
_TESTS = pathlib.Path(__file__).parent.parent / "tests" / "faults"


def run() -> Result:
    """Each scenario without a fault once, then with faults spread over its boundaries."""
    logging.disable()  # thousands of warnings about what is being injected
    sys.path.insert(0, str(_TESTS))  # a folder of tests, no package
    campaign: Any = importlib.import_module("campaign")
    scenarios: Any = importlib.import_module("scenarios")
    figures: list[Figure] = []
    runs, seconds, boundaries = 0, 0.0, 0
    for number, scenario in scenarios.ALL.items():
        records = campaign.recording(number)
        plans = injections(campaign.pruned(records))
        boundaries += len(plans)
        done, took = _play(campaign.world_of(number), scenario, records, plans)
        runs, seconds = runs + done, seconds + took
        action, times = collections.Counter(r.op for r in records).most_common(1)[0]
        name = scenario.__name__.replace("_", " ")
        what = f"scenario {number}, {name}: {len(records)} calls, {times} of them {action}"
        each = f"{done / took:.1f} runs/s"
        figures.append(Figure(what, each))
    rate = runs / seconds
    total = Figure("all", f"{rate:.1f} runs/s", "", f"≥ {COUNTED_ON} runs/s", rate >= COUNTED_ON)
    return Result(
        name="faults",
        title="Fault harness",
        measured=(
            f"{len(scenarios.ALL)} scenarios have {boundaries:,} pairs of a boundary and a fault; "
            f"{runs} of them, evenly spread, were played in one process. Seconds are of CPU."
        ),
        figures=[
            *figures,
            total,
            figure("every pair once", round(boundaries / rate), "s"),
        ],
        notes=["The goal is what the budget of the tests assumes (spec/reliability.md 3.8)."],
    )


def _play(world: Any, scenario: Any, records: Any, plans: list[Any]) -> tuple[int, float]:
    """Runs played and the CPU seconds they took; evenly spread over ``plans``."""
    started = time.process_time()
    steps = itertools.count()
    spread = sorted(range(len(plans)), key=lambda index: (index * 0.6180339887) % 1)
    for index in spread:
        made = world(injection=plans[index], expected=records)
        made.play(scenario)
        next(steps)
        if made.violations:
            raise BenchmarkError(f"{plans[index]}: {made.violations}")
        if time.process_time() - started > BUDGET:
            break
    return next(steps), time.process_time() - started


if __name__ == "__main__":
    command(run)
