"""Leadership in every order of renewing, stopping, losing and writing (``design.md`` 5, R5)."""

import itertools

from cloudprovider.testing.schedules import explore, explore_crashes
from cloudprovider_controllers.runtime.elector import LeaderElector
from cloudprovider_controllers.runtime.resources import LEASES
from cloudprovider_controllers.runtime.transport import TransportError


class Cut:
    """A transport that can be cut off: requests then wait until they time out."""

    def __init__(self, inner, hub):
        self.inner, self.hub, self.cut = inner, hub, False

    def request(self, method, path, *, query, headers, body, timeout):
        if self.cut:
            self.hub.sleep(timeout)
            raise TransportError("timed out", sent=True)
        return self.inner.request(
            method, path, query=query, headers=headers, body=body, timeout=timeout
        )


class Candidate:
    """A process that races, and while it leads writes again and again."""

    def __init__(self, api, name, writes):
        self.hub, self.name, self.writes = api.hub, name, writes
        self.lost = 0
        self.led = False
        self.stop = api.hub.event()
        self.wires = []

        def wrap(transport):
            self.wires.append(Cut(transport, api.hub))
            return self.wires[-1]

        self.elector = LeaderElector(api.client(name, wrap), identity=name, concurrency=api.hub)

    def start(self):
        self.hub.start_process(self.run, process=self.name)

    def run(self):
        self.elector.run(self.stop, self.work, self.lose)

    def lose(self):
        self.lost += 1

    def work(self):
        self.led = True
        while not self.lost and not self.stop.is_set():
            if self.elector.is_leader():
                self.writes.append(self.name)
            self.hub.sleep(0.7)


def holder(api):
    found = api.client("user").get_raw(LEASES, "cloud-controller-manager", "kube-system")
    return found["spec"].get("holderIdentity") or ""


def test_a_stop_at_any_moment_gives_the_lease_back(api):
    def model(hub):
        made = api(hub)
        one = Candidate(made, "one", [])
        one.start()
        hub.sleep(2.0 * hub.random.random() + 1.0)
        one.stop.set()
        hub.sleep(10)
        assert one.led
        assert holder(made) == ""
        assert one.lost == 0
        assert not one.elector.is_leader()
        assert hub.threads("one") == []

    assert explore(model, 200) > 20


def test_a_leader_that_is_cut_off_has_stopped_writing_before_another_begins(api):
    def model(hub):
        made, writes = api(hub), []
        one, two = (Candidate(made, name, writes) for name in ("one", "two"))
        one.start()
        hub.sleep(3)
        two.start()
        hub.sleep(4.0 * hub.random.random())
        for wire in one.wires:
            wire.cut = True
        hub.sleep(40)
        assert one.lost == 1
        assert set(writes) == {"one", "two"}
        first_of_two = writes.index("two")
        assert "one" not in writes[first_of_two:]
        two.stop.set()
        hub.sleep(10)

    assert explore(model, 150) > 50


def test_a_lease_taken_by_force_ends_the_leader_once(api):
    def model(hub):
        made = api(hub)
        one = Candidate(made, "one", [])
        one.start()
        hub.sleep(3)
        user = made.client("user")
        name, namespace = "cloud-controller-manager", "kube-system"
        stolen = {"spec": {"holderIdentity": "thief", "leaseDurationSeconds": 15}}
        user.patch(LEASES, name, stolen, namespace=namespace, patch_type="merge")
        taken = len(one.writes)
        hub.sleep(2.5)
        assert one.lost == 1
        # Until it next looks at the lease it cannot know; from then on it writes no more.
        known = len(one.writes)
        assert known - taken <= 4
        hub.sleep(30)
        assert len(one.writes) == known
        assert holder(made) == "thief"

    assert explore(model, 150) > 20


def test_a_process_that_dies_at_any_point_leaves_one_leader(api):
    def model(hub):
        made, writes = api(hub), []
        one, two = (Candidate(made, name, writes) for name in ("one", "two"))
        one.start()
        two.start()
        hub.sleep(8)
        hub.calm()
        hub.sleep(25)
        alive = [candidate for candidate in (one, two) if hub.threads(candidate.name)]
        assert alive
        (leader,) = [candidate for candidate in alive if candidate.elector.is_leader()]
        assert writes[-1] == leader.name
        changes = sum(before != after for before, after in itertools.pairwise(writes))
        assert changes <= 1

    assert explore_crashes(model, step=2) > 100
