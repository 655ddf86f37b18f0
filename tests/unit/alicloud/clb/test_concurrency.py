"""Many Services at once, under many schedules."""

from __future__ import annotations

import pytest
from clb_world import make_cloud, make_service

from cloudprovider.errors import CloudProviderError, NotOwned
from cloudprovider.testing.virtual import VirtualConcurrency


def together(clock: VirtualConcurrency, calls) -> list[BaseException | None]:
    """Run ``calls`` in threads; what each raised."""
    results: list[BaseException | None] = [None] * len(calls)

    def run(index: int) -> None:
        try:
            calls[index]()
        except CloudProviderError as error:
            results[index] = error

    threads = [
        clock.start_thread(lambda i=index: run(i), name=f"worker-{index}")
        for index in range(len(calls))
    ]
    for thread in threads:
        thread.join()
    return results


@pytest.mark.parametrize("seed", range(8))
def test_services_of_one_cluster_do_not_disturb_each_other(seed):
    clock = VirtualConcurrency(seed=seed)

    def main() -> None:
        cloud = make_cloud(clock)
        cloud.core.settings.latency = 0.05
        nodes, balancer = cloud.nodes(25), cloud.balancer()
        services = [make_service(80, 81, name=f"s{n}", uid=f"uid-{n}") for n in range(12)]

        def each(do):
            return together(clock, [lambda s=service: do(s) for service in services])

        assert each(lambda s: balancer.ensure_load_balancer("k", s, nodes)) == [None] * 12
        assert len(cloud.ours()) == 12
        assert all(len(cloud.groups(b)) == 2 for b in cloud.ours())
        clock.sleep(100)
        writes = cloud.writes(lambda: each(lambda s: balancer.ensure_load_balancer("k", s, nodes)))
        assert writes == []
        more = nodes + cloud.nodes(1, start=100)
        calls = cloud.calls(lambda: each(lambda s: balancer.update_load_balancer("k", s, more)))
        assert calls == ["AddVServerGroupBackendServers"] * 24
        assert each(lambda s: balancer.ensure_load_balancer_deleted("k", s)) == [None] * 12
        assert cloud.ours() == []

    clock.run(main)


@pytest.mark.parametrize("seed", range(8))
def test_passes_over_one_service_come_one_after_the_other(seed):
    clock = VirtualConcurrency(seed=seed)

    def main() -> None:
        cloud = make_cloud(clock)
        cloud.core.settings.latency = 0.05
        nodes, balancer, service = cloud.nodes(5), cloud.balancer(), make_service()
        ensure = [lambda: balancer.ensure_load_balancer("k", service, nodes)] * 4
        assert together(clock, ensure) == [None] * 4
        assert len(cloud.ours()) == 1
        (made,) = cloud.ours()
        assert len(cloud.groups(made)) == 1

    clock.run(main)


@pytest.mark.parametrize("seed", range(12))
def test_of_two_services_that_want_one_port_exactly_one_gets_it(seed):
    clock = VirtualConcurrency(seed=seed)

    def main() -> None:
        cloud = make_cloud(clock)
        cloud.core.settings.latency = 0.05
        nodes, balancer = cloud.nodes(2), cloud.balancer()
        shared = {"id": cloud.user_balancer(), "force-override-listeners": "true"}
        services = [
            make_service(80, name=f"s{n}", uid=f"uid-{n}", annotations=shared) for n in range(2)
        ]
        results = together(
            clock,
            [lambda s=s: balancer.ensure_load_balancer("k", s, nodes) for s in services],
        )
        assert sorted(type(result) for result in results if result) == [NotOwned]
        listener = cloud.listeners(cloud.core.state.load_balancers[shared["id"]])["tcp:80"]
        winner = services[results.index(None)]
        assert f"/{winner.metadata.name}/" in listener.attributes["Description"]
        assert listener.status == "running"

    clock.run(main)


def test_two_hundred_services_at_fifty_milliseconds_take_less_than_ten_seconds():
    """With as many members in a call as upstream sends; at 20 the budget of that action decides."""
    clock = VirtualConcurrency()

    def main() -> None:
        cloud = make_cloud(clock)
        cloud.core.settings.limits.backends = 40
        nodes, balancer = cloud.nodes(100), cloud.balancer(batch_size=40)
        cloud.core.settings.latency = 0.05
        services = [make_service(name=f"s{n}", uid=f"uid-{n}") for n in range(200)]
        started = clock.monotonic()
        shares = [services[index::20] for index in range(20)]

        def work(share):
            return lambda: [balancer.ensure_load_balancer("k", s, nodes) for s in share]

        assert together(clock, [work(share) for share in shares]) == [None] * 20
        assert clock.monotonic() - started < 10
        assert len(cloud.ours()) == 200

    clock.run(main)
