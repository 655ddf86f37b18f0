"""A manager with two providers: who gets what, and what one cloud's failure costs the other."""

import msgspec
import pytest

from cloudprovider.errors import CloudProviderError
from cloudprovider.owners import PROVIDER_LABEL
from cloudprovider.testing.faults import Fault

#: Calls of a fake cloud that is down.
DOWN = ("ensure_load_balancer", "instance_metadata_many", "instance_states_many")
FINALIZER = "service.kubernetes.io/load-balancer-cleanup"


class TestNodes:
    def test_each_provider_initialises_its_own(self, play):
        def scene(clouds):
            clouds.join_alicloud("ali")
            clouds.join_fake("other")
            clouds.join_foreign("foreign")
            clouds.start("alicloud,fake")
            assert clouds.initialised("ali")
            assert clouds.initialised("other")
            assert not clouds.initialised("foreign")
            assert {call.key or call.nodes for call in clouds.fake.called("instance*")} == {
                ("other",)
            }

        play(scene)

    @pytest.mark.parametrize("order", ["alicloud,fake", "fake,alicloud"])
    def test_without_provider_id_the_label_decides(self, play, order):
        def scene(clouds):
            clouds.join_alicloud("ali", provider_id=False, label="alicloud")
            clouds.join_fake("other", provider_id=False, label="fake")
            clouds.start(order)
            assert clouds.initialised("ali")
            assert clouds.node("other").spec.provider_id == "fake://other"

        play(scene)

    def test_without_either_the_default_is_asked_and_the_event_says_so(self, play):
        def scene(clouds):
            clouds.join_alicloud("ali", provider_id=False)
            clouds.join_fake("other", provider_id=False)
            clouds.start("alicloud,fake", seconds=120)
            assert clouds.initialised("ali")
            assert not clouds.initialised("other")
            (text,) = clouds.said("other", "FailedToInitialize")
            assert "from provider alicloud (the default one; without providerID and label" in text
            assert "name other: nothing" in text
            assert clouds.fake.called("instance*") == []

        play(scene)

    def test_only_a_node_that_its_owner_misses_is_deleted(self, play):
        def scene(clouds):
            for index in range(4):
                clouds.join_alicloud(f"ali-{index}")
                clouds.join_fake(f"other-{index}")
            clouds.join_foreign("foreign")
            clouds.start("alicloud,fake", seconds=30)
            for name in ("ali-0", "other-0", "foreign"):
                clouds.lose(name)
            clouds.wait(60)
            assert clouds.node("ali-0") is None
            assert clouds.node("other-0") is None
            assert clouds.node("foreign") is not None
            assert all(clouds.node(f"{kind}-{i}") for kind in ("ali", "other") for i in (1, 2, 3))

        play(scene)

    def test_too_many_missing_in_one_cloud_pause_only_that_one(self, play):
        def scene(clouds):
            for index in range(6):
                clouds.join_alicloud(f"ali-{index}")
                clouds.join_fake(f"other-{index}")
            manager = clouds.start("alicloud,fake", seconds=30)
            for index in range(3):
                clouds.lose(f"other-{index}")  # half of this cloud, a quarter of all
            clouds.lose("ali-0")
            clouds.wait(120)
            assert clouds.node("ali-0") is None
            assert all(clouds.node(f"other-{index}") for index in range(6))
            text = manager.monitoring.text().decode()
            assert 'node_lifecycle_controller_deletions_paused{provider="fake"} 1.0' in text
            assert 'node_lifecycle_controller_deletions_paused{provider="alicloud"} 0.0' in text

        play(scene)

    def test_a_node_that_two_claim_is_left_alone_and_told_of_once(self, play):
        def scene(clouds):
            clouds.fake.claims_node = lambda node: bool(node.spec.provider_id)
            clouds.join_alicloud("ali")
            manager = clouds.start("alicloud,fake", seconds=60)
            assert not clouds.initialised("ali")
            (text,) = clouds.said("ali", "OwnerUnclear")
            assert "claimed by the providers alicloud and fake" in text
            assert 'disputed_nodes{provider="alicloud"} 1.0' in manager.monitoring.text().decode()
            clouds.lose("ali")
            clouds.wait(120)
            assert clouds.node("ali") is not None
            assert clouds.fake.called("instance*") == []

        play(scene)

    def test_the_label_settles_what_two_claim(self, play):
        def scene(clouds):
            clouds.fake.claims_node = lambda node: bool(node.spec.provider_id)
            clouds.join_alicloud("ali", label="alicloud")
            clouds.start("alicloud,fake")
            assert clouds.initialised("ali")
            assert clouds.events("ali")[-1][0] == "Synced"

        play(scene)

    @pytest.mark.parametrize("names", ["alicloud", "alicloud,fake"])
    def test_a_node_labelled_for_another_manager_is_left_alone(self, play, names):
        def scene(clouds):
            clouds.join_alicloud("ali", label="elsewhere")
            clouds.start(names)
            assert not clouds.initialised("ali")
            clouds.lose("ali")
            clouds.wait(120)
            assert clouds.node("ali") is not None

        play(scene)


class TestServices:
    def test_each_class_gets_its_provider_and_its_nodes(self, play):
        def scene(clouds):
            clouds.join_alicloud("ali")
            clouds.join_fake("other")
            clouds.start("alicloud,fake")
            clouds.expose("plain")
            clouds.expose("clb", wanted="alibabacloud.com/clb")
            clouds.expose("faked", wanted="example.com/fake")
            clouds.wait(30)
            assert clouds.who_has() == {"alicloud": 2, "fake": 1}
            (balancer,) = clouds.fake.balancers.values()
            assert balancer.nodes == ("other",)
            assert [clouds.record(name) for name in ("plain", "clb", "faked")] == [
                "alicloud", "alicloud", "fake",
            ]  # fmt: skip
            assert all(clouds.address(name) for name in ("plain", "clb", "faked"))
            for name in ("plain", "clb", "faked"):
                clouds.delete(name)
            clouds.wait(30)
            assert clouds.who_has() == {"alicloud": 0, "fake": 0}
            assert clouds.service("faked") is None

        play(scene)

    def test_without_a_node_of_its_own_cloud_a_service_is_told_so(self, play):
        def scene(clouds):
            clouds.join_alicloud("ali")
            clouds.start("alicloud,fake")
            clouds.expose("plain")
            clouds.expose("faked", wanted="example.com/fake")
            clouds.wait(30)
            assert len(clouds.said("faked", "UnAvailableLoadBalancer")) == 1
            assert clouds.said("plain", "UnAvailableLoadBalancer") == []
            clouds.join_fake("other")
            clouds.wait(30)
            (balancer,) = clouds.fake.balancers.values()
            assert balancer.nodes == ("other",)
            assert len(clouds.said("faked", "UpdatedLoadBalancer")) == 1
            assert clouds.said("plain", "UpdatedLoadBalancer") == []

        play(scene)

    @pytest.mark.parametrize("names", ["alicloud", "alicloud,fake", "fake"])
    def test_a_class_that_nobody_claims_stays_untouched(self, play, names):
        def scene(clouds):
            clouds.start(names)
            clouds.expose("foreign", wanted="metallb.io/metallb")
            service = clouds.expose("held", wanted="metallb.io/metallb")
            patch = {"metadata": {"finalizers": [FINALIZER]}}
            clouds.user.patch(
                type_of(service), "held", patch, namespace="default", patch_type="merge"
            )
            clouds.wait(30)
            clouds.delete("held")
            clouds.wait(30)
            foreign = clouds.service("foreign")
            assert not foreign.metadata.finalizers
            assert not foreign.metadata.labels
            assert clouds.events("foreign") == clouds.events("held") == []
            assert clouds.service("held").metadata.finalizers == (FINALIZER,)
            assert clouds.who_has() == {"alicloud": 0, "fake": 0}

        play(scene)

    def test_one_provider_alone_takes_its_class(self, play):
        def scene(clouds):
            clouds.start("fake")
            clouds.expose("faked", wanted="example.com/fake")
            clouds.wait(10)
            assert clouds.who_has() == {"alicloud": 0, "fake": 1}
            assert clouds.record("faked") == "fake"

        play(scene)

    def test_nothing_is_written_by_a_restart(self, play):
        def scene(clouds):
            clouds.join_alicloud("ali")
            clouds.join_fake("other")
            clouds.start("alicloud,fake")
            clouds.expose("plain")
            clouds.expose("faked", wanted="example.com/fake")
            clouds.wait(60)
            changes, version = clouds.core.state.changes, clouds.server.store.version
            clouds.fake.forget_calls()
            clouds.start("alicloud,fake", seconds=120)
            assert clouds.core.state.changes == changes
            assert clouds.fake.writes == 0
            assert clouds.server.store.version == version

        play(scene)

    @pytest.mark.parametrize(
        ("before", "after"),
        [
            ("alicloud,fake", "fake,alicloud"),
            ("fake,alicloud", "alicloud,fake"),
            ("alicloud", "fake,alicloud"),
            ("fake", "alicloud,fake"),
        ],
        ids=["turned", "turned back", "one added in front", "the other added in front"],
    )
    def test_another_order_moves_nothing(self, play, before, after):
        def scene(clouds):
            clouds.start(before)
            clouds.expose("plain")
            clouds.wait(30)
            held, address = clouds.who_has(), clouds.address("plain")
            clouds.start(after, seconds=60)
            assert (clouds.who_has(), clouds.address("plain")) == (held, address)
            assert clouds.record("plain") == before.partition(",")[0]
            clouds.delete("plain")
            clouds.wait(30)
            assert clouds.who_has() == {"alicloud": 0, "fake": 0}
            assert clouds.service("plain") is None

        play(scene)

    @pytest.mark.parametrize("maker", ["alicloud", "fake"])
    def test_a_service_from_before_anything_was_recorded_keeps_its_cloud(self, play, maker):
        """What another manager left: a finalizer and an address, no label of ours."""

        def scene(clouds):
            clouds.start(maker)
            clouds.expose("plain")
            clouds.wait(30)
            clouds.stop()
            held = clouds.who_has()
            clouds.label("plain", None)
            others = ["alicloud", "fake"]
            others.remove(maker)
            clouds.start(f"{others[0]},{maker}", seconds=60)
            assert clouds.who_has() == held
            assert clouds.record("plain") == maker

        play(scene)

    @pytest.mark.parametrize("wanted", [None, "example.com/fake"], ids=["no class", "class"])
    def test_deleted_while_its_provider_is_missing_it_waits_and_says_for_whom(self, play, wanted):
        def scene(clouds):
            clouds.start("fake")
            clouds.expose("plain", wanted=wanted)
            clouds.wait(10)
            clouds.start("alicloud", seconds=60)
            assert clouds.who_has() == {"alicloud": 0, "fake": 1}
            clouds.delete("plain")
            clouds.wait(300)
            assert clouds.service("plain").metadata.finalizers == (FINALIZER,)
            texts = clouds.said("plain", "SyncLoadBalancerFailed")
            assert "belongs to provider fake" in texts[-1]
            assert "--cloud-provider names alicloud" in texts[-1]
            assert len(texts) <= 2
            clouds.start("alicloud,fake", seconds=30)
            assert clouds.service("plain") is None
            assert clouds.who_has() == {"alicloud": 0, "fake": 0}

        play(scene)

    @pytest.mark.parametrize("value", ["fake", "elsewhere", None])
    def test_the_record_is_put_back_when_somebody_changes_it(self, play, value):
        def scene(clouds):
            clouds.start("alicloud,fake", default_load_balancer_provider="none")
            clouds.expose("plain", labels={PROVIDER_LABEL: "alicloud"})
            clouds.wait(30)
            address = clouds.address("plain")
            clouds.label("plain", value)
            clouds.wait(30)
            assert clouds.record("plain") == "alicloud"
            assert clouds.address("plain") == address
            assert clouds.who_has() == {"alicloud": 1, "fake": 0}
            assert clouds.fake.called("*load_balancer*") == []

        play(scene)

    def test_a_record_that_contradicts_a_mark_is_believed_by_nobody(self, play):
        """Changed while no manager ran: the id label still says who made the balancer."""

        def scene(clouds):
            clouds.start("alicloud,fake")
            clouds.expose("plain")
            clouds.wait(30)
            clouds.stop()
            clouds.label("plain", "fake")
            clouds.start("alicloud,fake", seconds=120)
            assert clouds.who_has() == {"alicloud": 1, "fake": 0}
            (text,) = clouds.said("plain", "SyncLoadBalancerFailed")
            assert "it carries the mark of alicloud" in text
            clouds.label("plain", "alicloud")
            clouds.delete("plain")
            clouds.wait(60)
            assert clouds.who_has() == {"alicloud": 0, "fake": 0}

        play(scene)

    @pytest.mark.parametrize(
        ("default", "expected"),
        [("fake", {"alicloud": 0, "fake": 1}), ("none", {"alicloud": 0, "fake": 0})],
    )
    def test_the_default_provider_of_load_balancers(self, play, default, expected):
        def scene(clouds):
            clouds.start("alicloud,fake", default_load_balancer_provider=default)
            clouds.expose("plain")
            clouds.wait(30)
            assert clouds.who_has() == expected

        play(scene)

    def test_one_alone_can_leave_services_without_class_alone(self, play):
        def scene(clouds):
            clouds.start("fake", default_load_balancer_provider="none")
            clouds.expose("plain")
            clouds.expose("faked", wanted="example.com/fake")
            clouds.wait(30)
            assert clouds.who_has() == {"alicloud": 0, "fake": 1}
            assert clouds.service("plain").metadata.finalizers is None
            assert clouds.events("plain") == []

        play(scene)

    def test_a_change_of_type_and_class_moves_the_balancer(self, play):
        def scene(clouds):
            clouds.start("alicloud,fake")
            service = clouds.expose("plain")
            clouds.wait(30)
            change(clouds, service, {"type": "ClusterIP"})
            clouds.wait(30)
            assert clouds.who_has() == {"alicloud": 0, "fake": 0}
            assert clouds.record("plain") is None
            change(
                clouds, service, {"type": "LoadBalancer", "loadBalancerClass": "example.com/fake"}
            )
            clouds.wait(30)
            assert clouds.who_has() == {"alicloud": 0, "fake": 1}

        play(scene)


class TestFailures:
    def test_a_cloud_that_is_down_leaves_the_other_working(self, play):
        def scene(clouds):
            clouds.join_alicloud("ali")
            clouds.join_fake("other")
            for method in (
                "ensure_load_balancer",
                "instance_metadata_many",
                "instance_states_many",
            ):
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
                clouds.user.patch(type_of(clouds.node(name)), name, patch, patch_type="merge")
            clouds.fake.fail("list_routes", CloudProviderError("the cloud is down"))
            clouds.start(
                "alicloud,fake", configure_cloud_routes=True, cluster_cidr=self.CIDRS, seconds=60
            )
            assert routed(clouds) == {"10.244.0.0/24"}
            assert clouds.fake.route_table == []
            clouds.fake.heal()
            clouds.wait(400)
            assert {route.destination_cidr for route in clouds.fake.route_table} == {
                "10.244.1.0/24", "10.244.2.0/24",
            }  # fmt: skip
            assert routed(clouds) == {"10.244.0.0/24"}
            clouds.user.delete(type_of(clouds.node("second")), "second")
            clouds.wait(120)
            assert [r.destination_cidr for r in clouds.fake.route_table] == ["10.244.1.0/24"]
            assert routed(clouds) == {"10.244.0.0/24"}

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


def routed(clouds):
    return {
        entry.cidr
        for entry in clouds.core.state.route_entries.values()
        if entry.cidr.startswith("10.244.")
    }


def type_of(obj):
    from cloudprovider_controllers.runtime.resources import NODES, SERVICES

    return {"Node": NODES, "Service": SERVICES}[type(obj).__name__]


def change(clouds, service, spec):
    clouds.user.patch(
        type_of(service), service.metadata.name, {"spec": spec}, namespace="default",
        patch_type="merge",
    )  # fmt: skip
