"""A manager with two providers: who has a Service's load balancer, before and after changes."""

import pytest

from cloudprovider.owners import PROVIDER_LABEL

FINALIZER = "service.kubernetes.io/load-balancer-cleanup"


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
            clouds.expose("held", wanted="metallb.io/metallb")
            clouds.change("held", {"metadata": {"finalizers": [FINALIZER]}})
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
            clouds.expose("plain")
            clouds.wait(30)
            clouds.change("plain", {"spec": {"type": "ClusterIP"}})
            clouds.wait(30)
            assert clouds.who_has() == {"alicloud": 0, "fake": 0}
            assert clouds.record("plain") is None
            spec = {"type": "LoadBalancer", "loadBalancerClass": "example.com/fake"}
            clouds.change("plain", {"spec": spec})
            clouds.wait(30)
            assert clouds.who_has() == {"alicloud": 0, "fake": 1}

        play(scene)
