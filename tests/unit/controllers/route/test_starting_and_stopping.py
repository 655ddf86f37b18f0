"""What the controller needs to start, and how it ends."""

import dataclasses

import pytest
from route_cluster import ROUTED, cidr, join, network, table

from cloudprovider.errors import CloudProviderError
from cloudprovider.testing.fake import FakeCloud
from cloudprovider.testing.faults import Fault


class TestStopping:
    def test_nothing_is_written_once_the_lease_is_lost(self, play):
        def scene(world):
            manager = world.start("route")
            manager.leading = False
            world.forget()
            join(world, 1)
            world.wait(30)
            assert world.cloud.count("create_routes") == 0
            assert world.requests() == []
            manager.leading = True
            world.wait(2)
            assert network(world) == ROUTED

        play(scene)

    def test_a_stop_ends_the_threads_and_lets_the_call_in_flight_end(self, play):
        def scene(world):
            world.cloud.latency["create_routes"] = 3.0
            join(world, 1)
            manager = world.start("route", settle=1.0)
            manager.stop.set()
            world.wait(1)
            running = manager.running[0]
            assert running.threads["route-controller"].is_alive()
            running.join(10)
            assert not any(thread.is_alive() for thread in running.threads.values())
            assert table(world) == {cidr(1): "node-1"}
            assert network(world) is None  # that is the next leader's
            assert running.healthy()

        play(scene)

    def test_a_pass_that_hangs_is_unhealthy(self, play):
        def scene(world):
            world.cloud.latency["list_routes"] = 5000.0
            manager = world.start("route", stuck_after=100.0)
            world.wait(50)
            assert manager.running[0].healthy()
            world.wait(100)
            assert not manager.running[0].healthy()

        play(scene)

    @pytest.mark.parametrize("at", ["crash_before", "crash_after"])
    def test_killed_at_the_condition_the_next_one_writes_it(self, play, at):
        def scene(world):
            join(world, 1)
            world.server.faults.add(Fault(kind=at, op="PATCH nodes/status"))
            world.start_mortal("route")
            world.wait(5)
            world.start("route")
            assert network(world) == ROUTED
            assert world.cloud.writes == 1

        play(scene)


class TestStart:
    def test_a_cloud_without_routes_starts_nothing(self, play):
        def scene(world):
            world.cloud = FakeCloud(routes=False, concurrency=world.hub)
            assert world.start("route").running == [None]

        play(scene)

    def test_ranges_are_needed(self, play):
        from cloudprovider_controllers.route import controller

        def scene(world):
            manager = world.start("service")
            context = dataclasses.replace(manager.context, cluster_cidrs=())
            with pytest.raises(ValueError, match="address ranges"):
                controller.start(context, manager.stop)

        play(scene)

    def test_passes_are_counted(self, play):
        def scene(world):
            manager = world.start("route")
            assert manager.metric("route_controller_route_sync_total") == 1
            world.cloud.fail("create_route", CloudProviderError("x"))
            join(world, 1)
            world.wait(1)
            assert manager.metric("route_controller_failing_nodes") == 1

        play(scene)
