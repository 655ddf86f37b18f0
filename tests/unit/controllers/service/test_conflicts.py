"""A Service that somebody changed since it was looked at is looked at again."""

from cloudprovider.testing.faults import Fault


def test_a_status_that_meets_a_conflict_is_written_on_what_the_service_is_now(play):
    def scene(world):
        world.add_node()
        world.start("service")
        world.server.faults.add(
            Fault(kind="error", api="k8s", op="PATCH services/status", nth=2, times=4, status=409)
        )
        world.add_service()
        world.wait(2)
        assert world.server.faults.fired() == [4]
        assert world.service().status.load_balancer.ingress
        assert world.cloud.count("ensure_load_balancer") == 1
        assert world.reasons("web") == ["EnsuringLoadBalancer", "EnsuredLoadBalancer"]

    play(scene)
