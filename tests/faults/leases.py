"""Leaders stopped past their lease and resumed, as often as you like (rule R5).

python tests/faults/leases.py --runs 100 --worlds 3
python tests/faults/leases.py --runs 30 --without timer+fence
"""

from __future__ import annotations

import argparse
import multiprocessing
import pathlib
import signal
import statistics
import sys
import tempfile
import time

from lease_world import LeaseWorld, Pause

_WEAKENED = pathlib.Path(__file__).parent / "weakened_manager.py"


def pauses(seed: int, runs: int, without: str = "") -> list[Pause]:
    """``runs`` runs in one world, at whose end cluster and cloud agree.

    ``without`` names what the managers lack: ``timer``, ``fence`` or ``timer+fence``.
    """
    options = {"wrapper": (str(_WEAKENED), without)} if without else {}
    with (
        tempfile.TemporaryDirectory(prefix="leases-") as folder,
        LeaseWorld(pathlib.Path(folder), seed=seed, **options) as world,
    ):
        found = [world.run() for _ in range(runs)]
        world.settle()
    return found


def campaign(runs: int, worlds: int, without: str) -> list[Pause]:
    """``runs`` runs, dealt out to worlds in processes of their own."""
    shares = [runs // worlds + (number < runs % worlds) for number in range(worlds)]
    with multiprocessing.get_context("spawn").Pool(worlds) as pool:
        parts = pool.starmap(pauses, [(seed, share, without) for seed, share in enumerate(shares)])
    return [pause for part in parts for pause in part]


def summary(found: list[Pause]) -> str:
    """What the runs were, in a line."""
    took = [pause.takeover for pause in found]
    calls = sum(pause.in_flight for pause in found)
    late = sum(bool(pause.late) for pause in found)
    killed = sum(pause.exit_code == -signal.SIGKILL for pause in found)
    return (
        f"{len(found)} leaders stopped with {calls} writes to the cloud in flight, taken over "
        f"after {statistics.median(took):.1f} s (at most {max(took):.1f} s); "
        f"{killed} were ended by the kernel's timer; "
        f"{late} wrote after their successor's first write"
    )


def main() -> int:
    """The exit code: 1 if an old leader wrote after the new one."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=100, help="leaders to stop")
    parser.add_argument("--worlds", type=int, default=3, help="clusters at the same time")
    parser.add_argument("--without", default="", help="what the managers lack: timer+fence")
    arguments = parser.parse_args()
    started = time.monotonic()
    found = campaign(arguments.runs, arguments.worlds, arguments.without)
    for pause in found:
        if pause.late:
            late = ", ".join(arrival.op for arrival in pause.late)
            sys.stdout.write(f"{pause.leader} wrote late: {late}\n")
    sys.stdout.write(f"{summary(found)}\n{time.monotonic() - started:.0f} s\n")
    return 1 if any(pause.late for pause in found) else 0


if __name__ == "__main__":
    sys.exit(main())
