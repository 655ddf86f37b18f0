"""An informer, its store and its handlers while watches break (``spec/reliability.md`` 3.7)."""

from cloudprovider.testing.schedules import explore
from cloudprovider_controllers.runtime.informer import Handler, Informer
from cloudprovider_controllers.runtime.resources import NODES

ZONE = "topology.kubernetes.io/zone"


class View:
    """What a handler has learnt; every change must fit what it knew."""

    def __init__(self):
        self.known = {}
        self.handler = Handler(self.add, self.update, self.delete)

    def add(self, node, _initial):
        assert node.key not in self.known, "added twice"
        self.known[node.key] = node

    def update(self, old, new):
        assert self.known[old.key] is old, "an update of something else"
        self.known[new.key] = new

    def delete(self, node):
        del self.known[node.key]

    def versions(self):
        return {key: node.metadata.resource_version for key, node in self.known.items()}


def zone_of(node):
    zone = (node.metadata.labels or {}).get(ZONE)
    return [zone] if zone else []


def body(name, zone):
    return {"metadata": {"name": name, "labels": {ZONE: zone}}}


def write(user):
    """What others do to the nodes."""
    for name in ("a", "b"):
        user.create(NODES, body(name, "z1"))
    user.patch(NODES, "a", {"metadata": {"labels": {ZONE: "z2"}}}, patch_type="merge")
    user.delete(NODES, "b")
    user.create(NODES, body("b", "z2"))


def read(informer):
    """What a controller does meanwhile: an index never shows what does not belong there."""
    for _ in range(6):
        for zone in ("z1", "z2"):
            for node in informer.store.by_index("zone", zone):
                assert zone_of(node) == [zone]


def test_relists_broken_watches_and_late_handlers_agree_with_the_server_in_every_order(api):
    def model(hub):
        made = api(hub)
        informer = Informer(made.client(), NODES, indexers={"zone": zone_of}, concurrency=hub)
        first, late = View(), View()
        informer.add_handler(first.handler)
        stop = hub.event()
        informer.start(stop)

        def break_watches():
            for _ in range(2):
                hub.switch_point()
                made.server.store.expire_history(running=True)
                hub.sleep(0.5)

        threads = [
            hub.start_thread(lambda: write(made.client("user")), name="writer"),
            hub.start_thread(break_watches, name="breaker"),
            hub.start_thread(lambda: informer.add_handler(late.handler), name="late"),
            hub.start_thread(lambda: read(informer), name="reader"),
        ]
        for thread in threads:
            thread.join()
        hub.sleep(120)
        there = {n.metadata.name: n.metadata.resource_version for n in made.client().list(NODES)}
        assert set(there) == {"a", "b"}
        stored = {n.key: n.metadata.resource_version for n in informer.store.list()}
        assert first.versions() == late.versions() == stored == there
        assert {n.key for n in informer.store.by_index("zone", "z2")} == {"a", "b"}
        assert informer.store.by_index("zone", "z1") == []
        stop.set()
        hub.sleep(30)

    assert explore(model, 150) > 100
