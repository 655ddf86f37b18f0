"""Nodes and routes that are not ours, or not provably."""

from route_cluster import UNROUTED, cidr, join, network, table

from cloudprovider.interface import Route


class TestNodesThatAreNotOurs:
    def test_they_are_left_alone(self, play):
        def scene(world):
            world.add_node("dc-1", pod_cidrs=[cidr(7)], provider_id="other://x")
            world.add_node("dc-2", provider_id="other://y")
            world.cloud.route_table.append(Route("person's", "gateway", cidr(7)))
            join(world, 1, provider_id="fake://node-1")
            world.start("route")
            world.wait(1000)
            assert table(world) == {cidr(7): "gateway", cidr(1): "node-1"}
            assert network(world, "dc-1") is network(world, "dc-2") is None
            assert world.events() == []
            world.forget()
            world.delete_node("dc-1")
            world.wait(10)
            assert world.cloud.calls == []

        play(scene)

    def test_a_provider_that_cannot_tell_gets_no_work(self, play):
        def scene(world):
            def claims_node(node):
                raise KeyError("x")

            world.cloud.claims_node = claims_node
            join(world, 1, provider_id="fake://node-1")
            world.cloud.route_table.append(Route("r", "node-1", cidr(1)))
            world.start("route")
            assert table(world) == {cidr(1): "node-1"}
            assert world.cloud.writes == 0

        play(scene)


class TestWhatIsNotProvablyOurs:
    def test_a_route_without_a_mark_goes_with_its_node(self, play):
        def scene(world):
            for number in (1, 2):
                world.cloud.route_table.append(
                    Route(f"go-{number}", f"node-{number}", cidr(number), owned=None)
                )
            join(world, 1)
            manager = world.start("route")
            assert world.cloud.writes == 0
            assert manager.metric("route_controller_foreign_routes") == 1
            world.delete_node("node-1")
            world.wait(1)
            assert table(world) == {cidr(2): "node-2"}

        play(scene)

    def test_anothers_in_the_way_is_told_and_stays(self, play):
        def scene(world):
            world.cloud.route_table.append(Route("r", "theirs", cidr(1), owned=False))
            join(world, 1)
            world.start("route")
            world.wait(1000)
            assert table(world) == {cidr(1): "theirs"}
            assert network(world) == UNROUTED
            [(_, reason, text)] = world.events()
            assert reason == "FailedToCreateRoute"
            assert "is routed to theirs" in text
            assert world.cloud.writes == 0

        play(scene)
