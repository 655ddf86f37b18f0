"""Every call of every operation meets every fault; afterwards all must be as if nothing had been.

Oracles (spec/reliability.md 2.1): nothing foreign changes (O1), nothing exists twice (O2), a
listener that served backends is never without (O4), it converges (O7), is quiet (O8), leaves
nothing behind (O10), and deletes nothing on an empty list (O16).
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

import pytest
from clb_world import CLUSTER, Cloud, make_cloud, make_service, with_labels, with_status

from cloudprovider.errors import CloudProviderError
from cloudprovider.models import Node, Service, ServicePort
from cloudprovider.testing.faults import Fault
from cloudprovider.testing.virtual import VirtualConcurrency
from cloudprovider_alicloud.api.client import CloudApi
from cloudprovider_alicloud.api.slb import SlbApi
from cloudprovider_alicloud.api.vpc import VpcApi
from cloudprovider_alicloud.clb.load_balancer import ClbLoadBalancer
from cloudprovider_alicloud.emulator.inprocess import EmulatorCaller

KINDS = {
    "error": {"kind": "error"},
    "refused": {"kind": "error", "code": "SomethingElse", "status": 400},
    "busy": {"kind": "error", "code": "ServiceIsConfiguring", "status": 400},
    "throttle": {"kind": "throttle", "after": 1.0},
    "lost answer": {"kind": "lost_answer"},
    "not sent": {"kind": "not_sent"},
    "twice": {"kind": "duplicate"},
    "truncated": {"kind": "truncated"},
    "late": {"kind": "latency", "after": 25.0},
    "crash before": {"kind": "crash_before"},
    "crash after": {"kind": "crash_after"},
    "empty": {"kind": "empty"},
}


@dataclasses.dataclass
class Manager:
    """Managers one after the other, and the Service as the API server keeps it."""

    cloud: Cloud
    service: Service
    passes: int = 0
    generation: int = 0

    def __post_init__(self) -> None:
        self.start()

    def start(self) -> None:
        self.generation += 1
        clock = self.cloud.clock
        process = f"manager-{self.generation}"
        caller = EmulatorCaller(self.cloud.core, proc=process, on_crash=lambda: clock.kill(process))
        api = CloudApi(caller, region="cn-hangzhou", concurrency=clock)
        self.process = process
        self.balancer = ClbLoadBalancer(
            SlbApi(api),
            VpcApi(api),
            self.cloud.config,
            recorder=self._record,
            concurrency=clock,
        )

    def _record(self, service: Service, labels: Any) -> None:
        self.service = with_labels(self.service, labels)

    def attempt(self, do: Callable[[], None]) -> bool:
        """One pass in the manager's own process; whether it succeeded."""
        outcome: list[bool] = []

        def run() -> None:
            try:
                do()
            except CloudProviderError:
                outcome.append(False)
            else:
                outcome.append(True)

        self.passes += 1
        clock = self.cloud.clock
        thread = clock.start_process(run, process=self.process)
        while thread.is_alive():
            clock.sleep(0.25)
        if not outcome:
            self.start()  # it crashed
            return False
        return outcome[0]

    def until_done(self, do: Callable[[], None]) -> None:
        for _ in range(12):
            if self.attempt(do):
                return
            self.cloud.clock.sleep(20)
        raise AssertionError("it does not converge")

    def ensure(self, service: Service, nodes: list[Node]) -> None:
        def do() -> None:
            current = with_labels(service, self.service.metadata.labels or {})
            current = with_status(current, self.service.status.load_balancer)
            status = self.balancer.ensure_load_balancer("k", current, nodes)
            self.service = with_status(with_labels(self.service, {}), status)

        self.until_done(do)

    def update(self, service: Service, nodes: list[Node]) -> None:
        def do() -> None:
            current = with_labels(service, self.service.metadata.labels or {})
            try:
                self.balancer.update_load_balancer("k", current, nodes)
            except CloudProviderError:  # as the service controller does: then ensure
                self.balancer.ensure_load_balancer("k", current, nodes)

        self.until_done(do)

    def delete(self) -> None:
        def do() -> None:
            if self.balancer.get_load_balancer("k", self.service) is not None:
                self.balancer.ensure_load_balancer_deleted("k", self.service)

        self.until_done(do)


def created(manager: Manager, nodes: list[Node]) -> None:
    manager.ensure(make_service(80), nodes[:25])


def grown(manager: Manager, nodes: list[Node]) -> None:
    manager.ensure(make_service(80), nodes[:3])
    manager.cloud.clock.sleep(1000)
    manager.ensure(make_service(80, 81), nodes[:4])


def moved(manager: Manager, nodes: list[Node]) -> None:
    manager.ensure(make_service(80), nodes[:3])
    port = ServicePort(port=80, node_port=31999)
    manager.ensure(make_service(port), nodes[:3])


def turned(manager: Manager, nodes: list[Node]) -> None:
    manager.ensure(make_service(80), nodes[:3])
    port = ServicePort(port=80, protocol="UDP", node_port=30080)
    manager.ensure(make_service(port), nodes[:3])


def joined(manager: Manager, nodes: list[Node]) -> None:
    manager.ensure(make_service(80), nodes[:3])
    manager.update(make_service(80), nodes[2:6])


SCENARIOS = {scenario.__name__: scenario for scenario in (created, grown, moved, turned, joined)}


def settled(cloud: Cloud) -> Any:
    """What is there of ours, without ids."""
    state = cloud.core.state
    found = []
    for balancer in cloud.ours():
        groups = {key: state.vserver_groups[key].name for key in balancer.vserver_groups}
        listeners = [state.listeners[key] for key in balancer.listeners]
        found.append(
            (
                balancer.name,
                sorted(balancer.tags.items()),
                sorted(
                    (item.protocol, item.port, item.status, groups[item.vserver_group])
                    for item in listeners
                ),
                sorted(
                    (group.name, sorted((m.server, m.port, m.weight) for m in group.backends))
                    for group in (state.vserver_groups[key] for key in balancer.vserver_groups)
                ),
            )
        )
    return found


def watch_availability(cloud: Cloud) -> list[str]:
    """Notes every moment at which a running listener of ours has no backend after it had some."""
    broken: list[str] = []
    served: set[str] = set()

    def look(record: Any) -> None:
        state = cloud.core.state
        for listener in state.listeners.values():
            balancer = state.load_balancers[listener.load_balancer]
            if balancer.tags.get("ack.aliyun.com") != CLUSTER or listener.status != "running":
                continue
            group = state.vserver_groups.get(listener.vserver_group)
            if group is not None and group.backends:
                served.add(listener.id)
            elif listener.id in served:
                broken.append(f"{listener.id} after {record.op}")

    cloud.core.journal.listen(look)
    return broken


def run(scenario: Callable[[Manager, list[Node]], None], fault: Fault | None) -> tuple[Any, ...]:
    """(what is there in the end, calls of the scenario, whether the fault fired)."""
    clock = VirtualConcurrency()
    result: list[tuple[Any, ...]] = []

    def main() -> None:
        cloud = make_cloud(clock)
        nodes = cloud.nodes(30)
        foreign = cloud.foreign()
        broken = watch_availability(cloud)
        if fault is not None:
            cloud.core.faults.add(fault)
        manager = Manager(cloud, make_service(80))
        scenario(manager, nodes)
        calls = [record.op for record in cloud.core.journal.records()]
        fired = sum(cloud.core.faults.fired()) > 0
        cloud.core.faults.clear()
        if fault is not None and fault.kind == "duplicate":
            # A second group of the same name shows when the groups are listed: after a restart.
            manager.start()
            scenario_end[scenario.__name__](manager, nodes)
        there = settled(cloud)
        quiet = cloud.mark()
        scenario_end[scenario.__name__](manager, nodes)
        writes = [r.op for r in cloud.core.journal.records(quiet) if r.write]
        assert writes == [], "not quiet"
        assert broken == [], "a listener lost all its backends"
        assert cloud.foreign() == foreign
        balancers = set(cloud.core.state.load_balancers)
        manager.delete()
        assert cloud.ours() == []
        assert balancers - set(cloud.core.state.load_balancers), "nothing was deleted"
        assert cloud.foreign() == foreign
        result.append((there, calls, fired))

    clock.run(main)
    return result[0]


#: The last step of each scenario again: it must find nothing to do.
scenario_end: dict[str, Callable[[Manager, list[Node]], None]] = {
    "created": created,
    "grown": lambda manager, nodes: manager.ensure(make_service(80, 81), nodes[:4]),
    "moved": lambda manager, nodes: manager.ensure(
        make_service(ServicePort(port=80, node_port=31999)), nodes[:3]
    ),
    "turned": lambda manager, nodes: manager.ensure(
        make_service(ServicePort(port=80, protocol="UDP", node_port=30080)), nodes[:3]
    ),
    "joined": lambda manager, nodes: manager.ensure(make_service(80), nodes[2:6]),
}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", SCENARIOS)
def test_every_call_may_fail_once(name, kind):
    scenario = SCENARIOS[name]
    expected, calls, _ = run(scenario, None)
    seen: dict[str, int] = {}
    fired = 0
    for op in calls:
        seen[op] = seen.get(op, 0) + 1
        if kind == "empty" and not op.startswith("Describe"):
            continue
        fault = Fault(api="slb", op=op, nth=seen[op], **KINDS[kind])
        there, _, hit = run(scenario, fault)
        assert there == expected, f"{kind} at {op} number {seen[op]}"
        fired += hit
    assert fired


@pytest.mark.parametrize("kind", KINDS)
def test_every_call_of_a_deletion_may_fail_once(kind):
    clock = VirtualConcurrency()

    def main() -> None:
        for op in (
            "DescribeLoadBalancers",
            "DescribeLoadBalancerAttribute",
            "SetLoadBalancerDeleteProtection",
            "DeleteLoadBalancer",
        ):
            cloud = make_cloud(clock)
            nodes, foreign = cloud.nodes(2), cloud.foreign()
            manager = Manager(cloud, make_service(80))
            manager.ensure(make_service(80), nodes)
            clock.sleep(1000)
            cloud.core.faults.add(Fault(api="slb", op=op, **KINDS[kind]))
            manager.delete()
            assert cloud.ours() == [], op
            assert cloud.foreign() == foreign

    clock.run(main)


@pytest.mark.parametrize("calls", [1, 3, 10])
def test_lists_that_lag_make_nothing_twice(calls):
    """A crash right after the create call, and lists that do not show it yet (C5)."""
    clock = VirtualConcurrency()

    def main() -> None:
        cloud = make_cloud(clock)
        nodes = cloud.nodes(2)
        cloud.core.settings.lag.calls = calls
        cloud.core.faults.add(Fault(kind="crash_after", op="CreateLoadBalancer"))
        manager = Manager(cloud, make_service(80))
        manager.ensure(make_service(80), nodes)
        assert len(cloud.ours()) == 1
        assert len(cloud.groups(cloud.ours()[0])) == 1
        manager.delete()
        assert cloud.ours() == []

    clock.run(main)


def test_a_create_call_that_takes_effect_late_is_not_left_behind():
    """The answer never comes, the Service is deleted, then the load balancer appears (C4)."""
    clock = VirtualConcurrency()

    def main() -> None:
        cloud = make_cloud(clock)
        fault = Fault(kind="latency", op="CreateLoadBalancer", after=45.0, times=0)
        cloud.core.faults.add(fault)
        manager = Manager(cloud, make_service(80))
        nodes = cloud.nodes(1)
        service = manager.service
        assert not manager.attempt(
            lambda: manager.balancer.ensure_load_balancer("k", service, nodes)  # type: ignore[arg-type, return-value]
        )
        cloud.core.faults.clear()
        manager.delete()
        clock.sleep(300)
        assert cloud.ours() == []

    clock.run(main)
