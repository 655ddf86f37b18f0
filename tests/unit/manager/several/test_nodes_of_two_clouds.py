"""A manager with two providers: whose a Node is, and who may delete it."""

import pytest


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
