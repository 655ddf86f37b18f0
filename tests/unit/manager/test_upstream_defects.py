"""What upstream's managers do badly, done better: the rows of the table that concern the process.

Rows 12, 26 to 30 and 37 of ``spec/ccm-core.md`` 6.2; the others are in
``tests/unit/controllers/upstream_defects``.
"""

import pytest

from cloudprovider import registry
from cloudprovider.testing.fake import FakeCloud
from cloudprovider_manager import command
from cloudprovider_manager.access import Access
from cloudprovider_manager.app import Manager
from cloudprovider_manager.election import Election
from cloudprovider_manager.endpoints import Endpoints, Pages
from cloudprovider_manager.flags import FlagError
from cloudprovider_manager.main import main
from cloudprovider_manager.monitoring import Monitoring
from cloudprovider_manager.options import Options

LEASE = "/apis/coordination.k8s.io/v1/namespaces/kube-system/leases/cloud-controller-manager"


def problems(*arguments):
    with pytest.raises(FlagError) as caught:
        command.read(["--cloud-provider=stub", *arguments])
    return caught.value.problems


@pytest.mark.defect(12)
@pytest.mark.parametrize(
    "flag",
    [
        "--concurrent-service-syncs=0",
        "--concurrent-service-syncs=-1",
        "--concurrent-node-syncs=0",
        "--concurrent-node-syncs=-3",
        "--concurrent-node-status-updates=-1",
        "--node-monitor-period=0s",
        "--node-monitor-period=-5s",
        "--node-status-update-frequency=0",
        "--node-status-update-frequency=-1m",
        "--route-reconciliation-period=0s",
        "--route-reconciliation-period=-10s",
        "--controller-start-interval=-1s",
        "--min-resync-period=-1s",
    ],
)
def test_row_12_worker_counts_and_periods_that_cannot_work_are_refused(stub, flag):
    (problem,) = problems(flag)
    assert problem.startswith(flag.partition("=")[0])
    assert "accepted: " in problem


def answer(manager, path):
    """Status and body that the health port of ``manager`` gives for ``path``."""
    got = []
    environ = {
        "REQUEST_METHOD": "GET", "PATH_INFO": path, "QUERY_STRING": "",
        "REMOTE_ADDR": "203.0.113.9",
    }  # fmt: skip
    port = Endpoints(manager.health, Pages(), None)
    body = b"".join(port(environ, lambda status, _: got.append(int(status[:3]))))
    return got[0], body.decode()


@pytest.mark.defect(26)
def test_row_26_health_is_served_on_all_three_paths_and_for_each_check(world):
    def script():
        manager = world.start(cloud=FakeCloud(concurrency=world.time))
        world.time.sleep(1)
        checks = [check.name for check in manager.health.checks("livez")]
        assert {"leaderElection", "service-lb-controller", "cloud-node-controller"} < set(checks)
        for end in ("/healthz", "/livez", "/readyz"):
            assert answer(manager, end) == (200, "ok")
            for name in checks:
                assert answer(manager, f"{end}/{name}") == (200, "ok")
        world.stops["one"].set()
        world.time.sleep(0.1)
        assert answer(manager, "/readyz")[0] == 500  # no new work: others should be asked
        assert answer(manager, "/livez")[0] == 200
        world.time.sleep(5)

    world.run(script)


@pytest.mark.defect(27)
@pytest.mark.gap("SIGTERM releases the lease")
def test_row_27_a_stopped_leader_gives_the_lease_back_and_the_next_leads_at_once(world):
    led = []

    def script():
        world.start("one")
        world.time.sleep(1)
        cloud = world.cloud()
        world.start("two", cloud)
        world.time.sleep(30)
        stopped = world.time.monotonic()
        world.stops["one"].set()
        while not cloud.initialized:
            world.time.sleep(0.1)
        led.append(world.time.monotonic() - stopped)
        assert world.codes == {"one": 0}
        world.stops["two"].set()
        world.time.sleep(5)

    world.run(script)
    assert led[0] < 6  # upstream: 15 to 20 s on every roll-out
    assert world.codes == {"one": 0, "two": 0}
    assert world.api.holder() == ""


@pytest.mark.defect(28)
@pytest.mark.gap("start without --cluster-cidr")
class TestRow28:
    def test_row_28_routes_asked_for_without_a_range_are_refused_before_anything_starts(
        self, stub, capsys
    ):
        assert main(["--cloud-provider=stub", "--configure-cloud-routes=true"]) == 1
        said = capsys.readouterr().err
        assert "--cluster-cidr must be set when --configure-cloud-routes=true" in said
        assert "or --configure-cloud-routes=false" in said

    def test_row_28_a_manager_nobody_asked_for_routes_starts_without_them(self, world):
        cloud = FakeCloud(concurrency=world.time)

        def script():
            manager = world.start(cloud=cloud)
            world.time.sleep(30)
            assert world.codes == {}
            assert manager.health.report("readyz")[0] == 200
            assert cloud.count("list_routes") == 0
            world.stops["one"].set()
            world.time.sleep(5)

        world.run(script)
        assert world.codes == {"one": 0}

    def test_row_28_it_is_warned_of(self, stub):
        warnings = command.read(["--cloud-provider=stub"]).warnings
        assert "--cluster-cidr is not given: routes are not managed" in warnings


@pytest.mark.defect(29)
def test_row_29_leader_migration_is_refused_instead_of_half_working(stub):
    (problem,) = problems("--enable-leader-migration=true")
    assert "--enable-leader-migration=true is refused" in problem
    assert "stop the cloud loops of kube-controller-manager" in problem
    assert command.read(["--cloud-provider=stub", "--enable-leader-migration=false"]).options


@pytest.mark.defect(30)
def test_row_30_a_standby_does_not_build_the_provider(world):
    built = []

    def factory(config):
        built.append(config)
        return world.cloud()

    registry.register_cloud_provider("counted", factory)
    options = Options(cloud_provider="counted", secure_port=0)

    def start(name, stop):
        manager = Manager(options, transport=world.api, concurrency=world.time)
        world.time.start_process(
            lambda: world.codes.update({name: manager.run(stop)}), process=name
        )
        world.time.sleep(2)

    def script():
        stops = [world.time.event(), world.time.event()]
        start("one", stops[0])
        start("two", stops[1])
        world.time.sleep(60)
        assert len(built) == 1
        stops[0].set()
        world.time.sleep(8)
        assert len(built) == 2
        stops[1].set()
        world.time.sleep(5)

    try:
        world.run(script)
    finally:
        registry.unregister_cloud_provider("counted")
    assert world.codes == {"one": 0, "two": 0}


class TestRow37:
    @pytest.mark.defect(37)
    def test_row_37_a_leader_that_sees_another_holder_stops_writing_at_once(self, world):
        time, api = world.time, world.api

        def script():
            options = Options(cloud_provider="fake")
            monitoring = Monitoring()
            access = Access.open(options, api, monitoring.runtime, concurrency=time)
            election = Election(options, access, monitoring, concurrency=time)
            election.start(lambda: None, lambda: None)
            time.sleep(1)
            assert election.may_write()
            api.objects[LEASE]["spec"]["holderIdentity"] = "another"
            api.objects[LEASE]["metadata"]["resourceVersion"] = "999"
            seen = len(api.calls)
            # Until its next renewal it cannot know; from then on it may not write.
            while not any(method == "GET" for _, method, _ in api.calls[seen:]):
                time.sleep(0.01)
            time.sleep(0.05)
            assert not election.may_write()
            assert api.holder() == "another"

        world.run(script)

    @pytest.mark.defect(37)
    @pytest.mark.gap("leader loss ⇒ exit 1")
    def test_row_37_and_its_process_ends_with_1(self, world):
        ended = []

        def script():
            world.start()
            world.time.sleep(1)
            world.api.objects[LEASE]["spec"]["holderIdentity"] = "another"
            world.api.objects[LEASE]["metadata"]["resourceVersion"] = "999"
            taken = world.time.monotonic()
            while "one" not in world.codes:
                world.time.sleep(0.05)
            ended.append(world.time.monotonic() - taken)

        world.run(script)
        assert world.codes == {"one": 1}
        assert ended[0] < 3  # --leader-elect-retry-period; upstream works on for 10 s
        assert world.api.holder() == "another"


CONTROLLERS = {
    "cloud-node-controller": "cloud-node",
    "cloud-node-lifecycle-controller": "cloud-node-lifecycle",
    "service-lb-controller": "service",
    "node-route-controller": "route",
}


@pytest.mark.gap("--controllers × 4 names × alias × minus")  # noqa: RUF001
@pytest.mark.parametrize("alias", [False, True], ids=["name", "alias"])
@pytest.mark.parametrize("minus", [False, True], ids=["plus", "minus"])
@pytest.mark.parametrize("name", CONTROLLERS)
def test_each_controller_is_chosen_by_name_and_alias(world, name, minus, alias):
    """What runs, as the health checks of a leader tell."""
    item = CONTROLLERS[name] if alias else name
    chosen = ("*", f"-{item}") if minus else (item,)
    others = {other for other in CONTROLLERS if other != name}
    running = []

    def script():
        manager = world.start(
            cloud=FakeCloud(concurrency=world.time),
            controllers=chosen,
            cluster_cidr=("10.244.0.0/16",),
        )
        world.time.sleep(1)
        running.extend(check.name for check in manager.health.checks("livez"))
        world.stops["one"].set()
        world.time.sleep(5)

    world.run(script)
    assert set(running) & set(CONTROLLERS) == (others if minus else {name})
    assert world.codes == {"one": 0}


@pytest.mark.gap("API server down at start (10s)")
def test_an_api_server_that_comes_ten_seconds_late_is_waited_for(world):
    cloud = FakeCloud(concurrency=world.time)

    def script():
        world.api.down = True
        manager = world.start(cloud=cloud)
        world.time.sleep(10)
        assert (cloud.initialized, world.codes) == (False, {})
        assert manager.health.report("livez")[0] == 200  # nothing that a restart would mend
        world.api.down = False
        world.time.sleep(10)
        assert cloud.initialized
        assert manager.health.report("readyz")[0] == 200
        world.stops["one"].set()
        world.time.sleep(5)

    world.run(script)
    assert world.codes == {"one": 0}
