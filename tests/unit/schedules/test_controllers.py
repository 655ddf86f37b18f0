"""Events, health, and controllers that start and stop, in many orders."""

import functools

import prometheus_client

from cloudprovider.testing.builders import make_node
from cloudprovider.testing.fake import FakeCloud
from cloudprovider.testing.schedules import explore
from cloudprovider_controllers.context import ControllerContext, Informers
from cloudprovider_controllers.node import controller as node
from cloudprovider_controllers.nodelifecycle import controller as lifecycle
from cloudprovider_controllers.runtime.informer import Informer
from cloudprovider_controllers.runtime.recorder import EventRecorder
from cloudprovider_controllers.runtime.resources import EVENTS, NODES, SERVICES
from cloudprovider_controllers.service import controller as service
from cloudprovider_manager.health import Check, Health

UNINITIALIZED = "node.cloudprovider.kubernetes.io/uninitialized"


def test_repeated_events_are_counted_and_none_is_lost(api):
    def model(hub):
        made = api(hub)
        recorder = EventRecorder(made.client(), component="c", concurrency=hub)
        stop = hub.event()
        recorder.start(stop)
        about = make_node("n")

        def tell(message):
            for _ in range(2):
                recorder.event(about, "Normal", "Happened", message)

        threads = [
            hub.start_thread(lambda text=text: tell(text), name=f"teller-{n}")
            for n, text in enumerate(("one", "one", "two"))
        ]
        for thread in threads:
            thread.join()
        assert recorder.flush(30)
        user = made.client("user")
        found = {}
        for event in user.list(EVENTS):
            raw = user.get_raw(EVENTS, event.metadata.name, "default")
            found[raw["message"]] = raw["count"]
        assert found == {"one": 4, "two": 2}
        stop.set()
        hub.sleep(1)

    assert explore(model, 150) > 100


def test_health_is_told_while_checks_come_and_fail(api):
    def model(hub):
        health = Health(concurrency=hub)
        beats = {"a": True, "b": True}
        answers = []

        def add():
            for name in beats:
                health.add(Check(name, functools.partial(beats.get, name)))

        def probe():
            for _ in range(3):
                answers.append(health.report("healthz"))
                hub.switch_point()

        threads = [hub.start_thread(add, name="adder"), hub.start_thread(probe, name="prober")]
        for thread in threads:
            thread.join()
        assert all(status == 200 for status, _ in answers)
        beats["b"] = False
        status, text = health.report("livez")
        assert status == 500
        assert "[-]b failed" in text

    assert explore(model, 300) > 10


class Process:
    """A manager's controllers, as far as these models need them."""

    def __init__(self, made, cloud):
        hub, self.stop = made.hub, made.hub.event()
        reader = made.client("manager")
        informers = Informers(
            nodes=Informer(reader, NODES, concurrency=hub),
            services=Informer(reader, SERVICES, concurrency=hub),
        )
        context = ControllerContext(
            cloud=cloud,
            client_builder=self,
            informers=informers,
            recorder_factory=lambda component: EventRecorder(
                made.client("events"), component=component, concurrency=hub
            ),
            registry=prometheus_client.CollectorRegistry(),
            concurrency=hub,
        )
        self._made = made
        self.running = [module.start(context, self.stop) for module in (node, lifecycle, service)]
        informers.nodes.start(self.stop)
        informers.services.start(self.stop)

    def client(self, _name):
        return self._made.client("manager")


def test_controllers_stopped_at_any_moment_end_all_threads_and_write_no_more(api):
    def model(hub):
        made = api(hub)
        user, cloud = made.client("user"), FakeCloud(concurrency=hub)
        cloud.add_instance("n")
        taints = [{"key": UNINITIALIZED, "effect": "NoSchedule"}]
        user.create(NODES, {"metadata": {"name": "n"}, "spec": {"taints": taints}})
        spec = {"type": "LoadBalancer", "ports": [{"port": 80}]}
        user.create(SERVICES, {"metadata": {"name": "web"}, "spec": spec}, "default")
        ended = []

        def life():
            process = Process(made, cloud)
            assert all(one.healthy() for one in process.running)
            hub.sleep(hub.random.random())
            process.stop.set()
            for one in process.running:
                one.join(30)
            hub.sleep(120)  # events that wait are tried until then
            ended.append([one.name for one in process.running if not one.healthy()])

        hub.start_process(life, process="manager")
        hub.sleep(60)
        records = len(made.server.journal.records())
        calls = len(cloud.calls)
        hub.sleep(300)
        assert hub.threads("manager") == []
        assert ended == [[]]
        writes = [record for record in made.server.journal.records()[records:] if record.write]
        assert writes == []
        assert len(cloud.calls) == calls

    assert explore(model, 60) > 40
