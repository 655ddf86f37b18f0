"""What upstream's managers do badly, done better: rows 14 to 26 of the table of defects.

See ``test_rows_01_to_13.py``. Row 25 runs the provider for Alibaba Cloud on its emulator.
"""

import pytest
from prometheus_client import CollectorRegistry

from cloudprovider.errors import CloudProviderError
from cloudprovider.testing.fake import FakeLoadBalancer
from cloudprovider_manager.health import Check, Health

FINALIZER = "service.kubernetes.io/load-balancer-cleanup"
TYPE, ZONE, REGION = (
    "node.kubernetes.io/instance-type",
    "topology.kubernetes.io/zone",
    "topology.kubernetes.io/region",
)


def with_services(world, count=3, **options):
    """A manager that gave ``count`` Services their load balancers."""
    world.add_node()
    manager = world.start("service", **options)
    for index in range(count):
        world.add_service(f"s{index}")
    world.wait(3)
    assert len(world.cloud.balancers) == count
    world.forget()
    return manager


def versions(world):
    return {item.key: item.metadata.resource_version for item in world.services()}


@pytest.mark.defect(14)
def test_row_14_an_update_of_backends_sees_the_service_as_it_is_now(play):
    def scene(world):
        with_services(world, 1)
        seen = []
        original = FakeLoadBalancer.update_load_balancer
        balancers = world.cloud.load_balancer()

        def update(cluster_name, service, nodes):
            seen.append(service.metadata.labels.get("team"))
            original(balancers, cluster_name, service, nodes)

        balancers.update_load_balancer = update
        # A label is no reason for a pass of its own, yet providers may read it.
        world.patch_service({"metadata": {"labels": {"team": "blue"}}}, "s0")
        world.wait(1)
        world.add_node("node-2")
        world.wait(2)
        assert seen == ["blue"]

    play(scene)


@pytest.mark.defect(15)
def test_row_15_thirty_nodes_that_join_are_one_update_for_each_service(play):
    def scene(world):
        with_services(world, 3)
        for number in range(30):
            world.add_node(f"n{number:02}")
            world.wait(0.1)
        world.wait(3)
        assert world.cloud.count("update_load_balancer") == 3
        assert all(len(call.nodes) == 31 for call in world.cloud.called("update_load_balancer"))
        assert world.cloud.count("ensure_load_balancer") == 0

    play(scene)


@pytest.mark.defect(16)
def test_row_16_a_change_of_nodes_that_no_event_told_of_is_found_by_the_clock(play):
    def scene(world):
        manager = with_services(world, 2, node_compare_period=60.0)
        joined = world.add_node("node-0")  # sent like any other
        world.wait(2)
        world.forget()
        manager.context.informers.nodes.store.remove(joined.key)  # what a lost event leaves
        world.wait(50)
        assert world.cloud.calls == []
        world.wait(15)
        assert [call.nodes for call in world.cloud.called("update_load_balancer")] == [
            ("node-1",)
        ] * 2
        world.forget()
        world.wait(3600)  # and the clock alone costs nothing
        assert (world.cloud.calls, world.requests()) == ([], [])

    play(scene)


class TestRow17:
    """What somebody changes or deletes in the cloud is mended within minutes, cheaply."""

    @pytest.mark.defect(17)
    @pytest.mark.parametrize("damage", ["deleted", "changed"])
    def test_row_17_a_balancer_that_was_changed_in_the_cloud_is_mended(self, play, damage):
        def scene(world):
            world.cloud.surveys = True
            manager = with_services(world, 3)
            uid = world.service("s1").metadata.uid
            if damage == "deleted":
                del world.cloud.balancers[uid]
            else:
                world.cloud.balancers[uid].nodes = ()
            world.wait(305)
            assert [c.method for c in world.cloud.calls] == ["survey", "ensure_load_balancer"]
            assert world.cloud.calls[1].key == "default/s1"
            assert world.cloud.balancers[uid].nodes == ("node-1",)
            [shown] = world.service("s1").status.load_balancer.ingress
            [given] = world.cloud.balancers[uid].status.ingress
            assert shown.ip == given.ip
            assert manager.metric("service_controller_loadbalancer_drift_total") == 1

        play(scene)

    @pytest.mark.defect(17)
    def test_row_17_looking_costs_one_question_a_period_and_no_write(self, play):
        def scene(world):
            world.cloud.surveys = True
            with_services(world, 20)
            before = versions(world)
            world.wait(3600)
            assert {call.method for call in world.cloud.calls} == {"survey"}
            assert world.cloud.count() == 12
            assert (world.requests(), versions(world)) == ([], before)

        play(scene)

    @pytest.mark.defect(17)
    @pytest.mark.parametrize(
        "answer", [CloudProviderError("down"), RuntimeError("x"), "nonsense"], ids=str
    )
    def test_row_17_a_look_that_fails_comes_again_and_harms_nobody(self, play, answer):
        def scene(world):
            world.cloud.surveys = True
            manager = with_services(world, 1)
            tell = world.cloud.fail if isinstance(answer, Exception) else world.cloud.answer
            tell("survey", answer, times=2)
            world.cloud.balancers.clear()
            world.wait(610)
            assert world.cloud.count("ensure_load_balancer") == 0
            world.wait(300)
            assert len(world.cloud.balancers) == 1
            assert manager.running[0].healthy()

        play(scene)


@pytest.mark.defect(18)
def test_row_18_a_restart_writes_nothing_and_serves_new_services_first(play):
    def scene(world):
        first = with_services(world, 100)
        before, events = versions(world), len(world.events())
        first.stop.set()
        world.wait(1)
        world.add_service("zz-new")
        world.cloud.latency["ensure_load_balancer"] = 0.05
        world.forget()
        began = world.hub.monotonic()
        world.start("service", settle=10)
        calls = world.cloud.called("ensure_load_balancer")
        assert calls[0].key == "default/zz-new"
        assert (len(calls), world.cloud.count()) == (101, 101)
        assert world.cloud.writes == 1
        # One list spared a proof for each of those that were there.
        assert {request.rpartition(" ")[2] for request in world.requests()} == {"default/zz-new"}
        now = versions(world)
        fresh = now.pop("default/zz-new")
        assert (now, fresh != "") == (before, True)
        assert len(world.events()) == events + 2
        # Many at once: 100 calls of 50 ms one after the other would be 5 s.
        assert max(call.ended for call in calls) - began < 2.5

    play(scene)


@pytest.mark.defect(19)
def test_row_19_the_cloud_is_asked_about_a_hundred_nodes_at_once(play):
    def scene(world):
        for number in range(250):
            name = f"n{number:03}"
            world.cloud.add_instance(name)
            world.add_node(name, provider_id=f"fake://{name}", ready="Unknown")
        world.start(
            "node", "lifecycle", settle=1.0, node_status_update_frequency=100.0,
            node_monitor_period=100.0,
        )  # fmt: skip
        world.wait(100)
        # Two passes of each loop; one call a node would be 500 and 1,000.
        assert world.cloud.count("instance_metadata_many") == 2 * 3
        assert world.cloud.count("instance_states_many") == 2 * 3
        assert world.cloud.count() == 12

    play(scene)


@pytest.mark.defect(20)
def test_row_20_routes_are_listed_at_changes_and_seldom_else(play):
    def scene(world):
        for number in range(1, 4):
            world.add_node(f"node-{number}", pod_cidrs=[f"10.244.{number}.0/24"])
        world.start("route")
        world.forget()
        world.wait(3600)
        assert world.cloud.count() == world.cloud.count("list_routes") == 12  # upstream: 360
        world.forget()
        world.add_node("node-4", pod_cidrs=["10.244.4.0/24"])
        world.wait(2)  # and a change need not wait for the slow pass
        assert [call.method for call in world.cloud.calls] == ["list_routes", "create_routes"]

    play(scene)


class OnlyWebNodes(FakeLoadBalancer):
    """One Service in two takes only nodes with a label; the other takes all."""

    def backend_nodes_changed(self, service, old, new):
        if service.metadata.name != "s0":
            return super().backend_nodes_changed(service, old, new)
        return self._web(old) != self._web(new)

    def _web(self, nodes):
        return [n.metadata.name for n in nodes if (n.metadata.labels or {}).get("web")]


@pytest.mark.defect(21)
def test_row_21_a_node_concerns_only_the_balancers_whose_backends_it_changes(play):
    def scene(world):
        world.cloud._load_balancer = OnlyWebNodes(world.cloud)
        with_services(world, 2)
        world.add_node("plain")
        world.wait(2)
        assert [call.key for call in world.cloud.called("update_load_balancer")] == ["default/s1"]
        world.forget()
        world.patch_node({"metadata": {"labels": {"web": "yes"}}}, "plain")
        world.wait(2)
        assert [call.key for call in world.cloud.called("update_load_balancer")] == ["default/s0"]
        world.forget()
        for change in (
            {"metadata": {"labels": {"unrelated": "1"}}},
            {"spec": {"unschedulable": True}},
        ):
            world.patch_node(change, "plain")
            world.wait(2)
        assert world.cloud.calls == []

    play(scene)


@pytest.mark.defect(22)
def test_row_22_type_zone_and_region_follow_the_cloud(play):
    def scene(world):
        world.cloud.add_instance("node-1")
        world.start("node", node_status_update_frequency=60.0)
        world.add_node(taints=["node.cloudprovider.kubernetes.io/uninitialized"])
        world.wait(2)
        labels = world.node().metadata.labels
        assert [labels[key] for key in (TYPE, ZONE, REGION)] == ["t1.micro", "zone-a", "region-1"]
        world.cloud.add_instance(
            "node-1", instance_type="t9.huge", zone="zone-b", region="region-2"
        )
        world.wait(60)
        labels = world.node().metadata.labels
        assert [labels[key] for key in (TYPE, ZONE, REGION)] == ["t9.huge", "zone-b", "region-2"]
        assert labels["beta.kubernetes.io/instance-type"] == "t9.huge"
        assert labels["failure-domain.beta.kubernetes.io/zone"] == "zone-b"
        assert labels["failure-domain.beta.kubernetes.io/region"] == "region-2"
        world.forget()
        world.wait(600)
        assert world.requests() == []
        world.cloud.add_instance("node-1", instance_type="", zone="", region="")
        world.wait(60)  # what the cloud does not say is left alone
        assert world.node().metadata.labels == labels

    play(scene)


@pytest.mark.defect(23)
def test_row_23_stopped_nodes_are_asked_about_ever_less_and_together(play):
    def scene(world):
        for number in range(50):
            name = f"n{number:02}"
            world.cloud.add_instance(name).shutdown = True
            world.add_node(name, provider_id=f"fake://{name}", ready="Unknown")
        world.start("lifecycle", settle=1.0, node_monitor_period=5.0)
        world.wait(600)
        # Upstream: two calls a node and pass, 12,000.
        assert world.cloud.count("instance_states_many") <= 3 + 600 // 40
        assert all(len(call.nodes) == 50 for call in world.cloud.called("instance_states_many"))

    play(scene)


@pytest.mark.defect(24)
@pytest.mark.parametrize("way", ["deleted", "another type", "finalizer gone"])
def test_row_24_a_deletion_is_told_only_where_something_was_deleted(play, way):
    def scene(world):
        world.add_node()
        world.start("service")
        world.cloud.fail("ensure_load_balancer", CloudProviderError("no"))
        world.add_service()
        world.wait(2)
        assert world.service().metadata.finalizers == (FINALIZER,)
        if way == "another type":
            world.patch_service({"spec": {"type": "ClusterIP"}})
        elif way == "finalizer gone":
            world.patch_service({"metadata": {"finalizers": None}})
            world.delete_service()
        else:
            world.delete_service()
        world.wait(30)
        assert world.cloud.count("ensure_load_balancer_deleted") == 1  # something may be half made
        assert "DeletingLoadBalancer" not in world.reasons("web")
        assert "DeletedLoadBalancer" not in world.reasons("web")

    play(scene)


@pytest.mark.defect(25)
def test_row_25_passes_and_every_call_of_the_provider_are_counted(play):
    from cloudprovider.errors import ResourceNotFound
    from cloudprovider.toolkit.calls import call_metrics
    from cloudprovider_alicloud.api.client import CloudApi
    from cloudprovider_alicloud.api.slb import SlbApi
    from cloudprovider_alicloud.emulator.core import EmulatorCore
    from cloudprovider_alicloud.emulator.inprocess import EmulatorCaller

    def scene(world):
        manager = with_services(world, 2)
        world.patch_service({"metadata": {"annotations": {"a": "b"}}}, "s0")
        world.add_node("node-2")
        world.wait(2)
        # Upstream counts only updates of backends.
        assert manager.metric("service_controller_loadbalancer_sync_total") >= 2 + 1 + 1

        registry = CollectorRegistry()
        caller = EmulatorCaller(EmulatorCore(seed=1, concurrency=world.hub))
        api = CloudApi(
            caller, region="cn-hangzhou", metrics=call_metrics(registry), concurrency=world.hub
        )
        SlbApi(api).describe_load_balancers(tags={})
        with pytest.raises(ResourceNotFound):
            SlbApi(api).describe_load_balancer("lb-none")
        counted = {
            tuple(sorted(sample.labels.items())): sample.value
            for metric in registry.collect()
            for sample in metric.samples
            if sample.name == "cloudprovider_api_request_duration_seconds_count"
        }
        labels = [dict(key) for key in counted]
        assert {label["action"] for label in labels} == {
            "DescribeLoadBalancers",
            "DescribeLoadBalancerAttribute",
        }
        assert {label["provider"] for label in labels} == {"alicloud"}
        assert {label["service"] for label in labels} == {"slb"}
        assert len({label["code"] for label in labels}) == 2  # fine, and the cloud's code

    play(scene)


@pytest.mark.defect(26)
@pytest.mark.parametrize(
    ("controller", "stuck_in"),
    [
        ("service", "ensure_load_balancer"),
        ("node", "instance_metadata_many"),
        ("lifecycle", "instance_states_many"),
        ("route", "list_routes"),
    ],
)
def test_row_26_a_stuck_worker_fails_the_health_checks(play, controller, stuck_in):
    def scene(world):
        world.cloud.latency[stuck_in] = 5000.0
        world.cloud.add_instance("node-1")
        world.add_node(provider_id="fake://node-1", ready="Unknown", pod_cidrs=["10.244.1.0/24"])
        world.add_service()
        manager = world.start(controller, stuck_after=900.0)
        [running] = manager.running
        health = Health(concurrency=world.hub)
        health.add(Check(running.name, running.healthy))
        assert [health.report(end)[0] for end in ("healthz", "livez", "readyz")] == [200] * 3
        world.wait(950)
        assert [health.report(end)[0] for end in ("healthz", "livez", "readyz")] == [500] * 3
        assert f"[-]{running.name} failed" in health.report("livez")[1]
        assert health.report_one("livez", running.name)[0] == 500
        world.cloud.latency.clear()
        world.wait(5000)  # it came back
        assert health.report("livez")[0] == 200

    play(scene)
