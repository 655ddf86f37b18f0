"""Kills and faults at random, as many seeds as you like.

python tests/faults/seeded.py --from 0 --count 2000 --workers 2
python tests/faults/seeded.py --from 17 --count 1 --shrink
"""

from __future__ import annotations

import argparse
import logging
import multiprocessing
import sys
import time
import traceback

import msgspec
from seeded_judges import writes
from seeded_plan import Plan, draw
from seeded_world import SeededWorld, play

COMMAND = "python tests/faults/seeded.py"


class Outcome(msgspec.Struct):
    """What a run was, and what it broke."""

    seed: int
    violations: list[str]
    kills: int = 0
    faults: int = 0
    in_flight: int = 0  #: kills, stops and pauses that met calls on the way
    actions: int = 0
    writes: int = 0
    leaders: int = 0
    met: dict[str, int] = {}  #: calls that met each kind of trouble


def run(plan: Plan) -> Outcome:
    """Play ``plan`` and judge it."""
    logging.disable(logging.ERROR)  # the runs are full of what logs are for
    world = SeededWorld(plan)
    problems: list[str] = []
    try:
        world.play(play)
    except Exception as error:  # noqa: BLE001 - whatever it is, it is what the run found
        last = traceback.extract_tb(error.__traceback__)[-1]
        text = f"{type(error).__name__}: {error}"[:1000]
        problems.append(f"{text} ({last.name}, line {last.lineno})")
    kinds = [kind for kind, _ in world.fired]
    wanted = sum(fault.kind == "kill" for fault in plan.faults)
    if not problems and kinds.count("kill") != wanted:
        problems.append(f"premise: {kinds.count('kill')} kills instead of {wanted}")
    return Outcome(
        seed=plan.seed,
        violations=[*dict.fromkeys(world.violations), *problems],
        kills=kinds.count("kill"),
        faults=len(kinds) - kinds.count("kill"),
        in_flight=world.in_flight,
        actions=len(world.done),
        writes=len(writes(world.wire.records)),
        leaders=len({proc for proc, _, _ in world.wire.renewals}),
        met=world.wire.met,
    )


def run_seed(seed: int) -> Outcome:
    """Play the plan of ``seed``."""
    return run(draw(seed))


def replay(seed: int) -> str:
    """How to see a failure again."""
    return f"{COMMAND} --from {seed} --count 1 --shrink"


def shrink(plan: Plan) -> Plan:
    """The plan without everything that its failure does not need: faults first, then actions."""
    for field in ("faults", "actions"):
        items = getattr(plan, field)
        for item in items:
            left = tuple(other for other in getattr(plan, field) if other is not item)
            smaller = msgspec.structs.replace(plan, **{field: left})
            if _fails(smaller):
                plan = smaller
    for change in ({"managers": 1}, {"routes": False}, {"elect": False, "managers": 1}):
        smaller = msgspec.structs.replace(plan, **change)
        if smaller != plan and _fails(smaller):
            plan = smaller
    return plan


def _fails(plan: Plan) -> bool:
    found = run(plan).violations
    return any(not text.startswith("premise") for text in found)


def campaign(seeds: range, workers: int) -> list[Outcome]:
    """The outcomes of ``seeds``, in order."""
    if workers == 1:
        return [run_seed(seed) for seed in seeds]
    with multiprocessing.get_context("spawn").Pool(workers) as pool:
        return pool.map(run_seed, seeds, chunksize=5)


def summary(outcomes: list[Outcome]) -> str:
    """What the runs did, in a line."""
    sums = {
        name: sum(getattr(outcome, name) for outcome in outcomes)
        for name in ("kills", "in_flight", "faults", "actions", "writes", "leaders")
    }
    met: dict[str, int] = {}
    for outcome in outcomes:
        for kind, count in outcome.met.items():
            met[kind] = met.get(kind, 0) + count
    told = ", ".join(f"{name} {count}" for name, count in sums.items())
    hit = ", ".join(f"{kind} {count}" for kind, count in sorted(met.items()))
    failed = sum(bool(outcome.violations) for outcome in outcomes)
    return f"{len(outcomes)} runs, {failed} failed: {told}; calls that met trouble: {hit}"


def main() -> int:
    """The exit code: 1 if a run broke an invariant."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--from", type=int, default=0, dest="first", help="the first seed")
    parser.add_argument("--count", type=int, default=200, help="how many")
    parser.add_argument("--workers", type=int, default=1, help="processes")
    parser.add_argument("--shrink", action="store_true", help="make plans that fail smaller")
    arguments = parser.parse_args()
    started, seeds = time.monotonic(), range(arguments.first, arguments.first + arguments.count)
    outcomes = campaign(seeds, arguments.workers)
    for outcome in outcomes:
        if outcome.violations:
            sys.stdout.write(_shown(outcome, smaller=arguments.shrink))
    sys.stdout.write(f"{summary(outcomes)}\n{time.monotonic() - started:.0f} s\n")
    return 1 if any(outcome.violations for outcome in outcomes) else 0


def _shown(outcome: Outcome, *, smaller: bool) -> str:
    lines = [f"seed {outcome.seed}:", *outcome.violations[:8], replay(outcome.seed)]
    if smaller:
        small = shrink(draw(outcome.seed))
        lines += ["smallest:", msgspec.json.encode(small).decode(), *run(small).violations[:8]]
    return "\n  ".join(lines) + "\n"


if __name__ == "__main__":
    sys.exit(main())
