"""Many routes that seem to be needed no more go slowly, or not at all."""

from route_cluster import cidr, join, table

from cloudprovider.errors import CloudProviderError
from cloudprovider.testing.faults import Fault


class TestMassDeletion:
    def grow(self, world, count, **options):
        for number in range(count):
            join(world, number)
        manager = world.start("route", **options)
        world.forget()
        return manager

    def leave(self, world, count):
        for number in range(count):
            world.delete_node(f"node-{number}")

    def test_a_tenth_goes_at_once_and_a_tenth_of_the_rest_each_minute(self, play):
        def scene(world):
            manager = self.grow(world, 40)
            self.leave(world, 20)
            left = []
            for seconds in (2, 60, 60, 60):
                world.wait(seconds)
                left.append(len(table(world)))
            assert left == [36, 33, 30, 27]
            assert manager.metric("route_controller_withheld_deletions") == 7
            world.wait(600)
            assert len(table(world)) == 20
            assert manager.metric("route_controller_withheld_deletions") == 0

        play(scene)

    def test_nodes_that_go_one_after_the_other_are_held_back_all_the_same(self, play):
        def scene(world):
            self.grow(world, 40)
            for number in range(10):
                world.delete_node(f"node-{number}")
                world.wait(2)
            assert len(table(world)) == 36

        play(scene)

    def test_one_of_few_may_always_go(self, play):
        def scene(world):
            self.grow(world, 3)
            self.leave(world, 1)
            world.wait(1)
            assert len(table(world)) == 2

        play(scene)

    def test_what_makes_room_for_another_route_is_not_held_back(self, play):
        def scene(world):
            self.grow(world, 20)
            self.leave(world, 20)
            for number in range(20):
                world.add_node(f"new-{number}", pod_cidrs=[cidr(number)])
            world.wait(2)
            assert set(table(world).values()) == {f"new-{number}" for number in range(20)}

        play(scene)

    def test_a_cache_that_misses_nodes_deletes_nothing(self, play):
        def scene(world):
            manager = self.grow(world, 30, route_reconciliation_period=30.0)
            store = manager.context.informers.nodes.store
            for key in store.keys()[:15]:
                store.remove(key)
            world.wait(200)
            assert len(table(world)) == 30
            assert manager.metric("route_controller_withheld_deletions") == 15

        play(scene)

    def test_an_empty_cache_deletes_not_even_one(self, play):
        def scene(world):
            manager = self.grow(world, 1, route_reconciliation_period=30.0)
            manager.context.informers.nodes.store.remove("node-1")
            manager.context.informers.nodes.store.remove("node-0")
            world.wait(100)
            assert len(table(world)) == 1

        play(scene)

    def test_without_an_answer_of_the_api_server_nothing_is_deleted(self, play):
        def scene(world):
            self.grow(world, 30)
            world.server.faults.add(Fault(kind="error", op="LIST nodes", status=500, times=None))
            self.leave(world, 15)
            world.wait(30)
            assert len(table(world)) == 30

        play(scene)

    def test_one_that_cannot_be_deleted_does_not_hold_up_the_others(self, play):
        def scene(world):
            world.cloud.fail("delete_route", CloudProviderError("locked"), key=cidr(0))
            self.grow(world, 5)
            self.leave(world, 3)
            world.wait(400)
            assert len(table(world)) == 3
            assert cidr(0) in table(world)

        play(scene)
