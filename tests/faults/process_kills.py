"""The real manager process over real HTTP, killed at moments drawn from a seed.

python tests/faults/process_kills.py --from 0 --count 50 --freeze 30
"""

from __future__ import annotations

import argparse
import os
import pathlib
import random
import signal
import sys
import tempfile
import threading
import time

import msgspec
from process_world import ProcessWorld

from cloudprovider_sandbox.apiserver.http import ApiServerHttp

#: Seconds that each call to the cloud takes, so that kills meet calls on their way.
LATENCY = 0.05
PORTS = (80, 443, 1443)


class Outcome(msgspec.Struct):
    """What a run was."""

    seed: int
    kills: int = 0
    in_flight: int = 0  #: kills that met calls to the cloud on their way
    troubles: int = 0  #: restarts and freezes of the API server
    violations: list[str] = []


class SeededProcessWorld(ProcessWorld):
    """Users change things, and at random moments the manager or the API server is hit.

    ``freeze`` is how long the API server is frozen, in seconds.
    """

    def __init__(self, folder, seed, *, freeze):
        super().__init__(folder)
        self.chance = random.Random(f"process-{seed}")
        self.outcome = Outcome(seed)
        self._freeze = freeze
        self._on_the_way = 0
        self._joined = 2
        self._thawed = threading.Event()
        self._thawed.set()

    def __enter__(self):
        super().__enter__()
        self.core.settings.latency = LATENCY
        admit, carry_out = self.core.admit, self.core.carry_out

        def admitted(request):
            self._on_the_way += 1
            return admit(request)

        def carried(request, fault=None):
            self._on_the_way -= 1
            return carry_out(request, fault)

        self.core.admit, self.core.carry_out = admitted, carried
        return self

    def play(self, steps=3):
        """Change things one after the other; after each, something is hit."""
        self.settle()
        self.expose(80)
        for step in range(steps):
            # The first step always kills: every run has at least one.
            self._strike("kill" if step == 0 else None)
            self._change()
        self.settle()
        self.delete()
        self._strike("kill")
        self.settle()
        self.nothing_left()
        self.outcome.violations = list(self.violations)

    def _change(self):
        match self.chance.choice(("ports", "ports", "join", "leave", "exclude", "type")):
            case "ports":
                self.set_ports(*sorted(self.chance.sample(PORTS, self.chance.randint(1, 3))))
            case "join":
                self._joined += 1
                self.join(f"node-{self._joined}")
            case "leave" if len(self.instances) > 1:
                self.leave(self.chance.choice(sorted(self.instances)))
            case "exclude":
                name = self.chance.choice(sorted(self.instances))
                (self.include if name in self.excluded else self.exclude)(name)
            case "type":
                self.edit({"type": self.chance.choice(("ClusterIP", "LoadBalancer"))})

    def _strike(self, what=None):
        time.sleep(self.chance.uniform(0, 0.6))
        what = what or self.chance.choice(("kill", "kill", "restart", "freeze", "expire"))
        if what == "kill":
            self._kill()
        elif what == "expire":
            self.server.expire_history(running=True)
            self.outcome.troubles += 1
        else:
            (self._restart_server if what == "restart" else self._freeze_server)()
            self.outcome.troubles += 1

    def _kill(self):
        self.restart_if_dead()
        self._wait_for_work()
        self.outcome.in_flight += self._on_the_way > 0
        os.kill(self._manager.pid, signal.SIGKILL)
        self._manager.wait()
        self.outcome.kills += 1
        self._on_the_way = 0
        self.restart_if_dead()

    def _wait_for_work(self):
        """For a while, until a call is on its way; then for a moment of its."""
        deadline = time.monotonic() + self.chance.choice((0.0, 3.0, 3.0, 3.0))
        while self._on_the_way <= 0 and time.monotonic() < deadline:
            time.sleep(0.001)
        time.sleep(self.chance.uniform(0, LATENCY))

    def _restart_server(self):
        """Connections break, nobody listens for a moment, then it is there again on its port."""
        port = int(self._http.url.rpartition(":")[2])
        self._http.stop()
        time.sleep(self.chance.uniform(0, 1))
        self._http = ApiServerHttp(self.server, port=port).start()

    def _freeze_server(self):
        """It answers nobody; what comes in meanwhile is carried out afterwards."""
        self._thawed.clear()
        handle = self.server.handle

        def frozen(request):
            if request.caller != "user":
                self._thawed.wait()
            return handle(request)

        self.server.handle = frozen
        time.sleep(self._freeze)
        del self.server.handle
        self._thawed.set()


def run_seed(seed: int, *, freeze: float) -> Outcome:
    """One run."""
    with (
        tempfile.TemporaryDirectory(prefix="kills-") as folder,
        SeededProcessWorld(pathlib.Path(folder), seed, freeze=freeze) as world,
    ):
        world.play()
        return world.outcome


def main() -> int:
    """The exit code: 1 if a run broke an invariant."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--from", type=int, default=0, dest="first", help="the first seed")
    parser.add_argument("--count", type=int, default=20, help="how many")
    parser.add_argument("--freeze", type=float, default=30.0, help="seconds of a freeze")
    arguments = parser.parse_args()
    failed = 0
    for seed in range(arguments.first, arguments.first + arguments.count):
        outcome = run_seed(seed, freeze=arguments.freeze)
        failed += bool(outcome.violations)
        sys.stdout.write(f"{outcome}\n")
        sys.stdout.flush()
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
