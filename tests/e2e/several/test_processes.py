"""``--cloud-provider=alicloud,fake`` as a process: both clouds served, each failing alone."""

import pytest

pytestmark = pytest.mark.e2e


def test_both_clouds_are_served_and_a_foreign_node_is_kept(clouds, until):
    for name, cloud in (("ali", "alicloud"), ("mine", "fake"), ("second", "fake")):
        clouds.join(name, cloud)
    clouds.join("foreign", "other")
    clouds.start()
    until(lambda: all(clouds.initialized(name) for name in ("ali", "mine", "second")), "nodes")
    clouds.expose("plain")
    clouds.expose("faked", wanted="example.com/fake")
    clouds.expose("elsewhere", wanted="example.com/other")
    until(lambda: clouds.address("plain") and clouds.address("faked"), "addresses")
    assert (clouds.record("plain"), clouds.record("faked")) == ("alicloud", "fake")
    (balancer,) = clouds.fake_cloud()["balancers"].values()
    assert balancer["nodes"] == ["mine", "second"]

    clouds.terminate("second")
    clouds.fall_silent("second", "foreign")
    until(lambda: "second" not in clouds.node_names(), "deletion")
    assert clouds.node_names() == {"ali", "mine", "foreign"}
    assert not clouds.initialized("foreign")
    untouched = clouds.service("elsewhere").metadata
    assert (untouched.finalizers, untouched.labels) == (None, None)

    text = clouds.get("/healthz?verbose")
    assert "[+]cloud-node-controller-alicloud ok" in text
    assert "[+]cloud-node-controller-fake ok" in text
    assert "[+]service-lb-controller ok" in text
    assert 'cloudprovider_initialized{provider="fake"} 1.0' in clouds.get("/metrics")
    assert '"cloud-provider": "alicloud,fake"' in clouds.get("/configz").replace('":"', '": "')
    clouds.delete("plain")
    clouds.delete("faked")
    until(lambda: not (clouds.service("plain") or clouds.service("faked")), "clean-up")
    assert clouds.fake_cloud()["balancers"] == {}
    assert clouds.stop() == 0
    assert "Traceback" not in clouds.log.read_text()


def test_one_cloud_down_leaves_the_other_working(clouds, until):
    clouds.break_fake(ensure_load_balancer="it is down", instance_metadata_many="it is down")
    clouds.join("ali", "alicloud")
    clouds.join("mine", "fake")
    clouds.start("fake,alicloud")
    clouds.expose("faked")
    clouds.expose("clb", wanted="alibabacloud.com/clb")
    until(lambda: clouds.initialized("ali") and clouds.address("clb"), "the other cloud")
    until(lambda: clouds.messages("faked", "SyncLoadBalancerFailed"), "an event")
    assert "it is down" in clouds.messages("faked", "SyncLoadBalancerFailed")[0]
    assert not clouds.initialized("mine")
    clouds.fall_silent("mine")
    clouds.break_fake()
    until(lambda: clouds.initialized("mine") and clouds.address("faked"), "the healed cloud", 30)
    assert clouds.node_names() == {"ali", "mine"}


def test_a_balancer_outlives_that_its_provider_is_taken_away_and_put_in_front(clouds, until):
    clouds.start("fake", config=f"{clouds.folder}/fake.json")
    clouds.expose("plain")
    until(lambda: clouds.address("plain"), "address")
    address = clouds.address("plain")
    clouds.start("alicloud", config=f"{clouds.folder}/alicloud.conf")
    until(lambda: clouds.messages("plain", "SyncLoadBalancerFailed"), "an event")
    (text,) = clouds.messages("plain", "SyncLoadBalancerFailed")
    assert "belongs to provider fake" in text
    clouds.delete("plain")
    clouds.start("alicloud,fake")
    until(lambda: clouds.service("plain") is None, "clean-up", 30)
    assert address
    assert clouds.fake_cloud()["balancers"] == {}


@pytest.mark.parametrize(
    ("providers", "config", "texts"),
    [
        ("alicloud,alicloud", "", ["alicloud is named 2 times; accepted: each provider once"]),
        ("alicloud,", "", ["an item is empty"]),
        ("alicloud,external", "", ['cloud provider "external" is for kubelet']),
        ("alicloud,fakee", "", ['unknown cloud provider "fakee"', "Did you mean 'fake'?"]),
        (
            "alicloud,fake",
            "/etc/x.conf",
            ["'/etc/x.conf' does not say which provider it is for", "NAME one of alicloud, fake"],
        ),
        ("alicloud,fake", "aws=/etc/x.conf", ["'aws' is not in --cloud-provider"]),
        ("alicloud,fake", "fake=/no/such", ["--cloud-config=/no/such: no such file"]),
    ],
    ids=["twice", "empty", "external", "unknown", "plain path", "foreign name", "no file"],
)
def test_what_cannot_be_is_refused_with_what_can(clouds, providers, config, texts):
    said = clouds.start(providers, config=config).refused()
    for text in texts:
        assert text in said
    assert "Traceback" not in said


def test_a_faulty_configuration_of_one_names_it_before_anything_starts(clouds):
    (clouds.folder / "fake.json").write_text('{"world": 3}')
    said = clouds.start().refused()
    assert 'could not init cloud provider "fake"' in said
    assert "started cloud-node-controller" not in said
