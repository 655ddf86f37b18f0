"""Providers that are busy, hang or fail cost the others nothing."""

import pytest
from router_clouds import FINALIZER, Cloud, routed

from cloudprovider.errors import CloudProviderError, Throttled
from cloudprovider.router import Router
from cloudprovider.testing.builders import make_service
from cloudprovider.testing.virtual import VirtualConcurrency


class TestABusyProvider:
    """Two calls at once: two more wait, the others are told to come again."""

    def call(self, hub, balancers, name, outcomes, wanted="x/a", **old):
        def run():
            service = make_service(name, **(old or {"load_balancer_class": wanted}))
            try:
                balancers.ensure_load_balancer("c", service, ())
                outcomes[name] = hub.monotonic()
            except Throttled as error:
                outcomes[name] = str(error)

        hub.start_thread(run, name=name)
        hub.sleep(0.01)

    def play(self, seconds, scene):
        hub = VirtualConcurrency()

        def main():
            a, b = Cloud("a", concurrency=hub), Cloud("b", concurrency=hub)
            a.latency["ensure_load_balancer"] = seconds
            router = Router((a, b), calls_at_once=2, concurrency=hub)
            router.initialize(None, hub.event())
            assert router.workers == 8
            scene(hub, a, router.load_balancer())

        hub.run(main)
        assert hub.errors() == []

    def test_one_that_hangs_is_called_no_further_and_the_other_is(self):
        def scene(hub, cloud, balancers):
            outcomes = {}
            for name in ("first", "second", "third", "fourth", "fifth"):
                self.call(hub, balancers, name, outcomes)
            assert outcomes == {"fifth": "provider a has 2 calls in flight"}
            self.call(hub, balancers, "other", outcomes, wanted="x/b")
            assert "other" in outcomes
            hub.sleep(1.1)
            assert outcomes["third"] == outcomes["fourth"] == "provider a has 2 calls in flight"
            hub.sleep(60)
            assert cloud.most_at_once() == cloud.count() == 2

        self.play(50.0, scene)

    def test_those_who_ask_whose_an_old_service_is_keep_no_more_workers(self):
        """A hanging cloud is asked about every Service from before, whoever takes it then."""

        def scene(hub, cloud, balancers):
            cloud.latency["get_load_balancer"] = 50.0
            outcomes = {}
            for name in ("first", "second", "third", "fourth", "fifth"):
                self.call(hub, balancers, name, outcomes, finalizers=[FINALIZER])
            assert outcomes == {"fifth": "provider a has 2 calls in flight"}
            hub.sleep(60)
            assert cloud.most_at_once() == cloud.count("get_load_balancer") == 2

        self.play(0.0, scene)

    def test_whoever_waits_goes_on_as_soon_as_a_call_ends(self):
        def scene(hub, cloud, balancers):
            outcomes = {}
            for name in ("first", "second", "third", "fourth"):
                self.call(hub, balancers, name, outcomes)
            hub.sleep(1)
            assert [outcomes[name] for name in ("third", "fourth")] == [
                pytest.approx(0.8), pytest.approx(0.81),
            ]  # fmt: skip
            assert cloud.most_at_once() == 2

        self.play(0.4, scene)


@pytest.mark.parametrize(
    "broken",
    [None, CloudProviderError("down"), KeyError("x"), SystemExit(1)],
    ids=["well", "fails", "crashes", "exits"],
)
def test_a_survey_is_that_of_all_providers_but_those_that_fail(clouds, broken, caplog):
    a, b = clouds
    for cloud in clouds:
        cloud.surveys = True
    balancers = routed(a, b).load_balancer()
    services = [make_service(f"of-{n}", load_balancer_class=f"x/{n}") for n in "ab"]
    for service in services:
        balancers.ensure_load_balancer("c", service, ())
    a.balancers.clear()
    if broken:
        a.fail("survey", broken)
    survey = balancers.survey("c", services[:1])
    assert set(survey.drifted) == (set() if broken else {"uid-of-a"})
    assert set(survey.orphans) == {"uid-of-b"}
    assert set(balancers.survey("c", services).marked) == {"uid-of-b"}
    assert ("provider a could not survey load balancers" in caplog.text) == bool(broken)


def test_a_load_balancer_is_no_orphan_while_its_service_seems_to_be_anothers(clouds):
    a, b = clouds
    a.surveys = True
    balancers = routed(a, b).load_balancer()
    balancers.ensure_load_balancer("c", make_service(load_balancer_class="x/a"), ())
    assert balancers.survey("c", [make_service(load_balancer_class="x/b")]).orphans == {}


def test_without_any_answer_there_is_no_survey(clouds):
    a, b = clouds
    balancers = routed(a, b).load_balancer()
    assert balancers.survey("c", []) is None
    a.surveys = True
    a.fail("survey", KeyError("x"))
    with pytest.raises(CloudProviderError, match="unexpected KeyError"):
        balancers.survey("c", [])
