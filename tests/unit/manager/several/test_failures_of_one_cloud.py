"""A manager with two providers: what one cloud's failure costs the other."""

import msgspec
import pytest

from cloudprovider.errors import CloudProviderError
from cloudprovider.testing.faults import Fault
from cloudprovider_controllers.runtime.resources import NODES

#: Calls of a fake cloud that is down.
DOWN = ("ensure_load_balancer", "instance_metadata_many", "instance_states_many")


class TestFailures:
    def test_a_cloud_that_is_down_leaves_the_other_working(self, play):
        def scene(clouds):
            clouds.join_alicloud("ali")
            clouds.join_fake("other")
            for method in DOWN:
                clouds.fake.fail(method, CloudProviderError("the cloud is down"))
            clouds.start("alicloud,fake")
            for index in range(25):
                clouds.expose(f"faked-{index}", wanted="example.com/fake")
            clouds.expose("plain")
            clouds.wait(30)
            assert clouds.initialised("ali")
            assert clouds.address("plain")
            assert not clouds.initialised("other")
            clouds.lose("other")
            clouds.wait(60)
            assert clouds.node("other") is not None
            clouds.fake.heal()
            clouds.wait(400)
            assert clouds.who_has() == {"alicloud": 1, "fake": 25}

        play(scene)

    def test_a_cloud_that_hangs_does_not_keep_the_workers(self, play):
        def scene(clouds):
            clouds.fake.latency["ensure_load_balancer"] = 500.0
            clouds.start("alicloud,fake", concurrent_service_syncs=2)
            for index in range(10):
                clouds.expose(f"faked-{index}", wanted="example.com/fake")
            clouds.wait(5)
            clouds.expose("plain")
            clouds.wait(15)
            assert clouds.address("plain")
            assert clouds.fake.most_at_once("ensure_load_balancer") == 2
            clouds.fake.latency.clear()
            clouds.wait(600)
            assert clouds.who_has() == {"alicloud": 1, "fake": 10}

        play(scene)

    def test_emulated_refusals_do_not_touch_the_fakes_nodes(self, play):
        def scene(clouds):
            clouds.join_alicloud("ali", ready="Unknown")
            clouds.join_fake("other")
            clouds.core.faults.add(Fault(kind="error", times=0))
            clouds.start("alicloud,fake", seconds=60)
            clouds.expose("faked", wanted="example.com/fake")
            clouds.expose("plain")
            clouds.wait(30)
            assert clouds.initialised("other")
            assert clouds.address("faked")
            assert clouds.node("ali") is not None
            assert not clouds.initialised("ali")
            assert clouds.address("plain") is None

        play(scene)

    def test_a_provider_that_cannot_be_initialised_is_tried_again_beside_the_other(self, play):
        def scene(clouds):
            clouds.join_fake("other")
            clouds.join_alicloud("ali")
            failing = True

            def initialize(client_builder, stop):
                if failing:
                    raise CloudProviderError("no region")

            clouds.fake.initialize = initialize
            manager = clouds.start("alicloud,fake")
            clouds.expose("faked", wanted="example.com/fake")
            clouds.wait(20)
            assert clouds.initialised("ali")
            assert not clouds.initialised("other")
            text = manager.monitoring.text().decode()
            assert 'cloudprovider_initialized{provider="fake"} 0.0' in text
            assert 'cloudprovider_initialized{provider="alicloud"} 1.0' in text
            assert (
                "provider fake is not initialised: no region"
                in (clouds.said("faked", "SyncLoadBalancerFailed")[0])
            )
            assert manager.health.report("healthz")[0] == 200
            failing = False
            clouds.wait(300)
            assert clouds.initialised("other")
            assert clouds.address("faked")
            assert (
                "[+]cloud-node-controller-fake ok"
                in (manager.health.report("healthz", verbose=True)[1])
            )

        play(scene)

    def test_a_provider_that_is_slow_to_start_holds_up_the_others_for_seconds_only(self, play):
        def scene(clouds):
            clouds.join_alicloud("ali")
            clouds.join_fake("other")
            clouds.fake.initialize = lambda *_: clouds.hub.sleep(300)
            clouds.start("fake,alicloud", seconds=15)
            assert clouds.initialised("ali")
            assert not clouds.initialised("other")
            clouds.wait(300)
            assert clouds.initialised("other")

        play(scene)


class TestRoutes:
    CIDRS = ("10.244.0.0/16",)

    def test_each_cloud_has_the_routes_of_its_nodes_and_one_that_fails_pauses_itself(self, play):
        def scene(clouds):
            clouds.join_alicloud("ali")
            clouds.join_fake("other")
            clouds.join_fake("second")
            for index, name in enumerate(("ali", "other", "second")):
                cidr = f"10.244.{index}.0/24"
                patch = {"spec": {"podCIDR": cidr, "podCIDRs": [cidr]}}
                clouds.user.patch(NODES, name, patch, patch_type="merge")
            clouds.fake.fail("list_routes", CloudProviderError("the cloud is down"))
            clouds.start(
                "alicloud,fake", configure_cloud_routes=True, cluster_cidr=self.CIDRS, seconds=60
            )
            assert clouds.routed() == {"10.244.0.0/24"}
            assert clouds.fake.route_table == []
            clouds.fake.heal()
            clouds.wait(400)
            assert {route.destination_cidr for route in clouds.fake.route_table} == {
                "10.244.1.0/24", "10.244.2.0/24",
            }  # fmt: skip
            assert clouds.routed() == {"10.244.0.0/24"}
            clouds.user.delete(NODES, "second")
            clouds.wait(120)
            assert [r.destination_cidr for r in clouds.fake.route_table] == ["10.244.1.0/24"]
            assert clouds.routed() == {"10.244.0.0/24"}

        play(scene)


class TestSurveys:
    """What somebody changed in one cloud is mended, whatever the other answers."""

    @pytest.mark.parametrize("order", ["alicloud,fake", "fake,alicloud"])
    @pytest.mark.parametrize("trouble", ["fails", "hangs", "is down"])
    def test_what_was_changed_in_one_cloud_is_mended_whatever_the_other_does(
        self, play, order, trouble
    ):
        def scene(clouds):
            clouds.join_alicloud("ali")
            clouds.fake.surveys = True
            if trouble == "fails":
                clouds.fake.fail("survey", RuntimeError("x"))
            elif trouble == "hangs":
                clouds.fake.latency["survey"] = 100.0
            else:
                clouds.fake.initialize = fail
            before = set(clouds.core.state.load_balancers)
            clouds.start(order)
            clouds.expose("web", wanted="alibabacloud.com/clb")
            clouds.wait(400)
            state = clouds.core.state
            [made] = set(state.load_balancers) - before
            [listener] = state.load_balancers[made].listeners
            with clouds.core.lock:
                found = state.listeners[listener]
                state.listeners[listener] = msgspec.structs.replace(found, status="stopped")
            clouds.wait(900)
            assert state.listeners[listener].status == "running"
            assert clouds.who_has() == {"alicloud": 1, "fake": 0}

        def fail(*_):
            raise CloudProviderError("no region")

        play(scene)
