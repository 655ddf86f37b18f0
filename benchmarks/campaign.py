"""The whole campaign of faults: every kind at every point of every scenario where it applies.

With each change only a part is run (``tests/faults/campaign.py`` says which); this runs all of it,
or the n-th part, and ends with 1 where a run violates an invariant. Needs an hour of CPU.
"""

from __future__ import annotations

import argparse
import collections
import importlib
import logging
import multiprocessing
import pathlib
import random
import sys
import time
from typing import Any

_TESTS = pathlib.Path(__file__).parent.parent / "tests" / "faults"


def main() -> int:
    """Run the campaign, print what was found and how much was tried."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.campaign", description=__doc__)
    parser.add_argument("--processes", type=int, default=2, help="how many at a time")
    parser.add_argument("--part", type=int, default=1, help="run every n-th plan only")
    parser.add_argument("--minutes", type=float, default=0.0, help="stop after this; 0 = never")
    parser.add_argument("--seed", default="0", help="the order in which plans are run")
    parser.add_argument("--scenario", type=int, action="append", help="only this one")
    parser.add_argument("--kind", action="append", help="only this kind of fault")
    arguments = parser.parse_args()
    campaign = _load()
    numbers = arguments.scenario or list(campaign.scenarios.ALL)
    kinds = arguments.kind or campaign.ALL_KINDS
    every = [(n, plan) for n in numbers for kind in kinds for plan in campaign.plans(n, kind)]
    every.sort(key=str)
    random.Random(arguments.seed).shuffle(every)
    picked = every[:: arguments.part]
    print(f"{len(numbers)} scenarios, {len(every)} plans, {len(picked)} to run", flush=True)
    started = time.monotonic()
    until = started + arguments.minutes * 60 if arguments.minutes else float("inf")
    run: collections.Counter[str] = collections.Counter()
    cpu = 0.0
    failed = 0
    with multiprocessing.Pool(arguments.processes) as pool:
        for number, plan, problems, seconds in pool.imap_unordered(_run, picked, chunksize=8):
            run[plan.kind] += 1
            cpu += seconds
            if problems:
                failed += 1
                print(f"{number}: {campaign.point(number, plan)}: {problems}", flush=True)
            if time.monotonic() > until:
                pool.terminate()
                break
    total = sum(run.values())
    print(", ".join(f"{kind} {count}" for kind, count in sorted(run.items())))
    print(
        f"{total} run, {failed} with violations, {time.monotonic() - started:.0f} s, "
        f"{total / max(cpu, 1e-9):.1f} runs for each second of CPU"
    )
    return 1 if failed else 0


def _run(job: tuple[int, Any]) -> tuple[int, Any, list[str], float]:
    number, plan = job
    started = time.process_time()
    problems = _load().run(number, plan)
    return number, plan, problems, time.process_time() - started


def _load() -> Any:
    logging.disable()  # thousands of warnings about what is being injected
    if str(_TESTS) not in sys.path:
        sys.path.insert(0, str(_TESTS))  # a folder of tests, no package
    return importlib.import_module("campaign")


if __name__ == "__main__":
    sys.exit(main())
