"""A Service from its creation to its end, on the embedded API server and the fake cloud."""

import msgspec

from cloudprovider.models import ServiceStatus

FINALIZER = "service.kubernetes.io/load-balancer-cleanup"


def test_a_new_service_gets_a_load_balancer(play):
    def scene(world):
        world.add_node("a")
        world.add_node("b")
        world.start("service")
        world.forget()
        created = world.add_service()
        world.wait(1)

        service = world.service()
        assert service.metadata.finalizers == (FINALIZER,)
        [call] = world.cloud.called("ensure_load_balancer")
        assert (call.uid, call.nodes) == (created.metadata.uid, ("a", "b"))
        balancer = world.cloud.balancers[created.metadata.uid]
        [ingress] = service.status.load_balancer.ingress
        assert ingress.ip == balancer.status.ingress[0].ip
        assert world.events("web") == [
            ("Normal", "EnsuringLoadBalancer", "Ensuring load balancer"),
            ("Normal", "EnsuredLoadBalancer", "Ensured load balancer"),
        ]
        assert world.requests() == ["PATCH services/status default/web"] * 2

    play(scene)


def test_the_finalizer_is_there_before_the_cloud_is_asked(play):
    def scene(world):
        world.add_node()
        seen = []
        world.cloud.on(
            "ensure_load_balancer",
            lambda _: seen.append(world.service().metadata.finalizers),
        )
        world.start("service")
        world.add_service()
        world.wait(1)
        assert seen == [(FINALIZER,)]

    play(scene)


def test_other_services_are_left_alone(play):
    def scene(world):
        world.add_service("cluster", type="ClusterIP")
        world.add_service("node", type="NodePort")
        world.add_service("foreign", load_balancer_class="example.com/x")
        world.start("service")
        assert world.cloud.calls == []
        assert world.requests() == []

    play(scene)


def test_a_deleted_service_takes_its_load_balancer_along(play):
    def scene(world):
        world.add_node()
        world.start("service")
        world.add_service()
        world.wait(1)
        world.forget()
        world.delete_service()
        world.wait(2)

        assert world.services() == []
        assert world.cloud.balancers == {}
        assert [call.method for call in world.cloud.calls] == ["ensure_load_balancer_deleted"]
        assert world.requests() == [
            "GET services default/web",
            "PATCH services/status default/web",
        ]
        assert world.reasons("web")[2:] == ["DeletingLoadBalancer", "DeletedLoadBalancer"]

    play(scene)


def test_a_service_that_changes_its_type_loses_balancer_status_and_finalizer(play):
    def scene(world):
        world.add_node()
        world.start("service")
        world.add_service()
        world.wait(1)
        world.patch_service({"spec": {"type": "ClusterIP"}})
        world.wait(2)
        service = world.service()
        assert not service.metadata.finalizers
        assert not service.status.load_balancer.ingress
        assert world.cloud.balancers == {}

        world.patch_service({"spec": {"type": "LoadBalancer"}})
        world.wait(2)
        assert len(world.cloud.balancers) == 1
        assert world.service().status.load_balancer.ingress

    play(scene)


def test_finalizers_of_others_stay(play):
    def scene(world):
        world.add_node()
        world.start("service")
        world.add_service(finalizers=["example.com/mine"])
        world.wait(1)
        assert set(world.service().metadata.finalizers) == {"example.com/mine", FINALIZER}
        world.delete_service()
        world.wait(2)
        assert world.service().metadata.finalizers == ("example.com/mine",)
        assert world.cloud.balancers == {}
        world.forget()
        world.wait(400)
        assert world.cloud.calls == []
        assert world.requests() == []

    play(scene)


def test_a_finalizer_added_while_the_balancer_is_deleted_is_kept(play):
    def scene(world):
        world.add_node()
        world.start("service")
        world.add_service()
        world.wait(1)
        world.patch_service({"spec": {"type": "ClusterIP"}})
        world.cloud.on(
            "ensure_load_balancer_deleted",
            lambda _: world.patch_service(
                {"metadata": {"finalizers": [FINALIZER, "example.com/late"]}}
            ),
        )
        world.wait(3)
        assert world.service().metadata.finalizers == ("example.com/late",)

    play(scene)


def test_a_deleted_service_that_never_had_our_finalizer_is_not_ensured(play):
    def scene(world):
        world.add_node()
        world.add_service(finalizers=["example.com/mine"])
        world.delete_service()
        world.start("service")
        world.wait(60)
        assert world.cloud.calls == []
        assert world.reasons() == []

    play(scene)


def test_an_annotation_change_is_a_new_pass_and_two_events(play):
    def scene(world):
        world.add_node()
        world.start("service")
        world.add_service()
        world.wait(1)
        world.forget()
        world.patch_service({"metadata": {"annotations": {"a": "b"}}})
        world.wait(1)
        assert world.cloud.count("ensure_load_balancer") == 1
        assert world.cloud.writes == 1
        assert world.requests() == []  # neither finalizer nor status changed
        expected = ["EnsuredLoadBalancer"] * 2 + ["EnsuringLoadBalancer"] * 2
        assert sorted(world.reasons("web")) == expected

    play(scene)


def test_a_label_or_selector_change_costs_nothing(play):
    def scene(world):
        world.add_node()
        world.start("service")
        world.add_service()
        world.wait(1)
        world.forget()
        world.patch_service({"metadata": {"labels": {"a": "b"}}})
        world.patch_service({"spec": {"selector": {"app": "x"}}})
        world.wait(5)
        assert world.cloud.calls == []
        assert world.requests() == []

    play(scene)


def test_deleted_and_recreated_quickly_makes_a_new_balancer_and_leaves_no_old_one(play):
    def scene(world):
        world.add_node()
        manager = world.start("service")
        old = world.add_service()
        world.wait(1)
        # Somebody strips the finalizer, so the deletion does not wait for us.
        world.patch_service({"metadata": {"finalizers": None}})
        world.delete_service()
        new = world.add_service()
        world.wait(10)
        assert old.metadata.uid != new.metadata.uid
        assert list(world.cloud.balancers) == [new.metadata.uid]
        assert world.service().metadata.finalizers == (FINALIZER,)
        assert manager.running[0].healthy()

    play(scene)


def test_a_service_deleted_without_its_finalizer_leaks_nothing(play):
    def scene(world):
        world.add_node()
        world.start("service")
        world.add_service()
        world.wait(1)
        world.patch_service({"metadata": {"finalizers": None}})
        world.delete_service()
        world.wait(10)
        assert world.services() == []
        assert world.cloud.balancers == {}
        assert world.reasons("web")[-2:] == ["DeletingLoadBalancer", "DeletedLoadBalancer"]

    play(scene)


def test_a_service_stripped_before_this_process_looked_at_it_leaks_nothing(play):
    def scene(world):
        world.add_node()
        first = world.start("service")
        world.add_service()
        world.wait(1)
        first.stop.set()
        world.wait(1)
        world.cloud.latency["ensure_load_balancer"] = 30
        world.start("service", settle=0.1)
        world.patch_service({"metadata": {"finalizers": None}})
        world.delete_service()
        world.wait(60)
        assert world.cloud.balancers == {}

    play(scene)


def test_a_finalizer_taken_away_from_a_living_service_comes_back(play):
    def scene(world):
        world.add_node()
        world.start("service")
        world.add_service()
        world.wait(1)
        world.patch_service({"metadata": {"finalizers": None}})
        world.wait(3)
        assert world.service().metadata.finalizers == (FINALIZER,)
        assert world.cloud.writes == 1

    play(scene)


def test_a_status_cleared_by_somebody_comes_back_without_a_cloud_call(play):
    def scene(world):
        world.add_node()
        world.start("service")
        world.add_service()
        world.wait(1)
        before = world.service().status
        world.forget()
        world.patch_service({"status": {"loadBalancer": None}}, subresource="status")
        assert not world.service().status.load_balancer.ingress
        world.wait(3)
        assert world.service().status == before
        assert world.cloud.calls == []

    play(scene)


def test_a_cache_that_has_not_seen_our_status_yet_costs_no_second_one(play):
    def scene(world):
        world.add_node()
        manager = world.start("service")
        world.add_service()
        world.wait(1)
        now = world.service()
        late = msgspec.structs.replace(
            now,
            metadata=msgspec.structs.replace(now.metadata, resource_version="1"),
            status=ServiceStatus(),
        )
        told = world.reasons("web")
        world.forget()
        manager.context.informers.services.put(late)
        world.wait(10)
        assert world.requests(writes=True) == []
        assert world.reasons("web") == told

    play(scene)


def test_another_controller_may_look_after_the_service(play):
    from cloudprovider.errors import ImplementedElsewhere

    def scene(world):
        world.add_node()
        world.cloud.fail("ensure_load_balancer", ImplementedElsewhere())
        world.start("service")
        world.add_service()
        world.wait(1)
        assert world.service().metadata.finalizers == (FINALIZER,)
        assert not world.service().status.load_balancer.ingress
        assert world.reasons("web") == ["EnsuringLoadBalancer"]
        world.patch_service(
            {"status": {"loadBalancer": {"ingress": [{"ip": "192.0.2.1"}]}}}, subresource="status"
        )
        world.wait(5)
        assert world.service().status.load_balancer.ingress[0].ip == "192.0.2.1"
        world.cloud.fail("ensure_load_balancer_deleted", ImplementedElsewhere())
        world.delete_service()
        world.wait(5)
        assert world.services() == []

    play(scene)


def test_no_nodes_is_a_warning_and_an_empty_balancer(play):
    def scene(world):
        world.start("service")
        world.add_service()
        world.wait(1)
        assert world.cloud.called("ensure_load_balancer")[0].nodes == ()
        assert world.events("web")[1] == (
            "Warning",
            "UnAvailableLoadBalancer",
            "There are no available nodes for LoadBalancer",
        )

    play(scene)


def test_two_hundred_services_converge_in_ten_seconds_at_fifty_milliseconds_a_call(play):
    def scene(world):
        world.add_node()
        # A provider needs about five calls to the cloud to make a load balancer.
        world.cloud.latency["ensure_load_balancer"] = 5 * 0.05
        world.start("service")
        for index in range(200):
            world.add_service(f"s{index}")
        world.wait(10)
        done = [item for item in world.services() if item.status.load_balancer.ingress]
        assert len(done) == 200
        assert world.cloud.most_at_once("ensure_load_balancer") == 20
        for index in range(200):
            assert world.cloud.most_at_once("*", f"default/s{index}") == 1

    play(scene)
