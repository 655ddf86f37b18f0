"""What happens in a seeded run: users' actions, kills and faults, all drawn from the seed.

A plan is data: it can be printed, made smaller, kept as a regression case and played again.
"""

from __future__ import annotations

import random
from typing import Literal

import msgspec

Kind = Literal[
    "kill",  # SIGKILL
    "stop",  # SIGTERM
    "pause",  # SIGSTOP, and SIGCONT after a while
    "api_restart",  # connections and watches break, and it is not there for a while
    "api_freeze",  # nothing is answered for a while; what was sent is carried out afterwards
    "api_expire",  # the watch cache begins anew: 410
    "api_lossy",  # some answers are lost after the effect
    "api_throttle",  # some requests are refused for rate
    "api_errors",  # some requests fail
    "lease_stolen",  # somebody else writes himself into the Lease
    "cloud_lossy",
    "cloud_throttle",
    "cloud_errors",
    "cloud_slow",  # calls take long, and outlive the process that made them
]

#: Seconds that each kind lasts, from and to.
LASTS: dict[Kind, tuple[float, float]] = {
    "pause": (2.0, 60.0),
    "api_restart": (0.5, 8.0),
    "api_freeze": (30.0, 30.0),
    "api_lossy": (5.0, 20.0),
    "api_throttle": (5.0, 30.0),
    "api_errors": (5.0, 30.0),
    "cloud_lossy": (5.0, 20.0),
    "cloud_throttle": (5.0, 30.0),
    "cloud_errors": (5.0, 30.0),
    "cloud_slow": (5.0, 30.0),
}
#: Kinds that a plan has beside its kills; those of the lease need one.
_ANY: tuple[Kind, ...] = (*tuple(kind for kind in LASTS if kind != "pause"), "api_expire", "stop")
_WITH_LEASE: tuple[Kind, ...] = ("pause", "lease_stolen")

SERVICES = ("web", "api", "dns")
_ANNOTATIONS = {
    "scheduler": ("rr", "wrr", "tch"),
    "health-check-interval": ("5", "10", "nonsense"),
    "persistence-timeout": ("0", "300"),
    "bandwidth": ("5", "50"),
}
PREFIX = "service.beta.kubernetes.io/alibaba-cloud-loadbalancer-"
_PORTS = (80, 443, 1443, 53)


class Action(msgspec.Struct, frozen=True):
    """What a user, a kubelet or the cloud does. One that is no longer possible is left out."""

    at: float  #: seconds after the start
    do: str  #: a method of the world
    args: tuple[object, ...] = ()


class Fault(msgspec.Struct, frozen=True):
    """What goes wrong."""

    at: float
    kind: Kind
    seconds: float = 0.0
    target: Literal["leader", "any"] = "leader"


class Plan(msgspec.Struct, frozen=True):
    """One run."""

    seed: int
    managers: int  #: at the same time
    elect: bool
    routes: bool
    nodes: int  #: at the start
    actions: tuple[Action, ...]
    faults: tuple[Fault, ...]


def draw(seed: int) -> Plan:
    """The plan of ``seed``."""
    chance = random.Random(f"plan-{seed}")
    managers = chance.choice((1, 1, 2, 2, 2))
    elect = managers > 1 or chance.random() < 0.5
    nodes = chance.randint(1, 3)
    actions = _Churn(chance, nodes).draw(chance.randint(6, 12))
    return Plan(
        seed=seed,
        managers=managers,
        elect=elect,
        routes=chance.random() < 0.4,
        nodes=nodes,
        actions=actions,
        faults=_faults(chance, actions, elect=elect),
    )


class _Churn:
    """Draws actions that make sense one after the other."""

    def __init__(self, chance: random.Random, nodes: int) -> None:
        self._chance = chance
        self._services: dict[str, str] = {}
        self._nodes = {f"node-{number}": "up" for number in range(1, nodes + 1)}
        self._joined = nodes
        self._at = 0.0

    def draw(self, count: int) -> tuple[Action, ...]:
        """``count`` actions, the first of which exposes a Service."""
        found = [self._action(*self._expose())]
        while len(found) < count:
            burst = self._chance.random() < 0.6
            self._at += self._chance.uniform(0, 4) if burst else self._chance.uniform(5, 40)
            ways = [self._expose, self._change_service, self._change_service, self._change_node]
            drawn = self._chance.choice(ways)()
            if drawn:
                found.append(self._action(*drawn))
        return tuple(found)

    def _action(self, do: str, *args: object) -> Action:
        return Action(round(self._at, 3), do, args)

    def _ports(self) -> list[int]:
        return sorted(self._chance.sample(_PORTS, self._chance.randint(1, 3)))

    def _expose(self) -> tuple[object, ...]:
        free = [name for name in SERVICES if name not in self._services]
        if not free:
            return ()
        self._services[free[0]] = "LoadBalancer"
        return "expose_ports", free[0], self._ports()

    def _change_service(self) -> tuple[object, ...]:
        if not self._services:
            return ()
        name = self._chance.choice(sorted(self._services))
        match self._chance.choice(("ports", "ports", "type", "annotate", "delete", "recreate")):
            case "ports":
                return "change_ports", name, self._ports()
            case "type":
                kinds = ("ClusterIP", "NodePort", "LoadBalancer", "LoadBalancer")
                return "change_type", name, self._chance.choice(kinds)
            case "annotate":
                key = self._chance.choice(sorted(_ANNOTATIONS))
                return "annotate", name, key, self._chance.choice((*_ANNOTATIONS[key], ""))
            case "delete":
                del self._services[name]
                return "remove", name
            case _:
                return "recreate", name, self._ports()

    def _change_node(self) -> tuple[object, ...]:
        if len(self._nodes) < 2 or (len(self._nodes) < 5 and self._chance.random() < 0.35):
            self._joined += 1
            name = f"node-{self._joined}"
            self._nodes[name] = "up"
            return "add_node", name
        name = self._chance.choice(sorted(self._nodes))
        way = self._chance.choice(
            ("leave", "terminate", "replace", "stop", "cordon", "exclude", "lose_route")
        )
        if way in ("leave", "terminate"):
            del self._nodes[name]
        if way == "stop" and self._nodes[name] == "stopped":
            way = "resume"
        if way in ("stop", "resume"):
            self._nodes[name] = "stopped" if way == "stop" else "up"
        if way == "exclude" and self._chance.random() < 0.4:
            way = "include"
        return f"{way}_node" if way != "lose_route" else way, name


def _faults(
    chance: random.Random, actions: tuple[Action, ...], *, elect: bool
) -> tuple[Fault, ...]:
    """One to four kills, and up to four other faults of few kinds."""
    possible = _ANY + (_WITH_LEASE if elect else ())
    kinds = chance.sample(possible, chance.randint(1, 4))
    drawn: list[Kind] = ["kill"] * chance.randint(1, 4)
    drawn += [chance.choice(kinds) for _ in range(chance.randint(0, 4))]
    return tuple(sorted((_fault(chance, kind, actions) for kind in drawn), key=lambda f: f.at))


def _fault(chance: random.Random, kind: Kind, actions: tuple[Action, ...]) -> Fault:
    """Mostly just after an action, when there is work that it can hit."""
    if chance.random() < 0.85:
        at = chance.choice(actions).at + chance.uniform(0, 3)
    else:
        at = chance.uniform(0, actions[-1].at + 30)
    seconds = chance.uniform(*LASTS[kind]) if kind in LASTS else 0.0
    target = "leader" if kind != "kill" or chance.random() < 0.75 else "any"
    return Fault(round(at, 3), kind, round(seconds, 3), target)
