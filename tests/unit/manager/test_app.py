"""A manager's life, from the election to the lease given back, on virtual time."""

import itertools

import pytest

from cloudprovider.errors import CloudProviderError
from cloudprovider.testing.fake import FakeCloud


def test_it_leads_serves_and_gives_the_lease_back(world):
    cloud = world.cloud()

    def script():
        manager = world.start(cloud=cloud)
        world.time.sleep(1)
        assert world.api.holder().startswith("virtual-host_")
        assert cloud.initialized == 1
        status, text = manager.health.report("readyz", verbose=True)
        assert status == 200
        assert "[+]leaderElection ok" in text
        assert "[+]service-lb-controller ok" in text
        world.stops["one"].set()
        world.time.sleep(5)

    world.run(script)
    assert world.codes == {"one": 0}
    assert world.api.holder() == ""
    assert any("became leader" in text for text in world.api.events())
    assert any("stopped leading" in text for text in world.api.events())


def test_a_standby_builds_no_provider_and_takes_over_at_once(world):
    clouds = {"one": world.cloud(), "two": world.cloud()}

    def script():
        world.start("one", clouds["one"])
        world.time.sleep(1)
        world.start("two", clouds["two"])
        world.time.sleep(30)
        assert (clouds["one"].initialized, clouds["two"].initialized) == (1, 0)
        assert world.managers["two"].health.report("readyz")[0] == 200
        world.stops["one"].set()
        world.time.sleep(6)
        assert clouds["two"].initialized == 1
        world.stops["two"].set()
        world.time.sleep(6)

    world.run(script)
    assert world.codes == {"one": 0, "two": 0}


def test_a_lost_lease_ends_the_process_before_another_may_lead(world):
    ended = []

    def script():
        world.start(cloud=world.cloud())
        world.time.sleep(1)
        world.api.down = True
        cut = world.time.monotonic()
        while "one" not in world.codes:
            world.time.sleep(0.1)
        ended.append(world.time.monotonic() - cut)

    world.run(script)
    assert world.codes == {"one": 1}
    assert ended[0] < 15.0


def test_without_election_it_leads_at_once(world):
    cloud = world.cloud()

    def script():
        world.start(cloud=cloud, leader_elect=False)
        world.time.sleep(0.5)
        assert cloud.initialized == 1
        world.stops["one"].set()
        world.time.sleep(3)

    world.run(script)
    assert world.codes == {"one": 0}
    assert world.api.lease() is None


@pytest.mark.parametrize(
    ("failure", "text"),
    [
        (CloudProviderError("no region"), "error running controllers: no region"),
        (RuntimeError("secret-canary"), "unexpected RuntimeError"),
        (SystemExit(3), "unexpected SystemExit"),
    ],
    ids=["ours", "foreign", "exit"],
)
def test_a_provider_that_fails_ends_the_process_and_frees_the_lease(world, caplog, failure, text):
    def script():
        world.start(cloud=world.cloud(failure=failure))
        world.time.sleep(5)

    world.run(script)
    assert world.codes == {"one": 1}
    assert world.api.holder() == ""
    assert text in caplog.text
    assert "secret-canary" not in caplog.text


def test_a_provider_without_cluster_id_is_refused(world, caplog):
    def script():
        world.start(cloud=world.cloud(cluster_id=False))
        world.time.sleep(5)

    world.run(script)
    assert world.codes == {"one": 1}
    assert "no ClusterID found" in caplog.text


def test_a_provider_without_cluster_id_runs_where_that_is_allowed(world, caplog):
    def script():
        world.start(cloud=world.cloud(cluster_id=False), allow_untagged_cloud=True)
        world.time.sleep(5)
        world.stops["one"].set()
        world.time.sleep(5)

    world.run(script)
    assert world.codes == {"one": 0}
    assert "no ClusterID found" in caplog.text


def test_work_that_does_not_end_keeps_the_lease(world, caplog):
    def script():
        world.start(cloud=world.cloud(slow=lambda: world.time.sleep(3600)), shutdown_timeout=4.0)
        world.time.sleep(1)
        world.stops["one"].set()
        started = world.time.monotonic()
        while "one" not in world.codes:
            world.time.sleep(0.1)
        assert world.time.monotonic() - started < 5

    world.run(script)
    assert world.codes == {"one": 1}
    assert world.api.holder() != ""
    assert "the lease is left to expire" in caplog.text


def test_a_stop_before_the_election_is_won_ends_in_order(world):
    def script():
        world.start("one")
        world.time.sleep(1)
        world.start("two")
        world.time.sleep(1)
        world.stops["two"].set()
        world.time.sleep(3)
        assert world.codes == {"two": 0}
        world.stops["one"].set()
        world.time.sleep(5)

    world.run(script)


def test_controllers_that_are_switched_off_do_not_run(world, caplog):
    def script():
        manager = world.start(controllers=("*", "-service"))
        world.time.sleep(1)
        assert "service" not in manager.health.report("healthz", verbose=True)[1]
        world.stops["one"].set()
        world.time.sleep(5)

    with caplog.at_level("INFO"):
        world.run(script)
    assert "service-lb-controller is disabled" in caplog.text
    assert world.codes == {"one": 0}


def test_metrics_name_the_running_controllers(world):
    def script():
        manager = world.start()
        world.time.sleep(1)
        text = manager.monitoring.text().decode()
        assert 'name="service"' in text
        assert "running_managed_controllers" in text
        assert 'leader_election_master_status{name="cloud-controller-manager"} 1.0' in text
        world.stops["one"].set()
        world.time.sleep(5)

    world.run(script)


def test_a_cloud_with_instances_has_both_loops_of_nodes(world):
    def script():
        manager = world.start(cloud=FakeCloud(concurrency=world.time))
        world.time.sleep(1)
        report = manager.health.report("healthz", verbose=True)[1]
        assert "[+]cloud-node-controller ok" in report
        assert "[+]cloud-node-lifecycle-controller ok" in report
        text = manager.monitoring.text().decode()
        assert 'name="cloud-node-lifecycle"} 1.0' in text
        assert "node_lifecycle_controller_deletions_paused 0.0" in text
        world.stops["one"].set()
        world.time.sleep(5)

    world.run(script)
    assert world.codes == {"one": 0}


def test_controllers_start_once_to_twice_the_interval_apart(world):
    starts = {}

    def script():
        manager = world.start(
            cloud=FakeCloud(), cluster_cidr=("10.0.0.0/8",), controller_start_interval=10.0
        )
        while len(starts) < 4 and world.time.monotonic() < 120:
            for check in manager.health.checks("healthz"):
                if check.name.endswith("-controller"):
                    starts.setdefault(check.name, world.time.monotonic())
            world.time.sleep(0.1)
        world.stops["one"].set()
        world.time.sleep(5)

    world.run(script)
    times = sorted(starts.values())
    assert len(times) == 4
    assert times[0] < 1
    assert all(9.8 < b - a < 20.2 for a, b in itertools.pairwise(times))
    assert world.codes == {"one": 0}
