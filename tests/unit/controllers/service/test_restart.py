"""A new process over an old world: nothing twice, nothing left behind, nothing for the dead."""

import pytest

from cloudprovider.owners import PROVIDER_LABEL
from cloudprovider.testing.builders import make_service
from cloudprovider.testing.faults import Fault

FINALIZER = "service.kubernetes.io/load-balancer-cleanup"


def settled(world, count=3):
    world.add_node()
    manager = world.start("service")
    for index in range(count):
        world.add_service(f"s{index}")
    world.wait(3)
    return manager


def versions(world):
    return {item.key: item.metadata.resource_version for item in world.services()}


def test_unchanged_services_cost_one_look_and_no_write_anywhere(play):
    def scene(world):
        manager = settled(world)
        before, events = versions(world), len(world.events())
        manager.stop.set()
        world.wait(1)
        world.forget()
        world.start("service", settle=5)
        assert world.cloud.count("ensure_load_balancer") == 3
        assert (world.cloud.count(), world.cloud.writes) == (3, 0)
        assert world.requests() == []
        assert versions(world) == before
        assert len(world.events()) == events

    play(scene)


def test_new_services_go_before_known_ones(play):
    def scene(world):
        manager = settled(world)
        manager.stop.set()
        world.wait(1)
        world.add_service("fresh")
        world.forget()
        world.start("service", settle=5, concurrent_service_syncs=1)
        assert world.cloud.calls[0].key == "default/fresh"

    play(scene)


def test_what_changed_meanwhile_is_repaired(play):
    def scene(world):
        manager = settled(world)
        manager.stop.set()
        world.wait(1)
        world.add_node("n9")
        world.patch_service({"metadata": {"annotations": {"a": "b"}}}, "s0")
        world.patch_service({"spec": {"type": "ClusterIP"}}, "s1")
        world.delete_service("s2")
        world.start("service", settle=5)
        [balancer] = world.cloud.balancers.values()
        assert balancer.nodes == ("n9", "node-1")
        assert not world.service("s1").metadata.finalizers
        assert [item.metadata.name for item in world.services()] == ["s0", "s1"]

    play(scene)


@pytest.mark.parametrize("nth", [1, 2])
@pytest.mark.parametrize("kind", ["lost_answer", "not_sent"])
def test_a_lost_answer_of_any_write_leads_to_the_same_end(play, nth, kind):
    def scene(world):
        world.add_node()
        world.start("service")
        world.server.faults.add(
            Fault(kind=kind, api="k8s", op="PATCH services/status", nth=nth, times=1)
        )
        world.add_service()
        world.wait(20)
        assert world.service().metadata.finalizers == (FINALIZER,)
        assert world.service().status.load_balancer.ingress
        assert (len(world.cloud.balancers), world.cloud.writes) == (1, 1)

    play(scene)


@pytest.mark.parametrize("op", ["GET services", "PATCH services/status"])
def test_a_lost_answer_while_deleting_leads_to_the_same_end(play, op):
    def scene(world):
        world.add_node()
        world.start("service")
        world.add_service()
        world.wait(2)
        world.server.faults.add(
            Fault(kind="lost_answer", api="k8s", op=op, key="default/web", times=1)
        )
        world.delete_service()
        world.wait(30)
        assert world.server.faults.fired() == [1]
        assert world.services() == []
        assert world.cloud.balancers == {}

    play(scene)


def test_a_half_made_service_is_proved_alive_before_its_balancer_is_made(play):
    def scene(world):
        world.add_node()
        world.add_service(finalizers=[FINALIZER], labels={PROVIDER_LABEL: "fake"})
        world.start("service")
        assert world.requests() == ["PATCH services/status default/web"] * 2
        assert world.requests(effect=True) == ["PATCH services/status default/web"]
        assert len(world.cloud.balancers) == 1

    play(scene)


def test_a_service_that_only_the_cache_still_has_gets_no_balancer(play):
    def scene(world):
        manager = settled(world, count=0)
        # What a stale list would have left behind: gone for the server, alive in the cache.
        ghost = make_service("ghost", finalizers=[FINALIZER], addresses=["192.0.2.1"])
        manager.context.informers.services.put(ghost)
        world.wait(30)
        assert world.cloud.calls == []
        assert world.reasons("ghost") == []

    play(scene)


def test_a_service_of_the_same_name_is_not_mistaken_for_the_cached_one(play):
    def scene(world):
        manager = settled(world, count=0)
        world.add_service("web", type="ClusterIP")
        world.wait(1)
        ghost = make_service("web", finalizers=[FINALIZER], addresses=["192.0.2.1"])
        manager.context.informers.services.put(ghost)
        world.wait(30)
        assert world.cloud.count("ensure_load_balancer") == 0
        assert not world.service().metadata.finalizers

    play(scene)


def test_a_service_missing_from_the_cache_alone_keeps_its_balancer(play):
    def scene(world):
        manager = settled(world, count=1)
        manager.context.informers.services.remove("default/s0", None)
        world.wait(60)
        assert len(world.cloud.balancers) == 1
        assert world.cloud.count("ensure_load_balancer_deleted") == 0

    play(scene)


def test_nothing_is_written_once_the_lease_is_lost(play):
    def scene(world):
        manager = settled(world)
        manager.leading = False
        world.forget()
        world.add_service("new")
        world.patch_service({"metadata": {"annotations": {"a": "b"}}}, "s0")
        world.delete_service("s1")
        world.add_node("n9")
        world.wait(60)
        assert [call.method for call in world.cloud.calls if "get" not in call.method] == []
        assert world.requests(writes=True) == []

    play(scene)


def test_losing_the_lease_during_a_cloud_call_stops_what_would_follow(play):
    def scene(world):
        world.add_node()
        manager = world.start("service")

        def lose(_):
            manager.leading = False

        world.cloud.on("ensure_load_balancer", lose)
        world.add_service()
        world.wait(60)
        assert world.cloud.count() == 1
        assert not world.service().status.load_balancer.ingress

        manager.stop.set()
        world.cloud.on("ensure_load_balancer", lambda _: None)
        world.wait(1)
        world.start("service")
        assert world.service().status.load_balancer.ingress
        assert (len(world.cloud.balancers), world.cloud.writes) == (1, 1)

    play(scene)


def test_a_call_in_flight_at_a_stop_is_finished_and_nothing_new_is_begun(play):
    def scene(world):
        world.add_node()
        manager = world.start("service", concurrent_service_syncs=1)
        world.cloud.latency["ensure_load_balancer"] = 5
        world.add_service("first")
        world.add_service("second")
        world.wait(2)
        manager.stop.set()
        world.wait(20)
        assert world.service("first").status.load_balancer.ingress
        assert [call.key for call in world.cloud.calls] == ["default/first"]
        assert not world.service("second").metadata.finalizers

    play(scene)


def test_stopping_ends_every_thread(play):
    def scene(world):
        manager = settled(world)
        manager.stop.set()
        world.wait(1)
        [running] = manager.running
        assert not [name for name, thread in running.threads.items() if thread.is_alive()]
        running.join(1)

    play(scene)


def test_balancers_are_looked_at_again_after_a_while_and_drift_is_repaired(play):
    def scene(world):
        world.add_node()
        world.start("service", service_verify_period=600.0)
        world.add_service()
        world.wait(2)
        world.cloud.balancers.clear()
        world.forget()
        world.wait(1300)
        assert len(world.cloud.balancers) == 1
        assert 1 <= world.cloud.count("ensure_load_balancer") <= 2
        address = next(iter(world.cloud.balancers.values())).status.ingress[0].ip
        assert world.service().status.load_balancer.ingress[0].ip == address

    play(scene)


@pytest.mark.parametrize("kind", ["crash_before", "crash_after"])
@pytest.mark.parametrize("nth", range(1, 5))
def test_killed_at_any_request_it_ends_where_it_would_have(play, kind, nth):
    def scene(world):
        world.add_node()
        world.start_mortal("service")
        world.wait(1)
        world.add_service("web")
        # There are four: finalizer, event, status, event.
        world.server.faults.add(Fault(kind=kind, api="k8s", op="P* *", key="*web*", nth=nth))
        world.wait(3)
        assert world.server.faults.fired() == [1]
        manager = world.start("service", settle=20)
        assert world.service().metadata.finalizers == (FINALIZER,)
        assert world.service().status.load_balancer.ingress
        assert (len(world.cloud.balancers), world.cloud.writes) == (1, 1)
        manager.stop.set()

    play(scene)


@pytest.mark.parametrize("kind", ["crash_before", "crash_after"])
@pytest.mark.parametrize("op", ["GET services", "PATCH services/status", "POST events"])
def test_killed_while_deleting_it_leaves_nothing_behind(play, kind, op):
    def scene(world):
        world.add_node()
        manager = world.start("service")
        world.add_service()
        world.wait(2)
        manager.stop.set()
        world.wait(1)
        world.start_mortal("service")
        world.wait(3)
        world.server.faults.add(Fault(kind=kind, api="k8s", op=op, times=1))
        world.delete_service()
        world.wait(3)
        assert world.server.faults.fired() == [1]
        world.server.on_crash = None
        world.start("service", settle=20)
        assert world.services() == []
        assert world.cloud.balancers == {}
        assert world.cloud.writes == 2

    play(scene)


def test_a_quiet_day_costs_nothing(play):
    def scene(world):
        settled(world)
        before, events = versions(world), len(world.events())
        world.forget()
        world.wait(5 * 3600)
        assert world.cloud.calls == []
        assert world.requests() == []
        assert (versions(world), len(world.events())) == (before, events)

    play(scene)


@pytest.mark.parametrize("seed", range(5))
def test_a_turbulent_hour_ends_where_a_quiet_one_does(play, seed):
    def scene(world):
        chance = world.hub.random
        world.add_node("n0")
        world.start("service", concurrent_service_syncs=3)
        world.cloud.latency["ensure_load_balancer"] = 0.3
        names = [f"s{index}" for index in range(4)]
        for step in range(60):
            name = chance.choice(names)
            there = {item.metadata.name: item for item in world.services()}
            if name not in there:
                world.add_service(name)
            elif chance.random() < 0.4:
                world.delete_service(name)
            elif chance.random() < 0.5:
                kind = chance.choice(["ClusterIP", "LoadBalancer"])
                world.patch_service({"spec": {"type": kind}}, name)
            else:
                world.add_node(f"n{step + 1}")
            world.wait(chance.random())
        world.wait(60)
        wanted = {
            item.metadata.uid for item in world.services() if item.spec.type == "LoadBalancer"
        }
        assert set(world.cloud.balancers) == wanted
        names = tuple(sorted(node.metadata.name for node in world.nodes()))
        assert all(balancer.nodes == names for balancer in world.cloud.balancers.values())
        for item in world.services():
            has = item.metadata.finalizers == (FINALIZER,)
            assert has is (item.metadata.uid in wanted)
            assert bool(item.status.load_balancer.ingress) is has
        assert not [item for item in world.services() if item.metadata.deletion_timestamp]

    play(scene, seed=seed)
